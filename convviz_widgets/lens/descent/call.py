"""One operation on the way back, and what it works on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from convviz_widgets.lens.descent.boxes import Boxes, windows
from convviz_widgets.lens.incremental.trace import Operation, Ref
from convviz_widgets.lens.rules import Rule

Kept = tuple[torch.Tensor, ...]
"""What an operation keeps of one picture: maps (K, H, W)."""
Arrived = list[tuple[int, Boxes]]
"""What arrives at the tensors that an operation took, by their numbers."""


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
