"""What the cache, the early stop and the one pass over the data are worth."""

from collections.abc import Iterator

import torch

import convviz_widgets as cv
from convviz_widgets.lens.lens import Lens
from tests.benchmarks.harness import Comparison, compare


def rows(*, quick: bool = False) -> Iterator[Comparison]:
    """The rows; ``quick`` runs them on tiny settings, to see that they run."""
    runs, side = (2, 64) if quick else (7, 224)
    for name, early, late in (("alexnet", "features.2", "features.11"), ("squeezenet1_0", "features.2", "features.12")):
        lens = Lens(Lens.load(name, weights=None, device="cpu").module, input_size=side)
        photo = torch.rand(3, side, side, generator=torch.Generator().manual_seed(0))
        yield _neuron_switch(name, lens, photo, late, runs)
        yield _early_layer(name, lens, photo, early, runs)
    for name, layer in (("mini", "relu5"), ("squeezenet1_0", "features.12")):
        count, side = (12, 64) if quick else (1000, 224)
        yield from _top_nine(name, layer, count=count, side=side, runs=2 if quick else 3)


def _neuron_switch(name: str, lens: Lens, photo: torch.Tensor, layer: str, runs: int) -> Comparison:
    def fresh() -> None:
        lens.cache.clear()
        lens.activations(photo, layer)

    return compare(
        f"{name}, another neuron of {layer}, cached / fresh forward",
        lambda: lens.activations(photo, layer),
        fresh,
        runs=runs,
    )


def _early_layer(name: str, lens: Lens, photo: torch.Tensor, layer: str, runs: int) -> Comparison:
    batch = lens.prepare(photo)

    def full() -> None:
        with torch.no_grad():
            lens.module(batch)

    return compare(f"{name}, {layer} / full forward", lambda: lens.record(batch, [layer]), full, runs=runs)


def _top_nine(name: str, layer: str, *, count: int, side: int, runs: int) -> Iterator[Comparison]:
    """Against forwards in the same batches to the same layer: with the preparing of the pictures, and without it."""
    weights = "default" if name == "mini" else None
    lens = Lens.load(name, weights=weights, device="cpu")
    side = 96 if name == "mini" else side
    lens = lens if name == "mini" else Lens(lens.module, input_size=side)
    images = torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0))

    prepared = lens.prepare(images)

    def bare() -> None:
        for start in range(0, count, 32):
            lens.record(prepared[start : start + 32], [layer])

    def with_preparing() -> None:
        for start in range(0, count, 32):
            lens.record(torch.cat([lens.prepare(each) for each in images[start : start + 32]]), [layer])

    for against, work in (("preparing and forwards", with_preparing), ("forwards alone", bare)):
        yield compare(
            f"{name}, top 9 of all units of {layer} over {count} pictures / {against}",
            lambda: cv.top_images(lens, images, layer),
            work,
            runs=runs,
            note="(goal: at least x0.87, that is at most 1.15 times as long)",
        )
