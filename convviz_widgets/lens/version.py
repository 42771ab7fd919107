"""Which state the weights are in: a cheap number for this process, and a digest for everywhere."""

import hashlib

import torch
from torch import nn


class WeightsVersion:
    """Notices that weights have changed.

    In-place training, ``load_state_dict`` and replaced tensors are seen; writing through ``weight.data`` is not, as
    torch does not count such writes.
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._state: tuple[tuple[int, int, int], ...] = ()
        self._number = 0
        self._digest: tuple[int, str] = (-1, "")

    def now(self) -> int:
        """A number that grows each time the weights are found changed."""
        state = tuple((id(each), each._version, each.data_ptr()) for each in self._tensors())
        if state != self._state:
            self._state = state
            self._number += 1
        return self._number

    def digest(self) -> str:
        """SHA-256 over names, types, shapes and values of weights and buffers; computed anew only after a change."""
        number = self.now()
        if self._digest[0] != number:
            total = hashlib.sha256()
            for name, tensor in sorted(self._module.state_dict().items()):
                values = tensor.detach().cpu().contiguous()
                total.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
                total.update(values.flatten().view(torch.uint8).numpy().tobytes())
            self._digest = (number, total.hexdigest())
        return self._digest[1]

    def _tensors(self) -> list[torch.Tensor]:
        """Weights, and what batch normalisation reads; other buffers may change in any forward pass."""
        statistics = ("running_mean", "running_var")
        buffers = [each for name, each in self._module.named_buffers() if name.endswith(statistics)]
        return [*self._module.parameters(), *buffers]
