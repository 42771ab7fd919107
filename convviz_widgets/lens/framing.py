"""Where the pixels of a picture lie in what the network sees of it: boxes and label maps carried there, boxes back."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.core.errors import UnsupportedModel
from convviz_widgets.lens.images import Decoded
from convviz_widgets.lens.preprocess import Preprocess

Edges = tuple[float, float, float, float]
"""A box (left, top, right, bottom) of pixel edges: the picture's own edges are 0 and its width or height."""
BENT = 3.0  # pixels at the ends of a ramp, of the coarser of the two grids, that a resize may bend
SHORT = 0.35  # of the length, the most of it that is left out so
STRAIGHT = 0.02  # of the length, how far a straight ramp may stray, by rounding to 256 levels and by what resizes do
PARTS = 8  # of a side, whose ramps go from black to white one by one where pictures pass through 256 levels
CLIPPED = 0.04  # of a ramp's range, not used at either of its ends
FINE = 2  # decimals of a label's pixel to which its place is known
ALIKE = 0.012  # of the length, how far two ramps may differ by rounding alone


@dataclass(frozen=True)
class Framing:
    """How one size of picture is laid into what the network sees: along each axis, ``prepared = scale * edge + shift``.

    Example:
        >>> framing = Framing((100, 200), (50, 50), scale=(0.5, 0.5), shift=(0.0, -25.0))
        >>> framing.into((50, 0, 150, 100))
        (0.0, 0.0, 50.0, 50.0)
        >>> framing.back((0, 0, 50, 50))
        (50.0, 0.0, 150.0, 100.0)

    Args:
        size: (H, W) of the picture, upright.
        prepared: (H, W) of what the network sees.
        scale, shift: for rows and for columns; a scale below zero is a mirrored picture.
    """

    size: tuple[int, int]
    prepared: tuple[int, int]
    scale: tuple[float, float]
    shift: tuple[float, float]

    def into(self, box: Edges) -> Edges:
        """A box of the picture, in what the network sees; it may reach beyond that."""
        left, top, right, bottom = box
        return _sorted(*(self._edge(*each) for each in ((left, 1), (top, 0), (right, 1), (bottom, 0))))

    def back(self, box: Edges) -> Edges:
        """A box of what the network sees, in the picture, cut off at its edges."""
        turned = [(edge - self.shift[axis]) / self.scale[axis] for edge, axis in zip(box, (1, 0, 1, 0), strict=True)]
        left, top, right, bottom = _sorted(*turned)
        height, width = self.size
        within = (max(0.0, left), max(0.0, top), min(float(width), right), min(float(height), bottom))
        return within[0], within[1], max(within[0], within[2]), max(within[1], within[3])

    @property
    def seen(self) -> Edges:
        """The part of the picture that the network sees."""
        return self.back((0, 0, self.prepared[1], self.prepared[0]))

    def labels(self, maps: npt.NDArray[Any], grid: tuple[int, int]) -> npt.NDArray[Any]:
        """Label maps (..., h, w), which cover the whole picture, as the network sees it, (..., *grid); 0 outside.

        Each cell of the grid takes the label at its centre. Exact to the pixel, but for labels smaller than a pixel of
        what the network sees.

        Example:
            >>> framing = Framing((4, 4), (2, 2), scale=(0.5, 0.5), shift=(0.0, 0.0))
            >>> framing.labels(np.arange(16).reshape(4, 4), (2, 2))
            array([[ 5,  7],
                   [13, 15]])
        """
        rows, columns = (self._places(axis, grid[axis], maps.shape[axis - 2]) for axis in (0, 1))
        seen = maps[..., rows[:, None], columns]
        outside = (rows < 0)[:, None] | (columns < 0)
        return np.where(outside, maps.dtype.type(0), seen) if outside.any() else seen

    def _places(self, axis: int, count: int, length: int) -> npt.NDArray[np.intp]:
        """For ``count`` equal parts of a prepared side, the pixel of a label map of this length; -1 outside of it."""
        centre = (np.arange(count) + 0.5) * self.prepared[axis] / count
        share = (centre - self.shift[axis]) / self.scale[axis] / self.size[axis]
        place = np.floor(np.round(share * length, FINE)).astype(np.intp)
        return np.where((place >= 0) & (place < length), place, -1)

    def _edge(self, edge: float, axis: int) -> float:
        return self.scale[axis] * edge + self.shift[axis]


def picture_size(decoded: Decoded) -> tuple[int, int]:
    """(H, W) of a decoded picture."""
    if isinstance(decoded, torch.Tensor):
        return int(decoded.shape[1]), int(decoded.shape[2])
    return decoded.height, decoded.width


