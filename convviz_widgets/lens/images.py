"""Pictures in: paths, Pillow images, arrays, tensors and dataset samples, each decoded to one of two plain forms."""

import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from convviz_widgets.core.errors import BadType, BadValue, MissingFile

Decoded = Image.Image | torch.Tensor
"""A picture as Pillow has it (mode RGB or L), or a float tensor (C, H, W)."""

_UNREADABLE = (
    *(UnidentifiedImageError, OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError),
    *(OverflowError, AttributeError, RuntimeError, struct.error, zlib.error),
)
"""What Pillow's readers raise on files that are cut off or garbled."""
ACCEPTED = (
    "Accepted: a path, a Pillow image, a numpy array (H, W) or (H, W, C) of uint8, uint16 or float in [0, 1], a torch "
    "tensor (C, H, W) of uint8 or float, an object with an `.image`, or a list of these."
)


def each_image(images: Any) -> Iterator[Any]:
    """The single pictures in what a user gave: one picture, a batch array or tensor, or any iterable of pictures.

    Raises:
        BadType: it is none of these.
    """
    if isinstance(images, torch.Tensor | np.ndarray) and images.ndim == 4:
        yield from images
    elif is_single(images):
        yield images
    elif isinstance(images, Iterable):
        yield from images
    elif hasattr(images, "__getitem__") and hasattr(images, "__len__"):
        yield from (images[index] for index in range(len(images)))
    else:
        raise BadType(f"{type(images).__name__} is not a picture. {ACCEPTED}")


def is_single(images: Any) -> bool:
    """Whether this is one picture, not a collection of them."""
    return isinstance(images, str | bytes | os.PathLike | Image.Image | torch.Tensor | np.ndarray) or hasattr(
        images, "image"
    )


def decode(image: Any, *, strict: bool = True, channels: int = 3) -> Decoded:
    """One picture, upright, without transparency, as Pillow RGB or L, or as a float tensor (C, H, W).

    Args:
        image: see `ACCEPTED`.
        strict: whether float values outside [0, 1] are refused; a network without preprocessing takes any.
        channels: how many the network takes; a fourth channel is transparency unless it takes four.

    Raises:
        BadType, BadValue: it cannot be a picture.
        MissingFile: the path does not exist.
    """
    if hasattr(image, "image") and not isinstance(image, Image.Image):
        image = image.image
    if isinstance(image, str | os.PathLike):
        return _from_path(os.fspath(image))
    if isinstance(image, Image.Image):
        return _from_pillow(image)
    if isinstance(image, np.ndarray):
        image = _to_tensor(image)
    if isinstance(image, torch.Tensor):
        image = image.detach().cpu()
        if image.dtype == torch.uint8 and image.ndim == 3 and image.numel() and _is_colour(len(image), channels):
            return _from_pillow(_to_pillow(image))
        return _from_tensor(image, strict=strict)
    raise BadType(f"{type(image).__name__} is not a picture. {ACCEPTED}")


def _is_colour(given: int, channels: int) -> bool:
    """Whether so many channels are grey, colour, or colour with transparency for this network."""
    return given in (1, 3) or (given == 4 and channels != 4)


def _from_path(path: str) -> Image.Image:
    if not os.path.exists(path):
        raise MissingFile(f"There is no picture {path!r}. Check the name; relative paths start at {os.getcwd()!r}.")
    if os.path.isdir(path):
        raise BadValue(f"{path!r} is a folder. Hand over ImageFolder({path!r}), or a list of its files.")
    try:
        with Image.open(path) as picture:
            return _from_pillow(picture)
    except BadValue as error:
        raise BadValue(f"{path!r}: {error}") from error
    except _UNREADABLE as error:
        raise BadValue(
            f"{path!r} cannot be read as a picture: {error}. Open it in a viewer, or leave it out."
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadValue(f"{path!r} is too large a picture: {error} Scale it down first.") from error


def _from_pillow(picture: Image.Image) -> Image.Image:
    picture = ImageOps.exif_transpose(picture)
    if 0 in picture.size:
        raise BadValue(f"The picture has no pixels: its size is {picture.size}.")
    if picture.mode in ("I", "F") or picture.mode.startswith("I;"):
        return _deep_grey(picture)
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    try:
        return picture.convert("L" if picture.mode in ("1", "L") else "RGB")
    except ValueError as error:
        raise BadValue(f"A picture of mode {picture.mode} cannot be turned into RGB: {error}.") from error


def _deep_grey(picture: Image.Image) -> Image.Image:
    """Sixteen-bit and float grey, scaled to eight bits rather than clipped, as Pillow would."""
    values = np.asarray(picture, dtype=np.float64)
    whole = {"F": 1.0}.get(picture.mode, 65535.0 if picture.mode != "I" or values.max() > 255 else 255.0)
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > whole:
        raise BadValue(f"A picture of mode {picture.mode} must lie in [0, {whole:g}]; it has {_range(values)}.")
    return Image.fromarray(np.round(values / whole * 255).astype(np.uint8))


def _to_tensor(array: npt.NDArray[Any]) -> torch.Tensor:
    """An array (H, W) or (H, W, C) as a tensor (C, H, W), of the same values where they are uint8 or float."""
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or 0 in array.shape:
        raise BadValue(f"An array of shape {array.shape} is not a picture. {ACCEPTED}")
    if array.shape[2] not in (1, 3, 4) and array.shape[0] in (1, 3, 4):
        raise BadValue(f"An array of shape {array.shape} has its channels first; a numpy picture is (H, W, C).")
    if array.dtype == np.uint16:
        array = array.astype(np.float32) / 65535
    elif array.dtype == bool:
        array = array.astype(np.float32)
    elif array.dtype.kind not in "fiu":
        raise BadType(f"An array of {array.dtype} is not a picture. {ACCEPTED}")
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    return torch.from_numpy(np.ascontiguousarray(native.transpose(2, 0, 1)).copy())


def _to_pillow(image: torch.Tensor) -> Image.Image:
    values = image.permute(1, 2, 0).contiguous().numpy()
    return Image.fromarray(values[:, :, 0] if values.shape[2] == 1 else values)


def _from_tensor(tensor: torch.Tensor, *, strict: bool) -> torch.Tensor:
    if tensor.ndim == 2:
        tensor = tensor[None]
    if tensor.ndim != 3 or 0 in tensor.shape:
        raise BadValue(f"A tensor of shape {tuple(tensor.shape)} is not a picture (C, H, W). {ACCEPTED}")
    if tensor.dtype == torch.uint8:
        tensor = tensor.float() / 255
    if not tensor.is_floating_point():
        raise BadType(f"A picture of {tensor.dtype} could mean any range; give uint8, or float in [0, 1].")
    tensor = tensor.float()
    if not bool(tensor.sum().isfinite()) and not bool(tensor.isfinite().all()):  # a sum is quick, and may overflow
        raise BadValue("The picture holds NaN or infinite values. Check what was computed before it.")
    if strict and (float(tensor.min()) < 0 or float(tensor.max()) > 1):
        raise BadValue(
            f"A float picture must lie in [0, 1]; this one has {_range(tensor)}. Divide by 255 if it is 0 to 255; "
            "a batch that is already normalised goes to `lens.record`."
        )
    return tensor


def _range(values: Any) -> str:
    return f"values from {float(values.min()):.4g} to {float(values.max()):.4g}"
