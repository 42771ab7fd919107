"""The two passes over a labelled dataset: first each unit's threshold, then the pixels it shares with each concept.

Maps of the first pictures are kept between the passes as far as memory allows, so that those pictures run once only;
the others run again, in the same batches, with the same bits.
"""

import os
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.core.errors import BadValue
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.dissection.cells import count
from convviz_widgets.methods.dissection.samples import Samples
from convviz_widgets.methods.dissection.upsampling import Axis, axes, on
from convviz_widgets.tally import checkpoint as file_of
from convviz_widgets.tally.feed import Group, Skipped, batches
from convviz_widgets.tally.overlap import Overlap
from convviz_widgets.tally.quantile import Quantile
from convviz_widgets.tally.top_k import TopK

SECONDS_BETWEEN_CHECKPOINTS = 20.0
Maps = dict[str, torch.Tensor]


@dataclass(frozen=True, eq=False)
class Probe:
    """Maps that are looked at: those of a layer, or those turned into another basis.

    Args:
        name: of the probe.
        layer: where the maps come from.
        basis: (K, K); row u holds the weights of the layer's maps in map u of the probe. None: the maps themselves.
    """

    name: str
    layer: Layer
    basis: npt.NDArray[np.float32] | None = None

    def of(self, recorded: Maps) -> torch.Tensor:
        """(N, K, h, w); a vector has one position."""
        answers = recorded[self.layer.name].float()
        if self.basis is not None:
            answers = torch.tensordot(answers, torch.from_numpy(self.basis).to(answers.device).T, dims=([1], [0]))
            answers = answers.movedim(-1, 1).contiguous()
        return answers if answers.ndim == 4 else answers.reshape(*answers.shape[:2], 1, -1)


@dataclass
class Tallies:
    """What is counted of one probe."""

    quantile: Quantile
    top: TopK
    overlap: Overlap

    def named(self) -> dict[str, Any]:
        """By name, for a checkpoint."""
        return {"quantile": self.quantile, "top": self.top, "overlap": self.overlap}


@dataclass
class Work:
    """What is to be counted, and how.

    Args:
        lens: the network.
        samples: the dataset, read for it.
        probes: what is looked at.
        quantile: share of positions above the threshold.
        batch_size: pictures per forward pass.
        top: pictures kept per unit.
    """

    lens: Lens
    samples: Samples
    probes: Sequence[Probe]
    quantile: float
    batch_size: int
    top: int
    _axes: dict[Any, tuple[Axis, Axis]] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.samples.dataset)

    def fresh(self) -> dict[str, Tallies]:
        """Tallies that have counted nothing."""
        category_of = {concept.id: str(concept.category) for concept in self.samples.concepts}
        return {probe.name: Tallies(Quantile(), TopK(self.top), Overlap(category_of)) for probe in self.probes}

    def batches(self, start: int, stop: int | None = None) -> Iterator[Any]:
        """The samples from a place on."""
        return batches(
            self.lens, self.samples.dataset, size=self.batch_size, start=start, stop=stop, read=self.samples.read
        )

    def maps(self, group: Group) -> Maps:
        """The maps of a group of pictures, by layer."""
        return self.lens.record(group.prepared, dict.fromkeys(probe.layer.name for probe in self.probes))

    def axes_of(self, probe: Probe, maps: torch.Tensor, group: Group) -> tuple[Axis, Axis]:
        """Where the maps (N, K, h, w) of a group lie on the grid of its labels."""
        shape, picture, grid = _sides(maps), _sides(group.prepared), group.beside[0].grid
        key = (probe.layer.name, shape, picture, grid)
        if key not in self._axes:
            self._axes[key] = axes(probe.layer, shape, picture, grid)
        return self._axes[key]

    def first(self, tallies: dict[str, Tallies], group: Group, maps: Maps) -> None:
        """Counts a group for the thresholds."""
        for probe in self.probes:
            seen = probe.of(maps)
            tallies[probe.name].quantile.add(seen, group.indices)
            tallies[probe.name].top.add(seen, group.indices)

    def second(
        self, tallies: dict[str, Tallies], thresholds: dict[str, npt.NDArray[np.float32]], group: Group, maps: Maps
    ) -> None:
        """Counts a group for the overlaps."""
        deepest = max(each.columns.shape[1] for each in group.beside)
        columns = [np.pad(each.columns, ((0, 0), (0, deepest - each.columns.shape[1]))) for each in group.beside]
        device = group.prepared.device
        labels = torch.from_numpy(np.stack(columns)).to(device)
        known = torch.from_numpy(np.stack([each.known for each in group.beside])).to(device)
        labelled: npt.NDArray[np.int64] = np.sum([each.pixels for each in group.beside], axis=0, dtype=np.int64)
        for probe in self.probes:
            seen = probe.of(maps)
            limits, place = on(thresholds[probe.name], seen), self.axes_of(probe, seen, group)
            shared, active = count(seen, limits, place, labels, known, len(self.samples.concepts))
            tallies[probe.name].overlap.take(shared, active, labelled)


@dataclass
class Kept:
    """Groups of the first pictures with their maps, as many as fit.

    Args:
        room: bytes that may still be taken.
    """

    room: int
    groups: list[tuple[Group, Maps]] = field(default_factory=list)
    stop: int = 0

    def take(self, batch: Any, recorded: list[Maps]) -> None:
        """Keeps a batch if it follows on what is kept and fits."""
        size = sum(tensor.untyped_storage().nbytes() for maps in recorded for tensor in maps.values())
        size += sum(each.columns.nbytes for group in batch.groups for each in group.beside)
        if size > self.room:
            self.room = 0
            return
        self.room -= size
        self.stop = batch.stop
        for group, maps in zip(batch.groups, recorded, strict=True):
            shape = (len(group.prepared), 0, *_sides(group.prepared))  # the pictures themselves are not needed again
            self.groups.append((group._replace(prepared=group.prepared.new_empty(shape)), maps))


