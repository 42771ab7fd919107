"""The model is a guest: on leaving, it and the world's random state are as they were."""

import random
import threading
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from torch import nn

_locks: "weakref.WeakKeyDictionary[nn.Module, threading.RLock]" = weakref.WeakKeyDictionary()
_locks_guard = threading.Lock()


def lock_of(module: nn.Module) -> "threading.RLock":
    """The one lock of a module, however many lenses look at it: a hook fires for any thread's forward."""
    with _locks_guard:
        return _locks.setdefault(module, threading.RLock())


@contextmanager
def as_guest(module: nn.Module, *, keep_buffers: bool) -> Iterator[None]:
    """Inside: evaluation mode, weights that ask for no gradient. After: everything as before, also after an exception.

    Args:
        module: the network.
        keep_buffers: copy the buffers and put them back; needed where a forward in evaluation mode writes to them.
    """
    with lock_of(module), ExitStack() as undo:
        _keep_modes(module, undo)
        _keep_weights(module, undo)
        if keep_buffers:
            _keep_buffers(module, undo)
        _keep_random_state(undo)
        yield


def _keep_modes(module: nn.Module, undo: ExitStack) -> None:
    for each in module.modules():
        if each.training:
            undo.callback(setattr, each, "training", True)  # noqa: FBT003 -- setattr's own
            each.training = False


def _keep_weights(module: nn.Module, undo: ExitStack) -> None:
    for weight in module.parameters():
        if weight.requires_grad:
            undo.callback(setattr, weight, "requires_grad", True)  # noqa: FBT003 -- setattr's own
            weight.requires_grad = False


def _keep_buffers(module: nn.Module, undo: ExitStack) -> None:
    for owner in module.modules():
        for name, buffer in owner.named_buffers(recurse=False):
            undo.callback(_put_back, owner, name, buffer, buffer.detach().clone())


def _put_back(owner: nn.Module, name: str, buffer: torch.Tensor, values: torch.Tensor) -> None:
    if not torch.equal(buffer, values):
        with torch.no_grad():
            buffer.copy_(values)
    setattr(owner, name, buffer)


def _keep_random_state(undo: ExitStack) -> None:
    undo.callback(torch.set_rng_state, torch.get_rng_state())
    undo.callback(random.setstate, random.getstate())
    undo.callback(np.random.set_state, np.random.get_state())  # noqa: NPY002 -- the global state is what is kept
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        undo.callback(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all())
