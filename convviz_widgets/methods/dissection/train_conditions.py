"""The command behind the comparison that ships: ``python -m convviz_widgets.methods.dissection.train_conditions``.

It trains small nets on drawings under the conditions of Bau 2017, section 3.5, dissects them on drawings that none of
them has seen, and saves the comparison. All nets see the same drawings in the same recipe; only the condition differs.
The drawings have half their size (48 by 48 pixels), which makes the training three times as fast. Killed and given
again, the command goes on where it was.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from convviz_widgets.data.mini_broden import MiniBroden
from convviz_widgets.nets import builtin
from convviz_widgets.nets.classifier import classification
from convviz_widgets.nets.loop import Recipe, train
from convviz_widgets.nets.mini import MiniNet
from convviz_widgets.nets.train import drawings, halved

CHANNELS = (16, 32, 48, 48, 48)
SIDE = MiniBroden.size // 2
SNAPSHOTS = (1, 2, 4, 8)  # epochs of the baseline


class Condition(NamedTuple):
    """One net to train: the condition it stands for, what sets it apart, its seed."""

    name: str
    options: dict[str, Any]
    seed: int

    @property
    def file(self) -> str:
        """Name of its checkpoint."""
        return f"{self.name.replace(' ', '-')}-{self.seed}.pt"


def conditions() -> Iterator[Condition]:
    """All nets, in the order in which they are trained."""
    yield Condition("baseline", {}, 0)
    yield Condition("no dropout", {"dropout": 0.0}, 0)
    yield Condition("batch norm", {"batch_norm": True}, 0)
    for seed in (1, 2, 3):
        yield Condition("other seeds", {}, seed)


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains, dissects, saves."""
    options = _parser().parse_args(arguments)
    work = Path(options.work)
    images, targets = halved(drawings(options.images, 0, Path(options.drawings) / f"train-{options.images}.npz"))
    for each in conditions():
        _trained(each, images, targets, options.epochs, work)


def _trained(condition: Condition, images: torch.Tensor, targets: torch.Tensor, epochs: int, work: Path) -> nn.Module:
    about = builtin.card("mini")
    model = _untrained(condition)
    objective = classification(images, targets, about["mean"], about["std"], shift=4)
    train(
        model,
        objective,
        len(images),
        Recipe(epochs, batch_size=32, seed=condition.seed),
        checkpoint=work / condition.file,
        snapshots=SNAPSHOTS if condition.name == "baseline" else (),
        progress=True,
    )
    return model


def _untrained(condition: Condition) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(condition.seed)
        model = MiniNet(len(MiniBroden.class_names), channels=CHANNELS, side=SIDE, **condition.options)
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m convviz_widgets.methods.dissection.train_conditions", description=__doc__
    )
    parser.add_argument("--images", type=int, default=2000, help="drawings to train on")
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--drawings", default="runs/drawings", help="folder for drawings")
    parser.add_argument("--work", default="runs/conditions", help="folder for checkpoints")
    return parser


if __name__ == "__main__":
    main()
