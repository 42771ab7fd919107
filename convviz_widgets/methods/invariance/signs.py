"""The direction in which hiding a part changes each feature, and how alike these are in different pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.masks import mixed
from convviz_widgets.methods.invariance.permutation import Zeros, hamming, p_value
from convviz_widgets.methods.invariance.regions import Mask

ZERO = 1e-5  # of the root mean square of a layer's answer: a change as small as that is none


def changes(
    lens: Lens,
    prepared: torch.Tensor,
    stand_in: torch.Tensor,
    masks: Sequence[Mask],
    layers: Sequence[Layer],
    *,
    at_once: int = 32,
) -> list[npt.NDArray[np.int8]]:
    """The signs of what hiding each of some parts of a picture changes: of each layer (masks, D), -1, 0 or 1.

    Args:
        lens: the network.
        prepared: (1, C, H, W), the picture.
        stand_in: (1, C, H, W), what shows where it is hidden.
        masks: where it is hidden.
        layers: whose answers are compared.
        at_once: pictures in a forward pass.
    """
    names = [layer.name for layer in layers]
    pictures = [prepared, *(mixed(prepared, stand_in, mask) for mask in masks)]
    found: list[list[npt.NDArray[np.int8]]] = [[] for _ in names]
    clean: dict[str, torch.Tensor] = {}
    for start in range(0, len(pictures), at_once):
        answers = lens.record(torch.cat(pictures[start : start + at_once]), names)
        clean = clean or {name: each[:1].clone() for name, each in answers.items()}
        for told, (name, each) in zip(found, answers.items(), strict=True):
            change = (clean[name] - each).flatten(1).float()
            bound = ZERO * float(clean[name].float().square().mean().sqrt())
            signs = torch.where(change.abs() <= bound, torch.zeros_like(change), change.sign())
            told.append(signs.to(torch.int8).cpu().numpy())
    return [np.concatenate(each)[1:] for each in found]


@dataclass(frozen=True)
class Cell:
    """One part at one layer."""

    mean: float
    deviation: float
    random_mean: float
    random_deviation: float
    p_value: float
    unchanged: float
    exact: bool


NUMBERS = ("mean", "deviation", "random_mean", "random_deviation", "p_value", "unchanged")


def compared(signs: npt.NDArray[np.int8], generator: np.random.Generator, zeros: Zeros) -> Cell:
    """The table's entry for signs (N, 1 + R, D), of which those at place 0 are the part's."""
    count, choices, length = signs.shape
    distances = hamming(signs.reshape(-1, length), zeros).reshape(count, choices, count, choices)
    first, second = np.triu_indices(count, 1)
    part = distances[first, 0, second, 0]
    random = distances[first, 1:, second, 1:]
    value, exact = p_value(distances, generator)
    return Cell(
        mean=float(part.mean()),
        deviation=float(part.std()),
        random_mean=float(random.mean()),
        random_deviation=float(random.std()),
        p_value=value,
        unchanged=float((signs[:, 0] == 0).mean()),
        exact=exact,
    )
