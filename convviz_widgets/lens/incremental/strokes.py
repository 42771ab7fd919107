"""What each operation makes of a changed window of a map in place: one step per operation, or per few that follow."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import torch

from convviz_widgets.lens.incremental.products import kernel_of, product
from convviz_widgets.lens.incremental.rules import keeps_statistics
from convviz_widgets.lens.incremental.sheets import Reach, Sheet, Sliding, reached
from convviz_widgets.lens.incremental.sliding import pool_settings
from convviz_widgets.lens.incremental.trace import Operation, Ref

BLOCK = 2**18  # numbers of taps laid out at a time, so that they stay in the processor's cache
EVERYWHERE = Reach(0, 1, 0, 1)  # of what is no map

Changed = tuple[Reach, torch.Tensor]
Worker = Callable[[torch.Tensor], torch.Tensor]


@dataclass
class Desk:
    """Where strokes find what they work on.

    Args:
        sheets: maps in place, by number.
        current: every tensor as it is now; of a sheet, its map.
        reaches: what has changed.
        known: the last row of a dense layer, what it gave, and how often that was added to, by the number of that.
    """

    sheets: dict[int, Sheet]
    current: dict[int, torch.Tensor]
    reaches: dict[int, Reach] = field(default_factory=dict)
    known: dict[int, tuple[torch.Tensor, torch.Tensor, int]] = field(default_factory=dict)


class Stroke:
    """What an operation does to a changed window.

    Args:
        operation: which.

    Attributes:
        inputs: numbers of the tensors it takes.
        outputs: numbers of those it gives, as far as something takes them.
        margin: how far it looks beyond the edge of a map, down and across.
    """

    margin = (0, 0)
    chains = False  # whether its values are new ones, so that what follows it alone may be done to them at once

    def __init__(self, operation: Operation) -> None:
        self.inputs, self.outputs = operation.inputs, [operation.outputs[0]]
        self._after: list[Worker] = []

    @property
    def target(self) -> int:
        """The number of the one map it gives."""
        return self.outputs[0]

    def work(self, desk: Desk) -> None:
        """Brings the sheet of what it gives up to date, and notes what has changed of it."""
        found = self.values(desk)
        if found is not None:
            reach, values = found
            for worker in self._after:
                values = worker(values)
            desk.sheets[self.target].at(reach).copy_(values)
            desk.reaches[self.target] = reach

    def values(self, desk: Desk) -> Changed | None:
        """The changed window of what it gives, and its values (h, w, K); None where nothing has changed."""
        raise NotImplementedError

    def followed_by(self, operation: Operation) -> None:
        """Does another operation, which takes what this one gives, at the same time."""
        self._after.append(_worker(operation))
        self.outputs = [operation.outputs[0]]


class Convolving(Stroke):
    """A convolution: its taps laid out in rows, a matrix product for all channels."""

    chains = True

    def __init__(self, operation: Operation, clean: Mapping[int, torch.Tensor]) -> None:
        super().__init__(operation)
        _, weight, self._bias, stride, padding, dilation, _, _, self._groups = operation.args
        self._kernel = kernel_of(weight)
        self._slides = Sliding.both(list(weight.shape[2:]), stride, padding, dilation, output=clean[self.target])
        self.margin = self._slides[0].padding, self._slides[1].padding

    def followed_by(self, operation: Operation) -> None:
        """A normalisation with known statistics becomes part of the kernel."""
        if self._after or not keeps_statistics(operation):
            super().followed_by(operation)
            return
        scale, shift = _statistics(operation)
        self._kernel = self._kernel * scale
        self._bias = shift if self._bias is None else shift + scale * self._bias
        self.outputs = [operation.outputs[0]]

    def values(self, desk: Desk) -> Changed | None:
        """See `Stroke`."""
        (source,) = self.inputs
        reach = reached(self._slides, desk.reaches[source])
        if reach is None:
            return None
        taps = desk.sheets[source].taps(reach, self._slides)
        tall, broad = taps.shape[:2]
        step = max(1, BLOCK // taps[0].numel())
        if step >= tall:
            return reach, self._product(taps).view(tall, broad, -1)
        found = taps.new_empty(tall, broad, self._kernel.shape[-1])
        for start in range(0, tall, step):
            part = found[start : start + step]
            part.copy_(self._product(taps[start : start + step]).view(part.shape))
        return reach, found

    def _product(self, taps: torch.Tensor) -> torch.Tensor:
        if self._groups > 1:
            found = product(taps.reshape(-1, taps.shape[-1]), self._kernel.flatten(0, 1), self._groups)
            return found if self._bias is None else found.add_(self._bias)
        rows, matrix = taps.reshape(-1, taps.shape[2:].numel()), self._kernel.view(-1, self._kernel.shape[-1])
        return torch.mm(rows, matrix) if self._bias is None else torch.addmm(self._bias, rows, matrix)


class Pooling(Stroke):
    """The largest of what a kernel sees: along rows first, then along columns."""

    def __init__(self, operation: Operation, clean: Mapping[int, torch.Tensor]) -> None:
        super().__init__(operation)
        self._slides = Sliding.both(*pool_settings(operation), output=clean[self.target])

    def values(self, desk: Desk) -> Changed | None:
        """See `Stroke`."""
        (source,) = self.inputs
        reach = reached(self._slides, desk.reaches[source])
        if reach is None:
            return None
        (top, bottom), (left, right) = self._slides[0].seen(*reach[:2]), self._slides[1].seen(*reach[2:])
        found = desk.sheets[source].around(Reach(top, bottom, left, right), -torch.inf)
        for axis, slide in enumerate(self._slides):
            found = _highest(found, slide, axis)
        return reach, found


class Joining(Stroke):
    """An operation element by element, such as the sum of two maps; what is no map of that size joins in as it is."""

    chains = True

    def __init__(self, operation: Operation) -> None:
        super().__init__(operation)
        self._operation = operation

    def values(self, desk: Desk) -> Changed | None:
        """See `Stroke`."""
        whole, changed = desk.sheets[self.target].whole, [each for each in self.inputs if each in desk.reaches]
        reach = reduce(Reach.joined, (desk.reaches[each] if each in desk.sheets else whole for each in changed))

        def window(leaf: Any) -> Any:
            if isinstance(leaf, Ref) and leaf.number in desk.sheets:
                return desk.sheets[leaf.number].at(reach)
            tensor = desk.current[leaf.number] if isinstance(leaf, Ref) else leaf
            return _channels_at_the_end(tensor) if isinstance(tensor, torch.Tensor) and tensor.ndim else tensor

        return reach, self._operation.called(window)


class Normalizing(Stroke):
    """A normalisation with known statistics."""

    chains = True

    def __init__(self, operation: Operation) -> None:
        super().__init__(operation)
        self._after.append(_worker(operation))

    def values(self, desk: Desk) -> Changed | None:
        """See `Stroke`."""
        (source,) = self.inputs
        return desk.reaches[source], desk.sheets[source].at(desk.reaches[source])


class Gathering(Stroke):
    """Channels beside each other: most lie there already, the others are copied.

    Attributes:
        strays: numbers of the parts that lie elsewhere, each with its first channel.
    """

    def __init__(self, operation: Operation) -> None:
        super().__init__(operation)
        self.strays: list[tuple[int, int]] = []

    def work(self, desk: Desk) -> None:
        """See `Stroke`."""
        sheet = desk.sheets[self.target]
        for number, first in self.strays:
            if number in desk.reaches:
                part = desk.sheets[number].at(desk.reaches[number])
                sheet.at(desk.reaches[number])[..., first : first + part.shape[-1]].copy_(part)
        reaches = [desk.reaches[number] for number in self.inputs if number in desk.reaches]
        desk.reaches[self.target] = reduce(Reach.joined, reaches)


def _channels_at_the_end(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor (1, C, 1, 1) or (C, 1, 1) as (1, 1, C)."""
    return tensor.reshape(tensor.shape[-3:]).movedim(0, -1)


