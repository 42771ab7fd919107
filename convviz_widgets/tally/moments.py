"""Mean, variance, smallest and largest activation of each unit, summed without rounding."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Self

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.tally.protocol import State, added, rows_of

LOWEST = -148  # exponent of the smallest float32 above 0, as frexp counts
EXPONENTS = 128 - LOWEST + 1
HALF = 24  # bits of a float32 mantissa; its square is kept in two halves


@dataclass(frozen=True, eq=False)
class Statistics:
    """Per unit, each (K,) float64; ``count`` is the number of activations of each unit."""

    count: int
    mean: npt.NDArray[np.float64]
    variance: npt.NDArray[np.float64]
    minimum: npt.NDArray[np.float64]
    maximum: npt.NDArray[np.float64]


class Moments:
    """Exact sums of activations and of their squares.

    A float32 is a whole number of 24 bits times a power of two. Sums are kept as 64-bit whole numbers, one for each
    power, so nothing is rounded before the end and every order of counting gives the same bits. They hold 2**38
    activations.

    Example:
        >>> tally = Moments()
        >>> tally.add(torch.tensor([[1.0], [2.0], [6.0]]), torch.arange(3))
        >>> tally.value().mean, tally.value().maximum
        (array([3.]), array([6.]))
    """

    def __init__(self) -> None:
        self._count = 0
        self._sums: npt.NDArray[np.int64] | None = None  # (K, 3, EXPONENTS): sum, squares' upper and lower half
        self._range: npt.NDArray[np.float32] | None = None  # (K, 2): minimum and maximum

    @property
    def settings(self) -> dict[str, int]:
        """None: all of them count alike."""
        return {}

    def add(self, activations: torch.Tensor, indices: torch.Tensor) -> None:  # noqa: ARG002 -- every tally is given them
        """Counts a batch; see `Tally.add`."""
        rows = rows_of(activations)
        extremes = torch.stack([rows.amin(1), rows.amax(1)], dim=1) + 0.0  # turns -0 into 0
        self._take(_exact_sums(rows), extremes.cpu().numpy(), rows.shape[1])

    def merge(self, other: Self) -> None:
        """Takes in the sums over other pictures."""
        if other._sums is not None and other._range is not None:
            self._take(other._sums, other._range, other._count)

    def value(self) -> Statistics:
        """The statistics, each correctly rounded from exact sums."""
        if self._sums is None or self._range is None:
            empty = np.empty(0)
            return Statistics(0, empty, empty, empty, empty)
        means, variances = zip(*(_moments(sums, self._count) for sums in self._sums), strict=True)
        low, high = self._range.astype(np.float64).T
        return Statistics(self._count, np.array(means), np.array(variances), low, high)

    def state(self) -> State:
        """Arrays to keep in a file."""
        if self._sums is None or self._range is None:
            return {}
        return {"count": np.array(self._count), "sums": self._sums, "range": self._range}

    def restore(self, state: State) -> None:
        """Continues from what `state` gave."""
        self._count = int(state["count"]) if state else 0
        self._sums, self._range = state.get("sums"), state.get("range")

    def _take(self, sums: npt.NDArray[np.int64], extremes: npt.NDArray[np.float32], count: int) -> None:
        self._sums = added(self._sums, sums)
        self._count += count
        if self._range is not None:
            low, high = np.minimum(self._range, extremes), np.maximum(self._range, extremes)
            extremes = np.stack([low[:, 0], high[:, 1]], axis=1)
        self._range = extremes


def _exact_sums(rows: torch.Tensor) -> npt.NDArray[np.int64]:
    """(K, 3, EXPONENTS) whole-number sums of a batch (K, n)."""
    fraction, exponent = torch.frexp(rows)
    whole = (fraction.double() * 2**HALF).to(torch.int64)
    squares = whole * whole
    units = torch.arange(len(rows), device=rows.device)[:, None]
    places = (units * EXPONENTS + exponent.clamp(min=LOWEST) - LOWEST).flatten()
    parts = (whole, squares >> HALF, squares & (2**HALF - 1))
    sums = [
        torch.bincount(places, part.flatten().double(), minlength=len(rows) * EXPONENTS).to(torch.int64)
        for part in parts
    ]
    return torch.stack([each.view(len(rows), EXPONENTS) for each in sums], dim=1).cpu().numpy()


def _moments(sums: npt.NDArray[np.int64], count: int) -> tuple[float, float]:
    total, squares = 0, 0
    for place in np.flatnonzero(sums.any(axis=0)):
        linear, upper, lower = (int(each) for each in sums[:, place])
        total += linear << int(place)
        squares += ((upper << HALF) + lower) << (2 * int(place))
    unit = Fraction(2) ** (LOWEST - HALF)
    mean = total * unit / count
    variance = squares * unit * unit / count - mean * mean
    return float(mean), float(variance)
