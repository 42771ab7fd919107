"""What every tally can do."""

from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.core.errors import BadValue

State = dict[str, npt.NDArray[Any]]


class Tally(Protocol):
    """A counter of fixed size over the activations of one layer.

    Merging is commutative and associative to the last bit: one process, many, or a run that was resumed, in whatever
    order, give the same state.
    """

    @property
    def settings(self) -> dict[str, Any]:
        """What it was made with, fit for JSON: only tallies of equal settings belong together."""

    def add(self, activations: torch.Tensor, indices: torch.Tensor) -> None:
        """Counts a batch.

        Args:
            activations: (N, K, h, w), or (N, K) for vectors.
            indices: (N,) place of each picture in the dataset; no picture is counted twice.
        """

    def merge(self, other: Self) -> None:
        """Takes in what another tally counted on other pictures."""

    def value(self) -> Any:
        """What was found."""

    def state(self) -> State:
        """Everything, as arrays to keep in a file."""

    def restore(self, state: State) -> None:
        """Continues from what `state` gave, in place of what was counted so far."""


def rows_of(activations: torch.Tensor) -> torch.Tensor:
    """Activations as (K, N * positions), float32.

    Raises:
        BadValue: wrong shape, or NaN or infinite values.
    """
    if activations.ndim < 2:
        raise BadValue(f"Activations are (N, K, h, w) or (N, K); given: {tuple(activations.shape)}.")
    rows = activations.detach().float().transpose(0, 1).flatten(1)
    if not bool(rows.isfinite().all()):
        raise BadValue("The activations hold NaN or infinite values, which cannot be counted. Check the weights.")
    return rows


def added(old: npt.NDArray[Any] | None, new: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The sum of two counts, the first of which may not be there yet."""
    if old is not None and old.shape != new.shape:
        raise BadValue(f"Counts of {old.shape[0]} units and of {new.shape[0]} units do not belong to the same layer.")
    return new if old is None else np.add(old, new)
