"""How an image is written down while it grows: in pixels, in frequencies, in phases alone, or as a generator's code.

The picture is the same function of what is optimised whichever is chosen, but steps go elsewhere: equal steps in
decorrelated frequencies change large structures as readily as fine ones.

- `Pixels`: ``z`` itself, kept between black and white.
- `Fourier`: coefficients ``s`` per colour direction and frequency ``f``, ``picture = sigmoid(M · irfft(s / f))`` with
  the square root ``M`` of the colour correlation of photos [Olah, Mordvintsev & Schubert 2017, section
  "Preconditioning and parameterization"].
- `Phase`: as `Fourier`, but the magnitudes stay those of natural images, ``1 / f``, and only phases are optimised
  [Fel 2023, "Unlocking Feature Visualization with MAgnitude Constrained Optimization", section 3].
- `Code`: ``picture = G(code)`` for a generator G, the code kept in the range of real codes [Nguyen 2016, section 3].
"""

from abc import ABC, abstractmethod

import torch
from torch import nn
from torch.nn import functional

from convviz_widgets.core.errors import BadValue, UnsupportedModel
from convviz_widgets.lens.guest import as_guest
from convviz_widgets.methods.activation_maximization.space import Space

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
        self._colours = _colours(space)
        self._scale = 1 / frequencies(self._size, noise)
        if z is None:
            self._optimise(FAINT * torch.view_as_real(torch.fft.rfft2(noise, norm="ortho")))
        else:
            self._optimise(self._coefficients(z))

    def image(self) -> torch.Tensor:  # noqa: D102 -- as the base says
        waves = torch.fft.irfft2(torch.view_as_complex(self.leaf) * self._scale, s=self._size, norm="ortho")
        return self.space.of_pictures(torch.sigmoid(_mixed(waves / CONTRAST, self._colours)))

    def put(self, z: torch.Tensor) -> None:  # noqa: D102 -- as the base says
        with torch.no_grad():
            self.leaf.copy_(self._coefficients(z))

    def _coefficients(self, z: torch.Tensor) -> torch.Tensor:
        waves = CONTRAST * _unmixed(self.space.pictures(z), self._colours)
        coefficients: torch.Tensor = torch.fft.rfft2(waves, norm="ortho") / self._scale
        return torch.view_as_real(coefficients)


class Phase(Parametrization):
    """Phases of waves whose magnitudes stay.

    Args:
        space: of the image.
        z: whose phases to start from, or None for random ones.
        noise: (N, C, H, W) standard normal, whose phases are the random ones.
    """

    def __init__(self, space: Space, z: torch.Tensor | None, noise: torch.Tensor) -> None:
        super().__init__(space)
        self._size = (noise.shape[-2], noise.shape[-1])
        self._colours = _colours(space)
        self._magnitude = 1 / frequencies(self._size, noise)
        self._magnitude[0, 0] = 0  # the mean is grey
        self._optimise(torch.fft.rfft2(noise).angle() if z is None else self._phases(z))

    def image(self) -> torch.Tensor:  # noqa: D102 -- as the base says
        waves = torch.fft.irfft2(torch.polar(self._magnitude.expand_as(self.leaf), self.leaf), s=self._size)
        deviation = waves.flatten(1).std(1).clamp(min=1e-12).view(-1, 1, 1, 1)
        return self.space.of_pictures(torch.sigmoid(_mixed(waves / deviation, self._colours)))

    def put(self, z: torch.Tensor) -> None:  # noqa: D102 -- as the base says
        with torch.no_grad():
            self.leaf.copy_(self._phases(z))

    def _phases(self, z: torch.Tensor) -> torch.Tensor:
        phases: torch.Tensor = torch.fft.rfft2(_unmixed(self.space.pictures(z), self._colours)).angle()
        return phases


class Code(Parametrization):
    """The code of a generator.

    Args:
        space: of the image.
        generator: any module from codes (N, K) to pictures (N, C, h, w) in [0, 1]; ``code_low`` and ``code_high`` (K,)
            are the range of real codes, else -3 to 3, which holds nearly all of a standard normal code.
        code: (N, K) to start from.
        size: (H, W) of the image, to which the pictures are resized.
        share: of the range of real codes, counted from its lower end or, where that is below 0, from 0.
    """

    def __init__(
        self, space: Space, generator: nn.Module, code: torch.Tensor, size: tuple[int, int], share: float = 1.0
    ) -> None:
        super().__init__(space)
        self._generator, self._size = generator, size
        low, high = (
            torch.as_tensor(getattr(generator, name, default), device=code.device, dtype=code.dtype).detach()
            for name, default in (("code_low", -3.0), ("code_high", 3.0))
        )
        origin = low.clamp(min=0).minimum(high)
        self._low, self._high = origin + share * (low - origin), origin + share * (high - origin)
        self._optimise(code)
        self.bound()

    def image(self) -> torch.Tensor:  # noqa: D102 -- as the base says
        with as_guest(self._generator):
            pictures = self._generator(self.leaf)
        if pictures.ndim != 4 or pictures.shape[1] != self.space.channels:
            raise UnsupportedModel(
                f"The generator {type(self._generator).__name__} gave a tensor of shape {tuple(pictures.shape)}. "
                f"Accepted: pictures (N, {self.space.channels}, H, W) in [0, 1]."
            )
        if tuple(pictures.shape[-2:]) != self._size:
            pictures = functional.interpolate(pictures, self._size, mode="bilinear", antialias=True)
        return self.space.of_pictures(pictures)

    def put(self, z: torch.Tensor) -> None:  # noqa: ARG002, D102 -- as the base says
        raise BadValue(
            "decay, blur, norm_percentile, contribution_percentile and norm_ball change pixels, which a generator's "
            "code cannot follow. Set them to 0, or choose another parametrization: 'fourier', 'phase' or 'pixels'."
        )

    def bound(self) -> None:  # noqa: D102 -- as the base says
        with torch.no_grad():
            self.leaf.copy_(torch.minimum(torch.maximum(self.leaf, self._low), self._high))


def frequencies(size: tuple[int, int], like: torch.Tensor) -> torch.Tensor:
    """Cycles per pixel of each coefficient of ``rfft2``, (H, W // 2 + 1); at least one cycle per image."""
    height, width = size
    down = torch.fft.fftfreq(height, device=like.device, dtype=like.dtype)[:, None]
    across = torch.fft.rfftfreq(width, device=like.device, dtype=like.dtype)
    cycles: torch.Tensor = (down**2 + across**2).sqrt()
    return cycles.clamp(min=1 / max(height, width))


def _colours(space: Space) -> torch.Tensor:
    """(C, C) from decorrelated to real colours; for other than three channels each stands for itself."""
    if space.channels != 3:
        return torch.eye(space.channels, device=space.mean.device, dtype=space.mean.dtype)
    matrix = torch.tensor(COLOURS, device=space.mean.device, dtype=space.mean.dtype)
    longest: torch.Tensor = matrix.norm(dim=0).max()
    return matrix / longest


def _mixed(waves: torch.Tensor, colours: torch.Tensor) -> torch.Tensor:
    mixed: torch.Tensor = torch.einsum("nchw,dc->ndhw", waves, colours)
    return mixed


def _unmixed(pictures: torch.Tensor, colours: torch.Tensor) -> torch.Tensor:
    """The waves that `_mixed` and a sigmoid turn into these pictures."""
    logits = torch.logit(pictures.clamp(NEAR_EDGE, 1 - NEAR_EDGE))
    return _mixed(logits, torch.linalg.inv(colours))
