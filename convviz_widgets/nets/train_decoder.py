"""The command that trains decoders: ``python -m convviz_widgets.nets.train_decoder mini``.

One decoder per layer, all of them in one run, which share the drawings and the network's forward pass; none touches
another. The loss is the squared error of the picture (Dosovitskiy & Brox 2016). Killed and given again,
the command goes on where it was. It writes all weights into one file in half precision and, beside it, a card with the
command line and each decoder's measures on drawings by which nothing was trained or chosen. Given ``--layers``, it
trains those alone and leaves the other decoders in the file as they are, with the command that they came from.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import load_file
from torch import nn

from convviz_widgets.data.mini_broden import MiniBroden
from convviz_widgets.nets import builtin
from convviz_widgets.nets.loop import Objective, Recipe, train
from convviz_widgets.nets.train import drawings, halve, write
from convviz_widgets.nets.train_generator import activations
from convviz_widgets.nets.upconvnet import UpconvNet

LAYERS = {
    "mini": ("relu1", "pool1", "relu2", "pool2", "relu3", "relu4", "relu5", "pool5", "relu6", "relu7", "fc8"),
}
"""Of each network that has decoders: what leaves each step of it, after its ReLU and after its pooling."""
FRESH_SEED = 3_000_003  # drawings of this seed are for the card alone; recipes were chosen on those of 2,000,003
PART = 250  # pictures measured at once
SAMPLE = 4000  # drawings by which vectors are levelled, as their faint directions count; for maps one part is enough


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Trains, measures, writes; gives the card."""
    options = _parser().parse_args(arguments)
    layers = () if options.measure else tuple(options.layers or LAYERS[options.net])
    work = Path(options.work or f"runs/{options.net}-decoders")
    net = builtin.build(options.net)
    net.module.requires_grad_(requires_grad=False)
    decoders, losses = _trained(options, net, layers, work) if layers else (nn.ModuleDict(), [])
    state = halve(decoders)
    images, targets = drawings(options.held_out, FRESH_SEED, work / "held_out.npz")
    run = {
        "command": shlex.join(["python", "-m", "convviz_widgets.nets.train_decoder", *(arguments or sys.argv[1:])]),
        "layers": list(layers),
        "trained_on": MiniBroden(options.images, options.seed).digest,
        "losses": [round(loss, 4) for loss in losses],
        "torch": torch.__version__,
    }
    card: dict[str, Any] = {
        "runs": [run] if layers else [],
        "layers": {name: _card_of(cast("UpconvNet", decoders[name]), net, name, images, targets) for name in layers},
        "pixel_error_of_mean": _rounded((images.float().mean(0) - images.float()).abs().mean() / 255),
        "held_out": MiniBroden(options.held_out, FRESH_SEED).digest,
    }
    if options.layers or options.measure:
        state, card = _with_those_before(Path(options.out), options.net, state, card)
        for name in [each for each in card["layers"] if each not in layers]:  # on the same drawings as the new ones
            kept = _kept(state, net, name, card["layers"][name])
            card["layers"][name] = _card_of(kept, net, name, images, targets)
    write(Path(options.out), f"{options.net}-decoders", state, card)
    return card


