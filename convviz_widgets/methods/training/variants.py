"""Networks that differ from one in the layers they have and how wide these are, from a line of text.

A variant is written as changes of the network, separated by blanks or commas:

    -conv3        without this layer, and without what follows it up to the next layer or pooling (norm, ReLU, dropout)
    fc6=512       with so many channels or features in this layer
    conv3*2       with twice as many
    conv3/2       with half as many

Every layer after a changed one is given as many inputs as now arrive there. No change at all is "".
"""

import copy
import re
import warnings
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from convviz_widgets.core.errors import BadValue, unknown_name

NOTATION = re.compile(r"(?:-(?P<gone>[\w.]+)|(?P<name>[\w.]+)(?P<sign>[=*/])(?P<number>\d+(?:\.\d+)?))")
LAZY: dict[type[nn.Module], type[nn.Module]] = {
    nn.Linear: nn.LazyLinear,
    nn.Conv1d: nn.LazyConv1d,
    nn.Conv2d: nn.LazyConv2d,
    nn.Conv3d: nn.LazyConv3d,
    nn.BatchNorm1d: nn.LazyBatchNorm1d,
    nn.BatchNorm2d: nn.LazyBatchNorm2d,
    nn.BatchNorm3d: nn.LazyBatchNorm3d,
}
"""Layers whose number of inputs can be found anew, and what finds it in its first forward pass."""
FOLLOWERS = frozenset(
    f"torch.nn.modules.{each}" for each in ("activation", "batchnorm", "dropout", "instancenorm", "normalization")
)
ACCEPTED = "Accepted: -NAME, NAME=NUMBER, NAME*FACTOR and NAME/FACTOR, separated by blanks or commas."


class Change(NamedTuple):
    """One change of a layer: gone (sign "-"), or of another width."""

    layer: str
    sign: Literal["-", "=", "*", "/"]
    number: float = 0.0


def read(text: str) -> tuple[Change, ...]:
    """The changes that a line of text stands for.

    Example:
        >>> [each.layer for each in read("-conv3 -conv4, fc6=512")]
        ['conv3', 'conv4', 'fc6']

    Raises:
        BadValue: a word of it is no change, or two are of one layer.
    """
    changes: list[Change] = []
    for word in re.split(r"[\s,]+", text.strip()) if text.strip() else []:
        found = NOTATION.fullmatch(word)
        if found is None:
            raise BadValue(f"{word!r} in {text!r} is no change of a layer. {ACCEPTED}")
        name, sign = found["gone"] or found["name"], found["sign"] or "-"
        if name in {each.layer for each in changes}:
            raise BadValue(f"{name!r} is changed twice in {text!r}. Accepted: one change for each layer.")
        changes.append(Change(name, sign, float(found["number"] or 0)))  # type: ignore[arg-type]
    return tuple(changes)


def variant(
    base: nn.Module, text: str, shape: Sequence[int], *, seed: int = 0, classes: int | None = None
) -> nn.Module:
    """A new network: the base with the changes, and with fresh weights (He et al. 2015, section 2.2).

    Example:
        >>> from convviz_widgets.nets.mini import MiniNet
        >>> smaller = variant(MiniNet(14), "-conv3 -conv4 fc6/2", (3, 96, 96))
        >>> smaller.conv5, smaller.fc6.out_features
        (Conv2d(48, 64, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1)), 128)

    Args:
        base: left as it is. Its layers must follow one another; what is removed must stand in an ``nn.Sequential``.
        text: the changes; see `read`.
        shape: (C, H, W) of the pictures.
        seed: of the weights.
        classes: number of class scores; default: as many as the base gives.

    Raises:
        UnknownName: a layer that the base does not have.
        BadValue: the text cannot be read, a layer cannot be changed so, or the changed layers do not fit together.
    """
    net, changes = copy.deepcopy(base).cpu().requires_grad_(), read(text)
    layers = dict(net.named_modules())
    for change in changes:
        if change.layer not in layers or not change.layer:
            raise unknown_name("layer", change.layer, [name for name in layers if name], f"In the variant {text!r}.")
    widths = {each.layer: _width(layers[each.layer], each, text) for each in changes if each.sign != "-"}
    for change in changes:
        if change.sign == "-":
            _remove(net, change.layer, text)
    last, width = _last(base)
    if classes is not None:
        widths[last] = width = classes
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        _rewire(net, widths)
        _run_once(net, width, shape, text)
        _initialise(net)
    return net


def parameters(net: nn.Module) -> int:
    """How many numbers are trained."""
    return sum(each.numel() for each in net.parameters())


