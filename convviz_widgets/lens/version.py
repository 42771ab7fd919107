"""Which state the weights are in: a cheap number for this process, and a digest for everywhere."""

import hashlib
from collections.abc import Collection

import torch
from torch import nn

from convviz_widgets.lens.guest import modules_of, tensors_of, version_of

State = tuple[tuple[int, int, int], ...]


class WeightsVersion:
    """Notices that weights or buffers have changed.

    In-place training, ``load_state_dict`` and replaced tensors are seen; writing through ``weight.data`` is not, as
    torch does not count such writes.
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._state: State | None = None
        self._held: list[torch.Tensor] = []
        self._number = 0
        self._digest: tuple[State, str] | None = None

    def now(self, *, apart_from: Collection[str] = ()) -> int:
        """A number that grows each time the weights are found changed.

        Args:
            apart_from: buffers that every forward pass writes to, and that say nothing therefore.
        """
        tensors = self._tensors(apart_from)
        state = _state(tensors)
        if state != self._state:
            self._state, self._held = state, tensors  # held, so that no id is given out again
            self._number += 1
        return self._number

    def digest(self) -> str:
        """SHA-256 over names, types, shapes and values of weights and buffers; computed anew only after a change."""
        state = _state(self._tensors())
        if self._digest is None or self._digest[0] != state:
            total = hashlib.sha256()
            for name, tensor in sorted(self._module.state_dict().items()):
                if not isinstance(tensor, torch.Tensor):
                    continue
                values = tensor.detach().cpu().contiguous()
                total.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
                total.update(values.flatten().view(torch.uint8).numpy().data)
            self._digest = (state, total.hexdigest())
        return self._digest[1]

    def _tensors(self, apart_from: Collection[str] = ()) -> list[torch.Tensor]:
        modules = modules_of(self._module)
        weights, buffers = (tensors_of(modules, kind) for kind in ("_parameters", "_buffers"))
        if apart_from:
            buffers = [each for name, each in self._module.named_buffers() if name not in apart_from]
        return [*weights, *buffers]


def _state(tensors: list[torch.Tensor]) -> State:
    return tuple((id(each), version_of(each), each.data_ptr()) for each in tensors)
