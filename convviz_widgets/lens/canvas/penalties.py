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
    part = z * (1 / EXTREME)
    square = part * part
    return square.mul_(square).mul_(part)


def away_from_roughness(z: torch.Tensor) -> torch.Tensor:
    """The gradient of the total variation: twice the differences to all neighbours."""
    gradient = torch.zeros_like(z)
    for side in (-1, -2):
        steps, count = torch.diff(z, dim=side), z.shape[side] - 1
        gradient.narrow(side, 1, count).add_(steps, alpha=2)
        gradient.narrow(side, 0, count).sub_(steps, alpha=2)
    return gradient
