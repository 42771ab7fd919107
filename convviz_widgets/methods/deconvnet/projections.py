"""The nine pictures that excite each unit most, and beside each what in it did.

For every unit of a layer the patches of `top_images`, and for each patch the signal of its neuron carried back down, as
`deconvnet` does for one.

Cost: one pass over the pictures; then, of a picture that excites few units, the small parts that their neurons see,
many in a batch; of one that excites many, one forward pass, and for each patch a pass down over what its neuron sees.
Oracle: each projection equals `deconvnet` of its neuron.
Source: Zeiler & Fergus 2013, "Visualizing and Understanding Convolutional Networks", section 3 and figure 2.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from convviz_widgets.core.errors import BadType, BadValue
from convviz_widgets.core.knob import Knob
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.technique import technique
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.deconvnet.deconvnet import BackwardRule, checked_rule
from convviz_widgets.methods.deconvnet.patches import carried
from convviz_widgets.methods.deconvnet.sheet import Sheet, side_of
from convviz_widgets.methods.deconvnet.top_images import MANY, TopImages, top_images
from convviz_widgets.render import grid
from convviz_widgets.tally.checkpoint import digest

TILE = Knob(8, 512, unit="pixels", help="longest side of a stored patch and of its projection")
UNITS_SHOWN = 4  # of the still picture, two rows each


@dataclass(frozen=True, eq=False, repr=False)
class TopProjections(TopImages):
    """The k strongest pictures of each of K units, and what in each excited the unit.

    Args:
        tiles: (K, k, s, s, 3) uint8, the patches; at most s pixels high and wide, larger ones are scaled down; what
            lies outside of the picture is grey.
        projections: (K, k, s, s, 3) uint8, the signals of the same parts; grey is zero.
        reach: (K, k) float32, the magnitude that is full colour; 0 where nothing was carried down, because there is no
            picture or the unit is not active on it.
    """

    tiles: npt.NDArray[np.uint8]
    projections: npt.NDArray[np.uint8]
    reach: npt.NDArray[np.float32]

    def picture(self) -> npt.NDArray[np.uint8]:
        """For each of the first units a row of projections, and below it the patches."""
        shown = self.projections[:UNITS_SHOWN], self.tiles[:UNITS_SHOWN]
        rows = [tile for pair in zip(*shown, strict=True) for row in pair for tile in row]
        return grid.montage(rows, columns=self.index.shape[1], scale=max(1, 64 // self.tiles.shape[2]))


@technique
def top_projections(
    lens: Lens,
    images: Any,
    layer: str,
    k: Annotated[int, MANY] = 9,
    *,
    rule: BackwardRule = "deconvnet",
    tile: Annotated[int, TILE] = 64,
    cache: str | os.PathLike[str] | None = None,
) -> Steps[TopProjections]:
    """The pictures that excite each unit of a layer most, each with what in it did.

    Example:
        >>> images = np.random.default_rng(0).integers(0, 256, (4, 96, 96, 3), dtype=np.uint8)
        >>> top_projections(Lens.load("mini"), images, "relu1", k=2).projections.shape
        (24, 2, 7, 7, 3)

    Args:
        lens: the network.
        images: a sequence of pictures: a list, an `ImageFolder`, a dataset.
        layer: name of the layer.
        k: pictures per unit, at most one patch of each.
        rule: what a ReLU lets through on the way down.
        tile: longest side of what is stored of each, in pixels.
        cache: a folder to keep the result in, one for each network, set of pictures, layer and setting; the same call
            is answered from it.

    Returns:
        A `TopProjections`.

    Raises:
        UnknownName: a wrong layer or rule.
        BadValue: a setting out of range, or no picture can be read.

    Source:
        Zeiler & Fergus 2013, section 3 and figure 2.
    """
    checked_rule(rule)
    TILE.check("tile", tile)
    MANY.check("k", k)
    place = lens.layers[layer]
    settings: dict[str, Any] = {"layer": place.name, "k": k, "rule": rule, "tile": tile}
    folder = None if cache is None else Path(cache) / _name_of(lens, images, settings)
    kept = _kept_in(folder)
    if kept is not None:
        yield Step(1, 1, label="from the cache")
        return kept
    best = yield from top_images.steps(lens, images, place.name, k)
    sheet = Sheet(best, side=side_of(best, tile))
    patches = carried(lens, images, place, best, rule=rule, opened=sheet.put_patches)
    for done, (pick, signal) in enumerate(patches, 1):
        if signal is not None:
            sheet.put(pick, signal)
        yield Step(done, int((best.index >= 0).sum()), label="projections")
    result = TopProjections(
        layer=best.layer,
        index=best.index,
        position=best.position,
        activation=best.activation,
        box=best.box,
        skipped=best.skipped,
        samples=best.samples,
        tiles=sheet.tiles,
        projections=sheet.projections,
        reach=sheet.reach,
        provenance=Provenance.of(
            "top_projections", fingerprint=lens.fingerprint, inputs=("lens", "images"), **settings
        ),
    )
    if folder is not None:
        result.save(folder, overwrite=True)
    return result


def _name_of(lens: Lens, images: Any, settings: dict[str, Any]) -> str:
    """Name of the folder of a result: of the weights, the pictures, the layer and the settings."""
    what = repr((lens.fingerprint, digest(images), sorted(settings.items())))
    readable = "".join(letter if letter.isalnum() else "-" for letter in f"{lens.name}-{settings['layer']}")
    return f"{readable}-{hashlib.sha256(what.encode()).hexdigest()[:16]}"


def _kept_in(folder: Path | None) -> TopProjections | None:
    """The result in a folder; None where there is none, or only a damaged one."""
    if folder is None or not folder.exists():
        return None
    try:
        return TopProjections.load(folder)
    except (BadValue, BadType):
        return None
