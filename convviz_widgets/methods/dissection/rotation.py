"""Whether a layer's own axes are special: concepts detected while the basis of its units is turned, bit by bit.

A random rotation Q of the K units' space is taken in steps, Q**a for a from 0 to 1, and Q**a A is dissected in place of
the maps A. A rotated representation tells classes apart just as well, but detects fewer concepts: what units stand for
is a property of the axes that were learnt, not of the space they span.

    Q = V diag(exp(i t)) V*,   Q**a = V diag(exp(i a t)) V*

Cost: one dissection for all steps together, as they share the forward passes, and a product K x K at each position.
Oracle: Q**a Q**b = Q**(a+b); equals the dissection of a network with Q**a as a convolution behind the layer.
Source: Bau, Zhou, Khosla, Oliva & Torralba 2017, "Network Dissection", section 3.2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from convviz_widgets.core.errors import BadValue
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.core.step import Steps
from convviz_widgets.core.technique import technique
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.dissection.dissect import BATCH, IOU, QUANTILE, as_result, counted, prepared_work
from convviz_widgets.methods.dissection.passes import Probe
from convviz_widgets.methods.dissection.report import By, Dissection
from convviz_widgets.render import charts
from convviz_widgets.render.result import Result

Floats = npt.NDArray[np.float64]
QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, eq=False, repr=False)
class Rotation(Result):
    """Different concepts detected in S turned bases of one layer, by G categories.

    Args:
        layer: name of the layer.
        steps: (S,) how far the basis is turned, from 0 to 1.
        categories: (G,).
        by_unit: (S, G) concepts that are the best of some direction; see `LayerReport.unique`.
        by_category: (S, G) concepts that are the best of their category for some direction.
        detectors: (S,) directions that detect anything.
        best_iou: (S, K) the largest IoU of each direction.
    """

    layer: str
    steps: Floats
    categories: tuple[str, ...]
    by_unit: npt.NDArray[np.int64]
    by_category: npt.NDArray[np.int64]
    detectors: npt.NDArray[np.int64]
    best_iou: Floats

    def figure(self, by: By = "unit") -> Any:
        """Different concepts against the rotation, by category and in all."""
        counts = self.by_unit if by == "unit" else self.by_category
        lines = {"all": counts.sum(axis=1), **dict(zip(self.categories, counts.T, strict=True))}
        return charts.curve(lines, places=self.steps, title=self.layer, x="rotation", y="different concepts")

    def caption(self) -> str:
        """From the first to the last step."""
        totals = self.by_unit.sum(axis=1)
        return (
            f"{self.layer}: {totals[0]} different concepts at rotation {self.steps[0]:g}, {totals[-1]} at "
            f"{self.steps[-1]:g}"
        )


@technique
def rotation(
    lens: Lens,
    dataset: Any,
    layer: str,
    *,
    steps: Sequence[float] = QUARTERS,
    quantile: float = 0.005,
    iou: float = 0.04,
    seed: int = 0,
) -> Steps[Rotation]:
    """How many concepts a layer detects while the basis of its units is turned at random.

    Example:
        >>> from convviz_widgets.data.mini_broden import MiniBroden
        >>> rotation(Lens.load("mini"), MiniBroden(8), "relu5", steps=(0, 1)).by_unit.shape
        (2, 6)

    Args:
        lens: the network.
        dataset: as `dissect` takes it.
        layer: name of the layer.
        steps: how far to turn, from 0 (not at all) to 1.
        quantile: share of a direction's activations above its threshold.
        iou: a direction is a detector of its best concept if their IoU is larger.
        seed: of the rotation.

    Returns:
        A `Rotation`.

    Raises:
        UnknownName: a wrong layer.
        BadValue: no step, or one outside [0, 1]; what `dissect` refuses.

    Source:
        Bau, Zhou, Khosla, Oliva & Torralba 2017, section 3.2.
    """
    QUANTILE.check("quantile", quantile)
    IOU.check("iou", iou)
    place, turns = lens.layers[layer], tuple(float(each) for each in steps)
    if not turns or not all(0 <= each <= 1 for each in turns) or len(set(turns)) != len(turns):
        raise BadValue(f"steps={turns} are no rotations. Accepted: different numbers from 0 (none) to 1 (all of it).")
    turn = random_rotation(place.channels, seed)
    probes = [
        Probe(f"{place.name} turned {each:g}", place, power(turn, each).astype(np.float32) if each else None)
        for each in turns
    ]
    work = prepared_work(lens, dataset, probes, quantile=quantile, batch_size=BATCH)
    found = yield from counted(work, None)
    made = Provenance.of(
        "rotation",
        fingerprint=lens.fingerprint,
        inputs=("lens", "dataset"),
        seed=seed,
        layer=place.name,
        steps=turns,
        quantile=quantile,
        iou=iou,
    )
    return _summed(as_result(work, found, iou, made), place.name, turns)


def random_rotation(size: int, seed: int) -> Floats:
    """A rotation (size, size), all equally likely (Mezzadri 2007, "How to generate random matrices").

    Example:
        >>> turn = random_rotation(3, seed=0)
        >>> bool(np.allclose(turn @ turn.T, np.eye(3))), round(float(np.linalg.det(turn)), 6)
        (True, 1.0)
    """
    basis, upper = np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))
    basis = basis * np.sign(np.diag(upper))
    if np.linalg.det(basis) < 0:
        basis[:, 0] *= -1
    return np.asarray(basis)


def power(turn: Floats, exponent: float) -> Floats:
    """A part of a rotation: the shortest way from not turning to ``turn``, gone so far."""
    values, vectors = np.linalg.eig(turn)
    part = (vectors * np.exp(1j * exponent * np.angle(values))) @ np.linalg.inv(vectors)
    return np.asarray(part.real)


def _summed(report: Dissection, layer: str, steps: tuple[float, ...]) -> Rotation:
    layers = list(report.layers.values())
    tables = {by: np.array([list(each.values()) for each in report.unique_counts(by).values()]) for by in get_args(By)}
    return Rotation(
        layer=layer,
        steps=np.array(steps),
        categories=report.categories,
        by_unit=tables["unit"],
        by_category=tables["category"],
        detectors=np.array([len(each.detectors()) for each in layers]),
        best_iou=np.stack([each.best_iou for each in layers]),
        provenance=report.provenance,
    )
