"""How early the units of a layer settle: the cosine of their projections at different moments of a training.

With ``p_e`` the projection of a unit's strongest activation at epoch e, as one long vector in the frame of what its
neuron sees, and L the last snapshot:

    to_last(e) = <p_e, p_L> / (|p_e| |p_L|)          between(e) = <p_e, p_e'> / (|p_e| |p_e'|)

with e' the snapshot after e; a layer's figure is the mean over its units. It has settled at the first epoch from which
on ``to_last`` stays at 0.9 or above. A unit that sends nothing down at one of two moments has nothing in common with
itself (0); one that does at neither is left out.

Source: that lower layers converge within a few epochs and upper ones after many is read off pictures in Zeiler & Fergus
2013, section 4, "Feature Evolution during Training", and figure 4; the cosine puts a number on it and is ours.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
THRESHOLD = 0.9


@dataclass(frozen=True, eq=False)
class Settling:
    """How one layer settles, over E snapshots of U units.

    Args:
        epochs: (E,).
        units_to_last: (U, E) cosine of each unit's projection to its last one; NaN where both are empty.
        units_between: (U, E - 1) cosine between one snapshot and the next.
        same: (U, E) whether the strongest picture is that of the last snapshot.
        jumped: (E - 1,) share of units whose strongest picture is another one at the next snapshot.
    """

    epochs: npt.NDArray[np.int64]
    units_to_last: Floats
    units_between: Floats
    same: npt.NDArray[np.bool_]
    jumped: Floats

    @property
    def to_last(self) -> Floats:
        """(E,) the mean over the units; NaN where none sends anything down."""
        return mean_over_units(self.units_to_last)

    @property
    def stayed(self) -> Floats:
        """(E,) the mean to the last over the units whose strongest picture is the last's already; NaN where none's is.

        It leaves out what a jump to another picture changes, and with it the units that jump.
        """
        return mean_over_units(np.where(self.same, self.units_to_last, np.nan))

    @property
    def between(self) -> Floats:
        """(E - 1,) the mean over the units."""
        return mean_over_units(self.units_between)

    def settled(self, threshold: float = THRESHOLD) -> int | None:
        """The first epoch from which on the mean cosine to the last snapshot is never below a threshold.

        Returns:
            The epoch; None where only the last snapshot itself, or none, qualifies: the layer has not settled before.
        """
        low = ~(self.to_last >= threshold)
        first = int(np.flatnonzero(low)[-1]) + 1 if low.any() else 0
        return int(self.epochs[first]) if first < len(self.epochs) - 1 else None

    def __repr__(self) -> str:
        told = ", ".join(f"{epoch}: {value:.2f}" for epoch, value in zip(self.epochs, self.to_last, strict=True))
        settled = self.settled()
        return f"Settling({'not before the end' if settled is None else f'epoch {settled}'}; to the last: {told})"


def settling_of(
    epochs: npt.NDArray[np.int64], signal: npt.NDArray[np.int8], strongest: npt.NDArray[np.int64]
) -> Settling:
    """Reads off how a layer settles.

    Example:
        >>> signal = np.array([[[1, 0]], [[1, 1]], [[0, 1]]], dtype=np.int8)
        >>> settling_of(np.array([1, 2, 5]), signal, np.array([[4], [4], [7]])).to_last.round(3).tolist()
        [0.0, 0.707, 1.0]

    Args:
        epochs: (E,).
        signal: (E, U, ...) projections, each up to a factor above zero of its own.
        strongest: (E, U) which picture excites each unit most.
    """
    vectors = signal.reshape(*signal.shape[:2], -1).astype(np.float64)
    return Settling(
        epochs=epochs,
        units_to_last=cosines(vectors, vectors[-1:]).T,
        units_between=cosines(vectors[:-1], vectors[1:]).T,
        same=(strongest == strongest[-1:]).T,
        jumped=(strongest[:-1] != strongest[1:]).mean(axis=1),
    )


def cosines(one: Floats, other: Floats) -> Floats:
    """Cosines of vectors along the last axis: 0 where one of two is empty, NaN where both are."""
    norms = np.linalg.norm(one, axis=-1), np.linalg.norm(other, axis=-1)
    product = norms[0] * norms[1]
    neither = (norms[0] == 0) & (norms[1] == 0)
    found = np.where(product > 0, (one * other).sum(-1) / np.where(product > 0, product, 1), 0.0)
    return np.where(neither, np.nan, found)


def mean_over_units(values: Floats) -> Floats:
    """The mean of (U, n) over U without those that are NaN; NaN where there is none."""
    known = ~np.isnan(values)
    total = np.where(known, values, 0).sum(axis=0)
    return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)
