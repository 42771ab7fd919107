"""The command that trains a generator: ``python -m convviz_widgets.nets.train_generator mini``.

It learns to draw the picture of which it is given the code, with the three losses of Dosovitskiy & Brox 2016, section
3: of pixels, of features, and of an opponent. Killed and given again, it goes on where it was. It writes the weights in
half precision and, beside them, a card with the command line and measures on drawings it was not trained on.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from convviz_widgets.data.mini_broden import MiniBroden
from convviz_widgets.nets import builtin
from convviz_widgets.nets.classifier import normalized
from convviz_widgets.nets.discriminator import Contest, Discriminator
from convviz_widgets.nets.generator import Generator
from convviz_widgets.nets.loop import Objective, Recipe, train
from convviz_widgets.nets.train import HELD_OUT_SEED, drawings, halve, write

CODE_LAYERS = {"mini": "relu6"}
"""Of each network that has a generator; the first dense layer, which Nguyen et al. 2016, section 3.2, found best."""
FEATURES = {"mini": ("relu3", "pool5")}
"""The layers whose activations are compared, besides the code."""


@dataclass(frozen=True)
class Weights:
    """How much each loss counts.

    Args:
        pixels: mean absolute difference in [0, 1].
        features: mean squared difference by mean square, averaged over the layers.
        code: the same of the code alone.
        deceit: of the generator's adversarial loss.
        penalty: of the opponent's squared slope on real pictures.
    """

    pixels: float
    features: float
    code: float
    deceit: float
    penalty: float


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Trains, measures, writes; gives the card."""
    options = _parser().parse_args(arguments)
    weights = Weights(options.pixels, options.features, options.code, options.deceit, options.penalty)
    work = Path(options.work or f"runs/{options.net}-generator")
    net = builtin.build(options.net)
    net.module.requires_grad_(requires_grad=False)
    generator, losses = _trained(options, net, weights, work)
    state = halve(generator)
    held_out = drawings(options.held_out, HELD_OUT_SEED, work / "held_out.npz")
    card = {
        "command": shlex.join(["python", "-m", "convviz_widgets.nets.train_generator", *(arguments or sys.argv[1:])]),
        "code_layer": generator.code_layer,
        "code_length": generator.code_length,
        **measure(generator, net, *held_out),
        "held_out": MiniBroden(options.held_out, HELD_OUT_SEED).digest,
        "trained_on": MiniBroden(options.images, options.seed).digest,
        "weights_of_losses": asdict(weights),
        "losses": [round(loss, 4) for loss in losses],
        "parameters": sum(each.numel() for each in generator.parameters()),
        "torch": torch.__version__,
    }
    write(Path(options.out), f"{options.net}-generator", state, card)
    return card


def _trained(
    options: argparse.Namespace, net: builtin.Builtin, weights: Weights, work: Path
) -> tuple[Generator, list[float]]:
    """The generator and the mean loss of each epoch."""
    layer = CODE_LAYERS[options.net]
    images, _ = drawings(options.images, options.seed, work / "train.npz")
    codes = codes_of(net, images[:4000], layer)
    torch.manual_seed(options.seed)
    generator = Generator(codes.shape[1], layer)
    generator.set_range(codes)
    contest = Contest(generator, Discriminator(codes.shape[1]))
    progress = train(
        contest,
        _objective(net, images, layer, FEATURES[options.net], weights),
        len(images),
        Recipe(options.epochs, options.batch_size, options.learning_rate, options.weight_decay, options.seed),
        checkpoint=work / "checkpoint.pt",
        about=json.dumps(asdict(weights)),
        progress=True,
    )
    return generator, progress.losses


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m convviz_widgets.nets.train_generator", description=__doc__)
    parser.add_argument("net", choices=list(CODE_LAYERS))
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--images", type=int, default=8000, help="drawings to train on")
    parser.add_argument("--held-out", type=int, default=600, help="other drawings to measure on")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--weight-decay", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=1, help="also of the drawings; the network was trained on seed 0")
    for name, value, text in (
        ("pixels", 4.0, "weight of the pixels' loss"),
        ("features", 0.4, "weight of the features' loss"),
        ("code", 0.3, "weight of the code's loss"),
        ("deceit", 0.04, "weight of the adversarial loss"),
        ("penalty", 3.0, "weight of the opponent's gradient penalty"),
    ):
        parser.add_argument(f"--{name}", type=float, default=value, help=text)
    parser.add_argument("--work", help="folder for checkpoints and drawings; default: runs/NET-generator")
    parser.add_argument("--out", default=str(builtin.FOLDER), help="folder for the weights and their card")
    return parser


