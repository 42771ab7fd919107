"""A decoder: a network that is trained to tell the picture again from what a layer answered to it.

Trained with the squared error it gives, at best, the mean of all pictures with that answer, so what it shows sharply
the layer keeps, and what it blurs the layer has lost. After Dosovitskiy & Brox 2016, "Inverting Visual Representations
with Convolutional Networks": convolutions at the size of the map, the more of them the smaller it is, or three dense
layers for a vector; then upconvolutions that double the side, leaky ReLUs between them.
"""

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from convviz_widgets.core.errors import BadValue, UnsupportedModel

SLOPE = 0.2  # of the leaky ReLUs for values below 0
START = 6  # pixels, about the side of the map that a vector is spread out to
START_CHANNELS = 24  # of that map
HIDDEN = (256, 256)  # numbers between a vector and that map: where things are, a dense layer tells in no single number
WIDTHS = (24, 48, 64, 96)  # channels of a map at a half, a quarter, an eighth ... of the picture's side
SMALL = 0.2  # least scale, as a share of the largest: what seldom answers would drown all else when it does
FAINT = 0.005  # the same of the directions in which vectors differ
ENOUGH = 8  # vectors, per number in one, that tell in which directions they differ


class UpconvNet(nn.Module):
    """Pictures of activations; its shape is worked out from the layer's.

    Example:
        >>> UpconvNet((64, 12, 12), (3, 96, 96))(torch.zeros(2, 64, 12, 12)).shape
        torch.Size([2, 3, 96, 96])
        >>> UpconvNet((10,), (3, 50, 70))(torch.zeros(2, 10)).shape
        torch.Size([2, 3, 50, 70])

    Args:
        shape: of what is decoded, without the batch: (K, h, w) for maps, (K,) for a vector.
        picture: (C, H, W) of what is drawn.
        widths: channels where the map has a half, a quarter, ... of the picture's side; the last one holds beyond.
        grain: side, in pixels, of the smallest things drawn; above 1 a smaller picture is drawn and enlarged, which is
            quick and enough for a layer that tells only large areas.

    Attributes:
        centre, scale: (K,) buffers, by which activations are brought to mean 0 and standard deviation 1; 0 and 1 until
            `set_scale`.
        turn: (K, K) buffer of a vector's decoder, by which the levelled vectors are made to differ as much in one
            direction as in another. A dense layer tells classes loudly and all else faintly: a picture's colours lie
            along directions in which vectors differ a hundredth as much, which training finds only when they are
            brought up.

    Raises:
        UnsupportedModel: the layer gives neither maps nor a vector.
        BadValue: a grain below 1.
    """

    centre: torch.Tensor
    scale: torch.Tensor
    turn: torch.Tensor

    def __init__(
        self,
        shape: tuple[int, ...],
        picture: tuple[int, int, int],
        widths: tuple[int, ...] = WIDTHS,
        grain: int = 1,
    ) -> None:
        super().__init__()
        if len(shape) not in (1, 3) or min(shape) < 1:
            raise UnsupportedModel(
                f"Activations of shape {tuple(shape)} cannot be decoded. Accepted: maps (K, h, w), or a vector (K,); "
                "`lens.layers` lists what each layer gives."
            )
        if grain < 1:
            raise BadValue(f"grain={grain} cannot be drawn. Accepted: 1 pixel or more.")
        self.shape, self.picture_shape, self.widths, self.grain = tuple(shape), tuple(picture), tuple(widths), grain
        self.register_buffer("centre", torch.zeros(shape[0]))
        self.register_buffer("scale", torch.ones(shape[0]))
        size = (math.ceil(picture[1] / grain), math.ceil(picture[2] / grain))
        vector = len(shape) == 1 or shape[1:] == (1, 1)
        start, doublings = _start(size) if vector else (shape[1:], _doublings(shape[1:], size))
        channels = [widths[min(level, len(widths)) - 1] for level in range(max(doublings, 1), 0, -1)]
        self._spreads = vector
        if vector:
            self.register_buffer("turn", torch.eye(shape[0]))
        spread = _spread(shape[0], start) if vector else ()
        before = (START_CHANNELS,) if vector else (shape[0], *(channels[0] for _ in range(doublings - 1)))
        self.entry = nn.Sequential(*spread, *(each for count in before for each in _convolution(count, channels[0])))
        self.up = nn.Sequential(*(_upconvolution(*pair) for pair in pairwise(channels)))
        self.paint: nn.Module = (
            nn.ConvTranspose2d(channels[-1], picture[0], kernel_size=6, stride=2, padding=2)
            if doublings
            else nn.Conv2d(channels[-1], picture[0], 3, padding=1)
        )

    def forward(self, activations: torch.Tensor) -> torch.Tensor:
        """Pictures (N, C, H, W) with values in [0, 1] of activations (N, K, h, w) or (N, K).

        Raises:
            BadValue: activations of another shape.
        """
        if tuple(activations.shape[1:]) != self.shape:
            wanted = ", ".join(str(length) for length in self.shape)
            raise BadValue(
                f"This decoder takes activations of shape (N, {wanted}); given: {tuple(activations.shape)}. They come "
                f"from pictures of {self.picture_shape[1]} by {self.picture_shape[2]} pixels; for another size train "
                "another decoder."
            )
        along = (-1, *(1 for _ in self.shape[1:]))
        levelled = (activations - self.centre.view(along)) / self.scale.view(along)
        levelled = levelled.flatten(1) @ self.turn if self._spreads else levelled
        waves: torch.Tensor = self.paint(self.up(self.entry(levelled)))
        if tuple(waves.shape[-2:]) != self.picture_shape[1:]:
            waves = functional.interpolate(waves, self.picture_shape[1:], mode="bilinear", align_corners=False)
        return waves.sigmoid()

    @torch.no_grad()
    def set_scale(self, activations: torch.Tensor) -> None:
        """Sets by what activations are levelled, from real ones, (N, K, h, w) or (N, K)."""
        values = activations.float().movedim(1, 0).flatten(1)
        deviation = values.std(1, correction=0)
        self.centre.copy_(values.mean(1))
        largest = deviation.max()
        self.scale.copy_(deviation.clamp(min=float(largest) * SMALL) if largest > 0 else torch.ones_like(deviation))
        if self._spreads and largest > 0:
            self.turn.copy_(_whitening((values - self.centre[:, None]) / self.scale[:, None]))


