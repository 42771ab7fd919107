"""What convolution, pooling and means do to a changed window."""

import math
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from convviz_widgets.lens.incremental.boxes import Patch, Span, cut
from convviz_widgets.lens.incremental.call import Call, Part, Rule, State
from convviz_widgets.lens.incremental.products import (
    convolved,
    convolved_in_tiles,
    highest,
    kernel_of,
    pointed,
    slid_over,
    slides_over,
    summed,
)
from convviz_widgets.lens.incremental.table import Table
from convviz_widgets.lens.incremental.tiles import tiled_kernel_of, worth_tiling
from convviz_widgets.lens.incremental.trace import Operation
from convviz_widgets.lens.incremental.views import Slide
from convviz_widgets.lens.pairs import pair

FEW_PLACES = 256  # of all maps together, up to which one matrix product is quicker than torch's convolution (measured)


def _convolution(call: Call) -> State | None:
    _, weight, bias, stride, padding, dilation, transposed, _, groups = call.operation.args
    found = call.first()
    if found is None or transposed or weight.ndim != 4:
        return None
    if isinstance(found[1], Table):
        if looks_at_one(weight, stride, padding) and groups == 1:
            return pointed(found[1], weight, bias)
        return _convolved(
            call, (found[0], found[1]), slides_of(call, found[1], weight.shape[2:], stride, padding, dilation)
        )
    rows, columns, windows = _slid(call, (found[0], found[1]), weight.shape[2:], stride, padding, dilation)
    if groups > 1:
        return Patch(functional.conv2d(windows, weight, bias, stride, 0, dilation, groups), rows, columns)
    kernel = call.prepared(weight, kernel_of)
    return Patch(slid_over(windows, kernel, bias, pair(stride), pair(dilation)), rows, columns)


