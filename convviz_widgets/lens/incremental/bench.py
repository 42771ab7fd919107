"""Memory for what lies between two steps, taken once: to the system, fresh memory costs more than many a sum in it."""

import math
from collections.abc import Sequence

import torch


class Bench:
    """Room under names; what was put there before under the same name is lost.

    Example:
        >>> Bench().room("laid", (2, 3), torch.zeros(1)).shape
        torch.Size([2, 3])
    """

    def __init__(self) -> None:
        self._rooms: dict[str, torch.Tensor] = {}

    def room(self, name: str, shape: Sequence[int], like: torch.Tensor) -> torch.Tensor:
        """A tensor of this shape, of the kind of another, that holds anything."""
        kept, count = self._rooms.get(name), math.prod(shape)
        if kept is None or kept.numel() < count or (kept.dtype, kept.device) != (like.dtype, like.device):
            kept = self._rooms[name] = like.new_empty(count)
        return kept[:count].view(*shape)
