"""What going back over what a neuron sees alone is worth, with the picture's forward pass kept, and many at once.

Beside captum where it is installed, else beside plain torch: a forward pass to the layer and one backward pass.
"""

import copy
from collections.abc import Callable, Iterator

import torch
from torch import nn

from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.many_signals import neuron_signals
from convviz_widgets.methods.deconvnet.deconvnet import deconvnet
from convviz_widgets.methods.deconvnet.projections import top_projections
from convviz_widgets.methods.deconvnet.top_images import top_images
from tests.benchmarks.harness import Comparison, compare

NETWORKS = {"alexnet": ("features.3", "features.6", "features.10"), "vgg16": ("features.14",)}
Signal = Callable[[int, int], torch.Tensor]


def rows(*, quick: bool = False) -> Iterator[Comparison]:
    """The rows; ``quick`` runs them on tiny settings, to see that they run."""
    runs, side = (2, 96) if quick else (5, 224)
    for name, layers in (("alexnet", ("features.3",)),) if quick else NETWORKS.items():
        lens = Lens(Lens.load(name, weights=None, device="cpu").module, input_size=side)
        photo = torch.rand(3, side, side, generator=torch.Generator().manual_seed(0))
        for layer in layers:
            yield from _single(name, lens, photo, layer, runs)
            yield _nine(name, lens, photo, layer, runs)
    yield _whole_layer("features.4" if quick else "features.7", count=4 if quick else 60, side=side, runs=1)


def _single(name: str, lens: Lens, photo: torch.Tensor, layer: str, runs: int) -> Iterator[Comparison]:
    """One neuron in the middle of the map: the whole technique, and the signal alone, with the answers cached."""
    prepared, place = lens.prepare(photo), lens.layers[layer]
    answers = lens.activations(photo, layer)[0]
    middle = answers.shape[1] // 2
    channel = int(answers[:, middle, middle].argmax())
    peer, theirs = _peer(lens, layer, prepared, middle)
    wanted = theirs(channel, middle)
    found = neuron_signals(lens, prepared, place, [(channel, middle, middle)], answers, rule="deconvnet")[0]
    apart = float((found - wanted).abs().max() / wanted.abs().max())
    yield compare(
        f"{name}, {layer}, projection of a unit with its pictures / {peer}",
        lambda: deconvnet(lens, photo, f"{layer}:{channel}@{middle},{middle}"),
        lambda: theirs(channel, middle),
        runs=runs,
    )
    yield compare(
        f"{name}, {layer}, signal of a unit / {peer}",
        lambda: neuron_signals(lens, prepared, place, [(channel, middle, middle)], answers, rule="deconvnet")[0],
        lambda: theirs(channel, middle),
        runs=runs,
        note=f"(largest difference {apart:.1e} of the signal)" if peer == "captum" else "",
    )


def _nine(name: str, lens: Lens, photo: torch.Tensor, layer: str, runs: int) -> Comparison:
    """Nine units of one picture, whose answers are cached: together, against nine calls."""
    prepared, place = lens.prepare(photo), lens.layers[layer]
    answers = lens.activations(photo, layer)[0]
    middle = answers.shape[1] // 2
    neurons = [(channel, middle, middle) for channel in range(9)]
    peer, theirs = _peer(lens, layer, prepared, middle)
    return compare(
        f"{name}, {layer}, nine units / {peer}",
        lambda: neuron_signals(lens, prepared, place, neurons, answers, rule="deconvnet"),
        lambda: [theirs(channel, middle) for channel, *_ in neurons],
        runs=runs,
    )


def _whole_layer(layer: str, *, count: int, side: int, runs: int) -> Comparison:
    """The nine strongest patches of all units, against finding them and one pass forward and down for each."""
    lens = Lens(Lens.load("alexnet", weights=None, device="cpu").module, input_size=side)
    images = torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0))
    prepared = lens.prepare(images[0])
    theirs = _torch(lens, layer, prepared)

    def patch_by_patch() -> None:
        best = top_images(lens, images, layer)
        for channel, position in enumerate(best.position):
            for place in range(int((best.activation[channel] > 0).sum())):
                theirs(channel, int(position[place, 0]))

    return compare(
        f"alexnet, {layer}, projections of all patches, {count} pictures / a pass forward and down for each",
        lambda: top_projections(lens, images, layer),
        patch_by_patch,
        runs=runs,
    )


def _peer(lens: Lens, layer: str, prepared: torch.Tensor, middle: int) -> tuple[str, Signal]:
    try:
        from captum.attr import NeuronDeconvolution
    except ImportError:
        return "torch", _torch(lens, layer, prepared)
    module = copy.deepcopy(lens.module)
    for each in module.modules():
        if isinstance(each, nn.ReLU):
            each.inplace = False  # captum asks for it
    peer = NeuronDeconvolution(module, module.get_submodule(layer))

    def signal(channel: int, row: int) -> torch.Tensor:
        x = prepared.clone().requires_grad_()
        return peer.attribute(x, neuron_selector=(channel, row, middle)).detach()[0]

    return "captum", signal


def _torch(lens: Lens, layer: str, prepared: torch.Tensor) -> Signal:
    """A pass to the layer and back by torch alone, with the gradients of the weights switched off."""
    features = copy.deepcopy(lens.module.features[: int(layer.rpartition(".")[2]) + 1]).requires_grad_(False)

    def signal(channel: int, row: int) -> torch.Tensor:
        x = prepared.clone().requires_grad_()
        return torch.autograd.grad(features(x)[0, channel, row, row], x)[0][0]

    return signal
