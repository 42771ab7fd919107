"""Penalties that keep an image from turning into noise, and how they pull on it.

With ``z`` (N, C, H, W) in standard deviations (see `space`), per image and as a sum over its numbers:

- total variation: ``sum (dx**2 + dy**2)**(b/2)``, b = 2;
- α-norm: ``sum |z / B|**6 * B / 6``, so that its pull reaches 1 at ``|z| = B = 2``.

The pulls are the gradients, written out: they cost a fifth of a way back through the same formulas.

Source: Mahendran & Vedaldi 2015, "Understanding Deep Image Representations by Inverting Them", section 3.
"""

import torch

ALPHA = 6
EXTREME = 2.0  # standard deviations at which the α-norm pulls with weight 1


def extremes(z: torch.Tensor) -> torch.Tensor:
    """The α-norm of each image, (N,)."""
    return (z.abs() / EXTREME).pow(ALPHA).sum((1, 2, 3)) * EXTREME / ALPHA


def away_from_extremes(z: torch.Tensor) -> torch.Tensor:
    """The gradient of `extremes`."""
    part = z / EXTREME
    square = part * part
    return square * square * part


def roughness(z: torch.Tensor) -> torch.Tensor:
    """The total variation of each image, (N,)."""
    return sum(torch.diff(z, dim=axis).square().sum((1, 2, 3)) for axis in (-1, -2))  # type: ignore[return-value]


def away_from_roughness(z: torch.Tensor) -> torch.Tensor:
    """The gradient of `roughness`: twice the differences to all neighbours."""
    across, down = torch.diff(z, dim=-1), torch.diff(z, dim=-2)
    gradient = torch.zeros_like(z)
    gradient[..., 1:] += across
    gradient[..., :-1] -= across
    gradient[..., 1:, :] += down
    gradient[..., :-1, :] -= down
    return 2 * gradient
