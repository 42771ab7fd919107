"""The command that trains a built-in network and records how its features come about.

    python -m convviz_widgets.methods.deconvnet.train_evolution mini

It trains anew, by the command of `convviz_widgets.nets.train` and with weights kept at the recorder's epochs, and
records these, and the untrained network as epoch 0. The weights that ship are another training's and are not touched.
Killed and given again, the command goes on where it was. It writes the recorder's folder and, beside it, a card with
the command line, the accuracy at each snapshot and all that the training was.
"""

import argparse
import json
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.preprocess import ResizeCropNormalize
from convviz_widgets.methods.deconvnet.evolution import EPOCHS, EvolutionRecorder
from convviz_widgets.nets import train
from convviz_widgets.nets.builtin import ARCHITECTURES, FOLDER
from convviz_widgets.nets.loop import write_atomically

NAME = "python -m convviz_widgets.methods.deconvnet.train_evolution"


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Trains, records, writes; gives the card."""
    options = _parser().parse_args(arguments)
    work = Path(options.work or f"runs/{options.net}-evolution")
    kept = [epoch for epoch in EPOCHS if epoch <= options.epochs]
    given = {name: getattr(options, name) for name in ("epochs", "images", "batch_size", "held_out", "seed")}
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]
    trained = train.main([options.net, *flags, "--snapshots", *map(str, kept), "--work", str(work), "--out", str(work)])
    images, targets = train.drawings(options.held_out, train.HELD_OUT_SEED, work / "held_out.npz")

    def accuracy(model: nn.Module) -> float:
        return train.accuracy(model, images, targets, trained["mean"], trained["std"])

    side = trained["size"]
    scaling = ResizeCropNormalize(side, side, tuple(trained["mean"]), tuple(trained["std"]))
    torch.manual_seed(options.seed)  # as the training began
    model = ARCHITECTURES[options.net](len(trained["class_names"]))
    untrained = model.state_dict()
    lens = Lens(model, preprocess=scaling, class_names=trained["class_names"], name=options.net)
    folder = Path(options.out) / f"{options.net}-evolution"
    shutil.rmtree(folder, ignore_errors=True)
    recorder = EvolutionRecorder(
        lens,
        images[: options.probes].float() / 255,
        folder,
        units=options.units,
        epochs=[0, *kept],
        tile=options.tile,
        accuracy=accuracy,
    )
    weights = {epoch: work / f"checkpoint-epoch{epoch:03d}.pt" for epoch in kept}
    recorder.replay({0: untrained, **weights}, trained["losses"])
    card = _card(options.net, arguments, trained, recorder)
    text = json.dumps(card, indent=1) + "\n"
    write_atomically(folder.with_suffix(".json"), lambda path: path.write_text(text, encoding="utf-8"))
    return card


def _card(
    net: str, arguments: Sequence[str] | None, trained: dict[str, Any], recorder: EvolutionRecorder
) -> dict[str, Any]:
    found = recorder.evolution()
    told = ("trained_on", "held_out", "losses", "parameters", "torch", "size", "mean", "std", "class_names")
    return {
        "command": f"{NAME} {shlex.join(arguments or sys.argv[1:])}",
        "about": f"a training of its own, recorded; the weights of {net!r} that ship are another training's",
        "epochs": found.epochs.tolist(),
        "held_out_accuracy": found.accuracy.tolist(),
        "settled_from_epoch": {name: each.settled() for name, each in found.settling.items()},
        **{name: trained[name] for name in told},
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=NAME, description=__doc__)
    parser.add_argument("net", choices=[name for name in ARCHITECTURES if name != "zfnet"])
    parser.add_argument("--epochs", type=int, default=64)
    parser.add_argument("--images", type=int, default=1600, help="drawings to train on")
    parser.add_argument("--held-out", type=int, default=500, help="other drawings to measure the accuracy on")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--probes", type=int, default=48, help="of the held-out drawings, the first ones")
    parser.add_argument("--units", type=int, default=6, help="of each layer")
    parser.add_argument("--tile", type=int, default=26, help="side of a kept projection, in pixels")
    parser.add_argument("--work", help="folder for checkpoints and drawings; default: runs/NET-evolution")
    parser.add_argument("--out", default=str(FOLDER), help="folder for the recording and its card")
    return parser


if __name__ == "__main__":
    card = main()
    pairs = zip(card["epochs"], card["held_out_accuracy"], strict=True)
    sys.stdout.write("".join(f"epoch {epoch}: held-out accuracy {value:.1%}\n" for epoch, value in pairs))
