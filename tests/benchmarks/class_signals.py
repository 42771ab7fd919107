"""The maps of a class score beside captum's Saliency, Deconvolution and GuidedBackprop: the same numbers, and the time.

Both must run the whole network forward and back, so there is little to be gained; what counts is that the numbers
agree. Where captum is not installed, torch's own gradient stands in its place, for the one rule that it knows.
"""

import copy
from collections.abc import Callable, Iterator

import torch
from torch import nn

import convviz_widgets as cv
from convviz_widgets.lens.backward import cached_answers, project
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.rules import Rule
from tests.benchmarks.harness import Comparison, compare
from tests.networks import settle

NAMES = ("alexnet", "squeezenet1_0", "vgg16", "resnet18")
CAPTUM: dict[Rule, str] = {"gradient": "Saliency", "deconvnet": "Deconvolution", "guided": "GuidedBackprop"}
CLASS = 3


def rows(*, quick: bool = False, names: tuple[str, ...] = NAMES) -> Iterator[Comparison]:
    """The rows; ``quick`` runs them on tiny settings, to see that they run."""
    runs, side = (2, 64) if quick else (5, 224)
    for name in names[1:2] if quick else names:
        lens = Lens(settle(cv.Lens.load(name, weights=None, device="cpu").module), input_size=side)
        prepared = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
        for rule, (peer, theirs) in _peers(lens.module, prepared).items():
            yield _one_rule(lens, prepared, rule, theirs, f"{name}, {rule} of a class score / {peer}", runs)


def _one_rule(
    lens: Lens, prepared: torch.Tensor, rule: Rule, theirs: Callable[[], torch.Tensor], name: str, runs: int
) -> Comparison:
    signal = torch.zeros_like(cached_answers(lens, prepared))
    signal[0, CLASS] = 1

    def ours() -> torch.Tensor:
        return project(lens, prepared, signal, rule=rule)

    found, wanted = ours(), theirs()
    apart = float((found - wanted).abs().max() / wanted.abs().max())
    return compare(name, ours, theirs, runs=runs, note=f"(largest difference {apart:.1e} of the map)")


def _peers(module: nn.Module, prepared: torch.Tensor) -> dict[Rule, tuple[str, Callable[[], torch.Tensor]]]:
    """For each rule that somebody else knows: who it is, and what it gives."""
    module = copy.deepcopy(module).eval()
    for each in module.modules():
        if isinstance(each, nn.ReLU):
            each.inplace = False  # captum asks for it

    def of(maker: Callable[..., object], **asked: object) -> Callable[[], torch.Tensor]:
        peer = maker(module)
        return lambda: peer.attribute(prepared.clone().requires_grad_(), target=CLASS, **asked).detach()  # type: ignore[attr-defined]

    try:
        from captum import attr
    except ImportError:
        return {"gradient": ("torch", lambda: _gradient(module, prepared))}
    found: dict[Rule, tuple[str, Callable[[], torch.Tensor]]] = {}
    for rule, name in CAPTUM.items():
        asked = {"abs": False} if rule == "gradient" else {}
        found[rule] = f"captum's {name}", of(getattr(attr, name), **asked)
    return found


def _gradient(module: nn.Module, prepared: torch.Tensor) -> torch.Tensor:
    x = prepared.clone().requires_grad_()
    return torch.autograd.grad(module(x)[0, CLASS], x)[0]
