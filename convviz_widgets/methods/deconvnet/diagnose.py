"""What ails the first layer: dead filters, frequencies without cover, aliasing, filters that drown the others.

With the filters w_k (C, h, w) of a convolution and their discrete Fourier transforms W_k, zero-padded to 64 x 64:

- the share of the energy ``|W_k|^2`` below a third of the Nyquist frequency (low), up to two thirds (middle), above
  (high), by the distance from frequency zero in cycles per pixel, over 0.5;
- aliasing: the share of it beyond ``1 / (2 stride)`` cycles per pixel along either axis, which the stride cannot carry
  and folds onto lower frequencies;
- flat filters: root mean square below a twentieth of the median's; silent ones: never above zero after the activation
  on all pictures given; loud ones: root mean square above three times the median's;
- the remedy of Zeiler & Fergus: filters whose root mean square exceeds 0.1 are scaled down to it (`clipped`).

Cost: none without pictures, else one pass over them to the first activation.
Oracle: waves of known frequency fall into their band; energy shares sum to 1.
Source: Zeiler & Fergus 2013, "Visualizing and Understanding Convolutional Networks", sections 3.1 and 4.1, figure 6.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from convviz_widgets.core.errors import BadValue
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.technique import technique
from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens
from convviz_widgets.render import charts, grid
from convviz_widgets.render.result import Result
from convviz_widgets.render.signal import signal_picture
from convviz_widgets.tally.scan import scan
from convviz_widgets.tally.top_k import TopK

RADIUS = 0.1  # root mean square above which Zeiler & Fergus scale a filter down (section 3.1)
FLAT, LOUD = 0.05, 3.0  # of the median root mean square
GRID = 64  # side of the transforms
RINGS = 32  # of the mean spectrum
NYQUIST = 0.5  # cycles per pixel
LITTLE_MIDDLE, MUCH_ALIASED = 0.2, 0.5  # shares from which the verdict speaks; a white filter at stride 2 aliases 0.75

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Diagnosis(Result):
    """The state of a layer's K filters.

    Args:
        layer: name of the convolution.
        filters: (K, h, w, 3) uint8, the filters as images; grey is zero.
        rms: (K,) root mean square of the weights.
        flat: (K,) bool, without structure.
        silent: (K,) bool, never active on the pictures; all False where none were given.
        loud: (K,) bool, far stronger than the others.
        above_radius: (K,) bool, root mean square above 0.1.
        bands: (K, 3) shares of the energy in low, middle and high frequencies; NaN for a filter of zeros.
        aliased: (K,) share of the energy beyond what the stride carries; NaN for a filter of zeros.
        limit: (rows, columns) cycles per pixel that the stride carries.
        spectrum: (n,) mean energy share of the filters by frequency.
        frequencies: (n,) cycles per pixel.
        pictures: number of pictures looked at.
        verdict: what was found, and what helps, in words.
    """

    layer: str
    filters: npt.NDArray[np.uint8]
    rms: Floats
    flat: npt.NDArray[np.bool_]
    silent: npt.NDArray[np.bool_]
    loud: npt.NDArray[np.bool_]
    above_radius: npt.NDArray[np.bool_]
    bands: Floats
    aliased: Floats
    limit: tuple[float, float]
    spectrum: Floats
    frequencies: Floats
    pictures: int
    verdict: tuple[str, ...]

    @property
    def dead(self) -> npt.NDArray[np.bool_]:
        """(K,) bool: flat or silent."""
        return self.flat | self.silent

    def picture(self) -> npt.NDArray[np.uint8]:
        """The filters, each with what ails it below."""
        marks = [
            "flat" if flat else "silent" if silent else "loud" if loud else ""
            for flat, silent, loud in zip(self.flat, self.silent, self.loud, strict=True)
        ]
        scale = max(1, 44 // max(self.filters.shape[1:3]))
        return grid.montage(list(self.filters), scale=scale, captions=marks if any(marks) else None)

    def caption(self) -> str:
        """The verdict."""
        return f"Filters of {self.layer}. {' '.join(self.verdict)}"

    def figure(self) -> Any:
        """Where the filters' energy lies, by frequency, with the limit of the stride."""
        figure = charts.curve(
            {"energy": self.spectrum},
            places=self.frequencies,
            title=f"Mean spectrum of the filters of {self.layer}",
            x="frequency (cycles per pixel)",
            y="share of energy",
        )
        if min(self.limit) < NYQUIST:
            figure.add_vline(x=min(self.limit), line_dash="dash", annotation_text="limit of the stride")
        return figure


