"""How an image is written down while it is made: in pixels or in frequencies.

The picture is the same function of what is optimised whichever is chosen, but steps go elsewhere: equal steps in
decorrelated frequencies change large structures as readily as fine ones.

- `Pixels`: ``z`` itself, kept between black and white.
- `Fourier`: coefficients ``s`` per colour direction and frequency ``f``, ``picture = sigmoid(M · irfft(s / f))`` with
  the square root ``M`` of the colour correlation of photos [Olah, Mordvintsev & Schubert 2017, section
  "Preconditioning and parameterization"].
"""

from abc import ABC, abstractmethod

import torch

from convviz_widgets.lens.canvas.space import Space

COLOURS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
"""Square root of the covariance of the colours of ImageNet's photos (Olah 2017, published with the article)."""
CONTRAST = 4.0  # divisor of the waves before the sigmoid, so that starting noise looks like faint noise
NEAR_EDGE = 0.005  # a start's values are kept this far from 0 and 1, whose logits are infinite
FAINT = 0.01  # standard deviation of starting noise, in Fourier coefficients


class Parametrization(ABC):
    """An image written down as numbers, ``leaf``, that can be optimised.

    Args:
        space: of the image.
    """

    leaf: torch.Tensor

    def __init__(self, space: Space) -> None:
        self.space = space

    @abstractmethod
    def image(self) -> torch.Tensor:
        """The image z (N, C, H, W), differentiable by ``leaf``."""

    @abstractmethod
    def put(self, z: torch.Tensor) -> None:
        """Takes an image, or the nearest it can write down."""

    def bound(self) -> None:
        """Brings ``leaf`` back to the values that it may have."""
        return

    def _optimise(self, values: torch.Tensor) -> None:
        self.leaf = values.detach().clone().requires_grad_()


class Pixels(Parametrization):
    """The image itself."""

    def __init__(self, space: Space, z: torch.Tensor) -> None:
        super().__init__(space)
        self._optimise(space.clamped(z))

    def image(self) -> torch.Tensor:  # noqa: D102 -- as the base says
        return self.leaf * 1

    def put(self, z: torch.Tensor) -> None:  # noqa: D102 -- as the base says
        with torch.no_grad():
            self.leaf.copy_(self.space.clamped(z))

    def bound(self) -> None:  # noqa: D102 -- as the base says
        self.put(self.leaf)


class Fourier(Parametrization):
    """Frequencies of decorrelated colours.

    Args:
        space: of the image.
        z: to start from, or None for noise.
        noise: (N, C, H, W) standard normal, from which the starting coefficients are made.
    """

    def __init__(self, space: Space, z: torch.Tensor | None, noise: torch.Tensor) -> None:
        super().__init__(space)
        self._size = (noise.shape[-2], noise.shape[-1])
        self._colours = colours_of(space)
        self._scale = 1 / frequencies(self._size, noise)
        if z is None:
            self._optimise(FAINT * torch.view_as_real(torch.fft.rfft2(noise, norm="ortho")))
        else:
            self._optimise(self._coefficients(z))

    def image(self) -> torch.Tensor:  # noqa: D102 -- as the base says
        waves = torch.fft.irfft2(torch.view_as_complex(self.leaf) * self._scale, s=self._size, norm="ortho")
        return self.space.of_pictures(torch.sigmoid(mixed(waves / CONTRAST, self._colours)))

    def put(self, z: torch.Tensor) -> None:  # noqa: D102 -- as the base says
        with torch.no_grad():
            self.leaf.copy_(self._coefficients(z))

    def _coefficients(self, z: torch.Tensor) -> torch.Tensor:
        waves = CONTRAST * unmixed(self.space.pictures(z), self._colours)
        coefficients: torch.Tensor = torch.fft.rfft2(waves, norm="ortho") / self._scale
        return torch.view_as_real(coefficients)


def frequencies(size: tuple[int, int], like: torch.Tensor) -> torch.Tensor:
    """Cycles per pixel of each coefficient of ``rfft2``, (H, W // 2 + 1); at least one cycle per image."""
    height, width = size
    down = torch.fft.fftfreq(height, device=like.device, dtype=like.dtype)[:, None]
    across = torch.fft.rfftfreq(width, device=like.device, dtype=like.dtype)
    cycles: torch.Tensor = (down**2 + across**2).sqrt()
    return cycles.clamp(min=1 / max(height, width))


def colours_of(space: Space) -> torch.Tensor:
    """(C, C) from decorrelated to real colours; for other than three channels each stands for itself."""
    if space.channels != 3:
        return torch.eye(space.channels, device=space.mean.device, dtype=space.mean.dtype)
    matrix = torch.tensor(COLOURS, device=space.mean.device, dtype=space.mean.dtype)
    longest: torch.Tensor = matrix.norm(dim=0).max()
    return matrix / longest


def mixed(waves: torch.Tensor, colours: torch.Tensor) -> torch.Tensor:
    """Waves (N, C, H, W) of decorrelated colours in real ones."""
    mixed: torch.Tensor = torch.einsum("nchw,dc->ndhw", waves, colours)
    return mixed


def unmixed(pictures: torch.Tensor, colours: torch.Tensor) -> torch.Tensor:
    """The waves that `mixed` and a sigmoid turn into these pictures."""
    logits = torch.logit(pictures.clamp(NEAR_EDGE, 1 - NEAR_EDGE))
    return mixed(logits, torch.linalg.inv(colours))
