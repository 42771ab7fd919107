"""Which dimensions of a tensor hold the rows and columns of the picture, through views, permutations and merges."""

from collections.abc import Sequence

import torch

Factor = tuple[str, int]
"""Part of a dimension: ("rows" | "columns" | "", length)."""
Layout = tuple[tuple[Factor, ...], ...]
"""Per dimension, the factors that it is made of, in row-major order."""


def plain(length: int) -> tuple[Factor, ...]:
    """A dimension that holds neither rows nor columns."""
    return (("", length),)


def channels_first(output: torch.Tensor) -> Layout:
    """The layout of maps (N, K, h, w)."""
    batch, channels, rows, columns = output.shape
    return plain(batch), plain(channels), (("rows", rows),), (("columns", columns),)


def labels(factors: Sequence[Factor]) -> list[str]:
    """Which axes of the picture a dimension holds."""
    return [label for label, _ in factors if label]


def length_of(factors: Sequence[Factor]) -> int:
    """Length of a dimension."""
    total = 1
    for _, length in factors:
        total *= length
    return total


def fits(layout: Layout | None, output: torch.Tensor) -> bool:
    """Whether a layout has the shape of an output."""
    return layout is not None and tuple(length_of(factors) for factors in layout) == tuple(output.shape)


def aligned(layout: Layout, other: Layout) -> bool:
    """Whether rows and columns of two layouts meet when their last dimensions are laid together."""
    pairs = zip(reversed(layout), reversed(other), strict=False)
    return all(labels(mine) in ([], labels(others)) for mine, others in pairs)


def resized(layout: Layout | None, output: torch.Tensor) -> Layout | None:
    """The same dimensions with the lengths of an output."""
    if layout is None or len(layout) != output.ndim:
        return None
    new = []
    for factors, length in zip(layout, output.shape, strict=True):
        if length_of(factors) == length:
            new.append(factors)
        elif not labels(factors):
            new.append(plain(length))
        elif len(factors) == 1:
            new.append(((factors[0][0], length),))
        else:
            return None
    return tuple(new)


def regrouped(layout: Layout, shape: tuple[int, ...]) -> Layout | None:
    """The factors dealt out again over a new shape of the same elements; None where rows or columns would be cut."""
    rest = [factor for factors in layout for factor in factors if factor[0] or factor[1] > 1]
    new = []
    for length in shape:
        taken = _take(rest, length)
        if taken is None:
            return None
        new.append(taken)
    return tuple(new) if all(size == 1 for _, size in rest) else None


def _take(rest: list[Factor], length: int) -> tuple[Factor, ...] | None:
    """Takes factors of this total length from the front, splitting an unlabelled one if need be."""
    if length == 1:
        return (rest.pop(0),) if rest and rest[0][0] and rest[0][1] == 1 else plain(1)
    taken: list[Factor] = []
    while length_of(taken) < length and rest:
        label, size = rest.pop(0)
        wanted = length // length_of(taken)
        if size > wanted:
            if label or size % wanted:
                return None
            rest.insert(0, ("", size // wanted))
            size = wanted
        taken.append((label, size))
    return tuple(taken) if length_of(taken) == length else None
