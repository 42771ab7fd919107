"""Where in a picture a class is, found by a network that was never told.

The map ``max over channels of |dS_c/dx|`` is averaged over ten views: the picture enlarged by 8/7, cut at four corners
and the centre, each also mirrored. Pixels above its 95th percentile are seeds of the object, those below its 30th seeds
of the ground; of both kinds the colours are learnt (a mixture of Gaussians each), and the cheapest division of the
picture in two is cut, where a pixel costs what its colour says and neighbours of like colour cost to be parted. The box
is that of the largest connected part.

Cost: one forward and backward pass over ten pictures, and a cut of the grid of pixels.
Oracle: a coloured object on a plain ground is cut out; on drawings with known masks the box meets the object's far more
often than a box in the centre does.
Source: Simonyan, Vedaldi & Zisserman 2013, "Deep Inside Convolutional Networks", section 3.2; Boykov & Jolly 2001,
"Interactive Graph Cuts".
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import interpolate

from convviz_widgets.core.errors import BadValue
from convviz_widgets.core.knob import Knob
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.core.region import Box
from convviz_widgets.core.step import Step, Steps, drain
from convviz_widgets.core.technique import technique
from convviz_widgets.core.unit import Unit
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.single import one_picture
from convviz_widgets.methods.saliency import colours
from convviz_widgets.methods.saliency.cut import NEIGHBOURS, largest_part, minimum_cut
from convviz_widgets.methods.saliency.saliency import peak
from convviz_widgets.methods.saliency.target import Target, find_target, gradients, per_pass
from convviz_widgets.render import charts, grid, overlay
from convviz_widgets.render.result import Result

PERCENT = Knob(0, 100, unit="percent", help="percentile of the map that bounds the seeds")
TIES = Knob(0, 1000, help="what it costs to part two neighbours of the same colour")
ENLARGED = 8 / 7  # 256 pixels cut to 224

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False, repr=False)
class Localization(Result):
    """Where in a picture a class is.

    Args:
        target: the class's name, or the unit's address.
        box: (left, top, right, bottom) of the largest connected part of the mask.
        mask: (H, W) bool, that part.
        map: (H, W) float32, the map averaged over ten views.
        seeds: (H, W) int8: 1 for the object, -1 for the ground, 0 for neither.
        photo: (H, W, 3) uint8, the picture as the network sees it.
    """

    target: str
    box: tuple[int, int, int, int]
    mask: Mask
    map: npt.NDArray[np.float32]
    seeds: npt.NDArray[np.int8]
    photo: npt.NDArray[np.uint8]

    def picture(self) -> npt.NDArray[np.uint8]:
        """The map, and the object with its box."""
        heat = overlay.heat_map(self.photo, self.map, high=peak(self.map))
        return grid.montage([heat, overlay.boxes(overlay.mask(self.photo, self.mask), [self.box])], columns=2)

    def caption(self) -> str:
        """Where it is, in words."""
        left, top, right, bottom = self.box
        return f"{self.target}: columns {left} to {right - 1}, rows {top} to {bottom - 1}"

    def figure(self) -> Any:
        """The map, and the object with its box."""
        return charts.picture(self.picture(), title=self.caption())


@technique
def localize(
    lens: Lens,
    image: Any,
    unit: int | str | Unit | None = None,
    *,
    above: Annotated[float, PERCENT] = 95.0,
    below: Annotated[float, PERCENT] = 30.0,
    ties: Annotated[float, TIES] = 30.0,
) -> Steps[Localization]:
    """Where in a picture a class is, from the saliency of a network trained on class labels alone.

    Example:
        >>> image = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
        >>> localize(Lens.load("mini"), image).mask.shape
        (96, 96)

    Args:
        lens: the network.
        image: one picture.
        unit: a class by index or name, a unit's address, or None for the most probable class.
        above: pixels above this percentile of the map are seeds of the object.
        below: pixels below this one are seeds of the ground.
        ties: what it costs to part two neighbours of the same colour; more gives smoother masks.

    Returns:
        A `Localization`.

    Raises:
        BadValue: a setting out of range, or no such class or unit.

    Source:
        Simonyan, Vedaldi & Zisserman 2013, section 3.2.
    """
    checked_seeds(above=above, below=below, ties=ties)
    prepared = one_picture(lens, image)
    target = find_target(lens, prepared, unit)
    shown = yield from averaged_map_steps(lens, prepared, target)
    photo = lens.preprocess.picture(prepared[0])
    seeds = seeds_of(shown, above=above, below=below)
    mask = largest_part(cut_out(photo, seeds, ties=ties), shown)
    yield Step(1, 1, label="cut")
    rows, columns = np.nonzero(mask)
    return Localization(
        target=target.name,
        box=(int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1),
        mask=mask,
        map=shown,
        seeds=seeds,
        photo=photo,
        provenance=Provenance.of(
            "localize",
            fingerprint=lens.fingerprint,
            inputs=("lens", "image"),
            unit=target.address,
            above=above,
            below=below,
            ties=ties,
        ),
    )


def checked_seeds(*, above: float, below: float, ties: float) -> None:
    """Refuses settings of `localize` that cannot be used.

    Raises:
        BadValue: out of range, or the ground's percentile not below the object's.
    """
    for name, value in (("above", above), ("below", below)):
        PERCENT.check(name, value)
    TIES.check("ties", ties)
    if below >= above:
        raise BadValue(f"below={below} must be less than above={above}, or a pixel would be object and ground at once.")


def averaged_map(lens: Lens, prepared: torch.Tensor, target: Target) -> npt.NDArray[np.float32]:
    """The class saliency map (H, W), averaged over ten views of a prepared picture (1, C, H, W)."""
    return drain(averaged_map_steps(lens, prepared, target))


def averaged_map_steps(lens: Lens, prepared: torch.Tensor, target: Target) -> Steps[npt.NDArray[np.float32]]:
    """The same, with a step after each pass through the network."""
    height, width = (int(length) for length in prepared.shape[-2:])
    tall, wide = (max(length + 1, round(length * ENLARGED)) for length in (height, width))
    large = interpolate(prepared, size=(tall, wide), mode="bilinear", align_corners=False)
    corners = [(0, 0), (0, wide - width), (tall - height, 0), (tall - height, wide - width)]
    corners.append(((tall - height) // 2, (wide - width) // 2))
    straight = torch.cat([large[..., top : top + height, left : left + width] for top, left in corners])
    views = torch.cat([straight, straight.flip(-1)])
    parts: list[torch.Tensor] = []
    for batch in torch.split(views, per_pass(prepared)):
        parts.append(gradients(lens, batch, target)[0].abs().amax(1))
        yield Step(sum(map(len, parts)), len(views), label="ten views")
    maps = torch.cat(parts)
    total, times = torch.zeros(tall, wide, device=maps.device), torch.zeros(tall, wide, device=maps.device)
    for place, (top, left) in enumerate(corners):
        part = slice(top, top + height), slice(left, left + width)
        total[part] += maps[place] + maps[place + len(corners)].flip(-1)
        times[part] += 2
    mean = (total / times)[None, None]
    shown: npt.NDArray[np.float32] = (
        interpolate(mean, size=(height, width), mode="bilinear", align_corners=False)[0, 0].float().cpu().numpy()
    )
    return shown


def seeds_of(values: npt.NDArray[np.float32], *, above: float, below: float) -> npt.NDArray[np.int8]:
    """1 above a percentile of a map (H, W), -1 below another one, else 0; at least one pixel is of each kind."""
    seeds = np.zeros(values.shape, dtype=np.int8)
    seeds[values <= np.percentile(values, below)] = -1
    seeds[values >= np.percentile(values, above)] = 1
    seeds.flat[values.argmax()] = 1
    if not (seeds < 0).any():
        seeds.flat[values.argmin() if values.size > 1 and values.min() < values.max() else 0] = -1
    return seeds


def cut_out(photo: npt.NDArray[np.uint8], seeds: npt.NDArray[np.int8], *, ties: float) -> Mask:
    """The object's mask (H, W) in a photo (H, W, 3), from seeds."""
    pixels = photo.reshape(-1, 3) / 255
    flat = seeds.ravel()
    inside, outside = (
        -colours.log_density(colours.fitted(pixels[flat == kind]), pixels).reshape(seeds.shape) for kind in (1, -1)
    )
    costs = inside - outside
    certain = 8 * ties + 1  # more than parting a pixel from all its neighbours can cost
    costs[seeds > 0], costs[seeds < 0] = -certain, certain
    return minimum_cut(costs, _ties(pixels.reshape(*seeds.shape, 3), ties))


