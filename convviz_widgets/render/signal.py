"""Signed numbers over a picture's channels, such as a gradient, as a picture: grey is zero."""

import numpy as np
import numpy.typing as npt

from convviz_widgets.render.encode import Bytes

REACH = 0.995  # quantile of the non-zero magnitudes that becomes full colour: a few peaks would leave the rest grey


def signal_picture(signal: npt.ArrayLike, *, reach: float | None = None) -> Bytes:
    """A signal at the picture, colour by colour: grey where it is zero, brighter above, darker below.

    Example:
        >>> signal_picture([[[0.0, 2.0, -2.0]]], reach=2.0)[0, :, 0].tolist()
        [128, 255, 0]

    Args:
        signal: (C, H, W); three channels are red, green and blue, of any other number the mean is shown.
        reach: the magnitude of full colour; by default the 99.5th percentile of those that are not zero.

    Returns:
        (H, W, 3) uint8.
    """
    values = np.asarray(signal, dtype=np.float64)
    values = values if len(values) == 3 else np.repeat(values.mean(axis=0, keepdims=True), 3, axis=0)
    reach = reach_of(values) if reach is None else reach
    shares = np.clip(values / reach, -1, 1) if reach > 0 else np.zeros_like(values)
    levels = np.where(shares < 0, 128 + shares * 128, 128 + shares * 127)
    picture: Bytes = np.rint(np.moveaxis(levels, 0, -1)).astype(np.uint8)
    return picture


def reach_of(signal: npt.ArrayLike) -> float:
    """The magnitude that `signal_picture` shows in full colour by default; 0 of a signal that is zero everywhere."""
    magnitudes = np.abs(np.asarray(signal, dtype=np.float64))
    seen = magnitudes[np.isfinite(magnitudes) & (magnitudes > 0)]
    return float(np.quantile(seen, REACH)) if seen.size else 0.0