def framing_of(preprocess: Preprocess, size: tuple[int, int]) -> Framing:
    """How pictures of a size are laid into what the network sees, found by preparing ramps of known slope.

    Whatever resizes, crops, pads and mirrors along the two axes is understood, without a look at how it is written. To
    about a hundredth of a pixel where pictures pass through 256 levels (Pillow pictures), else to rounding.

    Example:
        >>> from convviz_widgets.lens.preprocess import ResizeCropNormalize
        >>> classic = Preprocess(ResizeCropNormalize(256, 224, (0.5,) * 3, (0.5,) * 3), 3)
        >>> [round(each) for each in framing_of(classic, (512, 640)).seen]
        [96, 32, 544, 480]

    Args:
        preprocess: of a lens.
        size: (H, W) of the pictures, upright.

    Raises:
        UnsupportedModel: the preprocessing turns or warps pictures, or treats each in another way.
    """
    if preprocess.transform is None:
        return Framing(size, size, (1.0, 1.0), (0.0, 0.0))
    black, white = (_through(preprocess, torch.full(size, level)) for level in (0.0, 1.0))
    if black.shape != white.shape:
        raise _unclear("pictures of one size come out in several")
    reach = (white - black).mean(0)
    filled = reach.abs() > 0.5 * reach.abs().max()
    if not bool(filled.any()) or not bool(reach.isfinite().all()):
        raise _unclear("black and white pictures come out alike")
    frame = _Frame(preprocess, size, black, torch.where(filled, reach, torch.nan))
    ramp = frame.ramp(1)
    if bool(((frame.seen(ramp) + frame.seen(1 - ramp) - 1).abs() > ALIKE).any()):
        raise _unclear("the same picture comes out in different ways")
    lines = [_line(frame.places(0), size[0]), _line(frame.places(1).T, size[1])]
    scale, shift = zip(*lines, strict=True)
    return Framing(size, (int(black.shape[1]), int(black.shape[2])), scale, shift)


class Framings:
    """How the pictures of one preparation are laid out, found once for each size.

    Args:
        preprocess: of a lens.
    """

    def __init__(self, preprocess: Preprocess) -> None:
        self.preprocess = preprocess
        self._found: dict[tuple[int, int], Framing] = {}

    def of(self, decoded: Decoded) -> Framing:
        """The framing of a decoded picture; see `framing_of`."""
        size = picture_size(decoded)
        if size not in self._found:
            self._found[size] = framing_of(self.preprocess, size)
        return self._found[size]


@dataclass(frozen=True)
class _Frame:
    """A preparation that is asked, with what it makes of black (C, h, w), and of white less black, (h, w)."""

    preprocess: Preprocess
    size: tuple[int, int]
    black: torch.Tensor
    reach: torch.Tensor

    def ramp(self, axis: int) -> torch.Tensor:
        """A picture (H, W) that goes from black to white along an axis."""
        levels = (torch.arange(self.size[axis], dtype=torch.float64) + 0.5) / self.size[axis]
        return (levels[:, None] if axis == 0 else levels).expand(self.size)

    def seen(self, picture: torch.Tensor) -> torch.Tensor:
        """From 0 for black to 1 for white, what becomes of a grey picture; NaN outside of it."""
        prepared = _through(self.preprocess, picture)
        if prepared.shape != self.black.shape:
            raise _unclear("pictures of one size come out in several")
        return (prepared - self.black).mean(0) / self.reach

    def places(self, axis: int) -> torch.Tensor:
        """From 0 to 1 along an axis, where in the picture each pixel came from; NaN where that is not told."""
        parts = 1 if self.preprocess.takes_tensors else PARTS
        if parts == 1:
            return self.seen(self.ramp(axis))
        found = torch.full_like(self.reach, torch.nan)
        for part in range(parts):
            share = self.seen((self.ramp(axis) * parts - part).clamp(0, 1))
            told = (share > CLIPPED) & (share < 1 - CLIPPED)
            found[told] = (share[told] + part) / parts
        return found


def _through(preprocess: Preprocess, picture: torch.Tensor) -> torch.Tensor:
    """What becomes of a grey picture (H, W) in [0, 1]: (C, h, w)."""
    return preprocess(picture.float().expand(preprocess.channels, *picture.shape)).double()


def _line(values: torch.Tensor, length: int) -> tuple[float, float]:
    """Scale and shift along the first axis.

    Args:
        values: (h, w), where in the picture, from 0 to 1, what is seen at a place came from; NaN outside the picture.
        length: of the picture along that axis, in pixels.
    """
    inside = values.isfinite()
    lines = inside.any(1)
    places = lines.nonzero()[:, 0] + 0.5
    sought = torch.where(inside, values, 0).sum(1)[lines] / inside.sum(1)[lines] * length
    strayed = torch.where(inside, values * length - _spread(sought, lines, values), 0).abs().max()
    if len(places) < 2 or float(strayed) > STRAIGHT * length:
        raise _unclear("rows or columns do not stay straight" if len(places) > 1 else "too little of a picture is left")
    coarse = max(1.0, float(sought.diff().abs().median()))
    margin = min(BENT * coarse, SHORT * length)
    sure = (sought >= margin) & (sought <= length - margin)
    if int(sure.sum()) < 2:
        sure = torch.ones_like(sure)
    x, y = places[sure], sought[sure]
    slope = float(((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum())
    if slope == 0:
        raise _unclear("too little of a picture is left")
    if float((y - y.mean() - slope * (x - x.mean())).abs().max()) > STRAIGHT * length + coarse:
        raise _unclear("pictures are warped")
    return 1 / slope, float(x.mean() - y.mean() / slope)


def _spread(sought: torch.Tensor, lines: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """One value for each line, at all its places."""
    whole = torch.zeros(len(lines), dtype=values.dtype)
    whole[lines] = sought
    return whole[:, None].expand_as(values)


def _sorted(left: float, top: float, right: float, bottom: float) -> Edges:
    return min(left, right), min(top, bottom), max(left, right), max(top, bottom)


def _unclear(why: str) -> UnsupportedModel:
    return UnsupportedModel(
        f"Where the pixels of a picture lie after `preprocess` cannot be told: {why}. Accepted: a transform that "
        "resizes, crops, pads or mirrors along the axes, the same for every picture. Open the network with such a one, "
        "or hand over pictures that are prepared already, with their boxes or labels."
    )
