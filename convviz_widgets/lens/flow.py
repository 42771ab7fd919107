"""How receptive fields flow through a forward pass, followed operation by operation below the modules.

Each tensor carries a `Flow`: what its positions see along rows and columns, where these lie in the tensor, and which
layers reach it. `flow_rules` knows what each operation does to it.
"""

from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

from convviz_widgets.lens.layout import Layout, channels_first, labels
from convviz_widgets.lens.receptive_field import Span


@dataclass(frozen=True)
class Flow:
    """What is known of one tensor.

    Args:
        rows, columns: what its positions see along each axis of the picture; None if that has no bound.
        layout: where its rows and columns lie; None if that is not known any more.
        sources: names of the layers that reach it without passing another layer.
    """

    rows: Span | None
    columns: Span | None
    layout: Layout | None
    sources: frozenset[str] = frozenset()

    def unbounded(self, layout: Layout | None = None) -> "Flow":
        """The same sources, seeing everything."""
        return Flow(None, None, layout, self.sources)

    def dimension_of(self, axis: str) -> int | None:
        """Which dimension holds this axis alone, counted from the end; None if none does."""
        for index, factors in enumerate(self.layout or ()):
            if labels(factors) == [axis]:
                return index - len(self.layout or ())
        return None


class Call(NamedTuple):
    """One operation: its arguments, the tensors among them whose flow is known, and one output at its place."""

    args: Sequence[Any]
    inputs: list[tuple[torch.Tensor, Flow]]
    output: torch.Tensor
    place: int

    @property
    def tensor(self) -> torch.Tensor:
        """The first input."""
        return self.inputs[0][0]

    @property
    def flow(self) -> Flow:
        """The flow of the first input."""
        return self.inputs[0][1]

    def argument(self, number: int, default: Any) -> Any:
        """A positional argument, or its default where it was left out."""
        return self.args[number] if len(self.args) > number else default

    def dimension(self, number: int, default: int) -> int:
        """An argument that names a dimension of the first input, counted from the front."""
        return int(self.argument(number, default)) % self.tensor.ndim


Rules = Callable[[Any, Call], Flow | None]


class FlowMode(TorchDispatchMode):
    """Follows every operation below autograd and notes the flow of its outputs in `flows`.

    Args:
        image: the picture (1, C, H, W) that will go through the network.
        rules: what an operation does to the flow.
    """

    def __init__(self, image: torch.Tensor, rules: Rules) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flows: MutableMapping[torch.Tensor, Flow] = WeakTensorKeyDictionary()
        self.flows[image] = Flow(Span(), Span(), channels_first(image))
        self._rules = rules
        self._patched: dict[int, Flow] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        outputs = func(*args, **(kwargs or {}))
        inputs = [(each, flow) for each in _tensors((args, kwargs)) if (flow := self._flow_of(each)) is not None]
        if not inputs:
            return outputs
        sources = frozenset[str]().union(*(flow.sources for _, flow in inputs))
        for place, output in enumerate(_tensors(outputs)):
            flow = self._after(func, Call(args, inputs, output, place))
            if flow is not None:
                self.flows[output] = replace(flow, sources=sources)
            else:
                self.flows.pop(output, None)
            if func._schema.is_mutable and any(each is not output for each, _ in inputs):
                self._note_patch(output, sources)
        return outputs

    def _flow_of(self, tensor: torch.Tensor) -> Flow | None:
        return self.flows.get(tensor) or (self._patched.get(_storage(tensor)) if self._patched else None)

    def _after(self, func: Any, call: Call) -> Flow | None:
        try:
            return self._rules(func, call)
        except (TypeError, ValueError, IndexError):  # called with other arguments than the rule knows
            return call.flow.unbounded()

    def _note_patch(self, part: torch.Tensor, sources: frozenset[str]) -> None:
        """Part of a tensor was written over with something else: no bound is known of the whole any more."""
        whole = part.numel() * part.element_size() == part.untyped_storage().nbytes()
        if whole and not part._is_view():
            return
        before = self._patched.get(_storage(part))
        sources |= before.sources if before else frozenset()
        self._patched[_storage(part)] = Flow(None, None, None, sources)
        for each, flow in list(self.flows.items()):
            if each is not part and _storage(each) == _storage(part):
                self.flows[each] = replace(flow.unbounded(flow.layout), sources=flow.sources | sources)


def _storage(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _tensors(tree: Any) -> list[torch.Tensor]:
    return [each for each in tree_leaves(tree) if isinstance(each, torch.Tensor)]
