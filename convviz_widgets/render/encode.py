"""Arrays to bytes: PNG and JPEG files, data URIs, and maps as one byte per value."""

import base64
import io
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from convviz_widgets.core.errors import BadValue
from convviz_widgets.core.knob import Knob

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

LEVELS = 255  # steps between the lowest and the highest value of a plane
QUALITY = Knob(1, 95, help="JPEG quality; above 95 files grow and pictures do not improve")
_SLACK = 1e-3  # of rounding outside [0, 1]; the colour of a pixel changes by 1/255
_EASY = (1e-30, 1e37)  # ranges whose quotient by 255 stays well inside float32


class Planes(NamedTuple):
    """Maps with one byte per value.

    Args:
        codes: (K, h, w) uint8; code c of plane k stands for ``low[k] + (high[k] - low[k]) * c / 255``.
        low, high: (K,) float32, the exact smallest and largest finite value of each plane; NaN where there is none.
    """

    codes: Bytes
    low: Floats
    high: Floats


def pixels(image: npt.ArrayLike) -> Bytes:
    """A picture as bytes: float values in [0, 1] are rounded to 0-255, uint8 is passed on, a mask is black and white.

    Args:
        image: (H, W), (H, W, 3) or (H, W, 4); float in [0, 1], uint8 or bool.

    Raises:
        BadValue: another shape or type, or values outside [0, 1] or not finite.
    """
    array = np.asarray(image)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)) or 0 in array.shape:
        raise BadValue(
            f"A picture of shape {array.shape} cannot be encoded. Accepted: (H, W), (H, W, 3) or (H, W, 4), "
            "none of them 0; a (C, H, W) array is turned by `np.moveaxis(array, 0, -1)`."
        )
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind != "f":
        raise BadValue(f"A picture of {array.dtype} cannot be encoded. Accepted: uint8, bool, or float in [0, 1].")
    low, high = float(array.min()), float(array.max())
    if not (low >= -_SLACK and high <= 1 + _SLACK):
        raise BadValue(
            f"Values from {low:g} to {high:g} are no picture. Accepted: floats in [0, 1], all finite. Divide by 255, "
            "use `np.clip`, or colour the map with `render.colormap.apply`."
        )
    rounded: Bytes = np.rint(np.clip(array, 0, 1) * LEVELS).astype(np.uint8)
    return rounded


def png(image: npt.ArrayLike, *, text: Mapping[str, str] | None = None) -> bytes:
    r"""A PNG file; uint8 pictures come back from it bit for bit.

    Example:
        >>> png(np.zeros((2, 2), np.uint8))[:4]
        b'\x89PNG'

    Args:
        image: as `pixels` takes it.
        text: keyword (1-79 Latin-1 characters) to text, kept in the file: its provenance, for example.

    Raises:
        BadValue: not a picture.
    """
    notes = PngInfo()
    for key, value in (text or {}).items():
        notes.add_itxt(key, value, zip=len(value) > 1000)
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels(image))).save(file, "PNG", pnginfo=notes)
    return file.getvalue()


def jpeg(image: npt.ArrayLike, quality: int = 90) -> bytes:
    """A JPEG file, for photos and syntheses on the way to the browser.

    Args:
        image: (H, W) or (H, W, 3), else as `pixels` takes it.
        quality: 1 to 95.

    Raises:
        BadValue: not a picture, a transparent one, or a quality out of range.
    """
    array = pixels(image)
    if array.ndim == 3 and array.shape[2] == 4:
        raise BadValue("JPEG keeps no transparency and the picture has 4 channels. Use `png`, or drop the last one.")
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(array)).save(file, "JPEG", quality=QUALITY.check("quality", quality))
    return file.getvalue()


def read(data: bytes | str | os.PathLike[str]) -> Bytes:
    """The pixels of a picture file (or of its bytes), as they were given to `png`: (H, W), (H, W, 3) or (H, W, 4)."""
    with Image.open(io.BytesIO(data) if isinstance(data, bytes) else data) as file:
        return np.array(file)


def data_uri(data: bytes, mime: str = "image/png") -> str:
    """The bytes as an address that a page can hold in itself: ``data:image/png;base64,...``."""
    return f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"


def planes(maps: npt.ArrayLike) -> Planes:
    """Maps as one byte per value, each plane over its own range.

    A finite value and what `decode` gives back differ by at most ``(high - low) / 510`` of its plane. A constant
    plane has the code 0 throughout; NaN and -inf take the code 0 and +inf takes 255: `broken` counts them.

    Example:
        >>> planes([[[0.0, 1.0, 2.0]]]).codes
        array([[[  0, 128, 255]]], dtype=uint8)

    Args:
        maps: (K, h, w), any real type; float64 is rounded to float32 first.

    Raises:
        BadValue: another shape, or planes without a value.
    """
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes inf, and is treated as such
        array = np.asarray(maps, dtype=np.float32)
    if array.ndim != 3 or 0 in array.shape[1:]:
        raise BadValue(
            f"Maps of shape {array.shape} cannot be encoded. Accepted: (K, h, w) with h and w of at least 1."
        )
    low, high = array.min(axis=(1, 2)), array.max(axis=(1, 2))
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        low, high = _finite_range(array)
        array = np.clip(array, low[:, None, None], high[:, None, None])  # keeps NaN
        array = np.where(np.isnan(array), low[:, None, None], array)
    return Planes(_codes(array, low, high), low, high)


def decode(encoded: Planes | tuple[Any, Any, Any]) -> Floats:
    """The maps (K, h, w) that `planes` encoded, float32; both ends of each range are exact."""
    codes, low, high = encoded
    share = np.asarray(codes, np.float64) / LEVELS
    first, last = (np.asarray(end, np.float64)[:, None, None] for end in (low, high))
    return (first * (1 - share) + last * share).astype(np.float32)


def broken(maps: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """How many values of each plane are NaN or infinite, (K,)."""
    array = np.asarray(maps)
    counts: npt.NDArray[np.int64] = np.count_nonzero(~np.isfinite(array), axis=(1, 2)).astype(np.int64)
    return counts


def _finite_range(maps: Floats) -> tuple[Floats, Floats]:
    finite = np.isfinite(maps)
    low = np.where(finite, maps, np.inf).min(axis=(1, 2))
    high = np.where(finite, maps, -np.inf).max(axis=(1, 2))
    none = ~finite.any(axis=(1, 2))
    return np.where(none, np.nan, low).astype(np.float32), np.where(none, np.nan, high).astype(np.float32)


def _codes(maps: Floats, low: Floats, high: Floats) -> Bytes:
    span = high.astype(np.float64) - low.astype(np.float64)
    flat = ~(span > 0)  # constant planes, and planes without a finite value
    easy = bool(np.all(flat | ((span > _EASY[0]) & (span < _EASY[1]))))
    kind = np.float32 if easy else np.float64
    scale = np.divide(LEVELS, span, out=np.zeros_like(span), where=~flat).astype(kind)
    base = np.where(flat, 0, low).astype(kind)
    shifted = np.subtract(maps, base[:, None, None], dtype=kind)
    np.multiply(shifted, scale[:, None, None], out=shifted)
    shifted[flat] = 0
    codes: Bytes = np.rint(shifted, out=shifted).astype(np.uint8)
    return codes
