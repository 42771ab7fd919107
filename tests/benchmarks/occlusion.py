"""What incremental inference is worth: a whole occlusion map beside captum's and beside a plain batched loop."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch

import convviz_widgets as cv
from convviz_widgets.lens.incremental.engine import Incremental
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.occlusion.occlusion import occlusion
from tests.benchmarks.harness import Comparison, compare
from tests.networks import settle

NAMES = ("alexnet", "squeezenet1_0", "resnet18", "vgg16")


def rows(*, quick: bool = False, names: tuple[str, ...] = NAMES, stride: int = 16) -> Iterator[Comparison]:
    """The rows; ``quick`` runs them on tiny settings, to see that they run."""
    runs, side, size, stride = (2, 64, 24, 24) if quick else (3, 224, 32, stride)
    for name in names[:2] if quick else names:
        lens = Lens(settle(cv.Lens.load(name, weights=None, device="cpu").module), input_size=side)
        photo = torch.rand(3, side, side, generator=torch.Generator().manual_seed(0))
        lens.layers  # noqa: B018 -- found before the clock runs
        for against, work in _others(lens, photo, size, stride):
            yield compare(
                f"{name}, occlusion map, {side} px, square {size}, stride {stride} / {against}",
                lambda lens=lens, photo=photo: occlusion(lens, photo, 0, size=size, stride=stride),
                work,
                runs=runs,
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

    def full() -> None:
        with torch.inference_mode():
            lens.module.eval()(photo[None])

    found = compare(f"{name}, strokes of {size} px / full forward", stroke, full, runs=runs)
    middle, late = (float(each) * 1e3 for each in np.quantile(found.ours, (0.5, 0.95)))
    return replace(found, note=f"p50 {middle:.1f} ms, p95 {late:.1f} ms")
