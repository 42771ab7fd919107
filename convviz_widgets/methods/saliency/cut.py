"""The cheapest division of a picture in two: the minimum cut of its grid of pixels.

Minimised over masks u in {0, 1} is ``sum_i f_i u_i + sum_ij w_ij |u_i - u_j|`` over neighbours i, j. Relaxed to
u in [0, 1] the problem is convex and has the same minimum (any threshold of a relaxed minimiser is a minimum cut), and
is solved here by a primal-dual iteration whose gap tells how far the energy is from the best one.

Oracle: equals a search through all masks of tiny pictures, and max-flow on larger ones.
Source: the energy is that of Boykov & Jolly 2001, "Interactive Graph Cuts", section 2; the iteration that of Pock &
Chambolle 2011, "Diagonal preconditioning for first order primal-dual algorithms", section 2; the relaxation is in
Chambolle 2005, "Total Variation Minimization and a Class of Binary MRF Models".
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""(rows, columns) from each pixel to the half of its eight neighbours that lie behind it."""
ITERATIONS, EVERY, GAP = 4000, 50, 1e-4

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def minimum_cut(inside: Floats, weights: Sequence[Floats]) -> Mask:
    """The mask of least energy.

    Args:
        inside: (H, W), what it costs to take a pixel in, less what it costs to leave it out.
        weights: for each of `NEIGHBOURS`, (H, W), not negative: what it costs to part a pixel from that neighbour;
            without meaning where the neighbour lies outside.

    Returns:
        (H, W) bool.
    """
    costs = np.asarray(inside, dtype=np.float64)
    bounds = [
        _difference(np.zeros_like(costs), shift)[1] * weight for shift, weight in zip(NEIGHBOURS, weights, strict=True)
    ]
    scale = max(float(np.abs(costs).mean()), 1e-12)
    costs, bounds = costs / scale, [bound / scale for bound in bounds]
    taken = (costs < 0).astype(np.float64)
    flows = [np.zeros_like(costs) for _ in NEIGHBOURS]
    pull: Floats = costs.copy()
    best, least = taken > 0.5, np.inf
    for step in range(1, ITERATIONS + 1):
        after = np.clip(taken - pull / 8, 0, 1)
        ahead, taken = 2 * after - taken, after
        flows = [
            np.clip(flow + _difference(ahead, shift)[0] / 2, -bound, bound)
            for flow, bound, shift in zip(flows, bounds, NEIGHBOURS, strict=True)
        ]
        pull = costs + sum(_gathered(flow, shift) for flow, shift in zip(flows, NEIGHBOURS, strict=True))
        if step % EVERY == 0:
            mask = taken > 0.5
            found = energy(mask, costs, bounds)
            if found < least:
                best, least = mask, found
            if least - float(np.minimum(pull, 0).sum()) <= GAP * (1 + abs(least)):
                break
    return best


def energy(mask: Mask, inside: Floats, weights: Sequence[Floats]) -> float:
    """What a mask (H, W) costs; see `minimum_cut`."""
    values = mask.astype(np.float64)
    cut = 0.0
    for shift, weight in zip(NEIGHBOURS, weights, strict=True):
        difference, present = _difference(values, shift)
        cut += float((np.abs(difference) * present * weight).sum())
    return float((values * inside).sum()) + cut


def _difference(values: Floats, shift: tuple[int, int]) -> tuple[Floats, Floats]:
    """The neighbour's value less the pixel's own, (H, W), 0 where there is none; and 1 where there is one."""
    moved, present = np.zeros_like(values), np.zeros_like(values)
    here, there = _pairs(values.shape, shift)
    moved[here] = values[there] - values[here]
    present[here] = 1
    return moved, present


def _gathered(flow: Floats, shift: tuple[int, int]) -> Floats:
    """The transpose of `_difference`."""
    total = np.zeros_like(flow)
    here, there = _pairs(flow.shape, shift)
    total[there] += flow[here]
    total[here] -= flow[here]
    return total


def _pairs(shape: tuple[int, ...], shift: tuple[int, int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Slices of the pixels that have a neighbour in this direction, and of these neighbours."""
    down, across = shift
    height, width = shape
    here = slice(0, max(0, height - down)), slice(max(0, -across), width - max(0, across))
    there = slice(down, height), slice(max(0, across), width + min(0, across))
    return here, there
