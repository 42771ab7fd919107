"""Convolution and pooling of a table of changed cells.

A convolution is linear: what its output changes by is the convolution of what its input changes by. Only taps that see
a changed cell count, so outputs at the rim of a square cost little. Outputs with the same changed taps are computed
together: their taps are laid out in rows, and one matrix product gives all channels. Outputs with the same views along
both axes are computed once for all positions of the square.
"""

import math
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from convviz_widgets.lens.incremental.bench import Bench
from convviz_widgets.lens.incremental.boxes import as_rows
from convviz_widgets.lens.incremental.table import Table, clean_at, places_of
from convviz_widgets.lens.incremental.tiles import in_tiles, outputs_in
from convviz_widgets.lens.incremental.views import Slide

BLOCK = 2**20  # numbers of taps laid out at a time, so that they stay in the processor's cache
SMALL = 2**16  # numbers compared at a time


class Block(NamedTuple):
    """Outputs computed together: slices of the changed views along both axes, and their changed taps."""

    rows: slice
    columns: slice
    row_taps: slice
    column_taps: slice


def convolved(
    table: Table,
    clean: torch.Tensor,
    after: torch.Tensor,
    kernel: torch.Tensor,
    slides: tuple[Slide, Slide],
    groups: int,
    bench: Bench,
) -> Table:
    """A table behind a convolution.

    Args:
        table: before it.
        clean: (1, C, H, W), the unchanged map before it.
        after: (1, K, h, w), the unchanged map behind it.
        kernel: (kernel height, kernel width, C / groups, K).
        slides: what its kernel sees along rows and along columns.
        groups: of channels that are kept apart.
        bench: for what lies between.
    """
    source, width = _differences(table, clean), table.columns.count + 1
    rows, columns = _both_changed_taps(table, slides)
    values = _as_it_was(after, slides)
    for block in _blocks(slides, source.shape[1]):
        taps = (block.rows, None, block.row_taps, None), (None, block.columns, None, block.column_taps)
        seen = rows[taps[0]] * width + columns[taps[1]]
        laid = bench.room("laid", (seen.numel(), source.shape[1]), source)
        torch.index_select(source, 0, seen.flatten(), out=laid)
        part, weight = values[block.rows, block.columns], kernel[block.row_taps, block.column_taps].flatten(0, 1)
        if groups == 1 and part.is_contiguous():
            flat = part.view(-1, part.shape[-1])
            torch.addmm(flat, laid.view(-1, weight.shape[:2].numel()), weight.flatten(0, 1), out=flat)
        else:
            part += product(laid, weight, groups).view(part.shape)
    return _table(values, slides)


def convolved_in_tiles(
    table: Table,
    clean: torch.Tensor,
    after: torch.Tensor,
    kernel: torch.Tensor,
    slides: tuple[Slide, Slide],
    tiles: tuple[Slide, Slide],
    bench: Bench,
) -> Table:
    """The same for a kernel of 3 x 3 taps that is moved by one, in tiles of 2 x 2 outputs; see `tiles`."""
    source = _differences(table, clean).view(table.rows.count + 1, table.columns.count + 1, -1)
    grid = in_tiles(source, kernel, _both_changed_taps(table, tiles), tiles, bench).flatten(0, 3)
    found = grid.index_select(0, outputs_in(slides, tiles).to(source.device).flatten())
    values = _as_it_was(after, slides)
    values += found.view(values.shape)
    return _table(values, slides)


def kernel_of(weight: torch.Tensor) -> torch.Tensor:
    """The weights (K, C / groups, height, width) of a convolution as `convolved` takes them."""
    return weight.permute(2, 3, 1, 0).contiguous()


def pointed(table: Table, weight: torch.Tensor, bias: torch.Tensor | None) -> Table:
    """A table behind a convolution that looks at one cell at a time: weight (K, C, 1, 1)."""
    rows = as_rows(table.values)
    found = functional.linear(rows, weight.flatten(1), bias)
    return table.holding(found.view(1, table.rows.count, table.columns.count, -1).movedim(-1, 1))


def slid_over(
    windows: torch.Tensor,
    kernel: torch.Tensor,
    bias: torch.Tensor | None,
    stride: tuple[int, int],
    dilation: tuple[int, int],
) -> torch.Tensor:
    """A convolution of windows (N, C, h, w) without padding, as one matrix product.

    The convolutions of torch build code for each new size of a window, and each stroke has another size.
    """
    (high, wide, narrow, channels), cells = kernel.shape, windows.movedim(1, -1)
    tall = (cells.shape[1] - dilation[0] * (high - 1) - 1) // stride[0] + 1
    broad = (cells.shape[2] - dilation[1] * (wide - 1) - 1) // stride[1] + 1
    steps = cells.stride()
    sizes = (len(cells), tall, broad, high, wide, narrow)
    taps = (steps[1] * dilation[0], steps[2] * dilation[1], steps[3])
    laid = cells.as_strided(sizes, (steps[0], steps[1] * stride[0], steps[2] * stride[1], *taps))
    rows, matrix = laid.reshape(-1, high * wide * narrow), kernel.view(-1, channels)
    found = rows @ matrix if bias is None else torch.addmm(bias, rows, matrix)
    return found.view(len(cells), tall, broad, channels).movedim(-1, 1)


