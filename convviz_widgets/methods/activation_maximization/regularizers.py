"""What keeps an image from turning into noise: penalties that pull on it, and corrections after each step.

With ``z`` (N, C, H, W) in standard deviations (see `space`):

- L2: ``sum z**2`` [Simonyan 2013, section 2];
- total variation and α-norm, as in `penalties` [Mahendran & Vedaldi 2015, section 2];
- decay ``z <- (1 - t) z``, Gaussian blur, and grey for pixels of small norm or small contribution
  ``|sum over c of z * da/dz|`` [Yosinski 2015, section 3];
- norm ball: ``z`` scaled back to a root mean square of at most r [Erhan 2009, section 3].
"""

import math

import torch
from torch.nn import functional

from convviz_widgets.lens.canvas.penalties import away_from_extremes, away_from_roughness
from convviz_widgets.methods.activation_maximization.settings import Settings


def pull(z: torch.Tensor, settings: Settings) -> torch.Tensor:
    """The gradient of the penalties, which a step goes against; zeros where all are off."""
    total = torch.zeros_like(z)
    if settings.l2:
        total += 2 * settings.l2 * z
    if settings.alpha_norm:
        total += settings.alpha_norm * away_from_extremes(z)
    if settings.total_variation:
        total += settings.total_variation * away_from_roughness(z)
    return total


def corrects(settings: Settings) -> bool:
    """Whether `corrected` would do anything."""
    return bool(
        settings.decay
        or settings.blur
        or settings.norm_percentile
        or settings.contribution_percentile
        or settings.norm_ball
    )


def corrected(z: torch.Tensor, gradient: torch.Tensor, settings: Settings, *, step: int) -> torch.Tensor:
    """The image after a step, corrected.

    Args:
        z: the image.
        gradient: of the objective, for the contributions.
        settings: which corrections.
        step: number of the step, from 1.
    """
    if settings.decay:
        z = z * (1 - settings.decay)
    if settings.blur and step % int(settings.blur_every or 1) == 0:
        z = blurred(z, settings.blur)
    if settings.norm_percentile:
        z = _without_smallest(z, z.square().sum(1, keepdim=True), settings.norm_percentile)
    if settings.contribution_percentile:
        z = _without_smallest(z, (z * gradient).sum(1, keepdim=True).abs(), settings.contribution_percentile)
    if settings.norm_ball:
        size = z.square().mean((1, 2, 3), keepdim=True).sqrt()
        z = z * (settings.norm_ball / size.clamp(min=1e-12)).clamp(max=1)
    return z


def blurred(z: torch.Tensor, sigma: float) -> torch.Tensor:
    """Gaussian blur of standard deviation sigma (pixels); the image is mirrored at its edges."""
    reach = min(math.ceil(3 * sigma), min(z.shape[-2:]) - 1)
    places = torch.arange(-reach, reach + 1, device=z.device, dtype=z.dtype)
    kernel = torch.exp(-0.5 * (places / sigma) ** 2)
    kernel = (kernel / kernel.sum()).expand(z.shape[1], 1, -1)
    framed = functional.pad(z, (reach, reach, reach, reach), mode="reflect")
    down = functional.conv2d(framed, kernel[..., None], groups=z.shape[1])
    return functional.conv2d(down, kernel[:, :, None], groups=z.shape[1])


def _without_smallest(z: torch.Tensor, worth: torch.Tensor, percentile: float) -> torch.Tensor:
    """Grey where the worth (N, 1, H, W) of a pixel is below the percentile of its image."""
    bound = worth.flatten(1).quantile(percentile / 100, dim=1).view(-1, 1, 1, 1)
    return torch.where(worth < bound, 0, z)
