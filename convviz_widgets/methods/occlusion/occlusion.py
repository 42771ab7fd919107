"""What a network answers to a picture while a square slides over it and hides what is below.

For the square at row i and column j of a grid, x_ij is the prepared picture x with the square's pixels replaced. Three
maps over the grid:

- ``probability``: P(c | x_ij) of a class c, by default the most probable one of x;
- ``total_activation``: ``sum over positions of A_k(x_ij)`` of one feature map, by default the strongest of the last
  layer of maps;
- ``top_class``: the most probable class of x_ij.

Where the probability falls, the network looked.

Cost: one forward pass, and per position the part of it that the square can reach.
Oracle: the three maps equal those of a plain loop of full forwards over pictures with the square painted in.
Source: Zeiler & Fergus 2013, "Visualizing and Understanding Convolutional Networks", section 4.2 and figure 7.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.core.errors import BadValue
from convviz_widgets.core.knob import Knob
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.technique import technique
from convviz_widgets.core.unit import Unit
from convviz_widgets.lens.classes import chosen_class
from convviz_widgets.lens.fills import Fill, filled
from convviz_widgets.lens.incremental.engine import Incremental
from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.prediction import class_probabilities
from convviz_widgets.lens.single import one_picture
from convviz_widgets.methods.occlusion.maps import Floats, Ints, Maps, coarse_to_fine
from convviz_widgets.render import charts, grid, overlay
from convviz_widgets.render.result import Result

SIZE = Knob(1, 512, scale="log", unit="px", help="side of the square")
STRIDE = Knob(1, 512, scale="log", unit="px", help="steps of the square")
AT_ONCE = Knob(1, 256, help="positions in a step")


@dataclass(frozen=True, eq=False, repr=False)
class Occlusion(Result):
    """Three maps over the positions of a square.

    Args:
        target: the class's name.
        unit: the address of the feature map.
        probability: (rows, columns) probability of the class with the square there.
        total_activation: (rows, columns) sum of the feature map.
        top_class: (rows, columns) index of the most probable class.
        boxes: (rows, columns, 4) left, top, right, bottom of the square, in the prepared picture.
        clean_probability: of the class, without a square.
        clean_activation: sum of the feature map, without a square.
        names: of the classes that occur in ``top_class``, by index.
        exact_by: "windows" where only what the square reaches was computed, else why it was full forwards.
        photo: (H, W, 3) uint8, the picture as the network sees it.
    """

    target: str
    unit: str
    probability: Floats
    total_activation: Floats
    top_class: Ints
    boxes: Ints
    clean_probability: float
    clean_activation: float
    names: dict[str, str]
    exact_by: str
    photo: npt.NDArray[np.uint8]

    @property
    def drop(self) -> Floats:
        """(rows, columns) by how much the square lowers the probability."""
        return np.asarray(self.clean_probability - self.probability, dtype=np.float32)

    def picture(self) -> npt.NDArray[np.uint8]:
        """What is lost where a square hides the picture: probability, activation, and the class itself."""
        usual = int(np.bincount(self.top_class.ravel()).argmax())
        lost = {
            "probability lost": self.drop,
            "activation lost": np.asarray(self.clean_activation - self.total_activation),
            "another class wins": (self.top_class != usual).astype(np.float32),
        }
        panels = [
            overlay.heat_map(self.photo, self._spread(each), low=0.0, high=max(float(each.max()), 1e-12))
            for each in lost.values()
        ]
        return grid.montage(panels, columns=len(panels), captions=list(lost), scale=max(1, 192 // len(self.photo)))

    def caption(self) -> str:
        """The lowest probability and where the square was then."""
        row, column = divmod(int(self.probability.argmin()), self.probability.shape[1])
        left, top = (int(edge) for edge in self.boxes[row, column, :2])
        return (
            f"Occlusion: {self.target} at {self.clean_probability:.3f} falls to {self.probability.min():.3f} with the "
            f"square at row {top}, column {left}"
        )

    def figure(self) -> Any:
        """The probability, with the positions of the square's middle."""
        middles = (self.boxes[..., :2] + self.boxes[..., 2:]) / 2
        return charts.heat_map(
            self.probability,
            rows=[f"{value:g}" for value in middles[:, 0, 1]],
            columns=[f"{value:g}" for value in middles[0, :, 0]],
            title=self.target,
            unit="probability",
        )

    def _spread(self, lost: npt.NDArray[Any]) -> Floats:
        """(H, W) the mean loss by all squares that hide a pixel; NaN where none does."""
        total, count = (np.zeros(self.photo.shape[:2], dtype=np.float32) for _ in range(2))
        for (left, top, right, bottom), drop in zip(self.boxes.reshape(-1, 4), lost.ravel(), strict=True):
            total[top:bottom, left:right] += max(float(drop), 0.0)
            count[top:bottom, left:right] += 1
        return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


