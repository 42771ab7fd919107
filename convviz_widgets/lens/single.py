"""One picture, prepared: for techniques that look at a single one."""

from typing import Any

import torch

from convviz_widgets.core.errors import BadValue
from convviz_widgets.lens.lens import Lens


def one_picture(lens: Lens, image: Any) -> torch.Tensor:
    """One picture as the network sees it, (1, C, H, W).

    Example:
        >>> one_picture(Lens.load("mini"), torch.zeros(3, 96, 96)).shape
        torch.Size([1, 3, 96, 96])

    Raises:
        BadValue: several pictures were given.
    """
    prepared = lens.prepare(image)
    if len(prepared) != 1:
        raise BadValue(f"{len(prepared)} pictures were given. Accepted: one; go through them in a loop.")
    return prepared
