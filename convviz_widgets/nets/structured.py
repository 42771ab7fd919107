"""Filters as learned mixtures of Gaussian derivatives: structured receptive fields.

With the Gaussian ``G(x) = exp(-x^2 / (2 s^2)) / (s sqrt(2 pi))`` of scale ``s`` (its standard deviation, in pixels) and
the Hermite polynomials ``He_m``, the scale-normalised derivative of order m is

    ``s^m d^m G / dx^m = (-1)^m He_m(x / s) G(x)``

and the bases are all products ``phi_ij(y, x) = G^(i)(y) G^(j)(x)`` with ``i + j <= order``, each divided by its
Euclidean norm: ``B = (order + 1)(order + 2) / 2`` of them at each scale. A filter is
``w_kc = sum_b alpha_kcb phi_b``; only the ``alpha`` are learned. So a layer of K filters on C channels with S scales
has ``K C B S`` parameters and K more for its bias, whatever the size of its filters in pixels.

Oracle: a derivative of order m applied to ``x^m`` gives ``m!`` (times ``s^m``); the parameters equal the formula.
Source: Jacobsen, van Gemert, Lou & Smeulders 2016, "Structured Receptive Fields in CNNs", section 3.
"""

import math
from collections.abc import Sequence

import torch
from torch import nn

from convviz_widgets.core.errors import BadValue
from convviz_widgets.nets.made import MadeConv2d, above, at_least, grid, odd_size, several

INSIDE = 0.95  # share of a basis's energy that must lie inside the filter
ROOMY = 0.995  # the same where the size is chosen
HIGHEST = 8  # order; beyond it the bases of a pixel grid are too alike


def hermite(order: int, x: torch.Tensor) -> torch.Tensor:
    """The Hermite polynomial ``He_m(x)`` of the statisticians' kind, by ``He_m+1 = x He_m - m He_m-1``.

    Example:
        >>> hermite(2, torch.tensor([0.0, 1.0, 2.0]))
        tensor([-1.,  0.,  3.])
    """
    before, now = torch.zeros_like(x), torch.ones_like(x)
    for m in range(order):
        before, now = now, x * now - m * before
    return now


def gaussian_derivative(order: int, scale: float, x: torch.Tensor) -> torch.Tensor:
    """``s^m d^m G / dx^m`` of a Gaussian of standard deviation ``s``, at x."""
    gaussian: torch.Tensor = torch.exp(-((x / scale) ** 2) / 2) / (scale * math.sqrt(2 * math.pi))
    return (-1 if order % 2 else 1) * hermite(order, x / scale) * gaussian


def orders(order: int) -> list[tuple[int, int]]:
    """The (i, j) along rows and columns with ``i + j <= order``, the lowest sum first.

    Example:
        >>> orders(1)
        [(0, 0), (0, 1), (1, 0)]
    """
    return [(i, total - i) for total in range(order + 1) for i in range(total + 1)]


def smallest_size(order: int, scale: float, share: float = INSIDE) -> int:
    """The smallest odd side in pixels that holds this share of the energy of each derivative up to an order.

    Example:
        >>> smallest_size(2, 1.0)
        5
    """
    reach = math.ceil(scale * (6 + order))
    x = torch.arange(-reach, reach + 1, dtype=torch.float64)
    energy = torch.stack([gaussian_derivative(each, scale, x).square() for each in range(order + 1)])
    inside = energy[:, reach:].cumsum(1) * 2 - energy[:, reach : reach + 1]
    return 2 * int((inside < share * energy.sum(1, keepdim=True)).sum(1).max()) + 1


