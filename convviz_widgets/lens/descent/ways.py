"""The ways back that are known of a network, and what is kept of its pictures for them."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple
from weakref import WeakKeyDictionary

import torch

from convviz_widgets.lens.cache import Key
from convviz_widgets.lens.descent.boxes import Boxes
from convviz_widgets.lens.descent.call import UnknownWay
from convviz_widgets.lens.descent.descent import Descent, Neuron, Trail
from convviz_widgets.lens.descent.tracing import followed
from convviz_widgets.lens.incremental.engine import Quiet
from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.recall import image_digest
from convviz_widgets.lens.record import without_autocast
from convviz_widgets.lens.rules import Rule
from convviz_widgets.lens.single import own_copy

SIZES = 64  # ways that are remembered, one for each layer and size of pictures
RULES: tuple[Rule, ...] = ("gradient", "deconvnet", "guided")


class Way(NamedTuple):
    """The way back from a layer for one picture.

    Args:
        descent: the way of all pictures of its size.
        trail: what is kept of the picture.
    """

    descent: Descent
    trail: Trail

    def down(self, neurons: Sequence[Neuron], rule: Rule) -> Boxes:
        """What arrives at the picture of a signal of 1 at each of several neurons, (channel, row, column)."""
        with Quiet(), without_autocast(self.descent.device.type):
            return self.descent.down(neurons, [self.trail] * len(neurons), rule)


def way_down(lens: Lens, prepared: torch.Tensor, layer: Layer, rule: Rule, *, kept: bool = True) -> Way | None:
    """The way back from a layer of maps for one picture; None where none but autograd's is known.

    The first picture of a size costs three forward passes to the layer, another one costs one, and a picture that is
    still kept none.

    Args:
        lens: the network.
        prepared: (1, C, H, W).
        layer: where signals start.
        rule: which they follow.
        kept: whether what it needs of the picture is kept, in the lens's cache.
    """
    with lens.lock, Quiet(), without_autocast(lens.device.type):
        ways = _ways_of(lens)
        place = layer.site.name, tuple(prepared.shape[1:])
        if place not in ways.known:
            while len(ways.known) >= SIZES:
                ways.known.popitem(last=False)
            ways.known[place] = _known(lens, own_copy(lens, prepared), layer)
        known = ways.known[place]
        if known.descent is None or rule not in known.rules:
            return None
        keys = _Keys(image_digest(prepared[0]), place[0], ways.version)
        trail = _recalled(lens, keys, known.descent) if kept else None
        if trail is None:
            trail, answers = known.descent.trail(own_copy(lens, prepared))
            if kept:
                _keep(lens, keys, trail)
                lens.cache.put(Key(keys.image, keys.site, keys.weights), answers[0].clone())
        return Way(known.descent, trail)


def answers_and_trail(lens: Lens, prepared: torch.Tensor, layer: Layer) -> torch.Tensor:
    """What a layer answers to one picture, (1, ...), out of the cache where it can be.

    Where a way back from the layer is known already, the pass that has to be run keeps what that way needs, too.
    """
    with lens.lock, Quiet():
        ways = _ways_of(lens)
        place = layer.site.name, tuple(prepared.shape[1:])
        if place in ways.known and lens.cache.get(Key(image_digest(prepared[0]), place[0], ways.version)) is None:
            way_down(lens, prepared, layer, "gradient")
    return lens._cached(list(prepared), [layer.site])[layer.site]


class _Known(NamedTuple):
    """A way back and the rules that it can follow; none, if it is not known."""

    descent: Descent | None
    rules: frozenset[Rule] = frozenset()


class _Ways:
    """What is known of one network, with one state of its weights."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.known: OrderedDict[tuple[str, tuple[int, ...]], _Known] = OrderedDict()


_all: "WeakKeyDictionary[Lens, _Ways]" = WeakKeyDictionary()


def _ways_of(lens: Lens) -> _Ways:
    version = lens._version.now(apart_from=lens._discovery.written)
    if lens not in _all or _all[lens].version != version:
        _all[lens] = _Ways(version)
    return _all[lens]


def _known(lens: Lens, picture: torch.Tensor, layer: Layer) -> _Known:
    """Follows the network to the layer and tries a way down."""
    tape, all_seen = followed(lens, picture, layer.site)
    if tape.obstacle:
        return _Known(None)
    try:
        descent = Descent(tape, layer.site, picture)
        trail, _ = descent.trail(picture)
        rules = RULES if all_seen else RULES[:1]
        for rule in rules:
            descent.down([(0, 0, 0)], [trail], rule)
    except UnknownWay:
        return _Known(None)
    return _Known(descent, frozenset(rules))


class _Keys(NamedTuple):
    """What the parts of a trail are known by in the cache."""

    image: str
    site: str
    weights: int

    def of(self, place: int, number: int) -> Key:
        """The key of what one operation keeps."""
        return Key(self.image, f"{self.site} < {place}.{number}", self.weights)


def _recalled(lens: Lens, keys: _Keys, descent: Descent) -> Trail | None:
    trail = [
        tuple(lens.cache.get(keys.of(place, number)) for number in range(count))
        for place, count in enumerate(descent.counts)
    ]
    if any(each is None for kept in trail for each in kept):
        return None
    return tuple(tuple(each for each in kept if each is not None) for kept in trail)


def _keep(lens: Lens, keys: _Keys, trail: Trail) -> None:
    for place, kept in enumerate(trail):
        for number, each in enumerate(kept):
            lens.cache.put(keys.of(place, number), each)
