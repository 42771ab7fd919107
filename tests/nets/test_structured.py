"""Mixtures of Gaussian derivatives: the bases are derivatives, the mixtures learn, the formula counts."""

import copy
import math
import pickle

import pytest
import torch
from torch import nn

from convviz_widgets.core.errors import BadType, BadValue
from convviz_widgets.nets.made import MadeConv2d
from convviz_widgets.nets.structured import (
    BasisConv2d,
    StructuredConv2d,
    derivative_bases,
    gaussian_derivative,
    orders,
    smallest_size,
)


@pytest.mark.parametrize("order", range(7))
def test_a_derivative_takes_a_power_to_its_factorial(order: int) -> None:
    scale, x = 2.0, torch.arange(-30, 31, dtype=torch.float64)
    filter_ = gaussian_derivative(order, scale, x)
    # G^(m) * x^m = m!, and lower powers go to 0; a convolution turns the filter round
    assert float((filter_.flip(0) * x**order).sum()) == pytest.approx(math.factorial(order) * scale**order, rel=1e-6)
    for lower in range(order):
        assert float((filter_.flip(0) * x**lower).sum()) == pytest.approx(
            0, abs=1e-6 * math.factorial(order) * 2**order
        )


def test_the_derivatives_are_those_of_autograd() -> None:
    x = torch.linspace(-4, 4, 9, dtype=torch.float64, requires_grad=True)
    value = gaussian_derivative(0, 1.3, x)
    for order in range(1, 5):
        (value,) = torch.autograd.grad(value.sum(), x, create_graph=True)
        assert torch.allclose(gaussian_derivative(order, 1.3, x), 1.3**order * value, atol=1e-12)


def test_bases_have_unit_norm_and_differ_by_their_orders() -> None:
    bases = derivative_bases(3, (1.0, 2.0))
    assert len(bases) == 2 * 10
    assert torch.allclose(bases.flatten(1).norm(dim=1), torch.ones(20))
    for basis, (down, across) in zip(bases[10:], orders(3), strict=True):
        assert torch.allclose(basis.flip(0), (-1) ** down * basis, atol=1e-6)
        assert torch.allclose(basis.flip(1), (-1) ** across * basis, atol=1e-6)


def test_a_filter_is_the_mixture_and_learns() -> None:
    torch.manual_seed(0)
    layer = StructuredConv2d(3, 4, order=2, scale=1.0)
    by_hand = torch.einsum("kcb,bhw->kchw", layer.coefficients, layer.bases)
    assert torch.allclose(layer.weight, by_hand)
    x = torch.randn(1, 3, 12, 12)
    assert torch.allclose(layer(x), nn.functional.conv2d(x, by_hand, layer.bias, padding=3), atol=1e-5)
    layer(x).square().sum().backward()
    assert layer.coefficients.grad is not None
    assert float(layer.coefficients.grad.abs().min()) > 0
    assert dict(layer.named_parameters()).keys() == {"coefficients", "bias"}


@pytest.mark.parametrize(("order", "scale", "bases"), [(0, 1.0, 1), (2, 1.0, 6), (4, 1.5, 15), (3, (1.0, 2.0), 20)])
def test_parameters_equal_the_formula(order: int, scale: float | tuple[float, ...], bases: int) -> None:
    layer = StructuredConv2d(3, 8, order=order, scale=scale)
    assert sum(each.numel() for each in layer.parameters()) == 8 * 3 * bases + 8
    assert len(layer.base_names) == len(set(layer.base_names)) == bases


def test_a_given_filter_is_recovered_by_least_squares() -> None:
    """The shares can be told apart: what was mixed is found again."""
    layer = StructuredConv2d(1, 1, order=3, scale=1.2)
    found = torch.linalg.lstsq(layer.bases.flatten(1).T, layer.weight[0, 0].flatten()[:, None]).solution[:, 0]
    assert torch.allclose(found, layer.coefficients[0, 0], atol=1e-4)


def test_copies_and_pickles_are_the_same_layer() -> None:
    layer = StructuredConv2d(3, 4)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(other.weight, layer.weight)
    with torch.no_grad():
        layer.coefficients.zero_()
    assert not bool(layer.weight.any())  # computed when asked for
    assert bool(other.weight.any())
    other.load_state_dict(layer.state_dict())
    assert not bool(other.weight.any())


def test_what_is_refused() -> None:
    for wrong in (-1, 9):
        with pytest.raises(BadValue, match=f"order={wrong}"):
            StructuredConv2d(3, 4, order=wrong)
    for wrong_scale in (0, -1.0, float("nan"), float("inf")):
        with pytest.raises(BadValue, match="scale="):
            StructuredConv2d(3, 4, scale=wrong_scale)
    with pytest.raises(BadType, match="scale="):
        StructuredConv2d(3, 4, scale="wide")  # type: ignore[arg-type]
    with pytest.raises(BadValue, match="empty"):
        StructuredConv2d(3, 4, scale=())
    with pytest.raises(BadValue, match=f"sizes from {smallest_size(2, 3.0)}"):
        StructuredConv2d(3, 4, order=2, scale=3.0, kernel_size=5)
    with pytest.raises(BadValue, match="odd sizes, such as 9"):
        StructuredConv2d(3, 4, kernel_size=8)
    with pytest.raises(BadValue, match="not independent"):
        StructuredConv2d(3, 4, order=4, scale=0.4)
    with pytest.raises(BadValue, match="not independent"):
        StructuredConv2d(3, 4, order=1, scale=(2.0, 2.0))
    with pytest.raises(NotImplementedError):
        _ = MadeConv2d(3, 4, 3, stride=1, padding=1, bias=False).weight
    assert BasisConv2d(2, 3, torch.eye(9).view(9, 3, 3), bias=False).bias is None
