"""What a concept browser tells of one unit, or of one concept, in numbers; pictures follow in `concept_pictures`."""

from typing import Any

import numpy as np

from convviz_widgets.core.unit import Unit
from convviz_widgets.methods.dissection.report import Concept, column_of
from convviz_widgets.widgets.concept_index import Index

CONCEPTS_SHOWN = 10
UNITS_SHOWN = 8


def key_of(concept: Concept) -> str:
    """The name by which a concept is passed on: "object: sky"."""
    return f"{concept.category}: {concept.name}"


def checked_concept(index: Index, concept: Any) -> str:
    """The key of a concept given by id, name or key; "" stands for none.

    Raises:
        UnknownName, BadValue: there is none, or several of that name.
    """
    if concept is None or concept == "":
        return ""
    return key_of(index.report.concepts[column_of(index.report.concepts, concept)])


def unit_card(index: Index, address: str, row: int) -> dict[str, Any]:
    """A unit: its threshold, and the concepts that its mask overlaps with, the best first.

    Args:
        index: of the report.
        address: of the unit; one that the report has not is told as "missing".
        row: of the unit in the present list, or -1.
    """
    unit = Unit.parse(address).whole
    card: dict[str, Any] = {"face": "unit", "unit": str(unit), "row": row, "missing": "", "concepts": []}
    layer = index.report.layers.get(unit.layer)
    if layer is None or unit.channel >= len(layer):
        names = ", ".join(index.report.layers)
        return {**card, "missing": f"{unit} is not in this report, which covers {names}."}
    iou = layer.iou[unit.channel]
    columns = [int(each) for each in np.argsort(-iou, kind="stable")[:CONCEPTS_SHOWN] if iou[each] > 0]
    rank = int((layer.best_iou > layer.best_iou[unit.channel]).sum()) + 1
    return {
        **card,
        "concepts": [[*layer.concepts[each][1:], round(float(iou[each]), 4)] for each in columns],
        "threshold": float(layer.thresholds[unit.channel]),
        "rank": rank,
        "of": len(layer),
        "pictures": int((layer.top_index[unit.channel] >= 0).sum()),
    }


def concept_card(index: Index, key: str, row: int) -> dict[str, Any]:
    """A concept: its best units over all layers, how it fares in each layer, and in the other report.

    Args:
        index: of the report.
        key: of the concept, as of `key_of`.
        row: of the concept in the present list, or -1.
    """
    place = column_of(index.report.concepts, key)
    crests, others = index.crests, index.others
    concept = index.report.concepts[place]
    return {
        "face": "concept",
        "concept": key,
        "name": concept.name,
        "category": concept.category,
        "row": row,
        "labelled": int(index.report.labelled[place]),
        "detectors": int(crests.detectors[place]),
        "units": _rounded(crests.units(place, UNITS_SHOWN)),
        "layers": _rounded(crests.by_layer(place)),
        "other": None
        if others is None
        else {
            "detectors": int(others.detectors[place]),
            "units": _rounded(others.units(place, UNITS_SHOWN // 2)),
            "known": bool(others.columns[place] >= 0),
        },
    }


def _rounded(rows: list[Any]) -> list[list[Any]]:
    return [[round(each, 4) if isinstance(each, float) else each for each in row] for row in rows]