@dataclass
class Counted:
    """What the passes found."""

    tallies: dict[str, Tallies]
    thresholds: dict[str, npt.NDArray[np.float32]]
    count: int
    skipped: tuple[Skipped, ...]
    pace: dict[str, tuple[int, float]] = field(default_factory=dict)


class Progress:
    """How fast the work goes and how long it will take."""

    def __init__(self, total: int, done: int) -> None:
        self.total, self.first, self.began = total, done, time.monotonic()

    def step(self, done: int, label: str) -> Step:
        """After so many pictures, counted over both passes."""
        passed = max(time.monotonic() - self.began, 1e-9)
        pace = (done - self.first) / passed
        left = (self.total - done) / pace if pace > 0 else 0.0
        told = f"{left:.0f} s" if left < 90 else f"{left / 60:.0f} min" if left < 5400 else f"{left / 3600:.1f} h"
        return Step(done, self.total, label=f"{label}, {pace:.0f} pictures/s, {told} left")


class Book:
    """A checkpoint that is written now and then; a disk that is full does not end the work."""

    def __init__(self, file: str | os.PathLike[str] | None, work: Work, tallies: dict[str, Tallies]) -> None:
        self.file = None if file is None else Path(file)
        self.about = {} if file is None else about_of(work, tallies)
        self.tallies = {name: each.named() for name, each in tallies.items()}
        self.saved = time.monotonic()

    def opened(self) -> tuple[int, list[Skipped]]:
        """Pictures done, and those skipped, of what was kept; restores the tallies."""
        if self.file is None or not self.file.exists():
            return 0, []
        return file_of.resume(self.file, self.about, self.tallies)

    def write(self, done: int, skipped: list[Skipped], *, now: bool = False) -> None:
        """Writes if it is time."""
        if self.file is None or not (now or time.monotonic() - self.saved > SECONDS_BETWEEN_CHECKPOINTS):
            return
        try:
            file_of.save(self.file, self.about, self.tallies, done, skipped)
        except OSError as error:
            warnings.warn(
                f"{self.file} could not be written ({error}). The count goes on; what was written before stays. Make "
                "room, or name another place.",
                RuntimeWarning,
                stacklevel=2,
            )
        self.saved = time.monotonic()


def two_passes(work: Work, book: Book, tallies: dict[str, Tallies], *, memory: int) -> Steps[Counted]:
    """Runs both passes in this process; ``done`` counts pictures over both, so that one number says where it is."""
    number, began = len(work), time.monotonic()
    done, skipped = book.opened()
    progress, kept = Progress(2 * number, done), Kept(memory if done == 0 else 0)
    if done < number:
        for batch in work.batches(done):
            recorded = [work.maps(group) for group in batch.groups]
            for group, maps in zip(batch.groups, recorded, strict=True):
                work.first(tallies, group, maps)
            kept.take(batch, recorded)
            done, skipped = batch.stop, [*skipped, *batch.skipped]
            book.write(done, skipped, now=done == number)
            yield progress.step(done, "thresholds")
    found = finished(work, tallies, skipped)
    while kept.groups:
        group, maps = kept.groups.pop(0)
        work.second(tallies, found.thresholds, group, maps)
        done += len(group.indices)
        yield progress.step(min(done, number + kept.stop), "overlaps")
    done = max(done, number + kept.stop)
    for batch in work.batches(done - number):
        for group in batch.groups:
            work.second(tallies, found.thresholds, group, work.maps(group))
        done = number + batch.stop
        book.write(done, skipped)
        yield progress.step(done, "overlaps")
    book.write(done, skipped, now=True)
    found.pace = {"this process": (found.count, time.monotonic() - began)}
    return found


def about_of(work: Work, tallies: dict[str, Tallies]) -> dict[str, Any]:
    """What a count is of: a checkpoint of anything else is refused."""
    bases = {each.name: "" if each.basis is None else sha256(each.basis.tobytes()).hexdigest() for each in work.probes}
    return {
        **file_of.about(work.lens, work.samples.dataset, {name: each.named() for name, each in tallies.items()}),
        "quantile": work.quantile,
        "batch_size": work.batch_size,
        "density": list(work.samples.density),
        "bases": bases,
    }


def finished(work: Work, tallies: dict[str, Tallies], skipped: Sequence[Skipped]) -> Counted:
    """What is known after the first pass: the thresholds.

    Raises:
        BadValue: nothing was counted.
    """
    if len(skipped) == len(work):
        first = f" The first: {skipped[0].name}: {skipped[0].reason}" if skipped else ""
        raise BadValue(f"None of the {len(work)} pictures could be read.{first}")
    thresholds = {name: threshold_of(each.quantile, work.quantile) for name, each in tallies.items()}
    return Counted(tallies, thresholds, len(work) - len(skipped), tuple(skipped))


def _sides(images: torch.Tensor) -> tuple[int, int]:
    return int(images.shape[2]), int(images.shape[3])


def threshold_of(quantile: Quantile, share: float) -> npt.NDArray[np.float32]:
    """What a unit must reach, (K,): the value that this share of its activations exceeds.

    Where that is the least a unit ever gives (it is silent nearly always, or constant), it must give more.
    """
    low, high = quantile.extremes()
    found = np.clip(quantile.value(share), low, high)
    above = np.where(low == 0, np.finfo(np.float32).tiny, np.nextafter(low, np.float32(np.inf)))
    return np.where(found <= low, above, found).astype(np.float32)
