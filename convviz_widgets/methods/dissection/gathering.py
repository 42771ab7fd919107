"""What a layer answers to labelled pictures, gathered for learning concepts: one bit for each unit and position."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.core.errors import BadValue
from convviz_widgets.core.step import Steps
from convviz_widgets.methods.dissection.passes import Progress, Tallies, Work, finished
from convviz_widgets.methods.dissection.report import Concept, Dissection
from convviz_widgets.methods.dissection.upsampling import Axis, on

Task = Literal["segmentation", "classification"]
TESTED = 0.3  # share of pictures kept apart


@dataclass
class Gathered:
    """What a layer answers to N pictures, small enough to stay in memory, and where C concepts are in them.

    Args:
        task: "segmentation" keeps where units reach their thresholds, one bit each; "classification" their means.
        concepts: columns of the concepts.
        inputs: per picture packed bits of (K, h, w), or (K,) float32.
        targets: per picture packed bits of (C, pixels), or (C,) bool.
        known: per picture (C,) whether it has any label of a concept's category.
        tested: per picture whether it is kept apart from the learning.
        shape: (K, h, w).
        axes: rows and columns of the labels' grid.
    """

    task: Task
    concepts: npt.NDArray[np.int64]
    shape: tuple[int, int, int] = (0, 0, 0)
    axes: tuple[Axis, Axis] | None = None
    inputs: list[npt.NDArray[np.generic]] = field(default_factory=list)
    targets: list[npt.NDArray[np.generic]] = field(default_factory=list)
    known: list[npt.NDArray[np.bool_]] = field(default_factory=list)
    tested: list[bool] = field(default_factory=list)

    def take(
        self, maps: torch.Tensor, thresholds: torch.Tensor, labels: npt.NDArray[np.int32], known: npt.NDArray[np.bool_]
    ) -> None:
        """One picture: maps (K, h, w), label columns (pixels, L), which concepts' categories it has labels of."""
        shape = (int(maps.shape[0]), int(maps.shape[1]), int(maps.shape[2]))
        if self.inputs and shape != self.shape:
            raise BadValue(
                f"Pictures give maps {self.shape} and {shape}. Accepted: pictures of one prepared size; open the "
                "network with a `preprocess` that resizes them."
            )
        self.shape = shape
        there = (labels[None] == (self.concepts + 1)[:, None, None]).any(2)
        self.known.append(known)
        if self.task == "segmentation":
            self.inputs.append(np.packbits((maps >= thresholds[:, None, None]).cpu().numpy()))
            self.targets.append(np.packbits(there))
        else:
            self.inputs.append(maps.flatten(1).double().mean(1).float().cpu().numpy())
            self.targets.append(there.any(1))

    def chosen(self, *, tested: bool) -> list[int]:
        """Pictures that are learnt from, or tested on, and have a label of any of the categories."""
        return [place for place, each in enumerate(self.tested) if each == tested and self.known[place].any()]

    def batch(self, places: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Inputs (n, K, positions), targets (n, C, pixels) of 0 and 1, known (n, C, 1)."""
        known = torch.from_numpy(np.stack([self.known[place] for place in places]))[..., None]
        if self.task == "classification":
            x = torch.from_numpy(np.stack([self.inputs[place] for place in places]).astype(np.float32))
            return x[..., None], torch.from_numpy(np.stack([self.targets[place] for place in places]))[..., None], known
        size = int(np.prod(self.shape))
        bits = np.stack([np.unpackbits(self.inputs[place].astype(np.uint8), count=size) for place in places])
        x = torch.from_numpy(bits).float().view(len(places), self.shape[0], -1)
        pixels = self.pixels * len(self.concepts)
        there = np.stack([np.unpackbits(self.targets[place].astype(np.uint8), count=pixels) for place in places])
        return x, torch.from_numpy(there).bool().view(len(places), len(self.concepts), -1), known

    @property
    def pixels(self) -> int:
        """Of the labels' grid."""
        return 1 if self.axes is None else len(self.axes[0].low) * len(self.axes[1].low)


def gather(
    work: Work, columns: Any, task: Task, *, seed: int, report: Dissection | None
) -> Steps[tuple[Gathered, list[dict[str, Tallies]], Any]]:
    """Thresholds, then masks, labels and the counts of single units, apart for what is learnt from and tested on."""
    name, number = work.probes[0].name, len(work)
    first = 0 if report is not None else number
    progress = Progress(first + number, 0)
    thresholds = (yield from _thresholds(work, progress)) if report is None else _thresholds_in(report, work)
    limits = thresholds[name]
    categories = [work.samples.categories.index(str(work.samples.concepts[each].category)) for each in columns]
    apart = np.random.default_rng(seed).permutation(number) < TESTED * number
    gathered, tallies = Gathered(task, columns), [work.fresh(), work.fresh()]
    for batch in work.batches(0):
        for group in batch.groups:
            maps = work.maps(group)
            seen = work.probes[0].of(maps)
            if task == "segmentation" and gathered.axes is None:
                gathered.axes = work.axes_of(work.probes[0], seen, group)
            for place, labelled in enumerate(group.beside):
                gathered.tested.append(bool(apart[int(group.indices[place])]))
                gathered.take(seen[place], on(limits, seen), labelled.columns, labelled.known[categories])
            for tested in (False, True):
                part = np.flatnonzero(apart[group.indices.numpy()] == tested)
                if len(part):
                    chosen = {layer: each[part] for layer, each in maps.items()}
                    work.second(tallies[tested], thresholds, group.part(part), chosen)
        yield progress.step(first + batch.stop, "masks")
    return gathered, tallies, np.array(limits)


def _thresholds(work: Work, progress: Progress) -> Steps[dict[str, Any]]:
    tallies, skipped = work.fresh(), []
    for batch in work.batches(0):
        for group in batch.groups:
            work.first(tallies, group, work.maps(group))
        skipped += batch.skipped
        yield progress.step(batch.stop, "thresholds")
    return finished(work, tallies, skipped).thresholds


def _thresholds_in(report: Dissection, work: Work) -> dict[str, Any]:
    name = work.probes[0].name
    if report.provenance.fingerprint != work.lens.fingerprint or name not in report.layers:
        raise BadValue(f"The report is of another network, or has no layer {name}. Accepted: one of this layer.")
    return {name: report.layers[name].thresholds}


def check(gathered: Gathered, concepts: list[Concept]) -> None:
    """Whether each concept can be learnt and tested.

    Raises:
        BadValue: no picture of one or the other kind has it.
    """
    for tested in (False, True):
        places = gathered.chosen(tested=tested)
        there = np.zeros(len(concepts), dtype=bool)
        for place in places:
            _, target, known = gathered.batch([place])
            there |= (target & known).any(2)[0].numpy()
        missing = [each.name for each, found in zip(concepts, there, strict=True) if not found]
        if missing:
            which = "kept apart for the test" if tested else "learnt from"
            raise BadValue(
                f"Among the {len(places)} pictures {which} none has {', '.join(missing)}. Accepted: concepts that "
                "occur in several pictures; give more pictures, or another seed."
            )
