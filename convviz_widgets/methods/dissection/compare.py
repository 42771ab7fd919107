"""Dissections of several networks, or of one network at several moments of its training, side by side.

The number of different concepts detected, by layer and category: more iterations, another seed, no dropout, batch
normalisation or random weights each show in it.

Cost: that of a dissection for each network.
Oracle: equals the reports counted one by one.
Source: Bau, Zhou, Khosla, Oliva & Torralba 2017, "Network Dissection", section 3.5.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from convviz_widgets.core.errors import BadType, BadValue, unknown_name
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.technique import technique
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.dissection.dissect import dissect
from convviz_widgets.methods.dissection.report import By, Dissection
from convviz_widgets.render import charts, html
from convviz_widgets.render.result import Result

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False, repr=False)
class DissectionComparison(Result):
    """How many different concepts R networks detect in L layers, by G categories.

    Args:
        names: (R,) of the networks.
        layers: (L,) that all of them have.
        categories: (G,).
        by_unit: (R, L, G) concepts that are the best of some unit; see `LayerReport.unique`.
        by_category: (R, L, G) concepts that are the best of their category for some unit.
        detectors: (R, L) units that detect anything.
        units: (R, L) units of the layer.
    """

    names: tuple[str, ...]
    layers: tuple[str, ...]
    categories: tuple[str, ...]
    by_unit: Integers
    by_category: Integers
    detectors: Integers
    units: Integers

    def counts(self, layer: str | None = None, by: By = "unit") -> Integers:
        """(R, G) different concepts in a layer; the last one by default."""
        layer = self.layers[-1] if layer is None else layer
        if layer not in self.layers:
            raise unknown_name("layer of this comparison", layer, self.layers)
        if by not in ("unit", "category"):
            raise unknown_name("way of counting", by, ("unit", "category"))
        return (self.by_unit if by == "unit" else self.by_category)[:, self.layers.index(layer)]

    def figure(self, layer: str | None = None, by: By = "unit") -> Any:
        """A bar for each network, in parts by category."""
        counts = self.counts(layer, by)
        parts = {category: counts[:, place] for place, category in enumerate(self.categories)}
        unit = f"different concepts (by {by})"
        return charts.stacks(self.names, parts, title=f"Unique detectors in {layer or self.layers[-1]}", unit=unit)

    def caption(self) -> str:
        """The total of each network in the last layer."""
        told = [f"{name} {total}" for name, total in zip(self.names, self.counts().sum(axis=1), strict=True)]
        return f"Different concepts detected in {self.layers[-1]}: {', '.join(told)}"

    def _repr_html_(self) -> str:
        rows = [
            (name, layer, int(self.units[r, at]), int(self.detectors[r, at]), *map(int, self.by_unit[r, at]))
            for r, name in enumerate(self.names)
            for at, layer in enumerate(self.layers)
        ]
        table = html.table(("network", "layer", "units", "detectors", *self.categories), rows, caption=self.caption())
        return html.block(table, html.faint(self.provenance.summary()), label=self.caption())


@technique
def compare_dissections(
    networks: Mapping[str, Any], dataset: Any = None, layers: str | Iterable[str] | None = None, **options: Any
) -> Steps[DissectionComparison]:
    """What several networks detect, side by side.

    Example:
        >>> from convviz_widgets.data.mini_broden import MiniBroden
        >>> networks = {"trained": Lens.load("mini"), "random": Lens.load("mini", weights=None)}
        >>> compare_dissections(networks, MiniBroden(8), "relu5").by_unit.shape
        (2, 1, 6)

    Args:
        networks: name to `Lens`, or to a `Dissection` that was made already.
        dataset: as `dissect` takes it; not needed where all are dissections.
        layers: one name or several, which all networks have.
        options: for `dissect`.

    Returns:
        A `DissectionComparison`.

    Raises:
        BadType: something else than a lens or a dissection, or no dataset for a lens.
        BadValue: nothing to compare, or dissections with other concepts or no layer in common.

    Source:
        Bau, Zhou, Khosla, Oliva & Torralba 2017, section 3.5.
    """
    reports: dict[str, Dissection] = {}
    for place, (name, each) in enumerate(networks.items()):
        if isinstance(each, Dissection):
            reports[str(name)] = each
        elif isinstance(each, Lens) and dataset is not None and layers is not None:
            steps = dissect.steps(each, dataset, layers, **options)
            reports[str(name)] = yield from _shifted(steps, place, len(networks), str(name))
        else:
            raise BadType(
                f"{name!r} is {type(each).__name__}. Accepted: a Dissection, or a Lens together with a dataset and "
                "layers."
            )
    return _compared(reports)


def _shifted(steps: Steps[Dissection], place: int, number: int, name: str) -> Steps[Dissection]:
    """The steps of one of several dissections, counted over all of them."""
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            found: Dissection = end.value
            return found
        total = step.total or step.index
        yield Step(place * total + step.index, number * total, label=f"{name}: {step.label}")


def _compared(reports: dict[str, Dissection]) -> DissectionComparison:
    if not reports:
        raise BadValue("Nothing was given to compare. Accepted: names with a Lens or a Dissection each.")
    first = next(iter(reports.values()))
    layers = [name for name in first.layers if all(name in each.layers for each in reports.values())]
    strange = [name for name, each in reports.items() if each.concepts != first.concepts]
    if strange or not layers:
        raise BadValue(
            f"Dissections with other concepts ({strange}) or without a common layer cannot be compared. Accepted: "
            "those of one dataset and of layers with the same names."
        )

    def counts(by: By) -> Integers:
        each = [[report.unique_counts(by)[layer] for layer in layers] for report in reports.values()]
        return np.array([[[found[name] for name in first.categories] for found in row] for row in each])

    return DissectionComparison(
        names=tuple(reports),
        layers=tuple(layers),
        categories=first.categories,
        by_unit=counts("unit"),
        by_category=counts("category"),
        detectors=np.array([[len(each.layers[name].detectors()) for name in layers] for each in reports.values()]),
        units=np.array([[len(each.layers[name]) for name in layers] for each in reports.values()]),
        provenance=Provenance.of(
            "compare_dissections", inputs=("networks", "dataset"), layers=layers, names=tuple(reports)
        ),
    )
