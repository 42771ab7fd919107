"""Whether some occluders agree more with each other than others of the same size do: a test by permutation.

Each of N pictures was hidden at 1 + R places, the first of which is the part. Under the null hypothesis the part is a
place like any other, so that every way to name one place per picture "the part" is as likely: (1 + R)^N assignments.
The p-value is the share of them whose mean distance over pairs of pictures is no larger than that of the real one.
"""

from itertools import combinations, product
from typing import Literal

import numpy as np
import numpy.typing as npt

from convviz_widgets.core.errors import BadValue

EXACT = 20_000  # assignments, of which all are tried; of more, as many as
SAMPLES = 10_000  # are drawn
TIES = 1e-12  # two means as near as that are equal: they are sums of the same numbers in another order

CHUNK = 1 << 16  # features at once: float32 counts exactly to 2^24

Zeros = Literal["count", "ignore"]
Floats = npt.NDArray[np.float64]


def hamming(signs: npt.NDArray[np.int8], zeros: Zeros = "count") -> Floats:
    """The share of places at which two vectors of signs differ, for every two: (V, V).

    A sign is -1, 0 or 1, and 0 differs from both others.

    Example:
        >>> signs = np.array([[1, 0, -1, 0], [1, 0, 1, -1]], np.int8)
        >>> hamming(signs)[0].tolist(), hamming(signs, "ignore")[0].round(3).tolist()
        ([0.0, 0.5], [0.0, 0.667])

    Args:
        signs: (V, D), one vector per row.
        zeros: "count" for the share of all D places; "ignore" for that of the places where not both are 0, which is 1
            where there are none: two occluders that change nothing have nothing in common.

    Raises:
        BadValue: vectors of length 0.
    """
    count, length = signs.shape
    if not length:
        raise BadValue("Vectors without features cannot be compared. Accepted: one feature or more.")
    same, both = np.zeros((count, count)), np.zeros((count, count))
    moved = np.count_nonzero(signs, axis=1).astype(np.float64)
    for start in range(0, length, CHUNK):
        part = signs[:, start : start + CHUNK].astype(np.float32)
        size = np.abs(part)
        neither_zero = size @ size.T
        both += neither_zero
        same += (part @ part.T + neither_zero) / 2
    either = moved[:, None] + moved[None] - both
    if zeros == "count":
        return np.asarray((either - same) / length, dtype=np.float64)
    shares = np.where(either > 0, (either - same) / np.maximum(either, 1), 1.0)
    np.fill_diagonal(shares, 0.0)
    return shares


def pairs_mean(distances: Floats, chosen: npt.NDArray[np.intp]) -> Floats:
    """The mean distance over pairs of pictures, (S,), for S assignments.

    Example:
        >>> distances = np.array([[0.0, 0.5], [0.5, 0.0]]).reshape(2, 1, 2, 1)
        >>> pairs_mean(distances, np.zeros((1, 2), int)).tolist()
        [0.5]

    Args:
        distances: (N, 1 + R, N, 1 + R).
        chosen: (S, N), which place of each picture.
    """
    pairs = list(combinations(range(distances.shape[0]), 2))
    total = np.zeros(len(chosen))
    for one, other in pairs:
        total += distances[one, chosen[:, one], other, chosen[:, other]]
    return total / len(pairs)


def p_value(distances: Floats, generator: np.random.Generator) -> tuple[float, bool]:
    """How likely an assignment of places is to agree as much as the real one, if the part is a place like any other.

    Example:
        >>> distances = np.ones((2, 3, 2, 3))
        >>> distances[0, 0, 1, 0] = distances[1, 0, 0, 0] = 0.5
        >>> p_value(distances, np.random.default_rng(0))
        (0.1111111111111111, True)

    Args:
        distances: (N, 1 + R, N, 1 + R); the place 0 of each picture is the part.
        generator: of the assignments that are drawn where there are too many.

    Returns:
        The p-value, and whether all assignments were tried. The real one counts among those drawn.
    """
    count, choices = distances.shape[:2]
    real = float(pairs_mean(distances, np.zeros((1, count), dtype=np.intp))[0])
    if choices**count <= EXACT:
        every = np.array(list(product(range(choices), repeat=count)), dtype=np.intp)
        return float((pairs_mean(distances, every) <= real + TIES).mean()), True
    drawn = generator.integers(choices, size=(SAMPLES, count)).astype(np.intp)
    as_low = int((pairs_mean(distances, drawn) <= real + TIES).sum())
    return (as_low + 1) / (SAMPLES + 1), False
