"""Random views of the image, so that what grows does not depend on where exactly the network looks.

Shift, change of size, turn and cut are drawn anew for each step and applied as ONE affine map with bilinear
interpolation, so that their number costs nothing and blurs once. What lies outside of the image is a grey frame of
``pad`` pixels, and beyond that the image mirrored.

Source: Olah, Mordvintsev & Schubert 2017, "Feature Visualization", section "The enemy of feature visualization"
(transformation robustness); jitter: Mordvintsev 2015, Mahendran & Vedaldi 2016.
"""

import math
from dataclasses import dataclass

import torch
from torch.nn import functional

from convviz_widgets.methods.activation_maximization.settings import Settings


@dataclass(frozen=True)
class View:
    """One way to look at an image.

    Args:
        across, down: shift, in pixels.
        zoom: size of what is seen, as a share of the image's side.
        turn: in radians.
    """

    across: float = 0.0
    down: float = 0.0
    zoom: float = 1.0
    turn: float = 0.0


def draw(settings: Settings, size: tuple[int, int], generator: torch.Generator) -> View:
    """A random view within the settings; always takes the same number of draws."""
    first, second, size_draw, turn_draw, cut, left, top = torch.rand(7, generator=generator).tolist()
    jitter = int(settings.jitter or 0)
    kept = 1 - (settings.crop or 0) * cut
    height, width = size
    return View(
        across=math.floor(first * (2 * jitter + 1)) - jitter + (left - 0.5) * (1 - kept) * width,
        down=math.floor(second * (2 * jitter + 1)) - jitter + (top - 0.5) * (1 - kept) * height,
        zoom=kept / (1 + (settings.scale or 0) * (2 * size_draw - 1)),
        turn=math.radians((settings.rotate or 0) * (2 * turn_draw - 1)),
    )


def seen(z: torch.Tensor, view: View, pad: int = 0) -> torch.Tensor:
    """The image (N, C, H, W) in a view, of the same size, differentiably.

    Example:
        >>> z = torch.arange(9.0).view(1, 1, 3, 3)
        >>> seen(z, View(across=1), pad=2)[0, 0, 0]
        tensor([1., 2., 0.])
    """
    if view == View():
        return z
    height, width = z.shape[-2:]
    framed = functional.pad(z, (pad, pad, pad, pad)) if pad else z
    cosine, sine = view.zoom * math.cos(view.turn), view.zoom * math.sin(view.turn)
    x_share, y_share = width / (width + 2 * pad), height / (height + 2 * pad)
    theta = z.new_tensor(
        [
            [cosine * x_share, -sine * height / width * x_share, 2 * view.across / width * x_share],
            [sine * width / height * y_share, cosine * y_share, 2 * view.down / height * y_share],
        ]
    )
    grid = functional.affine_grid(theta.expand(len(z), 2, 3), list(z.shape), align_corners=False)
    return functional.grid_sample(framed, grid, padding_mode="reflection", align_corners=False)
