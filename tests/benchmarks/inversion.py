"""What stopping at the layer is worth, and gradients of the image alone, layer by layer of AlexNet."""

from collections.abc import Iterator

import torch

from convviz_widgets.lens.canvas.parametrizations import Pixels
from convviz_widgets.lens.canvas.space import Space
from convviz_widgets.lens.canvas.start import SPREAD, noise
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.inversion.codes import codes_of
from convviz_widgets.methods.inversion.descent import Descent
from convviz_widgets.methods.inversion.settings import chosen
from tests.benchmarks.harness import Comparison, compare

CONVOLUTIONS = {1: "features.0", 2: "features.3", 3: "features.6", 4: "features.8", 5: "features.10"}
SIDE = 224


def rows(*, quick: bool = False) -> Iterator[Comparison]:
    """The rows; ``quick`` runs them on tiny settings, to see that they run."""
    side = 64 if quick else SIDE
    lens = Lens(Lens.load("alexnet", weights=None, device="cpu").module, input_size=side)
    prepared = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    for number, layer in list(CONVOLUTIONS.items())[: 1 if quick else None]:
        yield _one_layer(lens, prepared, f"AlexNet, conv{number}", layer, runs=2 if quick else 9)


def _one_layer(lens: Lens, prepared: torch.Tensor, name: str, layer: str, *, runs: int) -> Comparison:
    """One step of the recipe, against a full forward with a hook and a way back that fills the weights' gradients."""
    codes = codes_of(lens, prepared, [layer])
    space = Space.of(lens)
    start = SPREAD * noise(tuple(prepared.shape[1:]), 0, [0])
    ours = Descent(lens, codes, Pixels(space, start), chosen("mahendran", None, {}), torch.Generator())
    theirs = Pixels(space, start)
    optimiser = torch.optim.SGD([theirs.leaf], lr=0.03, momentum=0.9)
    found: list[torch.Tensor] = []

    def whole() -> None:
        handle = lens.module.get_submodule(layer).register_forward_hook(lambda *given: found.append(given[2]))
        z = theirs.leaf
        optimiser.zero_grad()
        lens.module(space.prepared(z))
        handle.remove()
        rough = torch.diff(z, dim=-1).square().sum() + torch.diff(z, dim=-2).square().sum()
        penalty = (0.3 * rough + 0.02 * (z / 2).abs().pow(6).sum() / 3) / z.numel()
        (codes[0].misfit(found.pop()).sum() + penalty).backward()
        optimiser.step()
        lens.module.zero_grad()

    return compare(
        f"{name}, a step stopped at the layer / full forward with weight gradients",
        lambda: ours._step(0),
        whole,
        runs=runs,
    )
