"""Small networks of one plan and seven designs, of equal cost: plain, and with filters that are constrained or fixed.

All have three convolutions, each followed by batch normalisation (without anything to learn) and a ReLU, a pooling of
2 by 2 after the first two, a mean over positions and one dense layer:

| design | first convolution | second and third |
|---|---|---|
| plain | 7 x 7, learned | 5 x 5, learned |
| structured | mixtures of Gaussian derivatives up to order 3, scale 1 | the same up to order 2, scale 0.75 |
| p4, p4m | 7 x 7 lifting | 5 x 5 group convolutions; the maximum over the group before the mean |
| scattering | fixed: 2 scales, 4 orientations, 2 orders, normalised | 1 x 1 and 3 x 3, learned |
| gabor | fixed: 4 orientations, 1 frequency, even and odd, each channel | 5 x 5, learned |
| steerable | fixed: second derivatives in 3 and first in 2 directions, each channel | 5 x 5, learned |

The width is the number of filters of the first learned layer; the second has as many, the third m times as many: twice,
and in group networks |G| times, since pooling over the group leaves one map of |G|. It is chosen so that the
multiply-adds of a picture, or the parameters, come nearest to those of the plain network.

Parameters, with C = 3 channels, w the width, n the classes (see `parameter_formula`), and those of the dense layer,
``(m w + 1) n``:

- plain: ``C w 49 + w + w w 25 + w + 2 w w 25 + 2 w``;
- structured: ``C w 10 + w + w w 6 + w + 2 w w 6 + 2 w``;
- p4, p4m: ``C w 49 + w + w w 25 |G| + w + |G| w w 25 |G| + |G| w``;
- scattering, of M = 75 maps: ``M w + w + 2 w w 9 + 2 w``;
- gabor and steerable, of M = 24 and M = 15 maps: ``M w 25 + w + 2 w w 25 + 2 w``.

Source: see `structured`, `group`, `scattering` and `banks`; equal parameters for p4 and plain are in Cohen & Welling
2016, section 8.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import nn

from convviz_widgets.core.errors import BadValue, unknown_name
from convviz_widgets.nets.banks import BankConv2d, gabor_bank, steerable_bank
from convviz_widgets.nets.group import ORDER, Group, GroupConv2d, GroupPool2d, LiftingConv2d
from convviz_widgets.nets.group_norm import GroupBatchNorm2d
from convviz_widgets.nets.made import at_least
from convviz_widgets.nets.scattering import Scattering2d
from convviz_widgets.nets.structured import StructuredConv2d

Design = Literal["plain", "structured", "p4", "p4m", "scattering", "gabor", "steerable"]
DESIGNS: tuple[Design, ...] = get_args(Design)
Budget = Literal["multiply_adds", "parameters"]
CHANNELS = 3
WIDEST = 512  # widths that are tried
PLAIN_WIDTH = 20
SMALLEST_SIDE = 16  # pixels; below it the third convolution sees hardly more than padding


class DesignedNet(nn.Sequential):
    """A network of one of the designs; see the module.

    Example:
        >>> DesignedNet("p4", num_classes=14, width=4)(torch.zeros(2, 3, 48, 48)).shape
        torch.Size([2, 14])

    Args:
        design: one of `DESIGNS`.
        num_classes: number of class scores.
        width: w, maps of the first learned layer; of p4 and p4m, filters, each with its copies.

    Raises:
        UnknownName: another design.
        BadValue: a width below 1.
    """

    def __init__(self, design: Design, num_classes: int, width: int) -> None:
        if design not in _MAKERS:
            raise unknown_name("design", design, DESIGNS)
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        _MAKERS[design](layers, at_least("width", width, 1))
        layers["mean"] = nn.AdaptiveAvgPool2d(1)
        layers["flatten"] = nn.Flatten()
        layers["fc"] = nn.Linear(features(design, width), at_least("num_classes", num_classes, 1))
        super().__init__(layers)
        self.design, self.width, self.num_classes = design, width, num_classes
        for each in self.modules():
            if isinstance(each, nn.Conv2d | nn.Linear) and type(each) in (nn.Conv2d, nn.Linear):  # not those made
                nn.init.kaiming_normal_(each.weight, nonlinearity="relu")
                if each.bias is not None:
                    nn.init.zeros_(each.bias)

    @property
    def first(self) -> nn.Conv2d:
        """The first convolution of the picture, whose filters can be looked at; of scattering, its finest wavelets."""
        return next(each for each in self.modules() if isinstance(each, nn.Conv2d) and each.kernel_size[0] > 1)


def _three(layers: OrderedDict[str, nn.Module], convolutions: list[nn.Conv2d], group: Group | None = None) -> None:
    """Convolutions, each normalised and rectified, and a pooling after each but the last."""
    for number, each in enumerate(convolutions, start=1):
        layers[f"conv{number}"] = each
        _rectified(layers, number, each.out_channels, group)
        if number < len(convolutions):
            layers[f"pool{number}"] = nn.MaxPool2d(2)


def _rectified(layers: OrderedDict[str, nn.Module], number: int, maps: int, group: Group | None = None) -> None:
    shared = None if group is None else GroupBatchNorm2d(maps // ORDER[group], group)
    layers[f"norm{number}"] = nn.BatchNorm2d(maps, affine=False) if shared is None else shared
    layers[f"relu{number}"] = nn.ReLU(inplace=True)


def _plain(layers: OrderedDict[str, nn.Module], width: int) -> None:
    first = nn.Conv2d(CHANNELS, width, 7, padding=3)
    _three(layers, [first, nn.Conv2d(width, width, 5, padding=2), nn.Conv2d(width, 2 * width, 5, padding=2)])


def _structured(layers: OrderedDict[str, nn.Module], width: int) -> None:
    first = StructuredConv2d(CHANNELS, width, order=3, scale=1.0, kernel_size=7)
    rest = [StructuredConv2d(width, times * width, order=2, scale=0.75, kernel_size=5) for times in (1, 2)]
    _three(layers, [first, *rest])


def _turning(group: Group) -> Callable[[OrderedDict[str, nn.Module], int], None]:
    def make(layers: OrderedDict[str, nn.Module], width: int) -> None:
        copies = width * ORDER[group]
        first = LiftingConv2d(CHANNELS, width, 7, group=group)
        second = GroupConv2d(copies, width, 5, group=group)
        _three(layers, [first, second, GroupConv2d(copies, copies, 5, group=group)], group)
        layers["turns"] = GroupPool2d(group)

    return make


def _scattering(layers: OrderedDict[str, nn.Module], width: int) -> None:
    layers["scattering"] = front = Scattering2d(CHANNELS, scales=2, orientations=4)
    maps = CHANNELS * front.paths
    layers["norm"] = nn.BatchNorm2d(maps, affine=False)
    layers["conv1"] = nn.Conv2d(maps, width, 1)
    _rectified(layers, 1, width)
    layers["conv2"] = nn.Conv2d(width, 2 * width, 3, padding=1)
    _rectified(layers, 2, 2 * width)


def _banked(bank: Callable[[], torch.Tensor]) -> Callable[[OrderedDict[str, nn.Module], int], None]:
    def make(layers: OrderedDict[str, nn.Module], width: int) -> None:
        first = BankConv2d(CHANNELS, bank())
        second = nn.Conv2d(first.out_channels, width, 5, padding=2)
        _three(layers, [first, second, nn.Conv2d(width, 2 * width, 5, padding=2)])

    return make


def _gabors() -> torch.Tensor:
    return gabor_bank(4, 0.2, bandwidth=1.6, kernel_size=9)


def _derivatives() -> torch.Tensor:
    return torch.cat([steerable_bank(order, 1.0, kernel_size=7) for order in (2, 1)])


_MAKERS: dict[str, Callable[[OrderedDict[str, nn.Module], int], None]] = {
    "plain": _plain,
    "structured": _structured,
    "p4": _turning("p4"),
    "p4m": _turning("p4m"),
    "scattering": _scattering,
    "gabor": _banked(_gabors),
    "steerable": _banked(_derivatives),
}


def features(design: Design, width: int) -> int:
    """The numbers that the dense layer is given."""
    return width * ORDER.get(design, 2)


def parameter_formula(design: Design, num_classes: int, width: int) -> int:
    """The number of learned parameters by the formulas of the module.

    Example:
        >>> sum(each.numel() for each in DesignedNet("p4m", 14, 3).parameters()) == parameter_formula("p4m", 14, 3)
        True

    Raises:
        UnknownName: another design.
    """
    w, last = width, features(design, width)
    dense = (last + 1) * num_classes
    if design == "scattering":
        return 75 * w + w + w * last * 9 + last + dense
    if design in ("gabor", "steerable"):
        maps = 24 if design == "gabor" else 15
        return maps * w * 25 + w + w * last * 25 + last + dense
    per_filter = {"plain": (49, 25), "structured": (10, 6), "p4": (49, 100), "p4m": (49, 200)}
    if design not in per_filter:
        raise unknown_name("design", design, DESIGNS)
    first, later = per_filter[design]
    return CHANNELS * w * first + w + w * w * later + w + w * last * later + last + dense


@dataclass(frozen=True)
class Cost:
    """What one picture costs.

    Args:
        parameters: that are learned.
        multiply_adds: of convolutions and dense layers.
        fixed: the share of them in layers where nothing is learned.
    """

    parameters: int
    multiply_adds: int
    fixed: int


def cost(net: nn.Module, side: int) -> Cost:
    """What a picture of this side costs a network of the designs.

    A convolution onto h by w positions costs ``h w`` times the number of its weights, those of a made filter counted as
    they act; a dense layer the number of its weights.

    Example:
        >>> cost(DesignedNet("plain", 14, 16), 48).parameters
        32614
    """
    counted: list[tuple[nn.Module, int]] = []
    _walk(net, torch.zeros(1, CHANNELS, side, side), counted)
    return Cost(
        parameters=sum(each.numel() for each in net.parameters()),
        multiply_adds=sum(count for _, count in counted),
        fixed=sum(count for layer, count in counted if not list(layer.parameters())),
    )


@torch.no_grad()
def _walk(net: nn.Module, maps: torch.Tensor, counted: list[tuple[nn.Module, int]]) -> None:
    """Runs the layers of a chain one after another and notes what each costs."""
    for layer in net.children():
        if isinstance(layer, Scattering2d):
            counted.extend(layer.multiply_adds(maps.shape[-1]))
        maps = maps if isinstance(layer, nn.BatchNorm2d) else layer(maps)
        if isinstance(layer, nn.Conv2d):
            counted.append((layer, layer.weight.numel() * maps.shape[-2] * maps.shape[-1]))
        elif isinstance(layer, nn.Linear):
            counted.append((layer, layer.weight.numel()))


def width_for(design: Design, num_classes: int, side: int, *, like: Cost, budget: Budget = "multiply_adds") -> int:
    """The width at which a design costs nearest to what is given.

    Raises:
        UnknownName: another design, or another budget.
    """
    if budget not in get_args(Budget):
        raise unknown_name("budget", budget, get_args(Budget))
    wanted = getattr(like, budget)

    def spent(width: int) -> int:
        with torch.random.fork_rng(devices=[]):
            return int(getattr(cost(DesignedNet(design, num_classes, width), side), budget))

    high = 1
    while spent(high) < wanted and high < WIDEST:
        high *= 2
    low = max(1, high // 2)
    while low < high:  # cost grows with the width: the smallest width that costs as much
        middle = (low + high) // 2
        low, high = (middle + 1, high) if spent(middle) < wanted else (low, middle)
    return low if low == 1 or spent(low) - wanted < wanted - spent(low - 1) else low - 1


def checked_side(side: Any) -> int:
    """The side of pictures that all designs take.

    Raises:
        BadValue: too small, or one at which group layers would not be exact.
    """
    if at_least("side", side, SMALLEST_SIDE) % 4:
        raise BadValue(
            f"side={side} cannot be halved twice, so that poolings would leave out a part of the picture on one side "
            f"and group layers would not be exact. Accepted: multiples of 4 from {SMALLEST_SIDE}, such as "
            f"{side // 4 * 4}."
        )
    return int(side)
