"""The command that makes the comparison that ships: ``python -m convviz_widgets.methods.controlled_design``.

Killed and given again, it goes on where it was. It writes the result with its networks in half precision, and beside it
a card with the command line and the drawings it was made from.
"""

import argparse
import json
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from convviz_widgets.core.step import Step
from convviz_widgets.data.mini_broden import MiniBroden
from convviz_widgets.methods.controlled_design.compare import compare_designs
from convviz_widgets.methods.controlled_design.comparison import SHIPPED, DesignComparison
from convviz_widgets.nets.designs import DESIGNS

HELD_OUT_SEED = 1_000_003  # drawings of this seed are never trained on
CARD = "card.json"
KEPT = ("plain", "structured", "p4", "p4m")  # whose weights ship; those of the others are large


def main(arguments: Sequence[str] | None = None) -> DesignComparison:
    """Trains, measures, writes; gives the comparison."""
    options = _parser().parse_args(arguments)
    train, test = MiniBroden(max(options.counts), options.seed), MiniBroden(options.held_out, HELD_OUT_SEED)
    found = compare_designs(
        *train.batch(range(len(train))),
        *test.batch(range(len(test))),
        designs=options.designs,
        counts=options.counts,
        steps=options.steps,
        seeds=options.seeds,
        side=options.side,
        width=options.width,
        turned=options.turned,
        class_names=MiniBroden.class_names,
        folder=options.work,
        progress=_tell if options.tell else None,
    )
    folder = Path(options.out)
    (folder / CARD).unlink(missing_ok=True)  # a folder with a file of somebody else's is not written over
    halved(found).save(folder, overwrite=True)
    (folder / "picture.png").unlink(missing_ok=True)  # it is drawn from the weights when asked for
    command = ["python", "-m", "convviz_widgets.methods.controlled_design", *(arguments or sys.argv[1:])]
    card = {"command": shlex.join(command), "trained_on": train.digest, "held_out": test.digest}
    (folder / CARD).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    if options.tidy and options.work:
        shutil.rmtree(options.work)
    return found


def halved(found: DesignComparison) -> DesignComparison:
    """The same with what was learned by some designs in half precision, and without what a design itself tells."""
    kept = {
        design: {
            name: np.asarray(value, dtype=np.float16) if np.asarray(value).dtype.kind == "f" else value
            for name, value in weights.items()
            if name in learned(found, design)
        }
        for design, weights in found.weights.items()
        if design in KEPT
    }
    return replace(found, weights=kept)


def learned(found: DesignComparison, design: Any) -> set[str]:
    """The names of what training changed: parameters and running statistics."""
    net = found.net(design)
    running = {name for name, _ in net.named_buffers() if "running" in name or name.endswith("num_batches_tracked")}
    return {name for name, _ in net.named_parameters()} | running


def _tell(step: Step) -> None:
    sys.stderr.write(f"\r{step.index}/{step.total} {step.label} {step.headline:.3f}   ")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m convviz_widgets.methods.controlled_design", description=__doc__)
    parser.add_argument("--designs", nargs="+", choices=DESIGNS, default=list(DESIGNS))
    parser.add_argument("--counts", type=int, nargs="+", default=[100, 300, 1000], help="drawings to train on")
    parser.add_argument("--held-out", type=int, default=500, help="other drawings to measure with")
    parser.add_argument("--steps", type=int, default=300, help="of each training")
    parser.add_argument("--seeds", type=int, default=2, help="trainings of each kind")
    parser.add_argument("--side", type=int, default=48, help="of the drawings, in pixels")
    parser.add_argument("--width", type=int, default=20, help="of the plain network, which all others cost as much as")
    parser.add_argument("--turned", type=int, default=200, help="drawings that are turned")
    parser.add_argument("--seed", type=int, default=0, help="of the drawings")
    parser.add_argument("--work", help="folder where trainings are kept until the end")
    parser.add_argument("--tidy", action="store_true", help="removes that folder at the end")
    parser.add_argument("--tell", action="store_true", help="tells each step")
    parser.add_argument("--out", default=str(SHIPPED), help="folder for the result")
    return parser


if __name__ == "__main__":
    for row in main().rows():
        sys.stdout.write("  ".join(str(each) for each in row) + "\n")