def overlap(one: Box | tuple[float, ...], other: Box | tuple[float, ...]) -> float:
    """Intersection over union of two boxes (left, top, right, bottom); a box is taken for found from 0.5 on.

    Example:
        >>> overlap((0, 0, 4, 2), (2, 0, 6, 2))
        0.3333333333333333
    """
    boxes = [each.as_tuple() if isinstance(each, Box) else each for each in (one, other)]
    (a, b, c, d), (e, f, g, h) = boxes
    common = max(0, min(c, g) - max(a, e)) * max(0, min(d, h) - max(b, f))
    union = (c - a) * (d - b) + (g - e) * (h - f) - common
    return common / union if union else 0.0


def _ties(pixels: npt.NDArray[np.float64], ties: float) -> list[npt.NDArray[np.float64]]:
    """What it costs to part neighbours: less across edges of the photo, and less over the diagonal."""
    squares, lengths = [], []
    for down, across in NEIGHBOURS:
        difference = np.roll(pixels, (-down, -across), axis=(0, 1)) - pixels
        squares.append((difference**2).sum(axis=2))
        lengths.append(float(np.hypot(down, across)))
    usual = max(float(np.mean(squares[:2])), 1e-9)
    return [ties / length * np.exp(-square / (2 * usual)) for square, length in zip(squares, lengths, strict=True)]
