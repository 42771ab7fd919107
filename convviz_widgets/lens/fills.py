"""What stands in for the pixels that an occluder hides."""

from typing import Any, Literal, get_args

import torch
from torchvision.transforms.functional import gaussian_blur

from convviz_widgets.core.errors import BadValue, unknown_name
from convviz_widgets.lens.lens import Lens

Fill = Literal["grey", "mean", "blur", "noise"]
BLUR = 1 / 16  # of the longer side: deviation of the blur; at least 1 pixel


def filled(lens: Lens, prepared: torch.Tensor, fill: Fill | Any, *, seed: int = 0) -> torch.Tensor:
    """A picture whose pixels may stand in for those of another, place by place: (1, C, H, W), as the network sees it.

    Example:
        >>> lens = Lens.load("mini")
        >>> filled(lens, lens.prepare(torch.rand(3, 96, 96)), "mean").shape
        torch.Size([1, 3, 96, 96])

    Args:
        lens: the network.
        prepared: (1, C, H, W), the picture.
        fill: "grey" (half way from black to white), "mean" (the picture's mean colour), "blur" (the picture without
            its details), "noise" (the picture's mean and deviation, within its range), or another picture.
        seed: of the noise.

    Raises:
        UnknownName: there is no fill of that name.
        BadValue: the other picture has another size.
    """
    if not isinstance(fill, str):
        other = lens.prepare(fill)
        if other.shape != prepared.shape:
            raise BadValue(
                f"The picture to fill with is {tuple(other.shape)} when prepared, the picture itself "
                f"{tuple(prepared.shape)}. Accepted: one picture of the same size."
            )
        return other
    if fill not in get_args(Fill):
        raise unknown_name("fill", fill, get_args(Fill), "Or hand over another picture.")
    if fill == "grey":
        return lens.preprocess.normalize(torch.full_like(prepared, 0.5))
    if fill == "blur":
        return _blurred(prepared)
    mean = prepared.mean((2, 3), keepdim=True)
    if fill == "mean":
        return mean.expand_as(prepared).clone()
    return _noise(prepared, mean, seed)


def _blurred(prepared: torch.Tensor) -> torch.Tensor:
    deviation = max(1.0, max(prepared.shape[-2:]) * BLUR)
    sides = [min(2 * int(3 * deviation) + 1, 2 * ((side - 1) // 2) + 1) for side in prepared.shape[-2:]]
    blurry: torch.Tensor = gaussian_blur(prepared, sides[::-1], [deviation, deviation])
    return blurry


def _noise(prepared: torch.Tensor, mean: torch.Tensor, seed: int) -> torch.Tensor:
    drawn = torch.randn(prepared.shape, generator=torch.Generator().manual_seed(seed))
    deviation = prepared.std((2, 3), keepdim=True, correction=0)
    low, high = prepared.amin((2, 3), keepdim=True), prepared.amax((2, 3), keepdim=True)
    return (mean + deviation * drawn.to(prepared.device, prepared.dtype)).clamp(low, high)
