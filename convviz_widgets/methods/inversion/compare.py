"""How far a picture that was told again is from the picture itself: in its pixels, its colours, and its places."""

import torch
from torch.nn import functional

from convviz_widgets.core.errors import BadValue
from convviz_widgets.lens.preprocess import GREY

RIM = 16  # the outline counts as part of an object: so many times its width fit into the picture's side
WINDOW = 4  # objects are looked for within a side divided by this, each way
TIE = 1e-4  # correlations that are this close are taken for equal


def pixel_error(told: torch.Tensor, picture: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of pictures (N, C, H, W) in [0, 1], (N,)."""
    return (told - picture).abs().mean((1, 2, 3))


def colour_error(told: torch.Tensor, picture: torch.Tensor) -> torch.Tensor:
    """The same of the colours without their brightness, ``x - luma(x)``, (N,); 0 for pictures of one channel."""
    return pixel_error(_chroma(told), _chroma(picture))


def position_error(told: torch.Tensor, picture: torch.Tensor, mask: torch.Tensor) -> float:
    """How far from its place an object is told, in pixels.

    The part of the picture inside the mask, with its outline, is looked for in what was told: where, within a quarter
    of the side each way, the correlation of all its values is largest, there it is. Where several places are equally
    good, as in a grey picture, their mean distance counts, so that what is not told at all counts as told by chance.

    Example:
        >>> picture = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
        >>> mask = torch.zeros(32, 32).index_fill(0, torch.arange(10, 20), 1.0)
        >>> position_error(picture.roll((3, 4), (1, 2)), picture, mask)
        5.0

    Args:
        told: (C, H, W), what was told.
        picture: (C, H, W), the picture itself.
        mask: (H, W), other than 0 where the object is.

    Raises:
        BadValue: an empty mask, or one of another size.
    """
    if mask.shape != picture.shape[1:] or not bool((mask != 0).any()):
        raise BadValue(
            f"The mask of an object has shape {tuple(mask.shape)} and {int((mask != 0).sum())} pixels. Accepted: "
            f"{tuple(picture.shape[1:])}, at least one pixel."
        )
    scores, reach = _scores(told, picture, mask)
    rows, columns = torch.meshgrid(
        *(torch.arange(-each, each + 1.0, device=told.device) for each in reach), indexing="ij"
    )
    best = scores >= scores.max() - TIE
    return float((rows.square() + columns.square()).sqrt()[best].mean())


def _scores(told: torch.Tensor, picture: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, tuple[int, int]]:
    """Correlation of the object with what was told at each shift, and how far (down, across) shifts go each way."""
    height, width = mask.shape
    rim = max(1, min(height, width) // RIM)
    inside = (mask != 0).to(picture)
    inside = functional.max_pool2d(inside[None], 2 * rim + 1, stride=1, padding=rim)[0]
    reach = (max(1, height // WINDOW), max(1, width // WINDOW))
    framed = functional.pad(told[None], (reach[1], reach[1], reach[0], reach[0]), mode="replicate")
    object_ = (picture - (picture * inside).sum((1, 2), keepdim=True) / inside.sum()) * inside
    together = functional.conv2d(framed, object_[None])[0, 0]
    window = inside.expand(1, len(picture), -1, -1)
    squares = functional.conv2d(framed.square(), window)[0, 0]
    each = functional.conv2d(framed, inside.expand(len(picture), 1, -1, -1), groups=len(picture))[0]
    spread = (squares - (each.square() / inside.sum()).sum(0)).clamp(min=0).sqrt()
    size = object_.norm()
    flat = spread < 1e-3 * inside.sum().sqrt()
    return torch.where(flat, torch.zeros_like(together), together / (spread * size).clamp(min=1e-9)), reach


def _chroma(pictures: torch.Tensor) -> torch.Tensor:
    if pictures.shape[1] != 3:
        return torch.zeros_like(pictures)
    weights = torch.tensor(GREY, dtype=pictures.dtype, device=pictures.device).view(3, 1, 1)
    return pictures - (pictures * weights).sum(1, keepdim=True)
