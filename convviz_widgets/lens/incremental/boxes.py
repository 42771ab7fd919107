"""The arithmetic of changed places: what part of a map a changed part of the map before it can reach.

Rows and columns are apart from each other, so that one `Span` per axis says all.
"""

from dataclasses import dataclass
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
        low = np.clip(np.asarray(low, dtype=np.int64), 0, length - 1)
        return cls(low, np.clip(np.asarray(high, dtype=np.int64), low + 1, length), length)

    @property
    def size(self) -> int:
        """Positions of the one window size that holds every picture's span."""
        return int((self.high - self.low).max())

    @property
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
        return self.size == other.size and np.array_equal(self.start, other.start)


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
    if len(top) == 1:
        return _cut_one(clean, patch, (int(top[0]), height), (int(left[0]), width), outside)
    lead, (length, across), device = clean.shape[1:-2], clean.shape[-2:], clean.device
    rows = [as_rows(clean), torch.full((1, lead.numel()), outside, dtype=clean.dtype, device=device)]
    y = torch.from_numpy(top).to(device)[:, None] + torch.arange(height, device=device)
    x = torch.from_numpy(left).to(device)[:, None] + torch.arange(width, device=device)
    inside = ((y >= 0) & (y < length))[:, :, None] & ((x >= 0) & (x < across))[:, None, :]
    index = torch.where(inside, (y * across)[:, :, None] + x[:, None, :], length * across)
    if patch is not None:
        rows.append(as_rows(patch.values))
        high, wide = patch.values.shape[-2:]
        y = y - torch.from_numpy(patch.rows.start).to(device)[:, None]
        x = x - torch.from_numpy(patch.columns.start).to(device)[:, None]
        changed = ((y >= 0) & (y < high))[:, :, None] & ((x >= 0) & (x < wide))[:, None, :]
        number = torch.arange(len(y), device=device)[:, None] * high + y
        place = length * across + 1 + (number * wide)[:, :, None] + x[:, None, :]
        index = torch.where(changed, place, index)
    found = torch.cat(rows).index_select(0, index.flatten())
    return found.view(len(y), height, width, *lead).movedim((1, 2), (-2, -1))


def _cut_one(
    clean: torch.Tensor, patch: Patch | None, rows: tuple[int, int], columns: tuple[int, int], outside: float
) -> torch.Tensor:
    """The same for one picture, without a look at the rest of the map; rows and columns: the first, and how many."""
    (height, width), lead = (rows[1], columns[1]), clean.shape[1:-2]
    found = clean.new_full((1, height, width, *lead), outside).movedim((1, 2), (-2, -1))

    def lay(source: torch.Tensor, top: int, left: int) -> None:
        """Copies what lies inside the window of a map whose first cell is at this row and column."""
        y, x = top - rows[0], left - columns[0]
        into = found[..., max(y, 0) : max(y + source.shape[-2], 0), max(x, 0) : max(x + source.shape[-1], 0)]
        part = source[..., max(-y, 0) :, max(-x, 0) :]
        into.copy_(part[..., : into.shape[-2], : into.shape[-1]])

    lay(clean, 0, 0)
    if patch is not None:
        lay(patch.values, int(patch.rows.start[0]), int(patch.columns.start[0]))
    return found


def as_rows(maps: torch.Tensor) -> torch.Tensor:
    """(N, ..., h, w) as one row of channels per position."""
    return maps.movedim((-2, -1), (1, 2)).reshape(-1, maps.shape[1:-2].numel())