def _whitening(values: torch.Tensor) -> torch.Tensor:
    """The symmetric matrix by which vectors, the columns of (K, N), differ equally in all directions, but faint ones.

    Source: Bell & Sejnowski 1997, "The independent components of natural scenes are edge filters" (as ZCA filters).
    """
    length, count = values.shape
    variance, directions = torch.linalg.eigh((values @ values.T).double() / count)
    unknown = variance.mean() * (length / count) ** 2 if count < ENOUGH * length else 0  # few do not tell what is faint
    deviation = (variance.clamp(min=0) + unknown).sqrt()
    turn: torch.Tensor = (directions / deviation.clamp(min=float(deviation[-1]) * FAINT)) @ directions.T
    return turn.float()


def _doublings(side: tuple[int, ...], size: tuple[int, ...]) -> int:
    """How often the side of a map is doubled to come next to the picture's."""
    ratio = max(length / of for length, of in zip(size, side, strict=True))
    return max(0, round(math.log2(ratio)))


def _start(size: tuple[int, ...]) -> tuple[tuple[int, int], int]:
    """Size of the map that a vector is spread out to, and how often it is doubled."""
    doublings = max(1, round(math.log2(max(size) / START)))
    height, width = (max(1, math.ceil(length / 2**doublings)) for length in size)
    return (height, width), doublings


def _spread(length: int, start: tuple[int, ...]) -> tuple[nn.Module, ...]:
    """Dense layers from a vector to maps; normed one vector at a time, as a batch may hold but one."""
    hidden = [
        each
        for before, after in pairwise((length, *HIDDEN))
        for each in (nn.Linear(before, after), nn.LayerNorm(after), nn.LeakyReLU(SLOPE))
    ]
    dense = nn.Linear(HIDDEN[-1], START_CHANNELS * start[0] * start[1])
    return *hidden, dense, nn.Unflatten(1, (START_CHANNELS, *start)), *_normed(START_CHANNELS)


def _normed(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.BatchNorm2d(channels), nn.LeakyReLU(SLOPE)


def _convolution(before: int, after: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(before, after, 3, padding=1, bias=False), *_normed(after)


def _upconvolution(before: int, after: int) -> nn.Sequential:
    """Twice the side; the kernel is a multiple of the stride, so that each pixel is reached equally often."""
    up = nn.ConvTranspose2d(before, after, kernel_size=4, stride=2, padding=1, bias=False)
    return nn.Sequential(up, *_normed(after))
