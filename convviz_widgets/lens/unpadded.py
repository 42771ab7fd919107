"""Convolutions and poolings without their padding: what runs a neuron's receptive field alone, to a map of one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch.overrides import TorchFunctionMode

PADDING_AT = {"conv2d": 4, "max_pool2d": 3, "max_pool2d_with_indices": 3, "avg_pool2d": 3}
"""Functions that pad, and which argument says by how much."""


@contextmanager
def unpadded() -> Iterator[None]:
    """Inside, convolutions and poolings that run in this thread take their padding for 0.

    Example:
        >>> import torch
        >>> with unpadded():
        ...     torch.nn.Conv2d(3, 4, 5, padding=2)(torch.zeros(1, 3, 5, 5)).shape
        torch.Size([1, 4, 1, 1])
    """
    with _Unpadded():
        yield


class _Unpadded(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        place = PADDING_AT.get(getattr(func, "__name__", ""))
        if place is not None:
            if len(args) > place:
                args = (*args[:place], 0, *args[place + 1 :])
            kwargs = {name: 0 if name == "padding" else value for name, value in kwargs.items()}
        return func(*args, **kwargs)