def _convolved(call: Call, found: tuple[torch.Tensor, Table], slides: tuple[Slide, Slide]) -> Table:
    """Tile by tile where a kernel of 3 x 3 is moved by one and it pays, else output by output."""
    _, weight, _, stride, padding, dilation, _, _, groups = call.operation.args
    (clean, table), tileable = found, groups == 1 and call.output.dtype in (torch.float32, torch.float64)
    if tileable and tuple(weight.shape[2:]) == (3, 3) and {*pair(stride), *pair(dilation)} == {1}:
        halves = [-(-length // 2) for length in call.output.shape[-2:]]
        tiles = slides_over(table, (4, 4), (2, 2), pair(padding), (1, 1), halves)
        if worth_tiling(slides, tiles, weight):
            kernel = call.prepared(weight, tiled_kernel_of)
            return convolved_in_tiles(table, clean, call.output, kernel, slides, tiles, call.bench)
    return convolved(table, clean, call.output, call.prepared(weight, kernel_of), slides, groups, call.bench)


def convolution_of_all(call: Call) -> torch.Tensor | None:
    """A convolution of whole maps, where these have few places; None where torch's own is as good.

    That one lays out the weights anew at each call, which for few places costs more than the convolution.
    """
    _, weight, bias, stride, padding, dilation, transposed, _, groups = call.operation.args
    state = call.states[call.operation.inputs[0]]
    if len(call.operation.inputs) > 1 or not isinstance(state, torch.Tensor) or not isinstance(weight, torch.Tensor):
        return None
    (below, beside), places = pair(padding), len(state) * call.output.shape[-2:].numel()
    if transposed or groups > 1 or state.ndim != 5 or state.shape[1] != 1 or places > FEW_PLACES:
        return None
    padded = functional.pad(state.flatten(0, 1), (beside, beside, below, below))
    padded = padded.contiguous(memory_format=torch.channels_last)
    kernel = call.prepared(weight, kernel_of)
    return slid_over(padded, kernel, bias, pair(stride), pair(dilation)).unsqueeze(1)


def looks_at_one(weight: torch.Tensor, stride: Any, padding: Any) -> bool:
    """Whether a kernel sees one cell at a time, and every cell once."""
    return tuple(weight.shape[2:]) == (1, 1) and pair(stride) == (1, 1) and pair(padding) == (0, 0)


def slides_of(call: Call, table: Table, kernel: Any, stride: Any, padding: Any, dilation: Any) -> tuple[Slide, Slide]:
    """What a kernel with these settings sees of a table on the way to the call's output."""
    settings = pair(kernel), pair(stride), pair(padding), pair(dilation)
    return slides_over(table, *settings, call.output.shape[-2:])


def _slid(
    call: Call,
    found: tuple[torch.Tensor, Patch],
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    outside: float = 0.0,
) -> tuple[Span, Span, torch.Tensor]:
    """Where the windows lie after a sliding operation, and the part of the map it must slide over for them."""
    clean, patch = found
    spans, begins, sizes = [], [], []
    for axis, before in enumerate((patch.rows, patch.columns)):
        each = [pair(given)[axis] for given in (kernel, stride, padding, dilation)]
        after = before.through(
            kernel=each[0], stride=each[1], padding=each[2], dilation=each[3], length=call.output.shape[axis - 2]
        )
        spans.append(after)
        begins.append(after.start * each[1] - each[2])
        sizes.append((after.size - 1) * each[1] + (each[0] - 1) * each[3] + 1)
    same = (
        sizes[0] == patch.rows.size
        and sizes[1] == patch.columns.size
        and np.array_equal(begins[0], patch.rows.start)
        and np.array_equal(begins[1], patch.columns.start)
    )
    values = patch.values if same else cut(clean, patch, begins[0], sizes[0], begins[1], sizes[1], outside)
    return spans[0], spans[1], values


def _max_pool(call: Call) -> State | None:
    found = call.first()
    if found is None:
        return None
    kernel, stride, padding, dilation = pool_settings(call.operation)
    if isinstance(found[1], Table):
        if found[0].ndim != 4:
            return None
        return highest(found[1], found[0], slides_of(call, found[1], kernel, stride, padding, dilation))
    rows, columns, patch = _slid(call, (found[0], found[1]), kernel, stride, padding, dilation, -math.inf)
    return Patch(functional.max_pool2d(patch, pair(kernel), pair(stride), 0, pair(dilation)), rows, columns)


def pool_settings(pooling: Operation) -> tuple[Any, Any, Any, Any]:
    """Kernel, stride, padding and dilation of a max pooling."""
    kernel = pooling.argument(1)
    return kernel, pooling.argument(2) or kernel, pooling.argument(3, 0), pooling.argument(4, 1)


def _average_pool(call: Call) -> State | None:
    found = call.first()
    if found is None or found[0].ndim != 4:
        return None
    kernel, stride = pair(call.argument(1)), pair(call.argument(2) or call.argument(1))
    padding = pair(call.argument(3, 0))
    scale = _divisors(call, found[0], kernel, stride, padding)
    if isinstance(found[1], Table):
        return _averaged(call, found[1], kernel, stride, padding, scale)
    rows, columns, windows = _slid(call, (found[0], found[1]), kernel, stride, padding, 1)
    part = Patch(functional.avg_pool2d(windows, kernel, stride), rows, columns)
    return part if scale is None else part.holding(part.values * part.was(scale))


def _averaged(
    call: Call, table: Table, kernel: Any, stride: Any, padding: Any, scale: torch.Tensor | None = None
) -> Table:
    """A mean as it was, and what it changes by."""
    slides = slides_over(table, kernel, stride, padding, (1, 1), call.output.shape[-2:])
    part = summed(table, call.clean[call.argument(0).number], slides)
    share = 1 / (kernel[0] * kernel[1])
    added = part.values * (share if scale is None else share * part.was(scale))
    return part.holding(part.was(call.output) + added)


def _divisors(call: Call, clean: torch.Tensor, kernel: Any, stride: Any, padding: Any) -> torch.Tensor | None:
    """What a mean that counts all places, those beyond the edge as zero, is to be multiplied by: (1, 1, h, w)."""
    ones = torch.ones_like(clean[:, :1])
    asked = call.operation.function(ones, *call.operation.args[1:], **call.operation.keywords)
    high, wide = call.output.shape[-2:]
    hang = [
        max(0, (count - 1) * step + size - length - 2 * pad) + pad
        for count, step, size, length, pad in zip((high, wide), stride, kernel, clean.shape[-2:], padding, strict=True)
    ]
    held = functional.avg_pool2d(functional.pad(ones, (padding[1], hang[1], padding[0], hang[0])), kernel, stride)[
        ..., :high, :wide
    ]
    scale = asked / held
    return None if bool((scale == 1).all()) else scale


def _adaptive_average(call: Call) -> State | None:
    found = call.first()
    if found is None or found[0].ndim != 4:
        return None
    before, after = found[0].shape[-2:], call.output.shape[-2:]
    if before == after:
        return found[1]
    if tuple(after) == (1, 1):
        return _mean_of(call, found)
    if any(length % count for length, count in zip(before, after, strict=True)):
        return None
    kernel = [length // count for length, count in zip(before, after, strict=True)]
    if isinstance(found[1], Table):
        return _averaged(call, found[1], kernel, kernel, (0, 0))
    rows, columns, patch = _slid(call, (found[0], found[1]), kernel, kernel, 0, 1)
    return Patch(functional.avg_pool2d(patch, kernel), rows, columns)


def _mean(call: Call) -> State | None:
    found, axes = call.first(), call.argument(1)
    if found is None or not isinstance(axes, list | tuple) or "dtype" in call.operation.keywords:
        return None
    dims = sorted(each % found[0].ndim for each in axes)
    return _mean_of(call, found) if dims == [found[0].ndim - 2, found[0].ndim - 1] else None


def _mean_of(call: Call, found: tuple[torch.Tensor, Part]) -> torch.Tensor:
    """The mean over all positions: as it was, and what the changed part adds."""
    clean, part = found
    added = part.sums(clean) / clean.shape[-2:].numel()
    return call.output + added.view(len(added), *call.output.shape)


SLIDING: dict[str, Rule] = {
    "convolution": _convolution,
    **dict.fromkeys(("max_pool2d_with_indices", "max_pool2d"), _max_pool),
    "avg_pool2d": _average_pool,
    "adaptive_avg_pool2d": _adaptive_average,
    "mean": _mean,
}
