"""Many pictures in one: a grid, with a line of text below each where wanted."""

import functools
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from convviz_widgets.core.errors import BadValue
from convviz_widgets.render.encode import Bytes, pixels
from convviz_widgets.render.overlay import Colour, rgb

TEXT_SIZE = 11  # pixels; the smallest at which the built-in font reads well
_LINE = 15


def montage(
    images: Sequence[npt.ArrayLike],
    *,
    columns: int | None = None,
    pad: int = 2,
    background: Colour = (255, 255, 255),
    captions: Sequence[object] | None = None,
    scale: int = 1,
) -> Bytes:
    """Pictures side by side, row by row.

    Example:
        >>> montage([np.zeros((4, 4)), np.ones((4, 6))], pad=1).shape
        (6, 15, 3)

    Args:
        images: pictures as `encode.pixels` takes them; smaller ones stand in the middle of their cell.
        columns: pictures per row; by default about as many columns as rows.
        pad: pixels around each picture.
        background: RGB, 0-255.
        captions: one line per picture, shortened to the cell's width; "" for none.
        scale: each pixel becomes a square of so many.

    Returns:
        (H, W, 3) uint8.

    Raises:
        BadValue: no pictures, or numbers that make no grid.
    """
    columns = math.ceil(math.sqrt(len(images))) if columns is None else columns
    _check(len(images), columns=columns, pad=pad, scale=scale, captions=captions)
    tiles = [_enlarged(image, scale) for image in images]
    height, width = (max(tile.shape[axis] for tile in tiles) for axis in (0, 1))
    below = _LINE if captions is not None else 0
    step_y, step_x = height + below + pad, width + pad
    rows = math.ceil(len(tiles) / columns)
    sheet = np.empty((pad + rows * step_y, pad + columns * step_x, 3), dtype=np.uint8)
    sheet[:] = np.asarray(background, dtype=np.uint8)
    corners = [(pad + index // columns * step_y, pad + index % columns * step_x) for index in range(len(tiles))]
    for (top, left), tile in zip(corners, tiles, strict=True):
        y, x = top + (height - tile.shape[0]) // 2, left + (width - tile.shape[1]) // 2
        sheet[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
    if captions is None:
        return sheet
    return _written(sheet, [(left, top + height) for top, left in corners], captions, width)


def shortened(text: str, width: float) -> str:
    """The text, cut with "…" where it is wider than so many pixels in the built-in font."""
    line = " ".join(text.split())
    if _length(line) <= width:
        return line
    kept = next((end for end in range(len(line) - 1, 0, -1) if _length(line[:end] + "…") <= width), 0)
    return line[:kept].rstrip() + "…" if kept else ""


def _spaced(text: str) -> str:
    """With gaps that are seen: the built-in font's space is two pixels wide here, so that "relu1 0.5" read relu10.5."""
    return text.replace(" ", "  ")


def _length(text: str) -> float:
    return _font().getlength(_spaced(text))


@functools.cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=TEXT_SIZE)


def _check(count: int, *, columns: int, pad: int, scale: int, captions: Sequence[object] | None) -> None:
    if count == 0:
        raise BadValue("There are no pictures to put in a grid. Accepted: at least one.")
    if columns < 1 or pad < 0 or scale < 1:
        raise BadValue(
            f"columns={columns}, pad={pad}, scale={scale} make no grid. Accepted: columns and scale of at least 1, "
            "pad of at least 0."
        )
    if captions is not None and len(captions) != count:
        raise BadValue(f"{len(captions)} captions for {count} pictures. Accepted: one each; '' for none.")


def _enlarged(image: npt.ArrayLike, scale: int) -> Bytes:
    picture = pixels(rgb(image))
    return picture.repeat(scale, axis=0).repeat(scale, axis=1) if scale > 1 else picture


def _written(sheet: Bytes, places: Sequence[tuple[int, int]], captions: Sequence[object], width: int) -> Bytes:
    """The sheet with a line of text, centred in the cell's width, below each of the (left, top) places."""
    ground = sheet[-1, -1] / 255
    dark = float(ground @ (0.2126, 0.7152, 0.0722)) < 0.5
    image = Image.fromarray(sheet)
    draw = ImageDraw.Draw(image)
    for (left, top), caption in zip(places, captions, strict=True):
        place = (left + width / 2, top + _LINE / 2)
        text = _spaced(shortened(str(caption), width))
        draw.text(place, text, font=_font(), fill=(235, 235, 235) if dark else (30, 30, 30), anchor="mm")
    return np.asarray(image)
