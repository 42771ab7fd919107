"""The two passes on the workers of a ``dask.distributed`` client.

Each worker counts a part of the pictures, whole batches of them, into tallies of its own; these come back and are
merged in the order of the dataset. Batches are the same as in one process, each worker computes with as many threads as
this process does, and merging does not round: the result has the same bits. What a killed worker was at work on, or
alone held, is run again by another.
"""

import copy
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from convviz_widgets.core.step import Steps
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.preprocess import Preprocess
from convviz_widgets.methods.dissection.passes import Book, Counted, Probe, Progress, Tallies, Work, finished
from convviz_widgets.methods.dissection.samples import Samples
from convviz_widgets.tally.feed import Skipped
from convviz_widgets.tally.protocol import State

BATCHES = 4  # of pictures in a part
AHEAD = 2  # parts that wait for each worker
Thresholds = dict[str, npt.NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Parcel:
    """All that a worker needs, fit for pickling."""

    module: nn.Module
    preprocess: Preprocess
    input_size: tuple[int, int]
    gpu: bool
    threads: int
    dataset: Any
    probes: tuple[tuple[str, str, npt.NDArray[np.float32] | None], ...]
    quantile: float
    batch_size: int
    top: int
    density: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Part:
    """What a worker counted: per probe and tally its state, the pictures skipped, and how long it took."""

    states: dict[str, dict[str, State]]
    skipped: list[Skipped]
    worker: str
    pictures: int
    seconds: float


@dataclass
class Crew:
    """The workers at one count.

    Args:
        client: of ``dask.distributed``.
        work: what is counted.
        pace: per worker, pictures run and seconds taken.
    """

    client: Any
    work: Work
    pace: dict[str, tuple[int, float]] = field(default_factory=dict)

    def parts(self, start: int, thresholds: Thresholds | None) -> Iterator[tuple[int, Part]]:
        """The parts from a picture on, in order: where each ends, and what was counted."""
        size = BATCHES * self.work.batch_size
        starts = iter(range(start, len(self.work), size))
        key, parcel = f"{self.work.lens.fingerprint} {id(self.work)} {time.time_ns()}", self._parcel()
        waiting: deque[tuple[int, Any]] = deque()

        def count(first: int) -> tuple[int, Any]:
            stop = min(first + size, len(self.work))
            return stop, self.client.submit(_count, key, parcel, first, stop, thresholds, pure=False)

        try:
            while True:
                room = AHEAD * max(1, len(self.client.scheduler_info()["workers"])) + 1 - len(waiting)
                waiting.extend(count(first) for _, first in zip(range(room), starts, strict=False))
                if not waiting:
                    return
                stop, future = waiting[0]
                part = future.result()
                waiting.popleft()
                pictures, seconds = self.pace.get(part.worker, (0, 0.0))
                self.pace[part.worker] = pictures + part.pictures, seconds + part.seconds
                yield stop, part
        finally:
            for _, future in waiting:
                future.cancel()

    def _parcel(self) -> Any:
        """The parcel, as a task of its own, which is run again where the worker that held its outcome is lost.

        Handed over as bytes: a network with a recorder's hooks on it could not go from worker to worker.
        """
        import cloudpickle
        import dask

        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 PB"}):  # sent once only
            return self.client.submit(bytes, cloudpickle.dumps(_parcel(self.work)), pure=False)


def shared_passes(work: Work, client: Any, book: Book, tallies: dict[str, Tallies]) -> Steps[Counted]:
    """Runs both passes on a client's workers."""
    number, crew = len(work), Crew(client, work)
    done, skipped = book.opened()
    progress = Progress(2 * number, done)
    if done < number:
        for stop, part in crew.parts(done, None):
            _merge(tallies, part, work)
            done, skipped = stop, [*skipped, *part.skipped]
            book.write(done, skipped, now=done == number)
            yield progress.step(done, f"thresholds on {len(crew.pace)} workers")
    found = finished(work, tallies, skipped)
    for stop, part in crew.parts(done - number, found.thresholds):
        _merge(tallies, part, work)
        done = number + stop
        book.write(done, skipped)
        yield progress.step(done, f"overlaps on {len(crew.pace)} workers")
    book.write(done, skipped, now=True)
    found.pace = crew.pace
    return found


def _merge(tallies: dict[str, Tallies], part: Part, work: Work) -> None:
    for probe, fresh in work.fresh().items():
        for name, tally in fresh.named().items():
            if name in part.states[probe]:
                tally.restore(part.states[probe][name])
                tallies[probe].named()[name].merge(tally)


def _parcel(work: Work) -> Parcel:
    lens = work.lens
    module = lens.module if lens.device.type == "cpu" else copy.deepcopy(lens.module).cpu()
    return Parcel(
        module=module,
        preprocess=lens.preprocess,
        input_size=(lens.input_shape[1], lens.input_shape[2]),
        gpu=lens.device.type == "cuda",
        threads=torch.get_num_threads(),
        dataset=work.samples.dataset,
        probes=tuple((each.name, each.layer.name, each.basis) for each in work.probes),
        quantile=work.quantile,
        batch_size=work.batch_size,
        top=work.top,
        density=work.samples.density,
    )


_opened: dict[str, tuple[Work, int]] = {}
"""The one count that this worker is at and its number of threads, so that its network is opened once."""


def _work(key: str, packed: bytes) -> tuple[Work, int]:
    if key not in _opened:
        import cloudpickle

        parcel: Parcel = cloudpickle.loads(packed)
        _opened.clear()
        device = "cuda" if parcel.gpu and torch.cuda.is_available() else "cpu"
        lens = Lens(parcel.module, preprocess=parcel.preprocess, input_size=parcel.input_size, device=device)
        probes = [Probe(name, lens.layers[layer], basis) for name, layer, basis in parcel.probes]
        samples = Samples(lens, parcel.dataset, density=parcel.density)
        work = Work(lens, samples, probes, parcel.quantile, parcel.batch_size, parcel.top)
        _opened[key] = work, parcel.threads
    return _opened[key]


def _count(key: str, packed: bytes, start: int, stop: int, thresholds: Thresholds | None) -> Part:
    """Runs on a worker: counts the pictures from ``start`` to ``stop``, for thresholds or, given them, for overlaps."""
    began = time.monotonic()
    work, threads = _work(key, packed)
    tallies, skipped = work.fresh(), []
    with _threads(threads):
        for batch in work.batches(start, stop):
            skipped += batch.skipped
            for group in batch.groups:
                if thresholds is None:
                    work.first(tallies, group, work.maps(group))
                else:
                    work.second(tallies, thresholds, group, work.maps(group))
    names: Sequence[str] = ("quantile", "top") if thresholds is None else ("overlap",)
    states = {probe: {name: each.named()[name].state() for name in names} for probe, each in tallies.items()}
    return Part(states, skipped, _address(), stop - start, time.monotonic() - began)


@contextmanager
def _threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _address() -> str:
    from distributed import get_worker

    return str(get_worker().address)
