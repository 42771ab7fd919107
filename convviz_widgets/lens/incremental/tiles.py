"""A convolution with a kernel of 3 x 3 taps, two rows and two columns of its outputs at a time.

Two neighbouring outputs of three taps w, on four inputs d, take four products where six would be said:
``(d0 - d2) w0``, ``(d1 + d2)(w0 + w1 + w2) / 2``, ``(d2 - d1)(w0 - w1 + w2) / 2`` and ``(d1 - d3) w2``; the outputs are
the first three added up, and the second less the third and the fourth. The same along the other axis makes 16 products
of 36. It is linear, so that what the inputs change by goes in and what the outputs change by comes out, and a tile of
which only the first or the last input has changed takes one product along that axis.

Source: Winograd 1980, "Arithmetic Complexity of Computations"; Lavin & Gray 2016, "Fast Algorithms for Convolutional
Neural Networks", section 4.1, F(2 x 2, 3 x 3).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from convviz_widgets.lens.incremental.bench import Bench
from convviz_widgets.lens.incremental.views import Slide

BLOCK = 2**22  # numbers of transformed inputs at a time, so that they stay in the processor's cache
SUMS = 60  # multiplications that take as long as what is done besides with one number of a tile (measured)

INPUTS = ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1))
OUTPUTS = ((1, 1, 1, 0), (0, 1, -1, -1))


class Band(NamedTuple):
    """Tiles ``start <= number < stop`` along one axis, which take products ``first <= product < last``."""

    start: int
    stop: int
    first: int
    last: int


def worth_tiling(slides: tuple[Slide, Slide], tiles: tuple[Slide, Slide], weight: torch.Tensor) -> bool:
    """Whether the tiles of a changed map save more multiplications than they cost in sums; weight: (K, C, 3, 3)."""
    one_by_one, tiled = (
        math.prod(sum((each.stop - each.start) * (each.last - each.first) for each in axis) for axis in both)
        for both in ([slide.groups for slide in slides], [_bands(tile) for tile in tiles])
    )
    return tiled * (1 + SUMS * (1 / weight.shape[0] + 1 / weight.shape[1])) < one_by_one


def tiled_kernel_of(weight: torch.Tensor) -> torch.Tensor:
    """The weights (K, C, 3, 3) as the products take them: (4, 4, C, K)."""
    halves = torch.tensor([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]]).to(weight)
    return torch.einsum("ay,kcyx,bx->abck", halves, weight, halves).contiguous()


def in_tiles(
    source: torch.Tensor,
    kernel: torch.Tensor,
    taps: tuple[torch.Tensor, torch.Tensor],
    tiles: tuple[Slide, Slide],
    bench: Bench,
) -> torch.Tensor:
    """By how much the outputs of tiles change.

    Args:
        source: (P, Q, C), what the cells change by.
        kernel: from `tiled_kernel_of`.
        taps: (tiles, 4) rows, and columns, of the source that tiles see.
        tiles: the tiles along both axes.
        bench: for what lies between.

    Returns:
        (tiles along rows, 2, tiles along columns, 2, K), on the bench.
    """
    found = bench.room("tiles", (len(taps[0]), 2, len(taps[1]), 2, kernel.shape[-1]), source)
    for below in _bands(tiles[0]):
        for beside in _bands(tiles[1]):
            some = _Tiles(below, beside, kernel[below.first : below.last, beside.first : beside.last], bench)
            rows, columns = taps[0][below.start : below.stop], taps[1][beside.start : beside.stop]
            out = found[below.start : below.stop, :, beside.start : beside.stop]
            step = max(1, BLOCK // (some.kernel[..., 0].numel() * len(columns)))
            for start in range(0, len(rows), step):
                some.work(source, rows[start : start + step], columns, out[start : start + step])
    return found


class _Tiles(NamedTuple):
    """Tiles that take the same products, with the part of the kernel for those: (products, products, C, K)."""

    below: Band
    beside: Band
    kernel: torch.Tensor
    bench: Bench

    def work(self, source: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, out: torch.Tensor) -> None:
        """Puts into ``out`` (tiles along rows, 2, tiles along columns, 2, K) what these tiles change by."""
        (high, wide, channels, after), (tall, broad) = self.kernel.shape, (len(rows), len(columns))
        seen = [source.index_select(0, each) for each in rows.unbind(1)]
        halfway = self.bench.room("halfway", (high, tall, source.shape[1], channels), source)
        for place, signs in enumerate(INPUTS[self.below.first : self.below.last]):
            _sum(signs, seen, halfway[place])
        across = self.bench.room("across", (high, tall, 4 * broad, channels), source)
        torch.index_select(halfway, 2, columns.T.flatten(), out=across)
        laid = self.bench.room("laid", (high, wide, tall, broad, channels), source)
        for place, signs in enumerate(INPUTS[self.beside.first : self.beside.last]):
            _sum(signs, across.view(high, tall, 4, broad, channels).unbind(2), laid[:, place])
        found = self.bench.room("products", (high * wide, tall * broad, after), source)
        torch.bmm(laid.view(high * wide, tall * broad, channels), self.kernel.flatten(0, 1), out=found)
        self._put(found.view(high, wide, tall, broad, after), out)

    def _put(self, products: torch.Tensor, out: torch.Tensor) -> None:
        half = self.bench.room("half", products.shape[1:], products)
        for row, below in enumerate(OUTPUTS):
            _sum(below[self.below.first : self.below.last], products.unbind(0), half)
            for column, beside in enumerate(OUTPUTS):
                _sum(beside[self.beside.first : self.beside.last], half.unbind(0), out[:, row, :, column])


def outputs_in(slides: tuple[Slide, Slide], tiles: tuple[Slide, Slide]) -> torch.Tensor:
    """Where the tiles' outputs have each changed view: (rows, columns), counted as `in_tiles` lays them out."""
    numbers = []
    for slide, tile in zip(slides, tiles, strict=True):
        position, place = np.divmod(slide.after.sample, slide.after.length)
        numbers.append(2 * (tile.after.at[position, place // 2] - tile.after.length) + place % 2)
    return torch.from_numpy(numbers[0][:, None] * (2 * tiles[1].after.count) + numbers[1])


def _bands(tiles: Slide) -> list[Band]:
    """Those that take the first product alone, those that take all, and those that take the last alone."""
    found: list[Band] = []
    for each in tiles.groups:
        alone = each.last - each.first == 1 and each.first in (0, 3)
        taken = (each.first, each.last) if alone else (0, 4)
        if found and found[-1][2:] == taken:
            found[-1] = found[-1]._replace(stop=each.stop)
        else:
            found.append(Band(each.start, each.stop, *taken))
    return found


def _sum(signs: Sequence[int], parts: Sequence[torch.Tensor], out: torch.Tensor) -> None:
    """The parts added up with these signs; those of sign 0 are left out."""
    added = [(sign, part) for sign, part in zip(signs, parts, strict=True) if sign]
    added.sort(key=lambda each: -each[0])
    if len(added) < 2:
        torch.mul(added[0][1], added[0][0], out=out) if added else out.zero_()
        return
    torch.add(added[0][1], added[1][1], alpha=added[1][0], out=out)
    for sign, part in added[2:]:
        out.add_(part, alpha=sign)
