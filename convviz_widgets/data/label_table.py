"""From the values that stand in a label map to the ids of concepts."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from convviz_widgets.core.errors import BadLabel

NAMED_AT_MOST = 6
"""How many unknown values an error lists."""
_DIRECT = 1 << 16  # values below it, which colours are not, are looked up in a table of all of them


class LabelTable:
    """Which value of a label map stands for which concept.

    Example:
        >>> LabelTable({0: 1, 7: 2, 255: 0}).ids(np.array([[0, 7], [255, 0]]), "a.png").tolist()
        [[1, 2], [0, 1]]

    Args:
        ids: value to concept id; 0 is no label.
    """

    def __init__(self, ids: Mapping[int, int]) -> None:
        order = sorted(ids)
        self._values = np.array(order, dtype=np.int64)
        self._ids = np.array([ids[value] for value in order], dtype=np.int32)
        self._direct = np.full(order[-1] + 2 if order[-1] < _DIRECT else 0, -1, dtype=np.int32)
        if len(self._direct):
            self._direct[self._values] = self._ids

    def ids(
        self, values: npt.NDArray[Any], name: str, hint: str = "", *, colours: bool = False
    ) -> npt.NDArray[np.int32]:
        """The concept ids of a map's values.

        Args:
            values: of any shape, whole numbers.
            name: of the map, for the error.
            hint: what to do about unknown values, for the error.
            colours: whether the values are colours, for the error.

        Raises:
            BadLabel: values that stand for nothing, all of them told.
        """
        found = self._look_up(values)
        if found.min(initial=0) < 0:
            raise unknown_labels(values[found < 0], name, hint, colours=colours)
        return found

    def _look_up(self, values: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
        """The ids of values, -1 for those that stand for nothing."""
        if len(self._direct) and values.min(initial=0) >= 0:
            direct: npt.NDArray[np.int32] = self._direct.take(values, mode="clip")  # what is too large falls on a -1
            return direct
        places = np.searchsorted(self._values, values).clip(max=len(self._values) - 1)
        return np.where(self._values[places] == values, self._ids[places], np.int32(-1))


def unknown_labels(values: npt.NDArray[Any], name: str, hint: str, *, colours: bool = False) -> BadLabel:
    """The error for values that stand for nothing: which they are, and how many pixels have them, most first."""
    unknown, counts = np.unique(values, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:NAMED_AT_MOST]
    shown = [f"{unpacked(int(unknown[each])) if colours else int(unknown[each])} ({counts[each]} px)" for each in order]
    more = f" and {len(unknown) - len(shown)} more" if len(unknown) > len(shown) else ""
    return BadLabel("unknown label", f"{name} holds labels that stand for nothing: {', '.join(shown)}{more}. {hint}")


def packed(colour: Iterable[int]) -> int:
    """A colour (R, G, B) as one number."""
    red, green, blue = colour
    return (red << 16) | (green << 8) | blue


def unpacked(number: int) -> tuple[int, int, int]:
    """The colour (R, G, B) that `packed` made a number of."""
    return number >> 16, number >> 8 & 255, number & 255


def packed_map(colours: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
    """A map of colours (h, w, 3) as numbers (h, w), as `packed` makes them."""
    wide = colours.astype(np.int32)
    return (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]
