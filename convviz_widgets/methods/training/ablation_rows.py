"""What all variants of a size ablation are trained and measured on, and what is found of each."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.core.errors import BadValue
from convviz_widgets.lens.device import best_device, checked
from convviz_widgets.lens.recall import image_digest
from convviz_widgets.methods.training.examples import classes_of, pictures, statistics

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Data:
    """What all variants are trained and measured on."""

    images: torch.Tensor
    targets: torch.Tensor
    others: torch.Tensor
    other_targets: torch.Tensor
    mean: list[float]
    std: list[float]
    device: torch.device

    @classmethod
    def of(cls, images: Any, labels: Any, others: Any, other_labels: Any, device: Any) -> Self:
        """Checked and brought to the device."""
        train, test = pictures(images), pictures(others, "test_images")
        if train.shape[1:] != test.shape[1:] or train.dtype != test.dtype:
            raise BadValue(
                f"images are {tuple(train.shape[1:])} {train.dtype}, test_images {tuple(test.shape[1:])} {test.dtype}. "
                "Accepted: pictures of one size and type."
            )
        wanted, known = classes_of(labels, len(train)), classes_of(other_labels, len(test), "test_labels")
        strange = sorted(set(known.tolist()) - set(wanted.tolist()))
        if strange:
            raise BadValue(f"test_labels has classes {strange} that no picture of images has. Leave these out.")
        place = best_device() if device is None else checked(device)
        mean, std = statistics(train)
        return cls(
            train.to(place),
            torch.from_numpy(wanted).to(place),
            test.to(place),
            torch.from_numpy(known).to(place),
            mean,
            std,
            place,
        )

    @property
    def classes(self) -> int:
        """How many there are."""
        return int(self.targets.max()) + 1

    @cached_property
    def digest(self) -> str:
        """Names these pictures and classes."""
        return image_digest(self.images.cpu()) + image_digest(self.targets.cpu().view(1, 1, -1))


class Row:
    """What is measured of the nets of one variant, one after another."""

    def __init__(self, size: int, epochs: int, data: Data) -> None:
        self.size, self.epochs = size, epochs
        self.wanted = [data.targets.cpu().numpy(), data.other_targets.cpu().numpy()]
        self.errors: list[tuple[float, float]] = []
        self.losses: list[list[float]] = []
        self.reasons: list[str] = []
        self.sums: list[Floats] = []
        self.good = 0

    def add(self, answers: list[Floats], losses: list[float]) -> None:
        """Takes in what one net answers to both sets, (N, classes) each, and its loss by epoch."""
        self.errors.append((_error(answers[0], self.wanted[0]), _error(answers[1], self.wanted[1])))
        self.losses.append(losses)
        self.sums = [a + b for a, b in zip(self.sums, answers, strict=True)] if self.sums else answers
        self.good += 1

    def fail(self, reason: str) -> None:
        """Takes in that one net was lost."""
        self.errors.append((math.nan, math.nan))
        self.losses.append([math.nan] * self.epochs)
        self.reasons.append(reason)

    def together(self) -> tuple[float, float]:
        """Errors of the averaged probabilities."""
        if not self.good:
            return math.nan, math.nan
        return _error(self.sums[0], self.wanted[0]), _error(self.sums[1], self.wanted[1])


def _error(answers: Floats, wanted: npt.NDArray[np.int64]) -> float:
    return float((answers.argmax(1) != wanted).mean())
