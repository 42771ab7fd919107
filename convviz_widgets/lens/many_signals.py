"""Signals of many neurons at once: parts of pictures in one batch, or one forward pass and several passes down."""

from collections.abc import Iterator, Sequence

import torch

from convviz_widgets.core.errors import ConvvizError
from convviz_widgets.lens.backward import WayBack, holds, place_of
from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.rules import Rule

Neuron = tuple[int, ...]
"""(channel, row, column), or (feature,)."""
CLOSE = 1e-4  # how far, relatively, the answer of a part may be from that of the whole picture, by rounding alone


def part_signals(
    lens: Lens,
    parts: torch.Tensor,
    layer: Layer,
    neurons: Sequence[Neuron],
    answers: Sequence[float],
    *,
    rule: Rule,
    padded: bool = True,
) -> list[torch.Tensor | None]:
    """What arrives at parts of pictures, (C, h, w) each, of a signal of 1 at one neuron of each.

    Args:
        lens: the network.
        parts: (N, C, h, w), of one size; see `window.window_of`.
        layer: the layer.
        neurons: one for each part, by its place in the layer's map of that part.
        answers: what they answer to the whole pictures.
        rule: what a ReLU lets through.
        padded: as of the windows that the parts are cut by.

    Returns:
        One signal for each part; None where the part answers otherwise than its picture, so that the whole is needed.
    """
    try:
        way = WayBack(lens, parts, layer, rule=rule, padded=padded)
    except ConvvizError:
        return [None] * len(parts)
    shape = way.answers.shape[1:]
    fits = [holds(way.answers, neuron, padded=padded) for neuron in neurons]
    places = [place_of(neuron, shape) if fit else 0 for neuron, fit in zip(neurons, fits, strict=True)]
    index = torch.tensor(places, device=way.answers.device)[:, None]
    found = way.answers.flatten(1).gather(1, index)[:, 0].tolist()
    signals = torch.zeros_like(way.answers)
    signals.flatten(1).scatter_(1, index, 1.0)
    arrived = way.down(signals, last=True)
    return [
        signal if fit and abs(given - wanted) <= CLOSE * abs(wanted) + 1e-6 else None
        for signal, fit, given, wanted in zip(arrived, fits, found, answers, strict=True)
    ]


def round_signals(
    lens: Lens, prepared: torch.Tensor, layer: Layer, neurons: Sequence[Sequence[Neuron]], *, rule: Rule
) -> Iterator[list[tuple[int, int, torch.Tensor]]]:
    """What arrives at whole pictures of signals of 1 at several neurons of each, one after another.

    One forward pass serves all; each pass down takes the next neuron of every picture that has one left.

    Args:
        lens: the network.
        prepared: (N, C, H, W).
        layer: the layer.
        neurons: for each picture.
        rule: what a ReLU lets through.

    Yields:
        After each pass down: (picture, number of the neuron among its picture's, signal (C, H, W)).
    """
    way = WayBack(lens, prepared, layer, rule=rule)
    rounds = max(map(len, neurons), default=0)
    for number in range(rounds):
        signals = torch.zeros_like(way.answers)
        sent = [place for place, each in enumerate(neurons) if number < len(each)]
        for place in sent:
            signals[place].view(-1)[place_of(neurons[place][number], way.answers.shape[1:])] = 1
        arrived = way.down(signals, last=number == rounds - 1)
        yield [(place, number, arrived[place]) for place in sent]
