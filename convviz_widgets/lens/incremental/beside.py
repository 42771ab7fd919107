"""Operations on tables whose channels lie beside each other: put together only for those that need it.

The halves of a fire module, or the branches of an inception block, see their surroundings through kernels of several
sizes, so that one has far fewer distinct cells than the other. A pooling takes them one by one; for a kernel of one
cell that hands on fewer channels than it takes, the sum of what each part gives is less to copy than the parts are.
"""

from collections.abc import Mapping
from functools import reduce

import torch
from torch.nn import functional

from convviz_widgets.lens.incremental.call import Call, State
from convviz_widgets.lens.incremental.products import highest, pointed
from convviz_widgets.lens.incremental.sliding import looks_at_one, pool_settings, slides_of
from convviz_widgets.lens.incremental.table import Beside
from convviz_widgets.lens.incremental.trace import Operation

POOLS = ("max_pool2d_with_indices", "max_pool2d")


def takes_apart(operation: Operation, clean: Mapping[int, torch.Tensor]) -> bool:
    """Whether an operation works on parts beside each other, and is the better for it."""
    if operation.name in POOLS:
        return clean[operation.outputs[0]].ndim == 4
    if operation.name != "convolution":
        return False
    _, weight, _, stride, padding, _, transposed, _, groups = operation.args
    if not isinstance(weight, torch.Tensor) or weight.ndim != 4 or transposed or groups > 1:
        return False
    return 2 * weight.shape[0] <= weight.shape[1] and looks_at_one(weight, stride, padding)


def followed_apart(call: Call, state: Beside) -> State:
    """What such an operation makes of parts beside each other."""
    clean = call.clean[call.argument(0).number]
    if call.operation.name in POOLS:
        pairs = zip(state.parts, state.pieces(clean), strict=True)
        settings = pool_settings(call.operation)
        return Beside(tuple(highest(part, piece, slides_of(call, part, *settings)) for part, piece in pairs))
    return _pointed(state, clean, call.argument(1), call.argument(2))


def _pointed(state: Beside, clean: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> State:
    """A convolution with a kernel of one cell (K, C, 1, 1): the sum over the parts of what their channels give."""
    cells, found = state.cells(), []
    for number, (part, piece, share) in enumerate(
        zip(state.parts, state.pieces(clean), state.pieces(weight), strict=True)
    ):
        added = bias if number == 0 else None
        found.append(pointed(part, share, added).at(functional.conv2d(piece, share, added), cells))
    return cells.holding(reduce(torch.add, found))
