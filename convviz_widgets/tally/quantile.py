"""Quantiles of each unit's activations, from counts that do not depend on the order of counting."""

from itertools import pairwise
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.core.errors import BadValue
from convviz_widgets.tally.protocol import State

MANTISSA_BITS = 9
SHIFT = 23 - MANTISSA_BITS
OCTAVE = 2**MANTISSA_BITS  # buckets of one exponent; only the octaves that occur take memory
Counts = npt.NDArray[np.int64]
Places = npt.NDArray[np.int32]


class Quantile:
    """How often each unit's activations fall into buckets of 2**-9 relative width.

    A bucket holds the float32 numbers that agree in sign, exponent and the first nine bits of the mantissa, so counts
    add up exactly, memory has a bound whatever the number of pictures, and a quantile is off by less than 0.2 %.

    Example:
        >>> tally = Quantile()
        >>> tally.add(torch.arange(1000.0).view(1000, 1), torch.arange(1000))
        >>> round(float(tally.value(0.005)[0]))
        994
    """

    def __init__(self) -> None:
        self._counts: torch.Tensor | None = None  # (K, 1 + 2 * width): zeros, positive by size, negative by size
        self._low, self._width = 1, 0  # size of the smallest bucket, and how many there are
        self._range: npt.NDArray[np.float32] | None = None  # (2, K): smallest and largest activation

    @property
    def settings(self) -> dict[str, int]:
        """None: all of them count alike."""
        return {}

    def add(self, activations: torch.Tensor, indices: torch.Tensor) -> None:  # noqa: ARG002 -- every tally is given them
        """Counts a batch; see `Tally.add`."""
        if activations.ndim < 2:
            raise BadValue(f"Activations are (N, K, h, w) or (N, K); given: {tuple(activations.shape)}.")
        values = activations.detach().float().reshape(*activations.shape[:2], -1)
        range_ = torch.stack([values.amin(2).amin(0), values.amax(2).amax(0)]) + 0.0  # turns -0 into 0
        if not bool(range_.isfinite().all()):
            raise BadValue("The activations hold NaN or infinite values, which cannot be counted. Check the weights.")
        bits = values.contiguous().view(torch.int32)
        size = torch.bitwise_and(bits, 0x7FFFFFFF).bitwise_right_shift_(SHIFT)
        largest = int(size.max())
        if largest:
            self._reach(int(torch.where(size > 0, size, largest).min()), largest)
        counts = self._counts_of(values.shape[1], values.device)
        place = size.sub_(self._low - 1).clamp_(min=0)  # in place, as is what follows: memory that is new costs most
        if float(range_[0].min()) < 0:
            place += ((bits < 0) & (place > 0)).to(torch.int32) * self._width
        place = place.long().add_((torch.arange(len(counts), device=values.device) * counts.shape[1])[:, None])
        one = torch.ones((), dtype=torch.int64, device=values.device)
        counts.view(-1).scatter_add_(0, place.view(-1), one.expand(place.numel()))
        self._widen(range_.cpu().numpy())

    def merge(self, other: Self) -> None:
        """Takes in the counts of other pictures."""
        if other._counts is not None and other._range is not None:
            self._take(*other._occupied(), len(other._counts), other._range)

    def value(self, share: float = 0.005) -> npt.NDArray[np.float32]:
        """Per unit the threshold that this share of all activations exceeds, (K,).

        Raises:
            BadValue: the share is not between 0 and 1.
        """
        if not 0 < share < 1:
            raise BadValue(f"share={share} is not a share. Accepted: between 0 and 1, such as 0.005.")
        units, buckets, counts = self._occupied()
        ends = np.searchsorted(units, np.arange((0 if self._counts is None else len(self._counts)) + 1))
        return np.array(
            [_threshold(buckets[start:end], counts[start:end], share) for start, end in pairwise(ends)],
            dtype=np.float32,
        )

    def extremes(self) -> npt.NDArray[np.float32]:
        """The smallest and the largest activation of each unit, (2, K)."""
        return np.empty((2, 0), dtype=np.float32) if self._range is None else self._range.copy()

    def state(self) -> State:
        """Arrays to keep in a file."""
        units, buckets, counts = self._occupied()
        return {"units": units, "buckets": buckets, "counts": counts, "range": self.extremes()}

    def restore(self, state: State) -> None:
        """Continues from what `state` gave."""
        self.__init__()  # type: ignore[misc]
        if state["range"].size:
            self._take(state["units"], state["buckets"], state["counts"], state["range"].shape[1], state["range"])

    def _counts_of(self, units: int, device: Any) -> torch.Tensor:
        """The counts, with room for every size met so far."""
        if self._counts is None:
            self._counts = torch.zeros(units, 1 + 2 * self._width, dtype=torch.int64, device=device)
        if len(self._counts) != units:
            raise BadValue(f"Counts of {len(self._counts)} units and of {units} units do not belong to the same layer.")
        if device is not None:
            self._counts = self._counts.to(device)  # what was restored lies on the CPU
        return self._counts

    def _reach(self, low: int, high: int) -> None:
        """Makes room for sizes, whole octaves at a time."""
        low, high = max(1, low // OCTAVE * OCTAVE), (high // OCTAVE + 1) * OCTAVE
        if self._width:
            low, high = min(low, self._low), max(high, self._low + self._width)
        width, shift = high - low, self._low - low
        if width == self._width:
            return
        if self._counts is not None:
            wider = self._counts.new_zeros(len(self._counts), 1 + 2 * width)
            wider[:, 0] = self._counts[:, 0]
            for sign in (0, 1):
                old = self._counts[:, 1 + sign * self._width :][:, : self._width]
                wider[:, 1 + sign * width + shift :][:, : self._width] = old
            self._counts = wider
        self._low, self._width = low, width

    def _occupied(self) -> tuple[Places, Places, Counts]:
        """Unit, signed bucket and count of each bucket that holds anything, in this order."""
        if self._counts is None:
            return np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int64)
        units, places = (each.cpu().numpy() for each in self._counts.nonzero(as_tuple=True))
        counts = self._counts.cpu().numpy()[units, places]
        size = np.where(places > self._width, places - self._width, places) + self._low - 1
        buckets = np.where(places == 0, 0, np.where(places > self._width, -size, size))
        order = np.lexsort((buckets, units)) if (buckets < 0).any() else slice(None)
        return units[order].astype(np.int32), buckets[order].astype(np.int32), counts[order]

    def _take(
        self, units: Places, buckets: Places, counts: Counts, number: int, range_: npt.NDArray[np.float32]
    ) -> None:
        size = np.abs(buckets)
        if size.any():
            self._reach(int(size[size > 0].min()), int(size.max()))
        mine = self._counts_of(number, None)
        places = np.where(size == 0, 0, size - self._low + 1 + np.where(buckets < 0, self._width, 0))
        keys = torch.from_numpy(units.astype(np.int64) * mine.shape[1] + places).to(mine.device)
        mine.view(-1).index_add_(0, keys, torch.from_numpy(counts).to(mine.device))
        self._widen(range_)

    def _widen(self, range_: npt.NDArray[np.float32]) -> None:
        mine = range_ if self._range is None else self._range
        self._range = np.stack([np.minimum(mine[0], range_[0]), np.maximum(mine[1], range_[1])])


def _edge(size: int) -> float:
    """The smallest number of a bucket of positive ones."""
    return float(np.array(min(size << SHIFT, 0x7F7FFFFF), dtype=np.int32).view(np.float32))


def _threshold(buckets: Places, counts: Counts, share: float) -> float:
    """Within the bucket where the tail reaches the share, values are taken to be spread evenly."""
    wanted = share * counts.sum()
    above = counts[::-1].cumsum()[::-1]  # how many lie in this bucket or a higher one
    place = int(np.flatnonzero(above >= wanted)[-1])
    inside = (above[place] - wanted) / counts[place]
    bucket = int(buckets[place])
    if bucket == 0:
        return 0.0
    low, high = _edge(abs(bucket)), _edge(abs(bucket) + 1)
    low, high = (low, high) if bucket > 0 else (-high, -low)
    return low + (high - low) * float(inside)
