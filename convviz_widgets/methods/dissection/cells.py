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
PIXELS_AT_ONCE = 1 << 18


@dataclass(frozen=True)
class Passing:
    """Every pixel where a unit reaches its threshold, each (B,): picture of the batch, unit, pixel of the grid."""

    picture: torch.Tensor
    unit: torch.Tensor
    pixel: torch.Tensor


def passing(maps: torch.Tensor, thresholds: torch.Tensor, rows: Axis, columns: Axis) -> Iterator[Passing]:
    """The pixels where maps (N, K, h, w), upsampled, reach their unit's threshold (K,), part by part."""
    peak, least = maps.amax((2, 3)), maps.amin((2, 3))
    enough = thresholds - MARGIN * (thresholds.abs() + torch.maximum(peak, -least).amax(0))
    picture, unit = (peak >= enough).nonzero(as_tuple=True)
    loud = maps[picture, unit]
    row_runs, column_runs = _Runs(rows, maps), _Runs(columns, maps)
    corner = _largest(_largest(loud, row_runs.low, 1), column_runs.low, 2)
    found = (corner >= enough[unit][:, None, None]).nonzero()
    at_once = max(1, PIXELS_AT_ONCE // row_runs.share.shape[1] // column_runs.share.shape[1])
    for part in torch.split(found, at_once):
        map_, row, column = part.unbind(1)
        up, down, one, other = row_runs.low[row], row_runs.high[row], column_runs.low[column], column_runs.high[column]
        across = column_runs.share[column]
        above = mixed(loud[map_, up, one][:, None], loud[map_, up, other][:, None], across)
        below = mixed(loud[map_, down, one][:, None], loud[map_, down, other][:, None], across)
        values = mixed(above[:, None], below[:, None], row_runs.share[row][:, :, None])
        cell, i, j = (values >= thresholds[unit[map_]][:, None, None]).nonzero(as_tuple=True)
        pixel = row_runs.pixels[row[cell], i] * len(columns.low) + column_runs.pixels[column[cell], j]
        yield Passing(picture[map_[cell]], unit[map_[cell]], pixel)


class _Runs:
    """The runs of an axis as tensors; where a run is shorter than others its share is NaN, which reaches nothing."""

    def __init__(self, axis: Axis, like: torch.Tensor) -> None:
        pixels, low = axis.runs
        self.pixels, self.low = on(pixels, like), on(low, like)
        self.high = on(axis.high[pixels[:, 0]], like)
        self.share = on(np.where(pixels >= 0, axis.share[pixels], np.float32(np.nan)), like)


def _largest(maps: torch.Tensor, low: torch.Tensor, axis: int) -> torch.Tensor:
    """For each run along an axis the larger of the two neurons around it."""
    length = maps.shape[axis]
    if length > 1:
        pairs = torch.maximum(maps.narrow(axis, 0, length - 1), maps.narrow(axis, 1, length - 1))
        maps = torch.cat([pairs, maps.narrow(axis, length - 1, 1)], axis)
    return maps if len(low) == length else maps.index_select(axis, low)


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
