"""Convolutions whose filters are made from fewer numbers than they have pixels."""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from torch import nn

from convviz_widgets.core.errors import BadType, BadValue


class MadeConv2d(nn.Conv2d):
    """A convolution whose ``weight`` is computed from other parameters each time it is asked for.

    For everything else it is a convolution like any other: ``weight`` (K, C, h, w) and ``bias`` (K,) can be read (not
    set), and gradients flow through them to what they are made of. A subclass says how they are made: `filters`, and
    `offsets` where the bias is made too.

    Args:
        in_channels, out_channels, kernel_size, stride, padding: as those of a convolution.
        bias: whether there is one.
        made: the names that are computed.
    """

    made: ClassVar[tuple[str, ...]] = ("weight",)

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, stride: int, padding: int, bias: bool
    ) -> None:
        for name, value in (("in_channels", in_channels), ("out_channels", out_channels), ("stride", stride)):
            at_least(name, value, 1)
        at_least("padding", padding, 0)
        super().__init__(in_channels, out_channels, kernel_size, stride=stride, padding=padding, bias=bias)
        for name in self.made:
            if getattr(self, name) is not None:
                delattr(self, name)
        self._makes = True

    def filters(self) -> torch.Tensor:
        """The filters (K, C, h, w) as they act on the input."""
        raise NotImplementedError

    def offsets(self) -> torch.Tensor:
        """The bias (K,)."""
        raise NotImplementedError

    def __getattr__(self, name: str) -> Any:  # asked only where nothing of that name is kept
        if name in type(self).made and "_makes" in vars(self) and name not in self._parameters:
            return self.filters() if name == "weight" else self.offsets()
        return super().__getattr__(name)


def at_least(name: str, value: Any, low: int) -> int:
    """A whole number not below ``low``.

    Raises:
        BadType: not a whole number.
        BadValue: below.
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise BadType(f"{name}={value!r} cannot be used. Accepted: a whole number from {low} up.")
    if value < low:
        raise BadValue(f"{name}={value!r} is out of range. Accepted: {low} or more.")
    return int(value)


def above(name: str, value: Any, low: float) -> float:
    """A finite number above ``low``.

    Raises:
        BadType: not a number.
        BadValue: not above, or not finite.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise BadType(f"{name}={value!r} cannot be used. Accepted: a number above {low:g}.")
    if not low < float(value) < float("inf"):
        raise BadValue(f"{name}={value!r} is out of range. Accepted: above {low:g}.")
    return float(value)


def several(name: str, values: Any) -> tuple[Any, ...]:
    """One number or a sequence of them, as a sequence.

    Raises:
        BadValue: the sequence is empty.
    """
    found = tuple(values) if isinstance(values, Sequence) and not isinstance(values, str) else (values,)
    if not found:
        raise BadValue(f"{name}={values!r} is empty. Accepted: one number or several.")
    return found


def odd_size(kernel_size: Any) -> int:
    """The side of a filter that has a middle pixel.

    Raises:
        BadType: not a whole number.
        BadValue: even, or below 1.
    """
    if at_least("kernel_size", kernel_size, 1) % 2 == 0:
        raise BadValue(
            f"kernel_size={kernel_size} has no middle pixel. Accepted: odd sizes, such as {kernel_size + 1}."
        )
    return int(kernel_size)


def grid(kernel_size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(y, x) of each pixel of a filter, its middle at (0, 0), float64; y grows downward as rows do."""
    line = torch.arange(kernel_size, dtype=torch.float64) - kernel_size // 2
    y, x = torch.meshgrid(line, line, indexing="ij")
    return y, x
