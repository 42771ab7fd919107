"""What incremental inference is worth: a whole occlusion map beside captum's and beside a plain batched loop.

The others take each position alone, so they run a part of the positions and are counted as often as it takes. Beside
each ratio stands the one of the multiplications, which no machine can go far beyond: where receptive fields have
grown past the square, most of a map changes, and little is there to be saved.
"""

import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

import convviz_widgets as cv
from convviz_widgets.lens.incremental.easel import Easel
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.occlusion.occlusion import occlusion
from tests.benchmarks.harness import Comparison, compare
from tests.networks import settle

SPARSE = 2  # along each axis the others run every second position,
SPARSER = 4  # or every fourth of a network
LARGE = 4e9  # of so many multiplications
NAMES = ("alexnet", "squeezenet1_0", "resnet18", "vgg16")


def rows(*, quick: bool = False, names: tuple[str, ...] = NAMES, stride: int = 8) -> Iterator[Comparison]:
    """The rows; ``quick`` runs them on tiny settings, to see that they run."""
    runs, side, size, stride = (2, 64, 24, 12) if quick else (3, 224, 32, stride)
    for name in names[1:2] if quick else names:
        lens = Lens(settle(cv.Lens.load(name, weights=None, device="cpu").module), input_size=side)
        photo = torch.rand(3, side, side, generator=torch.Generator().manual_seed(0))
        lens.layers  # noqa: B018 -- found before the clock runs
        full = _multiplications(partial(_plain, lens, photo))
        apart = stride * (SPARSER if full > LARGE else SPARSE)
        positions, part = (len(range(0, side - size + 1, step)) ** 2 for step in (stride, apart))
        told = partial(occlusion, lens, photo, 0, size=size, stride=stride)
        ours = _multiplications(told) / positions
        for against, work in _others(lens, photo, size, apart):
            yield compare(
                f"{name}, occlusion map, {side} px, square {size}, stride {stride} / {against}",
                told,
                work,
                runs=runs,
                note=f"(multiplications: {full / 1e9:.3g} against {ours / 1e9:.3g} G a position, x{full / ours:.2f})",
                times=positions / part,
            )
        yield _brush(name, lens, photo, size, 10 * runs)


def _others(lens: Lens, photo: torch.Tensor, size: int, stride: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """The quickest plain loop, and captum's."""
    corners = [range(0, length - size + 1, stride) for length in photo.shape[1:]]

    def plain(module: torch.nn.Module, layout: torch.memory_format, batch: int, most: int | None = None) -> None:
        places = list(product(*corners))[:most]
        with torch.inference_mode():
            for start in range(0, len(places), batch):
                hidden = photo.repeat(len(places[start : start + batch]), 1, 1, 1)
                for each, (top, left) in zip(hidden, places[start : start + batch], strict=True):
                    each[:, top : top + size, left : left + size] = 0.5
                module(hidden.contiguous(memory_format=layout)).softmax(1)

    loops: dict[str, Callable[..., None]] = {}
    for layout, batch in product((torch.contiguous_format, torch.channels_last), (8, 32)):
        module = deepcopy(lens.module).eval().to(memory_format=layout)
        name = f"plain loop in batches of {batch}{', channels last' if layout == torch.channels_last else ''}"
        loops[name] = partial(plain, module, layout, batch)
    best = min(loops, key=lambda name: _seconds_of(partial(loops[name], most=32)))
    yield f"the quickest {best}", loops[best]
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
    """Strokes one after another on a picture that is open already, each beside a full forward of the same picture."""
    easel, rng, side = Easel(lens, photo[None]), np.random.default_rng(0), photo.shape[1]
    corners = iter(rng.integers(0, side - size + 1, (runs + 1, 2)).tolist())  # one more for the warm-up
    shades = torch.linspace(0, 1, runs + 2)

    def stroke(place: tuple[int, int] | None = None) -> None:
        top, left = place or next(corners)
        easel.paint(top, left, shades[rng.integers(len(shades))].expand(1, 3, size, size))
        easel.answers()

    full = partial(_plain, lens, photo)
    found = compare(f"{name}, strokes of {size} px / full forward", stroke, full, runs=runs)
    middle, late = (float(each) * 1e3 for each in np.quantile(found.ours, (0.5, 0.95)))
    least, most = _multiplications(partial(stroke, ((side - size) // 2,) * 2)) / 1e9, _multiplications(full) / 1e9
    told = f"(multiplications, in the middle: {most:.3g} against {least:.3g} G, x{most / least:.2f})"
    return replace(found, note=f"p50 {middle:.1f} ms, p95 {late:.1f} ms {told}")


def _plain(lens: Lens, photo: torch.Tensor) -> None:
    with torch.inference_mode():
        lens.module.eval()(photo[None])


def _seconds_of(work: Callable[[], object]) -> float:
    """The second of two runs."""
    work()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _multiplications(work: Callable[[], object]) -> int:
    """Of matrix products and convolutions, which are nearly all of the work."""
    with FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops()) // 2
