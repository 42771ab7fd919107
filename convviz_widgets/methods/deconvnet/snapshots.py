"""One moment of a training: which probe pictures excite each chosen unit most, and the strongest carried back down.

A projection is kept in the frame of what its neuron sees, border and all, so that the same pattern at two places of two
pictures is the same array; layers that see a whole picture have that for a frame. It is averaged down to at most so
many pixels and rounded to one signed byte per value, with its largest magnitude as a number of full precision.

Cost: one forward pass for the probes, and one more with one pass down for the strongest of them, in each layer.
Oracle: each projection is that of `deconvnet` for its neuron.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F  # noqa: N812 -- the name it goes by everywhere

from convviz_widgets.core.errors import ConvvizError
from convviz_widgets.core.region import Box
from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.many_signals import Neuron, round_signals
from convviz_widgets.lens.receptive_field import ReceptiveField
from convviz_widgets.methods.deconvnet.deconvnet import BackwardRule

BATCH = 16  # probes in one forward pass
PICTURES = 8  # whose graphs are kept for passes down
LEVELS = 127
Signals = npt.NDArray[np.int8]


class Diverged(ConvvizError):
    """The network under training gives numbers that are none."""


@dataclass(frozen=True)
class Place:
    """A layer whose units are recorded.

    Args:
        layer: its name.
        channels: of the units.
        field: what a neuron sees; None where that is the whole picture.
        side: of the square array that a projection is kept in.
        size: (H, W) of a prepared picture.
    """

    layer: str
    channels: tuple[int, ...]
    field: ReceptiveField | None
    side: int
    size: tuple[int, int]

    @classmethod
    def of(cls, layer: Layer, channels: tuple[int, ...], size: tuple[int, int], tile: int) -> "Place":
        """The place of a layer, for pictures of a size (H, W) and projections of at most ``tile`` pixels a side."""
        field = layer.receptive_field if layer.is_map else None
        if field is not None and (field.size[0] >= size[0] or field.size[1] >= size[1]):
            field = None
        return cls(layer.name, channels, field, min(tile, max(size if field is None else field.size)), size)

    @property
    def whole(self) -> Box:
        """The whole picture."""
        return Box(0, 0, self.size[1], self.size[0])

    def frame(self, position: tuple[int, int]) -> Box:
        """What the neuron at (row, column) sees; it may reach outside of the picture."""
        return self.whole if self.field is None else self.field.box(position)

    def box(self, position: tuple[int, int]) -> Box:
        """The part of it that lies within the picture."""
        return self.frame(position).clipped(width=self.size[1], height=self.size[0])


@dataclass(frozen=True, eq=False)
class LayerMoment:
    """What is known of one layer's U units at one moment.

    Args:
        index: (U, k) int64 place of the strongest probes, the strongest first.
        position: (U, k, 2) int64 row and column of the strongest neuron in each.
        activation: (U, k) float32.
        signal: (U, side, side, c) int8, the projection of the strongest neuron of all, c being 3 or 1.
        scale: (U,) float32, the magnitude of a code of 127; 0 where nothing arrived.
    """

    index: npt.NDArray[np.int64]
    position: npt.NDArray[np.int64]
    activation: npt.NDArray[np.float32]
    signal: Signals
    scale: npt.NDArray[np.float32]


def moment_of(
    lens: Lens, prepared: torch.Tensor, places: Mapping[str, Place], *, k: int, rule: BackwardRule
) -> dict[str, LayerMoment]:
    """All layers at this moment.

    Args:
        lens: the network as it is now.
        prepared: (N, C, H, W), the probes as the network sees them.
        places: by layer.
        k: probes per unit.
        rule: what a ReLU lets through on the way down.

    Raises:
        Diverged: an activation is NaN or infinite.
    """
    peaks = _peaks(lens, prepared, places)
    found = {}
    for name, (values, where) in peaks.items():
        order = np.argsort(-values, axis=1, kind="stable")[:, :k]
        activation = np.take_along_axis(values, order, axis=1)
        position = np.take_along_axis(where, order[..., None], axis=1)
        signal, scale = _signals(lens, prepared, places[name], order[:, 0], position[:, 0], activation[:, 0], rule)
        found[name] = LayerMoment(order.astype(np.int64), position, activation, signal, scale)
    return found


def _peaks(lens: Lens, prepared: torch.Tensor, places: Mapping[str, Place]) -> dict[str, Any]:
    """Of each layer the largest activation of each unit on each probe, (U, N), and where it is, (U, N, 2)."""
    values: dict[str, list[Any]] = {name: [] for name in places}
    where: dict[str, list[Any]] = {name: [] for name in places}
    for part in torch.split(prepared, BATCH):
        for name, answers in lens.record(part, places).items():
            if not bool(answers.isfinite().all()):
                raise Diverged(f"{name} gives activations that are NaN or infinite")
            chosen = answers[:, list(places[name].channels)].float().cpu()
            flat = chosen.flatten(2) if chosen.ndim > 2 else chosen[..., None]
            strongest = flat.max(dim=2)
            wide = chosen.shape[-1] if chosen.ndim == 4 else 1
            values[name].append(strongest.values.T.numpy())
            where[name].append(torch.stack([strongest.indices.T // wide, strongest.indices.T % wide], -1).numpy())
    return {name: (np.concatenate(values[name], 1), np.concatenate(where[name], 1)) for name in places}


def _signals(
    lens: Lens,
    prepared: torch.Tensor,
    place: Place,
    index: npt.NDArray[np.int64],
    position: npt.NDArray[np.int64],
    activation: npt.NDArray[np.float32],
    rule: BackwardRule,
) -> tuple[Signals, npt.NDArray[np.float32]]:
    """The projections of one neuron for each unit; of those that are not active there is none."""
    layer = lens.layers[place.layer]
    bands = 3 if prepared.shape[1] == 3 else 1
    signals = np.zeros((len(place.channels), place.side, place.side, bands), dtype=np.int8)
    scales = np.zeros(len(place.channels), dtype=np.float32)
    rows: dict[int, list[int]] = {}
    for row in range(len(index)):
        if activation[row] > 0 or not layer.is_map:
            rows.setdefault(int(index[row]), []).append(row)

    def neuron(row: int) -> Neuron:
        return (place.channels[row], *(position[row].tolist() if layer.is_map else ()))

    probes = sorted(rows)
    for start in range(0, len(probes), PICTURES):
        group = probes[start : start + PICTURES]
        neurons = [[neuron(row) for row in rows[probe]] for probe in group]
        for arrived in round_signals(lens, prepared[group].to(lens.device), layer, neurons, rule=rule):
            for at, number, signal in arrived:
                row = rows[group[at]][number]
                signals[row], scales[row] = kept(signal.detach().float().cpu(), place, tuple(position[row].tolist()))
    return signals, scales


def kept(signal: torch.Tensor, place: Place, position: tuple[int, ...]) -> tuple[Signals, float]:
    """A signal (C, H, W) as it is kept: codes (side, side, c) and the magnitude of the code 127.

    Raises:
        Diverged: it holds values that are NaN or infinite.
    """
    if not bool(signal.isfinite().all()):
        raise Diverged(f"a projection from {place.layer} is NaN or infinite")
    bands = signal if len(signal) == 3 else signal.mean(dim=0, keepdim=True)
    frame, inner = place.frame((position[0], position[1])), place.box((position[0], position[1]))
    seen = F.pad(
        bands[:, inner.top : inner.bottom, inner.left : inner.right],
        (inner.left - frame.left, frame.right - inner.right, inner.top - frame.top, frame.bottom - inner.bottom),
    )
    share = min(1.0, place.side / max(seen.shape[1:]))
    height, width = (max(1, round(length * share)) for length in seen.shape[1:])
    small = F.adaptive_avg_pool2d(seen, (height, width)) if share < 1 else seen
    magnitude = float(small.abs().max())
    codes = (small / magnitude * LEVELS).round() if magnitude > 0 else small
    sheet = torch.zeros(len(bands), place.side, place.side)
    top, left = (place.side - height) // 2, (place.side - width) // 2
    sheet[:, top : top + height, left : left + width] = codes
    return sheet.permute(1, 2, 0).to(torch.int8).numpy(), magnitude
