"""The arithmetic of changed places: what part of a map a changed part of the map before it can reach.

Rows and columns are apart from each other, so that one `Span` per axis says all.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Span:
    """The changed positions ``low <= i < high`` along one axis of a map, for N pictures.

    Args:
        low, high: (N,), within the map; nothing is empty: where no position changed, one that did not stands in.
        length: of the axis.
    """

    low: Ints
    high: Ints
    length: int

    @classmethod
    def of(cls, low: Any, high: Any, length: int) -> "Span":
        """A span clipped to the axis."""
        low = np.maximum(np.minimum(np.asarray(low, dtype=np.int64), length - 1), 0)
        high = np.minimum(np.asarray(high, dtype=np.int64), length)
        return cls(low, np.maximum(high, low + 1), length)

    @cached_property
    def size(self) -> int:
        """Positions of the one window size that holds every picture's span."""
        return int((self.high - self.low).max())

    @cached_property
    def start(self) -> Ints:
        """(N,) where windows of that size begin: at the span, moved inwards where they would hang over the end."""
        return np.minimum(self.low, self.length - self.size)

    def through(self, *, kernel: int, stride: int, padding: int, dilation: int, length: int) -> "Span":
        """What a sliding window over this axis hands on, on an axis of another length.

        Example:
            >>> after = Span.of([4], [6], 10).through(kernel=3, stride=1, padding=1, dilation=1, length=10)
            >>> int(after.low[0]), int(after.high[0])
            (3, 7)
        """
        low = -(-(self.low + padding - dilation * (kernel - 1)) // stride)
        return Span.of(low, (self.high - 1 + padding) // stride + 1, length)

    def joined(self, other: "Span") -> "Span":
        """The smallest span that holds both."""
        return Span(np.minimum(self.low, other.low), np.maximum(self.high, other.high), self.length)

    def moved(self, by: int, length: int) -> "Span":
        """The same positions on an axis that was made longer by so many before it."""
        return Span.of(self.low + by, self.high + by, length)

    def take(self, places: Any) -> "Span":
        """The spans of some of the pictures."""
        return Span(self.low[places], self.high[places], self.length)

    def same_as(self, other: "Span") -> bool:
        """Whether windows of both lie in the same places."""
        return self.size == other.size and bool((self.start == other.start).all())


@dataclass(frozen=True, eq=False)
class Patch:
    """The changed windows of a map, all of one size; outside of them the map is as it was.

    Args:
        values: (N, ..., h, w).
        rows, columns: where they lie.
    """

    values: torch.Tensor
    rows: Span
    columns: Span

    def holding(self, values: torch.Tensor) -> "Patch":
        """Other values in the same windows."""
        return Patch(values, self.rows, self.columns)

    def was(self, clean: torch.Tensor) -> torch.Tensor:
        """An unchanged map (1, ..., H, W) in these windows: (N, ..., h, w)."""
        return cut(clean, None, self.rows.start, self.rows.size, self.columns.start, self.columns.size)

    def sums(self, clean: torch.Tensor) -> torch.Tensor:
        """By how much each picture's sum over all positions has changed: (N, ...)."""
        return (self.values - self.was(clean)).sum((-2, -1))

    def joined(self, other: "Patch") -> "Patch":
        """Windows that hold both, with values that are not to be read."""
        return Patch(self.values, self.rows.joined(other.rows), self.columns.joined(other.columns))

    def moved(self, clean: torch.Tensor, by: tuple[int, int], lengths: tuple[int, int], outside: float) -> "Patch":
        """The same where the map (clean: (1, ..., H, W)) got so many rows and columns of a constant before it."""
        pairs = zip((self.rows, self.columns), by, lengths, strict=True)
        rows, columns = (span.moved(step, length) for span, step, length in pairs)
        top, left = rows.start - by[0], columns.start - by[1]
        return Patch(cut(clean, self, top, rows.size, left, columns.size, outside), rows, columns)

    def at(self, clean: torch.Tensor, part: "Patch") -> torch.Tensor:
        """The changed map (clean: (1, ..., H, W)) in other windows: (N, ..., h, w)."""
        if self.rows.same_as(part.rows) and self.columns.same_as(part.columns):
            return self.values
        return cut(clean, self, part.rows.start, part.rows.size, part.columns.start, part.columns.size)

    def everywhere(self, clean: torch.Tensor) -> torch.Tensor:
        """The whole changed map: (N, 1, ..., H, W)."""
        none = np.zeros_like(self.rows.low)
        whole = cut(clean, self, none, self.rows.length, none, self.columns.length)
        return whole.unsqueeze(1)


def cut(
    clean: torch.Tensor, patch: Patch | None, top: Ints, height: int, left: Ints, width: int, outside: float = 0.0
) -> torch.Tensor:
    """Windows of one size out of the changed map, which may reach beyond its edges.

    Args:
        clean: (1, ..., H, W), the map as it was.
        patch: what changed; None if nothing.
        top: (N,) rows where the windows begin, negative before the edge.
        height: of the windows.
        left: (N,) columns where they begin.
        width: of the windows.
        outside: the value beyond the edges.

    Returns:
        (N, ..., height, width), with neighbouring channels beside each other in memory.
    """
    lead, (length, across) = clean.shape[1:-2], clean.shape[-2:]
    found = clean.new_empty(len(top), height, width, *lead).movedim((1, 2), (-2, -1))
    for number, (y, x) in enumerate(zip(top.tolist(), left.tolist(), strict=True)):
        window = found[number]
        if y < 0 or x < 0 or y + height > length or x + width > across:
            window.fill_(outside)
        _copy(window, (y, x), clean[0], (0, 0))
        if patch is not None:
            begin = int(patch.rows.start[number]), int(patch.columns.start[number])
            _copy(window, (y, x), patch.values[number], begin)
    return found


def _copy(target: torch.Tensor, at: tuple[int, int], source: torch.Tensor, begin: tuple[int, int]) -> None:
    """Copies what two windows (..., h, w) of one map share, given the place of each one's first cell in it."""
    taken: list[slice] = []
    given: list[slice] = []
    for axis in (0, 1):
        low = max(at[axis], begin[axis])
        high = min(at[axis] + target.shape[axis - 2], begin[axis] + source.shape[axis - 2])
        if high <= low:
            return
        taken.append(slice(low - at[axis], high - at[axis]))
        given.append(slice(low - begin[axis], high - begin[axis]))
    target[..., taken[0], taken[1]] = source[..., given[0], given[1]]


def entered(picture: torch.Tensor, tops: Ints, lefts: Ints, windows: torch.Tensor) -> Patch:
    """The changed windows of a picture (1, C, H, W) itself, all inside it.

    Args:
        picture: as it was.
        tops: (N,) rows where the windows begin; parts beyond the edge are cut off.
        lefts: (N,) columns where they begin.
        windows: (N, C, h, w), or (1, C, h, w) for the same pixels everywhere.
    """
    (height, width), (high, wide) = picture.shape[-2:], windows.shape[-2:]
    rows, columns = Span.of(tops, tops + high, height), Span.of(lefts, lefts + wide, width)
    windows = windows.expand(len(tops), *windows.shape[1:])
    if (tops >= 0).all() and (lefts >= 0).all() and (tops + high <= height).all() and (lefts + wide <= width).all():
        return Patch(windows, rows, columns)
    values = cut(picture, None, rows.start, rows.size, columns.start, columns.size)
    for number, (top, left) in enumerate(zip(tops - rows.start, lefts - columns.start, strict=True)):
        target = values[number, :, max(top, 0) : max(top + high, 0), max(left, 0) : max(left + wide, 0)]
        source = windows[number, :, max(-top, 0) :, max(-left, 0) :]
        target.copy_(source[:, : target.shape[-2], : target.shape[-1]])
    return Patch(values, rows, columns)


def as_rows(maps: torch.Tensor) -> torch.Tensor:
    """(N, ..., h, w) as one row of channels per position."""
    return maps.movedim((-2, -1), (1, 2)).reshape(-1, maps.shape[1:-2].numel())
