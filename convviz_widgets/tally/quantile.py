"""Quantiles of each unit's activations, from counts that do not depend on the order of counting."""

from itertools import pairwise
from typing import Self

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.core.errors import BadValue
from convviz_widgets.tally.protocol import State, rows_of

MANTISSA_BITS = 9
SHIFT = 23 - MANTISSA_BITS
BUCKETS = 2 ** (32 - SHIFT)  # per unit; only those that occur take memory


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
        self._keys: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)  # unit * BUCKETS + bucket, sorted
        self._counts: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._units = 0

    @property
    def settings(self) -> dict[str, int]:
        """None: all of them count alike."""
        return {}

    def add(self, activations: torch.Tensor, indices: torch.Tensor) -> None:  # noqa: ARG002 -- every tally is given them
        """Counts a batch; see `Tally.add`."""
        rows = rows_of(activations)
        buckets = _bucket(rows)
        low = int(buckets.min())
        width = int(buckets.max()) - low + 1
        units = torch.arange(len(rows), device=rows.device)[:, None]
        counts = torch.bincount((buckets - low + units * width).flatten(), minlength=len(rows) * width)
        occupied = counts.nonzero()[:, 0]
        keys = (occupied // width) * BUCKETS + occupied % width + low
        self._take(keys.cpu().numpy(), counts[occupied].cpu().numpy(), len(rows))

    def merge(self, other: Self) -> None:
        """Takes in the counts of other pictures."""
        if other._units:
            self._take(other._keys, other._counts, other._units)

    def value(self, share: float = 0.005) -> npt.NDArray[np.float32]:
        """Per unit the threshold that this share of all activations exceeds, (K,).

        Raises:
            BadValue: the share is not between 0 and 1.
        """
        if not 0 < share < 1:
            raise BadValue(f"share={share} is not a share. Accepted: between 0 and 1, such as 0.005.")
        units, buckets = self._keys // BUCKETS, self._keys % BUCKETS
        ends = np.searchsorted(units, np.arange(self._units + 1))
        return np.array(
            [_threshold(buckets[start:end], self._counts[start:end], share) for start, end in pairwise(ends)],
            dtype=np.float32,
        )

    def state(self) -> State:
        """Arrays to keep in a file."""
        return {"keys": self._keys, "counts": self._counts, "units": np.array(self._units)}

    def restore(self, state: State) -> None:
        """Continues from what `state` gave."""
        self._keys, self._counts, self._units = state["keys"], state["counts"], int(state["units"])

    def _take(self, keys: npt.NDArray[np.int64], counts: npt.NDArray[np.int64], units: int) -> None:
        if self._units not in (0, units):
            raise BadValue(f"Counts of {self._units} units and of {units} units do not belong to the same layer.")
        self._units = units
        merged, place = np.unique(np.concatenate([self._keys, keys]), return_inverse=True)
        totals = np.zeros(len(merged), dtype=np.int64)
        np.add.at(totals, place, np.concatenate([self._counts, counts]))
        self._keys, self._counts = merged, totals


def _bucket(values: torch.Tensor) -> torch.Tensor:
    """The number of a value's bucket; larger values never have a smaller one."""
    bits = (values + 0.0).contiguous().view(torch.int32).to(torch.int64)  # + 0.0 turns -0 into 0
    ordered = torch.where(bits < 0, -(bits & 0x7FFFFFFF) - 1, bits) + 2**31
    return ordered >> SHIFT


def _edge(buckets: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """The lower edge of buckets."""
    ordered = (buckets.astype(np.int64) << SHIFT) - 2**31
    bits = np.where(ordered < 0, (-(ordered + 1)) | -(2**31), ordered)
    return bits.astype(np.int32).view(np.float32).astype(np.float64)


def _threshold(buckets: npt.NDArray[np.int64], counts: npt.NDArray[np.int64], share: float) -> float:
    """Within the bucket where the tail reaches the share, values are taken to be spread evenly."""
    wanted = share * counts.sum()
    above = counts[::-1].cumsum()[::-1]  # how many lie in this bucket or a higher one
    place = int(np.flatnonzero(above >= wanted)[-1])
    inside = (above[place] - wanted) / counts[place]
    low, high = _edge(buckets[place : place + 1])[0], _edge(buckets[place : place + 1] + 1)[0]
    return float(0.0 if low == 0.0 else low + (high - low) * inside)
