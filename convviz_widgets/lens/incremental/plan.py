"""How strokes go through a network: which operations are done at once, and which maps share their memory."""

from collections import Counter
from collections.abc import Mapping

import torch
from torch.utils._pytree import tree_leaves

from convviz_widgets.lens.guest import version_of
from convviz_widgets.lens.incremental.choice import continues, is_map, stroke_for
from convviz_widgets.lens.incremental.sheets import Sheet
from convviz_widgets.lens.incremental.strokes import Desk, Gathering, Stroke
from convviz_widgets.lens.incremental.trace import Tape

Margins = dict[int, tuple[int, int]]


class Plan:
    """What strokes do to the pictures of one size; it belongs to no picture.

    Args:
        tape: the operations of one forward pass.
    """

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.strokes: list[Stroke] = []
        self._homes: dict[int, tuple[int, int]] = {}
        self._margins: Margins = {}
        tape.operations = tape.needed()
        given = tree_leaves([(each.args, each.keywords) for each in tape.operations if not tape.obstacle])
        self._noted = [(each, version_of(each)) for each in given if isinstance(each, torch.Tensor)]

    @property
    def outdated(self) -> bool:
        """Whether weights were written to since."""
        return any(version_of(tensor) != version for tensor, version in self._noted)

    def filled(self, picture: torch.Tensor) -> Desk:
        """All that a picture (1, C, H, W) makes, in place."""
        clean = self.tape.run(picture)
        if not self.strokes:
            self._lay_out(clean)
        desk = Desk({}, {})
        for number in sorted({0, *(each for stroke in self.strokes for each in stroke.outputs)}, reverse=True):
            if is_map(clean[number]):
                desk.sheets[number] = self._sheet(number, clean, desk.sheets)
                desk.sheets[number].map.copy_(clean[number])
            desk.current[number] = desk.sheets[number].map if number in desk.sheets else clean[number]
        return desk

    def _sheet(self, number: int, clean: Mapping[int, torch.Tensor], sheets: Mapping[int, Sheet]) -> Sheet:
        margin = self._margins.get(number, (0, 0))
        if number not in self._homes:
            return Sheet.like(clean[number], margin)
        home, first = self._homes[number]
        return Sheet(sheets[home].cells[..., first : first + clean[number].shape[1]], margin)

    def _lay_out(self, clean: Mapping[int, torch.Tensor]) -> None:
        """Makes the strokes, one for each operation or for a few that follow each other alone."""
        users = Counter(number for each in self.tape.operations for number in each.inputs)
        users.update(self.tape.outputs.values())
        users.update(self.tape.outputs.values())  # what is wanted itself is never left out
        makers: dict[int, Stroke] = {}
        for operation in self.tape.operations:
            number = operation.inputs[0]
            if number in makers and users[number] == 1 and continues(makers[number], operation, clean):
                makers[number].followed_by(operation)
                makers[operation.outputs[0]] = makers[number]
            else:
                self.strokes.append(stroke_for(operation, clean, set(users)))
                makers[operation.outputs[0]] = self.strokes[-1]
        for stroke in self.strokes:
            for number in stroke.inputs:
                self._widen([number], stroke.margin)
        self._house([each for each in self.strokes if isinstance(each, Gathering)], clean)

    def _widen(self, numbers: list[int], margin: tuple[int, int]) -> None:
        for number in numbers:
            old = self._margins.get(number, (0, 0))
            self._margins[number] = (max(old[0], margin[0]), max(old[1], margin[1]))

    def _house(self, gatherings: list[Gathering], clean: Mapping[int, torch.Tensor]) -> None:
        """Lets parts that are put together lie there from the start, where no other whole has them already."""
        for each in [*gatherings, *reversed(gatherings)]:
            numbers = [each.target, *each.inputs]
            for number in numbers:
                self._widen(numbers, self._margins.get(number, (0, 0)))
        for each in gatherings:
            first = 0
            for number in each.inputs:
                if number in self._homes or self._margins[number] != self._margins[each.target]:
                    each.strays.append((number, first))
                else:
                    self._homes[number] = each.target, first
                first += clean[number].shape[1]
