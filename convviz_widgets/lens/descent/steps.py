"""How each operation hands a signal on a box of what it gave down to what it took.

A step says what must be kept of the picture for the way back (`keeps`), and takes a signal down (`down`). What is kept
is small: of a ReLU where it was open, of a max pooling its switches, of other operations nothing, or what they took.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn import functional

from convviz_widgets.lens.descent.boxes import Boxes, windows
from convviz_widgets.lens.incremental.rules import NORMS, is_pointwise, keeps_statistics
from convviz_widgets.lens.incremental.trace import Operation, Ref
from convviz_widgets.lens.rules import READERS, Rule

Kept = tuple[torch.Tensor, ...]
"""What an operation keeps of one picture: maps (K, H, W)."""
Arrived = list[tuple[int, Boxes]]
"""What arrives at the tensors that an operation took, by their numbers."""
STRICT = ("relu", "threshold", "hardtanh")
"""ReLUs whose gradient is 0 where their input is 0, as the rules say; that of a clamp is 1 there."""
THIN = 32  # places of a signal, up to which it is multiplied as rows


class UnknownWay(Exception):
    """An operation of which no way back by boxes is known."""


@dataclass(frozen=True)
class Step:
    """One operation on the way back.

    Args:
        operation: which.
        shapes: of all tensors of the tape, by number.
    """

    operation: Operation
    shapes: Mapping[int, torch.Size] = field(repr=False)

    def keeps(self, found: Mapping[int, torch.Tensor]) -> Kept:
        """What is kept of a picture, of all tensors that it made."""
        keeper: Keeper = _named(KEEPERS, self.operation, _keep_nothing)
        return keeper(self, found)

    def down(self, signal: Boxes, place: int, kept: Sequence[Kept], rule: Rule) -> Arrived:
        """What arrives at the tensors it took, of a signal on its output of that place.

        Raises:
            UnknownWay: there is no rule for it.
        """
        way: Handed = _named(WAYS, self.operation, _unknown)
        return way(Down(self, signal, place, kept, rule))

    @property
    def source(self) -> int:
        """The number of the map (1, K, H, W) that it takes first."""
        ref = self.operation.argument(0)
        if not isinstance(ref, Ref) or len(self.shapes[ref.number]) != 4:
            raise UnknownWay
        return ref.number

    @property
    def output(self) -> torch.Size:
        """Shape of its first output."""
        return self.shapes[self.operation.outputs[0]]


@dataclass(frozen=True)
class Down:
    """A step at work.

    Args:
        step: which.
        signal: on one of its outputs.
        place: which output it is.
        kept: what was kept of each picture.
        rule: what a ReLU lets through.
    """

    step: Step
    signal: Boxes
    place: int
    kept: Sequence[Kept]
    rule: Rule

    def argument(self, number: int, default: Any = None) -> Any:
        """A positional argument, or its default where it was left out."""
        return self.step.operation.argument(number, default)

    def looked_at(self, number: int = 0) -> torch.Tensor:
        """What was kept, at the boxes of the signal."""
        return windows([each[number] for each in self.kept], self.signal.corners, self.signal.size)

    def arriving(self, signal: Boxes) -> Arrived:
        """A signal on the first map that was taken."""
        number = self.step.source
        height, width = self.step.shapes[number][-2:]
        return [(number, signal.inside(height, width))]


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


def _convolution(call: Down) -> Arrived:
    """Each number of the signal brings its filter down, times itself."""
    _, weight, _, stride, padding, dilation, transposed, _, groups = call.step.operation.args
    if transposed or not isinstance(weight, torch.Tensor) or weight.ndim != 4:
        raise UnknownWay
    kernel, values = tuple(weight.shape[2:]), call.signal.values
    size = tuple(
        (length - 1) * step + apart * (side - 1) + 1
        for length, step, apart, side in zip(call.signal.size, stride, dilation, kernel, strict=True)
    )
    if groups == 1 and call.signal.size == (1, 1) and tuple(dilation) == (1, 1):
        brought = _filters(values[..., 0, 0], weight)
    else:
        columns = _columns(values.flatten(2), weight, groups)
        brought = functional.fold(columns, size, kernel, dilation, 0, stride)
    corners = tuple(
        (row * stride[0] - padding[0], column * stride[1] - padding[1]) for row, column in call.signal.corners
    )
    return call.arriving(Boxes(brought, corners))


def _columns(values: torch.Tensor, weight: torch.Tensor, groups: int) -> torch.Tensor:
    """What signals (N, K, L) bring down to each of L windows of a map, (N, C * h * w, L)."""
    count, channels, places = values.shape
    if groups == 1 and places <= THIN:  # few rows by a wide matrix are quicker than its turned form by few columns
        rows = values.transpose(1, 2).reshape(count * places, channels) @ weight.flatten(1)
        return rows.view(count, places, -1).transpose(1, 2)
    share = weight.reshape(groups, channels // groups, -1).transpose(1, 2)
    parts = [share @ each for each in values.view(count, groups, -1, places)]
    return torch.stack(parts).flatten(1, 2)


def _filters(values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """What signals (N, K) of one place each bring down, (N, C, h, w)."""
    picked = values.nonzero()
    if len(picked) == len(values) and torch.equal(picked[:, 0], torch.arange(len(values), device=picked.device)):
        return weight[picked[:, 1]] * values.gather(1, picked[:, 1:])[..., None, None]
    return (values @ weight.flatten(1)).view(-1, *weight.shape[1:])


def _keep_switches(step: Step, found: Mapping[int, torch.Tensor]) -> Kept:
    return (found[step.operation.outputs[1]][0].int(),)


def _max_pooling(call: Down) -> Arrived:
    """To the switches."""
    if call.place or len(call.step.output) != 4:
        raise UnknownWay
    kernel = call.argument(1)
    stride, padding, dilation = call.argument(2) or kernel, call.argument(3, 0), call.argument(4, 1)
    kernel, stride, padding, dilation = (_pair(each) for each in (kernel, stride, padding, dilation))
    high, wide = (
        (length - 1) * step + apart * (side - 1) + 1
        for length, step, apart, side in zip(call.signal.size, stride, dilation, kernel, strict=True)
    )
    corners = tuple(
        (row * stride[0] - padding[0], column * stride[1] - padding[1]) for row, column in call.signal.corners
    )
    switches, width = call.looked_at().long(), call.step.shapes[call.step.source][-1]
    first = torch.tensor([row * wide + column for row, column in corners], device=switches.device)
    places = switches - (switches // width) * (width - wide) - first.view(-1, 1, 1, 1)
    values = call.signal.values
    placed = values.new_zeros(*values.shape[:2], high * wide)  # outside of the map the signal is 0, whatever the place
    placed.scatter_add_(2, places.clamp_(0, high * wide - 1).flatten(2), values.flatten(2))
    return call.arriving(Boxes(placed.view(*values.shape[:2], high, wide), corners))


def _average_pooling(call: Down) -> Arrived:
    """In equal parts over the window."""
    kernel = _pair(call.argument(1))
    stride, padding = _pair(call.argument(2) or kernel), _pair(call.argument(3, 0))
    lengths = call.step.shapes[call.step.source][-2:]
    return _spread(call, kernel, stride, padding, _divisors(call, kernel, stride, padding, lengths))


def _adaptive_pooling(call: Down) -> Arrived:
    """As average pooling, where the lengths divide."""
    lengths, wanted = call.step.shapes[call.step.source][-2:], call.step.output[-2:]
    if any(length % want for length, want in zip(lengths, wanted, strict=True)):
        raise UnknownWay
    kernel = (lengths[0] // wanted[0], lengths[1] // wanted[1])
    return _spread(call, kernel, kernel, (0, 0), torch.full((1, 1), float(kernel[0] * kernel[1])))


def _spread(call: Down, kernel: Any, stride: Any, padding: Any, divisors: torch.Tensor) -> Arrived:
    values = call.signal.values / divisors.to(call.signal.values)
    size = tuple((n - 1) * step + side for n, step, side in zip(call.signal.size, stride, kernel, strict=True))
    columns = values[:, :, None].expand(-1, -1, kernel[0] * kernel[1], -1, -1).flatten(1, 2).flatten(2)
    corners = tuple(
        (row * stride[0] - padding[0], column * stride[1] - padding[1]) for row, column in call.signal.corners
    )
    return call.arriving(Boxes(functional.fold(columns, size, kernel, 1, 0, stride), corners))


def _divisors(call: Down, kernel: Any, stride: Any, padding: Any, lengths: Sequence[int]) -> torch.Tensor:
    """By what an average pooling divides at the boxes of the signal, (N or 1, 1, h or 1, w or 1)."""
    counts_padding, override = call.argument(5, default=True), call.argument(6)
    if override is not None:
        return torch.tensor(float(override))
    axes = []
    for axis in (0, 1):
        first = torch.tensor([corner[axis] for corner in call.signal.corners])[:, None]
        start = (first + torch.arange(call.signal.size[axis])) * stride[axis] - padding[axis]
        stop = (start + kernel[axis]).clamp(max=lengths[axis] + padding[axis])
        inner = stop.clamp(max=lengths[axis]) - start.clamp(min=0)
        axes.append((stop - start if counts_padding else inner).clamp(min=1))
    areas: torch.Tensor = axes[0][:, None, :, None] * axes[1][:, None, None, :]
    return areas.float()


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


def _keep_for_pointwise(step: Step, found: Mapping[int, torch.Tensor]) -> Kept:
    gate = gate_of(step.operation)
    if gate is not None and step.operation.name in STRICT:
        x = found[gate.x.number][0]
        return (x > 0 if gate.ceiling is None else (x > 0) & (x < gate.ceiling),)
    if any(found[number].shape != step.output or len(step.output) != 4 for number in step.operation.inputs):
        return ()
    return tuple(found[number][0] for number in step.operation.inputs)


def gate_of(operation: Operation) -> Any:
    """The tensor (a `Ref`) and the ceiling of an operation that is a ReLU; None of any other."""
    read = READERS.get(operation.name)
    gate = read(operation.name, operation.args, operation.keywords) if read is not None else None
    return gate if gate is not None and isinstance(gate.x, Ref) else None


def _pointwise(call: Down) -> Arrived:
    """A ReLU by its rule, all others by their own gradient."""
    operation = call.step.operation
    gate, strict = gate_of(operation), operation.name in STRICT
    if gate is None or (call.rule == "gradient" and not strict):
        return _by_gradient(call)
    if call.step.shapes[gate.x.number] != call.step.output:
        raise UnknownWay
    values = call.signal.values
    if call.rule != "deconvnet":
        values = values * (call.looked_at() if strict else _is_open(call, gate))
    if call.rule != "gradient":
        values = values.clamp(min=0)
    return [(gate.x.number, call.signal.holding(values))]


def _is_open(call: Down, gate: Any) -> torch.Tensor:
    x = call.looked_at(call.step.operation.inputs.index(gate.x.number))
    return x > 0 if gate.ceiling is None else (x > 0) & (x < gate.ceiling)


def _by_gradient(call: Down) -> Arrived:
    """An operation that works place by place, run again on the boxes."""
    operation, output = call.step.operation, call.step.output
    numbers = list(dict.fromkeys(operation.inputs))
    if call.place or len(output) != 4 or any(call.step.shapes[number] != output for number in numbers):
        raise UnknownWay
    with torch.enable_grad():
        taken = {number: call.looked_at(operation.inputs.index(number)).clone().requires_grad_() for number in numbers}
        given = operation.called(lambda leaf: _fitting(leaf, taken))
        gradients = torch.autograd.grad(
            given, list(taken.values()), call.signal.values, allow_unused=True, materialize_grads=True
        )
    height, width = output[-2:]
    return [
        (number, call.signal.holding(_finite(gradient, call)).inside(height, width))
        for number, gradient in zip(numbers, gradients, strict=True)
    ]


def _finite(gradient: torch.Tensor, call: Down) -> torch.Tensor:
    """What is no number outside of a map, where there is no signal, is none."""
    return torch.where(call.signal.values == 0, 0.0, gradient)


def _fitting(leaf: Any, taken: Mapping[int, torch.Tensor]) -> Any:
    if isinstance(leaf, Ref):
        return taken[leaf.number]
    if isinstance(leaf, torch.Tensor) and leaf.ndim and tuple(leaf.shape[-2:]) != (1, 1):
        raise UnknownWay
    return leaf


def _pair(value: Any) -> tuple[int, int]:
    values = [value] if isinstance(value, int) else list(value)
    return values[0], values[-1]


Keeper = Callable[[Step, Mapping[int, torch.Tensor]], Kept]
Handed = Callable[[Down], Arrived]
KEEPERS: dict[str, Keeper] = {
    "max_pool2d_with_indices": _keep_switches,
    "pointwise": _keep_for_pointwise,
    **dict.fromkeys(("clone", "alias", "add", "sub"), _keep_nothing),
}
WAYS: dict[str, Handed] = {
    "convolution": _convolution,
    "max_pool2d_with_indices": _max_pooling,
    "avg_pool2d": _average_pooling,
    "adaptive_avg_pool2d": _adaptive_pooling,
    **dict.fromkeys(NORMS, _batch_norm),
    "cat": _cat,
    **dict.fromkeys(("split", "split_with_sizes"), _parts),
    "constant_pad_nd": _padding,
    **dict.fromkeys(("add", "sub"), _sum),
    **dict.fromkeys(("clone", "alias"), _same),
    "pointwise": _pointwise,
}
