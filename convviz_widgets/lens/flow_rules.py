"""What each operation does to the flow of receptive fields.

Operations that mix all positions (global pooling, attention, a dense layer on a map) leave no bound; so does an
operation that is not known here, which errs on the safe side.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from convviz_widgets.lens.flow import Call, Flow
from convviz_widgets.lens.layout import aligned, channels_first, fits, labels, plain, regrouped, resized
from convviz_widgets.lens.pairs import pair
from convviz_widgets.lens.receptive_field import Span

Rule = Callable[[Call], Flow | None]


def follow(func: Any, call: Call) -> Flow | None:
    """The flow of an operation's output; None where it takes no values from the picture."""
    name = func.overloadpacket.__name__.strip("_")
    if name in RULES:
        return RULES[name](call)
    if torch.Tag.pointwise in func.tags or name in SAME:
        return _join(call)
    return _batch_norm(name, call) if "batch_norm" in name else _unknown(call)


def _join(call: Call) -> Flow:
    """Element by element, with broadcasting."""
    flows = [flow for _, flow in call.inputs]
    layout = next((flow.layout for flow in flows if fits(flow.layout, call.output)), None)
    rows, columns = flows[0].rows, flows[0].columns
    for flow in flows[1:]:
        rows = rows.joined(flow.rows) if rows and flow.rows else None
        columns = columns.joined(flow.columns) if columns and flow.columns else None
    astray = any(flow.layout is not None and layout is not None and not aligned(flow.layout, layout) for flow in flows)
    return Flow(rows, columns, layout) if rows and columns and not astray else Flow(None, None, layout)


def _unknown(call: Call) -> Flow:
    for tensor, flow in call.inputs:
        if flow.layout is not None and tensor.ndim == call.output.ndim:
            return flow.unbounded(resized(flow.layout, call.output))
    return call.flow.unbounded()


def _batch_norm(name: str, call: Call) -> Flow:
    """With running statistics it stays in place; with those of the picture (instance normalisation) it sees all."""
    flags = [each for each in call.args if isinstance(each, bool)]
    return _everywhere(call) if flags[:1] == [True] or "with_update" in name else call.flow


def _nothing(_call: Call) -> None:
    """The values are made anew; only type and shape are taken."""


def _copy(call: Call) -> Flow | None:
    """What is copied counts, not what was there before."""
    source = call.args[1]
    inputs = [(tensor, flow) for tensor, flow in call.inputs if tensor is source]
    return _join(call._replace(inputs=inputs)) if inputs else None


def _everywhere(call: Call) -> Flow:
    return call.flow.unbounded(resized(call.flow.layout, call.output))


