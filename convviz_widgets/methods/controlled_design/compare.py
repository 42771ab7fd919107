"""Designs side by side: what constraining or fixing the filters costs and buys, beside a plain network of equal cost.

Networks of one plan (`nets.designs`) and of nearly equal multiply-adds, or parameters, are trained on the same pictures
with the same loop, steps and augmentation (shifts; nothing is turned or mirrored), for several numbers of training
pictures and seeds. Measured are, on other pictures:

- the parameters, the multiply-adds, and which of them belong to fixed filters;
- the accuracy by number of training pictures;
- for the largest number, the accuracy on pictures turned by an angle t, and the drift
  ``mean_n |S(R_t x_n) - S(x_n)| / mean_n |S(x_n) - mean S|`` of the class scores S, so that 0 means answers that do not
  notice the turn and 1 such as differ by as much as two pictures do from the mean one.

Seeds say how far a difference is one of chance; with few of them, only large ones mean anything. The networks are
small, so that the table speaks for small networks.

Cost: the trainings; those that are done are kept in a folder, and a killed one goes on after its last whole epoch.
Oracle: parameters equal the formulas of `nets.designs`; p4 and p4m drift by no more than rounding at quarter turns, the
others by much more; at 0 degrees the drift is 0 and the accuracy that of the upright pictures; killed and called again,
the result is the same bits.
Source: Jacobsen 2016, section 5; Cohen & Welling 2016, section 8; Bruna & Mallat 2013, section 4.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.core.errors import BadValue, unknown_name
from convviz_widgets.core.knob import Knob, whole
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.technique import technique
from convviz_widgets.methods.controlled_design.comparison import DesignComparison
from convviz_widgets.methods.controlled_design.trial import Outcome, Pictures, Plan, run
from convviz_widgets.nets.designs import (
    DESIGNS,
    PLAIN_WIDTH,
    Budget,
    Cost,
    Design,
    DesignedNet,
    checked_side,
    cost,
    width_for,
)

ANGLES = tuple(float(angle) for angle in range(0, 181, 15))
SHIFT = 12  # so many times the largest shift of the augmentation fits into the picture's side


@dataclass(frozen=True)
class _Trial:
    """One training: the design, its width, pictures, seed."""

    design: Design
    width: int
    count: int
    seed: int


@technique
def compare_designs(
    images: Any,
    labels: Sequence[int],
    test_images: Any,
    test_labels: Sequence[int],
    *,
    designs: Sequence[Design] = DESIGNS,
    counts: Sequence[int] | None = None,
    steps: Annotated[int, Knob(1, 100_000, "log", "steps", help="of each training, whatever its pictures")] = 400,
    seeds: Annotated[int, Knob(1, 32, help="trainings of each kind")] = 1,
    side: Annotated[int, Knob(16, 256, "log", "pixels", help="of the pictures; a multiple of 4")] = 48,
    width: Annotated[int, Knob(1, 128, "log", help="maps of the plain network's first layer")] = PLAIN_WIDTH,
    budget: Budget = "multiply_adds",
    batch_size: int = 32,
    learning_rate: float = 3e-3,
    angles: Sequence[float] = ANGLES,
    turned: int = 200,
    class_names: Sequence[str] = (),
    folder: str | PathLike[str] | None = None,
) -> Steps[DesignComparison]:
    """Trains networks of several designs and of equal cost, and measures what each design is good for.

    Example:
        >>> images, labels = np.random.default_rng(0).random((8, 16, 16, 3), dtype=np.float32), [0, 1] * 4
        >>> found = compare_designs(images, labels, images, labels, designs=["plain", "p4"], steps=1, side=16, width=4)
        >>> found.designs, found.accuracy.shape
        (('plain', 'p4'), (1, 2, 1))

    Args:
        images: pictures to train on; each is scaled to a square.
        labels: the index of each picture's class.
        test_images: others, to measure with.
        test_labels: the index of each one's class.
        designs: which; see `nets.designs`.
        counts: numbers of training pictures; the first of an order in which classes take turns. Default: all.
        steps: of each training, whatever its number of pictures (rounded up to whole epochs).
        seeds: how many trainings of each kind.
        side: of the pictures in pixels, a multiple of 4.
        width: of the plain network, which all others cost as much as.
        budget: what is made equal, "multiply_adds" or "parameters".
        batch_size: pictures per step.
        learning_rate: the largest, of AdamW.
        angles: degrees by which test pictures are turned.
        turned: how many test pictures are turned, at most.
        class_names: one per class.
        folder: where trainings are kept; the same call takes from there what is done.

    Returns:
        A `DesignComparison`.

    Raises:
        UnknownName: another design or budget.
        BadValue: numbers out of range; a class that no picture of the smallest number shows, or fewer than two classes.

    Source:
        Jacobsen 2016, section 5; Cohen & Welling 2016, section 8; Bruna & Mallat 2013, section 4.
    """
    plan = Plan(
        train=Pictures.of(images, labels, checked_side(side), "pictures to train on"),
        test=Pictures.of(test_images, test_labels, side, "pictures to test with"),
        side=side,
        classes=len(class_names),
        steps=whole("steps", steps, 1, 100_000),
        batch_size=whole("batch_size", batch_size, 1, 100_000),
        learning_rate=learning_rate,
        shift=max(1, side // SHIFT),
        angles=tuple(float(angle) for angle in angles),
        turned=whole("turned", turned, 1, 1_000_000),
        folder=None if folder is None else Path(folder),
    )
    sizes = tuple(counts) if counts is not None else (len(plan.train.labels),)
    plan = replace(plan, classes=_checked_classes(plan, sizes, class_names))
    with torch.random.fork_rng(devices=[]):
        widths = _widths(plan, designs, width, budget)
    trials = [
        _Trial(design, widths[design][0], count, seed)
        for seed in range(whole("seeds", seeds, 1, 32))
        for count in sizes
        for design in widths
    ]
    outcomes = yield from _all(plan, trials, largest=max(sizes))
    return _collected(
        plan,
        widths,
        sizes,
        outcomes,
        class_names=tuple(class_names),
        provenance=Provenance.of(
            "compare_designs",
            inputs=("images", "labels", "test_images", "test_labels"),
            designs=tuple(widths),
            counts=sizes,
            steps=steps,
            seeds=seeds,
            side=side,
            width=width,
            budget=budget,
            batch_size=batch_size,
            learning_rate=learning_rate,
            angles=plan.angles,
            turned=turned,
        ),
    )


def _checked_classes(plan: Plan, counts: Sequence[int], class_names: Sequence[str]) -> int:
    """The number of classes, all of which the smallest number of pictures must show."""
    known = torch.unique(plan.train.labels)
    classes = max(int(plan.train.labels.max()), int(plan.test.labels.max())) + 1
    if class_names and len(class_names) < classes:
        raise BadValue(
            f"{len(class_names)} class names and the label {classes - 1} were given. Accepted: a name for each."
        )
    unseen = sorted({int(each) for each in plan.test.labels} - {int(each) for each in known})
    if unseen:
        raise BadValue(f"No picture to train on is of class {unseen[0]}, of which there are test pictures. Add some.")
    if len(known) < 2:
        raise BadValue(f"All pictures are of class {int(known[0])}. Accepted: pictures of at least two classes.")
    for count in counts:
        whole("counts", count, 1, len(plan.train.labels))
        if count < len(known):
            raise BadValue(
                f"counts={tuple(counts)!r}: {count} pictures cannot show {len(known)} classes. Accepted: {len(known)} "
                f"to {len(plan.train.labels)}."
            )
    return max(classes, len(class_names))


def _widths(plan: Plan, designs: Sequence[Design], width: int, budget: Budget) -> dict[Design, tuple[int, Cost]]:
    """Width and cost of each design."""
    if not designs:
        raise BadValue(f"No design was given. Accepted: any of {', '.join(DESIGNS)}.")
    for design in designs:
        if design not in DESIGNS:
            raise unknown_name("design", design, DESIGNS)
    plain = cost(DesignedNet("plain", plan.classes, whole("width", width, 1, 128)), plan.side)
    found = {}
    for design in designs:
        fitting = width_for(design, plan.classes, plan.side, like=plain, budget=budget)
        found[design] = (fitting, cost(DesignedNet(design, plan.classes, fitting), plan.side))
    return found


def _all(plan: Plan, trials: list[_Trial], *, largest: int) -> Generator[Step, None, dict[_Trial, Outcome]]:
    """Runs the trials one after another; the steps of the one under way count as parts of it."""
    found: dict[_Trial, Outcome] = {}
    for number, trial in enumerate(trials):
        work = run(plan, trial.design, trial.width, trial.count, trial.seed, turning=trial.count == largest)
        told = f"{trial.design}, {trial.count} pictures, seed {trial.seed}"
        found[trial] = yield from _relabelled(work, told, number, len(trials))
        yield Step(number + 1, len(trials), found[trial].accuracy, told)
    return found


def _relabelled(work: Steps[Outcome], told: str, number: int, total: int) -> Steps[Outcome]:
    """The steps of a training, told as those of the whole."""
    try:
        while True:
            try:
                step = next(work)
            except StopIteration as end:
                outcome: Outcome = end.value
                return outcome
            yield Step(number, total, step.headline, f"{told}: {step.label}")
    finally:
        work.close()


def _collected(
    plan: Plan,
    widths: dict[Design, tuple[int, Cost]],
    counts: tuple[int, ...],
    outcomes: dict[_Trial, Outcome],
    *,
    class_names: tuple[str, ...],
    provenance: Provenance,
) -> DesignComparison:
    by = {(trial.design, trial.count, trial.seed): outcome for trial, outcome in outcomes.items()}
    seeds = sorted({trial.seed for trial in outcomes})
    most = max(counts)

    def gathered(field: str) -> npt.NDArray[np.float64]:
        return np.array([[getattr(by[design, most, seed], field) for design in widths] for seed in seeds])

    return DesignComparison(
        designs=tuple(widths),
        widths=tuple(width for width, _ in widths.values()),
        parameters=np.array([spent.parameters for _, spent in widths.values()]),
        multiply_adds=np.array([spent.multiply_adds for _, spent in widths.values()]),
        fixed=np.array([spent.fixed for _, spent in widths.values()]),
        counts=counts,
        accuracy=np.array(
            [[[by[design, count, seed].accuracy for count in counts] for design in widths] for seed in seeds]
        ),
        angles=np.array(plan.angles),
        turned=gathered("turned"),
        drift=gathered("drift"),
        quarter=gathered("quarter").max(0),
        loss=gathered("loss"),
        weights={
            design: {name: value.numpy() for name, value in by[design, most, seeds[0]].weights.items()}
            for design in widths
        },
        side=plan.side,
        classes=plan.classes,
        class_names=class_names,
        test_pictures=len(plan.test.labels),
        provenance=provenance,
    )