def activations(net: builtin.Builtin, images: torch.Tensor, layers: Sequence[str]) -> dict[str, torch.Tensor]:
    """Activations of the named layers, and no layer after the last of them, for pictures (N, 3, H, W) in [0, 1].

    Example:
        >>> activations(builtin.build("mini"), torch.zeros(2, 3, 96, 96), ["relu6"])["relu6"].shape
        torch.Size([2, 256])
    """
    found: dict[str, torch.Tensor] = {}
    current = normalized(images, net.mean, net.std)
    for name, module in net.module.named_children():
        current = module(current)
        if name in layers:
            found[name] = current
        if len(found) == len(layers):
            break
    return found


@torch.no_grad()
def codes_of(net: builtin.Builtin, images: torch.Tensor, layer: str) -> torch.Tensor:
    """Codes (N, K) of pictures (N, 3, H, W) uint8."""
    parts = torch.split(images, 250)
    return torch.cat([activations(net, part.float() / 255, [layer])[layer] for part in parts])


def _objective(
    net: builtin.Builtin, images: torch.Tensor, layer: str, features: Sequence[str], weights: Weights
) -> Objective:
    """The losses of both sides on batches flipped at random; see `Contest` for why they may be added."""

    def objective(contest: nn.Module, indices: torch.Tensor, randomness: torch.Generator) -> torch.Tensor:
        flip = torch.rand(len(indices), generator=randomness) < 0.5
        real = images[indices].float() / 255
        real = torch.where(flip.view(-1, 1, 1, 1), real.flip(3), real)
        with torch.no_grad():
            wanted = activations(net, real, (*features, layer))
        return _loss(cast("Contest", contest), net, real, wanted, layer, weights)

    return objective


def _loss(
    contest: Contest,
    net: builtin.Builtin,
    real: torch.Tensor,
    wanted: dict[str, torch.Tensor],
    layer: str,
    weights: Weights,
) -> torch.Tensor:
    code = wanted[layer]
    made = contest.generator(code)
    got = activations(net, made, tuple(wanted))
    apart = {name: _distance(got[name], wanted[name]) for name in wanted}
    own: torch.Tensor = weights.pixels * (made - real).abs().mean() + weights.code * apart.pop(layer)
    own = own + weights.features * torch.stack(list(apart.values())).mean()
    own = own + weights.deceit * contest.deceit(made, code)
    return own + contest.judgement(made, real, code, weights.penalty)


def _distance(got: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Mean squared difference by the mean square of what is wanted, so that layers count alike."""
    return (got - wanted).square().mean() / wanted.square().mean()


@torch.no_grad()
def measure(
    generator: Generator, net: builtin.Builtin, images: torch.Tensor, targets: torch.Tensor
) -> dict[str, float]:
    """How good reconstructions of pictures (N, 3, H, W) uint8 from their codes are.

    Returns:
        ``pixel_error``: mean absolute difference; ``pixel_error_of_mean``: that of the mean picture, to compare.
        ``code_error``: squared distance of the codes by the square of the wanted one.
        ``identified_by_pixels``, ``identified_by_code``: share of reconstructions that are nearer to their own picture,
        or its code, than to any of the others; by chance 1 / N.
        ``nearer_by_pixels``, ``nearer_by_code``: share of pairs of a reconstruction and another picture in which the
        reconstruction is nearer to its own; by chance 1 / 2.
        ``same_class``: share to which the network gives the class that it gives the picture.
        ``right_class``: share to which it gives the class that was drawn.
    """
    generator.eval()
    layer, last = generator.code_layer, list(dict(net.module.named_children()))[-1]
    made, codes, again, classes, seen = [], [], [], [], []
    for part in torch.split(images, 250):
        before = activations(net, part.float() / 255, (layer, last))
        made.append(generator(before[layer]))
        after = activations(net, made[-1], (layer, last))
        codes.append(before[layer])
        again.append(after[layer])
        classes.append(before[last].argmax(1))
        seen.append(after[last].argmax(1))
    picture, real = torch.cat(made), images.float() / 255
    return {
        "pixel_error": _rounded((picture - real).abs().mean()),
        "pixel_error_of_mean": _rounded((real.mean(0) - real).abs().mean()),
        "code_error": _rounded(_distance(torch.cat(again), torch.cat(codes))),
        **_told_apart("pixels", picture, real),
        **_told_apart("code", torch.cat(again), torch.cat(codes)),
        "same_class": _rounded((torch.cat(seen) == torch.cat(classes)).float().mean()),
        "right_class": _rounded((torch.cat(seen) == targets).float().mean()),
    }


def _told_apart(by: str, copies: torch.Tensor, originals: torch.Tensor) -> dict[str, float]:
    distances = torch.cdist(copies.flatten(1), originals.flatten(1))
    further = (distances > distances.diagonal()[:, None]).sum(1) / (len(originals) - 1)
    return {
        f"identified_by_{by}": _rounded((further == 1).float().mean()),
        f"nearer_by_{by}": _rounded(further.mean()),
    }


def _rounded(value: torch.Tensor) -> float:
    return round(float(value), 4)


if __name__ == "__main__":
    card = main()
    sys.stdout.write(f"same class for {card['same_class']:.1%} of held-out drawings\n")
