"""The command behind the transfers that ship: ``python -m convviz_widgets.methods.training.train_transfer``.

A narrow mini net learns seven of the fourteen things that are drawn (half of the classes, as in Yosinski 2014). Frozen,
its layers are then asked for the seven others, and for the eight scenes that all of them stand in, which nothing in its
training told apart; so are the layers of the same net untrained. Killed and given again, the command goes on where it
was.
"""

import argparse
import dataclasses
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from convviz_widgets.core.provenance import Provenance
from convviz_widgets.data.mini_broden import MiniBroden
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.preprocess import ResizeCropNormalize
from convviz_widgets.methods.training.transfer import transfer
from convviz_widgets.methods.training.transfer_result import SHIPPED, Transfer
from convviz_widgets.nets import builtin
from convviz_widgets.nets.classifier import classification, probabilities
from convviz_widgets.nets.loop import Recipe, train
from convviz_widgets.nets.mini import MiniNet
from convviz_widgets.nets.train import HELD_OUT_SEED, drawings, smaller

CHANNELS = (16, 32, 48, 48, 48)
FACTOR = 3  # times fewer pixels on a side
SIDE = MiniBroden.size // FACTOR
LEARNT = 7  # classes, of fourteen
LAYERS = ("relu1", "relu2", "relu3", "relu5", "relu7")
MODULE = "convviz_widgets.methods.training.train_transfer"


def main(arguments: Sequence[str] | None = None) -> dict[str, Transfer]:
    """Trains, transfers, saves."""
    options = _parser().parse_args(arguments)
    drawn = Path(options.drawings)
    learnt, accuracy = _trained(options, drawn)
    command = shlex.join(["python", "-m", MODULE, *(arguments or ())])
    found = {}
    for name, pictures, labels in _tasks(options, drawn):
        for kind, net, steps in (("", learnt, options.scratch_steps), ("-untrained", _untrained(), 0)):
            made = transfer(
                _lens(net),
                list(pictures),
                labels,
                LAYERS,
                repeats=options.repeats,
                scratch_steps=steps,
                folder=Path(options.work) / name,
                progress=True,
            )
            told = _with(
                made.provenance, command=command, **({} if kind else {"accuracy_on_its_own_classes": accuracy})
            )
            found[name + kind] = dataclasses.replace(made, provenance=told)
            found[name + kind].save(Path(options.out) / f"transfer-{name}{kind}", overwrite=True)
    return found


def _tasks(options: argparse.Namespace, drawn: Path) -> Iterator[tuple[str, torch.Tensor, list[str]]]:
    """Name, pictures and classes of each."""
    images, targets = _held_out(options, drawn)
    others = targets >= LEARNT
    yield "objects", images[others], [MiniBroden.class_names[each] for each in targets[others]]
    labelled = MiniBroden(options.scenes, HELD_OUT_SEED)
    names = {each.id: each.name for each in labelled.concepts}
    scenes = [names[int(labelled[place].labels["scene"][0, 0])] for place in range(len(labelled))]
    yield "scenes", images[: len(scenes)], scenes


def _with(made: Provenance, **more: object) -> Provenance:
    return dataclasses.replace(made, settings={**made.settings, **more})


def _trained(options: argparse.Namespace, drawn: Path) -> tuple[nn.Module, float]:
    """The net that knows the first classes, and its accuracy on other drawings of these."""
    about = builtin.card("mini")
    images, targets = smaller(drawings(options.images, 0, drawn / f"train-{options.images}.npz"), FACTOR)
    known = targets < LEARNT
    net = _untrained()
    objective = classification(images[known], targets[known], about["mean"], about["std"], shift=4)
    recipe = Recipe(options.epochs, batch_size=32)
    train(net, objective, int(known.sum()), recipe, checkpoint=Path(options.work) / "learnt.pt", progress=True)
    images, targets = _held_out(options, drawn)
    known = targets < LEARNT
    answers = probabilities(net, images[known], about["mean"], about["std"]).argmax(1)
    return net, round(float((answers == targets[known]).float().mean()), 4)


def _held_out(options: argparse.Namespace, drawn: Path) -> tuple[torch.Tensor, torch.Tensor]:
    file = drawn / f"held-out-{options.held_out}.npz"
    return smaller(drawings(options.held_out, HELD_OUT_SEED, file), FACTOR)


def _untrained() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return MiniNet(LEARNT, channels=CHANNELS, side=SIDE, batch_norm=True, dropout=0.0)


def _lens(net: nn.Module) -> Lens:
    about: dict[str, Any] = builtin.card("mini")
    return Lens(net.eval(), preprocess=ResizeCropNormalize(SIDE, SIDE, tuple(about["mean"]), tuple(about["std"])))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__)
    parser.add_argument("--images", type=int, default=2000, help="drawings, of which those of seven classes are learnt")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--held-out", type=int, default=1000, help="other drawings, for the transfer")
    parser.add_argument("--scenes", type=int, default=600, help="how many of these for the scenes")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--scratch-steps", type=int, default=200)
    parser.add_argument("--drawings", default="runs/drawings", help="folder for drawings")
    parser.add_argument("--work", default="runs/transfer", help="folder for checkpoints")
    parser.add_argument("--out", default=str(SHIPPED), help="folder for the results")
    return parser


if __name__ == "__main__":
    for told in main(sys.argv[1:]).values():
        sys.stdout.write(f"{told.caption()}\n")
