"""Pictures and label maps from files."""

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from convviz_widgets.core.errors import BadLabel, BadValue, ConvvizError, MissingFile

_BROKEN = (
    *(UnidentifiedImageError, OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, OverflowError),
    *(AttributeError, RuntimeError, MemoryError, struct.error, zlib.error),
    *(Image.DecompressionBombError, Image.DecompressionBombWarning),
)
"""What Pillow's readers raise on files that are cut off, garbled or too large."""
_LABEL_MODES = ("1", "L", "P", "RGB", "RGBA", "LA", "PA", "I", "I;16", "I;16B", "I;16L")
_TURNED = range(5, 9)  # the EXIF orientations that swap width and height
_ORIENTATION = 0x0112


def read_picture(path: Path) -> npt.NDArray[np.uint8]:
    """The pixels of a picture (H, W, 3), upright.

    Raises:
        MissingFile: it is not there.
        BadValue: it cannot be read.
    """
    with _opened(path, "picture") as picture:
        pixels: npt.NDArray[np.uint8] = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    return pixels


def picture_size(path: Path) -> tuple[int, int]:
    """Height and width of a picture, upright; only the head of the file is read.

    Raises:
        MissingFile: it is not there.
        BadValue: it cannot be read.
    """
    with _opened(path, "picture") as picture:
        width, height = picture.size
        has_exif = picture.format != "PNG" or "exif" in picture.info  # to look further, Pillow would decode a PNG
        turned = has_exif and picture.getexif().get(_ORIENTATION) in _TURNED
    return (width, height) if turned else (height, width)


def read_map(path: Path) -> npt.NDArray[Any]:
    """The values of a label map as they stand in the file: (h, w) numbers or places in a palette, or (h, w, 3) colours.

    Raises:
        MissingFile: it is not there.
        BadLabel: it cannot be read, or is of a kind that holds no labels.
    """
    with _opened(path, "label map") as picture:
        mode = picture.mode
        if mode not in _LABEL_MODES:
            raise BadLabel(
                "unreadable map",
                f"{str(path)!r} is a picture of mode {mode}. Label maps hold whole numbers or colours.",
            )
        # the transparency of a label map says nothing
        values = np.asarray(
            picture.convert("RGB") if mode == "RGBA" else picture.getchannel(0) if mode in ("LA", "PA") else picture
        )
    return values.astype(np.uint8) if values.dtype == np.bool_ else values


@contextmanager
def _opened(path: Path, kind: str) -> Iterator[Image.Image]:
    """A picture being read; whatever goes wrong with the file is told in words."""
    if not path.is_file():
        raise MissingFile(f"There is no {kind} {str(path)!r}. Put it there, or leave its picture out of the dataset.")
    try:
        with warnings.catch_warnings(), Image.open(path) as picture:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield picture
    except ConvvizError:
        raise
    except _BROKEN as error:
        text = f"{str(path)!r} cannot be read as a {kind}: {error}. Fetch the file again, or leave its picture out."
        raise (BadLabel("unreadable map", text) if kind == "label map" else BadValue(text)) from error
