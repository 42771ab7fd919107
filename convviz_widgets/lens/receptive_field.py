"""Which input pixels an activation can see: exact size, stride and start along both axes."""

from dataclasses import dataclass
from typing import Self

from convviz_widgets.core.region import Box


@dataclass(frozen=True)
class Span:
    """Receptive fields along one axis: output i sees inputs ``start + i*stride`` to ``start + i*stride + size - 1``.

    Source: the recurrence for size and stride is in Araujo, Norris & Sim 2019, "Computing Receptive Fields of
    Convolutional Neural Networks", section 2.
    """

    size: int = 1
    stride: int = 1
    start: int = 0

    def through(self, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> Self:
        """After a sliding window."""
        return type(self)(
            size=self.size + (kernel - 1) * dilation * self.stride,
            stride=self.stride * stride,
            start=self.start - padding * self.stride,
        )

    def joined(self, other: Self) -> Self | None:
        """What an element-wise join of two maps sees; None if their grids differ, so that no single rule holds."""
        if self.stride != other.stride:
            return None
        start = min(self.start, other.start)
        return type(self)(max(self.start + self.size, other.start + other.size) - start, self.stride, start)


@dataclass(frozen=True)
class ReceptiveField:
    """The input pixels that the neurons of a layer see.

    Example:
        >>> field = ReceptiveField(size=(11, 11), stride=(4, 4), start=(-2, -2))
        >>> field.box((0, 1))
        Box(left=2, top=-2, right=13, bottom=9)

    Args:
        size: (rows, columns) in pixels of the prepared picture.
        stride: (rows, columns) between the fields of neighbouring neurons.
        start: (row, column) of the first pixel seen by neuron (0, 0); negative where that is padding.
    """

    size: tuple[int, int]
    stride: tuple[int, int]
    start: tuple[int, int]

    def box(self, position: tuple[int, int]) -> Box:
        """The box seen by the neuron at (row, column); it may reach outside the picture, into the padding."""
        top, left = (self.start[axis] + position[axis] * self.stride[axis] for axis in (0, 1))
        return Box(left, top, left + self.size[1], top + self.size[0])

    def centre(self, position: tuple[int, int]) -> tuple[float, float]:
        """(row, column) of the middle of that box; pixel centres lie at whole numbers."""
        box = self.box(position)
        return (box.top + box.bottom - 1) / 2, (box.left + box.right - 1) / 2

    def __str__(self) -> str:
        height, width = self.size
        return f"{height}x{width}, stride {self.stride[0]}, start {self.start[0]}"
