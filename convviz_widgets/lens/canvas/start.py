"""What an image starts from: noise, or pictures that are given."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from convviz_widgets.core.errors import BadValue
from convviz_widgets.lens.canvas.space import Space
from convviz_widgets.lens.lens import Lens

Size = tuple[int, int]
SPREAD = 0.2  # standard deviation of starting noise in pixels


def noise(shape: tuple[int, ...], seed: int, numbers: Sequence[int]) -> torch.Tensor:
    """Standard normal noise of a shape per image; an image's noise depends on its own number alone."""
    return torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(seed + each)) for each in numbers])


def images(lens: Lens, space: Space, given: Any, count: int, size: Size, *, name: str) -> torch.Tensor:
    """What was given to start from, as (count, C, H, W); pictures of that size are taken pixel by pixel.

    Raises:
        BadValue: as many images as neither 1 nor the number of objectives.
    """
    exact = _exact(given, size)
    if exact is not None:
        z = space.of_pictures(_with_channels(exact, space.channels).to(space.mean))
    else:
        z = space.of_prepared(lens.prepare(given).float())
    if len(z) not in (1, count):
        raise BadValue(f"{name} holds {len(z)} images for {count} objectives. Accepted: 1, or one per objective.")
    return resized(z, size).expand(count, -1, -1, -1).clone()


def resized(z: torch.Tensor, size: Size) -> torch.Tensor:
    """Images or masks (N, C, H, W) in another size."""
    if tuple(z.shape[-2:]) == size:
        return z
    return functional.interpolate(z, size, mode="bilinear", antialias=True, align_corners=False)


def _exact(given: Any, size: Size) -> torch.Tensor | None:
    """Arrays (H, W, 3) or (N, H, W, 3) of exactly this size, as (N, 3, H, W) in [0, 1]; None for anything else."""
    if not isinstance(given, np.ndarray) or given.ndim not in (3, 4) or given.shape[-1] != 3:
        return None
    if given.shape[-3:-1] != size or given.dtype not in (np.float32, np.float64, np.uint8):
        return None
    values = torch.tensor(given[None] if given.ndim == 3 else given)
    scaled = values.float() / 255 if given.dtype == np.uint8 else values.float()
    return scaled.permute(0, 3, 1, 2)


def _with_channels(pictures: torch.Tensor, channels: int) -> torch.Tensor:
    if channels == 3:
        return pictures
    return pictures.mean(1, keepdim=True).expand(-1, channels, -1, -1)
