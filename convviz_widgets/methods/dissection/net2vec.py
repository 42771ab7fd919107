"""Net2Vec: a concept as a direction in the space of all units of a layer.

For a layer with maps A_k and thresholds T_k as in dissection, weights w (K,) and a bias b are learnt for a concept c:

    segmentation:    M(x) = up(sigmoid(sum_k w_k [A_k(x) >= T_k] + b)), compared with c's mask pixel by pixel
    classification:  m(x) = sigmoid(sum_k w_k mean_ij A_k(x)_ij + b), compared with whether c is in the picture

by binary cross-entropy in which what is there and what is not count alike; ``up`` is as in dissection. Of the pictures
with any label of c's category three in ten are kept apart, and every figure is the IoU on those: pixels
where M is above a cut, chosen on the other pictures, and c's pixels (for classification: pictures instead of pixels).
Beside it stands the single unit that was best on the pictures learnt from.

Cost: two forward passes per picture (one with ``report=``); learning runs on kept masks, K h w / 8 bytes per picture.
Oracle: a concept that is the union of two planted masks; a concept that one unit is.
Source: Fong & Vedaldi 2018, "Net2Vec: Quantifying and Explaining how Concepts are Encoded by Filters in Deep Neural
Networks", section 3.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, get_args

import numpy as np
import torch

from convviz_widgets.core.errors import BadValue, unknown_name
from convviz_widgets.core.knob import Knob
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.technique import technique
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.dissection.combination import CUTS, Learnt, iou_of, learn, scored, single_units
from convviz_widgets.methods.dissection.dissect import BATCH, prepared_work
from convviz_widgets.methods.dissection.gathering import Gathered, Task, check, gather
from convviz_widgets.methods.dissection.passes import Probe, Tallies
from convviz_widgets.methods.dissection.report import Concept, Dissection, column_of
from convviz_widgets.methods.dissection.vectors import ConceptVectors, Net2Vec

STEPS = Knob(1, 100_000, help="steps of learning")


@technique
def net2vec(
    lens: Lens,
    dataset: Any,
    layer: str,
    concept: Any,
    *,
    task: Task = "segmentation",
    units: Sequence[int] | None = None,
    steps: Annotated[int, STEPS] = 300,
    quantile: float = 0.005,
    seed: int = 0,
    report: Dissection | None = None,
) -> Steps[Net2Vec]:
    """The combination of a layer's units that stands for a concept, beside the best single unit.

    Example:
        >>> from convviz_widgets.data.mini_broden import MiniBroden
        >>> vector = net2vec(Lens.load("mini"), MiniBroden(12), "relu5", "object: cat", steps=5, units=[1, 64])
        >>> vector.weights.shape, vector.iou_by_units.shape
        ((64,), (2,))

    Args:
        lens: the network.
        dataset: as `dissect` takes it.
        layer: name of the layer.
        concept: an id, a name, or "category: name".
        task: "segmentation" (where) or "classification" (whether).
        units: numbers of units for the curve of IoU against units used; default: 1, 2, 4, ... and all.
        steps: of learning.
        quantile: share of a unit's activations above its threshold.
        seed: of which pictures are kept apart and of the order of learning.
        report: a dissection of this layer, which spares the pass for the thresholds.

    Returns:
        A `Net2Vec`.

    Raises:
        UnknownName: a wrong layer, concept or task.
        BadValue: no picture with the concept, or a setting out of range.

    Source:
        Fong & Vedaldi 2018, section 3.
    """
    options: dict[str, Any] = {"task": task, "units": units, "steps": steps, "quantile": quantile, "seed": seed}
    found = yield from concept_vectors.steps(lens, dataset, layer, [concept], report=report, **options)
    return found.vector(
        0,
        Provenance.of(
            "net2vec",
            fingerprint=lens.fingerprint,
            inputs=("lens", "dataset"),
            seed=seed,
            layer=found.layer,
            concept=found.names[0],
            **{name: value for name, value in options.items() if name != "seed"},
        ),
    )


@technique
def concept_vectors(
    lens: Lens,
    dataset: Any,
    layer: str,
    concepts: Iterable[Any],
    *,
    task: Task = "segmentation",
    units: Sequence[int] | None = (),
    steps: Annotated[int, STEPS] = 300,
    quantile: float = 0.005,
    seed: int = 0,
    report: Dissection | None = None,
) -> Steps[ConceptVectors]:
    """The directions of several concepts, learnt together on the same pass; they can be compared and added.

    Example:
        >>> from convviz_widgets.data.mini_broden import MiniBroden
        >>> vectors = concept_vectors(Lens.load("mini"), MiniBroden(12), "relu5", ["cat", "owl"], steps=5)
        >>> vectors.similarity().shape
        (2, 2)

    Args:
        lens: the network.
        dataset: as `dissect` takes it.
        layer: name of the layer.
        concepts: ids, names, or "category: name".
        task: "segmentation" (where) or "classification" (whether).
        units: numbers of units for the curve of IoU against units used; default: no curve.
        steps: of learning.
        quantile: share of a unit's activations above its threshold.
        seed: of which pictures are kept apart and of the order of learning.
        report: a dissection of this layer, which spares the pass for the thresholds.

    Returns:
        A `ConceptVectors`.

    Raises:
        UnknownName: a wrong layer, concept or task.
        BadValue: no picture with a concept, or a setting out of range.

    Source:
        Fong & Vedaldi 2018, sections 3 and 4.
    """
    if task not in get_args(Task):
        raise unknown_name("task", task, get_args(Task))
    STEPS.check("steps", steps)
    place = lens.layers[layer]
    work = prepared_work(lens, dataset, [Probe(place.name, place)], quantile=quantile, batch_size=BATCH)
    known = tuple(Concept(int(each.id), str(each.name), str(each.category)) for each in work.samples.concepts)
    columns = np.array([column_of(known, each) for each in concepts], dtype=np.int64)
    if not len(columns):
        raise BadValue("No concept was given. Accepted: ids or names of the dataset's concepts.")
    chosen = [known[column] for column in columns]
    budgets = _budgets(units, place.channels)
    gathered, tallies, thresholds = yield from gather(work, columns, task, seed=seed, report=report)
    check(gathered, chosen)
    rows = np.arange(len(columns))
    everything = torch.ones(len(rows), place.channels)
    whole = yield from _learn(gathered, rows, everything, steps=steps, seed=seed, label="all units")
    cut, iou, learnt_iou = _measured(gathered, whole, rows)
    curve = np.zeros((len(rows), len(budgets)))
    if budgets:
        says = whole.weights.abs() * _told_apart(gathered, tallies[0], columns, place.name)
        rank = says.argsort(dim=1, descending=True).argsort(dim=1)
        support = torch.cat([(rank < budget).float() for budget in budgets])
        many = np.tile(rows, len(budgets))
        fewer = yield from _learn(gathered, many, support, steps=steps, seed=seed, label="fewer units")
        curve = _measured(gathered, fewer, many)[1].reshape(len(budgets), len(rows)).T
    single, single_iou = _single(gathered, tallies, columns, place.name)
    return ConceptVectors(
        layer=place.name,
        task=task,
        ids=np.array([each.id for each in chosen], dtype=np.int64),
        names=tuple(f"{each.category}: {each.name}" for each in chosen),
        weights=whole.weights.numpy(),
        bias=whole.bias.numpy(),
        cut=cut,
        iou=iou,
        learnt_iou=learnt_iou,
        best_single=single,
        best_single_iou=single_iou,
        units=np.array(budgets, dtype=np.int64),
        iou_by_units=curve,
        thresholds=thresholds,
        loss=np.array(whole.loss),
        pictures=(len(gathered.chosen(tested=False)), len(gathered.chosen(tested=True))),
        provenance=Provenance.of(
            "concept_vectors",
            fingerprint=lens.fingerprint,
            inputs=("lens", "dataset"),
            seed=seed,
            layer=place.name,
            concepts=tuple(f"{each.category}: {each.name}" for each in chosen),
            task=task,
            units=units,
            steps=steps,
            quantile=quantile,
        ),
    )


def _budgets(units: Sequence[int] | None, channels: int) -> list[int]:
    if units is None:
        return sorted({*(2**power for power in range(12) if 2**power < channels), channels})
    wrong = [each for each in units if not 1 <= each <= channels]
    if wrong:
        raise BadValue(f"units={wrong} cannot be used. Accepted: 1 to {channels}, the units of the layer.")
    return list(units)


def _learn(gathered: Gathered, rows: Any, support: torch.Tensor, *, steps: int, seed: int, label: str) -> Steps[Learnt]:
    found = None
    for number, found in enumerate(learn(gathered, rows, support, steps=steps, batch=BATCH, seed=seed), start=1):
        yield Step(number, steps, headline=found.loss[-1], label=f"learning, {label}")
    assert found is not None  # noqa: S101 -- there is at least one step
    return found


def _measured(gathered: Gathered, learnt: Learnt, rows: Any) -> tuple[Any, Any, Any]:
    """Per row the cut that is best on what was learnt from, and the IoU with it on the test and on what was learnt."""
    before, after = (iou_of(scored(gathered, learnt, rows, tested=tested)) for tested in (False, True))
    place = before.argmax(axis=1)
    at = np.arange(len(rows))
    return place / CUTS, after[at, place], before[at, place]


def _told_apart(gathered: Gathered, tallies: dict[str, Tallies], columns: Any, name: str) -> torch.Tensor:
    """How much more often a unit is lit where a concept is than elsewhere, (C, K); for classification, its spread."""
    places = gathered.chosen(tested=False)
    if gathered.task == "classification":
        return gathered.batch(places)[0][:, :, 0].std(0).expand(len(columns), -1)
    overlap = tallies[name].overlap
    shared, active, labelled = overlap.counts()
    groups = [overlap.categories.index(overlap.category_of[column]) for column in columns]
    pixels = np.stack([gathered.known[place] for place in places]).sum(0) * gathered.pixels
    inside = shared[:, columns] / labelled[columns].clip(min=1)
    outside = (active[:, groups] - shared[:, columns]) / (pixels - labelled[columns]).clip(min=1)
    return torch.from_numpy(np.abs(inside - outside).T).float()


def _single(gathered: Gathered, tallies: list[dict[str, Tallies]], columns: Any, name: str) -> tuple[Any, Any]:
    """The unit that was best on the pictures learnt from, and its IoU on the test, per concept."""
    if gathered.task == "classification":
        found = [single_units(gathered, concept) for concept in range(len(columns))]
        return np.array([each[0] for each in found]), np.array([each[2] for each in found])
    before, after = (each[name].overlap.value()[:, columns] for each in tallies)
    best = before.argmax(axis=0)
    return best, after[best, np.arange(len(columns))]
