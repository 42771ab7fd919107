"""What a concept browser is opened on: whether the report is of the network, and its overview in figures."""

from collections.abc import Mapping
from typing import Any, get_args

from convviz_widgets.core.errors import BadType, BadValue
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.dissection.report import By, Concept, Dissection
from convviz_widgets.render import charts

WAYS: tuple[By, ...] = get_args(By)
Unique = dict[str, dict[str, tuple[Concept, ...]]]


def checked_report(lens: Lens, report: Any) -> None:
    """Whether a report is one, and of this network.

    Raises:
        BadType: it is no report.
        BadValue: the network has not its layers.
    """
    if not isinstance(report, Dissection):
        raise BadType(f"A ConceptBrowser shows what `dissect` gives, a Dissection; given: {type(report).__name__}.")
    for name, layer in report.layers.items():
        here = lens.layers[name].channels if name in lens.layers else 0
        if here != len(layer):
            raise BadValue(
                f"The report has {len(layer)} units of {name!r}; in {lens.name} there are {here}. Accepted: the report "
                "of this network. A report of another one can be set beside it by compare=."
            )


def compared(compare: Any) -> tuple[str, Dissection | None]:
    """The name and the report to compare with: a Dissection, or one by name.

    Raises:
        BadType: it is neither.
    """
    if compare is None:
        return "", None
    named = isinstance(compare, Mapping) and len(compare) == 1
    name, report = next(iter(compare.items())) if named else ("the other", compare)
    if not isinstance(report, Dissection):
        raise BadType(f"compare= is of type {type(compare).__name__}. Accepted: a Dissection, or {{name: Dissection}}.")
    return str(name), report


def overview(lens: Lens, report: Dissection, name: str, other: Dissection | None) -> dict[str, Any]:
    """What does not change, as a trait.

    Returns:
        {"limit", "count", "concepts", "colours", "note", "reports"}: a colour per category; each report as {"name",
        "layers"}, the first of the layers all together ("" for a name), each {"name", "units", "detectors", "unique"}
        with the number of unique concepts by way of counting and category.
    """
    same = report.provenance.fingerprint == lens.fingerprint
    colours = charts.COLOURS
    return {
        "limit": report.limit,
        "count": report.count,
        "concepts": len(report.concepts),
        "categories": list(report.categories),
        "colours": [colours[place % len(colours)] for place in range(len(report.categories))],
        "note": "" if same else "The report is of other weights than the network has now: masks may not fit.",
        "reports": [
            {"name": told, "layers": _layers(each, report.categories)}
            for told, each in ((lens.name, report), (name, other))
            if each is not None
        ],
    }


def _layers(report: Dissection, categories: tuple[str, ...]) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []
    found: dict[By, Unique] = {way: {name: each.unique(way) for name, each in report.layers.items()} for way in WAYS}
    for name, layer in report.layers.items():
        unique = {way: [len(found[way][name].get(each, ())) for each in categories] for way in WAYS}
        told.append({"name": name, "units": len(layer), "detectors": len(layer.detectors()), "unique": unique})
    together = {
        "name": "",
        "units": sum(each["units"] for each in told),
        "detectors": sum(each["detectors"] for each in told),
        "unique": {
            way: [len({one.id for layer in found[way].values() for one in layer.get(each, ())}) for each in categories]
            for way in WAYS
        },
    }
    return [together, *told]
