"""Of each concept of a report its best unit and the number of its detectors, over some layers."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from convviz_widgets.methods.dissection.report import Concept, Dissection, LayerReport


class Crests:
    """What a report says of each concept.

    Args:
        report: the report.
        concepts: in whose order; default: the report's own. One that the report lacks, by category and name, has none.
        layer: only of this one; "" for all.

    Attributes:
        iou: (C,) of each concept with its best unit.
        detectors: (C,) number of units whose IoU with it is above the report's limit, whatever else they detect.
    """

    def __init__(self, report: Dissection, concepts: Sequence[Concept] | None = None, *, layer: str = "") -> None:
        self.report = report
        self.layers = [each for name, each in report.layers.items() if layer in ("", name)]
        wanted = report.concepts if concepts is None else concepts
        self.columns = _columns(report.concepts, wanted)
        known = np.flatnonzero(self.columns >= 0)
        best = np.array([each.iou.max(axis=0) for each in self.layers])[:, self.columns[known]]
        self.iou: npt.NDArray[np.float64] = np.zeros(len(wanted))
        self.detectors: npt.NDArray[np.int64] = np.zeros(len(wanted), dtype=np.int64)
        self._layer = np.zeros(len(wanted), dtype=np.int64)
        self.iou[known] = best.max(axis=0)
        self._layer[known] = best.argmax(axis=0)
        counts = sum((each.iou > each.limit).sum(axis=0) for each in self.layers)
        self.detectors[known] = np.asarray(counts)[self.columns[known]]

    def unit(self, place: int) -> str:
        """The address of a concept's best unit, or "" where no mask meets it."""
        if self.iou[place] <= 0:
            return ""
        layer = self.layers[self._layer[place]]
        return f"{layer.name}:{int(layer.iou[:, self.columns[place]].argmax())}"

    def units(self, place: int, most: int) -> list[tuple[str, float]]:
        """The best units of a concept over the layers, with their IoU; those whose mask never meets it are left out."""
        column = self.columns[place]
        if column < 0:
            return []
        found = [(each.name, unit, iou) for each in self.layers for unit, iou in _strongest(each, column, most)]
        found.sort(key=lambda each: -each[2])
        return [(f"{layer}:{unit}", iou) for layer, unit, iou in found[:most] if iou > 0]

    def by_layer(self, place: int) -> list[tuple[str, int, float]]:
        """Of each layer its name, the number of a concept's detectors, and the best IoU."""
        column = self.columns[place]
        if column < 0:
            return []
        return [
            (each.name, int((each.iou[:, column] > each.limit).sum()), float(each.iou[:, column].max()))
            for each in self.layers
        ]


def _strongest(layer: LayerReport, column: int, most: int) -> list[tuple[int, float]]:
    values = layer.iou[:, column]
    return [(int(unit), float(values[unit])) for unit in np.argsort(-values, kind="stable")[:most]]


def _columns(have: Sequence[Concept], wanted: Sequence[Concept]) -> npt.NDArray[np.int64]:
    """Where each wanted concept stands among those there are, by category and name; -1 for none."""
    places = {(each.category, each.name): column for column, each in enumerate(have)}
    return np.array([places.get((each.category, each.name), -1) for each in wanted], dtype=np.int64)
