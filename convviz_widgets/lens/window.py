"""The part of a picture that one neuron needs."""

import math
from typing import NamedTuple

import torch

from convviz_widgets.core.region import Box
from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens

CHAINED = ("convolution", "activation", "pooling", "normalisation")


class Window(NamedTuple):
    """The part of a picture that one neuron needs.

    Args:
        box: the part.
        position: (row, column) of the neuron in the layer's map of that part.
        padded: whether the layers pad as ever; if not, the part is the receptive field and the map of size one.
    """

    box: Box
    position: tuple[int, int]
    padded: bool = True

    @property
    def kind(self) -> tuple[int, int, bool]:
        """Windows of one kind can be run in one batch: (height, width, padded)."""
        return self.box.height, self.box.width, self.padded

    def cut(self, picture: torch.Tensor) -> torch.Tensor:
        """That part of a picture (..., H, W), as a view."""
        left, top, right, bottom = self.box.as_tuple()
        return picture[..., top:bottom, left:right]


def window_of(lens: Lens, layer: Layer, position: tuple[int, int], size: tuple[int, int]) -> Window | None:
    """A small part of a picture (H, W) on which a neuron answers, and is answered, as on the whole of it.

    The part begins at a multiple of every stride up to the layer, so that all grids fall on the same pixels, and it
    holds the neuron's receptive field, so that no position which the neuron needs sees an edge that the picture does
    not have. Near an edge of the picture the part is not cut but lies further inside, so that parts are of few sizes.
    None where no such part is known: the receptive field is unbounded, or a pooling depends on the size.

    Where the layers are a plain chain and the receptive field lies inside the picture, it is the receptive field, to be
    run without padding: no position that the neuron needs sees any.
    """
    field = layer.receptive_field
    before = [each for each in lens.layers.values() if each.index <= layer.index]
    if field is None or not layer.is_map or any("adaptive" in each.type_name.lower() for each in before):
        return None
    whole, box = Box(0, 0, size[1], size[0]), field.box(position)
    if box == box.clipped(width=whole.width, height=whole.height) and is_chain(lens, layer):
        return Window(box, (0, 0), padded=False)
    strides = [each.receptive_field.stride for each in before if each.receptive_field is not None]
    starts, stops, places = [], [], []
    for axis, edge in enumerate((box.top, box.left)):
        step = math.lcm(*(stride[axis] for stride in strides))
        start, length = max(0, edge // step * step), field.size[axis] + edge % step
        if start + length > size[axis]:
            start, length = max(0, (size[axis] - length) // step * step), size[axis]
        starts.append(start)
        stops.append(min(start + length, size[axis]))
        places.append(position[axis] - start // field.stride[axis])
    return Window(Box(starts[1], starts[0], stops[1], stops[0]), (places[0], places[1]))


def is_chain(lens: Lens, layer: Layer) -> bool:
    """Whether all that lies before a layer is one plain chain of convolutions, poolings and the like."""
    each = layer
    while True:
        if each.kind not in CHAINED or len(each.parents) > 1:
            return False
        if not each.parents:
            return True
        each = lens.layers[each.parents[0]]
