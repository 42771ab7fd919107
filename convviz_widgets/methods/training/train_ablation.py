"""The command behind the table that ships: ``python -m convviz_widgets.methods.training.train_ablation``.

The variants of Zeiler & Fergus 2013, table 3, of a narrow mini net in place of theirs, on drawings of a third of their
size (32 by 32 pixels). It has batch normalisation and no dropout, with which it learns in few passes over the data, so
that all variants are trained in minutes. Killed and given again, the command goes on where it was.
"""

import argparse
import dataclasses
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from convviz_widgets.core.provenance import Provenance
from convviz_widgets.data.mini_broden import MiniBroden
from convviz_widgets.methods.training.ablation_result import SHIPPED, SizeAblation
from convviz_widgets.methods.training.size_ablation import size_ablation
from convviz_widgets.nets.mini import MiniNet
from convviz_widgets.nets.train import HELD_OUT_SEED, drawings, smaller

VARIANTS = {
    "whole": "",
    "without layers 3, 4": "-conv3 -conv4",
    "without layer 7": "-fc7",
    "without layers 6, 7": "-fc6 -fc7",
    "without layers 3, 4, 6, 7": "-conv3 -conv4 -fc6 -fc7",
    "layers 6, 7 halved": "fc6/2 fc7/2",
    "layers 6, 7 doubled": "fc6*2 fc7*2",
    "layers 3, 4, 5 wider": "conv3*1.33 conv4*2.67 conv5*2",
}
"""Factors of widths as in the paper, where layers 3, 4, 5 went from 384, 384, 256 maps to 512, 1024, 512."""
NETS = {"whole": 3}
CHANNELS = (16, 32, 48, 48, 48)
FACTOR = 3  # times fewer pixels on a side


def main(arguments: Sequence[str] | None = None) -> SizeAblation:
    """Trains, measures, saves."""
    options = _parser().parse_args(arguments)
    images, targets = smaller(
        drawings(options.images, 0, Path(options.drawings) / f"train-{options.images}.npz"), FACTOR
    )
    others, wanted = smaller(
        drawings(options.held_out, HELD_OUT_SEED, Path(options.drawings) / f"held-out-{options.held_out}.npz"), FACTOR
    )
    table = size_ablation(
        {name: VARIANTS[name] for name in options.variants},
        images,
        targets,
        others,
        wanted,
        base=MiniNet(len(MiniBroden.class_names), channels=CHANNELS, batch_norm=True, dropout=0.0),
        nets={name: count for name, count in NETS.items() if name in options.variants},
        epochs=options.epochs,
        shift=4,
        folder=options.work,
        device="cpu",
        progress=True,
    )
    command = shlex.join(["python", "-m", "convviz_widgets.methods.training.train_ablation", *(arguments or ())])
    told = dataclasses.replace(table, provenance=_with(table.provenance, command=command))
    told.save(Path(options.out) / "size_ablation", overwrite=True)
    return told


def _with(made: Provenance, **more: object) -> Provenance:
    return dataclasses.replace(made, settings={**made.settings, **more})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m convviz_widgets.methods.training.train_ablation", description=__doc__
    )
    parser.add_argument("--variants", nargs="*", choices=list(VARIANTS), default=list(VARIANTS), help="default: all")
    parser.add_argument("--images", type=int, default=2000, help="drawings to train on")
    parser.add_argument("--held-out", type=int, default=1000, help="other drawings to measure on")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--drawings", default="runs/drawings", help="folder for drawings")
    parser.add_argument("--work", default="runs/ablation", help="folder for checkpoints")
    parser.add_argument("--out", default=str(SHIPPED), help="folder for the table")
    return parser


if __name__ == "__main__":
    sys.stdout.write(f"{main(sys.argv[1:]).caption()}\n")
