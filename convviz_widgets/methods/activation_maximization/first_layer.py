"""The filters of the first layer: as images, beside what activation maximization grows for them.

A first filter ``w`` (C, h, w) acts on the picture itself, so it can be looked at directly; and since its response
``<w, x> + b`` is linear, the image in a norm ball that it answers to most is ``w`` itself, scaled. That the two agree
(cosine near 1) is a check of the method where the answer is known [Erhan 2009, section 4.1]. A filter whose channels
differ sees colour, one whose channels agree sees light and dark.

Cost: a few dozen steps on images little larger than the filter, for all filters together.
Oracle: cosine above 0.999 for every filter of any network whose first layer is linear.
Source: Erhan 2009, section 4; Krizhevsky 2012, figure 3 (colour and colour-agnostic filters).
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from convviz_widgets.core.errors import UnsupportedModel
from convviz_widgets.core.knob import Knob
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.core.region import Box
from convviz_widgets.core.step import Steps
from convviz_widgets.core.technique import technique
from convviz_widgets.core.unit import Unit
from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.activation_maximization.goals import Goals
from convviz_widgets.methods.activation_maximization.growth import Growth
from convviz_widgets.methods.activation_maximization.objectives import Neuron
from convviz_widgets.methods.activation_maximization.recipes import recipe_of
from convviz_widgets.render import charts, grid
from convviz_widgets.render.result import Result

CHROMA = 0.25  # share of a filter's energy in differences of its channels from which it counts as one of colour
CONTRAST = 0.4  # root mean square of a maximum within its receptive field: well inside black and white
COUNT = Knob(1, 1024, "log", "steps", help="how often each image is changed")


@dataclass(frozen=True, eq=False, repr=False)
class FirstLayer(Result):
    """K filters and what they answer to most.

    Args:
        layer: name of the layer.
        filters: (K, C, h, w) float32, the weights; holes of dilation and channels of other groups are 0.
        maxima: (K, C, h, w) float32, what was grown for each, within its receptive field, around the mean grey.
        cosine: (K,) of the angle between the two.
        chroma: (K,) share of a filter's energy in differences of its channels.
        colour: (K,) bool, whether it counts as a filter of colour.
    """

    layer: str
    filters: npt.NDArray[np.float32]
    maxima: npt.NDArray[np.float32]
    cosine: npt.NDArray[np.float32]
    chroma: npt.NDArray[np.float32]
    colour: npt.NDArray[np.bool_]

    @property
    def count(self) -> dict[str, int]:
        """How many filters are of colour, and how many black-and-white."""
        return {"colour": int(self.colour.sum()), "black and white": int((~self.colour).sum())}

    def picture(self) -> npt.NDArray[np.uint8]:
        """Each filter beside what was grown for it, with the cosine of the two."""
        pairs = [
            np.concatenate([as_picture(one), np.full((one.shape[1], 1, 3), 0.5), as_picture(other)], axis=1)
            for one, other in zip(self.filters, self.maxima, strict=True)
        ]
        told = [
            f"{k} {'colour' if coloured else 'b/w'} {cosine:.3f}"
            for k, (coloured, cosine) in enumerate(zip(self.colour, self.cosine, strict=True))
        ]
        return grid.montage(pairs, scale=max(1, 48 // self.filters.shape[-1]), captions=told, pad=4)

    def figure(self) -> Any:
        """How much colour each filter sees."""
        order = np.argsort(-self.chroma)
        names = [f"{self.layer}:{k}" for k in order]
        return charts.bars(names, self.chroma[order], title=f"Colour in the filters of {self.layer}", unit="share")


@technique
def first_layer(lens: Lens, *, steps: Annotated[int, COUNT] = 96, seed: int = 0) -> Steps[FirstLayer]:
    """The filters of the first convolution beside the images grown for them.

    Example:
        >>> first_layer(Lens.load("mini"), steps=4).count
        {'colour': 24, 'black and white': 0}

    Args:
        lens: the network.
        steps: how often each image is changed.
        seed: of the starting noise.

    Returns:
        A `FirstLayer`.

    Raises:
        UnsupportedModel: the network does not begin with a convolution.
        BadValue: steps out of range.

    Source:
        Erhan 2009, section 4; Krizhevsky 2012, figure 3.
    """
    COUNT.check("steps", steps)
    layer, conv = _first(lens)
    filters = spread_out(conv)
    side, position, box = _place(lens, layer, conv)
    erhan = recipe_of("erhan")
    radius = CONTRAST * (box.width * box.height) ** 0.5 / side
    settings = erhan.settings.with_changes({"steps": steps, "size": side, "norm_ball": radius})
    units = tuple(Neuron(Unit(layer.name, k, position)) for k in range(len(filters)))
    climbed = yield from Growth(Goals(lens, units), replace(erhan, settings=settings), seed=seed).steps()
    maxima = climbed.z[:, :, box.top : box.bottom, box.left : box.right].cpu().float()
    chroma = _chroma(filters)
    return FirstLayer(
        layer=layer.name,
        filters=filters.numpy(),
        maxima=maxima.numpy(),
        cosine=torch.cosine_similarity(filters.flatten(1), maxima.flatten(1)).numpy(),
        chroma=chroma.numpy(),
        colour=(chroma > CHROMA).numpy(),
        provenance=Provenance.of("first_layer", fingerprint=lens.fingerprint, seed=seed, steps=steps),
    )


def as_picture(weights: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Weights (C, h, w) as a picture (h, w, 3) in [0, 1], zero as grey; of other than three channels the first."""
    shown = weights if len(weights) == 3 else np.repeat(weights[:1], 3, axis=0)
    largest = max(float(np.abs(shown).max()), 1e-12)
    picture: npt.NDArray[np.float32] = np.moveaxis(0.5 + 0.5 * shown / largest, 0, -1)
    return picture


