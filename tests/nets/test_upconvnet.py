"""A decoder fits any layer, scales what it gets, and the trained ones that ship tell pictures."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn

from convviz_widgets.core.errors import BadValue, MissingFile, UnknownName, UnsupportedModel
from convviz_widgets.data.mini_broden import MiniBroden
from convviz_widgets.nets import beside, builtin, decoders, train_decoder
from convviz_widgets.nets.loop import Objective
from convviz_widgets.nets.train import HELD_OUT_SEED
from convviz_widgets.nets.train_decoder import main, measure
from convviz_widgets.nets.upconvnet import UpconvNet

TINY = ["mini", "--layers", "pool2", "fc8", "--epochs", "2", "--images", "16", "--held-out", "8", "--batch-size", "8"]

SIDES = st.integers(1, 40)


@settings(max_examples=25, deadline=None)
@given(
    shape=st.one_of(st.tuples(st.integers(1, 9)), st.tuples(st.integers(1, 9), SIDES, SIDES)),
    picture=st.tuples(st.sampled_from([1, 3, 4]), st.integers(4, 40), st.integers(4, 40)),
    grain=st.integers(1, 5),
)
def test_any_map_and_any_vector_becomes_a_picture_of_the_right_size(
    shape: tuple[int, ...], picture: tuple[int, int, int], grain: int
) -> None:
    net = UpconvNet(shape, picture, widths=(6, 8), grain=grain).eval()
    told = net(torch.randn((2, *shape), generator=torch.Generator().manual_seed(0)))
    assert told.shape == (2, *picture)
    assert 0 <= float(told.detach().min()) <= float(told.detach().max()) <= 1


def test_every_part_of_it_learns() -> None:
    for shape in ((5,), (5, 6, 6), (5, 24, 24), (5, 1, 1)):
        net = UpconvNet(shape, (3, 24, 24))
        net(torch.randn(3, *shape)).square().mean().backward()
        assert all(each.grad is not None and float(each.grad.abs().sum()) > 0 for each in net.parameters()), shape


@pytest.mark.parametrize(("side", "around"), [(48, 3), (24, 4), (12, 5), (6, 6)])
def test_a_smaller_map_is_read_from_further_around(side: int, around: int) -> None:
    """A pixel of the corner hangs on so many cells of the map each way; on the whole of the smallest."""
    torch.manual_seed(0)
    activations = torch.randn(1, 5, side, side, requires_grad=True)
    UpconvNet((5, side, side), (3, 96, 96)).eval()(activations)[0, :, 0, 0].sum().backward()
    assert activations.grad is not None
    read = activations.grad.abs().sum((0, 1)) > 0
    assert bool(read[:around, :around].all())
    assert int(read.sum()) == around**2


@torch.no_grad()
def test_a_grain_draws_nothing_smaller() -> None:
    codes = torch.randn(2, 5, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    fine, coarse = (UpconvNet((5,), (3, 48, 48), grain=grain).eval()(codes).logit() for grain in (1, 4))
    bend = [torch.diff(each, n=2)[..., 2:].abs().mean((0, 1, 2)).view(-1, 4) for each in (fine, coarse)]
    assert float(bend[1][:, :2].max()) < 1e-5 < float(bend[0].min())  # straight between the middles of two grains
    with pytest.raises(BadValue, match=r"grain=0.*1 pixel or more"):
        UpconvNet((5,), (3, 48, 48), grain=0)


def test_the_scale_is_that_of_the_channels_and_dead_ones_are_not_blown_up() -> None:
    activations = torch.randn(40, 3, 5, 5) * torch.tensor([20.0, 30.0, 0.0]).view(3, 1, 1) + 7
    net = UpconvNet((3, 5, 5), (3, 10, 10))
    net.set_scale(activations)
    assert torch.allclose(net.centre, activations.mean((0, 2, 3)), rtol=1e-4)
    assert torch.allclose(net.scale[:2], activations.std((0, 2, 3))[:2], rtol=1e-2)
    assert float(net.scale[2]) > 0
    scaled, plain = UpconvNet((3, 5, 5), (3, 10, 10)).eval(), None
    scaled.load_state_dict(net.state_dict())
    plain = scaled(activations[:2])
    scaled.centre.zero_()
    scaled.scale.fill_(1)
    levelled = (activations[:2] - net.centre.view(3, 1, 1)) / net.scale.view(3, 1, 1)
    assert torch.allclose(scaled(levelled), plain, atol=1e-5)
    net.set_scale(torch.zeros(4, 3, 5, 5))
    assert bool((net.scale == 1).all())


def test_vectors_are_brought_to_differ_as_much_in_every_direction_and_none_is_blown_up() -> None:
    draws = torch.Generator().manual_seed(0)
    loud = torch.randn(600, 1, generator=draws) * 50
    vectors = loud + torch.randn(600, 4, generator=draws) * torch.tensor([1.0, 1.0, 1.0, 0.0]) + 3
    net = UpconvNet((4,), (3, 12, 12))
    net.set_scale(vectors)
    levelled = (vectors - net.centre) / net.scale @ net.turn
    assert torch.allclose(torch.cov(levelled.T), torch.eye(4), atol=0.02)  # what is faint is as loud as the rest
    assert torch.allclose(net.turn, net.turn.T, atol=1e-4)
    net.set_scale(vectors[:3])  # too few to tell the faint directions: none is brought up much
    few = torch.linalg.eigvalsh(net.turn)
    assert float(few.max() / few.min()) < 3
    net.set_scale(loud.expand(-1, 4))  # no difference at all in three directions
    assert bool(net.turn.isfinite().all())
    assert float(torch.linalg.eigvalsh(net.turn).max() / torch.linalg.eigvalsh(net.turn).min()) < 1.01 / 0.005
    net.set_scale(torch.zeros(9, 4))
    assert bool(net.scale.eq(1).all() and net.turn.isfinite().all())


def test_wrong_shapes_are_told() -> None:
    with pytest.raises(UnsupportedModel, match=r"\(16, 8\).*maps \(K, h, w\), or a vector"):
        UpconvNet((16, 8), (3, 32, 32))
    with pytest.raises(BadValue, match=r"\(N, 4, 8, 8\); given: \(2, 4, 9, 9\).*32 by 32.*another size"):
        UpconvNet((4, 8, 8), (3, 32, 32))(torch.zeros(2, 4, 9, 9))


def test_the_training_command_goes_on_after_a_kill_and_ends_with_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(folder: str) -> list[str]:
        return [*TINY, "--work", str(tmp_path / folder / "work"), "--out", str(tmp_path / folder / "out")]

    card = main(command("whole"))
    assert json.loads((tmp_path / "whole" / "out" / "mini-decoders.json").read_text()) == card
    assert list(card["layers"]) == ["pool2", "fc8"]
    assert card["layers"]["fc8"]["shape"] == [14]

    real, calls = train_decoder._objective, iter(range(100))

    def killed_in_the_second_epoch(*arguments: object) -> Objective:
        inner = real(*arguments)  # type: ignore[arg-type]

        def objective(model: nn.Module, indices: torch.Tensor, randomness: torch.Generator) -> torch.Tensor:
            if next(calls) == 3:
                raise KeyboardInterrupt
            return inner(model, indices, randomness)

        return objective

    with monkeypatch.context() as patch:
        patch.setattr(train_decoder, "_objective", killed_in_the_second_epoch)
        with pytest.raises(KeyboardInterrupt):
            main(command("killed"))
    assert not (tmp_path / "killed" / "out").exists()
    main(command("killed"))
    files = [tmp_path / folder / "out" / "mini-decoders.safetensors" for folder in ("whole", "killed")]
    assert files[0].read_bytes() == files[1].read_bytes()

    monkeypatch.setattr(beside, "FOLDER", tmp_path / "whole" / "out")
    assert decoders.layers("mini") == ("pool2", "fc8")
    assert decoders.load("mini", "fc8")(torch.zeros(1, 14)).shape == (1, 3, 96, 96)
    with pytest.raises(UnknownName, match="'pool2'"):
        decoders.load("mini", "pool3")


class Perfect(nn.Module):
    """Gives back the pictures, shifted by a shade."""

    def __init__(self, images: torch.Tensor, shade: float) -> None:
        super().__init__()
        self.images, self.shade = images, shade

    def forward(self, _: torch.Tensor) -> torch.Tensor:
        return self.images.float() / 255 + self.shade


def test_the_measures_of_a_decoder_that_is_off_by_a_shade() -> None:
    net = builtin.build("mini")
    images = torch.randint(0, 200, (6, 3, 96, 96), dtype=torch.uint8)
    found = measure(Perfect(images, 0.0), net, "pool2", images, torch.zeros(6, dtype=torch.long))
    assert found["pixel_error"] == found["squared_error"] == 0
    assert found["same_class"] == 1
    off = measure(Perfect(images, 0.1), net, "pool2", images, torch.zeros(6, dtype=torch.long))
    assert off["pixel_error"] == pytest.approx(0.1, abs=1e-3)
    assert off["squared_error"] == pytest.approx(0.01, abs=1e-3)


def test_given_layers_alone_are_trained_and_the_others_stay_with_the_command_they_came_from(tmp_path: Path) -> None:
    def run(*layers: str) -> dict[str, Any]:
        places = ["--work", str(tmp_path / "-".join(layers)), "--out", str(tmp_path)]
        return main(["mini", "--layers", *layers, "--epochs", "1", *TINY[6:], *places])

    first, second = run("fc8", "relu5"), run("pool2", "fc8")
    assert list(second["layers"]) == ["pool2", "relu5", "fc8"]
    assert second["layers"]["relu5"] == first["layers"]["relu5"]
    assert [each["layers"] for each in second["runs"]] == [["relu5"], ["pool2", "fc8"]]
    assert second["runs"][0]["command"] == first["runs"][0]["command"]
    saved = load_file(tmp_path / "mini-decoders.safetensors")
    assert {key.partition(".")[0] for key in saved} == {"pool2", "relu5", "fc8"}


def test_lost_files_and_networks_without_decoders_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert decoders.layers("resnet18") == ()
    with pytest.raises(UnknownName, match=r"'mini'.*`train_decoder`"):
        decoders.card("resnet18")
    monkeypatch.setattr(beside, "FOLDER", tmp_path)
    with pytest.raises(MissingFile, match=r"train_decoder mini"):
        decoders.card("mini")


@pytest.fixture(scope="module")
def held_out() -> tuple[torch.Tensor, torch.Tensor]:
    pixels, targets = MiniBroden(40, HELD_OUT_SEED).batch(range(40))
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))), torch.from_numpy(targets)


def test_those_that_ship_tell_pictures_as_their_card_says(held_out: tuple[torch.Tensor, torch.Tensor]) -> None:
    net, card = builtin.build("mini"), decoders.card("mini")
    dense, maps = ["relu6", "relu7", "fc8"], ["pool1", "relu2", "pool2", "relu3", "relu4"]
    options = "--images 24000 --epochs"
    assert [(run["command"].partition("--layers ")[2], run["layers"]) for run in card["runs"]] == [
        (f"{' '.join(dense)} {options} 6 --batch-size 64 --weight-decay 5e-2 --grain 4", dense),
        (f"relu5 pool5 {options} 3 --batch-size 16", ["relu5", "pool5"]),
        (f"{' '.join(maps)} {options} 2 --batch-size 16", maps),
        (f"relu1 {options} 2 --batch-size 16", ["relu1"]),
    ]
    assert decoders.layers("mini") == train_decoder.LAYERS["mini"] == tuple(card["layers"])
    for layer in ("relu1", "relu3", "pool5", *dense):
        decoder = decoders.load("mini", layer)
        assert not decoder.training
        assert not any(each.requires_grad for each in decoder.parameters())
        found = measure(decoder, net, layer, *held_out)
        assert found["pixel_error"] == pytest.approx(card["layers"][layer]["pixel_error"], rel=0.15), layer


def test_deeper_ones_tell_less_and_all_tell_more_than_the_mean_picture() -> None:
    card = decoders.card("mini")
    squared = {layer: about["squared_error"] for layer, about in card["layers"].items()}
    after_each_step = [
        squared[layer] for layer in ("relu1", "pool1", "pool2", "relu3", "relu4", "pool5", "relu6", "relu7", "fc8")
    ]
    assert after_each_step == sorted(after_each_step)
    assert squared["relu1"] < 0.2 * squared["pool5"]
    for layer, about in card["layers"].items():
        assert about["pixel_error"] < card["pixel_error_of_mean"], layer
    for layer, share in (("pool2", 0.35), ("pool5", 0.55), ("relu6", 0.85)):
        assert card["layers"][layer]["pixel_error"] < share * card["pixel_error_of_mean"], layer


def test_they_are_measured_on_drawings_of_their_own(tmp_path: Path) -> None:
    """Measured anew, without training: weights and commands stay, figures come from drawings nothing was chosen by."""
    for suffix in (".json", ".safetensors"):
        shutil.copy(builtin.FOLDER / f"mini-decoders{suffix}", tmp_path)
    card = main(["mini", "--measure", "--held-out", "12", "--out", str(tmp_path), "--work", str(tmp_path / "work")])
    shipped = decoders.card("mini")
    assert card["held_out"] == MiniBroden(12, train_decoder.FRESH_SEED).digest
    assert shipped["held_out"] == MiniBroden(1000, train_decoder.FRESH_SEED).digest
    assert card["runs"] == shipped["runs"]
    assert list(card["layers"]) == list(shipped["layers"])
    assert card["layers"]["relu1"]["pixel_error"] != shipped["layers"]["relu1"]["pixel_error"]
    assert card["layers"]["relu1"]["pixel_error"] == pytest.approx(shipped["layers"]["relu1"]["pixel_error"], rel=0.3)
    before, after = ((each / "mini-decoders.safetensors").read_bytes() for each in (builtin.FOLDER, tmp_path))
    assert before == after


def test_the_weights_are_small() -> None:
    assert (builtin.FOLDER / "mini-decoders.safetensors").stat().st_size < 5_500_000
