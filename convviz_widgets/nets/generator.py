"""A network from codes to pictures, trained to undo a network's dense layer: the prior of DGN-AM.

After Dosovitskiy & Brox 2016, "Generating images with perceptual similarity metrics based on deep networks", section 3:
dense layers, then upconvolutions (transposed convolutions of stride 2) with convolutions between them. Used as a prior
by Nguyen et al. 2016, "Synthesizing the preferred inputs for neurons in neural networks via deep generator networks",
section 3: what is optimised is the code, within the range of real codes, and the picture is what this makes of it.
"""

from itertools import pairwise
from typing import Any

import torch
from torch import nn

from convviz_widgets.core.errors import BadValue
from convviz_widgets.nets.beside import Beside

SLOPE = 0.2  # of the leaky ReLUs for values below 0
START = 6  # pixels, side of the first map
_TRAINED = Beside(
    "generator",
    "trained generator",
    "convviz_widgets.nets.train_generator",
    "Any module from codes to pictures will do.",
)


class Generator(nn.Module):
    """Pictures of codes: two dense layers, four upconvolutions, and a sigmoid that keeps values in [0, 1].

    Example:
        >>> Generator(256, code_layer="relu6")(torch.zeros(2, 256)).shape
        torch.Size([2, 3, 96, 96])

    Args:
        code_length: K, numbers in a code.
        code_layer: name of the layer whose activations are the codes.
        channels: of the first map and after each upconvolution; the side doubles with each, from 6 pixels to 96.

    Attributes:
        code_low, code_high, code_mean: (K,) buffers, the range in which real codes lie, and their mean; 0, 1 and 0
            until `set_range`.
    """

    code_low: torch.Tensor
    code_high: torch.Tensor
    code_mean: torch.Tensor

    def __init__(
        self, code_length: int, code_layer: str, channels: tuple[int, int, int, int, int] = (96, 80, 48, 24, 12)
    ) -> None:
        super().__init__()
        self.code_length, self.code_layer = code_length, code_layer
        self.register_buffer("code_low", torch.zeros(code_length))
        self.register_buffer("code_high", torch.ones(code_length))
        self.register_buffer("code_mean", torch.zeros(code_length))
        self.dense = nn.Sequential(
            nn.Linear(code_length, 256),
            nn.LeakyReLU(SLOPE),
            nn.Linear(256, channels[0] * START * START),
            nn.Unflatten(1, (channels[0], START, START)),
            *_normed(channels[0]),
        )
        self.up = nn.Sequential(
            *(_upconvolution(*pair, refined=place < 2) for place, pair in enumerate(pairwise(channels)))
        )
        self.paint = nn.Conv2d(channels[-1], 3, 3, padding=1)

    def forward(self, code: torch.Tensor) -> torch.Tensor:
        """Pictures (N, 3, 96, 96) with values in [0, 1] of codes (N, K).

        Raises:
            BadValue: codes of another shape.
        """
        if code.ndim != 2 or code.shape[1] != self.code_length:
            raise BadValue(
                f"This generator takes codes of shape (N, {self.code_length}); given: {tuple(code.shape)}. They are "
                f"the activations of {self.code_layer!r}, one row per picture."
            )
        return self.paint(self.up(self.dense(code / self.code_high.mean()))).sigmoid()  # type: ignore[no-any-return]

    def set_range(self, codes: torch.Tensor, tail: float = 0.005) -> None:
        """Sets the range of each number of the code to the quantiles ``tail`` and ``1 - tail`` of real codes (N, K).

        Their mean is kept as well.
        """
        low, high = torch.quantile(codes.float(), torch.tensor([tail, 1 - tail]), dim=0)
        self.code_low.copy_(low)
        self.code_high.copy_(high)
        self.code_mean.copy_(codes.float().mean(0))


def _normed(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.BatchNorm2d(channels), nn.LeakyReLU(SLOPE)


def _upconvolution(before: int, after: int, *, refined: bool) -> nn.Sequential:
    """Twice the side; the kernel is a multiple of the stride, so that each pixel is reached equally often.

    A further convolution refines the small maps; on the large ones it would take most of the time.
    """
    up = nn.ConvTranspose2d(before, after, kernel_size=4, stride=2, padding=1, bias=False)
    again = (nn.Conv2d(after, after, 3, padding=1, bias=False), *_normed(after)) if refined else ()
    return nn.Sequential(up, *_normed(after), *again)


def names() -> tuple[str, ...]:
    """The built-in networks for which a trained generator ships."""
    return _TRAINED.nets


def card(name: str = "mini") -> dict[str, Any]:
    """What is recorded of a trained generator: command line, code layer, held-out measures.

    Raises:
        UnknownName: no generator ships for a network of that name.
        MissingFile: its file is not where it should be.
    """
    return _TRAINED.card(name)


def load(name: str = "mini") -> Generator:
    """The trained generator for a built-in network, in evaluation mode, its weights frozen.

    Example:
        >>> load("mini").code_layer
        'relu6'

    Raises:
        UnknownName: no generator ships for a network of that name.
        MissingFile: its file is not where it should be.
    """
    about = card(name)
    generator = Generator(about["code_length"], about["code_layer"])
    generator.load_state_dict(_TRAINED.state(name))
    return generator.eval().requires_grad_(requires_grad=False)
