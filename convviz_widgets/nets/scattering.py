"""A scattering front end: wavelet moduli averaged over windows, first and second order, nothing learned.

With Morlet wavelets ``psi_jt`` at the scales ``2^j``, j = 0 .. J - 1, in L orientations t over half a turn, and a
Gaussian window ``phi_J`` of width proportional to ``2^J``:

- ``S0 = x * phi_J``,
- ``S1[j, t] = |x * psi_jt| * phi_J``,
- ``S2[j, t, j', t'] = ||x * psi_jt| * psi_j't'| * phi_J`` for ``j' > j`` (elsewhere next to nothing is left),

taken every ``2^J`` pixels. A channel gives ``1 + J L + L^2 J (J - 1) / 2`` maps. The Morlet wavelet is
``psi(u) = (exp(i xi . u) - b) exp(-|u|^2 / (2 s^2))``, b such that its mean is 0; at scale j, ``xi = 3 pi / 4 2^-j``
and ``s = 0.8 2^j``; the window has the standard deviation ``0.8 2^(J-1)``.

The filters are applied as convolutions in the plane, cut off at three standard deviations, and maps of wavelets at
scale j are kept every ``2^j`` pixels, so that receptive fields are known exactly and all techniques work on it. At the
border the picture goes on by zeros, as for other convolutions.

Cost, in multiply-adds: that of the convolutions; none is learned.
Oracle: maps of an even grey picture are 0 in orders 1 and 2 (away from the border); shifting the picture by ``2^J``
shifts the maps by one; turning it by 90 degrees permutes orientations; a plain loop over paths gives the same maps.
Source: Bruna & Mallat 2013, "Invariant Scattering Convolution Networks", section 2.
"""

import math

import torch
from torch import nn

from convviz_widgets.core.errors import BadValue
from convviz_widgets.nets.banks import BankConv2d
from convviz_widgets.nets.made import at_least, grid

CENTRE = 3 * math.pi / 4  # radians per pixel, of the finest wavelet
WIDTH = 0.8  # standard deviation in pixels of the finest wavelet
CUT = 3.0  # standard deviations
TINY = 1e-6  # modulus below which the gradient fades
MOST = 5  # scales; the coarsest filters then have 79 pixels


def morlet(scale: int, angle: float) -> torch.Tensor:
    """A Morlet wavelet (2, h, h) float32, real and imaginary part, of mean 0.

    Args:
        scale: j, from 0.
        angle: of its wave, in radians, counter-clockwise as the picture is seen.
    """
    width, centre = WIDTH * (1 << scale), CENTRE / (1 << scale)
    y, x = grid(2 * math.ceil(CUT * width) + 1)
    phase = centre * (x * math.cos(angle) - y * math.sin(angle))
    envelope = torch.exp(-(x**2 + y**2) / (2 * width**2))
    mean = (envelope * phase.cos()).sum() / envelope.sum()  # the imaginary part is odd
    wave: torch.Tensor = torch.stack([(phase.cos() - mean) * envelope, phase.sin() * envelope])
    return (wave / (2 * math.pi * width**2)).float()


def window(scales: int) -> torch.Tensor:
    """The Gaussian window (h, h) float32 that averages moduli; its sum is 1."""
    width = WIDTH * (1 << (scales - 1))
    y, x = grid(2 * math.ceil(CUT * width) + 1)
    gaussian: torch.Tensor = torch.exp(-(x**2 + y**2) / (2 * width**2))
    return (gaussian / gaussian.sum()).float()


