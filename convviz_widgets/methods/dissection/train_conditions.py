"""The command behind the comparison that ships: ``python -m convviz_widgets.methods.dissection.train_conditions``.

It trains small nets on drawings under the conditions of Bau 2017, section 3.5, dissects them on drawings that none of
them has seen, and saves the comparison. All nets see the same drawings in the same recipe; only the condition differs.
The drawings have half their size (48 by 48 pixels), which makes the training three times as fast. Killed and given
again, the command goes on where it was.
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
from convviz_widgets.data.mini_broden import Drawing, MiniBroden
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.preprocess import ResizeCropNormalize
from convviz_widgets.methods.dissection.conditions import SHIPPED, Conditions, compare_conditions
from convviz_widgets.methods.dissection.findings import BASELINE
from convviz_widgets.nets import builtin
from convviz_widgets.nets.classifier import classification, probabilities
from convviz_widgets.nets.loop import Recipe, train
from convviz_widgets.nets.mini import MiniNet
from convviz_widgets.nets.train import HELD_OUT_SEED, drawings, smaller

CHANNELS = (16, 32, 48, 48, 48)
FACTOR = 2  # times fewer pixels on a side
SIDE = MiniBroden.size // FACTOR
SNAPSHOTS = (1, 2, 4, 8)  # epochs of the baseline
LAYERS = ("relu1", "relu3", "relu5")
BATCH = 32
MODULE = "convviz_widgets.methods.dissection.train_conditions"


@dataclasses.dataclass(frozen=True, eq=False)
class Condition:
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
    yield Condition(BASELINE, {}, 0)
    yield Condition("no dropout", {"dropout": 0.0}, 0)
    yield Condition("batch norm", {"batch_norm": True}, 0)
    for seed in (1, 2, 3):
        yield Condition("other seeds", {}, seed)


def main(arguments: Sequence[str] | None = None) -> Conditions:
    """Trains, dissects, saves."""
    options = _parser().parse_args(arguments)
    work, drawn = Path(options.work), Path(options.drawings)
    images, targets = smaller(drawings(options.images, 0, drawn / f"train-{options.images}.npz"), FACTOR)
    nets = {each: _trained(each, images, targets, options.epochs, work) for each in conditions()}
    others = smaller(drawings(options.held_out, HELD_OUT_SEED, drawn / f"held-out-{options.held_out}.npz"), FACTOR)
    networks, accuracies = _gathered(nets, others)
    steps = -(-options.images // BATCH)
    networks["random weights"] = _lens(_untrained(Condition("random weights", {}, 0)))
    networks["by iteration"] = {
        str(epoch * steps): _lens(_snapshot(work, epoch)) for epoch in SNAPSHOTS if epoch < options.epochs
    }
    dataset = _Kept(MiniBroden(options.dissected, HELD_OUT_SEED))
    found = compare_conditions(networks, dataset, LAYERS, accuracy=accuracies, rotations=2, progress=True)
    command = shlex.join(["python", "-m", MODULE, *(arguments or ())])
    told = dataclasses.replace(found, provenance=_with(found.provenance, command=command, dataset=dataset.digest))
    told.save(Path(options.out) / "conditions", overwrite=True)
    return told


def _with(made: Provenance, **more: object) -> Provenance:
    return dataclasses.replace(made, settings={**made.settings, **more})


class _Kept:
    """Labelled drawings that are drawn once, for many dissections."""

    def __init__(self, drawn: MiniBroden) -> None:
        self.samples, self.concepts, self.digest = (
            [drawn[place] for place in range(len(drawn))],
            drawn.concepts,
            drawn.digest,
        )
        self.empty_maps = drawn.empty_maps

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, place: int) -> Drawing:
        return self.samples[place]


def _gathered(
    nets: dict[Condition, nn.Module], others: tuple[torch.Tensor, torch.Tensor]
) -> tuple[dict[str, Any], dict[str, float]]:
    """The nets by condition, as `compare_conditions` takes them, and the accuracy of each on drawings of its own."""
    about = builtin.card("mini")
    networks: dict[str, Any] = {}
    accuracies: dict[str, float] = {}
    for each, net in nets.items():
        name = each.name if each.name == BASELINE else f"{each.name} {each.seed}"
        answers = probabilities(net, others[0], about["mean"], about["std"]).argmax(1)
        accuracies[name] = float((answers == others[1]).float().mean())
        if each.name == BASELINE:
            networks[each.name] = _lens(net)
        else:
            networks.setdefault(each.name, {})[str(each.seed)] = _lens(net)
    return networks, accuracies


def _lens(net: nn.Module) -> Lens:
    about = builtin.card("mini")
    preprocess = ResizeCropNormalize(SIDE, SIDE, tuple(about["mean"]), tuple(about["std"]))
    return Lens(net.eval(), preprocess=preprocess, class_names=MiniBroden.class_names)


def _snapshot(work: Path, epoch: int) -> nn.Module:
    """The baseline after so many epochs."""
    first = next(conditions())
    net = _untrained(first)
    file = work / first.file
    net.load_state_dict(torch.load(file.with_name(f"{file.stem}-epoch{epoch:03d}.pt"), weights_only=True))
    return net


def _trained(condition: Condition, images: torch.Tensor, targets: torch.Tensor, epochs: int, work: Path) -> nn.Module:
    about = builtin.card("mini")
    model = _untrained(condition)
    objective = classification(images, targets, about["mean"], about["std"], shift=4)
    train(
        model,
        objective,
        len(images),
        Recipe(epochs, batch_size=BATCH, seed=condition.seed),
        checkpoint=work / condition.file,
        snapshots=SNAPSHOTS if condition.name == BASELINE else (),
        progress=True,
    )
    return model


def _untrained(condition: Condition) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(condition.seed)
        model = MiniNet(len(MiniBroden.class_names), channels=CHANNELS, side=SIDE, **condition.options)
    return model.to(memory_format=torch.channels_last)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__)
    parser.add_argument("--images", type=int, default=2000, help="drawings to train on")
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--held-out", type=int, default=1000, help="other drawings to measure the accuracy on")
    parser.add_argument("--dissected", type=int, default=300, help="how many of these to dissect with")
    parser.add_argument("--drawings", default="runs/drawings", help="folder for drawings")
    parser.add_argument("--work", default="runs/conditions", help="folder for checkpoints")
    parser.add_argument("--out", default=str(SHIPPED), help="folder for the comparison")
    return parser


if __name__ == "__main__":
    for finding in main(sys.argv[1:]).findings:
        sys.stdout.write(f"{finding.answer}: {finding.statement} {finding.measured}\n")
