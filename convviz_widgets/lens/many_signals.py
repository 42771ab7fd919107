"""Signals of neurons, alone or many at once, each by the way that costs least.

A neuron sees a part of the picture, and three ways lead down to it:

- the operations that one forward pass of the whole picture ran, walked back on the boxes that the neuron reaches, with
  what was kept of the picture for it (`descent`): nothing is run forward again;
- where an operation is not known well enough, the part of the picture alone, forward and down by autograd, many parts
  in a batch; so also where pictures are many and neurons few (`part_signals`);
- else the whole picture, forward and down by autograd.

Source: Zeiler & Fergus 2013, "Visualizing and Understanding Convolutional Networks", section 2.1 (what is computed).
"""

from collections.abc import Iterator, Sequence

import torch

from convviz_widgets.core.errors import ConvvizError
from convviz_widgets.lens.backward import WayBack, place_of
from convviz_widgets.lens.descent.ways import way_down
from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.rules import Rule
from convviz_widgets.lens.window import Window, window_of

Neuron = tuple[int, ...]
"""(channel, row, column), or (feature,)."""
SMALL = 0.6  # of a picture: parts up to this share are run alone, forward and down; else one forward serves all
PARTS = 32  # in a batch
CLOSE = 1e-4  # how far, relatively, the answer of a part may be from that of the whole picture, by rounding alone


def neuron_signals(
    lens: Lens, prepared: torch.Tensor, layer: Layer, neurons: Sequence[Neuron], answers: torch.Tensor, *, rule: Rule
) -> torch.Tensor:
    """What arrives at one picture of a signal of 1 at each of several neurons, (N, C, H, W).

    Example:
        >>> lens = Lens.load("mini")
        >>> prepared, layer = lens.prepare(torch.rand(3, 96, 96)), lens.layers["conv2"]
        >>> answers = lens.activations(prepared, "conv2")[0]
        >>> neuron_signals(lens, prepared, layer, [(0, 2, 3), (1, 9, 9)], answers, rule="guided").shape
        torch.Size([2, 3, 96, 96])

    Args:
        lens: the network.
        prepared: (1, C, H, W).
        layer: the layer.
        neurons: (channel, row, column) each, or (feature,).
        answers: (K, h, w) or (K,), what the layer answers to the whole picture.
        rule: what a ReLU lets through.
    """
    way = way_down(lens, prepared, layer, rule) if layer.is_map and neurons else None
    if way is not None:
        parts = range(0, len(neurons), PARTS)
        return torch.cat([way.down(neurons[start : start + PARTS], rule).on(prepared) for start in parts])
    windows = [small_window(lens, layer, neuron, prepared) for neuron in neurons]
    return _part_by_part(lens, prepared, layer, neurons, windows, answers, rule=rule)


def _part_by_part(
    lens: Lens,
    prepared: torch.Tensor,
    layer: Layer,
    neurons: Sequence[Neuron],
    windows: Sequence[Window | None],
    answers: torch.Tensor,
    *,
    rule: Rule,
) -> torch.Tensor:
    """By autograd: small parts in batches of equal size, and one forward pass to the layer for all the others."""
    signals = prepared.new_zeros(len(neurons), *prepared.shape[1:])
    buckets: dict[tuple[int, int, bool], list[tuple[int, Window]]] = {}
    for number, window in enumerate(windows):
        if window is not None:
            buckets.setdefault(window.kind, []).append((number, window))
    left = [number for number, window in enumerate(windows) if window is None]
    for bucket in buckets.values():
        for start in range(0, len(bucket), PARTS):
            numbers, cuts = zip(*bucket[start : start + PARTS], strict=True)
            found = part_signals(
                lens,
                torch.cat([window.cut(prepared) for window in cuts]),
                layer,
                [(neurons[number][0], *window.position) for number, window in zip(numbers, cuts, strict=True)],
                [float(answers[neurons[number]]) for number in numbers],
                rule=rule,
                padded=cuts[0].padded,
            )
            for number, window, signal in zip(numbers, cuts, found, strict=True):
                if signal is None:
                    left.append(number)
                else:
                    window.cut(signals[number])[:] = signal
    for arrived in round_signals(lens, prepared, layer, [[neurons[number] for number in left]], rule=rule):
        for _, place, signal in arrived:
            signals[left[place]] = signal
    return signals


def share(windows: Sequence[Window | None], prepared: torch.Tensor) -> float:
    """How much of a picture (1, C, H, W) these parts are together; None counts for the whole of it."""
    pixels = prepared.shape[-2] * prepared.shape[-1]
    return sum(1.0 if each is None else each.box.width * each.box.height / pixels for each in windows)


def small_window(lens: Lens, layer: Layer, neuron: Neuron, prepared: torch.Tensor) -> Window | None:
    """The part of a picture (1, C, H, W) to run for a neuron; None where the whole is needed or costs less."""
    height, width = (int(length) for length in prepared.shape[-2:])
    window = window_of(lens, layer, (neuron[1], neuron[2]), (height, width)) if layer.is_map else None
    fits = window is not None and window.box.width * window.box.height <= SMALL * height * width
    return window if fits else None


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
    rounds = max(map(len, neurons), default=0)
    if not rounds:
        return
    way = WayBack(lens, prepared, layer, rule=rule)
    for number in range(rounds):
        signals = torch.zeros_like(way.answers)
        sent = [place for place, each in enumerate(neurons) if number < len(each)]
        for place in sent:
            signals[place].view(-1)[place_of(neurons[place][number], way.answers.shape[1:])] = 1
        arrived = way.down(signals, last=number == rounds - 1)
        yield [(place, number, arrived[place]) for place in sent]


def holds(answers: torch.Tensor, neuron: Neuron, *, padded: bool) -> bool:
    """Whether a layer's answers (N, K, h, w) hold a neuron; without padding, whether they hold no other place."""
    fits = all(at < length for at, length in zip(neuron, answers.shape[1:], strict=True))
    return fits and (padded or answers.shape[2:] == (1, 1))
