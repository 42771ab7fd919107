"""What a concept browser does on request, a step at a time: pictures, an image grown for a unit, all units together."""

from typing import Any

import numpy as np

from convviz_widgets.core.errors import BadValue, unknown_name
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.unit import Unit
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.activation_maximization.activation_maximization import activation_maximization
from convviz_widgets.methods.dissection import export
from convviz_widgets.methods.dissection.net2vec import net2vec
from convviz_widgets.methods.dissection.report import column_of
from convviz_widgets.render.encode import jpeg
from convviz_widgets.widgets.concept_index import Index
from convviz_widgets.widgets.concept_list import Wanted
from convviz_widgets.widgets.concept_pictures import Gallery, Shot, packed

NO_DATASET = (
    "No pictures: the browser was opened without the dataset. ConceptBrowser(lens, report, dataset) shows them."
)
GROWING = 128  # steps of an image for a unit
LEARNING = 100  # steps of a combination
WEIGHTS_SHOWN = 8
FORMATS = {"csv": "text/csv", "json": "application/json", "html": "text/html"}


class Workshop:
    """Makes what takes longer than numbers, and keeps it. Each method that gives steps is for the lens's worker.

    Args:
        lens: the network.
        index: of the report.
        gallery: the pictures of the dataset, or None.
    """

    def __init__(self, lens: Lens, index: Index, gallery: Gallery | None) -> None:
        self.lens, self.index, self.gallery = lens, index, gallery
        self._grown: dict[str, dict[str, Any]] = {}
        self._combined: dict[str, dict[str, Any]] = {}

    def kept(self, wanted: Wanted) -> dict[str, Any]:
        """What is known already of a unit or concept, as traits; the pictures only if there are or can be none."""
        found: dict[str, Any] = {
            "grown": self._grown.get(wanted.unit, {}) if wanted.face == "unit" else {},
            "combination": self._combined.get(wanted.concept, {}) if wanted.face == "concept" else {},
        }
        if self.gallery is None:
            found["pictures"] = {"of": wanted.key, "items": [], "note": NO_DATASET}
        elif wanted.face == "unit" and self.index.place(Unit.parse(wanted.unit)) < 0:
            found["pictures"] = {"of": wanted.key, "items": [], "note": ""}
        elif (shots := self.gallery.kept(wanted.key)) is not None:
            found["pictures"] = told_pictures(wanted.key, shots)
        return found

    def shots(self, wanted: Wanted) -> list[Shot]:
        """The pictures of a unit or concept that have been made."""
        return [] if self.gallery is None else self.gallery.kept(wanted.key) or []

    def picture(self, wanted: Wanted) -> Steps[dict[str, Any]]:
        """The pictures of a unit or of a concept, as a trait."""
        if self.gallery is None:
            raise BadValue(NO_DATASET)
        if wanted.face == "unit":
            shots = yield from self.gallery.of_unit(Unit.parse(wanted.unit))
        else:
            column = column_of(self.index.report.concepts, wanted.concept)
            shots = yield from self.gallery.of_concept(wanted.concept, column, self._best_unit(column))
        return told_pictures(wanted.key, shots)

    def grow(self, unit: str) -> Steps[dict[str, Any]]:
        """An image grown for a unit: {"unit", "jpeg", "size", "activation", "note"}."""
        if not unit:
            raise BadValue("No unit is chosen to grow an image for. Choose one in the list.")
        if unit not in self._grown:
            made = yield from activation_maximization.steps(self.lens, unit, steps=GROWING)
            self._grown[unit] = {
                "unit": unit,
                "jpeg": jpeg(made.image, quality=92),
                "size": list(made.image.shape[:2]),
                "activation": made.activation,
                "note": made.stopped,
            }
        return self._grown[unit]

    def combine(self, concept: str, layer: str) -> Steps[dict[str, Any]]:
        """All units of a layer together for a concept, beside the best single one.

        Returns:
            {"concept", "layer", "iou", "single", "single_iou", "weights", "curve", "pictures", "items"}: the IoU are on
            pictures kept apart from learning; "weights" are the largest, [unit, weight]; "curve" is [units used, IoU];
            "items" hold the pictures of the concept with the masks of the combination and of the single unit.
        """
        if self.gallery is None:
            raise BadValue(NO_DATASET)
        if not concept:
            raise BadValue("No concept is chosen. Choose one in the list of concepts, or on a unit's card.")
        column = column_of(self.index.report.concepts, concept)
        layer = layer or self._best_unit(column).layer
        if layer not in self.index.report.layers:
            raise unknown_name("layer of this report", layer, self.index.report.layers)
        dataset, report = self.gallery.dataset, self.index.report
        width = self.lens.layers[layer].channels
        fewer = [4**power for power in range(6) if 4**power < width]
        made = yield from net2vec.steps(
            self.lens, dataset, layer, concept, units=[*fewer, width], steps=LEARNING, report=report
        )
        shots = self.gallery.kept(concept)
        if shots is None:
            shots = yield from self.gallery.of_concept(concept, column, self._best_unit(column))
        items = []
        for place, shot in enumerate(shots):
            sample = dataset[shot.place]
            single = self.gallery.shot(shot.place, Unit(layer, made.best_single), column)
            told = shot.told()
            told["mask"] = packed(single.mask, *told["size"])
            told["combined"] = packed(made.mask(self.lens, sample.image), *told["size"])
            items.append(told)
            yield Step(place + 1, len(shots), label="pictures")
        order = np.argsort(-np.abs(made.weights), kind="stable")[:WEIGHTS_SHOWN]
        self._combined[concept] = {
            "concept": concept,
            "layer": layer,
            "iou": made.iou,
            "single": f"{layer}:{made.best_single}",
            "single_iou": made.best_single_iou,
            "weights": [[f"{layer}:{unit}", float(made.weights[unit])] for unit in order],
            "curve": [[int(count), float(iou)] for count, iou in zip(made.units, made.iou_by_units, strict=True)],
            "pictures": list(made.pictures),
            "items": items,
        }
        return self._combined[concept]

    def file(self, kind: str) -> Steps[tuple[str, str, bytes]]:
        """The report as a file: its name, its type and its bytes."""
        report = self.index.report
        yield Step(0, label=f"writing {kind}")
        if kind == "html":
            dataset = None if self.gallery is None else self.gallery.dataset
            text = yield from export.to_html.steps(report, self.lens, dataset)
        else:
            text = export.to_csv(report) if kind == "csv" else export.to_json(report)
        return f"dissection-{self.lens.name}.{kind}", FORMATS[kind], text.encode()

    def _best_unit(self, column: int) -> Unit:
        """The unit that overlaps best with a concept; the first of all where none does."""
        return Unit.parse(self.index.crests.unit(column) or str(self.index.unit(0)))


def told_pictures(key: str, shots: list[Shot]) -> dict[str, Any]:
    """Pictures as a trait."""
    note = "" if shots else "None of the pictures looked through shows it."
    return {"of": key, "items": [each.told() for each in shots], "note": note}
