"""The built-in networks: the papers' tables, parameter counts, and the weights that ship."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import convviz_widgets as cv
from convviz_widgets.core.errors import MissingFile, UnknownName
from convviz_widgets.data.mini_broden import MiniBroden
from convviz_widgets.nets import builtin
from convviz_widgets.nets.mini import MiniAlexNet, MiniNet
from convviz_widgets.nets.train import HELD_OUT_SEED, accuracy, main
from convviz_widgets.nets.zfnet import ZFNet

SHIPPED = ("mini", "mini-alexnet", "mini-residual")


def test_zfnet_has_the_papers_maps() -> None:
    lens = cv.Lens(ZFNet(num_classes=10), input_size=224)
    sizes = [
        lens.layers[name].shape[-1] for name in ("conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5")
    ]
    assert sizes == [110, 55, 26, 13, 13, 13, 13, 6]
    assert [lens.layers[f"conv{n}"].channels for n in range(1, 6)] == [96, 256, 384, 384, 256]
    assert lens.layers["conv1"].receptive_field.size == (7, 7)
    assert lens.layers["conv2"].receptive_field.size == (27, 27)


def test_parameter_counts_follow_the_formula() -> None:
    convs = [(3, 24, 7), (24, 48, 5), (48, 72, 3), (72, 72, 3), (72, 64, 3)]
    dense = [(64 * 36, 256), (256, 128), (128, 14)]
    wanted = sum(a * b * k * k + b for a, b, k in convs) + sum(a * b + b for a, b in dense)
    assert sum(each.numel() for each in MiniNet(14).parameters()) == wanted
    with_norm = sum(a * b * k * k + 2 * b for a, b, k in convs) + sum(a * b + b for a, b in dense)
    assert sum(each.numel() for each in MiniNet(14, batch_norm=True).parameters()) == with_norm


def test_the_two_first_layers_differ_and_nothing_after_them() -> None:
    ours, theirs = (dict(net(14).named_children()) for net in (MiniNet, MiniAlexNet))
    assert (theirs["conv1"].kernel_size, theirs["conv1"].stride) == ((11, 11), (4, 4))
    assert list(ours) == list(theirs)
    assert [name for name in ours if repr(ours[name]) != repr(theirs[name])] == ["conv1", "pool1"]
    lenses = [cv.Lens(net(14), input_size=96) for net in (MiniNet, MiniAlexNet)]
    shapes = [[layer.shape for layer in lens.layers.values()] for lens in lenses]
    assert shapes[0][2:] == shapes[1][2:]
    assert [shape[0][1:] for shape in shapes] == [(48, 48), (24, 24)]


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_weights_are_as_good_as_recorded(name: str) -> None:
    card = builtin.card(name)
    net = builtin.build(name)
    pixels, targets = MiniBroden(300, HELD_OUT_SEED).batch(range(300))
    images = torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))
    measured = accuracy(net.module, images, torch.from_numpy(targets), list(net.mean), list(net.std))
    assert measured >= 0.9
    assert abs(measured - card["held_out_accuracy"]) < 0.04
    assert card["command"].startswith("python -m convviz_widgets.nets.train " + name)
    assert net.class_names == MiniBroden.class_names


def test_the_weights_are_small() -> None:
    assert sum(path.stat().st_size for path in builtin.FOLDER.iterdir()) < 12_000_000


def test_wrong_names_and_missing_weights_are_told() -> None:
    with pytest.raises(UnknownName, match="'mini'"):
        builtin.build("minni")
    with pytest.raises(MissingFile, match=r"Lens\.load\('zfnet', weights=None\)"):
        cv.Lens.load("zfnet")
    assert cv.Lens.load("zfnet", weights=None, device="cpu").input_shape == (3, 224, 224)


def test_the_training_command_from_end_to_end(tmp_path: Path) -> None:
    command = ["mini", "--epochs", "1", "--images", "24", "--held-out", "12", "--batch-size", "8"]
    command += ["--work", str(tmp_path / "work"), "--out", str(tmp_path / "out")]
    card = main(command)
    again = main(command)
    assert card["held_out_accuracy"] == again["held_out_accuracy"]
    written = json.loads((tmp_path / "out" / "mini.json").read_text())
    assert written["class_names"] == list(MiniBroden.class_names)
    assert (tmp_path / "out" / "mini.safetensors").stat().st_size < 2_000_000
