"""Banks of filters made by hand: Gabor filters, and steerable derivatives of a Gaussian.

Gabor: with ``u = x cos t + y sin t`` along the orientation t and v across it, a Gaussian of standard deviation s
times a wave of f cycles per pixel, ``exp(-(u^2 + (a v)^2) / (2 s^2)) cos(2 pi f u + phase)``; s follows from the
bandwidth b in octaves between the half-amplitude frequencies, ``s = sqrt(ln 2 / 2) / (pi f) (2^b + 1) / (2^b - 1)``
(the relation is in Daugman 1985). The mean of the even filter is taken out by subtracting its Gaussian, so that no
filter answers to an even grey; all have unit norm.

Steerable: the n-th derivative of a Gaussian along the direction t is a sum of n + 1 of its own turns, at
``t_j = j pi / (n + 1)``: ``G^t = sum_j k_j(t) G^(t_j)`` with
``k_j(t) = (1 / (n + 1)) sum_m c_m cos(m (t - t_j))`` over m = n, n - 2, ..., where c_m is 2, and 1 for m = 0. So
answers at n + 1 orientations tell the answer at every other one (`steered`).

Angles grow counter-clockwise as the picture is seen, from the axis of columns. Parameters: none; a bank applied to C
channels one by one gives C K maps, and has that many filters fixed.

Oracle: the answer of a steered bank equals that of the turned filter; a wave of a Gabor filter's own frequency and
orientation excites it most.
Source: Freeman & Adelson 1991, "The Design and Use of Steerable Filters", section II, theorem 1 and equation 11; Gabor
1946; Daugman 1985, "Uncertainty relation for resolution in space, spatial frequency, and orientation".
"""

import math
from collections.abc import Sequence

import torch
from torch import nn

from convviz_widgets.core.errors import BadValue
from convviz_widgets.nets.made import above, at_least, grid, odd_size, several
from convviz_widgets.nets.structured import gaussian_derivative, smallest_size

NYQUIST = 0.5  # cycles per pixel
REACH = 2.5  # standard deviations of a Gabor filter's Gaussian that its side must hold, each way
LEAST_REACH = 1.5


def gabor_scale(frequency: float, bandwidth: float) -> float:
    """Standard deviation in pixels of the Gaussian of a Gabor filter.

    Example:
        >>> round(gabor_scale(0.25, 1.0), 3)
        2.249
    """
    ratio = math.pow(2.0, bandwidth)
    return math.sqrt(math.log(2) / 2) / (math.pi * frequency) * (ratio + 1) / (ratio - 1)


def gabor_bank(
    orientations: int = 6,
    frequency: float | Sequence[float] = 0.2,
    *,
    bandwidth: float = 1.4,
    aspect: float = 0.7,
    kernel_size: int | None = None,
) -> torch.Tensor:
    """Gabor filters (F O 2, h, h) float32: for each frequency and orientation an even one and an odd one.

    Example:
        >>> gabor_bank(4, 0.25, kernel_size=9).shape
        torch.Size([8, 9, 9])

    Args:
        orientations: O, spread over half a turn.
        frequency: cycles per pixel, up to 0.5, or several.
        bandwidth: octaves between the frequencies at which the amplitude is half its largest.
        aspect: width along the wave by width across it.
        kernel_size: side in pixels, odd; by default what the lowest frequency needs.

    Raises:
        BadValue: numbers out of range, an even size, or one too small for the lowest frequency.
    """
    at_least("orientations", orientations, 1)
    waves = [_frequency(each) for each in several("frequency", frequency)]
    above("bandwidth", bandwidth, 0), above("aspect", aspect, 0)
    widest = gabor_scale(min(waves), bandwidth)
    if kernel_size is None:
        kernel_size = 2 * math.ceil(REACH * widest) + 1
    if odd_size(kernel_size) < (least := 2 * math.floor(LEAST_REACH * widest) + 1):
        raise BadValue(
            f"kernel_size={kernel_size} cuts off a wave of {min(waves):g} cycles per pixel and {bandwidth:g} octaves. "
            f"Accepted: odd sizes from {least}, None to have one chosen, a higher frequency or a larger bandwidth."
        )
    filters = [
        _gabor(wave, math.pi * turn / orientations, bandwidth, aspect, phase, kernel_size)
        for wave in waves
        for turn in range(orientations)
        for phase in (0.0, -math.pi / 2)
    ]
    return torch.stack(filters).float()


def _frequency(value: float) -> float:
    if above("frequency", value, 0) > NYQUIST:
        raise BadValue(f"frequency={value!r} is out of range. Accepted: above 0, up to {NYQUIST} cycles per pixel.")
    return float(value)


def _gabor(frequency: float, angle: float, bandwidth: float, aspect: float, phase: float, side: int) -> torch.Tensor:
    y, x = grid(side)
    along = x * math.cos(angle) - y * math.sin(angle)  # rows grow downward, angles upward
    across = x * math.sin(angle) + y * math.cos(angle)
    scale = gabor_scale(frequency, bandwidth)
    envelope: torch.Tensor = torch.exp(-(along**2 + (aspect * across) ** 2) / (2 * scale**2))
    wave: torch.Tensor = envelope * torch.cos(2 * math.pi * frequency * along + phase)
    wave -= envelope * wave.sum() / envelope.sum()
    normed: torch.Tensor = wave / wave.norm().clamp(min=1e-30)
    return normed


