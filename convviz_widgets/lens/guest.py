"""The model is a guest: on leaving, it and the world's random state are as they were."""

import random
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Literal

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
def as_guest(module: nn.Module, *, keep_buffers: bool = True, keep_random: bool = True) -> Iterator[None]:
    """Inside: evaluation mode, weights that ask for no gradient. After: everything as before, also after an exception.

    Args:
        module: the network.
        keep_buffers: copy the buffers and put them back; needed where a forward in evaluation mode writes to them.
        keep_random: put the random states back; needed where a forward in evaluation mode draws random numbers. The
            states belong to the whole process, so that putting them back without need would make other threads draw
            the same numbers twice.
    """
    with lock_of(module), ExitStack() as undo:
        modules = modules_of(module)
        _keep_modes(modules, undo)
        _keep_weights(modules, undo)
        if keep_buffers:
            _keep_buffers(module, undo)
        if keep_random:
            for state, put_back in random_states():
                undo.callback(put_back, state)
        yield


def random_states() -> list[tuple[Any, Callable[[Any], object]]]:
    """The state of every global random generator, each with what sets it."""
    numpy = np.random  # the global generator is what is kept, not drawn from
    states: list[tuple[Any, Callable[[Any], object]]] = [
        (torch.get_rng_state(), torch.set_rng_state),
        (random.getstate(), random.setstate),
        (numpy.get_state(), numpy.set_state),
    ]
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        states.append((torch.cuda.get_rng_state_all(), torch.cuda.set_rng_state_all))
    if torch.backends.mps.is_available():
        states.append((torch.mps.get_rng_state(), torch.mps.set_rng_state))
    return states


def written_buffers(module: nn.Module) -> Callable[[], frozenset[str]]:
    """Watches the buffers: the call of what is returned names those written to, replaced or made since."""

    def state() -> dict[str, tuple[torch.Tensor | None, int]]:
        return {
            f"{path}.{name}".lstrip("."): (buffer, version_of(buffer))
            for path, owner in module.named_modules()
            for name, buffer in owner._buffers.items()
        }

    before = state()

    def written() -> frozenset[str]:
        same = {
            name
            for name, (buffer, version) in state().items()
            if name in before and buffer is before[name][0] and version == before[name][1]
        }
        return frozenset((before.keys() | state().keys()) - same)

    return written


def version_of(tensor: torch.Tensor | None) -> int:
    """How often a tensor was written to; 0 where torch does not count (a tensor of inference mode)."""
    return 0 if tensor is None or tensor.is_inference() else tensor._version


def modules_of(module: nn.Module) -> list[nn.Module]:
    """A module and all inside it, each once, in no order that matters; twice as quick as ``module.modules()``."""
    found, todo = {id(module): module}, [module]
    while todo:
        for each in todo.pop()._modules.values():
            if each is not None and id(each) not in found:
                found[id(each)] = each
                todo.append(each)
    return list(found.values())


def tensors_of(modules: Iterable[nn.Module], kind: Literal["_parameters", "_buffers"]) -> list[torch.Tensor]:
    """The weights, or the buffers, of modules, each once."""
    found = {id(each): each for module in modules for each in getattr(module, kind).values() if each is not None}
    return list(found.values())


def _keep_modes(modules: list[nn.Module], undo: ExitStack) -> None:
    modes = [each.training for each in modules]
    undo.callback(_set_modes, modules, modes)
    _set_modes(modules, [False] * len(modules))


def _set_modes(modules: list[nn.Module], modes: list[bool]) -> None:
    for each, mode in zip(modules, modes, strict=True):
        if each.training != mode:
            each.training = mode


def _keep_weights(modules: list[nn.Module], undo: ExitStack) -> None:
    asking = [
        weight
        for weight in tensors_of(modules, "_parameters")
        if weight.requires_grad and not weight.is_inference()  # torch lets nobody set it on those of inference mode
    ]
    undo.callback(_set_asking, asking, asking=True)
    _set_asking(asking, asking=False)


def _set_asking(weights: list[torch.Tensor], *, asking: bool) -> None:
    for weight in weights:
        weight.requires_grad = asking


def _keep_buffers(module: nn.Module, undo: ExitStack) -> None:
    for owner in module.modules():
        kept = {
            name: (buffer, None if buffer is None else buffer.detach().clone())
            for name, buffer in owner._buffers.items()
        }
        undo.callback(_put_back, owner, kept)


def _put_back(owner: nn.Module, kept: dict[str, tuple[torch.Tensor | None, torch.Tensor | None]]) -> None:
    for name in owner._buffers.keys() - kept.keys():
        del owner._buffers[name]
    for name, (buffer, values) in kept.items():
        if buffer is not None and values is not None and not torch.equal(buffer, values):
            with torch.no_grad():
                buffer.copy_(values)
        owner._buffers[name] = buffer
