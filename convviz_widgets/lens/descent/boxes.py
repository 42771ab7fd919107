"""A signal that lies on a box of a map and is zero around it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch

Corner = tuple[int, int]
"""(row, column) of a map; it may lie outside of the map."""


@dataclass(frozen=True, eq=False)
class Boxes:
    """Signals on maps (K, H, W), one box of each; around the boxes they are zero.

    Example:
        >>> boxes = Boxes(torch.ones(1, 2, 3, 3), ((-1, 4),)).inside(6, 6)
        >>> boxes.values.shape, boxes.corners
        (torch.Size([1, 2, 2, 2]), ((0, 4),))

    Args:
        values: (N, K, h, w), of one size; zero where a box hangs over an edge of its map.
        corners: (row, column) of the first value of each.
    """

    values: torch.Tensor
    corners: tuple[Corner, ...]

    @property
    def size(self) -> tuple[int, int]:
        """(h, w) of the boxes."""
        return int(self.values.shape[-2]), int(self.values.shape[-1])

    def holding(self, values: torch.Tensor) -> Self:
        """Other values (N, K, h, w) at the same places."""
        return replace(self, values=values)

    def inside(self, height: int, width: int) -> Self:
        """Without what lies outside of the maps (K, height, width)."""
        ends = (height, width)
        over = [
            [(max(0, -corner[axis]), max(0, corner[axis] + self.size[axis] - ends[axis])) for corner in self.corners]
            for axis in (0, 1)
        ]
        if not any(each != (0, 0) for axis in over for each in axis):
            return self
        (top, bottom), (left, right) = ((min(each[0] for each in axis), min(each[1] for each in axis)) for axis in over)
        values = self.values[..., top : max(0, self.size[0] - bottom), left : max(0, self.size[1] - right)]
        if not values[0, 0].numel():
            return replace(
                self, values=self.values.new_zeros(*self.values.shape[:2], 1, 1), corners=((0, 0),) * len(self.corners)
            )
        corners = tuple((row + top, column + left) for row, column in self.corners)
        cut = replace(self, values=values, corners=corners)
        return cut if all(len(set(axis)) == 1 for axis in over) else cut._without_overhang(height, width)

    def at(self, corners: Sequence[Corner], size: tuple[int, int]) -> torch.Tensor:
        """The signals on other boxes, (N, K, h, w); no part of these that is not in those is kept."""
        return windows(self.values, [_minus(a, b) for a, b in zip(corners, self.corners, strict=True)], size)

    def on(self, picture: torch.Tensor) -> torch.Tensor:
        """The signals on whole pictures, (N, C, H, W), of the size and kind of this one (1, C, H, W)."""
        whole = picture.new_zeros(len(self.values), *picture.shape[1:])
        for each, (top, left), values in zip(whole, self.corners, self.values, strict=True):
            rows, columns = slice(max(top, 0), top + self.size[0]), slice(max(left, 0), left + self.size[1])
            part = each[:, rows, columns]
            part.copy_(values[:, max(-top, 0) :, max(-left, 0) :][:, : part.shape[1], : part.shape[2]])
        return whole

    def plus(self, other: Self) -> Self:
        """The sum of two signals on the same maps, on boxes that hold both."""
        if other.corners == self.corners and other.size == self.size:
            return self.holding(self.values + other.values)
        corners = tuple((min(a[0], b[0]), min(a[1], b[1])) for a, b in zip(self.corners, other.corners, strict=True))
        size = [
            max(
                each.size[axis] + corner[axis] - first[axis]
                for each in (self, other)
                for corner, first in zip(each.corners, corners, strict=True)
            )
            for axis in (0, 1)
        ]
        whole = (size[0], size[1])
        return replace(self, values=self.at(corners, whole) + other.at(corners, whole), corners=corners)

    def _without_overhang(self, height: int, width: int) -> Self:
        """Zeros where boxes hang over the edges."""
        values = self.values.clone()
        for each, (top, left) in zip(values, self.corners, strict=True):
            if top < 0:
                each[:, :-top] = 0
            if left < 0:
                each[..., :-left] = 0
            each[:, max(0, height - top) :] = 0
            each[..., max(0, width - left) :] = 0
        return self.holding(values)


def windows(
    maps: torch.Tensor | Sequence[torch.Tensor], corners: Sequence[Corner], size: tuple[int, int]
) -> torch.Tensor:
    """Windows (N, K, h, w) of maps (K, H, W) each, zero where they hang over the edges."""
    found = [_window(each, corner, size) for each, corner in zip(maps, corners, strict=True)]
    return found[0][None] if len(found) == 1 else torch.stack(found)


def _window(tensor: torch.Tensor, corner: Corner, size: Corner) -> torch.Tensor:
    (top, left), (height, width) = corner, tensor.shape[-2:]
    below, beyond = max(0, top + size[0] - height), max(0, left + size[1] - width)
    inner = tensor[..., max(0, top) : max(0, top + size[0]), max(0, left) : max(0, left + size[1])]
    if top >= 0 and left >= 0 and not below and not beyond:
        return inner
    whole = tensor.new_zeros(*tensor.shape[:-2], *size)
    first, second = min(max(0, -top), size[0]), min(max(0, -left), size[1])
    whole[..., first : first + inner.shape[-2], second : second + inner.shape[-1]] = inner
    return whole


def _minus(a: Corner, b: Corner) -> Corner:
    return a[0] - b[0], a[1] - b[1]
