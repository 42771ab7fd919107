"""What units stand for under other conditions of training, and what of the published findings is found again.

Dissections side by side of nets that differ in one thing: dropout, batch normalisation, the seed, the number of
iterations, no training at all, the basis of the units. For every layer the number U of different concepts detected, by
category, and the number of detectors. Nets that differ in their seed alone tell how much U changes by chance: with n of
them, a further one of the same kind lies above (or below) all of them once in n + 1 times. A finding "condition X has
more" therefore holds where X lies above all n, fails where it lies below all, and is undecided between.

Cost: a dissection for each net, and one more for each rotation.
Oracles: the counts of reports made one by one; findings planted and reversed.
Source: Bau, Zhou, Khosla, Oliva & Torralba 2017, "Network Dissection", sections 3.2 to 3.7.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from convviz_widgets.core.errors import BadType, BadValue, unknown_name
from convviz_widgets.core.knob import whole
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.core.step import Steps
from convviz_widgets.core.technique import technique
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.dissection.compare import DissectionComparison, compare_dissections
from convviz_widgets.methods.dissection.findings import BASELINE, ROTATED, Finding, findings_of
from convviz_widgets.methods.dissection.report import Dissection
from convviz_widgets.methods.dissection.rotation import rotation
from convviz_widgets.render import html

SHIPPED = Path(__file__).parent / "shipped"
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False, repr=False)
class Conditions(DissectionComparison):
    """How many different concepts R nets detect in L layers, by G categories, each trained under some condition.

    Args:
        conditions: (R,) of the nets.
        accuracy: (R,) of each net, in [0, 1]; NaN where it is not known.
    """

    conditions: tuple[str, ...]
    accuracy: npt.NDArray[np.float64]

    @classmethod
    def shipped(cls) -> Self:
        """The comparison that ships, of small nets on drawings; its provenance tells the command that made it."""
        return cls.load(SHIPPED / "conditions")

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What the paper found, and what these nets say to it, whichever way it goes."""
        return findings_of(self)

    def rows(self, layer: str | None = None) -> list[tuple[Any, ...]]:
        """One per net: name, accuracy, units, detectors, different concepts, and these by category."""
        counts = self.counts(layer)
        at = len(self.layers) - 1 if layer is None else self.layers.index(layer)
        return [
            (
                name,
                "" if np.isnan(self.accuracy[r]) else f"{self.accuracy[r]:.1%}",
                int(self.units[r, at]),
                int(self.detectors[r, at]),
                int(counts[r].sum()),
                *map(int, counts[r]),
            )
            for r, name in enumerate(self.names)
        ]

    def _repr_html_(self) -> str:
        head = ("net", "accuracy", "units", "detectors", "different concepts", *self.categories)
        tables = [html.table(head, self.rows(layer), caption=layer) for layer in self.layers]
        found = [(each.statement, each.source, each.measured, each.answer, each.rule) for each in self.findings]
        told = html.table(("finding", "source", "measured here", "holds", "how this was decided"), found)
        return html.block(*tables, told, html.faint(self.provenance.summary()), label=self.caption())


