"""One picture, prepared: for techniques that look at a single one."""

from collections.abc import Iterable
from typing import Any

import torch

from convviz_widgets.core.errors import BadValue
from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.sites import Site


def one_picture(lens: Lens, image: Any) -> torch.Tensor:
    """One picture as the network sees it, (1, C, H, W).

    Example:
        >>> one_picture(Lens.load("mini"), torch.zeros(3, 96, 96)).shape
        torch.Size([1, 3, 96, 96])

    Raises:
        BadValue: several pictures were given.
    """
    prepared = lens.prepare(image)
    if len(prepared) != 1:
        raise BadValue(f"{len(prepared)} pictures were given. Accepted: one; go through them in a loop.")
    return prepared


def own_copy(lens: Lens, prepared: torch.Tensor) -> torch.Tensor:
    """A prepared picture (1, C, H, W) that nobody else writes to, as the network takes it.

    Raises:
        BadValue: it is not one picture.
    """
    if prepared.ndim != 4 or len(prepared) != 1:
        raise BadValue(f"One prepared picture is (1, C, H, W); given: {tuple(prepared.shape)}.")
    return prepared.detach().to(lens.device, lens._dtype).clone()


def sites_of(lens: Lens, layers: Iterable[str | Layer]) -> dict[str, Site]:
    """Where the outputs of layers are, by their names.

    Raises:
        UnknownName: there is no such layer.
    """
    named = [lens.layers[each.name if isinstance(each, Layer) else each] for each in layers]
    return {layer.name: layer.site for layer in named}
