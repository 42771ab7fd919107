"""One forward pass that stops after the last output wanted, and the outputs as they were when they came out."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

import torch
from torch import nn

from convviz_widgets.core.errors import ConvvizError, UnsupportedModel
from convviz_widgets.lens.convolutions import Filters, QuickConvolutions, channels_last
from convviz_widgets.lens.guest import as_guest, version_of
from convviz_widgets.lens.memory import is_out_of_memory
from convviz_widgets.lens.sites import Site, StopForward, first_tensor, reporting

OUTPUT = Site("")
"""The output of the whole network."""
Within = Callable[[], AbstractContextManager[object]]


def record(
    module: nn.Module,
    batch: torch.Tensor,
    sites: Sequence[Site],
    *,
    grad: bool,
    clone: Sequence[Site] = (),
    keep_buffers: bool = True,
    keep_random: bool = True,
    within: Within = nullcontext,
    filters: Filters | None = None,
) -> dict[Site, torch.Tensor]:
    """The outputs of these sites for a prepared batch (N, C, H, W).

    Args:
        module: the network.
        batch: what it sees.
        sites: where to look.
        grad: whether gradients with respect to the batch are wanted; never those of the weights.
        clone: sites whose output a later in-place operation is known to write over.
        keep_buffers: see `as_guest`.
        keep_random: see `as_guest`.
        within: makes a context for the forward pass alone, such as a rule for its backward pass.
        filters: where copies of filters are kept for pictures laid out channels-last; see `QuickConvolutions`.

    Raises:
        UnsupportedModel: the forward pass fails, or never comes by a site.
    """
    with (
        without_autocast(batch.device.type),
        as_guest(module, keep_buffers=keep_buffers, keep_random=keep_random),
        torch.inference_mode(mode=False),
        torch.set_grad_enabled(mode=grad),
        _quick_convolutions(filters) if grad or channels_last(batch) else nullcontext(),
    ):
        found, versions = _run(module, batch, sites, set(clone), within)
        overwritten = [site for site, output in found.items() if version_of(output) != versions[site]]
        if overwritten:  # not seen while the layers were discovered: the network branches on its input
            found, _ = _run(module, batch, sites, set(sites), within)
    return found


def _quick_convolutions(filters: Filters | None) -> AbstractContextManager[object]:
    return QuickConvolutions(Filters() if filters is None else filters)


def without_autocast(device: str) -> AbstractContextManager[object]:
    """What is kept must not depend on the block of code that happened to ask first."""
    enabled = torch.is_autocast_enabled(device)
    return torch.autocast(device, enabled=False) if enabled else nullcontext()


def _run(
    module: nn.Module, batch: torch.Tensor, sites: Sequence[Site], clone: set[Site], within: Within
) -> tuple[dict[Site, torch.Tensor], dict[Site, int]]:
    found: dict[Site, torch.Tensor] = {}
    versions: dict[Site, int] = {}
    wanted = set(sites)

    def keep(site: Site, output: Any) -> None:
        tensor = first_tensor(output) if site in wanted else None
        if tensor is None:
            return
        found[site] = tensor.clone() if site in clone else tensor
        versions[site] = version_of(found[site])
        if len(found) == len(wanted):
            raise StopForward

    with within(), reporting(module, keep, sites=sites), suppress(StopForward):
        forward(module, batch)
    if missed := wanted - found.keys():
        names = ", ".join(repr(site.name or "the output") for site in sorted(missed))
        raise UnsupportedModel(
            f"The forward pass of {type(module).__name__} gave no tensor at {names} for an input of shape "
            f"{tuple(batch.shape)}, although it did when the layers were listed. The network seems to branch on its "
            "input; ask for a layer before the branch."
        )
    return found, versions


def forward(module: nn.Module, batch: torch.Tensor) -> None:
    """Runs a batch (N, C, H, W) through the network, which may write to it.

    Raises:
        UnsupportedModel: the network fails on it; says what it was given and what to try next.
    """
    try:
        module(batch)
    except ConvvizError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise UnsupportedModel(
            f"The forward pass of {type(module).__name__} failed on an input of shape {tuple(batch.shape)}: "
            f"{type(error).__name__}: {error}. If the network takes another size, say Lens(module, input_size=...)."
        ) from error
