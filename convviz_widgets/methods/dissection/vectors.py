"""Concepts as directions: one vector of weights per concept, to look at, compare and add."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.core.errors import BadValue, unknown_name
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.dissection.upsampling import axes, upsampled
from convviz_widgets.render import charts
from convviz_widgets.render.result import Result

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Net2Vec(Result):
    """What a layer's K units say together about one concept.

    Args:
        layer: name of the layer.
        concept: "category: name".
        concept_id: its id.
        task: "segmentation" or "classification".
        weights: (K,) of the units.
        bias: added to their sum.
        cut: probability above which the concept is said to be there.
        iou: of the combination, on pictures kept apart.
        learnt_iou: the same on the pictures learnt from.
        best_single: the unit that alone is best on the pictures learnt from.
        best_single_iou: of that unit, on pictures kept apart.
        units: (F,) numbers of units.
        iou_by_units: (F,) IoU with so many of them, learnt anew: those with the largest weight times how much more
            often they are lit where the concept is than elsewhere.
        thresholds: (K,) what an activation must reach to count.
        loss: per step.
        pictures: how many were learnt from, and kept apart.
    """

    layer: str
    concept: str
    concept_id: int
    task: str
    weights: npt.NDArray[np.float32]
    bias: float
    cut: float
    iou: float
    learnt_iou: float
    best_single: int
    best_single_iou: float
    units: npt.NDArray[np.int64]
    iou_by_units: Floats
    thresholds: npt.NDArray[np.float32]
    loss: Floats
    pictures: tuple[int, int]

    def map(self, lens: Lens, image: Any) -> Floats:
        """How probable the concept is at each pixel, (H, W); for classification one number everywhere."""
        prepared = lens.prepare(image)
        maps = lens.activations(image, self.layer)[0].float().cpu()
        maps = maps if maps.ndim == 3 else maps.reshape(len(maps), 1, -1)
        weights = torch.from_numpy(self.weights.copy())
        size = (int(prepared.shape[2]), int(prepared.shape[3]))
        if self.task == "classification":
            said = torch.sigmoid((weights * maps.flatten(1).mean(1)).sum() + self.bias)
            return np.full(size, float(said))
        there = (maps >= torch.from_numpy(self.thresholds.copy())[:, None, None]).float()
        said = torch.sigmoid(torch.einsum("k,khw->hw", weights, there) + self.bias)
        place = axes(lens.layers[self.layer], (int(maps.shape[1]), int(maps.shape[2])), size, size)
        return upsampled(said, *place).double().numpy()

    def mask(self, lens: Lens, image: Any) -> npt.NDArray[np.bool_]:
        """Where the concept is said to be, (H, W)."""
        return np.asarray(self.map(lens, image) >= self.cut)

    def figure(self) -> Any:
        """IoU against the number of units, beside the best single unit; the largest weights where no curve was made."""
        if not len(self.units):
            order = np.argsort(-np.abs(self.weights))[:20]
            return charts.bars([f"{self.layer}:{unit}" for unit in order], self.weights[order], title=self.concept)
        lines = {
            "combination": self.iou_by_units,
            f"best single, unit {self.best_single}": np.full(len(self.units), self.best_single_iou),
        }
        return charts.curve(lines, places=self.units, title=self.concept, x="units used", y="IoU")

    def caption(self) -> str:
        """The combination beside the best single unit."""
        return (
            f"{self.concept} in {self.layer}: IoU {self.iou:.3f} with all units, {self.best_single_iou:.3f} with the "
            f"best single one, {self.best_single}"
        )


@dataclass(frozen=True, eq=False, repr=False)
class ConceptVectors(Result):
    """The vectors of C concepts in the space of a layer's K units; fields as in `Net2Vec`, one row per concept.

    Args:
        layer, task, units, thresholds, loss, pictures: as in `Net2Vec`; the loss is that of all together.
        ids, names: (C,) of the concepts, names as "category: name".
        weights: (C, K).
        bias, cut, iou, learnt_iou, best_single, best_single_iou: (C,).
        iou_by_units: (C, F).
    """

    layer: str
    task: str
    ids: npt.NDArray[np.int64]
    names: tuple[str, ...]
    weights: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    cut: Floats
    iou: Floats
    learnt_iou: Floats
    best_single: npt.NDArray[np.int64]
    best_single_iou: Floats
    units: npt.NDArray[np.int64]
    iou_by_units: Floats
    thresholds: npt.NDArray[np.float32]
    loss: Floats
    pictures: tuple[int, int]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, concept: Any) -> Net2Vec:
        """The vector of one concept, by name."""
        return self.vector(self.place(concept), self.provenance)

    def vector(self, row: int, provenance: Provenance) -> Net2Vec:
        """The vector of one row."""
        return Net2Vec(
            layer=self.layer,
            concept=self.names[row],
            concept_id=int(self.ids[row]),
            task=self.task,
            weights=self.weights[row],
            bias=float(self.bias[row]),
            cut=float(self.cut[row]),
            iou=float(self.iou[row]),
            learnt_iou=float(self.learnt_iou[row]),
            best_single=int(self.best_single[row]),
            best_single_iou=float(self.best_single_iou[row]),
            units=self.units,
            iou_by_units=self.iou_by_units[row],
            thresholds=self.thresholds,
            loss=self.loss,
            pictures=self.pictures,
            provenance=provenance,
        )

    def place(self, concept: Any) -> int:
        """The row of a concept, by id, name or "category: name".

        Raises:
            UnknownName: it was not learnt.
        """
        for row, name in enumerate(self.names):
            if concept in (name, name.partition(": ")[2]) or concept == self.ids[row]:
                return row
        raise unknown_name("vector", concept, self.names)

    def similarity(self) -> Floats:
        """Cosines between all pairs, (C, C)."""
        directions = _unit_length(self.weights)
        return np.asarray(directions @ directions.T)

    def neighbours(self, concept: Any, k: int = 5) -> list[tuple[str, float]]:
        """The concepts whose vectors point nearest to one's, with the cosine."""
        return self.nearest(self.weights[self.place(concept)], k, without=(concept,))

    def arithmetic(self, plus: Sequence[Any], minus: Sequence[Any] = (), k: int = 5) -> list[tuple[str, float]]:
        """The concepts nearest to a sum and difference of vectors of length one; those in it are left out.

        Example: ``vectors.arithmetic(plus=["grass", "blue"], minus=["green"])``.

        Source:
            Fong & Vedaldi 2018, section 4.4.
        """
        if not plus and not minus:
            raise BadValue("No concept was given. Accepted: one or more in `plus` or `minus`.")
        directions = _unit_length(self.weights)
        total = sum((directions[self.place(each)] for each in plus), np.zeros(directions.shape[1]))
        total = total - sum((directions[self.place(each)] for each in minus), np.zeros(directions.shape[1]))
        return self.nearest(total, k, without=(*plus, *minus))

    def nearest(self, direction: npt.ArrayLike, k: int = 5, *, without: Sequence[Any] = ()) -> list[tuple[str, float]]:
        """The concepts nearest to a direction (K,), with the cosine."""
        left_out = {self.place(each) for each in without}
        cosines = _unit_length(self.weights) @ _unit_length(np.asarray(direction, dtype=np.float64)[None])[0]
        order = [int(row) for row in np.argsort(-cosines, kind="stable") if row not in left_out]
        return [(self.names[row], float(cosines[row])) for row in order[:k]]

    def figure(self) -> Any:
        """IoU of each concept's combination, the best first."""
        order = np.argsort(-self.iou, kind="stable")[:40]
        return charts.bars([self.names[row] for row in order], self.iou[order], title=self.layer, unit="IoU")

    def caption(self) -> str:
        """How much combinations gain over single units."""
        return (
            f"{len(self)} concepts in {self.layer}: mean IoU {self.iou.mean():.3f} with all units, "
            f"{self.best_single_iou.mean():.3f} with the best single one"
        )


def _unit_length(vectors: npt.NDArray[Any]) -> Floats:
    long = vectors.astype(np.float64)
    return np.asarray(long / np.linalg.norm(long, axis=1, keepdims=True).clip(min=1e-12))
