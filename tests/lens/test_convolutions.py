"""Filters laid out as the maps are: what comes out is autograd's but for rounding, and the network stays as it was."""

import gc
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from convviz_widgets.lens.convolutions import Filters, QuickConvolutions
from convviz_widgets.lens.lens import Lens
from tests.networks import ALL, Network, settle

LAST = torch.channels_last


def tensor(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def together(x: torch.Tensor) -> torch.Tensor:
    return x.contiguous(memory_format=LAST)


@pytest.mark.parametrize("network", ALL.values(), ids=ALL)
def test_answers_and_gradients_are_those_of_the_network_itself(network: Network) -> None:
    lens = Lens(settle(network.make()).double().float(), input_size=network.shape[1:])
    layer = list(lens.layers)[-1]
    x = tensor(2, *network.shape)
    signal = None
    found = []
    for given in (x, together(x)):
        seen = given.clone().requires_grad_()
        answers = lens.record(seen, [layer], grad=True)[layer]
        signal = tensor(*answers.shape) if signal is None else signal
        slope = torch.autograd.grad(answers, seen, signal, allow_unused=True)[0] if answers.requires_grad else None
        found.append((answers.detach(), torch.zeros_like(x) if slope is None else slope))
    for ours, theirs in zip(*found, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-4 * float(theirs.abs().max()))
    assert all(not each.is_contiguous(memory_format=LAST) for each in _convolved(lens.module))


def _convolved(module: nn.Module) -> list[torch.Tensor]:
    weights = [each.weight for each in module.modules() if isinstance(each, nn.Conv2d)]
    return [each for each in weights if each.shape[1] > 1 and max(each.shape[2:]) > 1]


class Spelled(nn.Conv2d):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.conv2d(input=x, weight=self.weight, bias=self.bias, padding=1)


CONVOLUTIONS = {
    "module": lambda: nn.Conv2d(4, 6, 3, padding=1, groups=2),
    "subclass": lambda: Spelled(4, 6, 3),
    "same size": lambda: nn.Conv2d(4, 6, 3, padding="same", dilation=2, bias=False),
}


@pytest.mark.parametrize("make", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_each_way_of_spelling_takes_a_copy_only_where_maps_lie_channels_last(make: Any) -> None:
    layer, x, filters = make().requires_grad_(requires_grad=False), tensor(2, 4, 9, 9), Filters()
    plain = layer(x)
    with QuickConvolutions(filters):
        assert torch.equal(layer(x), plain)
        assert not len(filters)
        found = layer(together(x))
    assert len(filters) == 1
    assert torch.allclose(found, plain, atol=1e-5)
    assert layer.weight.is_contiguous()
    assert not layer.weight.is_contiguous(memory_format=LAST)


def test_what_autograd_or_another_type_needs_is_left_alone() -> None:
    layer, x, filters = nn.Conv2d(4, 6, 3), together(tensor(2, 4, 9, 9)), Filters()
    with QuickConvolutions(filters):
        layer(x).sum().backward()  # the weights want a gradient
        functional.conv2d(x, layer.weight.detach())  # made on the way, gone after the call
        functional.conv2d(x[0], layer.weight.requires_grad_(requires_grad=False))  # no batch
        layer.double()(x.double())
        nn.Conv2d(4, 6, 1).requires_grad_(requires_grad=False)(x)  # lies in both orders
    assert not len(filters)
    assert layer.weight.grad is not None


@pytest.mark.parametrize("write", ["in place", "through data", "loaded"])
def test_weights_written_to_are_copied_anew(write: str) -> None:
    layer, x, filters = nn.Conv2d(4, 6, 3).requires_grad_(requires_grad=False), tensor(2, 4, 9, 9), Filters()
    with QuickConvolutions(filters):
        before = layer(together(x))
        if write == "in place":
            layer.weight.mul_(2)
        elif write == "through data":
            layer.weight.data = layer.weight.data * 2
        else:
            layer.load_state_dict({"weight": layer.weight * 2, "bias": layer.bias.clone()})
        after = layer(together(x))
    assert not torch.allclose(after, before, atol=1e-3)
    assert torch.allclose(after, layer(x), atol=1e-5)
    assert len(filters) == 1


def test_copies_go_with_their_weights() -> None:
    filters, x = Filters(), together(tensor(1, 4, 9, 9))
    for _ in range(3):
        net = nn.Sequential(nn.Conv2d(4, 6, 3), nn.Conv2d(6, 6, 3)).requires_grad_(requires_grad=False)
        with QuickConvolutions(filters):
            net(x)
        assert len(filters) == len(filters._copies) == 2
        del net
        gc.collect()
        assert not len(filters)


def test_a_lens_keeps_one_copy_from_call_to_call() -> None:
    lens = Lens(settle(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3))), input_size=12)
    x = together(lens.prepare(tensor(3, 12, 12)))
    lens.record(x, ["2"])
    kept = [each.values for each in lens._filters._copies.values()]
    lens.record(x, ["2"])
    assert len(kept) == 2
    assert all(a is b.values for a, b in zip(kept, lens._filters._copies.values(), strict=True))


@pytest.mark.parametrize("network", ALL.values(), ids=ALL)
def test_a_scan_sees_what_the_network_answers(network: Network) -> None:
    lens = Lens(settle(network.make()), input_size=network.shape[1:])
    names = [name for name, layer in lens.layers.items() if not layer.overwritten]
    x = tensor(3, *network.shape)
    found, wanted = lens.record(x, names), lens.activations(x, names)
    for name in names:
        assert found[name].is_contiguous()
        assert torch.allclose(found[name], wanted[name], rtol=1e-4, atol=1e-4 * float(wanted[name].abs().max()) + 1e-7)
