"""The evolution viewer: features coming about, under a slider over the epochs of a training."""

from typing import Any

import numpy as np
import numpy.typing as npt
import traitlets

from convviz_widgets.core.errors import BadType, BadValue
from convviz_widgets.core.unit import Unit
from convviz_widgets.methods.deconvnet.evolution_report import Evolution, tile_of
from convviz_widgets.methods.deconvnet.settling import THRESHOLD
from convviz_widgets.render import grid
from convviz_widgets.render.encode import png
from convviz_widgets.widgets.base import Widget, joined

AT_ONCE = 8_000_000  # bytes of projections up to which the browser holds all layers, so that it needs no kernel
ROWS = 8  # units of the still picture


class EvolutionViewer(Widget):
    """How features come about: a slider over epochs, units as rows with their projections and strongest pictures.

    Beside them the held-out accuracy with a mark at the epoch that is shown, and how early each layer settles. The
    browser holds what it shows, so that the slider works without a kernel too.

    Example:
        >>> from convviz_widgets.methods.deconvnet.evolution import evolution
        >>> viewer = EvolutionViewer(evolution("mini"), unit="relu2:3", shown=3)
        >>> viewer.unit, viewer.epoch
        ('relu2:3', 5)

    Args:
        recorded: what an `EvolutionRecorder` recorded, or `evolution` opened.
        unit: address of the unit to begin with; default: the first.
        shown: which snapshot to begin with, from 0; default: the last.

    Raises:
        BadType: something else than an `Evolution`.
        UnknownName, BadValue: a unit or a snapshot that was not recorded.

    Source:
        After Zeiler & Fergus 2013, "Visualizing and Understanding Convolutional Networks", figure 4.
    """

    _esm = joined(*("_kit.js", "_kit_controls.js", "_evolution_rows.js", "_evolution_curves.js", "evolution_viewer.js"))
    _css = joined("_kit.css", "_kit_controls.css", "_viewer.css", "evolution_viewer.css")

    unit = traitlets.Unicode("").tag(sync=True)
    """Address of the unit, ``layer:channel``; its layer is what is shown. Linkable; one not recorded is told of."""
    shown = traitlets.Int(0).tag(sync=True)
    """Which snapshot is shown, from 0. The slider tells it when it is let go."""
    overview = traitlets.Dict({}).tag(sync=True)
    """What does not change: {"network", "epochs", "accuracy", "stopped", "threshold", "layers", "probes"}."""
    sheets = traitlets.Dict({}).tag(sync=True)
    """By layer, what `sheet_of` gives; all layers, or of a large recording the one that is shown."""

    def __init__(
        self, recorded: Evolution, *, unit: str | Unit | None = None, shown: int | None = None, **traits: Any
    ) -> None:
        if not isinstance(recorded, Evolution):
            raise BadType(
                f"A {type(recorded).__name__} is no evolution. Accepted: what cv.evolution(folder) opens, or "
                "recorder.evolution() gives."
            )
        self.recorded = recorded
        first = recorded.layers[0]
        address = Unit(first, int(recorded.units[first][0])) if unit is None else Unit.parse(unit).whole
        recorded.row(address)
        super().__init__(
            unit=str(address),
            shown=len(recorded.epochs) - 1 if shown is None else shown,
            overview=overview_of(recorded),
            sheets=self._sheets_for(address.layer),
            **traits,
        )  # at once: no view comes before them

    @property
    def epoch(self) -> int:
        """The epoch that is shown."""
        return int(self.recorded.epochs[self.shown])

    def receive(self, message: dict[str, Any], buffers: list[memoryview]) -> None:  # noqa: ARG002 -- it carries none
        """Takes over where the slider stands, or which unit was chosen."""
        if message["kind"] == "show":
            self.shown = int(message["shown"])
        elif message["kind"] == "look":
            self.unit = str(message["unit"])
        else:
            raise BadValue(f"The browser asked for {message['kind']!r}, which is not known here.")

    def still(self) -> npt.NDArray[np.uint8]:
        """The layer's first units, one row each: the projection at every snapshot."""
        recorded, layer = self.recorded, self._layer()
        epochs = recorded.epochs.tolist()
        units = [f"{layer}:{channel}" for channel in recorded.units[layer][:ROWS]]
        tiles = [tile for unit in units for tile in recorded.projections(unit)]
        captions = [f"epoch {epoch}" if at else unit for unit in units for at, epoch in enumerate(epochs)]
        return grid.montage(tiles, columns=len(epochs), captions=captions, scale=max(1, 56 // len(tiles[0])))

    def _layer(self) -> str:
        layer = Unit.parse(self.unit).layer
        return layer if layer in self.recorded.units else next(iter(self.sheets))

    def _sheets_for(self, layer: str) -> dict[str, Any]:
        """All sheets if they are small together, else that of one layer."""
        small = sum(each.nbytes for each in self.recorded.signal.values()) <= AT_ONCE
        return {name: sheet_of(self.recorded, name) for name in (self.recorded.layers if small else (layer,))}

    @traitlets.validate("shown")
    def _check_shown(self, proposal: Any) -> int:
        most = len(self.recorded.epochs) - 1
        if not 0 <= proposal["value"] <= most:
            raise BadValue(f"There is no snapshot {proposal['value']}. Accepted: 0 to {most}.")
        return int(proposal["value"])

    @traitlets.validate("unit")
    def _check_unit(self, proposal: Any) -> str:
        return str(Unit.parse(proposal["value"]).whole)

    @traitlets.observe("unit")
    def _show_its_layer(self, change: Any) -> None:
        layer = Unit.parse(change.new).layer
        if self.sheets and layer in self.recorded.units and layer not in self.sheets:
            self.write(sheets=self._sheets_for(layer))

    def __repr__(self) -> str:
        units = sum(map(len, self.recorded.units.values()))
        return f"EvolutionViewer({self.recorded.network}, {len(self.recorded.epochs)} epochs, {units} units)"


def overview_of(recorded: Evolution) -> dict[str, Any]:
    """What does not change, for the browser; numbers that are not known are None.

    Returns:
        "network"; "epochs"; "accuracy" and "loss" per epoch; "stopped"; "threshold" of settling; "layers": a list of
        {"name", "units", "side", "settled", "to_last", "jumped"}; "probes": JPEG files.
    """
    layers = [
        {
            "name": name,
            "units": recorded.units[name].tolist(),
            "side": recorded.signal[name].shape[2],
            "settled": each.settled(),
            "to_last": _known(each.to_last),
            "jumped": _known(each.jumped),
        }
        for name, each in recorded.settling.items()
    ]
    return {
        "network": recorded.network,
        "epochs": recorded.epochs.tolist(),
        "accuracy": _known(recorded.accuracy),
        "loss": _known(recorded.loss),
        "stopped": recorded.stopped,
        "threshold": THRESHOLD,
        "layers": layers,
        "probes": [recorded.jpeg(index) for index in range(len(recorded.probe_ends))],
    }


def sheet_of(recorded: Evolution, layer: str) -> dict[str, Any]:
    """One layer for the browser, of E snapshots, U units and k probes per unit.

    Returns:
        "projections": PNG of U rows and E columns of tiles; "index" (E, U, k) int32 of the probes and "frame"
        (E, U, k, 4) int32 of what is seen in them; "activation" (E, U, k) and "cosine" (U, E), to the last
        snapshot, float32; "many": k.
    """
    signal = recorded.signal[layer]
    rows = [np.concatenate([tile_of(each) for each in signal[:, unit]], axis=1) for unit in range(signal.shape[1])]
    return {
        "projections": png(np.concatenate(rows)),
        "index": recorded.index[layer].astype("<i4").tobytes(),
        "frame": recorded.frame[layer].astype("<i4").tobytes(),
        "activation": recorded.activation[layer].astype("<f4").tobytes(),
        "cosine": recorded.settling[layer].units_to_last.astype("<f4").tobytes(),
        "many": recorded.index[layer].shape[2],
    }


def _known(values: npt.NDArray[np.float64]) -> list[float | None]:
    return [None if np.isnan(value) else round(float(value), 4) for value in values]
