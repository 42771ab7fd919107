"""A concept browser for saved notebooks: bars of unique detectors, and the pictures of what is looked at."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageColor, ImageDraw, ImageFont

from convviz_widgets.render import grid, overlay
from convviz_widgets.widgets.concept_pictures import Shot

WIDTH = 640  # pixels
ROW = 18
NAMES = 150  # pixels for the names of layers
LAYERS = 16  # rows of bars at most
INK = (30, 30, 30)
Picture = npt.NDArray[np.uint8]


def picture(overview: dict[str, Any], key: str, shots: Sequence[Shot]) -> Picture:
    """The still picture (H, W, 3).

    Args:
        overview: the trait.
        key: of the unit or concept looked at.
        shots: its pictures.
    """
    sheet = bars(overview)
    if not shots:
        return sheet
    lit = [overlay.mask(each.picture, each.mask) for each in shots]
    captions = [f"{key}, {each.name}" for each in shots]
    below = grid.montage(lit, columns=min(len(shots), 5), captions=captions)
    width = max(sheet.shape[1], below.shape[1])
    wide = [np.pad(each, ((0, 0), (0, width - each.shape[1]), (0, 0)), constant_values=255) for each in (sheet, below)]
    return np.concatenate(wide)


def bars(overview: dict[str, Any]) -> Picture:
    """Unique detectors of each layer, one colour per category, as in the widget."""
    report = overview["reports"][0]
    layers = report["layers"][1:][:LAYERS]
    longest = max([1, *(sum(each["unique"]["unit"]) for each in layers)])
    image = Image.new("RGB", (WIDTH, ROW * (len(layers) + 2)), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=grid.TEXT_SIZE)
    draw.text((4, 3), f"{report['name']}: different concepts detected, by layer", font=font, fill=INK)
    for row, layer in enumerate(layers, start=1):
        draw.text((4, row * ROW + 3), grid.shortened(layer["name"], NAMES - 8), font=font, fill=INK)
        left = float(NAMES)
        for count, colour in zip(layer["unique"]["unit"], overview["colours"], strict=True):
            right = left + count * (WIDTH - NAMES - 40) / longest
            if count:
                draw.rectangle((left, row * ROW + 3, right - 1, row * ROW + ROW - 4), fill=ImageColor.getrgb(colour))
            left = right
        draw.text((left + 6, row * ROW + 3), str(sum(layer["unique"]["unit"])), font=font, fill=INK)
    left, top = 4.0, (len(layers) + 1) * ROW + 3
    for category, colour in zip(overview["categories"], overview["colours"], strict=True):
        draw.rectangle((left, top + 2, left + 9, top + 11), fill=ImageColor.getrgb(colour))
        draw.text((left + 14, top), category, font=font, fill=INK)
        left += 26 + font.getlength(category)
    return np.asarray(image)
