"""Dense layers while a picture is painted on: their time goes into reading weights, so that only some are read."""

from collections.abc import Mapping

import torch
from torch.nn import functional

from convviz_widgets.lens.incremental.strokes import EVERYWHERE, Desk, Stroke
from convviz_widgets.lens.incremental.trace import Operation, Ref
from convviz_widgets.lens.memory import default_budget

LARGE = 2**23  # weights of a dense layer from which on it is worth while to read a part of them
SPARSE = 0.6  # share of a dense layer's inputs from which on all of them are quicker (measured)
ADDED = 32  # times that what a dense layer gave is added to before it is computed in full again


class Dense(Stroke):
    """A dense layer, whose time goes into reading its weights: only those of inputs that count are read.

    Either the inputs that have changed since the last row, or those that are not zero. What is added to is begun anew
    before the rounding of the sums can be seen.
    """

    def __init__(self, operation: Operation) -> None:
        super().__init__(operation)
        self._bias, _, matrix = operation.args
        self._matrix = matrix.contiguous()  # (in, out), as torch keeps it the other way round

    def work(self, desk: Desk) -> None:
        """See `Stroke`."""
        row = desk.current[self.inputs[0]]
        last, gave, times = desk.known.get(self.target, (row, self._bias, ADDED))
        change = row - last
        changed, active = change[0].nonzero()[:, 0], row[0].nonzero()[:, 0]
        most = SPARSE * len(self._matrix)
        if times < ADDED and len(changed) < min(len(active), most):
            found, times = gave + self._share(change, changed), times + 1
        else:
            dense, times = len(active) > most, 0
            found = torch.addmm(self._bias, row, self._matrix) if dense else self._bias + self._share(row, active)
        desk.known[self.target] = row.clone(), found, times
        desk.current[self.target], desk.reaches[self.target] = found, EVERYWHERE

    def _share(self, row: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """What some inputs give: (1, out); a bag for each thread."""
        bags = torch.get_num_threads()
        starts = torch.arange(bags) * len(places) // bags
        weights = row[0].index_select(0, places)
        found = functional.embedding_bag(places, self._matrix, starts, mode="sum", per_sample_weights=weights)
        return found.sum(0, keepdim=True)


def worth_picking(operation: Operation, clean: Mapping[int, torch.Tensor]) -> bool:
    """Whether an ``addmm`` is a large dense layer of the processor, and there is room for its weights once more."""
    bias, row, matrix = operation.args
    if operation.keywords or not isinstance(row, Ref) or len(operation.inputs) > 1 or len(clean[row.number]) > 1:
        return False
    room = default_budget(matrix.device) // 4
    swift = matrix.device.type == "cpu" and matrix.dtype in (torch.float32, torch.float64) and bias.ndim == 1
    return bool(swift and matrix.numel() >= LARGE and matrix.numel() * matrix.element_size() <= room)