@technique
def occlusion(
    lens: Lens,
    image: Any,
    target: int | str | None = None,
    *,
    size: Annotated[int, SIZE] = 32,
    stride: Annotated[int, STRIDE] = 8,
    fill: Fill | Any = "grey",
    unit: str | Unit | None = None,
    at_once: Annotated[int, AT_ONCE] = 256,
    seed: int = 0,
) -> Steps[Occlusion]:
    """How the answer changes while a square hides one part of a picture after another.

    Each step's preview is the `Maps` so far, coarse positions first.

    Example:
        >>> image = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
        >>> occlusion(Lens.load("mini"), image, size=32, stride=16).probability.shape
        (5, 5)

    Args:
        lens: the network.
        image: one picture.
        target: a class by index or name; None for the most probable one.
        size: side of the square, in pixels of the prepared picture.
        stride: steps of the square.
        fill: what is put there: "grey", "mean", "blur", "noise", or another picture of the same size.
        unit: the feature map whose sum is told, such as "conv5:3"; None for the strongest of the last layer of maps.
        at_once: positions in a step, where memory allows; with fewer, the maps fill more evenly.
        seed: of the noise.

    Returns:
        An `Occlusion`.

    Raises:
        BadValue: no such class or unit, or a square that is larger than the picture.
        BadType: a fraction of a pixel.
        UnknownName: a wrong class name, layer or fill.
        UnsupportedModel: the network gives no class scores.

    Source:
        Zeiler & Fergus 2013, section 4.2.
    """
    size, stride = SIZE.whole("size", size), STRIDE.whole("stride", stride)
    AT_ONCE.check("at_once", at_once)
    prepared = one_picture(lens, image)
    tops, lefts = _grid(prepared, size, stride)
    pixels = filled(lens, prepared, fill, seed=seed)
    layer, channel = feature_map(lens, image, unit)
    opened = Incremental(lens, prepared, [layer])
    chances = class_probabilities(opened.clean[""], lens.class_names)[0]
    wanted = chosen_class(lens, chances, target)
    clean = float(chances[wanted]), float(opened.sums(layer.name, None)[0, channel])
    maps = Maps.empty(len(tops), len(lefts), *clean)
    for below, beside in coarse_to_fine(len(tops), len(lefts), lambda: opened.room(at_once)):
        states = opened.slid(tops[below], lefts[beside], size, pixels)
        places = np.stack(np.meshgrid(below, beside, indexing="ij"), -1).reshape(-1, 2)
        found = class_probabilities(opened.full("", states[""], len(places)), lens.class_names)
        sums = opened.sums(layer.name, states[layer.name])[:, channel]
        maps.note(places, *(each.cpu().numpy() for each in (found[:, wanted], sums, found.argmax(1))))
        done = int(maps.known.sum())
        yield Step(done, maps.known.size, headline=float(np.nanmin(maps.probability)), preview=maps.so_far())
    corners = np.stack(np.meshgrid(lefts, tops), -1)
    return Occlusion(
        target=lens.class_name(wanted),
        unit=str(Unit(layer.name, channel)),
        probability=maps.probability,
        total_activation=maps.total_activation,
        top_class=maps.top_class,
        boxes=np.concatenate([corners, corners + size], -1),
        clean_probability=clean[0],
        clean_activation=clean[1],
        names={str(index): lens.class_name(int(index)) for index in np.unique(maps.top_class)},
        exact_by=opened.obstacle or "windows",
        photo=lens.preprocess.picture(prepared[0]),
        provenance=Provenance.of(
            "occlusion",
            fingerprint=lens.fingerprint,
            inputs=("lens", "image"),
            target=wanted,
            size=size,
            stride=stride,
            fill=fill if isinstance(fill, str) else "another picture",
            unit=str(Unit(layer.name, channel)),
            seed=seed if isinstance(fill, str) and fill == "noise" else None,
        ),
    )


def feature_map(lens: Lens, image: Any, unit: str | Unit | None) -> tuple[Layer, int]:
    """The layer and channel of a feature map; for None, the one of largest sum in the last layer of maps.

    Raises:
        BadValue: there is no such channel, or the layer gives a vector.
        UnknownName: there is no such layer; lists the nearest.
    """
    if unit is not None:
        wanted = Unit.parse(unit)
        layer = lens.layers[wanted.layer]
        if not layer.is_map or wanted.channel >= layer.channels:
            raise BadValue(
                f"There is no feature map {wanted}. Accepted: a layer of maps, and a channel below its number of "
                f"channels; {layer.name} has {layer.channels}{'' if layer.is_map else ' and gives a vector'}."
            )
        return layer, wanted.channel
    maps = [each for each in lens.layers.values() if each.is_map]
    spread = [each for each in maps if min(each.shape[1:]) > 1]
    if not maps:
        raise BadValue("No layer of this network gives maps, so there is no feature map to watch.")
    layer = (spread or maps)[-1]
    return layer, int(lens.activations(image, layer)[0].flatten(1).sum(1).argmax())


def _grid(prepared: torch.Tensor, size: int, stride: int) -> tuple[Ints, Ints]:
    height, width = prepared.shape[-2:]
    if size > min(height, width):
        raise BadValue(f"A square of {size} pixels does not fit into {height} x {width}. Accepted: a smaller size.")
    return np.arange(0, height - size + 1, stride), np.arange(0, width - size + 1, stride)
