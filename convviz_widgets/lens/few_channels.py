"""The way back through a first convolution: few channels, large filters, large steps.

The gradient of such a convolution by its picture is the slowest part of a way back to the picture; what is quick is a
convolution of many channels that goes on by one place. It is one of those in disguise. With step s, cut the picture
into blocks of s by s pixels and take a block's pixels for channels of one place: then the filters, filled up with zeros
to a multiple of s, go on by one place, too. So the gradient comes back in blocks and is laid out as pixels.

Cost: ``(n * s / k)**2`` times the multiplications, for filters of side k and ``n = ceil(k / s)``, in about half
the time for AlexNet's first layer (11 by 11, step 4), in three quarters for ResNet's (7 by 7, step 2), one CPU thread.
Oracle: the gradient is autograd's own but for rounding; what comes out forward has the same bits.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from convviz_widgets.lens.pairs import pair

FEW = 4  # channels of a picture, at most
WORTH = 1.5  # times the multiplications, up to which blocks are quicker


def by_blocks(*args: Any, **kwargs: Any) -> torch.Tensor | None:
    """What `torch.conv2d` gives, of which the gradient comes by blocks; None where that would not be quicker.

    Example:
        >>> x = torch.ones(1, 3, 23, 23, requires_grad=True)
        >>> y = by_blocks(x, torch.ones(8, 3, 11, 11), stride=4)
        >>> torch.autograd.grad(y.sum(), x)[0][0, 0, 0, :6]
        tensor([ 8.,  8.,  8.,  8., 16., 16.])
    """
    call = _read(*args, **kwargs)
    return None if call is None else _ByBlocks.apply(*call)


def _read(
    input: torch.Tensor,  # noqa: A002 -- as torch calls it
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> tuple[Any, ...] | None:
    """What `_ByBlocks` takes, of a convolution for which blocks are quicker; None of any other."""
    plain = input.dtype == weight.dtype == torch.float32 and input.device.type == "cpu" and input.ndim == 4
    bare = input.requires_grad and not weight.requires_grad and (bias is None or not bias.requires_grad)
    usual = groups == 1 and not isinstance(padding, str)
    worth = usual and worth_blocks(weight, pair(stride), pair(dilation))
    return (input, weight, bias, pair(stride)[0], pair(padding)) if plain and bare and worth else None


class _ByBlocks(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        step: int,
        padding: tuple[int, int],
    ) -> torch.Tensor:
        ctx.save_for_backward(weight)
        ctx.size, ctx.step, ctx.padding = x.shape[2:], step, padding
        return functional.conv2d(x, weight, bias, step, padding)

    @staticmethod
    def backward(ctx: Any, *signals: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (weight,) = ctx.saved_tensors
        pixels = brought_down(signals[0], weight, ctx.step)
        (top, left), (height, width) = ctx.padding, ctx.size
        lacking = (-left, width + left - pixels.shape[3], -top, height + top - pixels.shape[2])  # what is not, is cut
        return functional.pad(pixels, lacking), None, None, None, None


def worth_blocks(weight: torch.Tensor, stride: Sequence[int], dilation: Sequence[int]) -> bool:
    """Whether blocks are the quicker way back through filters (K, C, h, w), wherever signals have many places."""
    usual = stride[0] == stride[1] > 1 and tuple(dilation) == (1, 1) and weight.shape[1] <= FEW
    return usual and _more(weight.shape[2:], stride[0]) <= WORTH


def brought_down(signals: torch.Tensor, weight: torch.Tensor, step: int) -> torch.Tensor:
    """What signals (N, K, h, w) bring down through filters (K, C, kh, kw) to the pixels of whole blocks below them."""
    height, width = (_filled_up(side, step) - side for side in weight.shape[2:])
    filters = functional.pixel_unshuffle(functional.pad(weight, (0, width, 0, height)), step)
    return functional.pixel_shuffle(functional.conv_transpose2d(signals, filters), step)


def _more(sides: Sequence[int], step: int) -> float:
    """How many times the multiplications blocks take."""
    return math.prod(_filled_up(side, step) / side for side in sides)


def _filled_up(side: int, step: int) -> int:
    """The next multiple of the step."""
    return math.ceil(side / step) * step
