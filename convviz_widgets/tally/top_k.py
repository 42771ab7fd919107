"""The pictures that excite each unit most."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.core.errors import BadValue
from convviz_widgets.tally.protocol import State

NOBODY = torch.iinfo(torch.int64).max  # index of an empty place: it sorts last


@dataclass(frozen=True, eq=False)
class Top:
    """Per unit k places, the strongest first.

    Attributes:
        index: (K, k) place of the picture in the dataset; -1 where there are fewer pictures than places.
        position: (K, k, 2) row and column of the strongest neuron.
        activation: (K, k) float32; NaN where there is no picture.
    """

    index: npt.NDArray[np.int64]
    position: npt.NDArray[np.int64]
    activation: npt.NDArray[np.float32]


class TopK:
    """The k strongest pictures of each unit, each picture counted once, at its strongest position.

    Of equal activations the earlier picture wins, and in a picture the earlier position, so that every order of
    counting gives the same bits.

    Example:
        >>> top = TopK(2)
        >>> top.add(torch.tensor([[1.0], [3.0], [2.0]]), torch.arange(3))
        >>> top.value().index
        array([[1, 2]])

    Args:
        k: pictures per unit.
    """

    def __init__(self, k: int = 9) -> None:
        if k < 1:
            raise BadValue(f"k={k} pictures per unit cannot be kept. Accepted: 1 or more.")
        self.k = k
        self._activation = torch.empty(0, k)
        self._index = torch.empty(0, k, dtype=torch.int64)
        self._position = torch.empty(0, k, 2, dtype=torch.int64)

    @property
    def settings(self) -> dict[str, int]:
        """Pictures per unit."""
        return {"k": self.k}

    def add(self, activations: torch.Tensor, indices: torch.Tensor) -> None:
        """Counts a batch; see `Tally.add`."""
        width = activations.shape[3] if activations.ndim == 4 else 1
        strongest, place = _strongest(activations.detach().float() + 0.0)  # turns -0 into 0
        if bool(strongest.isnan().any()):
            raise BadValue("The activations hold NaN, which cannot be ranked. Check the weights.")
        position = torch.stack([place // width, place % width], dim=-1)
        index = indices.to(torch.int64).expand(len(strongest), -1)
        self._take(strongest.cpu(), index.cpu(), position.cpu())

    def merge(self, other: Self) -> None:
        """Takes in the strongest of other pictures."""
        if other.k != self.k:
            raise BadValue(f"Tallies of {self.k} and of {other.k} pictures per unit cannot be merged.")
        if len(other._index):
            self._take(other._activation, other._index, other._position)

    def value(self) -> Top:
        """The strongest pictures."""
        empty = (self._index == NOBODY).numpy()
        index = np.where(empty, -1, self._index.numpy())
        return Top(index, self._position.numpy().copy(), np.where(empty, np.float32(np.nan), self._activation.numpy()))

    def state(self) -> State:
        """Arrays to keep in a file."""
        arrays = {"activation": self._activation, "index": self._index, "position": self._position}
        return {name: array.numpy() for name, array in arrays.items()}

    def restore(self, state: State) -> None:
        """Continues from what `state` gave."""
        self._activation, self._index, self._position = (
            torch.from_numpy(state[name].copy()) for name in ("activation", "index", "position")
        )

    def _take(self, activation: torch.Tensor, index: torch.Tensor, position: torch.Tensor) -> None:
        """Keeps the first k of what was there and what is new, by activation and then by index."""
        if not len(self._index):
            units = len(index)
            self._activation = torch.full((units, self.k), -torch.inf)
            self._index = torch.full((units, self.k), NOBODY)
            self._position = torch.zeros(units, self.k, 2, dtype=torch.int64)
        if len(index) != len(self._index):
            raise BadValue(f"Counts of {len(self._index)} units and of {len(index)} units are not of the same layer.")
        index = torch.cat([self._index, index], dim=1)
        by_index = index.argsort(dim=1)
        activation = torch.cat([self._activation, activation], dim=1).gather(1, by_index)
        by_activation = activation.argsort(dim=1, descending=True, stable=True)[:, : self.k]
        order = by_index.gather(1, by_activation)
        self._activation = activation.gather(1, by_activation)
        self._index = index.gather(1, order)
        position = torch.cat([self._position, position], dim=1)
        self._position = position.gather(1, order[..., None].expand(-1, -1, 2))


def _strongest(activations: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Per unit and picture the largest value and its first place, each (K, N).

    The largest value alone is found much faster than its place, so the place is looked up afterwards.
    """
    if activations.ndim == 2:
        return activations.T, torch.zeros_like(activations.T, dtype=torch.int64)
    flat = activations.flatten(2)
    largest = flat.amax(2)
    place = (flat == largest[..., None]).to(torch.uint8).argmax(2)
    return largest.T, place.T
