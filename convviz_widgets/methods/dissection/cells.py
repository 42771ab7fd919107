"""Pixels that units' masks share with concepts, counted without upsampling any map whole.

The pixels between the same four neurons are a cell. Interpolation stays within the four values, so a cell can hold a
pixel that reaches the threshold only if one of its corners does. Cells that cannot are passed over; of the others each
pixel is computed exactly as `upsampling.upsampled` does. At a threshold that one activation in two hundred exceeds, one
or two cells in a hundred remain.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.methods.dissection.upsampling import Axis, mixed, on

Counts = npt.NDArray[np.int64]
MARGIN = 2e-6  # rounding can lift a value between two others a little above both
PIXELS_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class Passing:
    """Every pixel where a unit reaches its threshold, each (B,): picture of the batch, unit, pixel of the grid."""

    picture: torch.Tensor
    unit: torch.Tensor
    pixel: torch.Tensor


def passing(maps: torch.Tensor, thresholds: torch.Tensor, rows: Axis, columns: Axis) -> Iterator[Passing]:
    """The pixels where maps (N, K, h, w), upsampled, reach their unit's threshold (K,), part by part."""
    enough = thresholds - MARGIN * (thresholds.abs() + maps.abs().amax((0, 2, 3)))
    picture, unit = (maps.amax((2, 3)) >= enough).nonzero(as_tuple=True)
    loud = maps[picture, unit]
    (row_pixels, row_low), (column_pixels, column_low) = rows.runs, columns.runs
    low, left = on(row_low, maps), on(column_low, maps)
    high, right = (low + 1).clamp(max=maps.shape[2] - 1), (left + 1).clamp(max=maps.shape[3] - 1)
    wide = torch.maximum(loud[:, low], loud[:, high])
    corner = torch.maximum(wide[:, :, left], wide[:, :, right])
    found = (corner >= enough[unit][:, None, None]).nonzero()
    grid = [on(row_pixels, maps), on(column_pixels, maps)]
    shares = [on(axis.share, maps)[pixels] for axis, pixels in zip((rows, columns), grid, strict=True)]
    for part in torch.split(found, max(1, PIXELS_AT_ONCE // grid[0].shape[1] // grid[1].shape[1])):
        map_, row, column = part.T
        up, down, one, other = low[row], high[row], left[column], right[column]
        across = shares[1][column]
        above = mixed(loud[map_, up, one, None], loud[map_, up, other, None], across)
        below = mixed(loud[map_, down, one, None], loud[map_, down, other, None], across)
        values = mixed(above[:, None], below[:, None], shares[0][row][:, :, None])
        here = (grid[0][row] >= 0)[:, :, None] & (grid[1][column] >= 0)[:, None]
        cell, i, j = ((values >= thresholds[unit[map_]][:, None, None]) & here).nonzero(as_tuple=True)
        pixel = grid[0][row[cell], i] * len(columns.low) + grid[1][column[cell], j]
        yield Passing(picture[map_[cell]], unit[map_[cell]], pixel)


def count(
    maps: torch.Tensor,
    thresholds: torch.Tensor,
    axes: tuple[Axis, Axis],
    labels: torch.Tensor,
    labelled: torch.Tensor,
    concepts: int,
) -> tuple[Counts, Counts]:
    """Pixels that units share with concepts, and pixels of units on pictures with any label of a category.

    Args:
        maps: (N, K, h, w).
        thresholds: (K,).
        axes: rows and columns of the grid.
        labels: (N, pixels, L) column of a concept, from 1; 0 where there is none. No column stands twice in a pixel.
        labelled: (N, categories) bool, whether a picture has any label of a category.
        concepts: number of concepts C.

    Returns:
        (K, C) and (K, categories).
    """
    pictures, units = maps.shape[:2]
    shared = torch.zeros(units * (concepts + 1), dtype=torch.int64, device=maps.device)
    pixels = torch.zeros(pictures * units, dtype=torch.int64, device=maps.device)
    for each in passing(maps, thresholds, *axes):
        pixels += torch.bincount(each.picture * units + each.unit, minlength=len(pixels))
        columns = labels[each.picture, each.pixel] + each.unit[:, None] * (concepts + 1)
        shared += torch.bincount(columns.flatten(), minlength=len(shared))
    active = (pixels.view(pictures, units, 1) * labelled[:, None]).sum(0)
    return shared.view(units, concepts + 1)[:, 1:].cpu().numpy(), active.cpu().numpy()
