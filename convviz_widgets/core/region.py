"""Places in an image: the half-open pixel box."""

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, order=True)
class Box:
    """A box of pixels: ``left <= column < right`` and ``top <= row < bottom``; edges may lie outside the image.

    Example:
        >>> Box(-2, 0, 5, 4).clipped(width=4, height=4)
        Box(left=0, top=0, right=4, bottom=4)
    """

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.bottom - self.top

    def clipped(self, *, width: int, height: int) -> Self:
        """The part of the box that lies inside an image of this size (empty if there is none)."""
        left, right = (min(max(edge, 0), width) for edge in (self.left, self.right))
        top, bottom = (min(max(edge, 0), height) for edge in (self.top, self.bottom))
        return type(self)(left, top, max(left, right), max(top, bottom))

    def as_tuple(self) -> tuple[int, int, int, int]:
        """(left, top, right, bottom)."""
        return self.left, self.top, self.right, self.bottom
