"""Maps that are changed in place, and the arithmetic of their changed windows.

A map lies in memory with the channels of a place beside each other and with a margin of zeros around it, as wide as the
convolutions that read it look beyond its edge. So the taps of any window are a view of it, and one matrix product of
them gives all channels.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch.nn import functional


class Reach(NamedTuple):
    """A window of a map: ``top <= row < bottom`` and ``left <= column < right``."""

    top: int
    bottom: int
    left: int
    right: int

    def joined(self, other: "Reach") -> "Reach":
        """The smallest that holds both.

        Example:
            >>> Reach(0, 2, 3, 4).joined(Reach(1, 3, 3, 5))
            Reach(top=0, bottom=3, left=3, right=5)
        """
        return Reach(
            min(self.top, other.top),
            max(self.bottom, other.bottom),
            min(self.left, other.left),
            max(self.right, other.right),
        )


class Sheet:
    """A map (1, ..., H, W) in place.

    Args:
        cells: (H + 2 m, W + 2 n, ...), with margins; those hold zeros.
        margin: m and n.
    """

    def __init__(self, cells: torch.Tensor, margin: tuple[int, int]) -> None:
        self.cells, self.margin = cells, margin
        height, width = (length - 2 * beyond for length, beyond in zip(cells.shape, margin, strict=False))
        self.whole = Reach(0, height, 0, width)
        self.inside = cells[margin[0] : margin[0] + height, margin[1] : margin[1] + width]
        self.map = self.inside.movedim((0, 1), (-2, -1)).unsqueeze(0)

    @classmethod
    def like(cls, clean: torch.Tensor, margin: tuple[int, int]) -> "Sheet":
        """An empty one for a map of this shape."""
        (height, width), lead = clean.shape[-2:], clean.shape[1:-2]
        return cls(clean.new_zeros(height + 2 * margin[0], width + 2 * margin[1], *lead), margin)

    def at(self, reach: Reach) -> torch.Tensor:
        """A window (h, w, ...), as a view."""
        return self.inside[reach.top : reach.bottom, reach.left : reach.right]

    def around(self, reach: Reach, outside: float) -> torch.Tensor:
        """A window (h, w, C) that may reach beyond the edges."""
        top, bottom, left, right = reach
        within = Reach(max(top, 0), min(bottom, self.whole.bottom), max(left, 0), min(right, self.whole.right))
        if within == reach:
            return self.at(reach)
        beyond = (0, 0, within.left - left, right - within.right, within.top - top, bottom - within.bottom)
        return functional.pad(self.at(within), beyond, value=outside)

    def taps(self, reach: Reach, slides: tuple["Sliding", "Sliding"]) -> torch.Tensor:
        """What a kernel sees for a window of its outputs, as a view (h, w, kernel height, kernel width, C)."""
        rows, columns = slides
        below, beside, along = self.cells.stride()
        first = self.cells.storage_offset()
        first += (reach.top * rows.stride - rows.padding + self.margin[0]) * below
        first += (reach.left * columns.stride - columns.padding + self.margin[1]) * beside
        return self.cells.as_strided(
            (reach.bottom - reach.top, reach.right - reach.left, rows.kernel, columns.kernel, self.cells.shape[2]),
            (below * rows.stride, beside * columns.stride, below * rows.dilation, beside * columns.dilation, along),
            first,
        )


@dataclass(frozen=True)
class Sliding:
    """How a kernel slides along one axis, and how many places come of it."""

    kernel: int
    stride: int
    padding: int
    dilation: int
    length: int

    @classmethod
    def both(cls, *settings: Any, output: torch.Tensor) -> tuple["Sliding", "Sliding"]:
        """Along rows and along columns; kernel, stride, padding and dilation as one number each or two."""
        k, s, p, d = ([*each] if isinstance(each, list | tuple) else [each] for each in settings)
        height, width = output.shape[-2:]
        return cls(k[0], s[0], p[0], d[0], height), cls(k[-1], s[-1], p[-1], d[-1], width)

    def after(self, low: int, high: int) -> tuple[int, int]:
        """The places whose kernel may see one of ``low <= place < high``; none where the second is not the larger."""
        first = -((self.dilation * (self.kernel - 1) - low - self.padding) // self.stride)
        return max(first, 0), min((high - 1 + self.padding) // self.stride + 1, self.length)

    def seen(self, low: int, high: int) -> tuple[int, int]:
        """The places before it, also beyond the edge, from the first to the last that these look at."""
        begin = low * self.stride - self.padding
        return begin, begin + (high - 1 - low) * self.stride + self.dilation * (self.kernel - 1) + 1


def reached(slides: tuple[Sliding, Sliding], reach: Reach) -> Reach | None:
    """What a kernel hands on of a changed window; None for nothing."""
    (top, bottom), (left, right) = slides[0].after(*reach[:2]), slides[1].after(*reach[2:])
    return Reach(top, bottom, left, right) if bottom > top and right > left else None
