"""The three maps of a sliding square while they are being filled, coarse positions first."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

COARSE = (8, 4, 1)  # every eighth position of every eighth row comes first; each step is a multiple of the next

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
        """Enters what was found at places (n, 2), row and column; what is known already stays as it was told."""
        new = ~self.known[places[:, 0], places[:, 1]]
        where = tuple(places[new].T)
        self.probability[where] = np.asarray(probability)[new]
        self.total_activation[where] = np.asarray(total_activation)[new]
        self.top_class[where] = np.asarray(top_class)[new]
        self.known[where] = True

    def so_far(self) -> "Maps":
        """A copy in which positions that were not looked at show the nearest one that was, above and to the left."""
        rows, columns = (np.asarray(each, dtype=np.int64) for each in np.indices(self.known.shape))
        known, step = self.known, 1
        while not known.all() and step < COARSE[0]:
            step *= 2
            rows = np.where(known, rows, rows // step * step)
            columns = np.where(known, columns, columns // step * step)
            known = self.known[rows, columns]
        shown = {each: getattr(self, each)[rows, columns] for each in ("probability", "total_activation", "top_class")}
        return replace(self, **shown, known=self.known.copy())


def coarse_to_fine(rows: int, columns: int, room: Callable[[], int]) -> Iterator[tuple[Ints, Ints]]:
    """Rows and columns of a grid whose positions come next: coarse grids first, then bands of what is between.

    Where whole rows fit into the memory, they follow the coarsest grid: neighbours share so much of what they reach
    that to leave out the positions that are known would take longer.

    Example:
        >>> [(rows.tolist(), columns.tolist()) for rows, columns in coarse_to_fine(2, 3, lambda: 2)]
        [([0], [0]), ([0], [1, 2]), ([1], [0, 1]), ([1], [2])]
        >>> [(rows.tolist(), columns.tolist()) for rows, columns in coarse_to_fine(2, 3, lambda: 4)]
        [([0], [0]), ([0], [0, 1, 2]), ([1], [0, 1, 2])]

    Args:
        rows: of the grid.
        columns: of the grid.
        room: how many positions fit into the memory; asked before each band.
    """
    below, beside = np.arange(rows), np.arange(columns)
    coarser = below[:0], beside[:0]
    for step in COARSE:
        chosen = below[::step], beside[::step]
        if coarser[0].size and room() >= columns:
            yield from in_bands(rows, columns, room)
            return
        between = np.setdiff1d(chosen[0], coarser[0])
        yield from _bands(np.intersect1d(chosen[0], coarser[0]), np.setdiff1d(chosen[1], coarser[1]), room)
        yield from _bands(between, chosen[1], room)
        coarser = chosen


def in_bands(rows: int, columns: int, room: Callable[[], int]) -> Iterator[tuple[Ints, Ints]]:
    """Rows and columns of a grid whose positions come next, from the first row to the last; see `coarse_to_fine`.

    Example:
        >>> [(rows.tolist(), columns.tolist()) for rows, columns in in_bands(4, 2, lambda: 7)]
        [([0, 1], [0, 1]), ([2, 3], [0, 1])]
    """
    return _bands(np.arange(rows), np.arange(columns), room)


def _bands(below: Ints, beside: Ints, room: Callable[[], int]) -> Iterator[tuple[Ints, Ints]]:
    """Whole rows of positions at a time, in bands much alike; parts of a row where not even that fits."""
    while below.size and beside.size:
        fit = max(1, room())
        if fit >= beside.size:
            band = _share(below, fit // beside.size)
            yield band, beside
            below = below[band.size :]
        else:
            yield from ((below[:1], part) for part in np.array_split(beside, -(-beside.size // fit)))
            below = below[1:]


def _share(places: Ints, most: int) -> Ints:
    """The first of as few parts, much alike, as hold no more than this."""
    return np.array_split(places, -(-places.size // most))[0]
