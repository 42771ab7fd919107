"""What each operation does to a changed window: one rule per operation, by its name in aten.

A rule gives the changed windows of its output, or whole maps where all positions changed, or None where it does not
know a way; then the operation runs on whole maps (`whole`).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from convviz_widgets.lens.incremental.beside import followed_apart
from convviz_widgets.lens.incremental.call import Call, Part, Rule, State
from convviz_widgets.lens.incremental.sliding import SLIDING, convolution_of_all
from convviz_widgets.lens.incremental.table import Beside, Table
from convviz_widgets.lens.incremental.trace import Operation, Ref, mapped

UNTAGGED = {"hardswish", "hardsigmoid", "hardtanh", "silu", "mish", "softplus", "leaky_relu", "elu", "celu", "selu"}
"""Element by element without saying so."""
NORMS = ("native_batch_norm", "native_batch_norm_legit_no_training", "cudnn_batch_norm", "miopen_batch_norm")


def follow(call: Call) -> State | list[State] | None:
    """The changed first output of an operation, or all of them; None where no rule knows a way."""
    changed = [call.states[number] for number in call.operation.inputs if number in call.states]
    if isinstance(changed[0], Beside):
        return followed_apart(call, changed[0])
    if not all(isinstance(each, Part) for each in changed):
        return convolution_of_all(call) if call.operation.name == "convolution" else None
    rule = RULES.get(call.operation.name.strip("_"))
    if rule is not None:
        return rule(call)
    return _pointwise(call) if is_pointwise(call.operation) else None


def is_pointwise(operation: Operation) -> bool:
    """Whether it works element by element, with broadcasting."""
    return torch.Tag.pointwise in operation.function.tags or operation.name.strip("_") in UNTAGGED


def keeps_statistics(operation: Operation) -> bool:
    """Whether it is a batch normalisation with known statistics, which works place by place."""
    flags = [each for each in operation.args if isinstance(each, bool)]
    return operation.name.strip("_") in NORMS and flags[:1] != [True] and "with_update" not in operation.name


def _batch_norm(call: Call) -> State | None:
    """With running statistics it stays in place."""
    found = call.first()
    if found is None or found[0].ndim != 4 or not keeps_statistics(call.operation):
        return None
    return found[1].holding(call.outcome(found[1].values))


def _pointwise(call: Call) -> State | None:
    """Element by element; what joins in is cut to the same windows."""
    found = call.first()
    if found is not None and call.operation.name == "relu" and call.argument(0).number in call.spare:
        return found[1].holding(found[1].values.relu_())
    if found is not None and len(call.operation.args) == 1 and found[0].shape == call.output.shape:
        return found[1].holding(call.outcome(found[1].values))
    height, width = call.output.shape[-2:] if call.output.ndim > 2 else (0, 0)
    patches = {number: call.states[number] for number in call.operation.inputs if number in call.states}
    joined = _joined([each for each in patches.values() if isinstance(each, Part)])
    if joined is None or (joined.rows.length, joined.columns.length) != (height, width):
        return None
    fit = _fitting(call.output)
    misfits: list[Any] = []

    def window(leaf: Any) -> Any:
        if not isinstance(leaf, Ref | torch.Tensor):
            return leaf
        if isinstance(leaf, Ref) and leaf.number in patches:
            fitted = _window(call, leaf.number, joined)
        else:
            fitted = fit(call.clean[leaf.number] if isinstance(leaf, Ref) else leaf, joined)
        if fitted is None or (isinstance(leaf, Ref) and leaf.number in patches and fitted.ndim != call.output.ndim):
            misfits.append(leaf)
        return fitted

    given = (call.operation.args, call.operation.keywords.values())
    windows = [mapped(window, list(each)) for each in given]
    if misfits:
        return None
    keywords = dict(zip(call.operation.keywords, windows[1], strict=True))
    part: Part = joined.holding(call.operation.function(*windows[0], **keywords))
    return part


def _fitting(output: torch.Tensor) -> Callable[[torch.Tensor, Part], torch.Tensor | None]:
    """Cuts a tensor that did not change to a part of the output, where it has its rows and columns."""

    def fit(tensor: torch.Tensor, part: Part) -> torch.Tensor | None:
        if tensor.ndim == 0 or (tensor.ndim > 1 and tuple(tensor.shape[-2:]) == (1, 1) and tensor.ndim <= output.ndim):
            return tensor
        if tensor.ndim != output.ndim or tensor.shape[-2:] != output.shape[-2:] or len(tensor) != 1:
            return None
        return part.was(tensor)

    return fit


def _joined(parts: list[Any]) -> Any:
    """A part that holds all of these, which are of one kind; its values are not to be read. None if there is none."""
    if not parts or len({(each.rows.length, each.columns.length) for each in parts}) != 1:
        return None
    found = parts[0]
    for each in parts[1:]:
        found = found.joined(each)
    return found


def _window(call: Call, number: int, part: Any) -> torch.Tensor | None:
    state = call.states[number]
    return state.at(call.clean[number], part) if isinstance(state, Part) else None


def _cat(call: Call) -> State | None:
    """Channels beside each other."""
    refs, dim = call.argument(0), call.argument(1, 0) % call.output.ndim
    if dim == 0 or dim >= call.output.ndim - 2 or not all(isinstance(each, Ref) for each in refs):
        return None
    tables = [state for each in refs if isinstance(state := call.states.get(each.number), Table)]
    if len(tables) == len(refs) and call.output.ndim == 4:
        return Beside(tuple(tables))
    patches = [state for each in refs if isinstance(state := call.states.get(each.number), Part)]
    joined = _joined(patches)
    if joined is None:
        return None
    fit = _fitting(call.output)
    parts = [
        _window(call, each.number, joined) if each.number in call.states else fit(call.clean[each.number], joined)
        for each in refs
    ]
    if any(part is None for part in parts):
        return None
    found: Part = joined.holding(torch.cat([part for part in parts if part is not None], dim))
    return found


def _view(call: Call) -> State | None:
    """A new arrangement of the channels; rows and columns must stay what they are."""
    found = call.first()
    if found is None or call.output.ndim < 3 or len(call.output) != 1 or found[0].shape[-2:] != call.output.shape[-2:]:
        return None
    values = found[1].values
    return found[1].holding(values.reshape(len(values), *call.output.shape[1:-2], *values.shape[-2:]))


def _over_channels(call: Call) -> State | None:
    """An operation along channels, named by its second argument or by two."""
    found = call.first()
    if found is None:
        return None
    if call.operation.name == "slice" and found[0].shape == call.output.shape:
        return found[1]
    ndim = max(found[0].ndim, call.output.ndim)
    dims = [call.argument(1, 0), call.argument(2, 1)] if "transpose" in call.operation.name else [_dim(call)]
    if any(not 0 < each % ndim < ndim - 2 for each in dims):
        return None
    return found[1].holding(call.outcome(found[1].values))


def _dim(call: Call) -> int:
    return int(call.argument(1, 0))


def _split(call: Call) -> list[State] | None:
    """Groups of channels."""
    found = call.first()
    if found is None or not 0 < call.argument(2, 0) % found[0].ndim < found[0].ndim - 2:
        return None
    parts = call.operation.run({call.argument(0).number: found[1].values})
    return [found[1].holding(part) for part in parts]


def _pad(call: Call) -> State | None:
    """Channels or edges of a constant."""
    found, sizes = call.first(), list(call.argument(1))
    if found is None or min(sizes) < 0 or len(sizes) > 2 * (found[0].ndim - 1):
        return None
    value, before = float(call.argument(2, 0)), (sizes[2] if len(sizes) > 2 else 0, sizes[0])
    part = found[1].moved(found[0], before, (call.output.shape[-2], call.output.shape[-1]), value)
    return part.holding(functional.pad(part.values, [0, 0, 0, 0, *sizes[4:]], value=value))


def _pool_over_channels(call: Call) -> State | None:
    """What local response normalisation is made of."""
    found = call.first()
    if found is None or found[0].ndim != 5 or list(call.argument(1))[1:] != [1, 1]:
        return None
    if list(call.argument(2) or call.argument(1))[1:] != [1, 1] or any(_triple(call.argument(3, 0))[1:]):
        return None
    return found[1].holding(call.outcome(found[1].values))


def _same(call: Call) -> State | None:
    found = call.first()
    return None if found is None or found[0].shape != call.output.shape else found[1]


def _triple(value: Any) -> list[int]:
    return list(value) * (3 if len(value) == 1 else 1) if isinstance(value, list | tuple) else [value] * 3


RULES: dict[str, Rule] = {
    **SLIDING,
    "avg_pool3d": _pool_over_channels,
    **dict.fromkeys(NORMS, _batch_norm),
    "cat": _cat,
    **dict.fromkeys(("view", "unsafe_view", "reshape", "reshape_alias"), _view),
    **dict.fromkeys(("slice", "select", "unsqueeze", "squeeze", "softmax", "log_softmax", "transpose"), _over_channels),
    **dict.fromkeys(("split", "split_with_sizes"), _split),
    "constant_pad_nd": _pad,
    **dict.fromkeys(("clone", "detach", "alias", "contiguous", "lift_fresh"), _same),
}
