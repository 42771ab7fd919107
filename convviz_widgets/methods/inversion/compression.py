"""Which maps of a layer its picture hangs on, and how many of them the network can do without.

The importance of map k is by how much the squared error of the told picture grows when the map is set to 0:
``|D(A without A_k) - x|**2 - |D(A) - x|**2``, a mean over pixels and pictures. Maps ranked by it are left out, the
least important first, and the network's accuracy on what is left is held beside that of two simpler rankings: by the
mean norm of a map, and at random.

Cost: K decodings per picture for the importance; for the curve, the part of the network behind the layer for each share
and ranking.
Oracles: a map that the decoder does not use has importance 0; with all maps kept the accuracy is the network's own,
and with k maps kept that of a network in which a hook sets the others to 0.
Source: Dosovitskiy & Brox 2016, "Inverting Visual Representations with Convolutional Networks" (dropping what
is least important for the reconstruction).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.core.errors import BadValue
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.technique import technique
from convviz_widgets.core.unit import Unit
from convviz_widgets.lens.backward import cached_answers
from convviz_widgets.lens.images import each_image
from convviz_widgets.lens.incremental.engine import Incremental
from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.prediction import class_probabilities
from convviz_widgets.methods.inversion.decoder import Decoder
from convviz_widgets.render import charts
from convviz_widgets.render.result import Result

Floats = npt.NDArray[np.float64]
AT_ONCE = 32  # codes decoded in one batch
RANKINGS = ("reconstruction", "norm", "random")
SHARES = (1.0, 0.75, 0.5, 0.35, 0.25, 0.15, 0.1, 0.05)
DRAWS = 5  # random rankings, whose mean is shown


@dataclass(frozen=True, eq=False, repr=False)
class MapImportance(Result):
    """What the told picture loses without each of the K maps.

    Args:
        units: (K,) addresses.
        importance: (K,) growth of the mean squared error.
        norms: (K,) mean Euclidean norm of each map.
        error: mean squared error with all maps.
    """

    units: tuple[str, ...]
    importance: Floats
    norms: Floats
    error: float

    def ranking(self) -> list[tuple[str, float]]:
        """The maps, the most important first."""
        return [
            (self.units[place], float(self.importance[place])) for place in np.argsort(-self.importance, kind="stable")
        ]

    def figure(self) -> Any:
        """The forty most important maps."""
        best = self.ranking()[:40]
        return charts.bars([name for name, _ in best], [value for _, value in best], unit="growth of the squared error")


@dataclass(frozen=True, eq=False, repr=False)
class Compression(Result):
    """Accuracy against the share of maps kept.

    Args:
        shares: (S,) of the maps that are kept.
        rankings: (R,) by what the maps to keep were chosen.
        accuracy: (R, S) share of pictures classified right.
        clean_accuracy: with all maps.
        kept: (S,) how many maps that are.
    """

    shares: tuple[float, ...]
    rankings: tuple[str, ...]
    accuracy: Floats
    clean_accuracy: float
    kept: tuple[int, ...]

    def caption(self) -> str:
        """What is left at the share nearest to a half."""
        place = int(np.abs(np.array(self.shares) - 0.5).argmin())
        told = ", ".join(f"{self.accuracy[row, place]:.3f} by {name}" for row, name in enumerate(self.rankings))
        return f"Accuracy {self.clean_accuracy:.3f}; with {self.kept[place]} maps kept {told}"

    def figure(self) -> Any:
        """One line per ranking."""
        lines = {name: self.accuracy[row] for row, name in enumerate(self.rankings)}
        return charts.curve(lines, places=self.shares, title="Compression", x="share of maps kept", y="accuracy")


@technique
def map_importance(
    lens: Lens, images: Any, layer: str | Layer, *, decoder: Decoder | None = None
) -> Steps[MapImportance]:
    """How much worse a picture is told from a layer without one of its maps, for each map.

    Args:
        lens: the network.
        images: pictures of one prepared size.
        layer: the layer.
        decoder: trained for it; by default the one that ships.

    Returns:
        A `MapImportance`.

    Raises:
        UnknownName: a wrong layer, or no decoder ships for it.
        BadValue: no pictures, or a decoder of another layer, size or network.

    Source:
        Dosovitskiy & Brox 2016.

    Example:
        >>> found = map_importance(Lens.load("mini"), torch.rand(1, 3, 96, 96), "pool5")
        >>> found.importance.shape
        (64,)
    """
    place = lens.layers[layer.name if isinstance(layer, Layer) else layer]
    decoder = Decoder.shipped(lens, place.name) if decoder is None else decoder
    decoder.check(lens, place.name)
    pictures = list(each_image(images))
    if not pictures:
        raise BadValue("No picture was given: the list is empty.")
    growth, norms, error = np.zeros(place.channels), np.zeros(place.channels), 0.0
    for number, picture in enumerate(pictures):
        prepared = lens.prepare(picture)
        wanted = lens.preprocess.denormalize(prepared.float()).clamp(0, 1)
        code = cached_answers(lens, prepared, place).float()
        whole = float((decoder.decode(code) - wanted).square().mean())
        growth += _without_each(decoder, code, wanted) - whole
        norms += code[0].flatten(1).norm(dim=1).double().cpu().numpy() if code.ndim > 2 else code[0].abs().cpu().numpy()
        error += whole
        yield Step(number + 1, len(pictures), headline=whole, label="pictures")
    return MapImportance(
        units=tuple(str(Unit(place.name, channel)) for channel in range(place.channels)),
        importance=growth / len(pictures),
        norms=norms / len(pictures),
        error=error / len(pictures),
        provenance=Provenance.of(
            "map_importance", fingerprint=lens.fingerprint, inputs=("lens", "images"), layer=place.name
        ),
    )


def _without_each(decoder: Decoder, code: torch.Tensor, wanted: torch.Tensor) -> Floats:
    """The squared error of the told picture with one map after another set to 0, (K,)."""
    errors = []
    for channels in torch.arange(code.shape[1]).split(AT_ONCE):  # type: ignore[no-untyped-call]
        codes = code.repeat(len(channels), *(1 for _ in code.shape[1:]))
        codes[torch.arange(len(channels)), channels] = 0
        errors.append((decoder.decode(codes) - wanted).square().mean((1, 2, 3)))
    found: Floats = torch.cat(errors).double().cpu().numpy()
    return found


@technique
def compress(
    lens: Lens,
    images: Any,
    labels: Sequence[int],
    layer: str | Layer,
    *,
    importance: MapImportance | None = None,
    shares: Sequence[float] = SHARES,
    seed: int = 0,
) -> Steps[Compression]:
    """How many pictures are still classified right when only the best maps of a layer are kept.

    Example:
        >>> images = torch.rand(2, 3, 96, 96)
        >>> compress(Lens.load("mini"), images, [0, 1], "pool5", shares=[1, 0.5]).accuracy.shape
        (3, 2)

    Args:
        lens: the network.
        images: pictures of one prepared size.
        labels: the index of each picture's class.
        layer: whose maps are left out: set to 0.
        importance: of the maps; by default it is measured on the same pictures with the decoder that ships.
        shares: of the maps to keep, above 0 and up to 1.
        seed: of the random rankings.

    Returns:
        A `Compression`.

    Raises:
        UnknownName: a wrong layer, or no decoder ships for it.
        BadValue: another number of labels than of pictures, a share out of range, the importance of another layer.
        UnsupportedModel: what follows the layer cannot be computed apart from the rest, or gives no class scores.

    Source:
        Dosovitskiy & Brox 2016.
    """
    place = lens.layers[layer.name if isinstance(layer, Layer) else layer]
    pictures, wanted = list(each_image(images)), [int(label) for label in labels]
    _check(pictures, wanted, shares)
    found = importance if importance is not None else (yield from map_importance.steps(lens, pictures, place.name))
    if found.units[0] != str(Unit(place.name, 0)):
        raise BadValue(f"This importance is of {found.units[0].partition(':')[0]!r}; given: {place.name!r}.")
    kept = tuple(max(1, round(share * place.channels)) for share in shares)
    masks = torch.cat([_masks(order, kept) for order in _orders(found, seed)])
    right = np.zeros(len(masks) + 1)
    opened: Incremental | None = None
    for number, (picture, label) in enumerate(zip(pictures, wanted, strict=True)):
        opened = Incremental(lens, lens.prepare(picture), [place.name], like=opened)
        code = opened.clean[place.name]
        answers = code * masks.to(code).view(*masks.shape, *(1 for _ in code.shape[2:]))
        scores = torch.cat([opened.replaced(place.name, part)[""] for part in torch.split(answers, AT_ONCE)])
        chances = class_probabilities(torch.cat([scores, opened.clean[""]]), lens.class_names)
        right += (chances.argmax(1) == label).double().cpu().numpy()
        yield Step(number + 1, len(pictures), headline=float(right[-1] / (number + 1)), label="pictures")
    by_order = (right[:-1] / len(pictures)).reshape(-1, len(kept))
    return Compression(
        shares=tuple(float(share) for share in shares),
        rankings=RANKINGS,
        accuracy=np.stack([by_order[0], by_order[1], by_order[2:].mean(0)]),
        clean_accuracy=float(right[-1] / len(pictures)),
        kept=kept,
        provenance=Provenance.of(
            "compress",
            fingerprint=lens.fingerprint,
            seed=seed,
            inputs=("lens", "images", "labels", *(["importance=importance"] if importance is not None else [])),
            layer=place.name,
            shares=tuple(shares),
        ),
    )


def _orders(found: MapImportance, seed: int) -> list[torch.Tensor]:
    """The maps, the best first: by importance, by norm, and several times at random."""
    draws = torch.Generator().manual_seed(seed)
    by = [torch.from_numpy(np.argsort(-each, kind="stable").copy()) for each in (found.importance, found.norms)]
    return [*by, *(torch.randperm(len(found.units), generator=draws) for _ in range(DRAWS))]


def _masks(order: torch.Tensor, kept: Sequence[int]) -> torch.Tensor:
    """1 for the maps that are kept, (S, K)."""
    masks = torch.zeros(len(kept), len(order))
    for row, count in enumerate(kept):
        masks[row, order[:count]] = 1
    return masks


def _check(pictures: Sequence[Any], labels: Sequence[int], shares: Sequence[float]) -> None:
    if len(pictures) != len(labels) or not pictures:
        raise BadValue(f"{len(pictures)} pictures and {len(labels)} labels were given. Accepted: one label each.")
    if not len(shares) or not all(0 < share <= 1 for share in shares):
        raise BadValue(f"shares={tuple(shares)!r} cannot be kept. Accepted: numbers above 0 and up to 1.")
