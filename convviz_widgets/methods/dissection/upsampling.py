"""Maps laid over the picture by bilinear interpolation between the centres of receptive fields.

Neuron i along an axis answers for the middle of what it sees, ``start + (size - 1) / 2 + i * stride``; between two
neurons values are interpolated, beyond the outermost they stay what they are. A layer whose neurons have no bounded
field is spread evenly over the picture. All arithmetic is ``a + (b - a) * f`` in float32, in this order, so that the
whole map, a part of it and any device give the same bits.

Source: Bau, Zhou, Khosla, Oliva & Torralba 2017, "Network Dissection", section 2.2.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.lens.layers import Layer

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Axis:
    """For each of P pixels along an axis, the two neurons between which it lies and how far it is from the first.

    Args:
        low, high: (P,) neurons.
        share: (P,) float32 in [0, 1].
    """

    low: Integers
    high: Integers
    share: npt.NDArray[np.float32]

    @cached_property
    def runs(self) -> tuple[Integers, Integers]:
        """Pixels cut into runs between the same two neurons: (S, L) pixels, -1 where a run is shorter; (S,) neurons."""
        edges = np.flatnonzero(np.diff(self.low)) + 1
        starts = np.concatenate([[0], edges])
        lengths = np.diff(np.concatenate([starts, [len(self.low)]]))
        longest = int(np.sort(lengths)[-(len(lengths) // 4) - 1])  # margins are longer, and are cut
        cut = [
            (start, first) for start, length in zip(starts, lengths, strict=True) for first in range(0, length, longest)
        ]
        pixels = np.full((len(cut), longest), -1, dtype=np.int64)
        for row, (start, first) in enumerate(cut):
            end = min(first + longest, int(lengths[np.searchsorted(starts, start)]))
            pixels[row, : end - first] = np.arange(start + first, start + end)
        return pixels, self.low[pixels[:, 0]]


def axes(layer: Layer, shape: tuple[int, int], picture: tuple[int, int], grid: tuple[int, int]) -> tuple[Axis, Axis]:
    """Rows and columns of a grid over the picture (H, W), for maps of this shape (h, w) of a layer.

    Example:
        >>> import torch
        >>> from convviz_widgets.lens.lens import Lens
        >>> layer = Lens(torch.nn.Sequential(torch.nn.Conv2d(3, 1, 3, stride=2)), input_size=9).layers["0"]
        >>> axes(layer, (4, 4), (9, 9), (9, 9))[0].share.tolist()
        [0.0, 0.0, 0.5, 0.0, 0.5, 0.0, 0.5, 0.0, 0.0]
    """
    field = layer.receptive_field if layer.is_map else None
    found = []
    for side in (0, 1):
        if field is None:
            stride: float = picture[side] / shape[side]
            first = stride / 2 - 0.5
        else:
            stride = field.stride[side]
            first = field.start[side] + (field.size[side] - 1) / 2
        found.append(_axis(first, stride, shape[side], picture[side], grid[side]))
    return found[0], found[1]


def _axis(first: float, stride: float, neurons: int, length: int, pixels: int) -> Axis:
    places = (np.arange(pixels) + 0.5) * length / pixels - 0.5
    between = np.clip((places - first) / stride, 0, neurons - 1)
    low = np.floor(between).astype(np.int64)
    return Axis(low, np.minimum(low + 1, neurons - 1), (between - low).astype(np.float32))


def upsampled(maps: torch.Tensor, rows: Axis, columns: Axis) -> torch.Tensor:
    """Maps (..., h, w) at every pixel, (..., P, Q)."""
    across = mixed(maps[..., on(columns.low, maps)], maps[..., on(columns.high, maps)], on(columns.share, maps))
    return mixed(across[..., on(rows.low, maps), :], across[..., on(rows.high, maps), :], on(rows.share, maps)[:, None])


def mixed(one: torch.Tensor, other: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """What lies between two values."""
    return one + (other - one) * share


def on(array: npt.NDArray[Any], like: torch.Tensor) -> torch.Tensor:
    """A numpy array, copied to a tensor on the device of another."""
    return torch.tensor(array, device=like.device)
