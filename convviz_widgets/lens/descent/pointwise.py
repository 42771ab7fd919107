"""The way back through what works place by place: ReLUs by their rule, all others by their own gradient."""

from collections.abc import Mapping
from typing import Any

import torch

from convviz_widgets.lens.descent.call import Arrived, Down, Kept, Step, UnknownWay
from convviz_widgets.lens.incremental.trace import Operation, Ref
from convviz_widgets.lens.rules import READERS

STRICT = ("relu", "threshold", "hardtanh")
"""ReLUs whose gradient is 0 where their input is 0, as the rules say; that of a clamp is 1 there."""


def keep_for_pointwise(step: Step, found: Mapping[int, torch.Tensor]) -> Kept:
    """Where a ReLU was open; of others, and of clamps, what they took."""
    gate = gate_of(step.operation)
    if gate is not None and step.operation.name in STRICT:
        return (_is_open(found[gate.x.number][0], gate),)
    if any(found[number].shape != step.output or len(step.output) != 4 for number in step.operation.inputs):
        return ()
    return tuple(found[number][0] for number in step.operation.inputs)


def gate_of(operation: Operation) -> Any:
    """The tensor (a `Ref`) and the ceiling of an operation that is a ReLU; None of any other."""
    read = READERS.get(operation.name)
    gate = read(operation.name, operation.args, operation.keywords) if read is not None else None
    return gate if gate is not None and isinstance(gate.x, Ref) else None


def pointwise(call: Down) -> Arrived:
    """A ReLU by its rule, all others by their own gradient."""
    operation = call.step.operation
    gate, strict = gate_of(operation), operation.name in STRICT
    if gate is None or (call.rule == "gradient" and not strict):
        return _by_gradient(call)
    if call.step.shapes[gate.x.number] != call.step.output:
        raise UnknownWay
    values = call.signal.values
    if call.rule != "deconvnet":
        kept = call.looked_at(0 if strict else operation.inputs.index(gate.x.number))
        values = values * (kept if strict else _is_open(kept, gate))
    if call.rule != "gradient":
        values = values.clamp(min=0)
    return [(gate.x.number, call.signal.holding(values))]


def _is_open(x: torch.Tensor, gate: Any) -> torch.Tensor:
    """Where a ReLU lets its input through."""
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
