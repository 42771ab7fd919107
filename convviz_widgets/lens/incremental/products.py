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

from convviz_widgets.lens.incremental.boxes import as_rows
from convviz_widgets.lens.incremental.table import Table, clean_at
from convviz_widgets.lens.incremental.views import Group, Slide

BLOCK = 2**20  # numbers of taps laid out at a time, so that they stay in the processor's cache


class Block(NamedTuple):
    """Outputs computed together: slices of the changed views along both axes, and their changed taps."""

    rows: slice
    columns: slice
    row_taps: slice
    column_taps: slice


def convolved(
    table: Table, clean: torch.Tensor, after: torch.Tensor, weight: torch.Tensor, slides: tuple[Slide, Slide], groups: int
) -> Table:
    """A table behind a convolution.

    Args:
        table: before it.
        clean: (1, C, H, W), the unchanged map before it.
        after: (1, K, h, w), the unchanged map behind it.
        weight: (K, C / groups, kernel height, kernel width).
        slides: what its kernel sees along rows and along columns.
        groups: of channels that are kept apart.
    """
    source, width = _differences(table, clean), table.columns.count + 1
    rows, columns = (_changed_taps(slide, axis.count) for slide, axis in zip(slides, (table.rows, table.columns), strict=True))
    rows, columns = rows.to(source.device), columns.to(source.device)
    kernel = weight.permute(2, 3, 1, 0).contiguous()
    values = _empty(slides, after, len(weight))
    for block in _blocks(slides, source.shape[1]):
        seen = rows[block.rows, None, block.row_taps, None] * width + columns[None, block.columns, None, block.column_taps]
        laid = source.index_select(0, seen.flatten())
        part = kernel[block.row_taps, block.column_taps].flatten(0, 1)
        values[block.rows, block.columns] = _product(laid, part, groups).view(*seen.shape[:2], -1)
    values += as_rows(clean_at(after, slides[0].after, slides[1].after)).view(values.shape)
    return _table(values, slides)


def pointed(table: Table, weight: torch.Tensor, bias: torch.Tensor | None) -> Table:
    """A table behind a convolution that looks at one cell at a time: weight (K, C, 1, 1)."""
    rows = as_rows(table.values)
    found = torch.nn.functional.linear(rows, weight.flatten(1), bias)
    return table.holding(found.view(1, table.rows.count, table.columns.count, -1).movedim(-1, 1))


def highest(table: Table, clean: torch.Tensor, slides: tuple[Slide, Slide]) -> Table:
    """A table behind the largest value of what the kernel sees; clean: (1, C, H, W), the unchanged map before it."""
    source = table.source(clean, -math.inf)
    values = _empty(slides, clean, source.shape[1])
    for block in _blocks(slides, source.shape[1] * 2, whole=True):
        rows, columns = slides[0].taps[block.rows], slides[1].taps[block.columns]
        best = None
        for y in range(rows.shape[1]):
            for x in range(columns.shape[1]):
                seen = table.index(rows[:, y], columns[:, x]).to(clean.device)
                cells = source.index_select(0, seen.flatten())
                best = cells if best is None else torch.maximum(best, cells, out=best)
        if best is not None:
            values[block.rows, block.columns] = best.view(len(rows), len(columns), -1)
    return _table(values, slides)


def summed(table: Table, clean: torch.Tensor, slides: tuple[Slide, Slide]) -> Table:
    """By how much the sum of what a kernel sees has changed; clean: (1, C, H, W), the unchanged map before it."""
    width, channels = table.columns.count + 1, clean.shape[1]
    source = _differences(table, clean).view(-1, width * channels)
    rows, columns = (_changed_taps(slide, axis.count) for slide, axis in zip(slides, (table.rows, table.columns), strict=True))
    bag = partial(torch.nn.functional.embedding_bag, mode="sum")
    by_rows = bag(rows.to(source.device), source).view(-1, width, channels).transpose(0, 1).flatten(1)
    found = bag(columns.to(source.device), by_rows.contiguous()).view(len(columns), len(rows), channels)
    return _table(found.transpose(0, 1).contiguous(), slides)


def _table(values: torch.Tensor, slides: tuple[Slide, Slide]) -> Table:
    return Table(values.unsqueeze(0).movedim(-1, 1), slides[0].after, slides[1].after)


def _empty(slides: tuple[Slide, Slide], like: torch.Tensor, channels: int) -> torch.Tensor:
    return torch.empty(*(slide.after.count for slide in slides), channels, dtype=like.dtype, device=like.device)


def _differences(table: Table, clean: torch.Tensor) -> torch.Tensor:
    """What each cell changes by, with a row and a column of zeros at the ends: ((P + 1) * (Q + 1), C)."""
    high, wide = table.rows.count, table.columns.count
    found = table.values.new_empty(high + 1, wide + 1, clean.shape[1])
    found[high], found[:, wide] = 0, 0
    torch.sub(table.values[0].movedim(0, -1), table.was(clean)[0].movedim(0, -1), out=found[:high, :wide])
    return found.flatten(0, 1)


def _changed_taps(slide: Slide, count: int) -> torch.Tensor:
    """(P, kernel) numbers among the changed views of what each output sees; the number behind the last for the rest."""
    late = slide.taps - slide.length
    return torch.from_numpy(np.where(late < 0, count, late))


def _product(laid: torch.Tensor, weight: torch.Tensor, groups: int) -> torch.Tensor:
    """Taps laid out (outputs * T, C) times a kernel (T, C / groups, K): (outputs, K)."""
    taps, narrow, channels = weight.shape
    if groups == 1:
        return laid.view(-1, taps * narrow) @ weight.flatten(0, 1)
    if narrow == 1 and channels == groups:
        return (laid.view(-1, taps, groups) * weight[:, 0]).sum(1)
    apart = laid.view(-1, taps, groups, narrow).permute(2, 0, 1, 3).reshape(groups, -1, taps * narrow)
    kernels = weight.view(taps, narrow, groups, -1).permute(2, 0, 1, 3).reshape(groups, taps * narrow, -1)
    return torch.bmm(apart, kernels).transpose(0, 1).flatten(1)


def _blocks(slides: tuple[Slide, Slide], channels: int, *, whole: bool = False) -> Iterator[Block]:
    rows, columns = (_groups(slide, whole=whole) for slide in slides)
    for below in rows:
        for beside in columns:
            wide = beside.stop - beside.start
            one = wide * channels * (1 if whole else (below.last - below.first) * (beside.last - beside.first))
            step = max(1, BLOCK // max(1, one))
            for start in range(below.start, below.stop, step):
                yield Block(
                    slice(start, min(start + step, below.stop)),
                    slice(beside.start, beside.stop),
                    slice(below.first, below.last),
                    slice(beside.first, beside.last),
                )


def _groups(slide: Slide, *, whole: bool) -> tuple[Group, ...]:
    return (Group(0, slide.after.count, 0, slide.taps.shape[1]),) if whole else slide.groups


def slides_over(table: Table, kernel: Any, stride: Any, padding: Any, dilation: Any, lengths: Any) -> tuple[Slide, Slide]:
    """What a kernel sees along rows and along columns; settings as pairs."""
    found = [
        axis.slid(kernel=kernel[n], stride=stride[n], padding=padding[n], dilation=dilation[n], length=lengths[n])
        for n, axis in enumerate((table.rows, table.columns))
    ]
    return found[0], found[1]
