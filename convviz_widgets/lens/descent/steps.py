"""How each operation hands a signal on a box of what it gave down to what it took.

What is kept of a picture for the way back is small: of a ReLU where it was open, of a max pooling its switches, of
other operations nothing, or what they took.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional

from convviz_widgets.lens.descent.boxes import Boxes
from convviz_widgets.lens.descent.call import Arrived, Down, Kept, Step, UnknownWay
from convviz_widgets.lens.descent.pointwise import keep_for_pointwise, pointwise
from convviz_widgets.lens.descent.sliding import (
    adaptive_pooling,
    average_pooling,
    convolution,
    keep_switches,
    max_pooling,
)
from convviz_widgets.lens.incremental.rules import NORMS, is_pointwise, keeps_statistics
from convviz_widgets.lens.incremental.trace import Operation, Ref
from convviz_widgets.lens.rules import Rule


def kept_of(step: Step, found: Mapping[int, torch.Tensor]) -> Kept:
    """What an operation keeps of a picture, of all tensors that it made."""
    keeper: Keeper = _named(KEEPERS, step.operation, _keep_nothing)
    return keeper(step, found)


def handed_down(step: Step, signal: Boxes, place: int, kept: Sequence[Kept], rule: Rule) -> Arrived:
    """What arrives at the tensors that an operation took, of a signal on its output of that place.

    Raises:
        UnknownWay: there is no rule for it.
    """
    way: Handed = _named(WAYS, step.operation, _unknown)
    return way(Down(step, signal, place, kept, rule))


def _named(table: Mapping[str, Any], operation: Operation, default: Any) -> Any:
    found = table.get(operation.name.strip("_"))
    if found is None and is_pointwise(operation):
        return table["pointwise"]
    return default if found is None else found


def _keep_nothing(_step: Step, _found: Mapping[int, torch.Tensor]) -> Kept:
    return ()


def _unknown(_call: Down) -> Arrived:
    raise UnknownWay


def _same(call: Down) -> Arrived:
    return call.arriving(call.signal)


def _batch_norm(call: Down) -> Arrived:
    """With known statistics it scales every channel."""
    if not keeps_statistics(call.step.operation) or call.place:
        raise UnknownWay
    weight, variance, small = call.argument(1), call.argument(4), call.step.operation.args[-1]
    scale = (variance + small).rsqrt() if weight is None else weight * (variance + small).rsqrt()
    return call.arriving(call.signal.holding(call.signal.values * scale.view(-1, 1, 1)))


def _cat(call: Down) -> Arrived:
    """To each part its channels."""
    if call.argument(1, 0) % len(call.step.output) != 1 or len(call.step.output) != 4:
        raise UnknownWay
    arrived, first = [], 0
    for part in call.argument(0):
        shape = call.step.shapes[part.number] if isinstance(part, Ref) else part.shape
        if isinstance(part, Ref):
            arrived.append((part.number, call.signal.holding(call.signal.values[:, first : first + shape[1]])))
        first += shape[1]
    return arrived


def _parts(call: Down) -> Arrived:
    """A part of the channels: nothing to the others."""
    if call.argument(2, 0) % len(call.step.output) != 1:
        raise UnknownWay
    before = sum(call.step.shapes[number][1] for number in call.step.operation.outputs[: call.place])
    values = call.signal.values
    channels = call.step.shapes[call.step.source][1]
    after = channels - before - values.shape[1]
    return call.arriving(call.signal.holding(functional.pad(values, (0, 0, 0, 0, before, after))))


def _padding(call: Down) -> Arrived:
    """What was padded falls off; what was cut off gets nothing."""
    left, top = (*call.argument(1), 0, 0)[:4:2]
    if len(call.argument(1)) > 4:
        raise UnknownWay
    corners = tuple((row - top, column - left) for row, column in call.signal.corners)
    return call.arriving(Boxes(call.signal.values, corners))


def _sum(call: Down) -> Arrived:
    """To both what arrives, to the second times the factor."""
    arrived, factor = [], call.step.operation.keywords.get("alpha", 1)
    if call.step.operation.name.strip("_") == "sub":
        factor = -factor
    for number, each in enumerate((call.argument(0), call.argument(1))):
        if isinstance(each, Ref):
            if call.step.shapes[each.number] != call.step.output or len(call.step.output) != 4:
                raise UnknownWay
            times = factor if number else 1
            signal = call.signal if times == 1 else call.signal.holding(call.signal.values * times)
            arrived.append((each.number, signal))
    return arrived


Keeper = Callable[[Step, Mapping[int, torch.Tensor]], Kept]
Handed = Callable[[Down], Arrived]
KEEPERS: dict[str, Keeper] = {
    "max_pool2d_with_indices": keep_switches,
    "pointwise": keep_for_pointwise,
    **dict.fromkeys(("clone", "alias", "add", "sub"), _keep_nothing),
}
WAYS: dict[str, Handed] = {
    "convolution": convolution,
    "max_pool2d_with_indices": max_pooling,
    "avg_pool2d": average_pooling,
    "adaptive_avg_pool2d": adaptive_pooling,
    **dict.fromkeys(NORMS, _batch_norm),
    "cat": _cat,
    **dict.fromkeys(("split", "split_with_sizes"), _parts),
    "constant_pad_nd": _padding,
    **dict.fromkeys(("add", "sub"), _sum),
    **dict.fromkeys(("clone", "alias"), _same),
    "pointwise": pointwise,
}