def derivative_bases(order: int, scales: float | Sequence[float], kernel_size: int | None = None) -> torch.Tensor:
    """The bases (B S, h, h) float32 of unit norm, those of the first scale first; see the module.

    Args:
        order: the highest total order of derivation.
        scales: standard deviations of the Gaussians, in pixels.
        kernel_size: side h in pixels, odd; by default what the largest scale needs.

    Raises:
        BadValue: an order below 0, a scale not above 0, an even size, a size too small for a scale, or bases that are
            too alike on the pixel grid to tell their shares apart.
    """
    if at_least("order", order, 0) > HIGHEST:
        raise BadValue(f"order={order!r} is out of range. Accepted: 0 to {HIGHEST}.")
    widths = [above("scale", each, 0) for each in several("scale", scales)]
    largest = max(widths)
    if kernel_size is None:
        kernel_size = max(3, smallest_size(order, largest, ROOMY))
    if odd_size(kernel_size) < (least := smallest_size(order, largest)):
        raise BadValue(
            f"kernel_size={kernel_size} cuts off derivatives of order {order} at scale {largest:g}. Accepted: odd "
            f"sizes from {least}, None to have one chosen, or a smaller scale."
        )
    y, x = grid(kernel_size)
    found = [
        gaussian_derivative(i, width, y) * gaussian_derivative(j, width, x)
        for width in widths
        for i, j in orders(order)
    ]
    bases = torch.stack([each / each.norm().clamp(min=1e-30) for each in found])
    if int(torch.linalg.matrix_rank(bases.flatten(1), rtol=1e-3)) < len(bases):
        raise BadValue(
            f"The {len(bases)} bases of order {order} at the scales {tuple(widths)} are not independent on "
            f"{kernel_size} by {kernel_size} pixels, so that their shares could not be told apart. Use a lower order, "
            f"a scale near {max(1.0, order / 3):g}, or scales further apart."
        )
    return bases.float()


class BasisConv2d(MadeConv2d):
    """A convolution whose filters are learned mixtures of given bases.

    Example:
        >>> BasisConv2d(3, 8, torch.eye(9).view(9, 3, 3)).weight.shape
        torch.Size([8, 3, 3, 3])

    Args:
        in_channels: C.
        out_channels: K.
        bases: (B, h, h), the same for all; kept as a buffer.
        stride, padding: in pixels; by default the padding keeps the size at stride 1.
        bias: whether one number per filter is added.
    """

    bases: torch.Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        bases: torch.Tensor,
        *,
        stride: int = 1,
        padding: int | None = None,
        bias: bool = True,
    ) -> None:
        side = odd_size(bases.shape[-1])
        pad = side // 2 if padding is None else padding
        super().__init__(in_channels, out_channels, side, stride=stride, padding=pad, bias=bias)
        self.register_buffer("bases", bases.float())
        self.coefficients = nn.Parameter(torch.empty(out_channels, in_channels, len(bases)))
        # For bases of unit norm this is the initialisation of He et al. 2015, section 2.2, of the filters.
        nn.init.normal_(self.coefficients, std=math.sqrt(2 / (in_channels * len(bases))))
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def filters(self) -> torch.Tensor:
        """The mixtures (K, C, h, h)."""
        return (self.coefficients.flatten(0, 1) @ self.bases.flatten(1)).view(
            *self.coefficients.shape[:2], *self.kernel_size
        )


class StructuredConv2d(BasisConv2d):
    """A convolution whose filters are learned mixtures of Gaussian derivatives (Jacobsen 2016).

    Example:
        >>> layer = StructuredConv2d(3, 8, order=2, scale=1.0)
        >>> layer.coefficients.shape, layer.weight.shape
        (torch.Size([8, 3, 6]), torch.Size([8, 3, 7, 7]))

    Args:
        in_channels: C.
        out_channels: K.
        order: the highest total order of derivation.
        scale: standard deviation of the Gaussian in pixels, or several.
        kernel_size: side in pixels, odd; by default what the largest scale needs.
        stride, padding: in pixels; by default the padding keeps the size at stride 1.
        bias: whether one number per filter is added.

    Raises:
        BadValue: see `derivative_bases`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        order: int = 3,
        scale: float | Sequence[float] = 1.0,
        kernel_size: int | None = None,
        stride: int = 1,
        padding: int | None = None,
        bias: bool = True,
    ) -> None:
        bases = derivative_bases(order, scale, kernel_size)
        super().__init__(in_channels, out_channels, bases, stride=stride, padding=padding, bias=bias)
        self.order = order
        self.scales = tuple(float(each) for each in several("scale", scale))

    @property
    def base_names(self) -> tuple[str, ...]:
        """Each basis in words: order along rows and columns, and the scale where there are several."""
        told = [f" s={each:g}" if len(self.scales) > 1 else "" for each in self.scales]
        return tuple(f"y{i}x{j}{scale}" for scale in told for i, j in orders(self.order))

    def extra_repr(self) -> str:
        """What `print` adds."""
        usual: str = super().extra_repr()  # type: ignore[no-untyped-call]
        return f"{usual}, order={self.order}, scales={self.scales}"