def _with_those_before(
    folder: Path, net: str, state: dict[str, torch.Tensor], card: dict[str, Any]
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """New decoders and their card, with those of other layers that lie in the folder, in the network's order."""
    file = folder / f"{net}-decoders.json"
    if not file.exists():
        return state, card
    before = json.loads(file.read_text(encoding="utf-8"))
    new = card["layers"]
    saved = load_file(file.with_suffix(".safetensors"))
    kept = {key: each for key, each in saved.items() if key.partition(".")[0] not in new}
    runs = [{**run, "layers": [name for name in run["layers"] if name not in new]} for run in before["runs"]]
    layers = {**before["layers"], **new}
    order = [name for name in dict(builtin.build(net).module.named_children()) if name in layers]
    return {**kept, **state}, {
        **card,
        "runs": [*(run for run in runs if run["layers"]), *card["runs"]],
        "layers": {name: layers[name] for name in order},
    }


def _kept(state: dict[str, torch.Tensor], net: builtin.Builtin, layer: str, about: dict[str, Any]) -> UpconvNet:
    """A decoder that was trained before, of the weights of all."""
    start = f"{layer}."
    decoder = UpconvNet(tuple(about["shape"]), (net.channels, net.size, net.size), grain=about.get("grain", 1))
    weights = {key.removeprefix(start): each for key, each in state.items() if key.startswith(start)}
    decoder.load_state_dict({key: each.float() if each.is_floating_point() else each for key, each in weights.items()})
    return decoder


def _trained(
    options: argparse.Namespace, net: builtin.Builtin, layers: Sequence[str], work: Path
) -> tuple[nn.ModuleDict, list[float]]:
    """The decoders by layer, and the sum of their losses in each epoch."""
    images, _ = drawings(options.images, options.seed, work / "train.npz")
    sample = _sample(net, images, layers)
    torch.manual_seed(options.seed)
    decoders = nn.ModuleDict()
    for name in layers:
        picture = (net.channels, net.size, net.size)
        decoder = UpconvNet(tuple(sample[name].shape[1:]), picture, grain=options.grain)
        decoder.set_scale(sample[name])
        decoders[name] = decoder
    progress = train(
        decoders,
        _objective(net, images, layers),
        len(images),
        Recipe(options.epochs, options.batch_size, options.learning_rate, options.weight_decay, options.seed),
        checkpoint=work / "checkpoint.pt",
        about=json.dumps([*layers, options.grain]),
        progress=True,
    )
    return decoders, progress.losses


@torch.no_grad()
def _sample(net: builtin.Builtin, images: torch.Tensor, layers: Sequence[str]) -> dict[str, torch.Tensor]:
    """Activations by layer, of more drawings where they are vectors."""
    found = activations(net, images[:PART].float() / 255, layers)
    vectors = [name for name in layers if found[name].ndim == 2]
    if vectors:
        parts = [activations(net, part.float() / 255, vectors) for part in torch.split(images[PART:SAMPLE], PART)]
        found |= {name: torch.cat([found[name], *(part[name] for part in parts)]) for name in vectors}
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m convviz_widgets.nets.train_decoder", description=__doc__)
    parser.add_argument("net", choices=list(LAYERS))
    parser.add_argument("--layers", nargs="*", help="default: " + "; ".join(" ".join(each) for each in LAYERS.values()))
    parser.add_argument("--measure", action="store_true", help="train none; measure those in the folder anew")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--images", type=int, default=5000, help="drawings to train on")
    parser.add_argument("--held-out", type=int, default=1000, help="other drawings to measure on")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--weight-decay", type=float, default=1e-3)
    parser.add_argument("--grain", type=int, default=1, help="side, in pixels, of the smallest things drawn")
    parser.add_argument("--seed", type=int, default=1, help="also of the drawings; the network was trained on seed 0")
    parser.add_argument("--work", help="folder for checkpoints and drawings; default: runs/NET-decoders")
    parser.add_argument("--out", default=str(builtin.FOLDER), help="folder for the weights and their card")
    return parser


def _objective(net: builtin.Builtin, images: torch.Tensor, layers: Sequence[str]) -> Objective:
    """The decoders' squared errors, added, on batches flipped at random."""

    def objective(decoders: nn.Module, indices: torch.Tensor, randomness: torch.Generator) -> torch.Tensor:
        flip = torch.rand(len(indices), generator=randomness) < 0.5
        real = images[indices].float() / 255
        real = torch.where(flip.view(-1, 1, 1, 1), real.flip(3), real)
        with torch.no_grad():
            found = activations(net, real, layers)
        by_name = cast("nn.ModuleDict", decoders)
        return torch.stack([(by_name[name](found[name]) - real).square().mean() for name in layers]).sum()

    return objective


@torch.no_grad()
def measure(
    decoder: nn.Module, net: builtin.Builtin, layer: str, images: torch.Tensor, targets: torch.Tensor
) -> dict[str, float]:
    """How good reconstructions of pictures (N, 3, H, W) uint8 from a layer's activations are.

    Returns:
        ``pixel_error``: mean absolute difference in [0, 1].
        ``squared_error``: mean squared difference, what is trained for.
        ``same_class``: share to which the network gives the class that it gives the picture.
        ``right_class``: share to which it gives the class that was drawn.
    """
    last = list(dict(net.module.named_children()))[-1]
    found: dict[str, list[torch.Tensor]] = {
        "pixel_error": [],
        "squared_error": [],
        "same_class": [],
        "right_class": [],
    }
    for part, wanted in zip(torch.split(images, PART), torch.split(targets, PART), strict=True):
        real = part.float() / 255
        answers = activations(net, real, (layer, last))
        made = decoder(answers[layer])
        seen = activations(net, made, (last,))[last].argmax(1)
        found["pixel_error"].append((made - real).abs().mean((1, 2, 3)))
        found["squared_error"].append((made - real).square().mean((1, 2, 3)))
        found["same_class"].append((seen == answers[last].argmax(1)).float())
        found["right_class"].append((seen == wanted).float())
    return {name: _rounded(torch.cat(each).mean()) for name, each in found.items()}


def _card_of(
    decoder: UpconvNet, net: builtin.Builtin, layer: str, images: torch.Tensor, targets: torch.Tensor
) -> dict[str, Any]:
    return {
        "shape": list(decoder.shape),
        "grain": decoder.grain,
        **measure(decoder.eval(), net, layer, images, targets),
        "parameters": sum(each.numel() for each in decoder.parameters()),
    }


def _rounded(value: torch.Tensor) -> float:
    return round(float(value), 4)


if __name__ == "__main__":
    card = main()
    for name, about in card["layers"].items():
        sys.stdout.write(f"{name}: pixel error {about['pixel_error']:.3f}, same class {about['same_class']:.1%}\n")
