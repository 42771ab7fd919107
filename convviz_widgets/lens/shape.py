"""What size of picture a network takes, found by trying."""

from collections.abc import Sequence

import torch
from torch import nn

from convviz_widgets.core.errors import ConvvizError, UnsupportedModel
from convviz_widgets.lens.record import OUTPUT, record

USUAL_SIDES = (224, 32, 28, 64, 96, 128, 256, 299, 512, 16)


def input_channels(module: nn.Module) -> int:
    """How many channels the first convolution takes; 3 if there is none."""
    first = next((each for each in module.modules() if isinstance(each, nn.Conv2d)), None)
    return 3 if first is None else first.in_channels


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
            record(module, image, [OUTPUT], grad=False, clone=[], keep_buffers=True)
        except UnsupportedModel as failure:
            error = error or failure
        else:
            return channels, height, width
    sizes = ", ".join(f"{channels}x{height}x{width}" for height, width in tried)
    raise UnsupportedModel(
        f"{type(module).__name__} takes pictures of none of these sizes: {sizes}. First failure: {error} "
        "Say Lens(module, input_size=...) with a size it takes."
    ) from error
