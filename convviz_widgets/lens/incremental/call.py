"""An operation at work on changed maps."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from convviz_widgets.lens.guest import version_of
from convviz_widgets.lens.incremental.bench import Bench
from convviz_widgets.lens.incremental.boxes import Patch
from convviz_widgets.lens.incremental.table import Beside, Table
from convviz_widgets.lens.incremental.trace import Operation, Ref

Part = Patch | Table
"""What has changed of a map: a window for every picture, or the distinct cells of a grid of them."""
State = Part | Beside | torch.Tensor
"""A changed map: the part of it that changed, or the whole of it for every picture, (N, 1, ..., H, W)."""

Prepare = Callable[[torch.Tensor], torch.Tensor]
Shelf = dict[tuple[int, Prepare], tuple[int, torch.Tensor]]
"""Weights as operations prepared them for all their calls, each with how often they had been written to, by the number
of the operation's first output and what prepared them."""


@dataclass(frozen=True)
class Call:
    """One operation at work.

    Args:
        operation: which.
        clean: every tensor of the unchanged picture, by number.
        states: the changed ones among them.
        shelf: of prepared weights.
        spare: numbers of tensors whose changed values nothing but their one user holds.
        bench: for what lies between.
    """

    operation: Operation
    clean: Mapping[int, torch.Tensor]
    states: Mapping[int, State]
    shelf: Shelf = field(default_factory=dict)
    spare: frozenset[int] = frozenset()
    bench: Bench = field(default_factory=Bench)

    def prepared(self, weight: torch.Tensor, make: Prepare) -> torch.Tensor:
        """The weights as the operation needs them at each call alike, made anew when they were written to."""
        key, version = (self.operation.outputs[0], make), version_of(weight)
        if key not in self.shelf or self.shelf[key][0] != version:
            self.shelf[key] = version, make(weight)
        return self.shelf[key][1]

    def argument(self, number: int, default: Any = None) -> Any:
        """A positional argument, or its default where it was left out."""
        return self.operation.argument(number, default)

    @property
    def output(self) -> torch.Tensor:
        """What it gave for the unchanged picture."""
        return self.clean[self.operation.outputs[0]]

    def first(self) -> tuple[torch.Tensor, Part] | None:
        """The clean map and the changed part of the first argument, if that is all it takes of the picture."""
        ref = self.argument(0)
        if not isinstance(ref, Ref) or self.operation.inputs != [ref.number]:
            return None
        state = self.states.get(ref.number)
        return (self.clean[ref.number], state) if isinstance(state, Part) else None

    def outcome(self, windows: torch.Tensor) -> torch.Tensor:
        """The operation's first output with windows as its first argument."""
        return self.operation.run({self.argument(0).number: windows})[0]


def numbers_for_each(state: State) -> int:
    """How many numbers a changed map takes for each window."""
    if isinstance(state, Beside):
        return sum(map(numbers_for_each, state.parts))
    if isinstance(state, Table):
        return state.values.numel() // (len(state.rows.at) * len(state.columns.at)) + 1
    values = state if isinstance(state, torch.Tensor) else state.values
    return values.numel() // max(len(values), 1)


Rule = Callable[[Call], State | list[State] | None]
