"""Which stroke does an operation, and how those are done that have none of their own."""

from collections.abc import Mapping, Sequence, Set
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

from convviz_widgets.lens.incremental.beside import POOLS
from convviz_widgets.lens.incremental.boxes import Patch, Span
from convviz_widgets.lens.incremental.call import Call, Shelf, State
from convviz_widgets.lens.incremental.dense import Dense, worth_picking
from convviz_widgets.lens.incremental.rules import follow, is_pointwise, keeps_statistics
from convviz_widgets.lens.incremental.sheets import Reach, Sheet
from convviz_widgets.lens.incremental.strokes import (
    EVERYWHERE,
    Convolving,
    Desk,
    Gathering,
    Joining,
    Normalizing,
    Pooling,
    Stroke,
)
from convviz_widgets.lens.incremental.trace import Operation, Ref
from convviz_widgets.lens.incremental.whole import RESHAPES


class Following(Stroke):
    """Any other operation: as the rules of windows say, or on all of what it takes where they say nothing."""

    def __init__(self, operation: Operation, clean: Mapping[int, torch.Tensor], used: Set[int]) -> None:
        super().__init__(operation)
        self.outputs = [number for number in operation.outputs if number in used]
        self._operation, self._ruled = operation, all(is_map(clean[number]) for number in self.outputs)
        self._shape = clean[operation.outputs[0]].shape
        self._shelf: Shelf = {}

    def work(self, desk: Desk) -> None:
        """See `Stroke`."""
        for number, state in zip(self._operation.outputs, self._states(desk), strict=False):
            sheet = desk.sheets.get(number)
            if isinstance(state, Patch) and sheet is not None:
                (top, bottom), (left, right) = ((int(e.low[0]), int(e.high[0])) for e in (state.rows, state.columns))
                desk.reaches[number] = Reach(top, bottom, left, right)
                sheet.at(desk.reaches[number]).copy_(state.values[0].movedim((-2, -1), (0, 1)))
            elif isinstance(state, torch.Tensor) and sheet is not None:
                sheet.map.copy_(state)
                desk.reaches[number] = sheet.whole
            elif isinstance(state, torch.Tensor) and number in self.outputs:
                desk.current[number], desk.reaches[number] = state, EVERYWHERE

    def _states(self, desk: Desk) -> Sequence[State]:
        changed = [number for number in self.inputs if number in desk.reaches]
        if self._ruled and all(number in desk.sheets for number in changed):
            states: dict[int, State] = {number: _patch(desk.sheets[number], desk.reaches[number]) for number in changed}
            found = follow(Call(self._operation, desk.current, states, self._shelf))
            if found is not None:
                several = found if isinstance(found, list) else [found]
                return [each.flatten(0, 1) if isinstance(each, torch.Tensor) else each for each in several]
        if self._operation.name.strip("_") in RESHAPES:
            return [desk.current[self.inputs[0]].reshape(self._shape)]
        return self._operation.run(desk.current)


def stroke_for(operation: Operation, clean: Mapping[int, torch.Tensor], used: Set[int]) -> Stroke:
    """What does an operation; used: the numbers of the tensors that something takes."""
    touched = [clean[number] for number in (*operation.inputs, operation.outputs[0])]
    maps = all(is_map(each) and each.ndim == 4 for each in touched)
    alone = isinstance(operation.argument(0), Ref) and len(operation.inputs) == 1
    if maps and alone and not used & set(operation.outputs[1:]):
        if operation.name == "convolution" and operation.args[1].ndim == 4 and not operation.args[6]:
            return Convolving(operation, clean)
        if operation.name in POOLS:
            return Pooling(operation, clean)
        if keeps_statistics(operation):
            return Normalizing(operation)
    if maps and operation.name == "cat" and operation.argument(1, 0) % 4 == 1:
        return Gathering(operation)
    if operation.name == "addmm" and worth_picking(operation, clean):
        return Dense(operation)
    if is_pointwise(operation) and _joins(operation, clean):
        return Joining(operation)
    return Following(operation, clean, used)


def continues(stroke: Stroke, operation: Operation, clean: Mapping[int, torch.Tensor]) -> bool:
    """Whether a stroke may do an operation, which takes what it gives, at once."""
    same = clean[operation.outputs[0]].shape == clean[stroke.target].shape
    if not stroke.chains or len(operation.inputs) > 1 or not same:
        return False
    others = [each for each in tree_leaves((operation.args, operation.keywords)) if isinstance(each, torch.Tensor)]
    return keeps_statistics(operation) or (is_pointwise(operation) and not any(each.ndim for each in others))


def is_map(tensor: torch.Tensor) -> bool:
    """Whether a tensor has places: rows and columns behind a picture and channels."""
    return tensor.ndim > 3 and len(tensor) == 1 and tensor.shape[-2:].numel() > 1


def _joins(operation: Operation, clean: Mapping[int, torch.Tensor]) -> bool:
    """Whether all that an operation takes are maps of the size it gives, or one value per channel or for all."""
    output = clean[operation.outputs[0]]
    leaves = tree_leaves((operation.args, operation.keywords))

    def fits(leaf: Any) -> bool:
        tensor = clean[leaf.number] if isinstance(leaf, Ref) else leaf
        if not isinstance(tensor, torch.Tensor) or not tensor.ndim:
            return True
        if isinstance(leaf, Ref) and is_map(tensor):
            return tensor.ndim == 4 and tensor.shape[-2:] == output.shape[-2:]
        return tensor.ndim in (3, 4) and tensor.shape[-2:].numel() == 1 and (tensor.ndim == 3 or len(tensor) == 1)

    return is_map(output) and output.ndim == 4 and all(fits(each) for each in leaves)


def _patch(sheet: Sheet, reach: Reach) -> Patch:
    """A changed window as the rules take it."""
    rows, columns = (
        Span.of([low], [high], length)
        for low, high, length in zip(reach[::2], reach[1::2], sheet.map.shape[-2:], strict=True)
    )
    return Patch(sheet.at(reach).movedim((0, 1), (-2, -1)).unsqueeze(0), rows, columns)