@technique
def diagnose(lens: Lens, images: Any = None, layer: str | None = None) -> Steps[Diagnosis]:
    """What ails the first layer of a network, in numbers and in words, with remedies.

    Example:
        >>> diagnose(Lens.load("mini")).bands.shape
        (24, 3)

    Args:
        lens: the network.
        images: pictures on which filters that are never active show; None to look at the weights alone.
        layer: name of a convolution; default: the first.

    Returns:
        A `Diagnosis`.

    Raises:
        BadValue: the network has no convolution, or the layer is none.
        UnknownName: a wrong layer.

    Source:
        Zeiler & Fergus 2013, sections 3.1 and 4.1, figure 6.
    """
    place = lens.layers[layer] if layer is not None else _first_convolution(lens)
    weights, stride = _weights_of(lens, place)
    silent, count = np.zeros(len(weights), dtype=bool), 0
    if images is not None:
        shown = _activation_after(lens, place)
        found = yield from scan.steps(lens, images, shown.name, {"top": lambda: TopK(1)})
        silent, count = found.tallies[shown.name]["top"].value().activation[:, 0] <= 0, found.count
    rms = np.sqrt((weights**2).mean(axis=(1, 2, 3)))
    usual = float(np.median(rms))
    bands, aliased, spectrum = spectra(weights, stride)
    limit = (NYQUIST / stride[0], NYQUIST / stride[1])
    ill = {"flat": rms <= FLAT * usual, "silent": silent, "loud": rms > LOUD * usual}
    yield Step(1, 1, label=place.name)
    return Diagnosis(
        layer=place.name,
        filters=np.stack([signal_picture(each, reach=float(np.abs(each).max())) for each in weights]),
        rms=rms,
        **ill,
        above_radius=rms > RADIUS,
        bands=bands,
        aliased=aliased,
        limit=limit,
        spectrum=spectrum,
        frequencies=(np.arange(RINGS) + 0.5) / RINGS * NYQUIST,
        pictures=count,
        verdict=tuple(_verdict(ill, bands, aliased, stride, kernel=weights.shape[2:], pictures=count)),
        provenance=Provenance.of(
            "diagnose",
            fingerprint=lens.fingerprint,
            inputs=("lens",) if images is None else ("lens", "images"),
            layer=place.name,
        ),
    )


def clipped(filters: torch.Tensor, radius: float = RADIUS) -> torch.Tensor:
    """Filters (K, C, h, w), those whose root mean square exceeds the radius scaled down to it.

    After each step of training, so that no few filters drown the others:
    ``with torch.no_grad(): conv.weight.copy_(clipped(conv.weight))``. The radius of 0.1 is meant for pictures from -128
    to 128.

    Source:
        Zeiler & Fergus 2013, section 3.1.
    """
    rms = filters.square().mean(dim=tuple(range(1, filters.ndim)), keepdim=True).sqrt()
    return filters * (radius / rms.clamp(min=1e-30)).clamp(max=1)