def _width(layer: nn.Module, change: Change, text: str) -> int:
    """The number of outputs that a change asks for."""
    now = getattr(layer, "out_channels", getattr(layer, "out_features", None))
    if type(layer) not in LAZY or not isinstance(now, int):
        raise BadValue(
            f"{change.layer!r} is {type(layer).__name__}, whose size cannot be changed (in {text!r}). Accepted: "
            "convolutions and linear layers."
        )
    number = change.number
    wanted = number if change.sign == "=" else now * number if change.sign == "*" else now / max(number, 1e-9)
    if not 1 <= round(wanted) <= 1_000_000 or (change.sign == "=" and number != round(number)):
        raise BadValue(
            f"{change.layer}{change.sign}{number:g} asks for {wanted:g} outputs in place of {now}. Accepted: whole "
            "numbers from 1 to 1,000,000."
        )
    return round(wanted)


def _remove(net: nn.Module, name: str, text: str) -> None:
    """Takes a layer out of its sequence, with what only works on its answers."""
    path, _, last = name.rpartition(".")
    try:
        parent = net.get_submodule(path)
    except AttributeError:  # it went with the layer before it
        return
    if not isinstance(parent, nn.Sequential):
        raise BadValue(
            f"{name!r} cannot be removed (in {text!r}): it stands in {type(parent).__name__}, which may use it in any "
            "way. Accepted: layers of an nn.Sequential."
        )
    children = list(parent.named_children())
    place = next((index for index, (each, _) in enumerate(children) if each == last), None)
    if place is None:
        return
    gone = [last]
    if type(children[place][1]) in LAZY:
        for each, module in children[place + 1 :]:
            if type(module).__module__ not in FOLLOWERS:
                break
            gone.append(each)
    for each in gone:
        delattr(parent, each)


def _rewire(net: nn.Module, widths: dict[str, int]) -> None:
    """Puts layers that find out their number of inputs in the place of those that know it."""
    for path, parent in list(net.named_modules()):
        for name, layer in list(parent.named_children()):
            full = f"{path}.{name}" if path else name
            if type(layer) in LAZY:
                setattr(parent, name, _lazy(layer, widths.get(full)))


def _lazy(layer: Any, width: int | None) -> nn.Module:
    kind = LAZY[type(layer)]
    with warnings.catch_warnings():  # earlier releases of torch say that these layers are new
        warnings.simplefilter("ignore", UserWarning)
        if isinstance(layer, nn.Linear):
            return kind(width or layer.out_features, bias=layer.bias is not None)
        if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d):
            names = ("kernel_size", "stride", "padding", "dilation", "groups", "padding_mode")
            same = {name: getattr(layer, name) for name in names}
            return kind(width or layer.out_channels, bias=layer.bias is not None, **same)
        rest = ("eps", "momentum", "affine", "track_running_stats")
        return kind(**{name: getattr(layer, name) for name in rest})


def _run_once(net: nn.Module, width: int, shape: Sequence[int], text: str) -> None:
    """Finds the number of inputs of every layer, and checks that the network still gives as many scores."""
    try:
        with torch.no_grad():
            scores = net.eval()(torch.zeros(1, *shape))
    except (RuntimeError, ValueError, IndexError, TypeError, ZeroDivisionError) as error:
        raise BadValue(
            f"The layers of the variant {text!r} do not fit together for pictures of {tuple(shape)}: {error}. "
            "Accepted: changes of layers that follow one another, as those of an nn.Sequential."
        ) from error
    idle = [name for name, each in net.named_parameters() if is_lazy(each)]
    if idle:
        raise BadValue(f"The variant {text!r} has layers that no picture comes by: {idle}. Remove them too.")
    if scores.ndim != 2 or scores.shape[1] != width:
        raise BadValue(
            f"The variant {text!r} gives {tuple(scores.shape[1:])} in place of {width} class scores. The last layer "
            "must stay as it is."
        )


def _last(net: nn.Module) -> tuple[str, int]:
    """The last layer with weights, and how many outputs it has."""
    found = [(name, each) for name, each in net.named_modules() if type(each) in LAZY and hasattr(each, "bias")]
    sizes = [(name, getattr(each, "out_features", getattr(each, "out_channels", 0))) for name, each in found]
    sizes = [each for each in sizes if each[1]]
    if not sizes:
        raise BadValue(f"{type(net).__name__} has no linear layer or convolution that could be changed.")
    return sizes[-1]


def _initialise(net: nn.Module) -> None:
    """The same beginning for all variants; dropout and the like have nothing to begin with."""
    for module in net.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif callable(reset := getattr(module, "reset_parameters", None)):
            reset()
