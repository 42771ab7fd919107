"""What is inverted: what layers answered to a picture, perturbed where wanted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from convviz_widgets.core.errors import BadValue, UnsupportedModel
from convviz_widgets.lens.backward import cached_answers
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.inversion.perturb import Perturbation


@dataclass(frozen=True)
class Code:
    """One layer's answer to a picture, which an image is to bring about again.

    Args:
        layer: its name.
        answer: (1, K, h, w) or (1, K), float32.
    """

    layer: str
    answer: torch.Tensor

    @property
    def energy(self) -> float:
        """The squared Euclidean norm, what errors are divided by."""
        return float(self.answer.square().sum())

    def misfit(self, answers: torch.Tensor) -> torch.Tensor:
        """``|A - A0|**2 / |A0|**2`` of answers (N, ...) to images, (N,)."""
        apart = (answers.float() - self.answer).square()
        return apart.sum(tuple(range(1, apart.ndim))) / self.energy  # no reshaping, which would copy channels_last


def codes_of(
    lens: Lens,
    prepared: torch.Tensor,
    layers: Sequence[str],
    perturbation: Perturbation | None = None,
    *,
    seed: int = 0,
    importance: Any = None,
) -> tuple[Code, ...]:
    """What layers answer to one prepared picture, out of the cache or in one forward pass for all of them.

    Args:
        lens: the network.
        prepared: (1, C, H, W).
        layers: their names.
        perturbation: what is done to each answer.
        seed: of what is random in it; a layer's draws depend on nothing else.
        importance: (K,) of the channels of a layer, for the perturbation "weakest".

    Raises:
        UnknownName: a wrong layer.
        BadValue: a layer answers nothing but zeros.
        UnsupportedModel: a layer's answer is not of numbers.
    """
    worth = None if importance is None else torch.as_tensor(importance)
    found = []
    for name in layers:
        answer = cached_answers(lens, prepared, lens.layers[name])
        if not answer.is_floating_point():
            raise UnsupportedModel(f"{name} answers {answer.dtype}, which cannot be inverted. Accepted: numbers.")
        answer = answer.float()
        if perturbation is not None:
            answer = perturbation(answer, generator=torch.Generator().manual_seed(seed), importance=worth)
        code = Code(name, answer)
        if not code.energy > 0:
            how = "" if perturbation is None else f" once perturbed by {perturbation}"
            milder = "" if perturbation is None else "a milder perturbation, "
            raise BadValue(
                f"{name} answers nothing but zeros to this picture{how}, from which nothing can be told. Try "
                f"{milder}an earlier layer, the one before its ReLU, or another picture."
            )
        found.append(code)
    return tuple(found)
