"""Where to compute."""

import copy
from itertools import chain

import torch
from torch import nn

from convviz_widgets.core.errors import BadValue


def best_device() -> torch.device:
    """Cuda where there is one, else mps, else cpu."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def device_of(module: nn.Module) -> torch.device:
    """Where a module's weights are; the CPU if it has none."""
    first = next(chain(module.parameters(), module.buffers()), None)
    return torch.device("cpu") if first is None else first.device


def checked(device: str | torch.device) -> torch.device:
    """A device of this machine.

    Raises:
        BadValue: there is none of that name.
    """
    try:
        wanted = torch.device(device)
        torch.empty(0, device=wanted)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise BadValue(
            f"device={str(device)!r} cannot be used here: {reason} Accepted: 'cpu', or no device for the best one of "
            f"this machine, {best_device().type!r}."
        ) from error
    return wanted


def on_device(module: nn.Module, device: str | torch.device | None) -> nn.Module:
    """The module itself where it is on that device already, else a copy of it there: a guest is not moved."""
    if device is None:
        return module
    wanted, here = checked(device), device_of(module)
    if wanted.type == here.type and wanted.index in (None, here.index):
        return module
    return copy.deepcopy(module).to(wanted)
