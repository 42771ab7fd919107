"""From neurons of a layer down to the picture, along the operations that one forward pass ran.

A neuron's signal lies on a small box of every map, and most of what lies on its way needs nothing of the picture: a
convolution its filters, a ReLU where it was open, a max pooling its switches. These are kept from one forward pass, so
that a way down runs no part of the network forward again, and sees what the whole picture saw by construction.
"""

from collections.abc import Sequence

import torch

from convviz_widgets.lens.descent.boxes import Boxes
from convviz_widgets.lens.descent.call import Kept, Step, UnknownWay
from convviz_widgets.lens.descent.steps import handed_down, kept_of
from convviz_widgets.lens.incremental.trace import Tape
from convviz_widgets.lens.rules import Rule
from convviz_widgets.lens.sites import Site

Trail = tuple[Kept, ...]
"""What is kept of one picture for its way back: of each operation, in order."""
Neuron = tuple[int, ...]
"""(channel, row, column)."""


class Descent:
    """The way back from a layer of maps, for pictures of one size.

    Args:
        tape: the operations that lead to it, in order, with no obstacle.
        site: where it is.
        picture: (1, C, H, W), one of the pictures.

    Attributes:
        device: where it is walked.
        counts: how many tensors each operation keeps of a picture, once there was one.
    """

    def __init__(self, tape: Tape, site: Site, picture: torch.Tensor) -> None:
        self.device = picture.device
        self.counts: tuple[int, ...] = ()
        self._top = tape.outputs[site]
        self._none = picture.new_zeros(())
        self._shapes = {0: picture.shape}
        self._steps = [Step(each, self._shapes) for each in tape.operations]
        self._last = {n: place for place, each in enumerate(tape.operations) for n in (*each.outputs, *each.inputs)}

    def trail(self, picture: torch.Tensor) -> tuple[Trail, torch.Tensor]:
        """What is kept of a picture (1, C, H, W), and what the layer answers to it, (1, K, h, w)."""
        found = {0: picture}
        kept: list[Kept] = []
        for place, step in enumerate(self._steps):
            operation = step.operation
            found.update(zip(operation.outputs, operation.run(found), strict=True))
            self._shapes.update({number: found[number].shape for number in operation.outputs})
            kept.append(kept_of(step, found))
            for number in {*operation.inputs, *operation.outputs}:
                if self._last[number] == place and number != self._top:
                    del found[number]
        self.counts = tuple(map(len, kept))
        return tuple(kept), found[self._top]

    def down(self, neurons: Sequence[Neuron], trails: Sequence[Trail], rule: Rule) -> Boxes:
        """What arrives at pictures of a signal of 1 at one neuron of each.

        Args:
            neurons: (channel, row, column) each.
            trails: what was kept of each picture.
            rule: what a ReLU lets through.

        Raises:
            UnknownWay: an operation on the way has no rule.
        """
        if len(self._shapes[self._top]) != 4:
            raise UnknownWay
        signals = {self._top: self._start(neurons)}
        for place in range(len(self._steps) - 1, -1, -1):
            step = self._steps[place]
            for which, number in enumerate(step.operation.outputs):
                signal = signals.pop(number, None)
                if signal is not None:
                    for source, arrived in handed_down(step, signal, which, [trail[place] for trail in trails], rule):
                        signals[source] = signals[source].plus(arrived) if source in signals else arrived
        return signals[0]

    def _start(self, neurons: Sequence[Neuron]) -> Boxes:
        values = self._none.new_zeros(len(neurons), self._shapes[self._top][1], 1, 1)
        values[range(len(neurons)), [neuron[0] for neuron in neurons]] = 1
        return Boxes(values, tuple((row, column) for _, row, column in neurons))
