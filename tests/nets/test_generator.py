"""The generator: pictures of codes that the network takes for the pictures the codes came from."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from convviz_widgets.core.errors import BadValue, MissingFile, UnknownName
from convviz_widgets.data.mini_broden import MiniBroden
from convviz_widgets.nets import beside, builtin, generator, train_generator
from convviz_widgets.nets.discriminator import Contest, Discriminator
from convviz_widgets.nets.generator import Generator
from convviz_widgets.nets.loop import Objective
from convviz_widgets.nets.train import HELD_OUT_SEED
from convviz_widgets.nets.train_generator import activations, codes_of, main, measure

COUNT = 100
TINY = ["mini", "--epochs", "3", "--images", "24", "--held-out", "10", "--batch-size", "8"]


@pytest.fixture(scope="module")
def net() -> builtin.Builtin:
    found = builtin.build("mini")
    found.module.requires_grad_(requires_grad=False)
    return found


@pytest.fixture(scope="module")
def held_out() -> tuple[torch.Tensor, torch.Tensor]:
    pixels, targets = MiniBroden(COUNT, HELD_OUT_SEED).batch(range(COUNT))
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))), torch.from_numpy(targets)


@pytest.fixture(scope="module")
def measured(net: builtin.Builtin, held_out: tuple[torch.Tensor, torch.Tensor]) -> dict[str, float]:
    return measure(generator.load(), net, *held_out)


def test_pictures_have_the_networks_size_and_lie_in_0_to_1_for_any_code() -> None:
    shipped = generator.load("mini")
    codes = torch.randn(6, shipped.code_length, generator=torch.Generator().manual_seed(0)) * 100
    pictures = shipped(codes)
    assert pictures.shape == (6, 3, 96, 96)
    assert 0 <= float(pictures.min()) < float(pictures.max()) <= 1
    assert torch.equal(pictures, generator.load("mini")(codes))
    assert torch.allclose(pictures[:1], shipped(codes[:1]), atol=1e-4), "a picture does not depend on its neighbours"


def test_it_is_frozen_but_lets_gradients_through_to_the_code() -> None:
    shipped = generator.load()
    assert not shipped.training
    assert not any(each.requires_grad for each in shipped.parameters())
    code = shipped.code_high.clone()[None].requires_grad_()
    shipped(code).sum().backward()
    assert code.grad is not None
    assert float(code.grad.abs().max()) > 0


def test_reconstructions_are_nearest_to_their_own_picture(measured: dict[str, float]) -> None:
    assert measured["nearer_by_pixels"] > 0.7
    assert measured["identified_by_pixels"] > 4 / COUNT, "four times chance: the code keeps little of colours and scene"
    assert measured["nearer_by_code"] > 0.97
    assert measured["identified_by_code"] > 0.6
    assert measured["pixel_error"] < measured["pixel_error_of_mean"]
    assert measured["code_error"] < 0.2


def test_the_network_sees_the_same_class_in_them(measured: dict[str, float]) -> None:
    card = generator.card("mini")
    assert measured["same_class"] > 0.7
    for name in ("same_class", "right_class"):
        assert abs(measured[name] - card[name]) < 0.12, name
    assert card["command"].startswith("python -m convviz_widgets.nets.train_generator mini")


def test_the_range_holds_real_codes_and_not_much_more(
    net: builtin.Builtin, held_out: tuple[torch.Tensor, torch.Tensor]
) -> None:
    shipped = generator.load()
    codes = codes_of(net, held_out[0], shipped.code_layer)
    inside = (codes >= shipped.code_low) & (codes <= shipped.code_high)
    assert float(inside.float().mean()) > 0.97
    assert bool((shipped.code_high <= 3 * codes.max()).all())
    assert bool((shipped.code_low >= 0).all()), "codes are taken after a ReLU"
    assert float((codes.mean(0) - shipped.code_mean).norm() / shipped.code_mean.norm()) < 0.35


def test_optimised_codes_within_the_range_raise_scores_above_those_of_drawings(
    net: builtin.Builtin, held_out: tuple[torch.Tensor, torch.Tensor]
) -> None:
    shipped, classes = generator.load(), torch.arange(len(net.class_names))
    code = codes_of(net, held_out[0], shipped.code_layer).mean(0).repeat(len(classes), 1).requires_grad_()
    optimizer = torch.optim.Adam([code], lr=0.3)
    for _ in range(60):
        scores = activations(net, shipped(code), ["fc8"])["fc8"]
        optimizer.zero_grad()
        (-scores.diagonal().sum()).backward()
        optimizer.step()
        with torch.no_grad():
            code.clamp_(shipped.code_low, shipped.code_high)
    assert float((scores.argmax(1) == classes).float().mean()) > 0.6
    drawn = activations(net, held_out[0].float() / 255, ["fc8"])["fc8"].max(1).values
    assert float(scores.detach().diagonal().mean()) > 1.2 * float(drawn.mean())


def test_the_range_is_that_of_the_quantiles() -> None:
    codes = torch.rand(1000, 5, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 6)
    made = Generator(5, "fc")
    made.set_range(codes, tail=0.1)
    assert np.allclose(made.code_low, np.quantile(codes.numpy(), 0.1, axis=0), atol=1e-5)
    assert np.allclose(made.code_high, np.quantile(codes.numpy(), 0.9, axis=0), atol=1e-5)
    assert np.allclose(made.code_mean, codes.numpy().mean(axis=0), atol=1e-5)


class Memory(nn.Module):
    """Gives the very picture whose code is nearest, so that every measure is known."""

    code_layer = "relu6"

    def __init__(self, codes: torch.Tensor, images: torch.Tensor) -> None:
        super().__init__()
        self.codes, self.images = codes, images

    def forward(self, code: torch.Tensor) -> torch.Tensor:
        return self.images[torch.cdist(code, self.codes).argmin(1)].float() / 255


def test_the_measures_of_a_perfect_and_of_a_mistaken_generator(
    net: builtin.Builtin, held_out: tuple[torch.Tensor, torch.Tensor]
) -> None:
    images, targets = held_out
    codes = codes_of(net, images, "relu6")
    perfect = measure(Memory(codes, images), net, images, targets)  # type: ignore[arg-type]
    assert perfect["pixel_error"] == 0
    assert perfect["code_error"] == pytest.approx(0, abs=1e-4)
    assert perfect["identified_by_pixels"] == perfect["identified_by_code"] == perfect["same_class"] == 1
    assert perfect["nearer_by_pixels"] == perfect["nearer_by_code"] == 1
    mistaken = measure(Memory(codes, images.roll(1, 0)), net, images, targets)  # type: ignore[arg-type]
    assert mistaken["identified_by_pixels"] == mistaken["identified_by_code"] == 0
    assert mistaken["same_class"] < 0.3
    assert mistaken["code_error"] > 0.5


def test_activations_are_those_of_the_whole_forward(
    net: builtin.Builtin, held_out: tuple[torch.Tensor, torch.Tensor]
) -> None:
    images = held_out[0][:3].float() / 255
    found = activations(net, images, ("pool5", "relu6", "fc8"))
    prepared = (images - torch.tensor(net.mean).view(3, 1, 1)) / torch.tensor(net.std).view(3, 1, 1)
    assert torch.equal(found["fc8"], net.module(prepared))
    assert torch.equal(found["relu6"], net.module.fc6(found["pool5"].flatten(1)).relu())  # type: ignore[operator]


def test_neither_side_of_the_contest_gets_the_others_gradient() -> None:
    torch.manual_seed(0)
    contest = Contest(Generator(8, "fc"), Discriminator(8))
    code, real = torch.rand(8, 8), torch.rand(8, 3, 96, 96)
    made = contest.generator(code)
    contest.deceit(made, code).backward()
    assert all(each.grad is None for each in contest.opponent.parameters())
    assert float(contest.generator.paint.weight.grad.abs().max()) > 0  # type: ignore[union-attr]
    contest.zero_grad()
    contest.judgement(contest.generator(code), real, code, penalty=1.0).backward()
    assert all(each.grad is None for each in contest.generator.parameters())
    assert all(float(each.grad.abs().max()) > 0 for each in contest.opponent.parameters() if each.ndim > 1)


def test_the_contest_is_won_by_who_trains_alone() -> None:
    torch.manual_seed(0)
    contest = Contest(Generator(8, "fc"), Discriminator(8))
    code, real = torch.rand(16, 8), torch.rand(16, 3, 1, 1).expand(-1, -1, 96, 96)
    made = contest.generator(code).detach()
    before = float(contest.judgement(made, real, code, penalty=0.1).detach())
    assert before == pytest.approx(2 * np.log(2), abs=0.2), "who knows nothing loses twice the logarithm of two"
    optimizer = torch.optim.Adam(contest.opponent.parameters(), lr=2e-3)
    for _ in range(30):
        optimizer.zero_grad()
        loss = contest.judgement(made, real, code, penalty=0.1)
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.5 * before
    assert float(contest.deceit(made, code).detach()) > 1


def test_the_penalty_is_the_squared_slope() -> None:
    contest = Contest(Generator(4, "fc"), Discriminator(4))
    contest.opponent.forward = lambda images, code: 3.0 * images.sum((1, 2, 3)) + 0 * code.sum()  # type: ignore[method-assign]
    made, real, code = torch.zeros(8, 3, 96, 96), torch.zeros(8, 3, 96, 96), torch.zeros(8, 4)
    without, once = (float(contest.judgement(made, real, code, penalty)) for penalty in (0.0, 2.0))
    assert once - without == pytest.approx(9 * 3 * 96 * 96)


def test_the_training_command_goes_on_after_a_kill_and_ends_with_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(folder: str) -> list[str]:
        return [*TINY, "--work", str(tmp_path / folder / "work"), "--out", str(tmp_path / folder / "out")]

    card = main(command("whole"))
    written = json.loads((tmp_path / "whole" / "out" / "mini-generator.json").read_text())
    assert written == card
    assert len(written["losses"]) == 3

    real, calls = train_generator._objective, iter(range(100))

    def killed_in_the_second_epoch(*arguments: object) -> Objective:
        inner = real(*arguments)  # type: ignore[arg-type]

        def objective(model: nn.Module, indices: torch.Tensor, randomness: torch.Generator) -> torch.Tensor:
            if next(calls) == 4:
                raise KeyboardInterrupt
            return inner(model, indices, randomness)

        return objective

    with monkeypatch.context() as patch:
        patch.setattr(train_generator, "_objective", killed_in_the_second_epoch)
        with pytest.raises(KeyboardInterrupt):
            main(command("killed"))
    assert not (tmp_path / "killed" / "out").exists()
    main(command("killed"))
    files = [tmp_path / folder / "out" / "mini-generator.safetensors" for folder in ("whole", "killed")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[0].stat().st_size < 3_000_000

    with pytest.raises(BadValue, match="another recipe"):
        main([*command("killed"), "--pixels", "7"])


def test_the_weights_are_small() -> None:
    assert (builtin.FOLDER / "mini-generator.safetensors").stat().st_size < 3_000_000


def test_wrong_names_shapes_and_lost_files_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownName, match="'mini'"):
        generator.load("minni")
    assert generator.names() == ("mini",)
    with pytest.raises(BadValue, match=r"\(N, 256\); given: \(2, 3\).*'relu6'"):
        Generator(256, "relu6")(torch.zeros(2, 3))
    monkeypatch.setattr(beside, "FOLDER", tmp_path)
    with pytest.raises(MissingFile, match=r"train_generator mini"):
        generator.load("mini")
