"""Group convolutions: turning the picture permutes the maps, exactly; what cannot be exact is refused."""

import itertools

import pytest
import torch
from torch import nn

from convviz_widgets.core.errors import BadType, BadValue, UnknownName, UnsupportedModel
from convviz_widgets.nets.group import (
    ORDER,
    GroupConv2d,
    GroupPool2d,
    LiftingConv2d,
    acted,
    inverse,
    keeps_grid,
    permuted,
    product,
)

GROUPS = ("p4", "p4m")


def whole(module: nn.Module, seed: int = 0) -> nn.Module:
    """Small whole numbers as weights: their sums are exact in any order, so that equality is bit for bit."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for each in module.parameters():
            each.copy_(torch.randint(-3, 4, each.shape, generator=generator).float())
    return module


def whole_picture(*shape: int) -> torch.Tensor:
    return torch.randint(-8, 9, shape, generator=torch.Generator().manual_seed(1)).float()


@pytest.mark.parametrize("group", GROUPS)
def test_elements_act_as_a_group(group: str) -> None:
    x = torch.arange(25.0).view(5, 5)
    for one, other in itertools.product(range(ORDER[group]), repeat=2):
        assert torch.equal(acted(product(one, other), x), acted(one, acted(other, x)))
        assert 0 <= product(one, other) < ORDER[group]  # closed
    for each in range(ORDER[group]):
        assert torch.equal(acted(inverse(each), acted(each, x)), x)
    assert len({acted(each, x).numpy().tobytes() for each in range(ORDER[group])}) == ORDER[group]


@pytest.mark.parametrize("size", [(12, 12), (11, 11), (12, 9)], ids=str)
@pytest.mark.parametrize("group", GROUPS)
def test_turning_the_picture_permutes_the_maps_bit_for_bit(group: str, size: tuple[int, int]) -> None:
    lift = whole(LiftingConv2d(3, 2, 5, group=group))  # type: ignore[arg-type]
    conv = whole(GroupConv2d(2 * ORDER[group], 3, 3, group=group))  # type: ignore[arg-type]
    x = whole_picture(2, 3, *size)
    for u in range(ORDER[group]):
        assert torch.equal(lift(acted(u, x)), permuted(lift(x), u, group))  # type: ignore[arg-type]
        deep = conv(lift(x).relu())
        turned = conv(lift(acted(u, x)).relu())
        assert torch.equal(turned, permuted(deep, u, group))  # type: ignore[arg-type]
        for how in ("max", "mean"):
            pool = GroupPool2d(group, how)  # type: ignore[arg-type]
            assert torch.equal(pool(turned) * 8, acted(u, pool(deep) * 8))  # only the turn is left
        if u:
            assert not torch.equal(turned, deep)  # it is not merely blind


@pytest.mark.parametrize("group", GROUPS)
def test_with_any_weights_it_holds_up_to_the_order_of_additions(group: str) -> None:
    torch.manual_seed(0)
    lift = LiftingConv2d(3, 2, 5, group=group)  # type: ignore[arg-type]
    conv = GroupConv2d(2 * ORDER[group], 3, 3, group=group)  # type: ignore[arg-type]
    x = torch.randn(2, 3, 16, 16)
    for dtype, most in ((torch.float32, 4e-6), (torch.float64, 1e-14)):  # two convolutions of about 1e-6 each
        net = nn.Sequential(lift, nn.ReLU(), nn.MaxPool2d(2), conv).to(dtype)
        upright = net(x.to(dtype)).detach()
        for u in range(ORDER[group]):
            gap = (net(acted(u, x.to(dtype))) - permuted(upright, u, group)).detach().abs().max()  # type: ignore[arg-type]
            assert float(gap) <= most * float(upright.abs().max())


def test_a_plain_convolution_fails_the_same_test() -> None:
    conv = whole(nn.Conv2d(3, 8, 5, padding=2))
    x = whole_picture(1, 3, 8, 8)
    assert not torch.equal(conv(acted(1, x)), permuted(conv(x), 1, "p4"))


def test_strides_where_it_is_exact_and_where_it_cannot_be() -> None:
    lift = whole(LiftingConv2d(3, 2, 5, stride=2))
    x = whole_picture(1, 3, 13, 13)
    assert torch.equal(lift(acted(1, x)), permuted(lift(x), 1, "p4"))
    with pytest.raises(UnsupportedModel, match="such as 13") as refused:
        lift(x[..., :12, :12])
    assert "pooling of 2 by 2" in str(refused.value)
    careless = whole(LiftingConv2d(3, 2, 5, stride=2, exact=False))
    even = x[..., :12, :12]
    assert not torch.equal(careless(acted(1, even)), permuted(careless(even), 1, "p4"))
    for size, side, stride, padding in itertools.product((11, 12, 13), (3, 5), (1, 2, 3), (0, 1, 2)):
        loose = whole(LiftingConv2d(1, 1, side, stride=stride, padding=padding, exact=False))
        y = whole_picture(1, 1, size, size)
        same = torch.equal(loose(acted(1, y)), permuted(loose(y), 1, "p4"))
        assert same == keeps_grid(size, side, stride, padding)


@pytest.mark.parametrize("group", GROUPS)
def test_parameters_equal_the_formula(group: str) -> None:
    n = ORDER[group]
    lift = LiftingConv2d(3, 5, 7, group=group)  # type: ignore[arg-type]
    conv = GroupConv2d(4 * n, 6, 3, group=group, bias=False)  # type: ignore[arg-type]
    assert sum(each.numel() for each in lift.parameters()) == 5 * 3 * 49 + 5
    assert sum(each.numel() for each in conv.parameters()) == 6 * 4 * n * 9
    assert lift.weight.shape == (5 * n, 3, 7, 7)
    assert conv.bias is None


def test_what_is_refused() -> None:
    with pytest.raises(BadValue, match="odd sizes, such as 5"):
        LiftingConv2d(3, 4, 4)
    with pytest.raises(BadValue, match="multiples of 8"):
        GroupConv2d(12, 4, 3, group="p4m")
    with pytest.raises(UnknownName, match="p4m"):
        LiftingConv2d(3, 4, 3, group="p6")  # type: ignore[arg-type]
    with pytest.raises(UnknownName, match="median"):
        GroupPool2d("p4", "median")  # type: ignore[arg-type]
    with pytest.raises(BadValue, match="multiples of 4"):
        GroupPool2d("p4")(torch.zeros(1, 6, 2, 2))
    with pytest.raises(BadValue, match="filters=0"):
        LiftingConv2d(3, 0, 3)
    with pytest.raises(BadType, match="kernel_size"):
        LiftingConv2d(3, 4, 3.0)  # type: ignore[arg-type]
