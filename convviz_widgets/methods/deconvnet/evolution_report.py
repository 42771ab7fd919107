"""What an `EvolutionRecorder` recorded: the strongest projection of each unit at each snapshot, and what led to it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from convviz_widgets.core.errors import BadValue, unknown_name
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.core.unit import Unit
from convviz_widgets.lens.receptive_field import ReceptiveField
from convviz_widgets.methods.deconvnet import snapshot_files as files
from convviz_widgets.methods.deconvnet.settling import THRESHOLD, Settling, settling_of
from convviz_widgets.methods.deconvnet.snapshots import LEVELS, Place
from convviz_widgets.render import charts, encode, grid, html
from convviz_widgets.render.result import Result
from convviz_widgets.render.signal import signal_picture

UNITS_SHOWN = 2  # of each layer, in the still picture
TILE = 56  # pixels of a projection there
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False, repr=False)
class Evolution(Result):
    """E snapshots of a training, each with U units per layer and their k strongest probe pictures.

    Args:
        network: name of what was trained.
        epochs: (E,) int64, the epochs after which a snapshot was taken.
        accuracy: (E,) on held-out data, as told to the recorder; NaN where it was not.
        loss: (E,) likewise.
        units: by layer (U,) int64, the channels.
        index: by layer (E, U, k) int64, which probes excite each unit most, the strongest first.
        position: by layer (E, U, k, 2) int64, row and column of the strongest neuron.
        activation: by layer (E, U, k) float32.
        frame: by layer (E, U, k, 4) int64, left, top, right, bottom of what that neuron sees; it may reach outside of
            the picture.
        signal: by layer (E, U, s, s, c) int8, the projection of the strongest, in the frame of what its neuron sees.
        scale: by layer (E, U) float32, the magnitude that the code 127 of ``signal`` stands for; 0 for no signal.
        probes: the probe pictures as JPEG files one after another.
        probe_ends: (N,) int64, where each ends.
        size: (H, W) of every probe picture.
        stopped: why the recorder stopped before the end, or "".
    """

    network: str
    epochs: npt.NDArray[np.int64]
    accuracy: npt.NDArray[np.float64]
    loss: npt.NDArray[np.float64]
    units: dict[str, npt.NDArray[np.int64]]
    index: dict[str, npt.NDArray[np.int64]]
    position: dict[str, npt.NDArray[np.int64]]
    activation: dict[str, npt.NDArray[np.float32]]
    frame: dict[str, npt.NDArray[np.int64]]
    signal: dict[str, npt.NDArray[np.int8]]
    scale: dict[str, npt.NDArray[np.float32]]
    probes: Bytes
    probe_ends: npt.NDArray[np.int64]
    size: tuple[int, int]
    stopped: str = ""

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> "Evolution":
        """Reads the folder of a recorder, also while it still records.

        Raises:
            MissingFile: there is no recording.
            BadValue: there is no snapshot yet, or a file is damaged.
        """
        place = Path(folder)
        about, epochs = files.about_of(place), files.epochs_in(place)
        stopped = files.read_stopped(place)
        if not epochs:
            why = (
                f"; the recorder stopped: {stopped}" if stopped else "; the first comes after the first epoch asked for"
            )
            raise BadValue(f"{place} holds no snapshot yet{why}.")
        names = list(about["layers"])
        taken = [files.read_snapshot(place, epoch, names) for epoch in epochs]
        probes, ends = files.read_probes(place)

        def stacked(field: str) -> dict[str, Any]:
            return {name: np.stack([getattr(each.layers[name], field) for each in taken]) for name in names}

        position = stacked("position")
        return cls(
            network=about["network"],
            epochs=np.array(epochs, dtype=np.int64),
            accuracy=np.array([each.accuracy for each in taken]),
            loss=np.array([each.loss for each in taken]),
            units={name: np.array(each["channels"], dtype=np.int64) for name, each in about["layers"].items()},
            index=stacked("index"),
            position=position,
            activation=stacked("activation"),
            frame={name: _frames(place_of(about, name), position[name]) for name in names},
            signal=stacked("signal"),
            scale=stacked("scale"),
            probes=probes,
            probe_ends=ends,
            size=tuple(about["size"]),
            stopped=stopped,
            provenance=Provenance.of("evolution", inputs=("folder",)),
        )

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers, in the order of execution."""
        return tuple(self.units)

    @property
    def box(self) -> dict[str, npt.NDArray[np.int64]]:
        """By layer (E, U, k, 4), the part of each frame that lies within the picture."""
        height, width = self.size
        return {name: np.clip(each, 0, (width, height, width, height)) for name, each in self.frame.items()}

    @cached_property
    def settling(self) -> dict[str, Settling]:
        """How early each layer settles; see `Settling`."""
        return {name: settling_of(self.epochs, self.signal[name], self.index[name][:, :, 0]) for name in self.layers}

    def probe(self, index: int) -> Bytes:
        """A probe picture (H, W, 3) as the network sees it, but for the losses of JPEG."""
        return encode.read(self.jpeg(index))

    def jpeg(self, index: int) -> bytes:
        """A probe picture as the bytes of a JPEG file."""
        if not 0 <= index < len(self.probe_ends):
            raise BadValue(f"There is no probe {index}. Accepted: 0 to {len(self.probe_ends) - 1}.")
        start = int(self.probe_ends[index - 1]) if index else 0
        return self.probes[start : int(self.probe_ends[index])].tobytes()

    def row(self, unit: str | Unit) -> tuple[str, int]:
        """The layer of a recorded unit, and its row in the layer's arrays.

        Raises:
            UnknownName: the unit was not recorded.
            BadValue: no address.
        """
        address = Unit.parse(unit)
        if address.layer not in self.units:
            raise unknown_name("recorded layer", address.layer, self.units)
        found = np.flatnonzero(self.units[address.layer] == address.channel)
        if not len(found):
            recorded = [f"{address.layer}:{channel}" for channel in self.units[address.layer]]
            raise unknown_name("recorded unit", str(address.whole), recorded)
        return address.layer, int(found[0])

    def projections(self, unit: str | Unit) -> Bytes:
        """A unit's projections at all snapshots, (E, s, s, 3); grey is zero.

        Example:
            >>> from convviz_widgets.methods.deconvnet.evolution import evolution
            >>> evolution("mini").projections("relu1:3").shape
            (9, 7, 7, 3)

        Raises:
            UnknownName, BadValue: the unit was not recorded.
        """
        layer, row = self.row(unit)
        return np.stack([tile_of(each) for each in self.signal[layer][:, row]])

    def crops(self, unit: str | Unit, epoch: int) -> list[Bytes]:
        """What a unit saw in its strongest probes at a recorded epoch: up to k pictures (h, w, 3).

        Raises:
            UnknownName, BadValue: the unit or the epoch was not recorded.
        """
        layer, row = self.row(unit)
        if epoch not in self.epochs:
            raise BadValue(f"Epoch {epoch} was not recorded. Accepted: {self.epochs.tolist()}.")
        at = int(np.flatnonzero(self.epochs == epoch)[0])
        pairs = zip(self.index[layer][at, row], self.box[layer][at, row], strict=True)
        return [self.probe(int(index))[box[1] : box[3], box[0] : box[2]] for index, box in pairs]

    def picture(self) -> Bytes:
        """Rows of units, columns of snapshots, as figure 4 of Zeiler & Fergus 2013."""
        rows = [f"{name}:{channel}" for name in self.layers for channel in self.units[name][:UNITS_SHOWN]]
        tiles = [_enlarged(tile) for unit in rows for tile in self.projections(unit)]
        captions = [f"epoch {epoch}" if at else unit for unit in rows for at, epoch in enumerate(self.epochs)]
        return grid.montage(tiles, columns=len(self.epochs), captions=captions)

    def figure(self) -> Any:
        """The cosine to the last snapshot for each layer, and the held-out accuracy, by epoch."""
        lines: dict[str, npt.ArrayLike] = {name: each.to_last for name, each in self.settling.items()}
        if not np.isnan(self.accuracy).all():
            lines |= {"held-out accuracy": self.accuracy}
        figure = charts.curve(
            lines,
            places=self.epochs,
            title=f"{self.network}: how early its layers settle",
            x="epoch",
            y="cosine to the last snapshot",
        )
        return figure.update_traces(mode="lines+markers")

    def caption(self) -> str:
        """What the picture shows."""
        told = f"Strongest projections of units of {self.network} (rows) after epochs {_listed(self.epochs)} (columns)"
        return f"{told}. The recorder stopped: {self.stopped}" if self.stopped else told

    def table(self) -> list[tuple[object, ...]]:
        """One row per layer: name, units, epoch from which it is settled, mean cosine to the last at each snapshot."""
        rows: list[tuple[object, ...]] = []
        for name, each in self.settling.items():
            settled = each.settled()
            cosines = ("" if np.isnan(value) else f"{value:.2f}" for value in each.to_last)
            rows.append((name, len(self.units[name]), "not before the end" if settled is None else settled, *cosines))
        return rows

    def _repr_html_(self) -> str:
        titles = (
            "layer",
            "units",
            f"settled (cosine ≥ {THRESHOLD:g}) from epoch",
            *(f"@{each}" for each in self.epochs),
        )
        rows = self.table()
        if not np.isnan(self.accuracy).all():
            rows.append(
                ("held-out accuracy", "", "", *("" if np.isnan(each) else f"{each:.1%}" for each in self.accuracy))
            )
        table = html.table(titles, rows, caption="Cosine of projections to those of the last snapshot, mean over units")
        shown = html.picture(self.picture(), self.caption())
        return html.block(shown, table, html.faint(self.caption()), label=self.caption())


def tile_of(signal: npt.NDArray[np.int8]) -> Bytes:
    """A kept projection (s, s, c) as a picture (s, s, 3)."""
    return signal_picture(np.moveaxis(signal.astype(np.float32) / LEVELS, -1, 0))


def place_of(about: dict[str, Any], name: str) -> Place:
    """A recorded layer, from what the recording tells of itself."""
    told = about["layers"][name]
    field = None if told["field"] is None else ReceptiveField(*(tuple(each) for each in told["field"]))
    return Place(name, tuple(told["channels"]), field, told["side"], tuple(about["size"]))


def _frames(place: Place, position: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    flat = [place.frame((int(row), int(column))).as_tuple() for row, column in position.reshape(-1, 2)]
    return np.array(flat, dtype=np.int64).reshape(*position.shape[:-1], 4)


def _enlarged(tile: Bytes) -> Bytes:
    times = max(1, TILE // len(tile))
    return tile.repeat(times, axis=0).repeat(times, axis=1)


def _listed(epochs: Sequence[int] | npt.NDArray[np.int64]) -> str:
    return ", ".join(str(each) for each in epochs)
