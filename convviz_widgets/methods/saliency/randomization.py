"""Whether a saliency map changes when the network does, as a map that explains it must.

From the scores downwards the weights of one layer after another are replaced by noise of the same mean and deviation,
and after each the map is compared with the first one by rank correlation (Spearman's, with mean ranks for equal
values). A curve that stays high speaks against the map: it shows edges of the picture, not what the network does.
Normalisations keep their weights.

Cost: one map for each layer with weights, on a copy of the network.
Oracle: each map is that of a network randomised by hand down to that layer.
Source: Adebayo et al. 2018, "Sanity Checks for Saliency Maps", section 3.1.
"""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from convviz_widgets.core.provenance import Provenance
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.technique import technique
from convviz_widgets.core.unit import Unit
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.single import one_picture
from convviz_widgets.methods.saliency.saliency import Asked, Variant, attribute, drawn
from convviz_widgets.methods.saliency.target import Target, find_target
from convviz_widgets.render import charts, colormap, grid
from convviz_widgets.render.result import Result

ALIKE = 0.5  # rank correlation from which a map of the randomised network counts as much the same

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class RandomizationCheck(Result):
    """How a map changes while a network is randomised from the scores down.

    Args:
        target: the class's name, or the unit's address.
        layers: names of the n layers, in the order in which they were randomised.
        similarity: (n + 1,) rank correlation with the map of the network as it is, before the first layer and after
            each; 1 at first.
        similarity_signed: (n + 1,) the same, of the signed maps.
        maps: (n + 1, H, W) float32.
    """

    target: str
    layers: tuple[str, ...]
    similarity: Floats
    similarity_signed: Floats
    maps: npt.NDArray[np.float32]

    @property
    def passed(self) -> bool:
        """Whether the map of the network randomised whole is another one."""
        return bool(self.similarity[-1] < ALIKE)

    def picture(self) -> npt.NDArray[np.uint8]:
        """The maps, with the last layer randomised below."""
        shown = np.unique(np.linspace(0, len(self.maps) - 1, 12).round().astype(int))
        names = ("as it is", *self.layers)
        tiles = [colormap.apply(self.maps[place], "inferno") for place in shown]
        return grid.montage(tiles, captions=[names[place] for place in shown])

    def caption(self) -> str:
        """What was found, in words."""
        told = "changes with the weights" if self.passed else "hardly changes with the weights: do not trust it"
        return f"The map {told} (rank correlation {self.similarity[-1]:.2f} at the end)."

    def figure(self) -> Any:
        """Similarity by the number of layers randomised."""
        lines = {"map": self.similarity, "signed map": self.similarity_signed}
        return charts.curve(
            lines, title=self.caption(), x="layers randomised, from the scores down", y="rank correlation"
        )


@technique
def randomization_check(
    lens: Lens,
    image: Any,
    unit: int | str | Unit | None = None,
    *,
    variant: Variant = "gradient",
    seed: int = 0,
) -> Steps[RandomizationCheck]:
    """Whether a saliency map changes when the network's weights are randomised, layer by layer from the scores down.

    Example:
        >>> image = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
        >>> randomization_check(Lens.load("mini"), image).layers[:2]
        ('fc8', 'fc7')

    Args:
        lens: the network; a copy of it is randomised.
        image: one picture.
        unit: a class by index or name, a unit's address, or None for the most probable class.
        variant: which map; see `saliency`.
        seed: of the noise.

    Returns:
        A `RandomizationCheck`.

    Raises:
        BadValue, UnknownName: as `saliency`.

    Source:
        Adebayo et al. 2018, section 3.1 (cascading randomization).
    """
    asked = Asked(variant).checked()
    prepared = one_picture(lens, image)
    target = find_target(lens, prepared, unit)
    twin = Lens(copy.deepcopy(lens.module), preprocess=lens.preprocess, input_size=lens.input_shape[1:])
    names = _weighted_layers(lens, target)
    generator = torch.Generator().manual_seed(seed)
    pairs = []
    for done, name in enumerate([None, *names]):
        if name is not None:
            randomise(twin.module.get_submodule(lens.layers[name].site.owner), generator)
        signal, _ = yield from attribute(twin, prepared, target, asked)
        pairs.append(drawn(signal, asked, size=tuple(prepared.shape[-2:])))
        yield Step(done + 1, len(names) + 1, label=name or "as it is")
    return RandomizationCheck(
        target=target.name,
        layers=tuple(names),
        similarity=np.array([rank_correlation(shown, pairs[0][0]) for shown, _ in pairs]),
        similarity_signed=np.array([rank_correlation(signed, pairs[0][1]) for _, signed in pairs]),
        maps=np.stack([shown for shown, _ in pairs]),
        provenance=Provenance.of(
            "randomization_check",
            fingerprint=lens.fingerprint,
            inputs=("lens", "image"),
            unit=target.address,
            variant=variant,
            seed=seed,
        ),
    )


def randomise(module: nn.Module, generator: torch.Generator) -> None:
    """Replaces the module's own weights by Gaussian noise of the same mean and deviation, in place."""
    with torch.no_grad():
        for weight in module.parameters(recurse=False):
            noise = torch.randn(weight.shape, generator=generator).to(weight.device, weight.dtype)
            spread = weight.std(correction=0)
            weight.copy_(weight.mean() + noise * spread)


def rank_correlation(one: npt.ArrayLike, other: npt.ArrayLike) -> float:
    """Spearman's rank correlation of two maps; equal values share their mean rank; 0 if one map is constant.

    Example:
        >>> rank_correlation([1, 2, 3], [1, 4, 90])
        1.0
    """
    ranks = [_ranks(each) for each in (one, other)]
    first, second = (each - each.mean() for each in ranks)
    scale = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / scale if scale > 0 else 0.0


def _ranks(values: npt.ArrayLike) -> Floats:
    _, place, counts = np.unique(np.asarray(values).ravel(), return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return ranks


def _weighted_layers(lens: Lens, target: Target) -> list[str]:
    """The layers with weights of their own up to the target, from it down; each module once."""
    found: dict[str, str] = {}
    for layer in lens.layers.values():
        module = lens.module.get_submodule(layer.site.owner)
        own = any(weight.ndim > 1 for weight in module.parameters(recurse=False))
        if own and not layer.site.function and (target.layer is None or layer.index <= target.layer.index):
            found.setdefault(layer.site.owner, layer.name)
    return list(found.values())[::-1]