class Scattering2d(nn.Module):
    """Scattering coefficients of each channel as maps (N, C P, h / 2^J, w / 2^J).

    Example:
        >>> layer = Scattering2d(3, scales=2, orientations=4)
        >>> layer.paths, layer(torch.zeros(1, 3, 48, 48)).shape
        (25, torch.Size([1, 75, 12, 12]))

    Args:
        in_channels: C.
        scales: J.
        orientations: L.
        order: 1 or 2.

    Attributes:
        paths: P, maps per channel: ``1 + J L``, and ``L^2 J (J - 1) / 2`` more at order 2.

    Raises:
        BadValue: numbers out of range.
    """

    def __init__(self, in_channels: int = 3, *, scales: int = 2, orientations: int = 8, order: int = 2) -> None:
        super().__init__()
        self.in_channels = at_least("in_channels", in_channels, 1)
        self.scales, self.orientations = at_least("scales", scales, 1), at_least("orientations", orientations, 1)
        if self.scales > MOST:
            raise BadValue(f"scales={scales!r} is out of range. Accepted: 1 to {MOST}.")
        if order not in (1, 2):
            raise BadValue(f"order={order!r} is out of range. Accepted: 1 or 2.")
        self.order = order
        self.waves, self.later, self.means = nn.ModuleDict(), nn.ModuleDict(), nn.ModuleDict()
        self.means["input"] = self._mean(in_channels, 0)
        for j in range(scales):
            self.waves[f"{j}"] = self._bank(in_channels, j, 0)
            self.means[f"{j}"] = self._mean(in_channels * orientations, j)
            for k in range(j + 1, scales if order == 2 else 0):
                self.later[f"{j}_{k}"] = self._bank(in_channels * orientations, k, j)
                self.means[f"{j}_{k}"] = self._mean(in_channels * orientations**2, k)

    @property
    def paths(self) -> int:
        """P, maps per channel."""
        first = 1 + self.scales * self.orientations
        return first + (self.order == 2) * self.orientations**2 * self.scales * (self.scales - 1) // 2

    @property
    def path_names(self) -> tuple[str, ...]:
        """Each map in words, (C P,): channel, then scale and orientation of each wavelet."""
        turns, scales, channels = range(self.orientations), range(self.scales), range(self.in_channels)
        names = [f"c{c} mean" for c in channels]
        names += [f"c{c} j{j} t{t}" for j in scales for c in channels for t in turns]
        if self.order == 2:
            pairs = [(j, k) for j in scales for k in range(j + 1, self.scales)]
            names += [f"c{c} j{j} t{t} j{k} t{u}" for j, k in pairs for c in channels for t in turns for u in turns]
        return tuple(names)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps (N, C P, h / 2^J, w / 2^J), rounded up; see `path_names`."""
        found: list[torch.Tensor] = []
        deeper: list[torch.Tensor] = []
        for j in range(self.scales):
            moduli = _moduli(self.waves[f"{j}"](images))
            found.append(self.means[f"{j}"](moduli))
            names = [f"{j}_{k}" for k in range(j + 1, self.scales) if self.order == 2]
            deeper += [self.means[name](_moduli(self.later[name](moduli))) for name in names]
        low = self.means["input"](images)  # last, so that the wavelets are what a look at the first layer shows
        return torch.cat([low, *found, *deeper], dim=1)

    def multiply_adds(self, side: int) -> list[tuple[nn.Module, int]]:
        """What each of its convolutions costs on a picture of this side."""
        found: list[tuple[nn.Module, int]] = []
        for name, each in [*self.waves.items(), *self.later.items(), *self.means.items()]:
            octave = self.scales if each in self.means.values() else int(name[-1])
            positions = -(-side // (1 << octave))
            found.append((each, sum(kept.numel() for kept in each.buffers()) * positions * positions))
        return found

    def _bank(self, channels: int, j: int, octave: int) -> BankConv2d:
        """The wavelets of scale j for maps that are kept every 2^octave pixels."""
        turns = [morlet(j, math.pi * turn / self.orientations) for turn in range(self.orientations)]
        return BankConv2d(channels, _thinned(torch.cat(turns), octave), stride=2 ** (j - octave))

    def _mean(self, channels: int, octave: int) -> BankConv2d:
        """The window for maps that are kept every 2^octave pixels."""
        return BankConv2d(channels, _thinned(window(self.scales)[None], octave), stride=2 ** (self.scales - octave))

    def extra_repr(self) -> str:
        """What `print` adds."""
        return f"{self.in_channels}, scales={self.scales}, orientations={self.orientations}, order={self.order}"


def _moduli(parts: torch.Tensor) -> torch.Tensor:
    """Moduli (N, K, h, w) of real and imaginary parts (N, 2 K, h, w), with a gradient also where they are 0."""
    real, imaginary = parts[:, 0::2], parts[:, 1::2]
    return (real.square() + imaginary.square() + TINY**2).sqrt() - TINY


def _thinned(kernels: torch.Tensor, octave: int) -> torch.Tensor:
    """Filters (K, h, h) for maps that are kept every 2^octave pixels: every so-manieth value about the middle."""
    step = 1 << octave
    start = kernels.shape[-1] // 2 % step
    return kernels[:, start::step, start::step] * step**2
