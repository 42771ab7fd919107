"""The space in which images are grown: what a network sees, counted from the mean grey in standard deviations.

Let ``z`` (N, C, H, W) be an image there. The network sees ``base + unit * z``. Where its preprocessing normalises,
``base`` is 0 and ``unit`` is 1; where it does not, they are 0.5 and 0.25, about the mean and the standard deviation of
photos in [0, 1]. ``low`` and ``high`` are black and white. Images are float32 also where the network is not.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.lens.lens import Lens

PLAIN_MEAN, PLAIN_STD = 0.5, 0.25


@dataclass(frozen=True)
class Space:
    """Images of a network; see the module.

    Args:
        mean, std: (C, 1, 1), of pictures in [0, 1].
        base, unit: what the network sees at ``z = 0``, and per 1.
    """

    mean: torch.Tensor
    std: torch.Tensor
    base: float
    unit: float

    @classmethod
    def of(cls, lens: Lens) -> Self:
        """The space of a network."""
        given = lens.preprocess
        mean, std = (torch.tensor(each, device=lens.device).view(-1, 1, 1) for each in (given.mean, given.std))
        if any(each != 0 for each in given.mean) or any(each != 1 for each in given.std):
            return cls(mean, std, base=0.0, unit=1.0)
        return cls(torch.full_like(mean, PLAIN_MEAN), torch.full_like(std, PLAIN_STD), PLAIN_MEAN, PLAIN_STD)

    @property
    def channels(self) -> int:
        """Of the picture."""
        return len(self.mean)

    @property
    def low(self) -> torch.Tensor:
        """Black, (C, 1, 1)."""
        return -self.mean / self.std

    @property
    def high(self) -> torch.Tensor:
        """White, (C, 1, 1)."""
        return (1 - self.mean) / self.std

    def prepared(self, z: torch.Tensor) -> torch.Tensor:
        """What the network sees of an image."""
        return self.base + self.unit * z

    def of_prepared(self, prepared: torch.Tensor) -> torch.Tensor:
        """The image of which the network sees this."""
        return (prepared - self.base) / self.unit

    def pictures(self, z: torch.Tensor) -> torch.Tensor:
        """An image as a person sees it: (N, C, H, W) in [0, 1]."""
        return (z * self.std + self.mean).clamp(0, 1)

    def of_pictures(self, pictures: torch.Tensor) -> torch.Tensor:
        """The inverse of `pictures`, differentiable."""
        return (pictures - self.mean) / self.std

    def clamped(self, z: torch.Tensor) -> torch.Tensor:
        """The image within black and white."""
        return torch.minimum(torch.maximum(z, self.low), self.high)


def rgb(pictures: torch.Tensor) -> npt.NDArray[np.float32]:
    """Pictures (N, C, H, W) in [0, 1] as (N, H, W, 3); of other than three channels the first is shown in grey."""
    values = pictures.detach().float()
    values = values if values.shape[1] == 3 else values[:, :1].expand(-1, 3, -1, -1)
    shown: npt.NDArray[np.float32] = values.permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return shown


def bytes_of(space: Space, z: torch.Tensor) -> npt.NDArray[np.uint8]:
    """Images as a person sees them, (N, H, W, 3) uint8."""
    shown: npt.NDArray[np.uint8] = np.rint(rgb(space.pictures(z)) * 255).astype(np.uint8)
    return shown
