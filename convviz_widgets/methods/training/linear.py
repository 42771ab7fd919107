"""A linear classifier by full-batch optimisation: softmax regression with weight decay, to its one minimum.

With features x (D,), weights W (D, C) and biases b (C,) the mean over N examples of

    -log softmax(W^T x + b)_target  +  decay / 2 |W|^2

is least at one place. Features are brought to mean 0 and standard deviation 1 first. Where there are more features than
examples it is solved in the space that the examples span, which has the same minimum.

Oracle: the gradient is zero there; equals Newton's method on the same features.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F  # noqa: N812 -- the name it goes by everywhere

Floats = npt.NDArray[np.float64]
DECAYS = (10.0, 1.0, 1e-1, 1e-2, 1e-3)
STEPS = 300  # of L-BFGS, at most; some thirty are used


class Scale(NamedTuple):
    """What brings features (N, D) to mean 0 and standard deviation 1."""

    mean: torch.Tensor
    std: torch.Tensor

    @classmethod
    def of(cls, features: torch.Tensor) -> "Scale":
        """Of these features; one that never changes is left at 0."""
        spread = features.std(0, correction=0)
        return cls(features.mean(0), torch.where(spread > 1e-8 * spread.max().clamp(min=1e-30), spread, torch.inf))

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        """The features (N, D), scaled."""
        return (features - self.mean) / self.std


class Linear(NamedTuple):
    """A fitted classifier: what the features are scaled by, W (D, C), b (C,), float64."""

    scale: Scale
    weight: torch.Tensor
    bias: torch.Tensor

    def scores(self, features: torch.Tensor) -> torch.Tensor:
        """(N, C) before the softmax, of features (N, D)."""
        return self.scale(features.double()) @ self.weight + self.bias


class Problem:
    """Examples to fit; what does not depend on the weight decay is done once.

    Args:
        features: (N, D).
        targets: (N,) from 0.
        classes: how many there are.
    """

    def __init__(self, features: torch.Tensor, targets: torch.Tensor, classes: int) -> None:
        self.scale, self.targets, self.classes = Scale.of(features.double()), targets, classes
        self.x, self.basis = self.scale(features.double()), None
        if self.x.shape[1] > len(self.x):
            values, vectors = torch.linalg.eigh(self.x @ self.x.T)
            kept = values > 1e-12 * values[-1].clamp(min=1e-30)
            root = values[kept].sqrt()
            self.basis = self.x.T @ (vectors[:, kept] / root)
            self.x = vectors[:, kept] * root
        self.last = torch.zeros(self.x.shape[1], classes).double(), torch.zeros(classes).double()

    def fit(self, decay: float) -> Linear:
        """The classifier with the least loss, searched from the one found last."""
        with torch.inference_mode(mode=False), torch.enable_grad():
            weight, bias = (each.clone().requires_grad_() for each in self.last)
            search = torch.optim.LBFGS(
                [weight, bias],
                max_iter=STEPS,
                history_size=20,
                tolerance_grad=1e-7,
                tolerance_change=1e-10,
                line_search_fn="strong_wolfe",
            )

            def loss() -> torch.Tensor:
                search.zero_grad()
                total = F.cross_entropy(self.x @ weight + bias, self.targets) + decay / 2 * weight.square().sum()
                total.backward()  # type: ignore[no-untyped-call]
                return total

            search.step(loss)  # type: ignore[no-untyped-call]
        found = weight.detach()
        self.last = found, bias.detach()
        return Linear(self.scale, found if self.basis is None else self.basis @ found, bias.detach())


def fitted(
    features: torch.Tensor, targets: torch.Tensor, classes: int, kept: npt.NDArray[np.bool_]
) -> tuple[Linear, float]:
    """The classifier of all examples, with the weight decay under which those kept apart have the least loss.

    Args:
        features: (N, D).
        targets: (N,).
        classes: how many there are.
        kept: (N,) which examples choose the weight decay; of each class some, but not all.
    """
    apart = torch.from_numpy(kept)
    part = Problem(features[~apart], targets[~apart], classes)
    losses = {each: float(F.cross_entropy(part.fit(each).scores(features[apart]), targets[apart])) for each in DECAYS}
    decay = min(losses, key=lambda each: losses[each])
    return Problem(features, targets, classes).fit(decay), decay
