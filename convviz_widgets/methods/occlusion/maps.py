"""The three maps of a sliding square while they are being filled, coarse positions first."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

COARSEST = 8  # every eighth position of every eighth row comes first

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass
class Maps:
    """Three maps over a grid of positions, as far as they are known.

    Example:
        >>> maps = Maps.empty(3, 3, 0.5, 2.0)
        >>> maps.note(np.array([[0, 0]]), [0.25], [1.0], [7])
        >>> maps.so_far().probability.tolist()[2], int(maps.known.sum())
        ([0.25, 0.25, 0.25], 1)

    Args:
        probability: (rows, columns) of the class that is followed.
        total_activation: (rows, columns) sum of the feature map.
        top_class: (rows, columns) index of the most probable class.
        known: (rows, columns) whether a position was looked at.
        clean_probability: of the class, without a square.
        clean_activation: sum of the feature map, without a square.
    """

    probability: Floats
    total_activation: Floats
    top_class: Ints
    known: npt.NDArray[np.bool_]
    clean_probability: float
    clean_activation: float

    @classmethod
    def empty(cls, rows: int, columns: int, clean_probability: float, clean_activation: float) -> "Maps":
        """Maps of which nothing is known yet."""
        nothing = np.full((rows, columns), np.nan, dtype=np.float32)
        known = np.zeros((rows, columns), dtype=bool)
        return cls(nothing, nothing.copy(), np.full(known.shape, -1), known, clean_probability, clean_activation)

    def note(self, places: Ints, probability: Any, total_activation: Any, top_class: Any) -> None:
        """Enters what was found at places (n, 2): row and column."""
        where = (places[:, 0], places[:, 1])
        self.probability[where] = probability
        self.total_activation[where] = total_activation
        self.top_class[where] = top_class
        self.known[where] = True

    def so_far(self) -> "Maps":
        """A copy in which positions that were not looked at show the nearest one that was, above and to the left."""
        rows, columns = (np.asarray(each, dtype=np.int64) for each in np.indices(self.known.shape))
        known, step = self.known, 1
        while not known.all() and step < COARSEST:
            step *= 2
            rows = np.where(known, rows, rows // step * step)
            columns = np.where(known, columns, columns // step * step)
            known = self.known[rows, columns]
        shown = {each: getattr(self, each)[rows, columns] for each in ("probability", "total_activation", "top_class")}
        return replace(self, **shown, known=self.known.copy())


def coarse_to_fine(rows: int, columns: int, most: int) -> Iterator[Ints]:
    """Places of a grid, (n, 2), at most so many at a time: every eighth in every eighth row first, then those between.

    Example:
        >>> [len(places) for places in coarse_to_fine(3, 3, 4)]
        [1, 3, 4, 1]
    """
    grid = np.stack(np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"), -1).reshape(-1, 2)
    level = np.full(len(grid), COARSEST)
    while (off := ((grid % level[:, None]) != 0).any(1)).any():
        level[off] //= 2
    for step in sorted(set(level.tolist()), reverse=True):
        part = grid[level == step]
        for start in range(0, len(part), most):
            yield part[start : start + most]
