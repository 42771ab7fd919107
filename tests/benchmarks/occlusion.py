"""What incremental inference is worth: a whole occlusion map beside captum's and beside a plain batched loop."""

from collections.abc import Callable, Iterator

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
        yield _brush(name, lens, photo, size, 5 * runs)


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
    """One stroke on a picture that is open already, beside a full forward of it."""
    opened, window = Incremental(lens, photo[None]), torch.full((1, 3, size, size), 0.5)
    painted = photo[None].clone()
    painted[:, :, 40 : 40 + size, 30 : 30 + size] = 0.5

    def full() -> None:
        with torch.inference_mode():
            lens.module.eval()(painted)

    return compare(
        f"{name}, one stroke of {size} px / full forward", lambda: opened.answers(40, 30, window), full, runs=runs
    )
