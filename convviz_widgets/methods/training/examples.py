"""Pictures with their classes, brought to one form and checked."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.core.errors import BadType, BadValue
from convviz_widgets.lens.images import decode, each_image


def pictures(images: Any, name: str = "images") -> torch.Tensor:
    """All pictures in one tensor (N, C, H, W): uint8, or float as it was given.

    Example:
        >>> pictures(np.zeros((2, 8, 6, 3), dtype=np.uint8)).shape
        torch.Size([2, 3, 8, 6])

    Args:
        images: a tensor (N, C, H, W), an array (N, H, W, C) of uint8, or a sequence of pictures.
        name: of the argument, for errors.

    Raises:
        BadType: none of these.
        BadValue: no picture, or pictures that differ in size.
    """
    if isinstance(images, torch.Tensor) and images.ndim == 4:
        found = images
    else:
        parts = [_one(each) for each in each_image(images)]
        kinds = sorted({(tuple(each.shape), str(each.dtype)) for each in parts})
        if len(kinds) > 1:
            raise BadValue(f"The pictures of {name} differ: {kinds[:4]}. Accepted: pictures of one size and type.")
        found = torch.stack(parts) if parts else torch.zeros(0)
    if not len(found):
        raise BadValue(f"There is no picture in {name}. Accepted: at least one.")
    return found


def _one(image: Any) -> torch.Tensor:
    """One picture (C, H, W): uint8, or float where it was float."""
    decoded = decode(image)
    if isinstance(decoded, torch.Tensor):
        return decoded
    values = np.asarray(decoded)
    return torch.from_numpy((values[:, :, None] if values.ndim == 2 else values).transpose(2, 0, 1).copy())


def classes_of(labels: Any, count: int, name: str = "labels") -> npt.NDArray[np.int64]:
    """The classes (N,) of so many pictures, as whole numbers from 0.

    Raises:
        BadType: they are not whole numbers.
        BadValue: not one for each picture, or negative ones.
    """
    values = np.asarray(labels.cpu() if isinstance(labels, torch.Tensor) else labels)
    if values.dtype.kind not in "iu":
        raise BadType(f"{name} holds {values.dtype}. Accepted: whole numbers from 0, one for each picture.")
    if values.shape != (count,) or (count and values.min() < 0):
        raise BadValue(
            f"{name} has the shape {values.shape} for {count} pictures"
            f"{f', the smallest is {values.min()}' if values.size else ''}. Accepted: one whole number from 0 for each."
        )
    return values.astype(np.int64)


def statistics(images: torch.Tensor) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel in [0, 1], to three digits; nothing for float pictures."""
    if images.dtype != torch.uint8:
        return [], []
    sample = images[:2000].float() / 255
    mean, std = sample.mean((0, 2, 3)), sample.std((0, 2, 3)).clamp(min=1e-3)
    return [round(float(each), 3) for each in mean], [round(float(each), 3) for each in std]
