"""What a unit really sees: its receptive field, measured.

Small squares hide one part of a picture after another. At each the discrepancy is told, ``d = |A_k(x)_p - A_k(x')_p|``
at the position p where the unit is strongest on the whole picture x. Spread over the squares' pixels, moved so that
what p sees by construction lies in the middle, and averaged over pictures, they show what the unit depends on. Its size
is the square root of the number of pixels where the mean discrepancy reaches a tenth of its largest value.

Cost: one forward pass per picture, and per square the part of it that the square can reach.
Oracle: lies within the receptive field by construction; equals a plain loop.
Source: Zhou, Khosla, Lapedriza, Oliva & Torralba 2015, "Object Detectors Emerge in Deep Scene CNNs", section 3.2.
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
from convviz_widgets.lens.fills import Fill, filled
from convviz_widgets.lens.images import each_image
from convviz_widgets.lens.incremental.engine import Incremental
from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.single import one_picture
from convviz_widgets.methods.occlusion.maps import in_bands
from convviz_widgets.methods.occlusion.occlusion import feature_map
from convviz_widgets.render import charts, colormap
from convviz_widgets.render.result import Result

SIZE = Knob(1, 128, scale="log", unit="px", help="side of the squares")
STRIDE = Knob(1, 128, scale="log", unit="px", help="steps of the squares")
REACHED = 0.1  # of the largest mean discrepancy: what counts as seen

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class EmpiricalReceptiveField(Result):
    """The measured receptive field of a unit.

    Args:
        unit: its address.
        map: (2H - 1, 2W - 1) mean discrepancy; the middle pixel is the middle of what the unit sees by construction.
            NaN where no square lay.
        size: side in pixels of a square of the same area as what is seen.
        theoretical: (height, width) of the receptive field by construction, or of the picture where it has no bound.
        pictures: how many were averaged; pictures on which the unit gives the same everywhere are left out.
    """

    unit: str
    map: Floats
    size: float
    theoretical: tuple[int, int]
    pictures: int

    def picture(self) -> npt.NDArray[np.uint8]:
        """The map in colours."""
        return np.asarray(colormap.apply(np.nan_to_num(self.map), name="inferno", low=0.0), dtype=np.uint8)[..., :3]

    def caption(self) -> str:
        """Both sizes."""
        height, width = self.theoretical
        return f"{self.unit} sees about {self.size:.0f} pixels across; by construction {height} x {width}"

    def figure(self) -> Any:
        """The map."""
        return charts.heat_map(self.map, name="inferno", title=self.caption(), unit="discrepancy")


@technique
def empirical_receptive_field(
    lens: Lens,
    unit: str | Unit,
    images: Any,
    *,
    size: Annotated[int, SIZE] = 11,
    stride: Annotated[int, STRIDE] = 3,
    fill: Fill = "noise",
    seed: int = 0,
) -> Steps[EmpiricalReceptiveField]:
    """What a unit really sees, measured with small squares on pictures that excite it.

    Example:
        >>> images = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), dtype=np.uint8)
        >>> empirical_receptive_field(Lens.load("mini"), "conv2:0", images, stride=9).map.shape
        (191, 191)

    Args:
        lens: the network.
        unit: the address of a feature map, such as "conv5:3".
        images: pictures of one prepared size, best those that excite the unit most.
        size: side of the squares, in pixels.
        stride: steps of the squares.
        fill: what is put there.
        seed: of the noise.

    Returns:
        An `EmpiricalReceptiveField`.

    Raises:
        BadValue: no such unit, no picture, pictures of several sizes, or squares larger than them.
        BadType: a fraction of a pixel.
        UnknownName: a wrong layer or fill.

    Source:
        Zhou, Khosla, Lapedriza, Oliva & Torralba 2015, section 3.2.
    """
    size, stride = SIZE.whole("size", size), STRIDE.whole("stride", stride)
    pictures = list(each_image(images))
    if not pictures:
        raise BadValue("No picture was given. Accepted: one or more, best those that excite the unit most.")
    layer, channel = feature_map(lens, pictures[0], unit)
    opened: Incremental | None = None
    total, used = None, 0
    for number, picture in enumerate(pictures):
        prepared = one_picture(lens, picture)
        opened = Incremental(lens, prepared, [layer], scores=False, like=opened)
        pixels = filled(lens, prepared, fill, seed=seed + number)
        moved = _moved(opened, layer, channel, pixels, size=size, stride=stride)
        if total is not None and total.shape != moved.shape:
            raise BadValue("The pictures differ in size when prepared. Accepted: pictures of one size.")
        total = moved if total is None else total + moved
        used += bool(moved[0].any())
        yield Step(number + 1, len(pictures), label=str(unit))
    if total is None:
        raise BadValue("No picture was given.")
    with np.errstate(invalid="ignore"):
        mean = total[0] / np.where(total[1] > 0, total[1], np.nan)
    return EmpiricalReceptiveField(
        unit=str(Unit(layer.name, channel)),
        map=mean,
        size=float(np.sqrt((np.nan_to_num(mean) >= REACHED * np.nanmax(mean)).sum())) if used else 0.0,
        theoretical=_theoretical(layer, prepared),
        pictures=used,
        provenance=Provenance.of(
            "empirical_receptive_field",
            fingerprint=lens.fingerprint,
            inputs=("lens", "unit", "images"),
            size=size,
            stride=stride,
            fill=fill,
            seed=seed,
        ),
    )


def discrepancies(
    opened: Incremental, layer: str, place: tuple[int, int, int], pixels: torch.Tensor, *, size: int, stride: int
) -> tuple[npt.NDArray[np.int64], Floats]:
    """Corners (n, 2) of squares, and by how much each changes a neuron (channel, row, column), (n,)."""
    height, width = pixels.shape[-2:]
    if size > min(height, width):
        raise BadValue(f"Squares of {size} pixels do not fit into {height} x {width}. Accepted: a smaller size.")
    tops, lefts = np.arange(0, height - size + 1, stride), np.arange(0, width - size + 1, stride)
    corners = np.stack(np.meshgrid(tops, lefts, indexing="ij"), -1).reshape(-1, 2)
    clean = opened.clean[layer][(0, *place)]
    found = np.zeros((len(tops), len(lefts)))
    for below, beside in in_bands(tops.size, lefts.size, opened.room):
        state = opened.slid(tops[below], lefts[beside], size, pixels)[layer]
        answers = opened.neuron(layer, state, place, below.size * beside.size)
        found[np.ix_(below, beside)] = (answers - clean).abs().double().view(below.size, -1).cpu().numpy()
    return corners, found.ravel()


def _moved(opened: Incremental, layer: Layer, channel: int, pixels: torch.Tensor, *, size: int, stride: int) -> Floats:
    """(2, 2H - 1, 2W - 1): sum of the discrepancies and number of squares, what the neuron sees in the middle."""
    answers = opened.clean[layer.name][0, channel]
    row, column = divmod(int(answers.argmax()), answers.shape[1])
    corners, found = discrepancies(opened, layer.name, (channel, row, column), pixels, size=size, stride=stride)
    height, width = pixels.shape[-2:]
    spread = np.zeros((2, height, width))
    for (top, left), value in zip(corners, found, strict=True):
        spread[0, top : top + size, left : left + size] += value
        spread[1, top : top + size, left : left + size] += 1
    spread[0] /= np.maximum(spread[1], 1)
    spread[1] = spread[1] > 0
    y, x = _middle(layer, (row, column), answers.shape, (height, width))
    canvas = np.zeros((2, 2 * height - 1, 2 * width - 1))
    canvas[:, height - 1 - y : 2 * height - 1 - y, width - 1 - x : 2 * width - 1 - x] = spread
    return canvas


def _middle(layer: Layer, place: tuple[int, int], maps: Any, picture: tuple[int, int]) -> tuple[int, int]:
    """The pixel in the middle of what a neuron sees, within the picture."""
    if layer.receptive_field is None:
        middle = [(each + 0.5) * length / count for each, length, count in zip(place, picture, maps, strict=True)]
    else:
        box = layer.receptive_field.box(place)
        middle = [(box.top + box.bottom - 1) / 2, (box.left + box.right - 1) / 2]
    y, x = (min(max(int(each), 0), length - 1) for each, length in zip(middle, picture, strict=True))
    return y, x


def _theoretical(layer: Layer, prepared: torch.Tensor) -> tuple[int, int]:
    if layer.receptive_field is None:
        return int(prepared.shape[-2]), int(prepared.shape[-1])
    box = layer.receptive_field.box((0, 0))
    return box.height, box.width
