"""Colours for numbers: 256 of them per map, and maps coloured with them."""

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.colors

from convviz_widgets.core.errors import BadValue, unknown_name
from convviz_widgets.render.encode import Bytes

Range = tuple[float, float]
SIZE = 256
NOT_A_NUMBER = (128, 128, 128)  # neither end of any offered map is this grey


@functools.cache
def _scales() -> Mapping[str, tuple[str, ...]]:
    """Plotly's scales by lower-case name; a diverging scale goes before a sequential one of the same name."""
    found: dict[str, tuple[str, ...]] = {"gray": ("#000000", "#ffffff")}  # plotly's own ends short of white
    for family in (plotly.colors.diverging, plotly.colors.sequential, plotly.colors.cyclical):
        for name, colours in vars(family).items():
            if isinstance(colours, list) and not name.startswith("_") and not name.endswith("_r"):
                found.setdefault(name.lower(), tuple(colours))
    return found


def names() -> tuple[str, ...]:
    """The names that `lut` knows, each also with ``_r`` for the reverse; capitals do not matter."""
    return tuple(sorted(_scales()))


def lut(name: str) -> Bytes:
    """The 256 colours of a map, from the lowest value to the highest.

    Between the colours that plotly lists, lightness is not corrected: they are mixed linearly in sRGB, exactly as
    plotly draws them, so that a still picture and an interactive chart of the same numbers agree. ``RdBu_r`` suits
    signed numbers: blue below, white in the middle, red above. ``gray`` is the identity: colour i is (i, i, i).

    Example:
        >>> lut("viridis")[0].tolist()
        [68, 1, 84]

    Args:
        name: one of `names`, or one with ``_r`` for its reverse; capitals do not matter.

    Returns:
        (256, 3) uint8, read-only.

    Raises:
        UnknownName: there is no such map.
    """
    wanted = str(name).lower()
    if wanted.removesuffix("_r") not in _scales():
        raise unknown_name("colour map", name, names(), "Each also reversed: 'viridis_r'.")
    return _lut(wanted)


def apply(
    values: npt.ArrayLike, name: str = "viridis", *, low: float | None = None, high: float | None = None
) -> Bytes:
    """A map of numbers as a picture.

    Example:
        >>> apply([[0.0, 1.0]], "gray").tolist()
        [[[0, 0, 0], [255, 255, 255]]]

    Args:
        values: (...,) of any real type, most often (H, W).
        name: a colour map, as `lut` takes it.
        low: the value of the first colour, by default the smallest finite one; what is below takes that colour too.
        high: the value of the last colour, by default the largest finite one. NaN takes a grey of its own.

    Returns:
        (..., 3) uint8.

    Raises:
        UnknownName: there is no such map.
        BadValue: ``low`` is above ``high``, or one of them is not finite.
    """
    colours = lut(name)
    share = shares(values, low=low, high=high)
    flawed = np.isnan(share)
    picture: Bytes = colours[np.rint(np.where(flawed, 0, share) * (SIZE - 1)).astype(np.intp)]
    picture[flawed] = NOT_A_NUMBER
    return picture


def shares(values: npt.ArrayLike, *, low: float | None = None, high: float | None = None) -> npt.NDArray[np.float64]:
    """Where each value lies between low (0) and high (1); clipped, NaN stays NaN, and 0 where low equals high.

    Args:
        values: as `apply` takes them.
        low: as `apply` takes it.
        high: as `apply` takes it.

    Raises:
        BadValue: ``low`` is above ``high``, or one of them is not finite.
    """
    array = np.asarray(values, dtype=np.float64)
    first, last = _range(array, low, high)
    if first == last:
        return np.where(np.isnan(array), np.nan, np.where(array > last, 1.0, 0.0))
    clipped = np.clip(array, first, last)
    if last - first == np.inf:  # the range itself is beyond a float: halve it
        clipped, first, last = clipped / 2, first / 2, last / 2
    return np.asarray((clipped - first) / (last - first), dtype=np.float64)


def symmetric(values: npt.ArrayLike) -> Range:
    """(low, high) around 0 that holds every finite value: with it the middle colour of a diverging map means 0."""
    array = np.asarray(values, dtype=np.float64)
    finite = np.abs(array[np.isfinite(array)])
    reach = float(finite.max()) if finite.size else 0.0
    return -reach, reach


def plotly_scale(name: str) -> list[list[Any]]:
    """The map as a plotly colour scale, so that a chart shows the very colours of `apply`."""
    colours = lut(name)
    return [[index / (SIZE - 1), f"rgb({red},{green},{blue})"] for index, (red, green, blue) in enumerate(colours)]


@functools.lru_cache(maxsize=64)
def _lut(name: str) -> Bytes:
    listed = _scales()[name.removesuffix("_r")]
    anchors = np.array([_rgb(colour) for colour in listed], dtype=np.float64)
    places = np.linspace(0, len(anchors) - 1, SIZE)
    colours = np.stack([np.interp(places, np.arange(len(anchors)), channel) for channel in anchors.T], axis=1)
    if name.endswith("_r"):
        colours = colours[::-1]
    table = np.ascontiguousarray(np.rint(colours).astype(np.uint8))
    table.flags.writeable = False
    return table


def _rgb(colour: str) -> tuple[float, ...]:
    if colour.startswith("#"):
        return tuple(int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return tuple(float(part) for part in colour[colour.index("(") + 1 : colour.index(")")].split(",")[:3])


def _range(array: npt.NDArray[np.float64], low: float | None, high: float | None) -> Range:
    finite = array[np.isfinite(array)] if low is None or high is None else array[:0]
    first = (float(finite.min()) if finite.size else 0.0) if low is None else float(low)
    last = (float(finite.max()) if finite.size else first) if high is None else float(high)
    if low is None and high is not None:
        first = min(first, last)
    elif high is None:
        last = max(first, last)
    if not (np.isfinite(first) and np.isfinite(last) and first <= last):
        raise BadValue(f"low={low!r} and high={high!r} are no range. Accepted: finite numbers, low not above high.")
    return first, last
