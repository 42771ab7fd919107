"""Penalties that keep an image from turning into noise, and how they pull on it.

With ``z`` (N, C, H, W) in standard deviations (see `space`), per image and as a sum over its numbers:

- total variation: ``sum (dx**2 + dy**2)**(b/2)``, b = 2;
- α-norm: ``sum |z / B|**6 * B / 6``, so that its pull reaches 1 at ``|z| = B = 2``.

What pulls are their gradients, which are written out: autograd would go over the image several times.

Source: Mahendran & Vedaldi 2015, "Understanding Deep Image Representations by Inverting Them", section 2.
"""

import torch

ALPHA = 6
EXTREME = 2.0  # standard deviations at which the α-norm pulls with weight 1


def away_from_extremes(z: torch.Tensor) -> torch.Tensor:
    """The gradient of the α-norm."""
    part = z / EXTREME
    square = part * part
    return square * square * part


def away_from_roughness(z: torch.Tensor) -> torch.Tensor:
    """The gradient of the total variation: twice the differences to all neighbours."""
    across, down = torch.diff(z, dim=-1), torch.diff(z, dim=-2)
    gradient = torch.zeros_like(z)
    gradient[..., 1:] += across
    gradient[..., :-1] -= across
    gradient[..., 1:, :] += down
    gradient[..., :-1, :] -= down
    return 2 * gradient
