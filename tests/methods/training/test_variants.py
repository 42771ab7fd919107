"""Variants have the layers and sizes that their line of text says, and as many parameters as the formula."""

import pytest
import torch
from torch import nn

from convviz_widgets.core.errors import BadValue, ConvvizError, UnknownName
from convviz_widgets.methods.training.variants import parameters, read, variant
from convviz_widgets.nets.mini import MiniNet
from tests.networks import ALL

SHAPE = (3, 32, 32)


def formula(channels: tuple[int, ...], kernels: tuple[int, ...], dense: tuple[int, ...], cells: int) -> int:
    """Weights and biases of convolutions, then of dense layers on so many cells."""
    ends = zip((3, *channels), channels, kernels, strict=False)
    convolutions = sum(before * after * kernel**2 + after for before, after, kernel in ends)
    widths = (channels[-1] * cells, *dense)
    return convolutions + sum(a * b + b for a, b in zip(widths, dense, strict=False))


@pytest.mark.parametrize(
    ("text", "channels", "kernels", "dense"),
    [
        ("", (24, 48, 72, 72, 64), (7, 5, 3, 3, 3), (256, 128, 5)),
        ("-conv3 -conv4", (24, 48, 64), (7, 5, 3), (256, 128, 5)),
        ("-fc6, -fc7", (24, 48, 72, 72, 64), (7, 5, 3, 3, 3), (5,)),
        ("-conv3 -fc7 -conv4 -fc6", (24, 48, 64), (7, 5, 3), (5,)),
        ("conv3=10 conv4*2 fc6/4", (24, 48, 10, 144, 64), (7, 5, 3, 3, 3), (64, 128, 5)),
        ("conv5*1.5", (24, 48, 72, 72, 96), (7, 5, 3, 3, 3), (256, 128, 5)),
    ],
)
def test_parameters_are_those_of_the_formula(
    text: str, channels: tuple[int, ...], kernels: tuple[int, ...], dense: tuple[int, ...]
) -> None:
    made = variant(MiniNet(5), text, SHAPE)
    assert parameters(made) == formula(channels, kernels, dense, cells=4)
    assert made(torch.zeros(2, *SHAPE)).shape == (2, 5)


def test_what_only_works_on_a_removed_layer_goes_with_it() -> None:
    names = [name for name, _ in variant(MiniNet(5, batch_norm=True), "-conv3 -conv5 -fc7", SHAPE).named_children()]
    assert not {"conv3", "norm3", "relu3", "conv5", "norm5", "relu5", "fc7", "relu7"} & set(names)
    assert {"pool5", "norm4", "relu4", "dropout6", "dropout7", "fc6", "relu6"} <= set(names)
    assert "relu4" not in dict(variant(MiniNet(5), "-relu4", SHAPE).named_children())
    assert "conv4" in dict(variant(MiniNet(5), "-relu4", SHAPE).named_children())


def test_the_base_is_left_as_it_is_and_the_seed_decides_the_weights() -> None:
    base = MiniNet(5)
    before = {name: each.clone() for name, each in base.state_dict().items()}
    state = torch.get_rng_state()
    first, same, other = (variant(base, "fc6/2", SHAPE, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert base.training
    assert all(torch.equal(before[name], each) for name, each in base.state_dict().items())
    assert torch.equal(first.conv1.weight, same.conv1.weight)  # type: ignore[arg-type,union-attr]
    assert not torch.equal(first.conv1.weight, other.conv1.weight)  # type: ignore[arg-type,union-attr]
    spread = float(first.conv2.weight.detach().std())  # type: ignore[operator,union-attr]
    assert spread == pytest.approx((2 / (24 * 25)) ** 0.5, rel=0.05)


def test_networks_of_ones_own() -> None:
    nested = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.ReLU()),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Sequential(nn.Linear(24, 7), nn.ReLU(), nn.Linear(7, 5)),
    )
    made = variant(nested, "-0.2 3.0=3", SHAPE)
    assert [tuple(each.shape) for each in made.parameters() if each.ndim > 1] == [(4, 3, 3, 3), (3, 16), (5, 3)]
    residual, shape = ALL["residual"].make(), ALL["residual"].shape
    assert parameters(variant(residual, "", shape)) == parameters(residual)
    assert variant(MiniNet(14), "", SHAPE, classes=3)(torch.zeros(1, *SHAPE)).shape == (1, 3)


class Branch(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.out = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), nn.Linear(4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.a(x)
        return self.out((x + self.b(x)).mean((2, 3)))


@pytest.mark.parametrize(
    ("text", "error", "told"),
    [
        ("conv3", BadValue, "no change of a layer.*-NAME"),
        ("-conv33", UnknownName, "Nearest: 'conv3'"),
        ("-conv3 conv3=2", BadValue, "changed twice"),
        ("relu3=4", BadValue, "ReLU, whose size cannot"),
        ("conv3=0", BadValue, "0 outputs in place of 72"),
        ("conv3=2.5", BadValue, "whole numbers"),
        ("conv3/100000", BadValue, "in place of 72"),
        ("-fc8", BadValue, "128.* in place of 5 class scores"),
        ("fc8=7", BadValue, "7.* in place of 5 class scores"),
        ("-flatten", BadValue, "in place of 5 class scores"),
    ],
)
def test_wrong_changes_of_mini(text: str, error: type[ConvvizError], told: str) -> None:
    with pytest.raises(error, match=told):
        variant(MiniNet(5), text, SHAPE)


def test_wrong_changes_of_a_network_with_branches() -> None:
    with pytest.raises(BadValue, match=r"stands in Branch.*nn\.Sequential"):
        variant(Branch(), "-a", SHAPE)
    with pytest.raises(BadValue, match="do not fit together"):
        variant(Branch(), "a=6", SHAPE)
    with pytest.raises(BadValue, match="no linear layer or convolution"):
        variant(nn.Sequential(nn.Flatten()), "", SHAPE)
    assert read(" ") == ()
