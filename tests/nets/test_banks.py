"""Gabor and steerable banks and the scattering front end: waves excite their own filter, turns are interpolated."""

import math

import pytest
import torch
from torch.nn import functional

from convviz_widgets.core.errors import BadValue
from convviz_widgets.nets.banks import (
    BankConv2d,
    gabor_bank,
    gabor_scale,
    steerable_bank,
    steerable_filter,
    steered,
    steering,
)
from convviz_widgets.nets.made import grid
from convviz_widgets.nets.scattering import Scattering2d, morlet, window


def wave(frequency: float, angle: float, side: int = 41) -> torch.Tensor:
    y, x = grid(side)
    return torch.cos(2 * math.pi * frequency * (x * math.cos(angle) - y * math.sin(angle))).float()


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_a_steered_answer_is_that_of_the_turned_filter(order: int) -> None:
    x = torch.randn(2, 1, 24, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    bank = torch.stack([steerable_filter(order, 1.5, math.pi * j / (order + 1)) for j in range(order + 1)])
    answers = functional.conv2d(x, bank[:, None])
    for angle in (0.0, 0.4, 1.7, 3.0, -2.0):
        wanted = functional.conv2d(x, steerable_filter(order, 1.5, angle)[None, None])[:, 0]
        assert torch.allclose(steered(answers, order, angle), wanted, atol=1e-12)
    assert torch.allclose(steering(order, math.pi / (order + 1)), torch.eye(order + 1, dtype=torch.float64)[1])
    assert torch.allclose(steerable_bank(order, 1.5), bank.float())


def test_a_quarter_turn_of_a_steerable_filter_turns_its_pixels() -> None:
    for order in (1, 2, 3):
        upright, turned = (steerable_filter(order, 1.5, angle) for angle in (0.3, 0.3 + math.pi / 2))
        assert torch.allclose(torch.rot90(upright), turned, atol=1e-12)


def test_gabor_filters_like_waves_of_their_own_frequency_and_direction() -> None:
    bank = gabor_bank(4, (0.1, 0.25), bandwidth=1.0)
    assert torch.allclose(bank.sum((1, 2)), torch.zeros(16), atol=1e-5)  # even grey leaves them silent
    assert torch.allclose(bank.flatten(1).norm(dim=1), torch.ones(16))
    for number, (frequency, turn) in enumerate((f, t) for f in (0.1, 0.25) for t in range(4)):
        picture = wave(frequency, math.pi * turn / 4)[None, None]
        answers = functional.conv2d(picture, bank[:, None]).square().mean((2, 3))[0]
        assert int(answers.view(-1, 2).sum(1).argmax()) == number  # even and odd together: energy


def test_gabor_bandwidth_is_what_it_says() -> None:
    """At a bandwidth of one octave the amplitude is halved at two frequencies of ratio 2."""
    scale, frequency = gabor_scale(0.2, 1.0), 0.2
    # the transform of a Gaussian of width s falls to a half at f0 +- sqrt(2 ln 2) / (2 pi s)
    half = math.sqrt(2 * math.log(2)) / (2 * math.pi * scale)
    assert (frequency + half) / (frequency - half) == pytest.approx(2.0, rel=1e-9)


def test_a_bank_sees_each_channel_apart() -> None:
    bank = gabor_bank(2, 0.25)
    layer = BankConv2d(3, bank)
    x = torch.randn(1, 3, 20, 20)
    found = layer(x)
    assert found.shape == (1, 12, 20, 20)
    assert torch.allclose(
        found[:, 4:8], functional.conv2d(x[:, 1:2], bank[:, None], padding=bank.shape[-1] // 2), atol=1e-5
    )
    assert list(layer.parameters()) == []
    assert "weight" in layer.state_dict()


def test_what_banks_refuse() -> None:
    for wrong in ({"frequency": 0.6}, {"frequency": 0}, {"orientations": 0}, {"bandwidth": 0}, {"aspect": -1}):
        with pytest.raises(BadValue, match=next(iter(wrong))):
            gabor_bank(**wrong)  # type: ignore[arg-type]
    with pytest.raises(BadValue, match="odd sizes from"):
        gabor_bank(4, 0.05, kernel_size=5)
    with pytest.raises(BadValue, match="odd sizes from"):
        steerable_bank(2, 3.0, kernel_size=5)
    with pytest.raises(BadValue, match="order"):
        steerable_bank(0)
    with pytest.raises(BadValue, match="cannot be steered"):
        steered(torch.zeros(4, 3, 3), 2, 0.0)


def plain_scattering(layer: Scattering2d, x: torch.Tensor) -> torch.Tensor:
    """Path by path at full resolution, thinned out at the end."""

    def through(maps: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
        return functional.conv2d(maps[:, None], kernel[None, None].double(), padding=kernel.shape[-1] // 2)[:, 0]

    def modulus(maps: torch.Tensor, j: int, turn: int) -> torch.Tensor:
        real, imaginary = morlet(j, math.pi * turn / layer.orientations)
        return (through(maps, real) ** 2 + through(maps, imaginary) ** 2).sqrt()

    found = []
    mean, step, turns = window(layer.scales), 2**layer.scales, range(layer.orientations)
    x = x.double()
    found += [through(x[:, c], mean) for c in range(x.shape[1])]
    for j in range(layer.scales):
        found += [through(modulus(x[:, c], j, t), mean) for c in range(x.shape[1]) for t in turns]
    for j in range(layer.scales):
        for k in range(j + 1, layer.scales):
            found += [
                through(modulus(modulus(x[:, c], j, t), k, u), mean)
                for c in range(x.shape[1])
                for t in turns
                for u in turns
            ]
    return torch.stack([each[:, ::step, ::step] for each in found], dim=1)


def test_scattering_equals_a_plain_loop_over_paths() -> None:
    """The layer thins out maps on its way, which leaves them the same but for what wavelets let through beyond."""
    layer = Scattering2d(2, scales=2, orientations=3)
    x = torch.randn(1, 2, 32, 32, generator=torch.Generator().manual_seed(0)).cumsum(2).cumsum(3) / 20
    found, wanted = layer(x).double(), plain_scattering(layer, x)
    assert found.shape == wanted.shape
    assert len(layer.path_names) == found.shape[1] == 2 * layer.paths
    inner = (slice(None), slice(None), slice(2, -2), slice(2, -2))
    for mine, theirs in zip(found[inner][0], wanted[inner][0], strict=True):
        assert float((mine - theirs).norm()) < 0.06 * float(theirs.norm())


def test_scattering_of_grey_is_the_grey_alone() -> None:
    layer = Scattering2d(3, scales=2, orientations=4)
    found = layer(torch.full((1, 3, 64, 64), 0.7))[0, :, 6:10, 6:10]
    assert torch.allclose(found[:3], torch.full_like(found[:3], 0.7), atol=1e-5)
    assert float(found[3:].abs().max()) < 1e-5


def test_scattering_shifts_and_turns_with_the_picture() -> None:
    layer = Scattering2d(1, scales=2, orientations=4)
    x = torch.zeros(1, 1, 65, 65)
    x[..., 20:45, 20:45] = torch.randn(25, 25, generator=torch.Generator().manual_seed(0))
    still, moved = layer(x), layer(x.roll(4, -1))
    assert torch.allclose(moved[..., 1:], still[..., :-1], atol=1e-6)
    turned = torch.rot90(layer(torch.rot90(x, 1, (2, 3))), -1, (2, 3))  # 65 pixels: positions lie symmetrically
    first = slice(1, 1 + 2 * 4)  # orders of one wavelet: orientations move on by a quarter turn, of half a turn's four
    wanted = still[:, first].view(1, 2, 4, *still.shape[2:]).roll(2, 2).flatten(1, 2)
    assert torch.allclose(turned[:, first], wanted, atol=1e-5)


def test_scattering_refuses() -> None:
    for wrong in ({"scales": 0}, {"scales": 6}, {"orientations": 0}, {"order": 3}):
        with pytest.raises(BadValue, match=next(iter(wrong))):
            Scattering2d(3, **wrong)
    assert Scattering2d(3, scales=2, orientations=4, order=1)(torch.zeros(1, 3, 16, 16)).shape == (1, 27, 4, 4)
