"""The way back: a signal at a layer, carried down to the prepared picture under one of the ReLU rules.

Everything but the ReLU is its own gradient: max pooling sends the signal to the places it came from (the switches of
Zeiler & Fergus 2013, section 2.1), a convolution becomes the one with the transposed filters, average pooling spreads,
batch normalisation scales; joins hand it to all their branches.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import NamedTuple

import torch

from convviz_widgets.core.errors import BadValue, ConvvizError, UnsupportedModel
from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.record import OUTPUT
from convviz_widgets.lens.rules import Rule, relu_rule
from convviz_widgets.lens.unpadded import unpadded
from convviz_widgets.lens.window import Window, window_of

RECTIFIERS = {"relu", "relu6", "threshold", "hardtanh", "clamp", "clamp_min"}
"""Activations that the ReLU rules are for, by their type name in lower case."""


class WayBack:
    """One forward pass to a layer, from which any number of signals go down.

    Example:
        >>> lens = Lens.load("mini")
        >>> way = WayBack(lens, lens.prepare(torch.rand(3, 96, 96)), "conv2", rule="deconvnet")
        >>> way.down(way.answers).shape
        torch.Size([1, 3, 96, 96])

    Args:
        lens: the network.
        prepared: (N, C, H, W), as `lens.prepare` gives it; it is not written to.
        layer: name of the layer; None for what the network gives, the class scores.
        rule: what a ReLU lets through.
        padded: whether convolutions and poolings pad as ever; see `window.window_of`.

    Attributes:
        answers: what the layer answers, (N, K, h, w) or (N, K), without gradient.

    Raises:
        UnknownName, UnsupportedModel: a wrong layer or rule; the network fails on the picture.
    """

    def __init__(
        self,
        lens: Lens,
        prepared: torch.Tensor,
        layer: str | Layer | None = None,
        *,
        rule: Rule = "gradient",
        padded: bool = True,
    ) -> None:
        site = OUTPUT if layer is None else lens.layers[layer.name if isinstance(layer, Layer) else layer].site
        with torch.inference_mode(mode=False):
            self._x = prepared.detach().to(lens.device, lens._dtype).clone().requires_grad_()
            within = partial(_ruled, rule, padded=padded)
            self._output = lens._record(self._x, [site], grad=True, within=within)[site]
            self.answers = self._output.detach()

    def down(self, signals: torch.Tensor, *, last: bool = False) -> torch.Tensor:
        """What arrives at the picture, (N, C, H, W), of signals at the layer, of the shape of `answers`.

        Args:
            signals: what to send down; for one neuron, 1 there and 0 elsewhere.
            last: nothing more will be sent down: what was kept for it is given up.
        """
        if signals.shape != self._output.shape:
            given, accepted = tuple(signals.shape), tuple(self._output.shape)
            raise BadValue(f"Signals of shape {given} do not fit the layer's answers. Accepted: {accepted}.")
        if not self._output.requires_grad:  # nothing of the picture reaches the layer
            return torch.zeros_like(self._x, requires_grad=False)
        with torch.inference_mode(mode=False):
            sent = signals.to(self._output.device, self._output.dtype).clone()
            (arrived,) = torch.autograd.grad(
                self._output, self._x, sent, retain_graph=not last, allow_unused=True, materialize_grads=True
            )
        return arrived


@contextmanager
def _ruled(rule: Rule, *, padded: bool) -> Iterator[None]:
    """What a forward pass runs within; autograd's own ReLU follows the gradient rule."""
    with nullcontext() if rule == "gradient" else relu_rule(rule), nullcontext() if padded else unpadded():
        yield


def project(
    lens: Lens,
    prepared: torch.Tensor,
    signals: torch.Tensor,
    layer: str | Layer | None = None,
    *,
    rule: Rule = "gradient",
) -> torch.Tensor:
    """What arrives at the prepared picture, (N, C, H, W), of signals at a layer; see `WayBack`."""
    return WayBack(lens, prepared, layer, rule=rule).down(signals, last=True)


def cached_answers(lens: Lens, prepared: torch.Tensor, layer: Layer | None = None) -> torch.Tensor:
    """What a layer (None: the network) answers to prepared pictures, (N, ...), out of the cache where it can be."""
    site = OUTPUT if layer is None else layer.site
    return lens._cached(list(prepared), [site])[site]


