"""Layer by layer, what each of the three ReLU rules lets through of one neuron's signal.

Through convolutions and poolings the rules are one and the same; at every ReLU they part. With ``x`` its input and
``s`` the signal from above, the gradient passes ``s`` where ``x > 0`` (the mask of the way forward), DeconvNet where
``s > 0`` (the mask of the way back), guided backpropagation where both hold.

Cost: for each layer on the way and each rule one forward pass and one pass down: for small networks.
Oracle: what leaves the lowest layer is the signal of `deconvnet`.
Source: Simonyan, Vedaldi & Zisserman 2013, "Deep Inside Convolutional Networks", section 4.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.core.errors import BadValue, UnsupportedModel
from convviz_widgets.core.unit import Unit
from convviz_widgets.lens.backward import cached_answers, gradient_at, one_hot, project
from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.single import one_picture
from convviz_widgets.methods.deconvnet.deconvnet import BackwardRule, kept_of
from convviz_widgets.render.panels import panels

RULES: tuple[BackwardRule, ...] = ("gradient", "deconvnet", "guided")
COLUMNS = ("forward", "gradient<br><i>s</i> [<i>x</i>>0]", "DeconvNet<br><i>s</i> [<i>s</i>>0]", "guided<br>both")
DOES = {"activation": "ReLU", "pooling": "to the switches", "convolution": "transposed filters"}


def rule_figure(lens: Lens, image: Any, unit: str | Unit) -> Any:
    """What leaves each layer downwards under each rule, from a unit's strongest neuron to the picture.

    A row for each layer, from the unit's own down. The first panel is what the layer answered on the way forward, the
    others are the signal that leaves it, of a channel in which much leaves and the rules differ; bare is zero. Below
    each: at a ReLU the share of what arrived (of all channels) that is let through, else how much of it is above zero.

    Example:
        >>> image = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
        >>> len(rule_figure(Lens.load("mini"), image, "relu2:28").data)
        20

    Args:
        lens: the network.
        image: one picture.
        unit: "layer:channel".

    Returns:
        A plotly figure.

    Raises:
        BadValue: the unit is not active on the picture, or gives no map.
        UnsupportedModel: what lies before the layer is no plain chain of convolutions, poolings and ReLUs.
    """
    address = Unit.parse(unit)
    top = lens.layers[address.layer]
    way = _way(lens, top)
    prepared = one_picture(lens, image)
    answers = cached_answers(lens, prepared, top)
    if not top.is_map:
        raise BadValue(f"{address} is no map. Accepted: units of layers of maps.")
    kept = kept_of(top, address.whole, answers[0], "strongest")
    sent = one_hot(answers, kept.neuron)
    maps, notes = [], []
    for layer in way:
        forward = cached_answers(lens, prepared, layer)[0]
        arrived = {rule: _at(lens, prepared, layer, sent, top, rule) for rule in RULES}
        if layer.kind == "activation":
            left = {rule: _let_through(arrived[rule], forward, rule) for rule in RULES}
            words = [f"{_share(left[rule] != 0, arrived[rule] != 0)} let through" for rule in RULES]
        else:
            below = lens.layers[layer.parents[0]] if layer.parents else None
            left = {rule: _at(lens, prepared, below, sent, top, rule) for rule in RULES}
            words = [f"{_share(left[rule] > 0, left[rule] != 0)} above zero" for rule in RULES]
        shown, word = _shown(forward, left)
        maps.append(shown)
        notes.append([word, *words])
    return panels(
        maps,
        rows=[f"<b>{layer.name}</b> · {DOES[layer.kind]}" for layer in way],
        columns=COLUMNS,
        notes=notes,
        title=f"What leaves each layer downwards: {address.at(*kept.position)}",
    )


def _way(lens: Lens, layer: Layer) -> list[Layer]:
    """The layers from one down to the picture."""
    way = [layer]
    while way[-1].parents:
        if len(way[-1].parents) > 1:
            raise _unclear(way[-1])
        way.append(lens.layers[way[-1].parents[0]])
    for each in way:
        if each.kind not in DOES or (each.kind == "activation" and each.type_name.lower() != "relu"):
            raise _unclear(each)
    return way


def _unclear(layer: Layer) -> UnsupportedModel:
    return UnsupportedModel(
        f"{layer.name} ({layer.type_name}, from {len(layer.parents)} layers) lies on the way. Accepted: a plain chain "
        "of convolutions, poolings and ReLUs. Look at other networks with deconvnet(lens, image, unit, rule=...)."
    )


def _at(
    lens: Lens, prepared: torch.Tensor, at: Layer | None, sent: torch.Tensor, top: Layer, rule: BackwardRule
) -> torch.Tensor:
    """The signal (K, h, w) that arrives at a layer's output; None: at the picture."""
    if at is None:
        return project(lens, prepared, sent, top, rule=rule)[0]
    if at.name == top.name:
        return sent[0]
    if at.overwritten:  # by the ReLU above, so that its output is that of the ReLU
        above = next(each for each in lens.layers.values() if each.parents == (at.name,))
        return _let_through(_at(lens, prepared, above, sent, top, rule), cached_answers(lens, prepared, above)[0], rule)
    return gradient_at(lens, prepared, at, sent, top, rule=rule)[1][0]


def _let_through(signal: torch.Tensor, rectified: torch.Tensor, rule: BackwardRule) -> torch.Tensor:
    """What a ReLU passes on by each rule's formula; what it answered tells where its input was above zero."""
    signal = signal if rule == "gradient" else signal.clamp(min=0)
    return signal if rule == "deconvnet" else signal * (rectified > 0)


def _share(some: torch.Tensor, of: torch.Tensor) -> str:
    return f"{float((some & of).sum()) / max(1.0, float(of.sum())):.0%}"


def _shown(forward: torch.Tensor, left: dict[BackwardRule, torch.Tensor]) -> tuple[list[npt.NDArray[np.float32]], str]:
    """What the layer answered, and what leaves it, of one channel each, cut to where anything leaves."""
    signals = [left[rule].cpu().numpy() for rule in RULES]
    gradient, apart = (np.abs(each).sum((1, 2)) for each in (signals[0], signals[1] - signals[2]))
    channel = int((gradient * apart if (gradient * apart).any() else gradient).argmax())
    answered = forward.cpu().numpy()
    theirs = channel if len(answered) == len(signals[0]) else int(answered.sum((1, 2)).argmax())
    seen = np.any([each.any(0) for each in signals], axis=0)
    cut = [_cut(each[channel], seen) for each in signals]
    return [_cut(answered[theirs], seen), *cut], f"channel {theirs}"


def _cut(values: npt.NDArray[np.float32], seen: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """The part of a map around what is seen, told on a map that may be finer."""
    height, width = values.shape
    rows, columns = np.nonzero(seen.any(1))[0], np.nonzero(seen.any(0))[0]
    if not len(rows):
        return values
    tall, wide = height / seen.shape[0], width / seen.shape[1]
    top, bottom = int(rows[0] * tall), int(np.ceil((rows[-1] + 1) * tall))
    left, right = int(columns[0] * wide), int(np.ceil((columns[-1] + 1) * wide))
    return values[top:bottom, left:right]