def spread_out(conv: nn.Conv2d) -> torch.Tensor:
    """The filters (K, C, h, w) as they lie on the picture: with the holes of dilation, and zeros for other groups."""
    weight = conv.weight.detach().cpu().float()
    extent = [dilation * (length - 1) + 1 for dilation, length in zip(conv.dilation, conv.kernel_size, strict=True)]
    filters = torch.zeros(len(weight), conv.in_channels, *extent)
    per_group, outputs = weight.shape[1], len(weight) // conv.groups
    for k, each in enumerate(weight):
        start = k // outputs * per_group
        filters[k, start : start + per_group, :: conv.dilation[0], :: conv.dilation[1]] = each
    return filters


def _first(lens: Lens) -> tuple[Layer, nn.Conv2d]:
    first = next((layer for layer in lens.layers.values() if layer.kind == "convolution"), None)
    module = None if first is None else lens.module.get_submodule(first.site.owner)
    if first is None or first.parents or not isinstance(module, nn.Conv2d):
        raise UnsupportedModel(
            f"{lens.name} does not begin with a convolution of the picture, so its first filters cannot be looked at "
            "directly. `activation_maximization` works for any of its layers."
        )
    return first, module


def _place(lens: Lens, layer: Layer, conv: nn.Conv2d) -> tuple[int, tuple[int, int], Box]:
    """A side of image, and a neuron in it that sees no padding, with the box that it sees."""
    field = layer.receptive_field
    assert field is not None  # noqa: S101 -- of the first convolution it is always known
    side = max(16, *(3 * length + 2 * step for length, step in zip(field.size, field.stride, strict=True)))
    blank = torch.zeros(1, conv.in_channels, side, side, device=lens.device)
    height, width = lens.record(blank, [layer.name])[layer.name].shape[-2:]
    position = (height // 2, width // 2)
    return side, position, field.box(position)


def _chroma(filters: torch.Tensor) -> torch.Tensor:
    """Share of each filter's energy that its mean over channels does not explain, (K,)."""
    energy = filters.square().sum((1, 2, 3))
    grey = filters.mean(1).square().sum((1, 2)) * filters.shape[1]
    return 1 - grey / energy.clamp(min=torch.finfo(filters.dtype).tiny)
