"""What stopping at the layer, one warp and the native size are worth; beside torch-lucent where it is installed."""

from collections.abc import Callable, Iterator

import torch
from torch import nn

import convviz_widgets as cv
from convviz_widgets.lens.lens import Lens
from tests.benchmarks.harness import Comparison, compare

LAYERS = {"vgg16": ("features.7", "features.17", "features.28"), "resnet18": ("layer1", "layer3", "layer4")}
SIDE = 128


def rows(*, quick: bool = False) -> Iterator[Comparison]:
    """The rows; ``quick`` runs them on tiny settings, to see that they run."""
    runs, few = (1, 1) if quick else (5, 8)
    for name, layers in {"resnet18": ("layer1",)}.items() if quick else LAYERS.items():
        lens = Lens.load(name, weights=None, device="cpu")
        for layer in layers:
            yield _against_the_whole_network(name, lens, layer, runs=runs)
            for count, steps in ((1, few), (9, 1)):
                theirs = lucents(lens.module, layer, count, steps)
                if theirs is not None:
                    yield _against_lucent(name, lens, layer, theirs, count=count, steps=steps, runs=runs)


def _against_the_whole_network(name: str, lens: Lens, layer: str, *, runs: int) -> Comparison:
    """One step of the default recipe, against a forward through all and a backward that also fills the weights."""
    image = torch.randn(1, 3, SIDE, SIDE, requires_grad=True)
    found: list[torch.Tensor] = []

    def whole() -> None:
        handle = lens.module.get_submodule(layer).register_forward_hook(lambda *given: found.append(given[2]))
        lens.module(image)
        handle.remove()
        found.pop()[:, 5].mean().backward()
        lens.module.zero_grad()

    return compare(
        f"{name}, {layer}, a step of {SIDE} px / full forward with weight gradients",
        lambda: cv.activation_maximization(lens, f"{layer}:5", size=SIDE, steps=1),
        whole,
        runs=runs,
    )


def _against_lucent(
    name: str, lens: Lens, layer: str, theirs: Callable[[], object], *, count: int, steps: int, runs: int
) -> Comparison:
    units = [f"{layer}:{5 + place}" for place in range(count)]
    return compare(
        f"{name}, {layer}, {steps} steps of {SIDE} px for {count} units / torch-lucent, which enlarges them to 224 px",
        lambda: cv.activation_maximization(lens, units, size=SIDE, steps=steps),
        theirs,
        runs=runs,
    )


def lucents(module: nn.Module, layer: str, count: int, steps: int) -> Callable[[], object] | None:
    """The same by torch-lucent; None where it is not installed."""
    try:
        from lucent.optvis import objectives, param, render
    except ImportError:
        return None
    place = layer.replace(".", "_")

    def run() -> None:
        for each in module.modules():
            each._forward_hooks.clear()  # it never removes its hooks, which would pile up
        goal = sum(
            (objectives.channel(place, 5 + unit, batch=unit) for unit in range(1, count)),
            objectives.channel(place, 5, batch=0),
        )
        images = lambda: param.image(SIDE, batch=count)  # noqa: E731 -- as it wants it
        render.render_vis(module, goal, param_f=images, thresholds=(steps,), progress=False, show_image=False)

    return run
