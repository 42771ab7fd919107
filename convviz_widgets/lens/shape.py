"""What size of picture a network takes, found by trying."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from convviz_widgets.core.errors import BadValue, ConvvizError, UnsupportedModel
from convviz_widgets.lens.record import OUTPUT, record

USUAL_SIDES = (224, 32, 28, 64, 96, 128, 256, 299, 512, 16)


def side_lengths(size: Any) -> tuple[int, int] | None:
    """(H, W) of what was given as a side or a pair of sides.

    Raises:
        BadValue: it is neither.
    """
    if size is None:
        return None
    sides = [size, size] if isinstance(size, int) else list(size) if isinstance(size, Sequence) else []
    if len(sides) != 2 or not all(isinstance(side, int) and side > 0 for side in sides):
        raise BadValue(f"input_size={size!r} is no size. Accepted: a side in pixels such as 224, or (height, width).")
    return sides[0], sides[1]


def input_channels(module: nn.Module) -> int:
    """How many channels the first convolution takes; without one, what the first dense layer's length speaks for."""
    for each in module.modules():
        if isinstance(each, nn.Conv2d):
            return each.in_channels
    dense = next((each.in_features for each in module.modules() if isinstance(each, nn.Linear)), 3)
    return 1 if math.isqrt(dense) ** 2 == dense else 3


def find_input_shape(module: nn.Module, channels: int, size: Sequence[int] | None) -> tuple[int, int, int]:
    """(C, H, W) of a picture that the network takes: the size given, else the first of the usual sizes that works.

    Raises:
        UnsupportedModel: it takes none of them.
    """
    tried = [(size[0], size[1])] if size is not None else [(side, side) for side in USUAL_SIDES]
    weight = next((each for each in module.parameters() if each.is_floating_point()), torch.zeros(()))
    error: ConvvizError | None = None
    for height, width in tried:
        image = torch.zeros(1, channels, height, width, device=weight.device, dtype=weight.dtype)
        try:
            record(module, image, [OUTPUT], grad=False)
        except UnsupportedModel as failure:
            error = error or failure
        else:
            return channels, height, width
    sizes = ", ".join(f"{channels}x{height}x{width}" for height, width in tried)
    raise UnsupportedModel(
        f"{type(module).__name__} takes pictures of none of these sizes: {sizes}. First failure: {error} "
        "Say Lens(module, input_size=...) with a size it takes."
    ) from error
