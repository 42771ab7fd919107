"""Finds the layers of any network by one traced forward pass."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils._pytree import tree_map

from convviz_widgets.lens.flow import Flow, FlowMode
from convviz_widgets.lens.flow_rules import follow
from convviz_widgets.lens.guest import as_guest, random_states, version_of, written_buffers
from convviz_widgets.lens.layers import Kind, Layer, Layers
from convviz_widgets.lens.receptive_field import ReceptiveField
from convviz_widgets.lens.record import forward
from convviz_widgets.lens.sites import FUNCTIONS, Site, first_tensor, reporting

KINDS: tuple[tuple[str, Kind], ...] = (
    ("torch.nn.modules.conv", "convolution"),
    ("torch.nn.modules.activation", "activation"),
    ("torch.nn.modules.pooling", "pooling"),
    ("torch.nn.modules.batchnorm", "normalisation"),
    ("torch.nn.modules.instancenorm", "normalisation"),
    ("torch.nn.modules.normalization", "normalisation"),
    ("torch.nn.modules.linear", "linear"),
)
NOTHING_TO_SEE = {
    *("Identity", "Flatten", "Unflatten", "Dropout", "Dropout1d", "Dropout2d", "AlphaDropout", "FeatureAlphaDropout"),
    *("StochasticDepth", "Permute"),  # torchvision's own
}


@dataclass(frozen=True)
class Discovery:
    """What one traced forward pass showed.

    Args:
        layers: see `Layers`.
        written: names of the buffers that a forward in evaluation mode changes, which must then be put back each time.
        draws: whether it draws random numbers, whose generators must then be put back each time.
        writes_input: whether it writes to the picture, of which it must then be given a copy.
    """

    layers: Layers
    written: frozenset[str]
    draws: bool
    writes_input: bool


@dataclass(frozen=True)
class _Seen:
    """One output, as it came out."""

    site: Site
    module: nn.Module
    output: torch.Tensor
    version: int
    flow: Flow | None


def discover(module: nn.Module, image: torch.Tensor) -> Discovery:
    """Runs one picture (1, C, H, W) through the network and lists every place worth looking at."""
    seen: list[_Seen] = []
    with (
        as_guest(module),
        torch.inference_mode(mode=False),
        torch.no_grad(),
        FlowMode(image := image.clone(), follow) as mode,  # made here, so that torch counts what is written to it
    ):
        written, random = written_buffers(module), _fingerprint_of_random()

        def note(site: Site, output: Any) -> None:
            tensor = first_tensor(output)
            if tensor is None or tensor.ndim < 2:
                return
            flow, owner = mode.flows.get(tensor), module.get_submodule(site.owner)
            seen.append(_Seen(site, owner, tensor, tensor._version, flow))
            if flow is not None and _is_picture_like(seen[-1]) and _kind(site, owner) not in (None, "block"):
                mode.flows[tensor] = replace(flow, sources=frozenset({site.name}))

        before = version_of(image)
        with reporting(module, note):
            forward(module, image)
        draws = random != _fingerprint_of_random()
        return Discovery(Layers(_layers(seen)), written(), draws, writes_input=version_of(image) != before)


def _fingerprint_of_random() -> str:
    def plain(state: Any) -> Any:
        return state.tolist() if isinstance(state, torch.Tensor | np.ndarray) else state

    return repr([tree_map(plain, state) for state, _ in random_states()])


def _kind(site: Site, module: nn.Module) -> Kind | None:
    """What a site is; None where there is nothing to see."""
    if site.function:
        return "activation" if FUNCTIONS[site.function] == "activation" else "pooling"
    if site.owner == "" or type(module).__name__ in NOTHING_TO_SEE:
        return None
    home = type(module).__module__
    known: Kind | None = next((kind for prefix, kind in KINDS if home == prefix), None)
    for parent in type(module).__mro__:
        known = known or next((kind for prefix, kind in KINDS if parent.__module__ == prefix), None)
    if known is not None:
        return known
    return "block" if any(True for _ in module.children()) else "other"


def _layers(seen: list[_Seen]) -> list[Layer]:
    listed = [each for each in seen if _kind(each.site, each.module) is not None and _is_picture_like(each)]
    plumbing = {each.site.name for each in listed if _is_plumbing(each, listed)}
    listed = [each for each in listed if each.site.name not in plumbing]
    blocks = [each.site for each in listed if _kind(each.site, each.module) == "block"]
    layers = [_layer(each, index, blocks) for index, each in enumerate(listed)]
    return [_with_parents(layer, layers) for layer in layers]


def _is_picture_like(seen: _Seen) -> bool:
    """Maps with channels first, and vectors; not tokens, nor maps with channels last."""
    shape, flow = seen.output.shape, seen.flow
    if shape[0] != 1:  # pictures and windows, or pictures and tokens, in one dimension
        return False
    if len(shape) == 2:
        return True
    if len(shape) != 4 or flow is None or flow.layout is None:
        return False
    return flow.dimension_of("rows") in (-2, None) and flow.dimension_of("columns") in (-1, None)


def _is_plumbing(seen: _Seen, listed: list[_Seen]) -> bool:
    """A bare Sequential is a stage only if it chains blocks of one resolution; else its parts speak for themselves."""
    if type(seen.module) not in (nn.Sequential, nn.ModuleList, nn.ModuleDict):
        return False
    parts = [_last_of(f"{seen.site.owner}.{name}", listed) for name, _ in seen.module.named_children()]
    chained = [part for part in parts if part is not None and _kind(part.site, part.module) == "block"]
    sizes = {tuple(part.output.shape[2:]) for part in chained}
    return not (chained and len(chained) == len(parts) and len(sizes) == 1)


def _last_of(owner: str, listed: list[_Seen]) -> _Seen | None:
    return next((each for each in reversed(listed) if each.site.owner == owner and not each.site.function), None)


def _layer(seen: _Seen, index: int, blocks: list[Site]) -> Layer:
    kind = _kind(seen.site, seen.module)
    return Layer(
        name=seen.site.name,
        kind=kind or "other",
        type_name=seen.site.function or type(seen.module).__name__,
        shape=tuple(int(length) for length in seen.output.shape[1:]),
        receptive_field=_field(seen),
        parents=tuple(sorted(seen.flow.sources)) if seen.flow is not None else (),
        block=_enclosing(seen.site, blocks),
        index=index,
        site=seen.site,
        overwritten=seen.output._version != seen.version,
    )


def _field(seen: _Seen) -> ReceptiveField | None:
    flow = seen.flow
    if flow is None or flow.rows is None or flow.columns is None:
        return None
    if seen.output.ndim == 4 and (flow.dimension_of("rows") != -2 or flow.dimension_of("columns") != -1):
        return None
    return ReceptiveField(
        *((getattr(flow.rows, each), getattr(flow.columns, each)) for each in ("size", "stride", "start"))
    )


def _enclosing(site: Site, blocks: list[Site]) -> str | None:
    """The innermost block whose module holds the site's module (a function lies in the module that calls it)."""
    around = [
        block
        for block in blocks
        if site.owner.startswith(block.owner + ".") or (site.function and site.owner == block.owner)
    ]
    return max(around, key=lambda block: len(block.owner)).name if around else None


def _with_parents(layer: Layer, layers: list[Layer]) -> Layer:
    """A block takes what its parts take from outside of it."""
    names = {each.name for each in layers}
    order = {each.name: each.index for each in layers}
    if layer.kind != "block":
        taken = {name for name in layer.parents if name in names and name != layer.name}
        return replace(layer, parents=tuple(sorted(taken, key=order.__getitem__)))
    inside = {
        each.name
        for each in layers
        if each.site.owner.startswith(layer.site.owner + ".") or each.site.owner == layer.site.owner
    }
    taken = {name for each in layers if each.name in inside and each.kind != "block" for name in each.parents}
    return replace(layer, parents=tuple(sorted((taken - inside) & names, key=order.__getitem__)))