def spectra(weights: npt.ArrayLike, stride: tuple[int, int]) -> tuple[Floats, Floats, Floats]:
    """Where the energy of filters lies.

    Args:
        weights: (K, C, h, w).
        stride: (rows, columns).

    Returns:
        Shares in low, middle and high frequencies (K, 3); shares beyond the stride's limit (K,); mean shares by
        frequency (n,), where corners beyond 0.5 cycles per pixel count to the last.
    """
    array = np.asarray(weights, dtype=np.float64)
    sides = [max(GRID, side) for side in array.shape[2:]]
    energy = (np.abs(np.fft.fft2(array, s=sides)) ** 2).sum(axis=1)
    total = energy.sum(axis=(1, 2), keepdims=True)
    shares = np.divide(energy, total, out=np.full_like(energy, np.nan), where=total > 0)
    down, across = (np.abs(np.fft.fftfreq(side)) for side in sides)
    distance = np.hypot(down[:, None], across[None]) / NYQUIST
    edges = ((0, 1 / 3), (1 / 3, 2 / 3), (2 / 3, np.inf))
    bands = np.stack([shares[:, (low <= distance) & (distance < high)].sum(1) for low, high in edges], axis=1)
    beyond = (down[:, None] > NYQUIST / stride[0]) | (across[None] > NYQUIST / stride[1])
    ring = np.minimum((distance * RINGS).astype(int), RINGS - 1)
    alive = shares[~np.isnan(shares[:, 0, 0])]
    mean = alive.mean(0) if len(alive) else np.zeros_like(distance)
    spectrum: Floats = np.bincount(ring.ravel(), mean.ravel(), minlength=RINGS).astype(np.float64)
    return bands, shares[:, beyond].sum(1), spectrum


def _first_convolution(lens: Lens) -> Layer:
    for each in lens.layers.values():
        if isinstance(lens.module.get_submodule(each.site.owner), nn.Conv2d):
            return each
    raise BadValue(f"{lens.name} has no convolution to look at.")


def _weights_of(lens: Lens, layer: Layer) -> tuple[Floats, tuple[int, int]]:
    """The filters (K, C, h, w) and the stride of a convolution."""
    module = lens.module.get_submodule(layer.site.owner)
    if layer.site.function or not isinstance(module, nn.Conv2d):
        raise BadValue(f"{layer.name} is a {layer.type_name}. Accepted: a convolution, of which filters can be shown.")
    weights: Floats = module.weight.detach().double().cpu().numpy()
    return weights, (module.stride[0], module.stride[1])


def _activation_after(lens: Lens, layer: Layer) -> Layer:
    """The activation that takes a convolution's maps, through a normalisation at most; else the convolution itself."""
    names = {layer.name}
    for each in lens.layers.values():
        if each.index > layer.index and each.channels == layer.channels and set(each.parents) & names:
            if each.kind == "activation":
                return each
            if each.kind == "normalisation":
                names.add(each.name)
    return layer


def _verdict(
    ill: dict[str, npt.NDArray[np.bool_]],
    bands: Floats,
    aliased: Floats,
    stride: tuple[int, int],
    *,
    kernel: tuple[int, ...],
    pictures: int,
) -> list[str]:
    """What was found, and what helps."""
    count, told = len(bands), []
    dead = int((ill["flat"] | ill["silent"]).sum())
    if dead:
        how = f"flat, or never active on {pictures} pictures" if pictures else "flat"
        told.append(
            f"{dead} of {count} filters are dead ({how}): train with a lower learning rate or batch normalisation, or "
            "drop them."
        )
    if loud := int(ill["loud"].sum()):
        told.append(
            f"{loud} of {count} filters are more than {LOUD:g} times as strong as the median: scale filters down to a "
            f"root mean square of {RADIUS:g} after each step (`clipped`)."
        )
    alive = ~np.isnan(aliased)
    if not alive.any():
        return told
    middle, beyond = float(bands[alive, 1].mean()), float(aliased[alive].mean())
    if middle < LITTLE_MIDDLE and min(kernel) > 3:
        told.append(
            f"Middle frequencies hold only {middle:.0%} of the energy: smaller filters (7 x 7 for 11 x 11) cover them "
            "better."
        )
    if max(stride) > 1 and beyond > MUCH_ALIASED:
        told.append(
            f"{beyond:.0%} of the energy lies beyond what a stride of {max(stride)} carries and turns into false "
            f"patterns: use a smaller stride ({max(stride) // 2})."
        )
    return told or ["Nothing ails these filters: none is dead or too strong, and the stride carries what they see."]
