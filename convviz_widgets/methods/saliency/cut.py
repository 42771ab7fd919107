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

from convviz_widgets.core.step import Step, Steps, drain

NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""(rows, columns) from each pixel to the half of its eight neighbours that lie behind it."""
ITERATIONS, EVERY, GAP = 4000, 25, 1e-4

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
    return drain(minimum_cut_steps(inside, weights))


def minimum_cut_steps(inside: Floats, weights: Sequence[Floats]) -> Steps[Mask]:
    """The same, with a step now and then, so that other work can go between."""
    costs = np.asarray(inside, dtype=np.float64)
    pairs = [_pairs(costs.shape, shift) for shift in NEIGHBOURS]
    bounds = [np.asarray(weight, dtype=np.float64)[here] for weight, (here, _) in zip(weights, pairs, strict=True)]
    scale = max(np.mean([bound.mean() for bound in bounds if bound.size] or [0.0]), 1e-3 * np.abs(costs).max(), 1e-12)
    costs, bounds = costs / scale, [bound / scale for bound in bounds]  # steps of the iteration suit ties of about 1
    taken, pull = (costs < 0).astype(np.float64), costs
    flows = [np.zeros_like(bound) for bound in bounds]
    best: Mask = taken > 0.5
    least = np.inf
    for step in range(1, ITERATIONS + 1):
        after = np.clip(taken - pull / 8, 0, 1)
        ahead, taken = 2 * after - taken, after
        pull = costs.copy()
        for flow, bound, (here, there) in zip(flows, bounds, pairs, strict=True):
            flow += (ahead[there] - ahead[here]) / 2  # noqa: PLW2901 -- in place
            np.clip(flow, -bound, bound, out=flow)
            pull[there] += flow
            pull[here] -= flow
        if step % EVERY == 0:
            mask = taken > 0.5
            found = energy(mask, costs, [weight / scale for weight in weights])
            if found < least:
                best, least = mask, found
            if least - float(np.minimum(pull, 0).sum()) <= GAP * (1 + abs(least)):
                break
            yield Step(step, ITERATIONS, label="cut")
    return best


def energy(mask: Mask, inside: Floats, weights: Sequence[Floats]) -> float:
    """What a mask (H, W) costs; see `minimum_cut`."""
    cut = 0.0
    for shift, weight in zip(NEIGHBOURS, weights, strict=True):
        here, there = _pairs(mask.shape, shift)
        cut += float(weight[here][mask[here] != mask[there]].sum())
    return float(inside[mask].sum()) + cut


def _pairs(shape: tuple[int, ...], shift: tuple[int, int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Slices of the pixels that have a neighbour in this direction, and of these neighbours."""
    down, across = shift
    height, width = shape
    here = slice(0, max(0, height - down)), slice(max(0, -across), width - max(0, across))
    there = slice(down, height), slice(max(0, across), width + min(0, across))
    return here, there
