"""A network followed to a layer, and whether autograd would go back down the very operations that were followed."""

from collections import Counter
from functools import partial
from typing import Any

import torch

from convviz_widgets.lens.descent.pointwise import gate_of
from convviz_widgets.lens.incremental.trace import Tape, trace
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.record import record, without_autocast
from convviz_widgets.lens.rules import relu_rule
from convviz_widgets.lens.sites import Site

RULED = "a rectifier under a rule"
SILENT = ("accumulategrad", "clone", "copybackwards")
"""What autograd notes beside the operations, and copies."""
OURS = {"byblocks": "convolution", "rectified": RULED}
"""Operations of our own, and what they stand for."""


def followed(lens: Lens, prepared: torch.Tensor, site: Site) -> tuple[Tape, bool]:
    """The operations that lead from a picture (1, C, H, W) to a site, and whether the rules see all ReLUs among them.

    The tape has an obstacle also where a walk back along it might not be what autograd gives: where the network cuts
    gradients off, or gives others than those of what it computes. To see that costs a second forward pass.
    """
    with without_autocast(prepared.device.type):
        tape = trace(lens.module, prepared, [site])
    if tape.obstacle:
        return tape, False
    tape.operations = tape.needed()
    with torch.inference_mode(mode=False), torch.enable_grad():
        x = prepared.detach().clone().requires_grad_().clone()
    output = record(lens.module, x, [site], grad=True, within=partial(relu_rule, "guided"))[site]
    nodes, gates = _nodes(output), [gate_of(each) is not None for each in tape.operations]
    names = [_plain(each.name) for each in tape.operations]
    for ruled in (RULED, ""):  # the rules see all ReLUs, or none
        wanted = [ruled if gate and ruled else name for name, gate in zip(names, gates, strict=True)]
        if nodes == Counter(name for name in wanted if name not in SILENT):
            return tape, ruled == RULED or not any(gates)
    tape.obstacle = "its gradients are not those of what it computes"
    return tape, False


def _nodes(output: torch.Tensor) -> Counter[str]:
    """The operations that autograd would go back down, by name."""
    todo: list[Any] = [output.grad_fn]
    seen = set[Any]()
    while todo:
        node = todo.pop()
        if node is not None and node not in seen:
            seen.add(node)
            todo += [below for below, _ in node.next_functions]
    names = [_plain(node.name().rstrip("0123456789").removesuffix("Backward")) for node in seen]
    return Counter(OURS.get(name, name) for name in names if name not in SILENT)


def _plain(name: str) -> str:
    return name.rpartition(":")[2].replace("_", "").lower()
