"""What the places of one axis look like to squares on a grid, told once for all of them.

Squares on a grid change the same rows whatever their columns are. So rows and columns are followed apart: along each
axis every place of a map has the view it had on the clean picture, and some changed views, one for each way in which a
position of the squares can reach it. A cell of the map has changed where both its views have, and cells with the same
two views are equal, whatever the position of the square; they are computed once.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
AXES = 64  # rows or columns of squares whose way through a network is remembered
FEW = 4  # views that share their changed taps, below which they are not worth a matrix product of their own


@dataclass(frozen=True, eq=False)
class Views:
    """The views along one axis, for N positions on an axis of L places.

    Args:
        at: (N, L) number of the view each position has at each place: below L the clean one of the place of that
            number, from L on a changed one.
        places: (P,) place of each changed view.
        sample: (P,) where each changed view can be found in ``at``, flattened.
    """

    at: Ints
    places: Ints
    sample: Ints

    @property
    def length(self) -> int:
        """Places of the axis."""
        return int(self.at.shape[1])

    @property
    def count(self) -> int:
        """Changed views."""
        return len(self.places)

    @cached_property
    def changed(self) -> npt.NDArray[np.bool_]:
        """(N, L) whether a position changes a place."""
        return self.at >= self.length

    @cached_property
    def _known(self) -> dict[Any, Any]:
        return {}

    @classmethod
    def of(cls, low: Ints, high: Ints, length: int) -> "Views":
        """Those of one thing put at places ``low <= place < high`` by each position: it looks alike to all of them.

        Example:
            >>> Views.of(np.array([0, 1]), np.array([2, 3]), 4).at.tolist()
            [[4, 5, 2, 3], [0, 5, 6, 3]]
        """
        places = np.arange(length)
        covered = (places >= low[:, None]) & (places < high[:, None])
        return cls._told(covered, np.broadcast_to(places, covered.shape)[..., None])

    @staticmethod
    @lru_cache(AXES)
    def of_square(low: tuple[int, ...], size: int, length: int) -> "Views":
        """Those of a square; kept for whoever asks next, as they hold all that was found out about the layers behind.

        Example:
            >>> Views.of_square((0, 1), 2, 4) is Views.of_square((0, 1), 2, 4)
            True
        """
        begin = np.array(low)
        return Views.of(begin, begin + size, length)

    @classmethod
    def _told(cls, changed: npt.NDArray[np.bool_], looks: Ints) -> "Views":
        """One view for each distinct look (N, L, any), in the looks' order."""
        count, length = changed.shape
        at = np.broadcast_to(np.arange(length), changed.shape).copy()
        where = np.flatnonzero(changed)
        order, first = _distinct(looks.reshape(count * length, -1)[where])
        number = np.empty_like(order)
        number[order] = np.cumsum(first) - 1
        at.ravel()[where] = length + number
        sample = where[order[first]]
        return cls(at, sample % length, sample)

    def joined(self, other: "Views") -> "Views":
        """The views that tell apart what either tells apart."""
        if other is self:
            return self
        key = ("joined", id(other))
        if key not in self._known:
            looks = np.stack([self.at, other.at], -1)
            found = self._told(self.changed | other.changed, looks)
            same = next((each for each in (self, other) if np.array_equal(each.at, found.at)), found)
            self._known[key] = (same, other)  # the other is kept, so that no newer one takes its identity
        kept: Views = self._known[key][0]
        return kept

    def seen_as(self, other: "Views") -> Ints:
        """(P,) the view that a coarser one of the same axis has where this one has its changed views."""
        return other.at.ravel()[self.sample]

    def moved(self, by: int, length: int) -> "Views":
        """The same on an axis that was made longer by so many places before it."""
        key = ("moved", by, length)
        if key not in self._known:
            at = np.broadcast_to(np.arange(length), (len(self.at), length)).copy()
            part = self.at + (length - self.length)
            at[:, by : by + self.length] = np.where(self.changed, part, at[:, by : by + self.length])
            rows, columns = np.divmod(self.sample, self.length)
            self._known[key] = Views(at, self.places + by, rows * length + columns + by)
        kept: Views = self._known[key]
        return kept

    def slid(self, *, kernel: int, stride: int, padding: int, dilation: int, length: int) -> "Slide":
        """What a sliding window hands on, on an axis of another length."""
        key = ("slid", kernel, stride, padding, dilation, length)
        if key not in self._known:
            places = np.arange(length)[:, None] * stride - padding + np.arange(kernel) * dilation
            self._known[key] = self._seen(places)
        kept: Slide = self._known[key]
        return kept

    def _seen(self, places: Ints) -> "Slide":
        """The views of windows over these places (L after, taps), of which those beyond the edge see nothing."""
        count, kernel = len(self.at), places.shape[1]
        beyond = np.full((count, 1), self.length + self.count)
        padded = np.concatenate([self.at, beyond], 1)
        taps = padded[:, np.where((places < 0) | (places >= self.length), self.length, places)]
        hit = (taps >= self.length) & (taps < beyond[0, 0])
        any_hit = hit.any(-1)
        first, last = hit.argmax(-1), kernel - 1 - hit[..., ::-1].argmax(-1)
        pattern = np.where(any_hit, first * kernel + last, 0)
        counts = np.bincount(pattern[any_hit], minlength=kernel * kernel)
        pattern = np.where(counts[pattern] < FEW, kernel - 1, pattern)
        after = self._told(any_hit, np.concatenate([pattern[..., None], taps], -1))
        return Slide.of(after, taps.reshape(-1, kernel)[after.sample], self.length, pattern.ravel()[after.sample])


@dataclass(frozen=True)
class Group:
    """Changed views ``start <= number < stop`` of which only taps ``first <= tap < last`` see something changed."""

    start: int
    stop: int
    first: int
    last: int


@dataclass(frozen=True, eq=False)
class Slide:
    """What a sliding window sees along one axis.

    Args:
        after: the views of its outputs.
        taps: (P, kernel) numbers of the views before it that each changed output sees; one more than the last changed
            one where it looks beyond the edge.
        length: places of the axis before it, where the numbers of changed views begin.
        groups: of the changed outputs by their changed taps.
    """

    after: Views
    taps: Ints
    length: int
    groups: tuple[Group, ...]

    @classmethod
    def of(cls, after: Views, taps: Ints, length: int, pattern: Ints) -> "Slide":
        """The outputs come in the order of their patterns, each first tap times kernel plus last tap."""
        edges = [0, *(np.flatnonzero(np.diff(pattern)) + 1).tolist(), len(pattern)] if len(pattern) else [0]
        pairs = [divmod(int(pattern[start]), taps.shape[1]) for start in edges[:-1]]
        groups = [
            Group(start, stop, first, last + 1)
            for start, stop, (first, last) in zip(edges, edges[1:], pairs, strict=False)
        ]
        return cls(after, taps, length, tuple(groups))


def _distinct(rows: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """The order that sorts rows (n, any), and which of them in that order differ from the one before."""
    order = np.lexsort(rows.T[::-1])
    ordered = rows[order]
    first = np.ones(len(rows), dtype=bool)
    first[1:] = (ordered[1:] != ordered[:-1]).any(1)
    return order, first
