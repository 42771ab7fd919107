"""Sizes, strides and the like, as torch's operations are given them."""

from collections.abc import Sequence


def pair(value: int | Sequence[int]) -> tuple[int, int]:
    """(Vertical, horizontal) of one number, of a list of one, or of a list of two.

    Example:
        >>> pair(3), pair([3]), pair([3, 5])
        ((3, 3), (3, 3), (3, 5))
    """
    given = [value] if isinstance(value, int) else list(value)
    return given[0], given[-1]
