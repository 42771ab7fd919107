"""A tape runs again to the same numbers, or says why it cannot."""

import pytest
import torch
from torch import nn

from convviz_widgets.lens.incremental.trace import trace
from convviz_widgets.lens.record import OUTPUT
from convviz_widgets.lens.sites import Site
from tests import networks

FOLLOWED = [name for name in networks.ALL if name not in ("patched", "dynamic")]


@pytest.mark.parametrize("name", FOLLOWED)
def test_a_tape_gives_what_the_network_gives_for_another_picture(name: str) -> None:
    module, shape = networks.ALL[name].make(), networks.ALL[name].shape
    first, other = networks.pictures(2, shape).split(1)
    tape = trace(module, first, [OUTPUT])
    assert tape.obstacle == ""
    with torch.no_grad():
        found = tape.run(other)[tape.outputs[OUTPUT]]
        wanted = module(other.clone())
    wanted = wanted["logits"] if isinstance(wanted, dict) else wanted
    wanted = wanted[0] if isinstance(wanted, tuple) else wanted
    assert torch.allclose(found, wanted, rtol=1e-5, atol=1e-6)


class Written(nn.Module):
    """Writes to a buffer that its answer hangs on."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.count += 1
        return x * self.count


class Viewed(nn.Module):
    """Writes to a view of what it still reads."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x * 2
        y.flatten(1).relu_()
        return y


class Strided(nn.Module):
    """Takes every second number as they lie in memory."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.as_strided(x, (1, 3, 6, 6), (1, 144, 24, 2))


@pytest.mark.parametrize(
    ("module", "word"),
    [
        (networks.noisy(), "random"),
        (networks.ALL["dynamic"].make(), "branches"),
        (networks.ALL["patched"].make(), "writes"),
        (Written(), "buffers"),
        (Viewed(), "view"),
        (Strided(), "memory"),
        (nn.Sequential(nn.Conv2d(3, 2, 1), nn.Threshold(0.5, float("nan"))), ""),
    ],
)
def test_what_cannot_run_again_is_said(module: nn.Module, word: str) -> None:
    obstacle = trace(module.eval(), networks.pictures(1, (3, 12, 12)), [OUTPUT]).obstacle
    assert word in obstacle
    assert bool(word) == bool(obstacle)


def test_operations_behind_what_is_wanted_are_left_out() -> None:
    module = networks.ALL["sequential"].make()
    tape = trace(module, networks.pictures(1, (3, 31, 31)), [Site("1")])
    assert [each.name for each in tape.needed()] == ["convolution", "relu"]
