"""Signals and maps as one byte per value for the browser, which sets their contrast itself.

The bytes are finer near zero than far from it (they hold the square root), so that a weak signal is still one of many
shades when its contrast is raised eightfold.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from convviz_widgets.render.signal import reach_of

ZERO = 128  # the byte of zero in a signed code
SIDES = 127  # steps to either side of it


def signal_codes(signal: npt.ArrayLike) -> dict[str, Any]:
    """A signal with its signs; byte c stands for ``high * t |t|`` where ``t = (c - 128) / 127``.

    Example:
        >>> list(signal_codes([[[0.0, 2.0, -2.0, 0.5]]])["codes"][::3])
        [128, 255, 1, 192]

    Args:
        signal: (C, H, W); three channels are red, green and blue, of any other number the mean is shown.

    Returns:
        {"shape": [H, W], "codes": H x W x 3 bytes, "high": the largest magnitude, "reach": that of full colour}.
    """
    values = np.asarray(signal, dtype=np.float64)
    values = values if len(values) == 3 else np.repeat(values.mean(axis=0, keepdims=True), 3, axis=0)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    high = float(np.abs(values).max(initial=0.0))
    roots = np.sign(values) * np.sqrt(np.abs(values) / (high or 1.0))
    codes = np.rint(ZERO + SIDES * np.moveaxis(roots, 0, -1)).astype(np.uint8)
    return {"shape": list(values.shape[1:]), "codes": codes.tobytes(), "high": high, "reach": reach_of(values)}


def map_codes(values: npt.ArrayLike) -> dict[str, Any]:
    """A map without negative values; byte c stands for ``high * (c / 255)**2``.

    Example:
        >>> list(map_codes([[0.0, 1.0, 4.0]])["codes"])
        [0, 128, 255]

    Args:
        values: (H, W); what is negative or not finite counts as zero.

    Returns:
        {"shape": [H, W], "codes": H x W bytes, "high": the largest value}.
    """
    array = np.nan_to_num(np.asarray(values, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0).clip(min=0)
    high = float(array.max(initial=0.0))
    codes = np.rint(255 * np.sqrt(array / (high or 1.0))).astype(np.uint8)
    return {"shape": list(array.shape), "codes": codes.tobytes(), "high": high}


def shrunk(signal: npt.NDArray[np.float32], side: int) -> npt.NDArray[np.float32]:
    """A signal (C, H, W) of at most this side: the means of squares of pixels."""
    step = max(1, -(-max(signal.shape[1:]) // side))
    if step == 1:
        return signal
    channels, height, width = signal.shape[0], signal.shape[1] // step, signal.shape[2] // step
    cut = signal[:, : height * step, : width * step].reshape(channels, height, step, width, step)
    return np.asarray(cut.mean((2, 4)), dtype=np.float32)
