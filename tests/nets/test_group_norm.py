"""Normalisation shared by copies: by the batch and by running statistics maps are permuted exactly as before it."""

import pytest
import torch
from torch import nn

from convviz_widgets.core.errors import BadValue
from convviz_widgets.nets.group import ORDER, LiftingConv2d, permuted
from convviz_widgets.nets.group_norm import GroupBatchNorm2d


@pytest.mark.parametrize("group", ["p4", "p4m"])
def test_it_leaves_the_permutation_as_it_is(group: str) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(LiftingConv2d(3, 2, 3, group=group), GroupBatchNorm2d(2, group))  # type: ignore[arg-type]
    x = torch.randn(4, 3, 8, 8)
    with torch.no_grad():
        for training in (True, False):
            net.train(training)
            for turns in range(4):
                turned, upright = net(x.rot90(turns, (2, 3))), net(x)
                assert torch.allclose(turned, permuted(upright, turns, group), atol=1e-5)  # type: ignore[arg-type]


def test_each_filter_has_one_mean_and_one_variance() -> None:
    norm, x = GroupBatchNorm2d(3, "p4"), torch.randn(5, 12, 6, 7) * 3 + 2
    apart = norm(x).unflatten(1, (3, 4)).transpose(0, 1).flatten(1)
    assert torch.allclose(apart.mean(1), torch.zeros(3), atol=1e-5)
    assert torch.allclose(apart.var(1, unbiased=False), torch.ones(3), atol=1e-3)
    assert not torch.allclose(norm(x)[:, 0].mean(), torch.zeros(()), atol=1e-3)  # not each copy for itself
    norm.eval()
    by_hand = (x - norm.running_mean.repeat_interleave(4).view(1, -1, 1, 1)) / (
        norm.running_var.repeat_interleave(4).view(1, -1, 1, 1) + norm.eps
    ).sqrt()
    assert torch.allclose(norm(x), by_hand, atol=1e-5)
    assert list(norm.parameters()) == []
    assert ORDER["p4"] == norm.copies


def test_bad_numbers() -> None:
    with pytest.raises(BadValue, match="filters=0"):
        GroupBatchNorm2d(0)