@technique
def compare_conditions(
    networks: Mapping[str, Any],
    dataset: Any = None,
    layers: str | Iterable[str] | None = None,
    *,
    accuracy: Mapping[str, float] | None = None,
    rotations: int = 1,
    **options: Any,
) -> Steps[Conditions]:
    """What nets trained under several conditions detect, side by side, and what of the paper's findings holds for them.

    Example:
        >>> from convviz_widgets.data.mini_broden import MiniBroden
        >>> networks = {"baseline": Lens.load("mini"), "random weights": Lens.load("mini", weights=None)}
        >>> found = compare_conditions(networks, MiniBroden(8), "relu5", rotations=0)
        >>> found.conditions, {each.holds for each in found.findings}
        (('baseline', 'random weights'), {None})

    Args:
        networks: condition to a `Lens`, to a `Dissection` that was made already, or to several of these, as a list or
            by name. The findings ask for the conditions "baseline" and "other seeds" (three nets or more together, or
            nothing is decided), "no dropout", "batch norm", "random weights", "by iteration" (number of iterations to
            net) and "wider"; others are shown beside them.
        dataset: as `dissect` takes it; not needed where all are dissections.
        layers: one name or several, which all nets have, from low to high.
        accuracy: of the nets, by the names that the result gives them.
        rotations: how many random rotations of the baseline's units to dissect; none where it is a dissection.
        options: for `dissect`.

    Returns:
        A `Conditions`; its ``findings`` tell what was found, what the paper says, and how the two were compared.

    Raises:
        BadType: something else than a lens or a dissection, or no dataset for a lens.
        BadValue: nothing to compare, or dissections with other concepts or no layer in common.
        UnknownName: an accuracy of a net that is not there.

    Source:
        Bau, Zhou, Khosla, Oliva & Torralba 2017, sections 3.2 to 3.7.
    """
    whole("rotations", rotations, 0, 100)
    flat = _flat(networks)
    made = yield from compare_dissections.steps(
        {name: net for name, (_, net) in flat.items()}, dataset, layers, **options
    )
    first = next((net for condition, net in flat.values() if condition == BASELINE), None)
    turned = []
    if isinstance(first, Lens):
        own: dict[str, Any] = {key: options[key] for key in ("quantile", "iou") if key in options}
        for seed in range(rotations):
            counts = yield from _turned(first, dataset, made.layers, seed, own)
            turned.append(counts)
    return _joined(made, [condition for condition, _ in flat.values()], turned, dict(accuracy or {}))


def _flat(networks: Mapping[str, Any]) -> dict[str, tuple[str, Any]]:
    """Name of each net to its condition and the net."""
    if not isinstance(networks, Mapping):
        raise BadType(f"networks is {type(networks).__name__}. Accepted: conditions with a net, or several, each.")
    flat: dict[str, tuple[str, Any]] = {}
    for condition, given in networks.items():
        if isinstance(given, Lens | Dissection):
            parts: dict[str, Any] = {"": given}
        elif isinstance(given, Mapping):
            parts = {f" {name}": each for name, each in given.items()}
        elif isinstance(given, list | tuple):
            parts = {f" {number}": each for number, each in enumerate(given, start=1)}
        else:
            raise BadType(
                f"{condition!r} is {type(given).__name__}. Accepted: a Lens, a Dissection, or several of these, as a "
                "list or by name."
            )
        for name, each in parts.items():
            if f"{condition}{name}" in flat:
                raise BadValue(f"Two nets are called {condition}{name!r}. Give one of them another name.")
            flat[f"{condition}{name}"] = (str(condition), each)
    return flat


def _turned(
    lens: Lens, dataset: Any, layers: Iterable[str], seed: int, options: dict[str, Any]
) -> Steps[dict[str, Any]]:
    """Counts of one rotation of the units of each layer, (L, ...)."""
    rows: dict[str, list[Counts]] = {"by_unit": [], "by_category": [], "detectors": []}
    for layer in layers:
        found = yield from rotation.steps(lens, dataset, layer, steps=(1.0,), seed=seed, **options)
        for key, values in rows.items():
            values.append(getattr(found, key)[0])
    return {key: np.stack(values) for key, values in rows.items()}


def _joined(
    made: DissectionComparison, conditions: list[str], turned: list[dict[str, Any]], accuracy: dict[str, float]
) -> Conditions:
    names = [*made.names, *(f"{ROTATED} {number}" for number in range(1, len(turned) + 1))]
    for name in accuracy:
        if name not in names:
            raise unknown_name("net of this comparison", name, names, "In accuracy=.")

    def rows(key: str) -> Counts:
        return np.concatenate([getattr(made, key), *(each[key][None] for each in turned)])

    return Conditions(
        names=tuple(names),
        layers=made.layers,
        categories=made.categories,
        by_unit=rows("by_unit"),
        by_category=rows("by_category"),
        detectors=rows("detectors"),
        units=np.concatenate([made.units, *(made.units[[conditions.index(BASELINE)]] for _ in turned)]),
        conditions=(*conditions, *([ROTATED] * len(turned))),
        accuracy=np.array([accuracy.get(name, np.nan) for name in names]),
        provenance=Provenance.of(
            "compare_conditions",
            inputs=("networks", "dataset"),
            layers=made.layers,
            names=tuple(names),
            rotations=len(turned),
        ),
    )
