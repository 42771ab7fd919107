"""What a person waits for on one core, as a Binder session has: growing a picture, a stroke, a dissection, a card.

No ratio here: the question is whether it is usable. Where the system cannot bind a process to a core (macOS), one
thread stands for it, and the line says so.
"""

import contextlib
import os
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch

from convviz_widgets.data.mini_broden import MiniBroden
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.activation_maximization.activation_maximization import activation_maximization
from convviz_widgets.methods.dissection.dissect import dissect
from convviz_widgets.widgets.concept_browser import ConceptBrowser
from convviz_widgets.widgets.occlusion_brush import OcclusionBrush

LIMIT = 120.0  # seconds that an answer may take at most


@contextlib.contextmanager
def on_one_core() -> Iterator[str]:
    """Binds this process, and those it starts, to one core for a while; gives what was done in words."""
    if not hasattr(os, "sched_setaffinity"):
        yield "one thread, not bound to a core"
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield "one core"
    finally:
        os.sched_setaffinity(0, before)


def rows(*, quick: bool = False) -> Iterator[str]:
    """The lines; ``quick`` runs them on tiny settings, to see that they run."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with on_one_core() as told:
            for line in _lines(quick=quick):
                yield f"{told}, load {os.getloadavg()[0]:.1f}: {line}"
    finally:
        torch.set_num_threads(threads)


def _lines(*, quick: bool) -> Iterator[str]:
    lens, images = Lens.load("mini", device="cpu"), MiniBroden(4 if quick else 120, seed=1)
    lens.activations(images[0], ["relu5"])
    steps = 4 if quick else 256
    seconds = _seconds(lambda: activation_maximization(lens, "relu5:1", steps=steps, progress=False))
    yield f"a picture grown in {steps} steps: {seconds:.1f} s, {steps / seconds:.0f} steps a second"
    yield _strokes(lens, images, 3 if quick else 40)
    began = time.perf_counter()
    report = dissect(lens, images, ["relu5"], progress=False)
    yield f"dissection of relu5 over {len(images)} drawings: {time.perf_counter() - began:.1f} s"
    yield _cards(lens, images, report, 2 if quick else 20)


def _strokes(lens: Lens, images: MiniBroden, count: int) -> str:
    brush = OcclusionBrush(lens, [images[0].image])
    brush.wait(LIMIT)
    size, times, generator = lens.input_shape[-1], [], np.random.default_rng(0)
    for _ in range(count):
        mask = np.zeros((size, size), dtype=np.uint8)
        top, left = generator.integers(0, size - 16, 2)
        mask[top : top + 16, left : left + 16] = 255
        times.append(_seconds(lambda mask=mask: (brush.set_region(mask), brush.wait(LIMIT))))
    brush.close()
    return f"a stroke of the brush: {_told(times)}"


def _cards(lens: Lens, images: MiniBroden, report: object, count: int) -> str:
    browser = ConceptBrowser(lens, report, images)
    browser.wait(LIMIT)

    def show(unit: int) -> None:
        browser.unit = f"relu5:{unit}"
        browser.wait(LIMIT)

    times = [_seconds(partial(show, unit)) for unit in range(count)]
    browser.close()
    return f"a unit's card with its pictures: {_told(times)}"


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _told(times: list[float]) -> str:
    return (
        f"{statistics.median(times) * 1e3:.0f} ms, 95th percentile {statistics.quantiles(times, n=20)[-1] * 1e3:.0f} ms"
    )


if __name__ == "__main__":
    for row in rows():
        print(row)  # noqa: T201 -- what it is for
