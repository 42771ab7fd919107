"""A few pictures one after another as a film that a page or a slide plays by itself: GIF and animated PNG."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from convviz_widgets.core.errors import BadValue
from convviz_widgets.core.knob import Knob
from convviz_widgets.render.encode import pixels
from convviz_widgets.render.overlay import rgb

RATE = Knob(1, 50, unit="pictures per second", help="how fast the film runs; browsers slow a GIF down above 50")
HOLD = Knob(0, 60, unit="s", help="how long the last picture stands still before the film begins again")
_MOST = 4000  # frames; a file of more is a video's business


def gif(frames: Sequence[npt.ArrayLike], *, rate: float = 12.0, hold: float = 1.5, comment: str = "") -> bytes:
    r"""A GIF that repeats for ever: shown everywhere, at most 256 colours a picture.

    Example:
        >>> gif(np.zeros((2, 8, 8, 3), np.uint8))[:6]
        b'GIF89a'

    Args:
        frames: (T, H, W, 3), uint8 or float in [0, 1], or T pictures of one size.
        rate: pictures per second; the format counts in hundredths of a second.
        hold: seconds that the last picture stays longer.
        comment: text kept in the file, its provenance for example.

    Raises:
        BadValue: no pictures, pictures that differ in size, or a rate or hold out of range.
    """
    images = [each.quantize(256, dither=Image.Dither.FLOYDSTEINBERG) for each in _images(frames)]
    note = {"comment": comment.encode("utf-8")} if comment else {}
    return _saved(images, "GIF", rate, hold, optimize=False, **note)


def apng(
    frames: Sequence[npt.ArrayLike], *, rate: float = 12.0, hold: float = 1.5, text: Mapping[str, str] | None = None
) -> bytes:
    r"""An animated PNG that repeats for ever: every pixel exact; programs that know no films show the first picture.

    Example:
        >>> apng(np.zeros((2, 8, 8, 3), np.uint8))[:4]
        b'\x89PNG'

    Args:
        frames: (T, H, W, 3), uint8 or float in [0, 1], or T pictures of one size.
        rate: pictures per second.
        hold: seconds that the last picture stays longer.
        text: keyword (1-79 Latin-1 characters) to text, kept in the file: its provenance, for example.

    Raises:
        BadValue: no pictures, pictures that differ in size, or a rate or hold out of range.
    """
    notes = PngInfo()
    for key, value in (text or {}).items():
        notes.add_itxt(key, value, zip=len(value) > 1000)
    return _saved(_images(frames), "PNG", rate, hold, pnginfo=notes)


def thinned(frames: list[Any], most: int) -> list[Any]:
    """Every second frame, as often as needed to have at most so many; the first stays.

    Example:
        >>> thinned([1, 2, 3, 4, 5], 3)
        [1, 3, 5]
    """
    while len(frames) > max(1, most):
        frames = frames[::2]
    return frames


def _images(frames: Sequence[npt.ArrayLike]) -> list[Image.Image]:
    pictures = [pixels(rgb(each)) for each in frames]
    sizes = {each.shape[:2] for each in pictures}
    if len(sizes) != 1 or len(pictures) > _MOST:
        told = " and ".join(f"{height}x{width}" for height, width in sorted(sizes)) or "none"
        raise BadValue(
            f"{len(pictures)} pictures of the sizes {told} make no film. Accepted: 1 to {_MOST} pictures, all of one "
            "size; resize them, or leave some out."
        )
    return [Image.fromarray(np.ascontiguousarray(each)) for each in pictures]


def _saved(images: list[Image.Image], kind: str, rate: float, hold: float, **options: Any) -> bytes:
    RATE.check("rate", rate)
    HOLD.check("hold", hold)
    each = 1000 / rate  # milliseconds
    times = [round(each)] * (len(images) - 1) + [round(each + 1000 * hold)]
    file = io.BytesIO()
    # A single picture has one time, not a list of them.
    duration = times if len(images) > 1 else times[0]
    images[0].save(file, kind, save_all=True, append_images=images[1:], duration=duration, loop=0, **options)
    return file.getvalue()
