"""The eleven basic colour terms of English, computed from pixels.

A pixel gets the term of the nearest prototype in CIELAB. The terms are those of Berlin & Kay 1969, "Basic Color
Terms"; that they are labelled per pixel follows Broden (Bau et al. 2017, section 2.1), whose labels are learned from
photos.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

from convviz_widgets.core.errors import BadValue
from convviz_widgets.data.concepts import COLOURS

PROTOTYPES: dict[str, tuple[str, ...]] = {
    "black": ("000000", "1a1a1a", "12161f"),
    "blue": ("1f4fc8", "1414d8", "3f7fe0", "6fb0f0", "16307a", "9cc8f0", "2aa0c8"),
    "brown": ("6b3f1d", "8a5a2b", "4a2c14", "a87848"),
    "green": ("1f8a3a", "4fb848", "0f5228", "93cf70", "6b8a2a", "2fae8a"),
    "grey": ("808080", "5a5a5a", "a8a8a8", "70787f"),
    "orange": ("f08018", "ff9a3c", "d9641a"),
    "pink": ("f7a8c4", "ef6fa8", "fcd0dc"),
    "purple": ("7a2fb0", "a05fd0", "4a1a70", "c49ae0"),
    "red": ("d01f1f", "a01414", "e84a3c"),
    "white": ("ffffff", "f0f0f0", "e6ecf0"),
    "yellow": ("f5d90a", "ffe95c", "d8b80f", "fdf29a"),
}
"""Several per term, spread over its lightness; sRGB."""
_BITS = 5  # terms are looked up on a grid of 32 levels a channel


def colour_terms(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The basic colour term of each pixel, as its place in `COLOURS`.

    Example:
        >>> COLOURS[int(colour_terms(np.full((1, 1, 3), 255, np.uint8))[0, 0])]
        'white'

    Args:
        image: (..., 3) uint8, sRGB.

    Returns:
        (...) uint8, from 0 to 10.

    Raises:
        BadValue: another type or shape.
    """
    if image.dtype != np.uint8 or image.shape[-1:] != (3,):
        raise BadValue(f"colour_terms takes (..., 3) uint8; given: {image.shape} {image.dtype}.")
    levels = (image >> (8 - _BITS)).astype(np.int32)
    terms: npt.NDArray[np.uint8] = _table()[levels[..., 0], levels[..., 1], levels[..., 2]]
    return terms


def lab(colours: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """CIELAB (D65) of sRGB colours (..., 3) in [0, 1]; after IEC 61966-2-1 and CIE 15."""
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = linear @ to_xyz.T / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


@cache
def _table() -> npt.NDArray[np.uint8]:
    axis = (np.arange(2**_BITS) + 0.5) / 2**_BITS
    cells = lab(np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1))
    codes = [(COLOURS.index(term), bytes.fromhex(code)) for term, shades in PROTOTYPES.items() for code in shades]
    prototypes = lab(np.array([list(rgb) for _, rgb in codes]) / 255)
    nearest = np.linalg.norm(cells[..., None, :] - prototypes, axis=-1).argmin(-1)
    table: npt.NDArray[np.uint8] = np.array([term for term, _ in codes], dtype=np.uint8)[nearest]
    return table
