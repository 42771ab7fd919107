"""A dissection report as lists to search, filter and sort; of any list only the rows in view are made."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from convviz_widgets.core.errors import BadType, BadValue, unknown_name
from convviz_widgets.core.unit import Unit
from convviz_widgets.methods.dissection.report import Dissection
from convviz_widgets.widgets.concept_crests import Crests

Things = Literal["units", "concepts"]
ORDERS: dict[str, tuple[str, ...]] = {
    "units": ("iou", "concept", "unit"),
    "concepts": ("detectors", "iou", "concept", "difference"),
}
NOTHING = -1  # column of a unit whose mask meets no concept
Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Query:
    """Which rows, and in what order.

    Args:
        things: rows are units, or concepts.
        text: part of a concept's name or of a unit's address; a number alone is a channel.
        category: only concepts of this one; "" for all.
        layer: only units of this one; "" for all.
        low, high: IoU of the rows, both included.
        order: "iou", "concept" (by name), "unit" (by layer and channel), "detectors" (most first), or "difference"
            between the best IoU of two reports.
    """

    things: Things = "units"
    text: str = ""
    category: str = ""
    layer: str = ""
    low: float = 0.0
    high: float = 1.0
    order: str = "iou"

    def changed(self, change: Mapping[str, Any], report: Dissection) -> "Query":
        """With some fields changed; where the new kind of rows has not the present order, its first is taken.

        Raises:
            UnknownName, BadValue, BadType: a field or value that does not exist.
        """
        known = asdict(self)
        for name, value in change.items():
            if name not in known:
                raise unknown_name("field of a query", name, known)
            number = name in ("low", "high")
            if not isinstance(value, int | float if number else str):
                raise BadType(f"`{name}` of a query is {value!r}. Accepted: {'a number' if number else 'text'}.")
        made = replace(self, **change)
        _check("kind of rows", made.things, tuple(ORDERS))
        _check("category of this report", made.category, ("", *report.categories))
        _check("layer of this report", made.layer, ("", *report.layers))
        if made.order not in ORDERS[made.things] and "order" not in change:
            made = replace(made, order=ORDERS[made.things][0])
        _check(f"order of {made.things}", made.order, ORDERS[made.things])
        if not 0 <= made.low <= made.high <= 1:
            raise BadValue(f"IoU from {made.low:g} to {made.high:g} holds nothing. Accepted: 0 <= low <= high <= 1.")
        return made


@dataclass(frozen=True, eq=False)
class Found:
    """The rows of a query, in order.

    Args:
        place: (N,) place of each unit among those of all layers, or column of each concept.
        column: (N,) column of the concept shown with a unit, `NOTHING` where there is none; of a concept, itself.
        iou: (N,) of that pair; of a concept, with its best unit.
        crests: where rows are concepts, what is known of them over the layers asked for.
    """

    place: Integers
    column: Integers
    iou: Floats
    crests: Crests | None = None

    def __len__(self) -> int:
        return len(self.place)

    def row_of(self, place: int) -> int:
        """The row of a unit or concept, or -1."""
        rows = np.flatnonzero(self.place == place)
        return int(rows[0]) if len(rows) else -1


class Index:
    """The units and concepts of a report.

    Args:
        report: the report.
        other: another one to compare it with, of any network, or None. Concepts are the same by category and name.
    """

    def __init__(self, report: Dissection, other: Dissection | None = None) -> None:
        self.report, self.other = report, other
        self.layers = tuple(report.layers.values())
        sizes = [len(each) for each in self.layers]
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).tolist()
        self._starts: dict[str, int] = dict(zip(report.layers, starts, strict=True))
        self._layer = np.repeat(np.arange(len(sizes)), sizes)
        self._names = np.array([each.name.casefold() for each in report.concepts])
        self._category = np.array(report.concept_categories)
        rank = np.argsort(np.argsort(self._names, kind="stable"), kind="stable")
        self._rank = np.append(rank, len(rank))  # the last, at NOTHING, is after all names

    def __len__(self) -> int:
        return len(self._layer)

    @cached_property
    def crests(self) -> Crests:
        """What is known of each concept over all layers."""
        return Crests(self.report)

    @cached_property
    def others(self) -> Crests | None:
        """The same of the other report, in this one's order of concepts."""
        return None if self.other is None else Crests(self.other, self.report.concepts)

    def unit(self, place: int) -> Unit:
        """The unit at a place among those of all layers."""
        layer = self.layers[self._layer[place]].name
        return Unit(layer, place - self._starts[layer])

    def place(self, unit: Unit) -> int:
        """The place of a unit, or -1 where the report has none."""
        layer = self.report.layers.get(unit.layer)
        return -1 if layer is None or unit.channel >= len(layer) else self._starts[unit.layer] + unit.channel

    def find(self, query: Query) -> Found:
        """The rows of a query. Takes milliseconds for thousands of units."""
        return self._units(query) if query.things == "units" else self._concepts(query)

    def rows(self, found: Found, start: int, stop: int) -> list[list[Any]]:
        """Some rows, as the browser shows them.

        Of units [unit, concept, category, IoU, whether it is above the limit]; of concepts [concept, category,
        detectors, best unit, IoU], and of the other report, where there is one, detectors and IoU.
        """
        part = slice(max(0, start), max(0, stop))
        rows = zip(found.place[part].tolist(), found.column[part].tolist(), found.iou[part].tolist(), strict=True)
        if found.crests is None:
            limit = self.report.limit
            return [
                [str(self.unit(place)), *self._named(column), round(iou, 4), iou > limit] for place, column, iou in rows
            ]
        crests, others = found.crests, self.others
        return [
            [
                *(*self._named(place), int(crests.detectors[place]), crests.unit(place), round(iou, 4)),
                *([] if others is None else [int(others.detectors[place]), round(float(others.iou[place]), 4)]),
            ]
            for place, _, iou in rows
        ]

    def _named(self, column: int) -> tuple[str, str]:
        return ("", "") if column == NOTHING else self.report.concepts[column][1:]

    def _units(self, query: Query) -> Found:
        parts = [self._units_of(number, query) for number, name in enumerate(self._starts) if query.layer in ("", name)]
        place, column, iou = (np.concatenate(each) for each in zip(*parts, strict=True))
        keys = {"iou": (place, -iou), "concept": (place, -iou, self._rank[column]), "unit": (place,)}
        order = np.lexsort(keys[query.order])
        return Found(place[order], column[order], iou[order])

    def _units_of(self, number: int, query: Query) -> tuple[Integers, Integers, Floats]:
        """Places, columns and IoU of the units of one layer that are asked for."""
        layer, text, columns = self.layers[number], query.text.strip().casefold(), self._columns(query.category)
        column, iou = _best(layer.iou, columns)
        chosen = np.ones(len(layer), dtype=bool)
        if text:
            chosen = _addressed(layer.name, len(layer), text)
            named = columns[np.char.find(self._names[columns], text) >= 0]
            if len(named):  # a unit that was found by a concept is shown with that one
                wanted, overlap = _best(layer.iou, named)
                hit = (overlap > layer.limit) | ((wanted == column) & (overlap > 0))
                column, iou, chosen = np.where(hit, wanted, column), np.where(hit, overlap, iou), chosen | hit
        chosen &= (iou >= query.low) & (iou <= query.high)
        units = np.flatnonzero(chosen)
        return self._starts[layer.name] + units, column[units], iou[units]

    def _concepts(self, query: Query) -> Found:
        crests = Crests(self.report, layer=query.layer) if query.layer else self.crests
        columns = self._columns(query.category)
        chosen = (crests.iou[columns] >= query.low) & (crests.iou[columns] <= query.high)
        chosen &= np.char.find(self._names[columns], query.text.strip().casefold()) >= 0
        columns = columns[chosen]
        iou, rank = crests.iou[columns], self._rank[columns]
        apart = iou if self.others is None else np.abs(iou - self.others.iou[columns])
        keys: dict[str, tuple[Any, ...]] = {
            "detectors": (rank, -iou, -crests.detectors[columns]),
            "iou": (rank, -iou),
            "concept": (rank,),
            "difference": (rank, -apart),
        }
        columns = columns[np.lexsort(keys[query.order])]
        return Found(columns, columns, crests.iou[columns], crests)

    def _columns(self, category: str) -> Integers:
        return np.flatnonzero(self._category == category) if category else np.arange(len(self._category))


def _best(iou: Floats, columns: Integers) -> tuple[Integers, Floats]:
    """Of each unit the best of some columns, `NOTHING` where it meets none of them, and its IoU."""
    within = iou if len(columns) == iou.shape[1] else iou[:, columns]
    best = within.argmax(axis=1)
    value = within[np.arange(len(within)), best]
    return np.where(value > 0, columns[best], NOTHING), value


def _addressed(layer: str, count: int, text: str) -> npt.NDArray[np.bool_]:
    """Which units of a layer are asked for by number, or by a part of their address."""
    if text.isdecimal():
        return np.asarray(np.arange(count) == int(text))
    return np.array([text in f"{layer}:{channel}".casefold() for channel in range(count)], dtype=bool)


def _check(kind: str, name: Any, accepted: tuple[str, ...]) -> None:
    if name not in accepted:
        raise unknown_name(kind, name, [each for each in accepted if each])
