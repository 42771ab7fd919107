"""What incremental inference is worth: a whole occlusion map beside captum's and beside a plain batched loop.

The others take each position alone, so they run a part of the positions and are counted as often as it takes. Beside
each ratio stands the one of the multiplications, which no machine can go far beyond.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

import convviz_widgets as cv
from convviz_widgets.lens.incremental.engine import Incremental
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.occlusion.occlusion import occlusion
from tests.benchmarks.harness import Comparison, compare
from tests.networks import settle

SPARSE = 2  # along each axis the others run every second position
NAMES = ("alexnet", "squeezenet1_0", "resnet18", "vgg16")


def rows(*, quick: bool = False, names: tuple[str, ...] = NAMES, stride: int = 8) -> Iterator[Comparison]:
    """The rows; ``quick`` runs them on tiny settings, to see that they run."""
    runs, side, size, stride = (2, 64, 24, 12) if quick else (3, 224, 32, stride)
    for name in names[:2] if quick else names:
        lens = Lens(settle(cv.Lens.load(name, weights=None, device="cpu").module), input_size=side)
        photo = torch.rand(3, side, side, generator=torch.Generator().manual_seed(0))
        lens.layers  # noqa: B018 -- found before the clock runs
        positions, part = (len(range(0, side - size + 1, step)) ** 2 for step in (stride, SPARSE * stride))
        told = partial(occlusion, lens, photo, 0, size=size, stride=stride)
        alone = positions * _multiplications(partial(_plain, lens, photo))
        for against, work in _others(lens, photo, size, SPARSE * stride):
            yield compare(
                f"{name}, occlusion map, {side} px, square {size}, stride {stride} / {against}",
                told,
                work,
                runs=runs,
                note=f"(multiplications: x{alone / _multiplications(told):.2f})",
                times=positions / part,
            )
        yield _brush(name, lens, photo, size, 10 * runs)


def _others(lens: Lens, photo: torch.Tensor, size: int, stride: int) -> Iterator[tuple[str, Callable[[], object]]]:
    def plain() -> None:
        hidden = []
        for top in range(0, photo.shape[1] - size + 1, stride):
            for left in range(0, photo.shape[2] - size + 1, stride):
                hidden.append(photo.clone())
                hidden[-1][:, top : top + size, left : left + size] = 0.5
        with torch.inference_mode():
            for start in range(0, len(hidden), 32):
                lens.module.eval()(torch.stack(hidden[start : start + 32])).softmax(1)

    yield "plain loop in batches of 32", plain
    try:
        from captum.attr import Occlusion as Captum
    except ImportError:
        return

    def captum() -> None:
        windows = {"sliding_window_shapes": (3, size, size), "strides": (3, stride, stride), "baselines": 0.5}
        with torch.no_grad():
            Captum(lens.module.eval()).attribute(photo[None], target=0, **windows)

    yield "captum's default", captum


def _brush(name: str, lens: Lens, photo: torch.Tensor, size: int, runs: int) -> Comparison:
    """Strokes at ever new places of a picture that is open already, each beside a full forward of the same picture."""
    opened, window = Incremental(lens, photo[None]), torch.full((1, 3, size, size), 0.5)
    rng, side = np.random.default_rng(0), photo.shape[1]
    corners = iter(rng.integers(0, side - size + 1, (runs + 1, 2)).tolist())  # one more for the warm-up

    def stroke() -> None:
        top, left = next(corners)
        opened.answers(top, left, window)

    full = partial(_plain, lens, photo)
    found = compare(f"{name}, strokes of {size} px / full forward", stroke, full, runs=runs)
    middle, late = (float(each) * 1e3 for each in np.quantile(found.ours, (0.5, 0.95)))
    centre = partial(opened.answers, (side - size) // 2, (side - size) // 2, window)
    ratio = _multiplications(full) / _multiplications(centre)
    return replace(found, note=f"p50 {middle:.1f} ms, p95 {late:.1f} ms (multiplications, in the middle: x{ratio:.2f})")


def _plain(lens: Lens, photo: torch.Tensor) -> None:
    with torch.inference_mode():
        lens.module.eval()(photo[None])


def _multiplications(work: Callable[[], object]) -> int:
    """Of matrix products and convolutions, which are nearly all of the work."""
    with FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops()) // 2