def highest(table: Table, clean: torch.Tensor, slides: tuple[Slide, Slide]) -> Table:
    """A table behind the largest value of what the kernel sees; clean: (1, C, H, W), the unchanged map before it."""
    source = table.source(clean, -math.inf)
    (tall, high), (broad, wide) = slides[0].taps.shape, slides[1].taps.shape
    index = table.index(slides[0].taps.ravel(), slides[1].taps.ravel()).view(tall, high, broad, wide)
    taps = index.permute(1, 3, 0, 2).reshape(high * wide, -1).to(clean.device)
    values = source.new_empty(tall * broad, source.shape[1])
    step = max(1, SMALL // source.shape[1])
    for start in range(0, len(values), step):
        best = source.index_select(0, taps[0, start : start + step])
        for seen in taps[1:, start : start + step]:
            torch.maximum(best, source.index_select(0, seen), out=best)
        values[start : start + step] = best
    return _table(values.view(tall, broad, -1), slides)


def summed(table: Table, clean: torch.Tensor, slides: tuple[Slide, Slide]) -> Table:
    """By how much the sum of what a kernel sees has changed; clean: (1, C, H, W), the unchanged map before it."""
    width, channels = table.columns.count + 1, clean.shape[1]
    source = _differences(table, clean).view(-1, width * channels)
    rows, columns = _both_changed_taps(table, slides)
    bag = partial(functional.embedding_bag, mode="sum")
    by_rows = bag(rows, source).view(-1, width, channels).transpose(0, 1).flatten(1)
    found = bag(columns, by_rows.contiguous()).view(len(columns), len(rows), channels)
    return _table(found.transpose(0, 1).contiguous(), slides)


def _table(values: torch.Tensor, slides: tuple[Slide, Slide]) -> Table:
    return Table(values.unsqueeze(0).movedim(-1, 1), slides[0].after, slides[1].after)


def _as_it_was(after: torch.Tensor, slides: tuple[Slide, Slide]) -> torch.Tensor:
    """The unchanged map (1, K, h, w) at the cells of what comes: (P, Q, K)."""
    return clean_at(after, slides[0].after, slides[1].after)[0].movedim(0, -1)


def _differences(table: Table, clean: torch.Tensor) -> torch.Tensor:
    """What each cell changes by, with a row and a column of zeros at the ends: ((P + 1) * (Q + 1), C)."""
    high, wide = table.rows.count, table.columns.count
    places = functional.pad(places_of(table.rows, table.columns), (0, 1, 0, 1)).to(clean.device)
    found = as_rows(clean).index_select(0, places.flatten())
    cells = found.view(high + 1, wide + 1, -1)
    torch.sub(table.values[0].movedim(0, -1), cells[:high, :wide], out=cells[:high, :wide])
    cells[high], cells[:, wide] = 0, 0
    return found


def _both_changed_taps(table: Table, slides: tuple[Slide, Slide]) -> tuple[torch.Tensor, torch.Tensor]:
    rows, columns = (
        _changed_taps(slide, axis.count).to(table.values.device)
        for slide, axis in zip(slides, (table.rows, table.columns), strict=True)
    )
    return rows, columns


def _changed_taps(slide: Slide, count: int) -> torch.Tensor:
    """(P, kernel) numbers among the changed views of what each output sees; the number behind the last for the rest."""
    late = slide.taps - slide.length
    return torch.from_numpy(np.where(late < 0, count, late))


def product(laid: torch.Tensor, weight: torch.Tensor, groups: int) -> torch.Tensor:
    """Taps laid out (outputs * T, C) times a kernel (T, C / groups, K): (outputs, K)."""
    taps, narrow, channels = weight.shape
    if groups == 1:
        return laid.view(-1, taps * narrow) @ weight.flatten(0, 1)
    if narrow == 1 and channels == groups:
        return (laid.view(-1, taps, groups) * weight[:, 0]).sum(1)
    apart = laid.view(-1, taps, groups, narrow).permute(2, 0, 1, 3).reshape(groups, -1, taps * narrow)
    kernels = weight.view(taps, narrow, groups, -1).permute(2, 0, 1, 3).reshape(groups, taps * narrow, -1)
    return torch.bmm(apart, kernels).transpose(0, 1).flatten(1)


def _blocks(slides: tuple[Slide, Slide], channels: int) -> Iterator[Block]:
    for below in slides[0].groups:
        for beside in slides[1].groups:
            one = (beside.stop - beside.start) * (below.last - below.first) * (beside.last - beside.first) * channels
            step = max(1, BLOCK // one)
            for start in range(below.start, below.stop, step):
                yield Block(
                    slice(start, min(start + step, below.stop)),
                    slice(beside.start, beside.stop),
                    slice(below.first, below.last),
                    slice(beside.first, beside.last),
                )


def slides_over(
    table: Table, kernel: Any, stride: Any, padding: Any, dilation: Any, lengths: Any
) -> tuple[Slide, Slide]:
    """What a kernel sees along rows and along columns; settings as pairs."""
    found = [
        axis.slid(kernel=kernel[n], stride=stride[n], padding=padding[n], dilation=dilation[n], length=lengths[n])
        for n, axis in enumerate((table.rows, table.columns))
    ]
    return found[0], found[1]