def _window(call: Call, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Flow:
    """A window that slides over rows and columns."""
    flow, layout = call.flow, channels_first(call.output[None] if call.output.ndim == 3 else call.output)
    layout = layout[-call.output.ndim :]
    if flow.rows is None or flow.columns is None:
        return flow.unbounded(layout)
    if flow.dimension_of("rows") != -2 or flow.dimension_of("columns") != -1:
        return flow.unbounded(layout)
    vertical, horizontal = zip(*(pair(each) for each in (kernel, stride, padding, dilation)), strict=True)
    return Flow(flow.rows.through(*vertical), flow.columns.through(*horizontal), layout)


def _convolution(call: Call) -> Flow:
    _, weight, _, stride, padding, dilation, transposed, *_ = call.args
    if weight.ndim != 4 or call.tensor is not call.args[0]:
        return _unknown(call)
    if transposed:  # with stride 1 it is a convolution of the other padding; else no single stride holds
        padding = [(size - 1) * step - pad for size, step, pad in zip(weight.shape[2:], dilation, padding, strict=True)]
        return _unknown(call) if max(stride) > 1 else _window(call, weight.shape[2:], stride, padding, dilation)
    return _window(call, weight.shape[2:], stride, padding, dilation)


def _max_pool(call: Call) -> Flow:
    kernel = call.args[1]
    return _window(call, kernel, call.argument(2, ()) or kernel, call.argument(3, 0), call.argument(4, 1))


def _average_pool(call: Call) -> Flow:
    kernel = call.args[1]
    return _window(call, kernel, call.argument(2, ()) or kernel, call.argument(3, 0), 1)


def _pool_over_channels(call: Call) -> Flow:
    """What local response normalisation is made of: a window over channels alone."""
    if list(call.args[1])[1:] != [1, 1]:
        return _unknown(call)
    return replace(call.flow, layout=resized(call.flow.layout, call.output))


def _adaptive_pool(call: Call) -> Flow:
    """Windows of one size where the lengths divide; a pool onto one position is global and has no bound."""
    sizes = list(zip(call.tensor.shape[-2:], call.output.shape[-2:], strict=True))
    if all(before == after for before, after in sizes):
        return call.flow
    if any(before % after or after == 1 for before, after in sizes):
        return _everywhere(call)
    ratio = [before // after for before, after in sizes]
    return _window(call, ratio, ratio, 0, 1)


def _reduce(call: Call) -> Flow:
    """A sum, mean or maximum over dimensions; over rows or columns it is global."""
    flow, dims = call.flow, call.argument(1, None)
    if flow.layout is None:
        return flow
    listed = [dims] if isinstance(dims, int) else dims if isinstance(dims, list | tuple) else range(call.tensor.ndim)
    reduced = {dim % call.tensor.ndim for dim in listed}
    kept = tuple(factors for dim, factors in enumerate(flow.layout) if dim not in reduced)
    layout = resized(flow.layout, call.output) or (kept if fits(kept, call.output) else None)
    mixes = any(length > 1 and label for dim in reduced for label, length in flow.layout[dim])
    return flow.unbounded(layout) if mixes else replace(flow, layout=layout)


def _softmax(call: Call) -> Flow:
    return _unless_mixed(call.flow, call.flow.layout and call.flow.layout[call.dimension(1, -1)])


def _layer_norm(call: Call) -> Flow:
    last = len(call.args[1])
    return _unless_mixed(call.flow, call.flow.layout and [each for dim in call.flow.layout[-last:] for each in dim])


def _cat(call: Call) -> Flow:
    inputs = [(tensor, replace(flow, layout=resized(flow.layout, call.output))) for tensor, flow in call.inputs]
    flow = _join(call._replace(inputs=inputs))
    return _unless_mixed(flow, flow.layout and flow.layout[call.dimension(1, 0)])


def _unless_mixed(flow: Flow, factors: Any) -> Flow:
    """The same flow, unless the operation mixes positions along these factors."""
    return flow.unbounded(flow.layout) if factors is None or labels(factors) else flow


def _view(call: Call) -> Flow:
    layout = regrouped(call.flow.layout, tuple(call.output.shape)) if call.flow.layout is not None else None
    return replace(call.flow, layout=layout) if layout is not None else call.flow.unbounded()


def _permute(call: Call) -> Flow:
    return _reordered(call.flow, list(call.args[1]))


def _transpose(call: Call) -> Flow:
    order = list(range(call.tensor.ndim))
    first, second = call.dimension(1, 0), call.dimension(2, 1)
    order[first], order[second] = order[second], order[first]
    return _reordered(call.flow, order)


def _transpose_matrix(call: Call) -> Flow:
    return _reordered(call.flow, list(range(call.tensor.ndim))[::-1])


def _reordered(flow: Flow, order: list[int]) -> Flow:
    return flow if flow.layout is None else replace(flow, layout=tuple(flow.layout[dim] for dim in order))


def _expand(call: Call) -> Flow:
    if call.flow.layout is None:
        return call.flow
    new = tuple(plain(1) for _ in range(call.output.ndim - call.tensor.ndim))
    return replace(call.flow, layout=resized(new + call.flow.layout, call.output))


def _slice(call: Call) -> Flow:
    dim, start = call.dimension(1, 0), call.argument(2, 0) or 0
    return _shifted(call, dim, start + (call.tensor.shape[dim] if start < 0 else 0), call.argument(4, 1))


def _split(call: Call) -> Flow:
    sizes = call.args[1]
    before = [sizes] * call.place if isinstance(sizes, int) else list(sizes)[: call.place]
    return _shifted(call, call.dimension(2, 0), sum(before), 1)


def _pad(call: Call) -> Flow:
    """Padding of the last dimensions, (left, right, top, bottom, ...); what is mirrored lies inside the window."""
    flow = call.flow
    for back, before in enumerate(call.args[1][::2], start=1):
        shifted = call._replace(inputs=[(call.tensor, flow)])
        flow = _shifted(shifted, call.output.ndim - back, -before, 1)
    return flow


def _shifted(call: Call, dim: int, start: int, step: int) -> Flow:
    """A part of a dimension, from an offset on."""
    flow, layout = call.flow, resized(call.flow.layout, call.output)
    if flow.layout is None:
        return flow
    axes = labels(flow.layout[dim])
    if len(axes) > 1:
        return flow.unbounded()

    def moved(span: Span | None, axis: str) -> Span | None:
        if span is None or axis not in axes:
            return span
        return Span(span.size, span.stride * step, span.start + start * span.stride)

    return replace(flow, rows=moved(flow.rows, "rows"), columns=moved(flow.columns, "columns"), layout=layout)


def _select(call: Call) -> Flow:
    flow, dim = call.flow, call.dimension(1, 0)
    if flow.layout is None or labels(flow.layout[dim]):
        return flow.unbounded()
    return replace(flow, layout=tuple(factors for each, factors in enumerate(flow.layout) if each != dim))


def _matrix_product(call: Call) -> Flow:
    """A (M, K) by weights (K, P): positions survive in M, and are mixed if K holds any."""
    left = call.args[1] if len(call.args) == 3 else call.args[0]
    if len(call.inputs) > 1 or call.tensor is not left or call.flow.layout is None or call.output.ndim != 2:
        return _unknown(call)
    layout = (call.flow.layout[0], plain(call.output.shape[1]))
    return call.flow.unbounded(layout) if labels(call.flow.layout[1]) else replace(call.flow, layout=layout)


SAME = {
    *("clone", "detach", "alias", "to_copy", "contiguous", "lift_fresh", "native_dropout", "bernoulli"),
    *("relu6", "hardswish", "gelu", "mish", "threshold", "prelu", "prelu_kernel", "rrelu_with_noise"),
    *("log_sigmoid_forward", "where", "masked_fill"),
}
"""Operations element by element that torch does not mark as such."""
NEW = {
    *("zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like"),
    *("new_zeros", "new_ones", "new_empty", "new_full", "new_empty_strided", "fill", "zero"),
}
RULES: dict[str, Rule] = {
    **dict.fromkeys(NEW, _nothing),
    "copy": _copy,
    "convolution": _convolution,
    **dict.fromkeys(("max_pool2d_with_indices", "max_pool2d", "mkldnn_max_pool2d"), _max_pool),
    "avg_pool2d": _average_pool,
    "avg_pool3d": _pool_over_channels,
    **dict.fromkeys(("adaptive_avg_pool2d", "adaptive_max_pool2d"), _adaptive_pool),
    **dict.fromkeys(("mean", "sum", "amax", "amin"), _reduce),
    **dict.fromkeys(("softmax", "log_softmax"), _softmax),
    "native_layer_norm": _layer_norm,
    "native_group_norm": _everywhere,
    "cat": _cat,
    **dict.fromkeys(("view", "unsafe_view", "reshape", "squeeze", "unsqueeze", "flatten", "reshape_alias"), _view),
    "permute": _permute,
    "transpose": _transpose,
    "t": _transpose_matrix,
    "expand": _expand,
    "slice": _slice,
    **dict.fromkeys(("split", "split_with_sizes"), _split),
    **dict.fromkeys(("constant_pad_nd", "reflection_pad2d", "replication_pad2d"), _pad),
    "select": _select,
    **dict.fromkeys(("mm", "addmm"), _matrix_product),
}
