"""Gradients of pictures by blocks are those of autograd, and what comes out forward keeps its bits."""

from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from convviz_widgets.lens.convolutions import Filters, QuickConvolutions
from convviz_widgets.lens.lens import Lens
from tests.networks import settle

BY_BLOCKS = "_ByBlocksBackward"


def tensor(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(9, 40), st.integers(9, 40)),
    sides=st.tuples(st.integers(2, 11), st.integers(2, 11)),
    step=st.integers(2, 5),
    padding=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    together=st.booleans(),
)
def test_the_gradient_is_that_of_autograd_and_the_maps_have_the_same_bits(
    sizes: tuple[int, int, int, int],
    sides: tuple[int, int],
    step: int,
    padding: tuple[int, int],
    together: bool,
) -> None:
    assume(all(side <= length + 2 * pad for side, length, pad in zip(sides, sizes[2:], padding, strict=True)))
    x, weight, bias = tensor(*sizes), tensor(5, sizes[1], *sides), tensor(5)
    x = x.contiguous(memory_format=torch.channels_last) if together else x
    x.requires_grad_()
    wanted = functional.conv2d(x, weight, bias, step, padding)
    with QuickConvolutions(Filters()):
        found = functional.conv2d(x, weight, bias, step, padding)
    signal = tensor(*wanted.shape)
    assert torch.equal(found, wanted)
    (ours,), (theirs,) = (torch.autograd.grad(each, x, signal) for each in (found, wanted))
    assert ours.shape == theirs.shape
    assert torch.allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize(
    ("channels", "side", "settings_", "quick"),
    [
        (3, 11, {"stride": 4, "padding": 2}, True),  # AlexNet
        (3, 7, {"stride": (2, 2), "padding": (3, 3)}, True),  # ResNet
        (3, 3, {"stride": 2}, False),  # filled up to 4 by 4 it would be nearly twice the work
        (3, 7, {"stride": 1}, False),
        (3, 7, {"stride": (2, 1)}, False),
        (3, 7, {"stride": 2, "dilation": 2}, False),
        (3, 7, {"padding": "same"}, False),
        (64, 7, {"stride": 2}, False),
    ],
)
def test_only_first_layers_with_large_filters_and_steps_are_taken(
    channels: int, side: int, settings_: dict[str, Any], quick: bool
) -> None:
    layer = nn.Conv2d(channels, 6, side, **settings_).requires_grad_(requires_grad=False)
    x = tensor(1, channels, 24, 24).requires_grad_()
    with QuickConvolutions(Filters()):
        assert (type(layer(x).grad_fn).__name__ == BY_BLOCKS) == quick
        assert layer(x.detach()).grad_fn is None
        layer.weight.requires_grad_()
        assert type(layer(x).grad_fn).__name__ != BY_BLOCKS  # their gradient is autograd's matter
        assert type(layer.double()(x.double()).grad_fn).__name__ != BY_BLOCKS
    assert type(layer.float()(x).grad_fn).__name__ != BY_BLOCKS  # outside, nothing


def test_gradients_of_gradients_are_right() -> None:
    x, weight = tensor(1, 3, 23, 23).requires_grad_(), tensor(4, 3, 7, 7)

    def twice(maps: torch.Tensor) -> torch.Tensor:
        (slope,) = torch.autograd.grad(maps.pow(3).sum(), x, create_graph=True)
        (curve,) = torch.autograd.grad(slope.square().sum(), x)
        return curve

    with QuickConvolutions(Filters()):
        found = twice(functional.conv2d(x, weight, stride=2))
    assert torch.allclose(found, twice(functional.conv2d(x, weight, stride=2)), rtol=1e-3)


def test_a_lens_goes_back_through_first_layers_so() -> None:
    net = settle(nn.Sequential(nn.Conv2d(3, 4, 7, 2, 3), nn.ReLU(inplace=True), nn.Conv2d(4, 2, 3)))
    lens = Lens(net, input_size=24)
    x = lens.prepare(tensor(3, 24, 24)).requires_grad_()
    maps = lens.record(x, ["0", "2"], grad=True)
    assert type(maps["0"].grad_fn).__name__ in (BY_BLOCKS, "CloneBackward0")
    (found,) = torch.autograd.grad(maps["2"].sum(), x)
    (wanted,) = torch.autograd.grad(net(x).sum(), x)
    assert torch.allclose(found, wanted, atol=1e-5)
