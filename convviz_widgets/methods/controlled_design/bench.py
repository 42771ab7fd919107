"""Filters by design, as pictures: what `DesignBench` shows under its sliders.

One function per family; its knobs are those of its signature. Each gives a `Bank`: the filters, what each is called,
and, where filters are mixtures, the shares of the mixture and what comes of them.

Cost: none to speak of.
Oracle: the filters are those of the layers in `nets`; the shares times the filters add up to the mixture.
Source: that of each family; see `nets.structured`, `nets.banks`, `nets.scattering` and `nets.group`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.core.errors import BadValue
from convviz_widgets.core.knob import Knob, knobs
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.core.unit import Unit
from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens
from convviz_widgets.nets.banks import gabor_bank, gabor_scale, steerable_bank, steerable_filter, steering
from convviz_widgets.nets.group import ORDER, Group, acted
from convviz_widgets.nets.scattering import morlet, window
from convviz_widgets.nets.structured import BasisConv2d, StructuredConv2d, derivative_bases, orders
from convviz_widgets.render import charts, grid
from convviz_widgets.render.result import Result
from convviz_widgets.render.signal import signal_picture

SPECTRUM = 64  # side of the transforms
TILE = 56  # pixels of one filter in a still picture
TURN = 180.0  # degrees

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False, repr=False)
class Bank(Result):
    """Filters of one design.

    Args:
        family: its name.
        filters: (n, C, h, h), C = 1 or 3; or 0 filters where there is nothing but the mixture.
        names: (n,) what each is called.
        shares: (n, c) of each filter in the mixture, for each of c channels; or (0, 0) where nothing is mixed.
        mixture: (c, h, h) the sum of the filters by their shares; or (0, 0, 0).
        told: one line on what is seen.
        code: a line of Python that makes the filters, or the layer, again.
    """

    family: str
    filters: Floats
    names: tuple[str, ...]
    shares: Floats
    mixture: Floats
    told: str
    code: str

    def spectra(self) -> Floats:
        """Magnitudes of the filters' Fourier transforms (n, 64, 64), frequency 0 in the middle, the largest 1."""
        side = max(SPECTRUM, self.filters.shape[-1])
        found = np.abs(np.fft.fftshift(np.fft.fft2(self.filters, s=(side, side)), axes=(-2, -1))).max(axis=1)
        largest = found.max(axis=(1, 2), keepdims=True)
        return np.asarray(found / np.maximum(largest, 1e-12), dtype=np.float32)

    def picture(self) -> npt.NDArray[np.uint8]:
        """The filters with their names, the mixture first where there is one."""
        shown = [
            *([("mixture", self.mixture)] if len(self.mixture) else []),
            *zip(self.names, self.filters, strict=True),
        ]
        scale = max(1, TILE // self.filters.shape[-1])
        tiles = [signal_picture(each, reach=_reach(each)) for _, each in shown]
        return grid.montage(tiles, scale=scale, captions=[name for name, _ in shown], pad=4)

    def caption(self) -> str:
        """What is seen."""
        return self.told

    def figure(self) -> Any:
        """The shares of the mixture as bars; without one, the filters' norms."""
        if len(self.shares):
            return charts.bars(self.names, np.abs(self.shares).mean(1), title="Mixture", unit="mean size of the share")
        norms = np.sqrt((self.filters**2).sum(axis=(1, 2, 3)))
        return charts.bars(self.names, norms, title=self.family, unit="Euclidean norm")


def gaussian_derivatives(
    *,
    order: Annotated[int, Knob(0, 6, help="highest total order of derivation")] = 3,
    scale: Annotated[float, Knob(0.4, 6, "log", "pixels", help="standard deviation of the Gaussian")] = 2.0,
) -> Bank:
    """Gaussian derivatives up to an order: what structured layers mix (Jacobsen 2016)."""
    bases = derivative_bases(order, scale)
    side = bases.shape[-1]
    told = (
        f"{len(bases)} bases of {side} by {side} pixels: a filter has {len(bases)} numbers per channel in place of "
        f"{side * side}."
    )
    code = f"StructuredConv2d(3, 16, order={order}, scale={scale:g})"
    return _bank("gaussian derivatives", bases, [f"y{i} x{j}" for i, j in orders(order)], told, code, "structured")


def steerable(
    *,
    order: Annotated[int, Knob(1, 6, help="of the derivative")] = 2,
    scale: Annotated[float, Knob(0.4, 6, "log", "pixels", help="standard deviation of the Gaussian")] = 2.5,
    angle: Annotated[float, Knob(0, 360, "linear", "degrees", help="to which the filter is steered")] = 30.0,
) -> Bank:
    """A derivative along any direction, as a sum of a few of its own turns (Freeman & Adelson 1991)."""
    basis, shares = steerable_bank(order, scale), steering(order, math.radians(angle))
    turned = steerable_filter(order, scale, math.radians(angle))
    told = f"{order + 1} turns of the derivative of order {order} add up to the one at {angle:g} degrees."
    code = f"BankConv2d(3, steerable_bank({order}, {scale:g}))"
    names = [f"{TURN * j / (order + 1):g}°" for j in range(order + 1)]
    return _bank("steerable", basis, names, told, code, "banks", shares=shares[:, None], mixture=turned[None])


def gabor(
    *,
    orientations: Annotated[int, Knob(1, 16, help="spread over half a turn")] = 6,
    frequency: Annotated[float, Knob(0.03, 0.5, "log", "cycles per pixel", help="of the wave")] = 0.12,
    bandwidth: Annotated[float, Knob(0.4, 3, "linear", "octaves", help="between half amplitudes")] = 1.2,
    aspect: Annotated[float, Knob(0.25, 2, "log", help="width along the wave by width across it")] = 0.7,
) -> Bank:
    """Waves under a Gaussian, an even and an odd one in each orientation (Gabor 1946; Daugman 1985)."""
    bank = gabor_bank(orientations, frequency, bandwidth=bandwidth, aspect=aspect)
    side = bank.shape[-1]
    told = (
        f"{len(bank)} filters of {side} by {side} pixels; the Gaussian's standard deviation is "
        f"{gabor_scale(frequency, bandwidth):.2g} pixels."
    )
    code = f"BankConv2d(3, gabor_bank({orientations}, {frequency:g}, bandwidth={bandwidth:g}, aspect={aspect:g}))"
    names = [f"{TURN * turn / orientations:.3g}° {kind}" for turn in range(orientations) for kind in ("even", "odd")]
    return _bank("gabor", bank, names, told, code, "banks")


def scattering_wavelets(
    *,
    scales: Annotated[int, Knob(1, 4, help="each twice as coarse as the one before")] = 3,
    orientations: Annotated[int, Knob(1, 12, help="spread over half a turn")] = 6,
) -> Bank:
    """The wavelets of a scattering front end and the window that averages their moduli (Bruna & Mallat 2013)."""
    turns = [TURN * turn / orientations for turn in range(orientations)]
    waves = [(j, angle, morlet(j, math.radians(angle))[0]) for j in range(scales) for angle in turns]
    last = window(scales)
    side = max(last.shape[-1], *(each.shape[-1] for _, _, each in waves))
    filters = torch.stack([_padded(last, side), *(_padded(each, side) for _, _, each in waves)])
    paths = 1 + scales * orientations + orientations**2 * scales * (scales - 1) // 2
    told = f"The window and the real parts of {len(waves)} wavelets; two orders give {paths} maps per channel."
    code = f"Scattering2d(3, scales={scales}, orientations={orientations})"
    return _bank(
        "scattering wavelets",
        filters,
        ["window", *(f"j{j} {angle:.3g}°" for j, angle, _ in waves)],
        told,
        code,
        "scattering",
    )


def turned_copies(
    *,
    order: Annotated[int, Knob(1, 6, help="of the derivatives that the filter is mixed of")] = 3,
    scale: Annotated[float, Knob(0.4, 6, "log", "pixels", help="standard deviation of the Gaussian")] = 1.5,
    mirrored: Annotated[int, Knob(0, 1, help="0: p4, four turns; 1: p4m, also their mirror images")] = 1,
    seed: Annotated[int, Knob(0, 99, help="of the filter")] = 0,
) -> Bank:
    """One filter and its copies under p4 or p4m, as a lifting layer has them (Cohen & Welling 2016)."""
    bases = derivative_bases(order, scale)
    draws = torch.randn(len(bases), generator=torch.Generator().manual_seed(seed))
    group: Group = "p4m" if mirrored else "p4"
    filter_ = (draws[:, None, None] * bases).sum(0)
    copies = torch.stack([acted(g, filter_) for g in range(ORDER[group])])
    names = [f"{'mirrored, ' if g >= 4 else ''}{90 * (g % 4)}°" for g in range(ORDER[group])]
    side = bases.shape[-1]
    told = f"{len(copies)} copies of one filter of {side} by {side} pixels; it is learned once."
    code = f'LiftingConv2d(3, 16, {side}, group="{group}")'
    return _bank("turned copies", copies, names, told, code, "group")


FAMILIES: dict[str, Callable[..., Bank]] = {
    "gaussian derivatives": gaussian_derivatives,
    "steerable": steerable,
    "gabor": gabor,
    "scattering wavelets": scattering_wavelets,
    "turned copies": turned_copies,
}


def family_knobs(name: str) -> list[dict[str, Any]]:
    """The knobs of a family as a slider wants them, read from its signature."""
    return [
        {
            **{key: getattr(knob, key) for key in ("low", "high", "scale", "unit", "help")},
            "name": each,
            "whole": isinstance(value, int),
            "value": value,
        }
        for each, (knob, value) in knobs(FAMILIES[name]).items()
    ]


def learned_mixture(lens: Lens, layer: str | Layer, channel: int = 0) -> Bank:
    """The bases of a structured layer, and how one of its filters is mixed of them.

    Args:
        lens: the network.
        layer: name of a layer whose filters are mixtures of bases.
        channel: which filter.

    Raises:
        UnknownName: a wrong layer.
        BadValue: a layer that mixes no bases, or a wrong channel.
    """
    place = lens.layers[layer.name if isinstance(layer, Layer) else layer]
    module = mixing(lens, place)
    if not 0 <= channel < module.out_channels:
        raise BadValue(f"{place.name} has no channel {channel}. Accepted: 0 to {module.out_channels - 1}.")
    shares = module.coefficients[channel].detach().cpu()
    names = (
        module.base_names if isinstance(module, StructuredConv2d) else [f"basis {n}" for n in range(shares.shape[1])]
    )
    size = shares.norm()
    told = (
        f"{Unit(place.name, channel)} of {lens.name}: {shares.shape[1]} shares for each of {len(shares)} channels, of "
        f"Euclidean norm {size:.3g}."
    )
    return _bank(
        "learned mixture",
        module.bases.detach().cpu(),
        list(names),
        told,
        f'lens.module.get_submodule("{place.name}").coefficients[{channel}]',
        "",
        shares=shares.T,
        mixture=module.weight[channel].detach().cpu(),
    )


def mixing(lens: Lens, layer: Layer) -> BasisConv2d:
    """The module of a layer that mixes bases.

    Raises:
        BadValue: it mixes none.
    """
    module = lens.module.get_submodule(layer.site.owner)
    if layer.site.function or not isinstance(module, BasisConv2d):
        others = ", ".join(repr(name) for name in mixing_layers(lens)) or "none of this network"
        raise BadValue(f"{layer.name} is a {layer.type_name}, which mixes no bases. Accepted: {others}.")
    return module


def mixing_layers(lens: Lens) -> list[str]:
    """The layers of a network whose filters are mixtures of bases."""
    return [
        name
        for name, layer in lens.layers.items()
        if not layer.site.function and isinstance(lens.module.get_submodule(layer.site.owner), BasisConv2d)
    ]


def _bank(
    family: str,
    filters: torch.Tensor,
    names: list[str],
    told: str,
    code: str,
    home: str,
    *,
    shares: torch.Tensor | None = None,
    mixture: torch.Tensor | None = None,
) -> Bank:
    imported = ", ".join(dict.fromkeys(part for part in code.replace("(", " ").split() if part.isidentifier() and home))
    return Bank(
        family=family,
        filters=filters.float().numpy()[:, None],
        names=tuple(names),
        shares=np.zeros((0, 0), np.float32) if shares is None else shares.float().numpy().copy(),
        mixture=np.zeros((0, 0, 0), np.float32) if mixture is None else mixture.float().numpy().copy(),
        told=told,
        code=f"from convviz_widgets.nets.{home} import {imported}\nlayer = {code}" if home else code,
        provenance=Provenance.of("DesignBench", inputs=(), family=family),
    )


def _padded(filter_: torch.Tensor, side: int) -> torch.Tensor:
    around = (side - filter_.shape[-1]) // 2
    return torch.nn.functional.pad(filter_, [around] * 4)


def _reach(filter_: npt.NDArray[Any]) -> float:
    return max(float(np.abs(filter_).max()), 1e-12)
