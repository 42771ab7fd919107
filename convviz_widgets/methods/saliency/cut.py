"""The cheapest division of a picture in two: the minimum cut of its grid of pixels, by scipy's maximum flow.

Minimised over masks u in {0, 1} is ``sum_i f_i u_i + sum_ij w_ij |u_i - u_j|`` over neighbours i, j. Two more nodes
stand for the object and the ground; a pixel hangs on one of them by what it costs to be parted from it, and what the
greatest flow between the two leaves within reach of the object is the mask.

Oracle: equals a search through all masks of tiny pictures, and another library's max-flow on larger ones.
Source: Boykov & Jolly 2001, "Interactive Graph Cuts", section 2.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from convviz_widgets.core.errors import BrokenInstall

NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""(rows, columns) from each pixel to the half of its eight neighbours that lie behind it."""
FINEST = 2**28  # of the whole numbers that scipy counts a flow in; twice as much must fit into 32 bits

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

    Raises:
        BrokenInstall: scipy is not installed.
    """
    sparse, graphs = _scipy("sparse"), _scipy("sparse.csgraph")
    costs = np.asarray(inside, dtype=np.float64)
    count = costs.size
    first, second, ties = _edges(costs.shape, weights)
    taken, left = np.flatnonzero(costs < 0), np.flatnonzero(costs > 0)
    rows = np.concatenate([first, second, np.full(len(taken), count), left])
    columns = np.concatenate([second, first, taken, np.full(len(left), count + 1)])
    bounds = np.concatenate([ties, ties, -costs.flat[taken], costs.flat[left]])
    whole = np.round(bounds * (FINEST / max(bounds.max(initial=0), 1e-300))).astype(np.int32)
    graph = sparse.csr_array((whole, (rows, columns)), shape=(count + 2, count + 2))
    rest = graph - graphs.maximum_flow(graph, count, count + 1).flow
    rest.data = np.maximum(rest.data, 0)
    rest.eliminate_zeros()
    mask = np.zeros(count + 2, dtype=np.bool_)
    mask[graphs.breadth_first_order(rest, count, return_predecessors=False)] = True
    return mask[:count].reshape(costs.shape)


def largest_part(mask: Mask, values: npt.NDArray[np.float32]) -> Mask:
    """The largest part of a mask that hangs together by edges; of an empty one, the pixel of the largest value."""
    if not mask.any():
        only = np.zeros_like(mask)
        only.flat[values.argmax()] = True
        return only
    parts, _ = _scipy("ndimage").label(mask)
    part: Mask = parts == np.bincount(parts[mask]).argmax()
    return part


def energy(mask: Mask, inside: Floats, weights: Sequence[Floats]) -> float:
    """What a mask (H, W) costs; see `minimum_cut`."""
    first, second, ties = _edges(mask.shape, weights)
    return float(inside[mask].sum() + ties[mask.flat[first] != mask.flat[second]].sum())


def _edges(
    shape: tuple[int, ...], weights: Sequence[Floats]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Floats]:
    """Both ends, as numbers of pixels, and the weight of every pair of neighbours."""
    height, width = shape
    number = np.arange(height * width).reshape(shape)
    found = []
    for (down, across), weight in zip(NEIGHBOURS, weights, strict=True):
        here = slice(0, max(0, height - down)), slice(max(0, -across), width - max(0, across))
        there = slice(down, height), slice(max(0, across), width + min(0, across))
        found.append((number[here].ravel(), number[there].ravel(), np.asarray(weight, dtype=np.float64)[here].ravel()))
    first, second, ties = (np.concatenate(each) for each in zip(*found, strict=True))
    return first, second, ties


def _scipy(name: str) -> Any:
    try:
        return import_module(f"scipy.{name}")
    except ImportError as error:
        raise BrokenInstall(
            "Cutting an object out of a picture needs scipy, which is not installed. "
            "Run: python -m pip install 'convviz_widgets[localize]'"
        ) from error
