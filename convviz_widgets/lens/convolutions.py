"""Convolutions by the quicker of two equal ways, for as long as a network is looked at; the network is left alone.

Maps whose channels lie together in memory ("channels last") go through a convolution quickly only if its filters do,
too: otherwise these are laid out anew at every call, forward and back, which costs more than the order gains. As a
network's own mostly lie in the other order, a copy in this one is kept beside it. Who wants the quick way lays its
pictures out channels-last; all others get what the network itself would do, to the bit.

Cost: one copy of the filters of the convolutions passed, until they or the lens are gone.
Oracle: maps and gradients are autograd's own but for rounding.
"""

import weakref
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from convviz_widgets.lens.few_channels import by_blocks
from convviz_widgets.lens.guest import version_of

LAST = torch.channels_last


class Filters:
    """Filters laid out channels-last, one copy of each: made anew once they were written to, dropped with them.

    Example:
        >>> weight, filters = nn.Parameter(torch.ones(8, 4, 3, 3)), Filters()
        >>> filters.laid_out(weight).stride(), weight.stride()
        ((36, 1, 12, 4), (36, 9, 3, 1))
    """

    def __init__(self) -> None:
        self._copies: dict[int, _Copy] = {}

    def laid_out(self, weight: torch.Tensor) -> torch.Tensor:
        """A copy of filters (K, C, h, w), without gradient; themselves where they lie so already."""
        if weight.is_contiguous(memory_format=LAST):
            return weight
        kept, state = self._copies.get(id(weight)), (version_of(weight), weight.data_ptr())
        if kept is None or kept.of() is not weight or kept.state != state:
            self._copies = {number: each for number, each in self._copies.items() if each.of() is not None}
            kept = _Copy(weakref.ref(weight), state, weight.detach().contiguous(memory_format=LAST))
            self._copies[id(weight)] = kept
        return kept.values

    def __len__(self) -> int:
        return sum(each.of() is not None for each in self._copies.values())


class _Copy(NamedTuple):
    of: "weakref.ref[torch.Tensor]"
    state: tuple[int, int]  # how often written to, and where it lies
    values: torch.Tensor


class QuickConvolutions(TorchFunctionMode):
    """Inside, convolutions that run in this thread go the quicker way, and so do their gradients whenever asked for.

    Example:
        >>> x = torch.ones(1, 4, 9, 9).contiguous(memory_format=LAST)
        >>> with QuickConvolutions(Filters()):
        ...     nn.Conv2d(4, 8, 3).requires_grad_(False)(x).is_contiguous(memory_format=LAST)
        True

    Args:
        filters: where copies are kept between one pass and the next.
    """

    def __init__(self, filters: Filters) -> None:
        super().__init__()
        self._filters = filters

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") != "conv2d":
            return func(*args, **kwargs)
        return self._convolved(func, *args, **kwargs)

    def _convolved(
        self,
        func: Any,
        input: torch.Tensor,  # noqa: A002 -- as torch calls it
        weight: torch.Tensor,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        if torch.is_grad_enabled() and (found := by_blocks(input, weight, *args, **kwargs)) is not None:
            return found
        return func(input, self._filters.laid_out(weight) if _worth_it(input, weight) else weight, *args, **kwargs)


def _worth_it(x: torch.Tensor, weight: torch.Tensor) -> bool:
    """Whether maps lie channels-last and the filters are a network's own, which are the same at the next call."""
    plain = x.dtype == weight.dtype == torch.float32 and x.device.type == weight.device.type == "cpu" and x.ndim == 4
    own = isinstance(weight, nn.Parameter) and not weight.requires_grad and not weight.is_inference()
    return plain and own and channels_last(x)


def together(batch: torch.Tensor) -> torch.Tensor:
    """A batch of pictures (N, C, H, W) laid out channels-last where that is quicker: numbers of 32 bits, on a CPU."""
    quicker = batch.device.type == "cpu" and batch.dtype == torch.float32
    return batch.contiguous(memory_format=LAST) if quicker else batch


def channels_last(x: torch.Tensor) -> bool:
    """Whether the channels of maps (N, C, H, W) lie together, and the maps not."""
    return x.is_contiguous(memory_format=LAST) and not x.is_contiguous()
