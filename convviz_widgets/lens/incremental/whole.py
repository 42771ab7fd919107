"""Operations on whole changed maps: in one batch where the pictures are known to stay apart, else one by one."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch.utils._pytree import tree_map

from convviz_widgets.lens.incremental.rules import is_pointwise
from convviz_widgets.lens.incremental.trace import Operation, Ref

Known = Callable[[Operation, Mapping[int, torch.Tensor]], bool]


def run_whole(
    operation: Operation, clean: Mapping[int, torch.Tensor], changed: Mapping[int, torch.Tensor]
) -> tuple[list[torch.Tensor], bool]:
    """The outputs of an operation for N pictures, (N, ...) each with the shape it has for one picture after N.

    Args:
        operation: which.
        clean: every tensor of the unchanged picture.
        changed: those that changed, (N, ...) each with the shape it has for one picture after N.

    Returns:
        The outputs, and whether they were made in one batch.
    """
    count = len(next(iter(changed.values())))
    if _batchable(operation, clean, changed):
        given = {number: _merged(changed, clean, number, operation) for number in operation.inputs}
        outputs = _in_batch(operation, clean, given, count)
        if all(len(each) == count for each in outputs[:1]):
            return [each.unsqueeze(1) for each in outputs], True
    singles = [
        operation.run({n: changed[n][index] if n in changed else clean[n] for n in operation.inputs})
        for index in range(count)
    ]
    return [torch.stack(each) for each in zip(*singles, strict=True)], False


def _merged(
    changed: Mapping[int, torch.Tensor], clean: Mapping[int, torch.Tensor], number: int, operation: Operation
) -> torch.Tensor:
    if number in changed:
        return changed[number].flatten(0, 1)
    tensor = clean[number]
    count = len(next(iter(changed.values())))
    return tensor.expand(count, *tensor.shape[1:]) if operation.name == "cat" else tensor


def _in_batch(
    operation: Operation, clean: Mapping[int, torch.Tensor], given: Mapping[int, torch.Tensor], count: int
) -> list[torch.Tensor]:
    name = operation.name.strip("_")
    if name in RESHAPES:
        (number,) = operation.inputs
        return [given[number].reshape(count, *clean[operation.outputs[0]].shape[1:])]
    if name == "expand":
        (number,) = operation.inputs
        return [given[number].expand(count, *clean[operation.outputs[0]].shape[1:])]
    if name == "native_group_norm":
        args = list(operation.args)
        args[3] = count
        operation = replace(operation, args=tuple(args))
    return operation.run(given)


def _batchable(operation: Operation, clean: Mapping[int, torch.Tensor], changed: Mapping[int, torch.Tensor]) -> bool:
    name = operation.name.strip("_")
    outputs = [clean[number] for number in operation.outputs[:1]]
    if any(each.ndim == 0 or len(each) != 1 for each in [*outputs, *(clean[number] for number in changed)]):
        return False
    known = KNOWN.get(name)
    if known is not None:
        return known(operation, clean)
    return is_pointwise(operation) and _aligned(operation, clean)


def _always(_operation: Operation, _clean: Mapping[int, torch.Tensor]) -> bool:
    return True


def _aligned(operation: Operation, clean: Mapping[int, torch.Tensor]) -> bool:
    """Element by element: every tensor has the pictures first, or fewer dimensions."""
    ndim = clean[operation.outputs[0]].ndim
    numbers = operation.inputs
    constants: list[torch.Tensor] = []
    tree_map(lambda leaf: constants.append(leaf) if isinstance(leaf, torch.Tensor) else None, operation.args)
    tensors = [clean[number] for number in numbers]
    return all(each.ndim == ndim for each in tensors if each.ndim) and all(
        each.ndim < ndim or len(each) == 1 for each in [*tensors, *constants]
    )


def _evaluation(operation: Operation, _clean: Mapping[int, torch.Tensor]) -> bool:
    flags = [each for each in operation.args if isinstance(each, bool)]
    return flags[:1] != [True] and "with_update" not in operation.name


def _image_first(operation: Operation, clean: Mapping[int, torch.Tensor]) -> bool:
    """The first argument alone comes from the picture and has four dimensions."""
    first = operation.args[0]
    return isinstance(first, Ref) and operation.inputs == [first.number] and clean[first.number].ndim >= 4


def _along(operation: Operation, clean: Mapping[int, torch.Tensor]) -> bool:
    """The dimensions named leave the first one alone."""
    first = operation.args[0]
    refs = list(first) if isinstance(first, list | tuple) else [first]
    ndim = max(clean[operation.outputs[0]].ndim, *(clean[each.number].ndim for each in refs if isinstance(each, Ref)))
    place = 2 if operation.name.startswith("split") else 1
    named = operation.args[place : place + (2 if operation.name == "transpose" else 1)]
    if not named or named == (None,) or named == ([],):
        return False
    dims = [each for given in named for each in (given if isinstance(given, list | tuple) else [given])]
    return all(isinstance(each, int) and each % ndim != 0 for each in dims)


def _keeps_first(operation: Operation, _clean: Mapping[int, torch.Tensor]) -> bool:
    return bool(operation.args[1][0] == 0)


def _matrix(operation: Operation, _clean: Mapping[int, torch.Tensor]) -> bool:
    """A dense layer: the picture's row times a matrix that does not depend on it."""
    row = operation.args[-2]
    return isinstance(row, Ref) and operation.inputs == [row.number] and operation.name in ("addmm", "mm")


def _norm_after_first(operation: Operation, clean: Mapping[int, torch.Tensor]) -> bool:
    return len(operation.args[1]) < clean[operation.args[0].number].ndim and len(operation.inputs) == 1


RESHAPES = {"view", "unsafe_view", "reshape", "reshape_alias"}
KNOWN: dict[str, Known] = {
    **dict.fromkeys(("convolution", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool2d"), _image_first),
    **dict.fromkeys(("max_pool2d_with_indices", "max_pool2d", "adaptive_max_pool2d"), _image_first),
    **dict.fromkeys(("reflection_pad2d", "replication_pad2d", "constant_pad_nd", "native_group_norm"), _image_first),
    **dict.fromkeys(("upsample_nearest2d", "upsample_bilinear2d"), _image_first),
    **dict.fromkeys(
        ("native_batch_norm", "native_batch_norm_legit_no_training", "cudnn_batch_norm", "miopen_batch_norm"),
        _evaluation,
    ),
    **dict.fromkeys(RESHAPES, _always),
    **dict.fromkeys(("clone", "detach", "alias", "contiguous", "to_copy", "expand"), _always),
    **dict.fromkeys(("mean", "sum", "amax", "amin", "var", "softmax", "log_softmax", "cat"), _along),
    **dict.fromkeys(("slice", "select", "unsqueeze", "squeeze", "split", "split_with_sizes", "transpose"), _along),
    "permute": _keeps_first,
    "native_layer_norm": _norm_after_first,
    **dict.fromkeys(("addmm", "mm"), _matrix),
}
