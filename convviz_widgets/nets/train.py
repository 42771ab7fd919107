"""The command that trains a built-in network: ``python -m convviz_widgets.nets.train mini``.

Killed and given again, it goes on where it was. It writes the weights in half precision and, beside them, a card with
the command line, the accuracy on drawings it was not trained on, and all that is needed to open the network.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F  # noqa: N812 -- the name it goes by everywhere

from convviz_widgets.data.mini_broden import MiniBroden
from convviz_widgets.nets.builtin import ARCHITECTURES, FOLDER
from convviz_widgets.nets.classifier import as_seen, classification
from convviz_widgets.nets.loop import Recipe, train, write_atomically

HELD_OUT_SEED = 1_000_003  # drawings of this seed are never trained on


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Trains, measures, writes; gives the card."""
    options = _parser().parse_args(arguments)
    work = Path(options.work or f"runs/{options.net}")
    images, targets = drawings(options.images, options.seed, work / "train.npz")
    mean, std = _statistics(images)
    torch.manual_seed(options.seed)
    model = ARCHITECTURES[options.net](len(MiniBroden.class_names))
    recipe = Recipe(options.epochs, options.batch_size, options.learning_rate, options.weight_decay, options.seed)
    objective = classification(images, targets, mean, std)
    progress = train(
        model,
        objective,
        len(images),
        recipe,
        checkpoint=work / "checkpoint.pt",
        snapshots=options.snapshots,
        progress=True,
    )
    state = halve(model)
    held_out = drawings(options.held_out, HELD_OUT_SEED, work / "held_out.npz")
    card = {
        "command": shlex.join(["python", "-m", "convviz_widgets.nets.train", *(arguments or sys.argv[1:])]),
        "held_out_accuracy": accuracy(model, *held_out, mean, std),
        "held_out": MiniBroden(options.held_out, HELD_OUT_SEED).digest,
        "trained_on": MiniBroden(options.images, options.seed).digest,
        "losses": [round(loss, 4) for loss in progress.losses],
        "parameters": sum(each.numel() for each in model.parameters()),
        "torch": torch.__version__,
        "size": MiniBroden.size,
        "channels": 3,
        "mean": mean,
        "std": std,
        "class_names": list(MiniBroden.class_names),
    }
    write(Path(options.out), options.net, state, card)
    return card


def halve(model: nn.Module) -> dict[str, torch.Tensor]:
    """The weights in half precision, as they ship; the model is given the rounded ones, to be measured with them."""
    state = {name: each.half() if each.is_floating_point() else each for name, each in model.state_dict().items()}
    model.load_state_dict({name: each.float() if each.is_floating_point() else each for name, each in state.items()})
    return state


def write(folder: Path, name: str, state: dict[str, torch.Tensor], card: dict[str, Any]) -> None:
    """Writes NAME.safetensors and the card NAME.json, each whole."""
    write_atomically(folder / f"{name}.safetensors", lambda path: save_file(state, path))
    text = json.dumps(card, indent=1)
    write_atomically(folder / f"{name}.json", lambda path: path.write_text(text + "\n", encoding="utf-8"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m convviz_widgets.nets.train", description=__doc__)
    trainable = [name for name in ARCHITECTURES if name != "zfnet"]
    parser.add_argument("net", choices=trainable)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--images", type=int, default=10_000, help="drawings to train on")
    parser.add_argument("--held-out", type=int, default=2000, help="other drawings to measure the accuracy on")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--weight-decay", type=float, default=0.02)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--snapshots", type=int, nargs="*", default=[], help="epochs after which weights are kept")
    parser.add_argument("--work", help="folder for checkpoints and drawings; default: runs/NET")
    parser.add_argument("--out", default=str(FOLDER), help="folder for the weights and their card")
    return parser


def drawings(count: int, seed: int, file: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (N, 3, 96, 96) uint8 and targets (N,), drawn once and kept in a file."""
    digest = MiniBroden(count, seed).digest
    if file.exists():
        with np.load(file) as saved:
            if str(saved["digest"]) == digest:
                return torch.from_numpy(saved["images"]), torch.from_numpy(saved["targets"])
    parts = [range(start, min(start + 250, count)) for start in range(0, count, 250)]
    with ProcessPoolExecutor() as pool:
        drawn = list(pool.map(_draw_part, [(count, seed, part) for part in parts]))
    images = np.ascontiguousarray(np.concatenate([each for each, _ in drawn]).transpose(0, 3, 1, 2))
    targets = np.concatenate([each for _, each in drawn])

    def save(path: Path) -> None:
        with path.open("wb") as stream:
            np.savez(stream, images=images, targets=targets, digest=digest)

    write_atomically(file, save)
    return torch.from_numpy(images), torch.from_numpy(targets)


def smaller(drawn: tuple[torch.Tensor, torch.Tensor], factor: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The same drawings with so many times fewer pixels on a side, each a mean: what studies of many nets train on."""
    parts = [F.avg_pool2d(each.float(), factor).round().to(torch.uint8) for each in torch.split(drawn[0], 250)]
    return torch.cat(parts), drawn[1]


def _draw_part(task: tuple[int, int, range]) -> tuple[Any, Any]:
    count, seed, part = task
    return MiniBroden(count, seed).batch(part)


def _statistics(images: torch.Tensor) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel in [0, 1], to three digits."""
    sample = images[:2000].float() / 255
    return tuple(
        [round(float(each), 3) for each in values] for values in (sample.mean((0, 2, 3)), sample.std((0, 2, 3)))
    )  # type: ignore[return-value]


@torch.no_grad()
def accuracy(
    model: nn.Module, images: torch.Tensor, targets: torch.Tensor, mean: list[float], std: list[float]
) -> float:
    """Share of pictures (N, 3, H, W) uint8 whose highest score is the target's."""
    model.eval()
    right = [
        (model(as_seen(part, mean, std)).argmax(1) == wanted).sum()
        for part, wanted in zip(torch.split(images, 250), torch.split(targets, 250), strict=True)
    ]
    return round(float(torch.stack(right).sum()) / len(images), 4)


if __name__ == "__main__":
    card = main()
    sys.stdout.write(f"held-out accuracy {card['held_out_accuracy']:.1%}\n")
