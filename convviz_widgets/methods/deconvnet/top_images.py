"""The pictures that excite each unit most, cropped to what the unit sees.

For every unit k of a layer, the pictures x with the largest ``max over i,j of A_k(x)_ij``, one patch per picture, at
the position of that maximum, cut to its receptive field. All units are served by one pass over the data.

Cost: one forward pass per picture, stopped at the layer; memory does not depend on the number of pictures.
Oracle: equals a search through all activations.
Source: Zeiler & Fergus 2013, "Visualizing and Understanding Convolutional Networks", section 3 and figure 2.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from convviz_widgets.core.knob import Knob
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.core.region import Box
from convviz_widgets.core.step import Steps
from convviz_widgets.core.technique import technique
from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens
from convviz_widgets.render import charts, grid
from convviz_widgets.render.result import Result
from convviz_widgets.tally.scan import scan
from convviz_widgets.tally.top_k import Top, TopK

MANY = Knob(1, 100, help="patches per unit")
UNITS_SHOWN = 8  # rows of the still picture


@dataclass(frozen=True, eq=False, repr=False)
class TopImages(Result):
    """The k strongest pictures of each of K units, the strongest first.

    Args:
        layer: name of the layer.
        index: (K, k) place of each picture in the dataset; -1 where there are fewer pictures than places.
        position: (K, k, 2) row and column of the strongest neuron.
        activation: (K, k) float32; NaN where there is no picture.
        box: (K, k, 4) left, top, right, bottom of what that neuron sees, within the prepared picture.
        skipped: names of pictures that could not be read.
        samples: (n, side, side, 3) uint8, the patches of the first units, for the still picture.
    """

    layer: str
    index: npt.NDArray[np.int64]
    position: npt.NDArray[np.int64]
    activation: npt.NDArray[np.float32]
    box: npt.NDArray[np.int64]
    skipped: tuple[str, ...]
    samples: npt.NDArray[np.uint8]

    def patches(self, lens: Lens, images: Any, channel: int) -> list[npt.NDArray[np.uint8]]:
        """What one unit saw: up to k crops (h, w, 3) uint8 of the pictures as the network sees them.

        Args:
            lens: the network the result is of.
            images: the dataset the result is of.
            channel: the unit's channel.
        """
        return [
            crop(lens.picture(images[int(index)]), box)
            for index, box in zip(self.index[channel], self.box[channel], strict=True)
            if index >= 0
        ]

    def picture(self) -> npt.NDArray[np.uint8]:
        """Patches of the first units, one row per unit."""
        rows, columns = min(UNITS_SHOWN, len(self.index)), self.index.shape[1]
        captions = [f"{value:.3g}" for value in self.activation[:rows].ravel()]
        return grid.montage(list(self.samples), columns=columns, captions=captions)

    def figure(self) -> Any:
        """Each unit's strongest activation."""
        strongest = np.nan_to_num(self.activation[:, 0])
        order = np.argsort(-strongest)[:40]
        names = [f"{self.layer}:{channel}" for channel in order]
        return charts.bars(names, strongest[order], title=f"Strongest activation of units of {self.layer}")


@technique
def top_images(lens: Lens, images: Any, layer: str, k: Annotated[int, MANY] = 9) -> Steps[TopImages]:
    """The pictures that excite each unit of a layer most, cropped to its receptive field.

    Example:
        >>> images = np.random.default_rng(0).integers(0, 256, (4, 96, 96, 3), dtype=np.uint8)
        >>> best = top_images(Lens.load("mini"), images, "conv2", k=2)
        >>> best.box.shape[1:]
        (2, 4)

    Args:
        lens: the network.
        images: a sequence of pictures: a list, an `ImageFolder`, a dataset.
        layer: name of the layer.
        k: pictures per unit, at most one patch of each.

    Returns:
        A `TopImages`.

    Raises:
        UnknownName: a wrong layer.
        BadValue: k out of range, or no picture can be read.

    Source:
        Zeiler & Fergus 2013, section 3 and figure 2.
    """
    MANY.check("k", k)
    place = lens.layers[layer]
    found = yield from scan.steps(lens, images, place.name, {"top": lambda: TopK(k)})
    top = found.tallies[place.name]["top"].value()
    boxes = boxes_of(place, top, size=lens.prepare(images[int(top.index.max())]).shape[-2:])
    return TopImages(
        layer=place.name,
        index=top.index,
        position=top.position,
        activation=top.activation,
        box=boxes,
        skipped=tuple(each.name for each in found.skipped),
        samples=_samples(lens, images, top, boxes),
        provenance=Provenance.of(
            "top_images", fingerprint=lens.fingerprint, inputs=("lens", "images"), layer=place.name, k=k
        ),
    )


def boxes_of(layer: Layer, top: Top, *, size: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """What each position sees, (K, k, 4), clipped to a picture of size (H, W); all of it where nothing bounds it."""
    height, width = size
    whole = Box(0, 0, width, height)

    def box(position: npt.NDArray[np.int64]) -> Box:
        if layer.receptive_field is None or not layer.is_map:
            return whole
        return layer.receptive_field.box((int(position[0]), int(position[1]))).clipped(width=width, height=height)

    units, places = top.index.shape
    flat = [box(position).as_tuple() for position in top.position.reshape(-1, 2)]
    return np.array(flat, dtype=np.int64).reshape(units, places, 4)


def crop(picture: npt.NDArray[np.uint8], box: Any) -> npt.NDArray[np.uint8]:
    """The part of a picture (H, W, 3) in a box (left, top, right, bottom)."""
    left, top, right, bottom = (int(edge) for edge in box)
    return picture[top:bottom, left:right]


def _samples(lens: Lens, images: Any, top: Top, boxes: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """Patches of the first units, all brought to one size."""
    sheet = np.full((min(UNITS_SHOWN, len(boxes)) * top.index.shape[1], 64, 64, 3), 128, dtype=np.uint8)
    shown = zip(top.index.ravel(), boxes.reshape(-1, 4), strict=True)
    for place, (index, box) in enumerate(list(shown)[: len(sheet)]):
        if index >= 0:
            patch = Image.fromarray(crop(lens.picture(images[int(index)]), box))
            sheet[place] = np.asarray(patch.resize((64, 64), Image.Resampling.BILINEAR))
    return sheet