def steerable_filter(order: int, scale: float, angle: float, kernel_size: int | None = None) -> torch.Tensor:
    """The derivative (h, h) float64 of a Gaussian along a direction, ``(cos t d/dx + sin t d/dy)^n G``.

    All turns of it share one factor, such that the one along the columns has unit norm.

    Args:
        order: n, from 1.
        scale: standard deviation in pixels.
        angle: t, in radians, counter-clockwise as the picture is seen.
        kernel_size: side in pixels, odd; by default what the scale needs.

    Raises:
        BadValue: numbers out of range, an even size, or one too small for the scale.
    """
    at_least("order", order, 1), above("scale", scale, 0)
    side = smallest_size(order, scale, 0.995) if kernel_size is None else odd_size(kernel_size)
    if side < (least := smallest_size(order, scale)):
        raise BadValue(
            f"kernel_size={side} cuts off derivatives of order {order} at scale {scale:g}. Accepted: odd sizes from "
            f"{least}, None to have one chosen, or a smaller scale."
        )
    y, x = grid(side)
    total = torch.zeros_like(x)
    for j in range(order + 1):
        share = math.comb(order, j) * math.cos(angle) ** (order - j) * math.sin(angle) ** j
        total += share * gaussian_derivative(order - j, scale, x) * gaussian_derivative(j, scale, -y)
    norm: torch.Tensor = (gaussian_derivative(order, scale, x) * gaussian_derivative(0, scale, y)).norm()
    return total / norm.clamp(min=1e-30)


def steerable_bank(
    order: int = 2, scale: float = 1.0, *, orientations: int | None = None, kernel_size: int | None = None
) -> torch.Tensor:
    """Derivatives (O, h, h) float32 of a Gaussian along directions spread over half a turn.

    Example:
        >>> steerable_bank(order=2, scale=1.0).shape
        torch.Size([3, 7, 7])

    Args:
        order: n, from 1.
        scale: standard deviation in pixels.
        orientations: O; by default the n + 1 from which all others follow.
        kernel_size: side in pixels, odd; by default what the scale needs.

    Raises:
        BadValue: see `steerable_filter`.
    """
    count = at_least("order", order, 1) + 1 if orientations is None else at_least("orientations", orientations, 1)
    turns = [steerable_filter(order, scale, math.pi * j / count, kernel_size) for j in range(count)]
    return torch.stack(turns).float()


def steering(order: int, angle: float) -> torch.Tensor:
    """The ``k_j(t)`` (n + 1,) by which the n + 1 turns of a derivative are added to the one at an angle, float64.

    Example:
        >>> steering(1, math.pi / 2).round(decimals=6).abs().tolist()
        [0.0, 1.0]

    Source:
        Freeman & Adelson 1991, theorem 1 and equation 11.
    """
    count = at_least("order", order, 1) + 1
    turns = angle - math.pi * torch.arange(count, dtype=torch.float64) / count
    harmonics = range(order, -1, -2)
    return torch.stack([(2 if m else 1) * torch.cos(m * turns) for m in harmonics]).sum(0) / count


def steered(answers: torch.Tensor, order: int, angle: float) -> torch.Tensor:
    """The answer (..., h, w) of the derivative along any direction, of those (..., n + 1, h, w) of its basis.

    Raises:
        BadValue: another number of answers than n + 1.
    """
    if answers.shape[-3] != order + 1:
        raise BadValue(
            f"{answers.shape[-3]} answers cannot be steered at order {order}. Accepted: {order + 1}, those of "
            "steerable_bank(order) without more orientations."
        )
    shares = steering(order, angle).to(answers)
    return (answers * shares.view(-1, 1, 1)).sum(-3)


class BankConv2d(nn.Conv2d):
    """A fixed bank of filters applied to each channel apart, as a grouped convolution without anything to learn.

    Maps are ordered channel by channel: those of the first channel under all filters come first.

    Example:
        >>> BankConv2d(3, gabor_bank(4, 0.25)).weight.shape[0]
        24

    Args:
        in_channels: C.
        bank: (K, h, h), odd sides.
        stride, padding: in pixels; by default the padding keeps the size at stride 1.
    """

    def __init__(self, in_channels: int, bank: torch.Tensor, *, stride: int = 1, padding: int | None = None) -> None:
        side = odd_size(bank.shape[-1])
        channels = at_least("in_channels", in_channels, 1)
        super().__init__(
            channels,
            channels * len(bank),
            side,
            stride=at_least("stride", stride, 1),
            padding=side // 2 if padding is None else at_least("padding", padding, 0),
            groups=channels,
            bias=False,
        )
        del self.weight
        self.register_buffer("weight", bank.float()[:, None].repeat(channels, 1, 1, 1))
