"""The command that records a training, and the recording that ships."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from convviz_widgets.data.mini_broden import MiniBroden
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.preprocess import ResizeCropNormalize
from convviz_widgets.methods.deconvnet.evolution import EPOCHS, evolution
from convviz_widgets.methods.deconvnet.train_evolution import main
from convviz_widgets.nets.builtin import ARCHITECTURES, FOLDER
from convviz_widgets.nets.train import HELD_OUT_SEED, accuracy, drawings

COMMAND = ["mini", "--epochs", "2", "--images", "24", "--held-out", "12", "--batch-size", "8", "--probes", "5"]
BUDGET = 600_000  # bytes of the recording that ships


def digests(folder: Path) -> dict[str, str]:
    return {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in folder.iterdir() if each.is_file()}


def test_the_command_from_end_to_end(tmp_path: Path) -> None:
    shipped, out = digests(FOLDER), tmp_path / "out"
    command = [*COMMAND, "--units", "2", "--work", str(tmp_path / "work"), "--out", str(out)]
    card = main(command)
    assert digests(FOLDER) == shipped
    found = evolution(out / "mini-evolution")
    assert found.epochs.tolist() == card["epochs"] == [0, 1, 2]
    assert found.accuracy.tolist() == card["held_out_accuracy"]
    np.testing.assert_allclose(found.loss, [np.nan, *card["losses"]])
    assert json.loads((out / "mini-evolution.json").read_text()) == card
    assert card["command"].endswith("train_evolution " + " ".join(command))

    images, targets = drawings(12, HELD_OUT_SEED, tmp_path / "work" / "held_out.npz")
    model = ARCHITECTURES["mini"](14)
    model.load_state_dict(torch.load(tmp_path / "work" / "checkpoint-epoch002.pt", weights_only=True))
    assert accuracy(model, images, targets, card["mean"], card["std"]) == found.accuracy[2]
    scaling = ResizeCropNormalize(96, 96, tuple(card["mean"]), tuple(card["std"]))
    best = Lens(model, preprocess=scaling).activations(images[:5].float() / 255, "relu3")[:, :2].amax((2, 3)).amax(0)
    np.testing.assert_allclose(found.activation["relu3"][2, :, 0], best.numpy(), rtol=1e-4)
    torch.manual_seed(0)
    begun = Lens(ARCHITECTURES["mini"](14), preprocess=scaling)
    best = begun.activations(images[:5].float() / 255, "relu3")[:, :2].amax((2, 3)).amax(0)
    np.testing.assert_allclose(found.activation["relu3"][0, :, 0], best.numpy(), rtol=1e-4)

    files = digests(out / "mini-evolution")
    main(command)  # all is done: the same again
    assert digests(out / "mini-evolution") == files


def test_the_recording_that_ships_is_whole_and_small() -> None:
    found = evolution("mini")
    card = json.loads((FOLDER / "mini-evolution.json").read_text(encoding="utf-8"))
    assert found.epochs.tolist() == [0, *EPOCHS] == card["epochs"]
    assert found.accuracy.tolist() == card["held_out_accuracy"]
    assert found.accuracy[-1] > 0.6 > 0.3 > found.accuracy[0]
    assert found.stopped == ""
    assert len(found.layers) == 6
    assert all(np.abs(found.signal[layer][-1]).max(axis=(1, 2, 3)).max() == 127 for layer in found.layers)
    assert {name: each.settled() for name, each in found.settling.items()} == card["settled_from_epoch"]
    assert sum(each.stat().st_size for each in (FOLDER / "mini-evolution").iterdir()) < BUDGET


def test_its_beginning_can_be_made_again() -> None:
    """The untrained network from its seed, and the drawings from theirs, give the activations that are stored."""
    found = evolution("mini")
    card = json.loads((FOLDER / "mini-evolution.json").read_text(encoding="utf-8"))
    torch.manual_seed(0)
    scaling = ResizeCropNormalize(96, 96, tuple(card["mean"]), tuple(card["std"]))
    lens = Lens(ARCHITECTURES["mini"](14), preprocess=scaling)
    held_out = MiniBroden(500, HELD_OUT_SEED)
    assert held_out.digest == card["held_out"]
    for unit, index in enumerate(found.index["relu2"][0, :3, 0].tolist()):
        pixels = torch.from_numpy(held_out[index].image).permute(2, 0, 1).float() / 255
        peak = float(lens.activations(pixels, "relu2")[0, unit].max())
        assert found.activation["relu2"][0, unit, 0] == pytest.approx(peak, rel=1e-3)
        assert np.abs(found.probe(index).astype(int) - held_out[index].image).mean() < 6  # the losses of JPEG
