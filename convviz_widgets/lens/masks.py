"""Masks over a picture: what a person painted, as shares of each pixel that are hidden."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.core.errors import BadValue
from convviz_widgets.core.region import Box

WHOLE = 255  # the value of a mask that hides a pixel entirely


def checked_mask(mask: Any, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """A mask as (H, W) uint8, 0 where the picture shows and 255 where it is hidden.

    Example:
        >>> checked_mask([[0.0, 1.0], [0.5, 0.0]], (2, 2)).tolist()
        [[0, 255], [128, 0]]

    Args:
        mask: (H, W) uint8, bool, or float in [0, 1]; or H x W bytes, row by row.
        size: (H, W) of the picture as the network sees it.

    Raises:
        BadValue: it has another size, or values that are no shares.
    """
    if isinstance(mask, bytes | bytearray | memoryview):
        plane = np.frombuffer(bytes(mask), np.uint8)
        if plane.size != size[0] * size[1]:
            raise BadValue(
                f"A mask of {plane.size} bytes does not fit this picture, which the network sees as {size[0]} rows by "
                f"{size[1]} columns. Accepted: {size[0] * size[1]} bytes, row by row."
            )
        return plane.reshape(size)
    plane = np.asarray(mask)
    if plane.shape != size:
        raise BadValue(
            f"A mask of shape {plane.shape} does not fit this picture, which the network sees as {size[0]} rows by "
            f"{size[1]} columns. Accepted: an array of shape {size}; resize the mask first."
        )
    if plane.dtype == np.uint8:
        return np.ascontiguousarray(plane)
    values = plane.astype(np.float64)
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
        raise BadValue(f"A mask of {plane.dtype} must lie in [0, 1], or be uint8 from 0 to {WHOLE}; this one does not.")
    return np.rint(WHOLE * values).astype(np.uint8)


def mixed(prepared: torch.Tensor, other: torch.Tensor, mask: npt.NDArray[np.uint8]) -> torch.Tensor:
    """One picture where the mask is 0, the other where it is 255, both in shares between; of one size."""
    share = torch.from_numpy(mask.astype(np.float32) / WHOLE).to(prepared)
    return torch.where(share == 0, prepared, (1 - share) * prepared + share * other.to(prepared))


def window_of(mask: npt.NDArray[np.uint8]) -> Box | None:
    """The smallest box around all that a mask hides; None where it hides nothing.

    Example:
        >>> window_of(np.array([[0, 0, 0], [0, 9, 1]], np.uint8))
        Box(left=1, top=1, right=3, bottom=2)
    """
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    if not rows.size:
        return None
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
