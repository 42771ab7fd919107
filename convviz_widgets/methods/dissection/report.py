"""What each unit stands for: overlaps with every concept, detectors, and how many different concepts they detect."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.core.errors import BadValue, unknown_name
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.dissection.upsampling import axes, upsampled
from convviz_widgets.render import charts, html
from convviz_widgets.render.result import Result

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
By = Literal["unit", "category"]


class Concept(NamedTuple):
    """One thing that pixels are labelled with."""

    id: int
    name: str
    category: str


class Detector(NamedTuple):
    """A unit whose mask covers a concept's better than the limit."""

    unit: int
    concept: Concept
    iou: float


@dataclass(frozen=True, eq=False)
class LayerReport:
    """What the K units of one layer stand for, among C concepts.

    Args:
        name: of the layer.
        concepts: (C,) in the order of the columns.
        iou: (K, C) intersection over union, over the pictures with any label of the concept's category; 0 where neither
            the unit's mask nor the concept has a pixel there.
        thresholds: (K,) what an activation must reach.
        best: (K,) id of the concept with the largest IoU, or 0 where the unit's mask meets no concept.
        limit: a detector has a larger IoU.
        shared, active, labelled: the counts behind: (K, C), (K, categories), (C,) pixels.
        top_index: (K, k) places of the pictures that excite each unit most, -1 where there are fewer.
        top_position: (K, k, 2) row and column of the strongest neuron.
        top_activation: (K, k).
    """

    name: str
    concepts: tuple[Concept, ...]
    iou: npt.NDArray[np.float64]
    thresholds: Floats
    best: Integers
    limit: float
    shared: Integers
    active: Integers
    labelled: Integers
    top_index: Integers
    top_position: Integers
    top_activation: Floats

    def __len__(self) -> int:
        return len(self.iou)

    @cached_property
    def best_iou(self) -> npt.NDArray[np.float64]:
        """(K,) the largest IoU of each unit."""
        return np.asarray(self.iou.max(axis=1))

    def concept(self, unit: int) -> Concept | None:
        """What a unit overlaps best with."""
        return next((each for each in self.concepts if each.id == self.best[unit]), None)

    def column(self, concept: Any) -> int:
        """The column of a concept, by id, by name or as it is.

        Raises:
            UnknownName: there is no such concept.
        """
        return column_of(self.concepts, concept)

    def detectors(self, limit: float | None = None) -> list[Detector]:
        """Every unit whose best IoU is above the limit, the best first."""
        limit = self.limit if limit is None else limit
        order = np.argsort(-self.best_iou, kind="stable")
        found = [(int(unit), self.concept(unit)) for unit in order if self.best_iou[unit] > limit]
        return [Detector(unit, concept, float(self.best_iou[unit])) for unit, concept in found if concept is not None]

    def units_of(self, concept: Any, limit: float | None = None) -> list[Detector]:
        """The units that overlap with a concept above the limit, the best first, whatever else they detect."""
        column, limit = self.column(concept), self.limit if limit is None else limit
        order = np.argsort(-self.iou[:, column], kind="stable")
        chosen = [int(unit) for unit in order if self.iou[unit, column] > limit]
        return [Detector(unit, self.concepts[column], float(self.iou[unit, column])) for unit in chosen]

    def unique(self, by: By = "unit", limit: float | None = None) -> dict[str, tuple[Concept, ...]]:
        """The different concepts that units detect, by category.

        Two ways of counting circulate, and differ by a fifth in published figures. By "unit", each unit stands for the
        one concept it overlaps best with. By "category", it stands for its best concept in each category, so that one
        unit can count for several.

        Raises:
            UnknownName: another way of counting.
        """
        if by not in get_args(By):
            raise unknown_name("way of counting", by, get_args(By))
        limit = self.limit if limit is None else limit
        category = np.array([each.category for each in self.concepts])
        found = {}
        for name in dict.fromkeys(category):
            columns = np.flatnonzero(category == name)
            within = self.iou[:, columns]
            place = within.argmax(axis=1)
            counts = within[np.arange(len(within)), place] > limit
            if by == "unit":
                counts &= np.isin(self.best, [self.concepts[column].id for column in columns])
            found[str(name)] = tuple(self.concepts[column] for column in np.unique(columns[place[counts]]))
        return found


