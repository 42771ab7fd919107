"""What is kept apart, laid out anew or told of one neuron only equals what whole maps give."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from convviz_widgets.lens.incremental import engine
from convviz_widgets.lens.incremental.beside import takes_apart
from convviz_widgets.lens.incremental.call import Call
from convviz_widgets.lens.incremental.engine import Incremental
from convviz_widgets.lens.incremental.sliding import FEW_PLACES, convolution_of_all
from convviz_widgets.lens.incremental.table import Beside, Table, clean_at
from convviz_widgets.lens.incremental.trace import Operation, Ref
from convviz_widgets.lens.incremental.views import Views
from convviz_widgets.lens.lens import Lens
from tests import networks


def halves() -> tuple[torch.Tensor, Beside]:
    """Two tables of other cells, of two and three channels, and the unchanged map of all five."""
    clean, other = networks.pictures(2, (5, 14, 14)).split(1)
    low = np.arange(0, 11, 3)
    views = [Views.of(low, low + size, 14) for size in (2, 4)]
    pairs = zip(views, other.split([2, 3], 1), strict=True)
    return clean, Beside(tuple(Table(clean_at(values, each, each), each, each) for each, values in pairs))


def test_tables_beside_each_other_are_their_maps_beside_each_other() -> None:
    clean, beside = halves()
    parts = zip(beside.parts, beside.pieces(clean), strict=True)
    wanted = torch.cat([part.everywhere(piece) for part, piece in parts], 2)
    assert wanted.shape == (16, 1, 5, 14, 14)
    assert torch.equal(beside.everywhere(clean), wanted)
    assert not torch.equal(wanted, clean.expand_as(wanted[:, 0]).unsqueeze(1))
    changes = (wanted - clean).sum((1, -2, -1))
    torch.testing.assert_close(beside.sums(clean), changes, rtol=1e-4, atol=1e-4)


class Kept(nn.Module):
    """Branches of several kernels, then a pooling, then fewer channels: all of it can be kept apart."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.three = nn.Conv2d(3, 5, 1), nn.Conv2d(3, 4, 3, padding=1)
        self.few, self.more = nn.Conv2d(9, 4, 1), nn.Conv2d(9, 12, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.max_pool2d(torch.cat([self.one(x), self.three(x)], 1), 3, 2, 1)
        return torch.cat([self.few(x), self.more(x)], 1)


def test_what_follows_parts_answers_as_in_full() -> None:
    lens, (image, other) = Lens(networks.settle(Kept()), input_size=15), networks.pictures(2, (3, 15, 15)).split(1)
    opened = Incremental(lens, image)
    apart = [each.name for each in opened._tape.operations if takes_apart(each, opened._kept)]
    assert apart == ["max_pool2d_with_indices", "convolution"]  # the last hands on more channels than it takes
    corners = np.array([0, 5, 12])
    found = opened.full("", opened.slid(corners, corners, 3, other)[""], 9)
    for number, (top, left) in enumerate((top, left) for top in corners for left in corners):
        hidden = image.clone()
        hidden[..., top : top + 3, left : left + 3] = other[..., top : top + 3, left : left + 3]
        with torch.no_grad():
            wanted = lens.module(hidden)
        torch.testing.assert_close(found[number : number + 1], wanted, rtol=1e-5, atol=1e-5)
        assert float((wanted - opened.clean[""]).abs().max()) > 1e-2


def convolution(weight: Any, state: torch.Tensor, *settings: Any, groups: int = 1) -> Call:
    """A call of a convolution whose whole input (N, 1, C, H, W) has changed."""
    stride, padding, dilation = settings
    args = (Ref(0), weight, None, stride, padding, dilation, False, [0, 0], groups)
    operation = Operation(torch.ops.aten.convolution.default, args, {}, (1,))
    return Call(operation, {0: state[0], 1: operation.run({0: state[0]})[0]}, {0: state})


@pytest.mark.parametrize("settings", [([1, 1], [1, 1], [1, 1]), ([2, 1], [0, 2], [1, 2]), ([3, 3], [2, 2], [2, 1])])
def test_whole_maps_of_few_places_are_convolved_alike(settings: Any) -> None:
    state = networks.pictures(3, (4, 9, 8)).unsqueeze(1)
    weight = networks.pictures(6, (4, 3, 3), seed=1) - 0.5
    call = convolution(weight, state, *settings)
    found = convolution_of_all(call)
    assert found is not None
    stride, padding, dilation = settings
    wanted = torch.conv2d(state[:, 0], weight, None, stride, padding, dilation)
    torch.testing.assert_close(found[:, 0], wanted, rtol=1e-5, atol=1e-5)
    weight.mul_(2)  # trained on in place: what was laid out before is of no use
    torch.testing.assert_close(convolution_of_all(call)[:, 0], 2 * wanted, rtol=1e-5, atol=1e-5)


def test_other_convolutions_are_left_to_torch() -> None:
    weight, few = networks.pictures(4, (2, 3, 3)), networks.pictures(2, (4, 5, 5)).unsqueeze(1)
    plain = [1, 1], [1, 1], [1, 1]
    assert convolution_of_all(convolution(weight, few, *plain, groups=2)) is None
    side = int(FEW_PLACES**0.5) + 1
    many = networks.pictures(1, (2, side, side)).unsqueeze(1)
    assert convolution_of_all(convolution(weight, many, *plain)) is None
    assert convolution_of_all(convolution(weight, many[..., :-2, :-2], *plain)) is not None


@pytest.mark.parametrize("layer", ["2.expand3", "2", "5"])
def test_one_neuron_is_told_as_of_the_whole_map(layer: str) -> None:
    network = networks.ALL["branching"]
    lens, (image, other) = Lens(network.make(), input_size=33), networks.pictures(2, network.shape).split(1)
    opened = Incremental(lens, image, [layer], scores=False)
    state = opened.slid(np.arange(0, 28, 9), np.arange(0, 28, 4), 6, other)[layer]
    row, column = (length // 2 for length in opened.clean[layer].shape[2:])
    place = int(opened.clean[layer][0, :, row, column].argmax()), row, column
    wanted = opened.full(layer, state, 28)[(slice(None), *place)]
    assert torch.equal(opened.neuron(layer, state, place, 28), wanted)
    assert wanted.unique().numel() > 1  # some squares reach it
    assert opened.neuron(layer, None, place, 2).tolist() == [float(opened.clean[layer][(0, *place)])] * 2


def test_maps_stay_as_small_as_the_system_has_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    network = networks.ALL["branching"]
    lens, image = Lens(network.make(), input_size=33), networks.pictures(1, network.shape)
    opened = Incremental(lens, image)
    opened.slid(np.arange(0, 28, 9), np.arange(0, 28, 4), 6, torch.zeros_like(image))
    free = opened.room(10**6)
    monkeypatch.setattr(engine, "SWIFT", 100 * 4 * opened._taken)
    assert opened.room(10**6) == 100 < free
    monkeypatch.setattr(engine, "SWIFT", 1)
    assert opened.room(10**6) == engine.SOME
    opened._lens = SimpleNamespace(device=torch.device("cpu"))
    assert opened.room(3) == 3
