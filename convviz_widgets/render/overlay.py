"""Things laid over a photo: a heat map, boxes, a mask. All mixing is done in float, in [0, 1]."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from PIL import Image

from convviz_widgets.core.errors import BadValue
from convviz_widgets.core.region import Box
from convviz_widgets.render import colormap
from convviz_widgets.render.encode import Bytes, pixels

Colour = tuple[int, int, int]
Floats = npt.NDArray[np.float64]

HIGHLIGHT: Colour = (255, 214, 10)  # a yellow that neither photos nor the offered maps hold in large parts
_HALO: Colour = (0, 0, 0)  # beside the line, so that it shows on bright ground too


def heat_map(
    photo: npt.ArrayLike,
    values: npt.ArrayLike,
    *,
    name: str = "inferno",
    alpha: float = 0.7,
    fade: bool = True,
    low: float | None = None,
    high: float | None = None,
) -> Bytes:
    """A map of numbers laid over a photo.

    Example:
        >>> heat_map(np.full((2, 2), 1.0), [[0.0, 1.0]], name="gray", alpha=1).tolist()[0]
        [[255, 255, 255], [255, 255, 255]]

    Args:
        photo: (H, W), (H, W, 3) or (H, W, 4), uint8 or float in [0, 1].
        values: (h, w); enlarged to (H, W) by bilinear interpolation. Where it is NaN the photo shows.
        name: a colour map.
        alpha: how much of the colour covers the photo, 0 to 1.
        fade: cover low values less: the cover grows from 0 at ``low`` to ``alpha`` at ``high``.
        low: as `colormap.apply` takes it.
        high: as `colormap.apply` takes it.

    Returns:
        (H, W, 3) uint8.

    Raises:
        BadValue: shapes or a range that cannot be used, or alpha outside [0, 1].
    """
    ground = rgb(photo)
    share = colormap.shares(_map(values), low=low, high=high)
    hole = np.isnan(share)
    height, width = ground.shape[:2]
    wide = resize(np.where(hole, 0, share), height, width)
    seen = 1 - resize(hole.astype(np.float64), height, width)
    wide = np.clip(np.divide(wide, seen, out=np.zeros_like(wide), where=seen > 1e-6), 0, 1)
    cover = (_alpha(alpha) * seen * (wide if fade else 1))[..., None]
    colours = colormap.lut(name) / 255
    mixed = ground * (1 - cover) + colours[np.rint(wide * 255).astype(np.intp)] * cover
    return pixels(np.clip(mixed, 0, 1))


def boxes(
    photo: npt.ArrayLike, regions: Iterable[Box | tuple[int, ...]], *, colour: Colour = HIGHLIGHT, width: int = 2
) -> Bytes:
    """Boxes outlined in a photo; the line runs inside the box, a dark one inside of that.

    Args:
        photo: as `heat_map` takes it.
        regions: boxes, or (left, top, right, bottom), pixels of the photo; parts outside are cut off.
        colour: of the line, RGB 0-255.
        width: of the line, pixels.

    Returns:
        (H, W, 3) uint8.
    """
    picture = rgb(photo)
    height, wide = picture.shape[:2]
    for region in regions:
        box = Box(*(region.as_tuple() if isinstance(region, Box) else map(int, region)))
        box = box.clipped(width=wide, height=height)
        _frame(picture, _shrunk(box, width), line=1, colour=_HALO)
        _frame(picture, box, line=width, colour=colour)
    return pixels(picture)


def mask(photo: npt.ArrayLike, inside: npt.ArrayLike, *, dim: float = 0.7, colour: Colour = HIGHLIGHT) -> Bytes:
    """A photo in which only a region is lit: darker and greyer outside, a line along the border.

    Args:
        photo: as `heat_map` takes it.
        inside: (h, w) bool, or float where at least 0.5 is inside; another size is enlarged bilinearly first.
        dim: how much the outside loses, 0 to 1.
        colour: of the line, RGB 0-255.

    Returns:
        (H, W, 3) uint8.

    Raises:
        BadValue: shapes that cannot be used, or dim outside [0, 1].
    """
    picture = rgb(photo)
    height, width = picture.shape[:2]
    region = resize(_map(inside), height, width) >= 0.5
    grey = picture.mean(axis=2, keepdims=True) * 0.5
    lost = np.where(region, 0.0, _alpha(dim))[..., None]
    picture = picture * (1 - lost) + grey * lost
    picture[_border(region)] = np.divide(colour, 255)
    return pixels(np.clip(picture, 0, 1))


def rgb(image: npt.ArrayLike) -> Floats:
    """A picture as (H, W, 3) float in [0, 1], a copy; grey gets three channels, what is transparent turns white."""
    floats: Floats = pixels(image) / 255
    if floats.ndim == 2:
        return np.repeat(floats[..., None], 3, axis=2)
    if floats.shape[2] == 4:
        return np.asarray(floats[..., :3] * floats[..., 3:] + 1 - floats[..., 3:])
    return floats


def resize(values: npt.ArrayLike, height: int, width: int) -> Floats:
    """A map (h, w) bilinearly at another size; where it is enlarged, values never leave their range."""
    array = np.asarray(values, dtype=np.float64)
    if array.shape == (height, width):
        return array.copy()
    image = Image.fromarray(np.ascontiguousarray(array, dtype=np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR), dtype=np.float64)


def _map(values: npt.ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or array.size == 0:
        raise BadValue(f"A map of shape {array.shape} cannot be laid over a photo. Accepted: (h, w), not empty.")
    return array


def _alpha(value: float) -> float:
    if not 0 <= value <= 1:
        raise BadValue(f"A cover of {value!r} makes no picture. Accepted: 0 (the photo alone) to 1.")
    return float(value)


def _shrunk(box: Box, by: int) -> Box:
    return Box(box.left + by, box.top + by, box.right - by, box.bottom - by)


def _frame(picture: Floats, box: Box, *, line: int, colour: Colour) -> None:
    """Draws the frame of a box that lies inside the picture; one too small to have a frame is filled."""
    if box.width <= 0 or box.height <= 0:
        return
    within = picture[box.top : box.bottom, box.left : box.right]
    edge = np.ones(within.shape[:2], dtype=bool)
    edge[line : max(line, box.height - line), line : max(line, box.width - line)] = False
    within[edge] = np.divide(colour, 255)


def _border(region: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Pixels of the region that touch the outside, by an edge."""
    padded = np.pad(region, 1, mode="edge")
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return region & ~inner
