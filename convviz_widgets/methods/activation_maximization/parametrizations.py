"""Two ways to write down an image that only growing needs: in phases alone, or as a generator's code.

`Pixels` and `Fourier` are in `canvas`.

- `Phase`: as `Fourier`, but the magnitudes stay those of natural images, ``1 / f``, and only phases are optimised
  [Fel 2023, "Unlocking Feature Visualization with MAgnitude Constrained Optimization", section 3].
- `Code`: ``picture = G(code)`` for a generator G, the code kept in the range of real codes [Nguyen 2016, section 3].
"""

import torch
from torch import nn
from torch.nn import functional

from convviz_widgets.core.errors import BadValue, UnsupportedModel
from convviz_widgets.lens.canvas.parametrizations import Parametrization, colours_of, frequencies, mixed, unmixed
from convviz_widgets.lens.canvas.space import Space
from convviz_widgets.lens.guest import as_guest


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
        self._colours = colours_of(space)
        self._magnitude = 1 / frequencies(self._size, noise)
        self._magnitude[0, 0] = 0  # the mean is grey
        self._optimise(torch.fft.rfft2(noise).angle() if z is None else self._phases(z))

    def image(self) -> torch.Tensor:  # noqa: D102 -- as the base says
        waves = torch.fft.irfft2(torch.polar(self._magnitude.expand_as(self.leaf), self.leaf), s=self._size)
        deviation = waves.flatten(1).std(1).clamp(min=1e-12).view(-1, 1, 1, 1)
        return self.space.of_pictures(torch.sigmoid(mixed(waves / deviation, self._colours)))

    def put(self, z: torch.Tensor) -> None:  # noqa: D102 -- as the base says
        with torch.no_grad():
            self.leaf.copy_(self._phases(z))

    def _phases(self, z: torch.Tensor) -> torch.Tensor:
        phases: torch.Tensor = torch.fft.rfft2(unmixed(self.space.pictures(z), self._colours)).angle()
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