def _highest(values: torch.Tensor, slide: Sliding, axis: int) -> torch.Tensor:
    """The largest value that a kernel sees along one axis of (h, w, C)."""
    count = (values.shape[axis] - slide.dilation * (slide.kernel - 1) - 1) // slide.stride + 1
    reach = (count - 1) * slide.stride + 1
    seen = [
        values.narrow(axis, tap * slide.dilation, reach)[:: slide.stride]
        if axis == 0
        else values.narrow(axis, tap * slide.dilation, reach)[:, :: slide.stride]
        for tap in range(slide.kernel)
    ]
    if len(seen) == 1:
        return seen[0]
    found = torch.maximum(seen[0], seen[1])
    for each in seen[2:]:
        torch.maximum(found, each, out=found)
    return found


def _worker(operation: Operation) -> Worker:
    """An operation of one map, on fresh values (h, w, C)."""
    if keeps_statistics(operation):
        scale, shift = _statistics(operation)
        return lambda values: torch.addcmul(shift, values, scale)
    if operation.name == "relu":
        return torch.relu_
    return lambda values: operation.called(lambda leaf: values if isinstance(leaf, Ref) else leaf)


def _statistics(norm: Operation) -> tuple[torch.Tensor, torch.Tensor]:
    """What a normalisation multiplies each channel by, and what it adds."""
    weight, bias, mean, variance = norm.args[1:5]
    scale = (variance + norm.args[-1]).rsqrt()
    scale = scale if weight is None else scale * weight
    return scale, -mean * scale if bias is None else bias - mean * scale
