"""The way back: a signal at a layer, carried down to the prepared picture under one of the ReLU rules.

Everything but the ReLU is its own gradient: max pooling sends the signal to the places it came from (the switches of
Zeiler & Fergus 2013, section 2.1), a convolution becomes the one with the transposed filters, average pooling spreads,
batch normalisation scales; joins hand it to all their branches.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial

import torch

from convviz_widgets.core.errors import BadValue, UnsupportedModel
from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.record import OUTPUT
from convviz_widgets.lens.rules import Rule, relu_rule
from convviz_widgets.lens.unpadded import unpadded

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
