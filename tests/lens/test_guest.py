"""The walk over a network's modules and tensors, and the state that a guest keeps."""

import pytest
import torch
from torch import nn

from convviz_widgets.lens.guest import as_guest, modules_of, tensors_of
from tests.networks import ALL


class Odd(nn.Module):
    """Shares a module, a weight and a buffer, has a module that is None and a weight that is None."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, bias=False)
        self.again = self.first
        self.tied = nn.Conv2d(3, 4, 3)
        self.tied.weight = self.first.weight
        self.none = None
        self.inner = nn.ModuleDict({"norm": nn.BatchNorm2d(4), "same": nn.Sequential(self.tied)})
        self.register_module("gone", None)
        self.register_buffer("own", torch.zeros(2))


@pytest.mark.parametrize("name", [*ALL, "odd"])
def test_the_walk_finds_what_torch_finds(name: str) -> None:
    net = Odd() if name == "odd" else ALL[name].make()
    found = modules_of(net)
    assert len(found) == len({id(each) for each in found})
    assert {id(each) for each in found} == {id(each) for each in net.modules()}
    for kind, wanted in (("_parameters", net.parameters()), ("_buffers", net.buffers())):
        tensors = tensors_of(found, kind)
        assert sorted(map(id, tensors)) == sorted(id(each) for each in wanted)


def test_modes_and_what_asks_for_gradients_are_put_back_also_where_the_forward_changes_them() -> None:
    net = Odd().train()
    net.inner.eval()
    net.tied.bias.requires_grad_(False)
    modes = {name: each.training for name, each in net.named_modules()}
    asking = {name: each.requires_grad for name, each in net.named_parameters()}
    with as_guest(net):
        assert not any(each.training for each in net.modules())
        assert not any(each.requires_grad for each in net.parameters())
        net.train()
    assert {name: each.training for name, each in net.named_modules()} == modes
    assert {name: each.requires_grad for name, each in net.named_parameters()} == asking