def gradient_at(
    lens: Lens,
    prepared: torch.Tensor,
    at: Layer,
    signals: torch.Tensor,
    layer: Layer | None = None,
    *,
    rule: Rule = "gradient",
) -> tuple[torch.Tensor, torch.Tensor]:
    """What a layer answers, and the gradient that arrives there of signals at a later one.

    Args:
        lens: the network.
        prepared: (N, C, H, W).
        at: where the gradient is wanted.
        signals: of the shape of what ``layer`` answers.
        layer: where the signals start; None for the class scores.
        rule: what a ReLU lets through.

    Returns:
        Two tensors (N, K, h, w), or (N, K).

    Raises:
        UnsupportedModel: ``at`` is not passed on the way, or what it answers is written over.
    """
    site = OUTPUT if layer is None else layer.site
    with torch.inference_mode(mode=False):
        x = prepared.detach().to(lens.device, lens._dtype).clone().requires_grad_()
        found = lens._record(x, [at.site, site], grad=True, within=partial(_ruled, rule, padded=True))
        answers = found[at.site]
        gradient = None
        if answers.requires_grad and found[site].requires_grad:
            sent = signals.to(answers.device, answers.dtype).clone()
            (gradient,) = torch.autograd.grad(found[site], answers, sent, allow_unused=True)
    if gradient is None:
        why = "a later operation writes over what it answers" if at.overwritten else "it does not lie on the way"
        raise UnsupportedModel(
            f"No gradient arrives at {at.name}: {why}. Take another layer, most often the activation after it: "
            "`lens.layers` lists them."
        )
    return answers.detach(), gradient


def neuron_signal(
    lens: Lens, prepared: torch.Tensor, layer: Layer, neuron: tuple[int, int, int], answers: torch.Tensor, *, rule: Rule
) -> torch.Tensor:
    """What arrives at one picture, (C, H, W), of a signal of 1 at one neuron of a map.

    Only the part of the picture that the neuron needs is run, if there is a smaller one. That part's answer is held
    against the answer to the whole picture; where they differ (a network that branches on its input, say) the whole
    picture is run.

    Args:
        lens: the network.
        prepared: (1, C, H, W).
        layer: the layer, which gives maps.
        neuron: (channel, row, column).
        answers: (K, h, w), what the layer answers to the whole picture.
        rule: what a ReLU lets through.
    """
    height, width = (int(length) for length in prepared.shape[-2:])
    window = window_of(lens, layer, neuron[1:], (height, width))
    if window is not None and window.box.width * window.box.height < height * width:
        part = _from_part(lens, window.cut(prepared), layer, neuron[0], window, rule=rule)
        if part is not None and bool(_close(part.answer, answers[neuron], scale=answers[neuron[0]].abs().max())):
            whole = torch.zeros_like(prepared[0])
            window.cut(whole)[:] = part.signal
            return whole
    way = WayBack(lens, prepared, layer, rule=rule)
    return way.down(one_hot(way.answers, neuron), last=True)[0]


def one_hot(answers: torch.Tensor, neuron: tuple[int, ...]) -> torch.Tensor:
    """Zeros like a layer's answers, with 1 at one neuron (channel, row, column), or (feature,), of each picture."""
    signals = torch.zeros_like(answers)
    signals.flatten(1)[:, place_of(neuron, answers.shape[1:])] = 1
    return signals


def smooth_activations(lens: Lens, layer: Layer) -> tuple[list[str], int]:
    """Activations on the way to a layer that are no ReLU, by type name, and the number of those that are.

    The rules say nothing about them: they keep their gradient.
    """
    reached, todo = set(), [layer.name]
    while todo:
        name = todo.pop()
        if name not in reached:
            reached.add(name)
            todo += lens.layers[name].parents
    found = [lens.layers[name].type_name for name in reached if lens.layers[name].kind == "activation"]
    smooth = [each for each in found if each.lower() not in RECTIFIERS]
    return sorted(set(smooth)), len(found) - len(smooth)


def place_of(neuron: tuple[int, ...], shape: tuple[int, ...]) -> int:
    """Place of a neuron among all of a picture's, row by row."""
    place = 0
    for index, length in zip(neuron, shape, strict=True):
        place = place * length + index
    return place


class _Part(NamedTuple):
    answer: torch.Tensor
    signal: torch.Tensor


def _from_part(
    lens: Lens, part: torch.Tensor, layer: Layer, channel: int, window: Window, *, rule: Rule
) -> _Part | None:
    """The answer and the signal of a neuron of a part of the picture; None if the part cannot be run for it."""
    neuron = (channel, *window.position)
    try:
        way = WayBack(lens, part, layer, rule=rule, padded=window.padded)
    except ConvvizError:
        return None
    if not holds(way.answers, neuron, padded=window.padded):
        return None
    return _Part(way.answers[(0, *neuron)], way.down(one_hot(way.answers, neuron), last=True)[0])


def holds(answers: torch.Tensor, neuron: tuple[int, ...], *, padded: bool) -> bool:
    """Whether a layer's answers (N, K, h, w) hold a neuron; without padding, whether they hold no other place."""
    fits = all(at < length for at, length in zip(neuron, answers.shape[1:], strict=True))
    return fits and (padded or answers.shape[2:] == (1, 1))


def _close(answer: torch.Tensor, wanted: torch.Tensor, *, scale: torch.Tensor) -> torch.Tensor:
    return (answer - wanted).abs() <= 1e-4 * scale + 1e-6
