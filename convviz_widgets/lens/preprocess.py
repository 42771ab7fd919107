"""From a picture to what the network sees, and back."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import nn

from convviz_widgets.core.errors import BadValue, UnsupportedModel
from convviz_widgets.lens.images import Decoded, decode

_MISFIT = (TypeError, AttributeError, ValueError, RuntimeError)  # what transforms raise on a form they do not take
GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601 luma, what Pillow's mode L uses


@dataclass(frozen=True)
class ResizeCropNormalize:
    """Resizes the shorter side, crops the centre and normalises: the classic evaluation transform.

    Args:
        resize: length of the shorter side, in pixels.
        crop: side of the square that is kept, in pixels.
        mean, std: per channel, for values in [0, 1].
    """

    resize: int
    crop: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, image: Decoded) -> torch.Tensor:
        """The prepared picture (C, crop, crop)."""
        from torchvision.transforms.v2 import functional

        image = functional.resize(image, [self.resize], antialias=True)
        image = functional.center_crop(image, [self.crop, self.crop])
        if isinstance(image, Image.Image):
            image = functional.pil_to_tensor(image).float() / 255
        prepared: torch.Tensor = functional.normalize(image, list(self.mean), list(self.std))
        return prepared


class Preprocess:
    """What stands between a picture and the network.

    Args:
        transform: any callable from a picture to a tensor (C, H, W); None means that the network sees what it is given:
            tensors unchanged, whatever their range, and pictures as float in [0, 1].
        channels: how many channels the network takes; grey and colour are turned into each other as needed.
    """

    def __init__(self, transform: Callable[[Any], Any] | None, channels: int) -> None:
        self.transform = transform
        self.channels = channels
        self.mean, self.std = _normalisation(transform, channels)

    def __call__(self, image: Any) -> torch.Tensor:
        """One prepared picture, float (C, H, W), on the CPU."""
        decoded = self._with_channels(decode(image, strict=self.transform is not None, channels=self.channels))
        if self.transform is None:
            return decoded if isinstance(decoded, torch.Tensor) else _to_tensor(decoded)
        prepared = self._transformed(self.transform, decoded)
        if isinstance(prepared, np.ndarray):
            prepared = torch.from_numpy(prepared)
        if not isinstance(prepared, torch.Tensor) or prepared.ndim not in (3, 4):
            given = tuple(prepared.shape) if isinstance(prepared, torch.Tensor) else type(prepared).__name__
            raise BadValue(f"`preprocess` must give a tensor (C, H, W); it gave {given}.")
        if prepared.ndim == 4 and len(prepared) > 1:
            raise BadValue(f"`preprocess` must give one tensor (C, H, W) for a picture; it gave {len(prepared)}.")
        return (prepared[0] if prepared.ndim == 4 else prepared).detach().cpu().float()

    def _transformed(self, transform: Callable[[Any], Any], decoded: Decoded) -> Any:
        """What the transform makes of a Pillow picture; one that takes tensors alone gets a tensor."""
        if self.takes_tensors or len(_bands(decoded)) not in (1, 3):
            return transform(decoded)
        given = _to_pillow(decoded) if isinstance(decoded, torch.Tensor) else decoded
        try:
            return transform(given)
        except _MISFIT as error:
            tensor = decoded if isinstance(decoded, torch.Tensor) else _to_tensor(decoded)
            try:
                return transform(tensor)
            except _MISFIT:
                raise BadValue(
                    f"`preprocess` failed on a picture of size {given.size}: {type(error).__name__}: {error}. It is "
                    "called with a Pillow image, then with a float tensor (C, H, W), and must give a tensor (C, H, W)."
                ) from error

    def normalize(self, images: torch.Tensor) -> torch.Tensor:
        """Pictures (N, C, H, W) in [0, 1] as the network sees them, differentiably and without resizing."""
        mean, std = self._on(images)
        return (images - mean) / std

    def denormalize(self, prepared: torch.Tensor) -> torch.Tensor:
        """The inverse of `normalize`."""
        mean, std = self._on(prepared)
        return prepared * std + mean

    def picture(self, prepared: torch.Tensor) -> npt.NDArray[np.uint8]:
        """A prepared picture (C, H, W) as a person sees it, (H, W, 3) uint8.

        Where the normalisation is unknown and the values leave [0, 1], they are stretched over the range instead.
        """
        values = self.denormalize(prepared.detach().cpu().float()[None])[0]
        if float(values.min()) < -0.01 or float(values.max()) > 1.01:
            values = (values - values.min()) / (values.max() - values.min()).clamp(min=1e-12)
        values = values.expand(3, -1, -1) if len(values) == 1 else values[:3]
        if len(values) != 3:
            values = values[:1].expand(3, -1, -1)
        return (values.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).contiguous().numpy()

    @property
    def size(self) -> tuple[int, int] | None:
        """(H, W) that the transform gives, found by trying it on a grey picture; None if it keeps any size."""
        if self.transform is None:
            return None
        grey = [torch.full((self.channels, height, width), 0.5) for width, height in ((640, 480), (480, 512))]
        shapes = [self(picture).shape[1:] for picture in grey]
        return (int(shapes[0][0]), int(shapes[0][1])) if shapes[0] == shapes[1] else None

    @property
    def takes_tensors(self) -> bool:
        """Whether the transform is known to take float tensors, without rounding."""
        return isinstance(self.transform, ResizeCropNormalize) or hasattr(self.transform, "crop_size")

    def _with_channels(self, image: Decoded) -> Decoded:
        if isinstance(image, Image.Image) and self.channels in (1, 3):
            return image.convert({1: "L"}.get(self.channels, "RGB"))
        if isinstance(image, Image.Image):
            image = _to_tensor(image)
        given = len(image)
        if given == self.channels:
            return image
        if given == 1 and self.channels == 3:
            return image.expand(3, -1, -1)
        if given == 4 and self.channels in (1, 3):
            image, given = image[:3] * image[3:] + (1 - image[3:]), 3
        if given == 3 and self.channels == 1:
            return (image * torch.tensor(GREY).view(3, 1, 1)).sum(0, keepdim=True)
        if given == self.channels:
            return image
        raise BadValue(
            f"The network takes {self.channels} channels; this picture has {given}. Hand over a tensor "
            f"({self.channels}, H, W)."
        )

    def _on(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if images.shape[1] != self.channels:
            raise UnsupportedModel(f"The network takes {self.channels} channels; given: {tuple(images.shape)}.")
        mean, std = (torch.tensor(each, dtype=images.dtype, device=images.device) for each in (self.mean, self.std))
        return mean.view(-1, 1, 1), std.view(-1, 1, 1)


def _normalisation(transform: Any, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and std of the normalisation inside a transform (0 and 1 where there is none)."""
    for part in (transform, *_parts(transform)):
        mean, std = getattr(part, "mean", None), getattr(part, "std", None)
        if isinstance(mean, Iterable) and isinstance(std, Iterable):
            pair = tuple(float(m) for m in mean), tuple(float(s) for s in std)
            if len(pair[0]) == len(pair[1]) == channels:
                return pair
    return (0.0,) * channels, (1.0,) * channels


def _parts(transform: Any) -> list[Any]:
    inner = transform.children() if isinstance(transform, nn.Sequential) else getattr(transform, "transforms", ())
    found = list(inner) if isinstance(inner, Iterable) else []
    return found + [each for part in found for each in _parts(part)]


def _bands(image: Decoded) -> Any:
    return image.getbands() if isinstance(image, Image.Image) else image


def _to_tensor(picture: Image.Image) -> torch.Tensor:
    values = np.asarray(picture, dtype=np.float32) / 255
    return torch.from_numpy(values[None] if values.ndim == 2 else np.ascontiguousarray(values.transpose(2, 0, 1)))


def _to_pillow(image: torch.Tensor) -> Image.Image:
    values = (image.cpu().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    return Image.fromarray(values[:, :, 0] if values.shape[2] == 1 else np.ascontiguousarray(values[:, :, :3]))
