"""Where each pixel that the network sees lies in the picture it was prepared from, so that label maps can follow.

A preparation may resize, crop, mirror and pad, by any callable. It is asked rather than read: two ramps, along the rows
and along the columns, go through it beside a black and a white picture, and a line is laid through what comes out.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.core.errors import BadValue
from convviz_widgets.lens.images import decode
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.preprocess import Preprocess

Integers = npt.NDArray[np.intp]
FINE = 2  # decimals of a label's pixel to which places are known
WINDOWS = 8  # parts of a side whose ramps go from black to white one by one, as eight bits of grey are coarse
CLIPPED = 0.04  # share of the range that is not used at either end of a ramp
EDGE = 3  # pixels left out along a border


@dataclass(frozen=True)
class Line:
    """Along one axis, prepared pixel i shows the source at ``start + i * step``; pixel centres lie at whole numbers.

    Args:
        start, step: in pixels of the source.
        source, prepared: number of pixels of either.
    """

    start: float
    step: float
    source: int
    prepared: int

    def places(self, count: int, length: int) -> Integers:
        """For ``count`` equal parts of the prepared side, the pixel of a label map of this length; -1 outside of it."""
        centre = (np.arange(count) + 0.5) * self.prepared / count - 0.5
        share = (self.start + self.step * centre + 0.5) / self.source
        place = np.floor(np.round(share * length, FINE)).astype(np.intp)
        return np.where((place >= 0) & (place < length), place, -1)


@dataclass(frozen=True)
class Geometry:
    """How one size of picture is prepared.

    Example:
        >>> geometry = Geometry(Line(0, 1, 4, 4), Line(1, 1, 4, 2))
        >>> geometry.labels(np.arange(16).reshape(4, 4), (2, 2))
        array([[ 1,  2],
               [ 9, 10]])
    """

    rows: Line
    columns: Line

    @property
    def prepared(self) -> tuple[int, int]:
        """(H, W) of what the network sees."""
        return self.rows.prepared, self.columns.prepared

    def labels(self, maps: npt.NDArray[Any], grid: tuple[int, int]) -> npt.NDArray[Any]:
        """Label maps (..., h, w), which cover the whole source, as the network sees it, (..., *grid); 0 outside."""
        rows, columns = (
            line.places(count, length)
            for line, count, length in zip((self.rows, self.columns), grid, maps.shape[-2:], strict=True)
        )
        seen = maps[..., rows[:, None], columns]
        outside = (rows < 0)[:, None] | (columns < 0)
        return np.where(outside, maps.dtype.type(0), seen) if outside.any() else seen


class Geometries:
    """The geometries of a lens, one for each size of picture, found when a size is first met."""

    def __init__(self, lens: Lens) -> None:
        self.lens = lens
        self._found: dict[tuple[int, int], Geometry] = {}

    def read(self, image: Any) -> tuple[torch.Tensor, Geometry]:
        """A picture prepared, (C, H, W), and how.

        Raises:
            BadValue: the preparation does more than resize, crop, mirror and pad.
        """
        preprocess = self.lens.preprocess
        decoded = decode(image, strict=preprocess.transform is not None, channels=preprocess.channels)
        prepared = self.lens.prepare(decoded)[0]
        tensor = isinstance(decoded, torch.Tensor)
        height, width = decoded.shape[1:] if tensor else reversed(decoded.size)
        size = int(height), int(width)
        if size not in self._found:
            identity = preprocess.transform is None
            self._found[size] = _identity(size) if identity else _asked(preprocess, size)
        return prepared, self._found[size]


def _identity(size: tuple[int, int]) -> Geometry:
    height, width = size
    return Geometry(Line(0.0, 1.0, height, height), Line(0.0, 1.0, width, width))


def _asked(prepare: Preprocess, size: tuple[int, int]) -> Geometry:
    black, white = (_through(prepare, np.full(size, value)) for value in (0.0, 1.0))
    reach = white - black
    seen = np.abs(reach) > 0.5 * np.abs(reach).max()
    windows = 1 if prepare.takes_tensors else WINDOWS
    lines = []
    for axis, length in enumerate(size):
        places = np.full(black.shape, np.nan)
        for window in range(windows):
            ramp = (np.arange(length) + 0.5) / length * windows - window
            plane = np.broadcast_to(ramp[:, None] if axis == 0 else ramp, size).clip(0, 1)
            share = np.divide(_through(prepare, plane) - black, reach, out=np.full(black.shape, np.nan), where=seen)
            inside = (share > CLIPPED) & (share < 1 - CLIPPED) if windows > 1 else seen
            places[inside] = (share[inside] + window) / windows * length - 0.5
        lines.append(_line(places if axis == 0 else places.T, length))
    return Geometry(*lines)


def _through(prepare: Preprocess, plane: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The first channel of what becomes of a grey picture (H, W) in [0, 1]."""
    grey = torch.from_numpy(np.ascontiguousarray(plane, dtype=np.float32)).expand(prepare.channels, -1, -1)
    return np.asarray(prepare(grey).double().numpy()[0])


def _line(places: npt.NDArray[np.float64], length: int) -> Line:
    """The line through the places (rows, columns) that prepared pixels show, without the borders, which blend."""
    count, across = places.shape
    known = np.flatnonzero(np.isfinite(places).sum(axis=1) > across / 2)
    used = known[EDGE:-EDGE] if len(known) > 4 * EDGE else known
    if not len(used):
        raise _unclear()
    seen = places[used]
    middle = np.nanmedian(seen, axis=1)
    step, start = np.polyfit(used, middle, 1) if len(used) > 1 else (length / count, 0.0)
    if len(used) == 1:
        start = float(middle[0]) - step * used[0]
    apart = float(np.nanmax(np.abs(seen[:, EDGE : -EDGE or None] - (start + step * used)[:, None])))
    if apart > 2 + length / 100 or abs(step) * count < 0.05 * length:
        raise _unclear()
    return Line(float(start), float(step), length, count)


def _unclear() -> BadValue:
    return BadValue(
        "The lens's `preprocess` moves pixels in a way that label maps cannot follow. Accepted: resizing, cropping, "
        "mirroring and padding, the same every time. Open the network with a preprocess of that kind."
    )
