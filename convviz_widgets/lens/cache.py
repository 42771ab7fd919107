"""Activations kept on the device, so that a second look costs nothing."""

import threading
from collections import OrderedDict
from typing import NamedTuple

import torch


class Key(NamedTuple):
    """What an entry is known by: the picture, the layer, the state of the weights."""

    image: str
    layer: str
    weights: int


class ActivationCache:
    """One tensor per picture and layer, least recently used out first, within a budget of bytes.

    Example:
        >>> cache = ActivationCache(budget=1_000_000)
        >>> cache.put(Key("a", "conv1", 0), torch.zeros(8, 4, 4))
        >>> cache.get(Key("a", "conv1", 0)).shape
        torch.Size([8, 4, 4])
        >>> cache
        ActivationCache(1 entry, 512 bytes of 1000000; 1 hit, 0 misses)

    Args:
        budget: the most bytes to keep; 0 keeps nothing.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.hits = self.misses = self.bytes = 0
        self._entries: OrderedDict[Key, torch.Tensor] = OrderedDict()
        self._lock = threading.RLock()

    @property
    def entries(self) -> int:
        """How many tensors are kept."""
        return len(self._entries)

    def get(self, key: Key) -> torch.Tensor | None:
        """The tensor, which is now the most recently used; None if it is not there."""
        with self._lock:
            found = self._entries.get(key)
            if found is None:
                self.misses += 1
            else:
                self.hits += 1
                self._entries.move_to_end(key)
            return found

    def put(self, key: Key, activation: torch.Tensor) -> None:
        """Keeps a tensor of its own memory (a view would hold the whole batch); one above the budget is not kept."""
        size = _bytes(activation)
        if size > self.budget:
            return
        with self._lock:
            self._forget(key)
            self._entries[key] = activation
            self.bytes += size
            while self.bytes > self.budget:
                self._forget(next(iter(self._entries)))

    def keep_only(self, weights: int) -> None:
        """Drops what was computed with other weights."""
        with self._lock:
            for key in [key for key in self._entries if key.weights != weights]:
                self._forget(key)

    def clear(self) -> None:
        """Gives up every tensor; the statistics stay."""
        with self._lock:
            self._entries.clear()
            self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        def count(number: int, word: str, plural: str) -> str:
            return f"{number} {word if number == 1 else plural}"

        return (
            f"ActivationCache({count(len(self), 'entry', 'entries')}, {self.bytes} bytes of {self.budget}; "
            f"{count(self.hits, 'hit', 'hits')}, {count(self.misses, 'miss', 'misses')})"
        )

    def _forget(self, key: Key) -> None:
        gone = self._entries.pop(key, None)
        if gone is not None:
            self.bytes -= _bytes(gone)


def _bytes(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()
