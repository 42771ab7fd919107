"""How far the gradient of an image goes, made independent of what it is a gradient of."""

import torch


def peaks(gradient: torch.Tensor) -> torch.Tensor:
    """The largest magnitude of each image's gradient, (N,); NaN where there is any."""
    return gradient.abs().amax((1, 2, 3))


def level(gradient: torch.Tensor) -> torch.Tensor:
    """The gradient with a root mean square of 1 per image; zeros stay zeros, and tiny ones do not vanish in squares."""
    tiny = torch.finfo(gradient.dtype).tiny
    shaped = gradient / peaks(gradient).clamp(min=tiny).view(-1, 1, 1, 1)
    return shaped / shaped.square().mean((1, 2, 3), keepdim=True).sqrt().clamp(min=tiny)