@dataclass(frozen=True, eq=False, repr=False)
class Dissection(Result):
    """What units of several layers stand for. ``layers[name]`` is the `LayerReport` of one.

    Args:
        concept_ids, concept_names, concept_categories: of the C concepts, in the order of the columns.
        limit: IoU above which a unit is a detector.
        labelled: (C,) pixels with each concept.
        thresholds, shared, active, top_index, top_position, top_activation: per layer, as in `LayerReport`.
        density: pixels counted along the prepared picture's rows and columns, per pixel of it.
        count: pictures counted.
        skipped: names of pictures that could not be read, with the reason.
        pace: per worker the pictures it ran and the seconds it took.
    """

    concept_ids: Integers
    concept_names: tuple[str, ...]
    concept_categories: tuple[str, ...]
    limit: float
    labelled: Integers
    thresholds: Mapping[str, Floats]
    shared: Mapping[str, Integers]
    active: Mapping[str, Integers]
    top_index: Mapping[str, Integers]
    top_position: Mapping[str, Integers]
    top_activation: Mapping[str, Floats]
    density: tuple[float, float]
    count: int
    skipped: tuple[str, ...]
    pace: Mapping[str, tuple[int, float]] = field(compare=False)

    @cached_property
    def concepts(self) -> tuple[Concept, ...]:
        """What pixels were labelled with."""
        rows = zip(self.concept_ids.tolist(), self.concept_names, self.concept_categories, strict=True)
        return tuple(Concept(*row) for row in rows)

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """In the order of their first concept."""
        return tuple(dict.fromkeys(self.concept_categories))

    @cached_property
    def layers(self) -> dict[str, LayerReport]:
        """The report of each layer."""
        return {name: self._report(name) for name in self.thresholds}

    def masks(self, lens: Lens, image: Any, layer: str, units: Any = None) -> npt.NDArray[np.bool_]:
        """Where units reach their thresholds in a picture, (units, H, W), pixel by pixel of ``lens.picture(image)``.

        Args:
            lens: the network the report is of.
            image: a picture, or a sample.
            layer: name of the layer.
            units: channels; default: all.
        """
        prepared = lens.prepare(image)
        maps = lens.activations(image, layer)[0].float()
        maps = maps if maps.ndim == 3 else maps.reshape(len(maps), 1, -1)
        chosen = np.arange(len(maps)) if units is None else np.atleast_1d(np.asarray(units))
        size = (int(prepared.shape[2]), int(prepared.shape[3]))
        rows, columns = axes(lens.layers[layer], (int(maps.shape[1]), int(maps.shape[2])), size, size)
        wide = upsampled(maps[torch.from_numpy(chosen).to(maps.device)], rows, columns).cpu().numpy()
        return np.asarray(wide >= self.thresholds[layer][chosen][:, None, None])

    def unique_counts(self, by: By = "unit") -> dict[str, dict[str, int]]:
        """Per layer and category the number of different concepts detected; see `LayerReport.unique`."""
        return {
            name: {category: len(found) for category, found in report.unique(by).items()}
            for name, report in self.layers.items()
        }

    def figure(self, by: By = "unit") -> Any:
        """Unique detectors of each layer, by category."""
        counts = self.unique_counts(by)
        parts = {category: [each[category] for each in counts.values()] for category in self.categories}
        return charts.stacks(list(counts), parts, title="Unique detectors", unit=f"different concepts (by {by})")

    def caption(self) -> str:
        """How many detectors each layer has."""
        told = [
            f"{name}: {len(report.detectors())} of {len(report)} units detect "
            f"{sum(len(each) for each in report.unique().values())} different concepts"
            for name, report in self.layers.items()
        ]
        return "; ".join(told)

    def rows(self) -> list[tuple[str, int, str, str, float, float]]:
        """One row per unit: layer, unit, best concept, its category, IoU, threshold."""
        found = []
        for name, report in self.layers.items():
            for unit in range(len(report)):
                concept = report.concept(unit)
                told = (concept.name, concept.category) if concept else ("", "")
                found.append((name, unit, *told, float(report.best_iou[unit]), float(report.thresholds[unit])))
        return found

    def _repr_html_(self) -> str:
        by_unit, by_category = self.unique_counts("unit"), self.unique_counts("category")
        rows = [
            (name, len(report), len(report.detectors()), sum(by_unit[name].values()), sum(by_category[name].values()))
            for name, report in self.layers.items()
        ]
        head = ("layer", "units", "detectors", "concepts, best of each unit", "concepts, best of each category")
        best = sorted((row for row in self.rows() if row[4] > self.limit), key=lambda row: -row[4])[:12]
        units = [(f"{row[0]}:{row[1]}", row[2], row[3], row[4]) for row in best]
        return html.block(
            html.table(head, rows, caption=f"{self.count} pictures, {len(self.concepts)} concepts"),
            html.table(("unit", "concept", "category", "IoU"), units, caption="Best detectors"),
            html.faint(f"Skipped: {len(self.skipped)}: {'; '.join(self.skipped[:3])}") if self.skipped else "",
            html.faint(self.provenance.summary()),
            label=self.caption(),
        )

    def _report(self, name: str) -> LayerReport:
        if name not in self.thresholds:
            raise unknown_name("layer of this report", name, self.thresholds)
        shared, active = self.shared[name], self.active[name]
        columns = [self.categories.index(each) for each in self.concept_categories]
        union = active[:, columns] + self.labelled - shared
        iou = np.divide(shared, union, out=np.zeros(shared.shape), where=union > 0)
        best = np.where(iou.max(axis=1) > 0, self.concept_ids[iou.argmax(axis=1)], 0)
        for array in (iou, best):
            array.flags.writeable = False
        return LayerReport(
            name=name,
            concepts=self.concepts,
            iou=iou,
            thresholds=self.thresholds[name],
            best=best,
            limit=self.limit,
            shared=shared,
            active=active,
            labelled=self.labelled,
            top_index=self.top_index[name],
            top_position=self.top_position[name],
            top_activation=self.top_activation[name],
        )


def column_of(concepts: tuple[Concept, ...], concept: Any) -> int:
    """Where a concept stands, given by id, by name ("sky", or "object: sky" where two share a name) or as it is.

    Raises:
        UnknownName: there is none.
        BadValue: two concepts of different categories have that name.
    """
    wanted = getattr(concept, "id", concept)
    if isinstance(wanted, int | np.integer) and not isinstance(wanted, bool):
        found = [place for place, each in enumerate(concepts) if each.id == wanted]
    else:
        found = [
            place for place, each in enumerate(concepts) if str(wanted) in (each.name, f"{each.category}: {each.name}")
        ]
    if len(found) > 1:
        told = [f"{concepts[place].category}: {concepts[place].name}" for place in found]
        raise BadValue(f"{wanted!r} is the name of several concepts. Accepted: one of {told}, or an id.")
    if not found:
        raise unknown_name("concept", wanted, [each.name for each in concepts])
    return found[0]
