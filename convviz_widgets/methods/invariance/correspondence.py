"""Whether a network takes the same part of different pictures for the same thing.

The same part (the eyes, say) is hidden in each of N pictures. Of picture i, ``ε_i = Φ(x_i) - Φ(x̃_i)`` is what hiding it
changed in a layer's answer Φ of D features. If the part means the same to the network in all pictures, hiding it
changes the same features in the same direction:

    ``Δ = Σ_{i≠j} H(sign ε_i, sign ε_j) / D``,

with the Hamming distance H, told here as its mean over the pairs of pictures, with the standard deviation over them.
Lower is more alike. A sign is -1, 0 or 1, and 0 differs from both others; a change within rounding, 1e-5 of the root
mean square of Φ(x_i), is 0. Where an occluder reaches few features, most signs are 0 on both sides and Δ is small
whatever it hides, so that Δ reads only against occluders of the same shape at random other places of the same pictures.
Even so a part that matters, and so changes more features, may look less alike than a place that matters to nobody:
``zeros="ignore"`` counts, of the features that either occluder changes, those that they do not change alike.

Cost: (1 + R) forward passes per part and picture, stopped after the last layer wanted.
Oracle: equal pictures give 0; signs compared by hand on a tiny net; the order of the pictures does not matter; a part
that the network was built to know is told from random places, and a part like any other is not.
Source: Zeiler & Fergus 2013, "Visualizing and Understanding Convolutional Networks", section 4.3 (correspondence
analysis) and table 1; the test by permutation is this package's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, get_args

import numpy as np
import numpy.typing as npt

from convviz_widgets.core.errors import BadValue, unknown_name
from convviz_widgets.core.knob import Knob, whole
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.technique import technique
from convviz_widgets.lens.fills import Fill, filled
from convviz_widgets.lens.images import each_image
from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.masks import WHOLE, mixed
from convviz_widgets.methods.invariance.features import chosen_layers
from convviz_widgets.methods.invariance.permutation import Zeros
from convviz_widgets.methods.invariance.regions import by_part, elsewhere
from convviz_widgets.methods.invariance.signs import NUMBERS, Cell, changes, compared
from convviz_widgets.render import charts, grid, html
from convviz_widgets.render.result import Result

DRAWS = Knob(1, 500, help="random places per picture")
AT_ONCE = Knob(1, 256, help="pictures in a forward pass")

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Correspondence(Result):
    """How alike hiding a part is, for P parts and L layers.

    Args:
        parts: (P,) names.
        layers: (L,) names.
        mean: (P, L) mean over pairs of pictures of the share of signs that differ, see `zeros` of `correspondence`.
        deviation: (P, L) standard deviation over the pairs.
        random_mean: (P, L) the same for the same shapes at random other places.
        random_deviation: (P, L) of it, over pairs of pictures and places.
        p_value: (P, L) how likely random places are to be as alike as the part.
        exact: (P,) whether that is of all assignments, not of some drawn.
        unchanged: (P, L) share of features that hiding the part leaves alone: signs that are 0.
        pictures: (P,) on how many pictures each part is known.
        hidden: (P,) share of a picture that the part takes, on average.
        strip: (S, H, W, 3) uint8, for each part the first picture that has it, hidden there.
    """

    parts: tuple[str, ...]
    layers: tuple[str, ...]
    mean: Floats
    deviation: Floats
    random_mean: Floats
    random_deviation: Floats
    p_value: Floats
    exact: npt.NDArray[np.bool_]
    unchanged: Floats
    pictures: npt.NDArray[np.int64]
    hidden: Floats
    strip: npt.NDArray[np.uint8]

    @property
    def total(self) -> Floats:
        """(P, L) Δ as the paper writes it: the sum over ordered pairs."""
        return np.asarray(self.mean * (self.pictures * (self.pictures - 1))[:, None], dtype=np.float64)

    def rows(self) -> list[dict[str, Any]]:
        """The table, one row per part and layer, as plain data."""
        return [
            {
                "part": part,
                "layer": layer,
                "mean": float(self.mean[row, column]),
                "sd": float(self.deviation[row, column]),
                "random mean": float(self.random_mean[row, column]),
                "random sd": float(self.random_deviation[row, column]),
                "p": float(self.p_value[row, column]),
                "pictures": int(self.pictures[row]),
            }
            for row, part in enumerate(self.parts)
            for column, layer in enumerate(self.layers)
        ]

    def picture(self) -> npt.NDArray[np.uint8]:
        """The first picture of each part, with the part hidden."""
        scale = max(1, 128 // self.strip.shape[1])
        return grid.montage(list(self.strip), columns=min(6, len(self.strip)), captions=list(self.parts), scale=scale)

    def caption(self) -> str:
        """Which parts are more alike than random places, in words."""
        told = (
            f"{part} at {layer} {self.mean[row, at]:.3f} (random {self.random_mean[row, at]:.3f})"
            for row, part in enumerate(self.parts)
            for at, layer in enumerate(self.layers)
        )
        return f"Correspondence, lower is more alike: {'; '.join(told)}"

    def figure(self) -> Any:
        """By how much the parts are more alike than random places, in shares of those, by layer."""
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = 1 - self.mean / self.random_mean
        names = [f"{part}, {layer}" for part in self.parts for layer in self.layers]
        return charts.bars(
            names, gain.ravel(), title="More alike than random places", unit="1 - Δ(part) / Δ(random places)"
        )

    def _repr_html_(self) -> str:
        head = ("part", "pictures", *(f"{layer}{of}" for layer in self.layers for of in ("", ", random places", ", p")))
        columns = range(len(self.layers))
        rows = [
            (part, int(self.pictures[row]), *(cell for at in columns for cell in self._cells(row, at)))
            for row, part in enumerate(self.parts)
        ]
        note = "Mean ± sd over pairs of pictures of the share of signs that differ; p by permutation, one-sided."
        pieces = (html.picture(self.picture(), self.caption()), html.table(head, rows), html.faint(note))
        return html.block(*pieces, html.faint(self.provenance.summary()), label=self.caption())

    def _cells(self, row: int, column: int) -> tuple[str, str, str]:
        at = row, column
        sign = "" if self.exact[row] else "≈ "
        return (
            f"{self.mean[at]:.3f} ± {self.deviation[at]:.3f}",
            f"{self.random_mean[at]:.3f} ± {self.random_deviation[at]:.3f}",
            f"{sign}{self.p_value[at]:.2g}",
        )


@technique
def correspondence(
    lens: Lens,
    images: Any,
    regions: Any,
    layers: Sequence[str | Layer] | str | Layer | None = None,
    *,
    fill: Fill | Any = "grey",
    zeros: Zeros = "count",
    draws: Annotated[int, DRAWS] = 20,
    at_once: Annotated[int, AT_ONCE] = 32,
    seed: int = 0,
) -> Steps[Correspondence]:
    """Whether hiding the same part in different pictures changes the same features, against random places.

    Example:
        >>> from convviz_widgets.core.region import Box
        >>> images = np.random.default_rng(0).integers(0, 256, (3, 96, 96, 3), dtype=np.uint8)
        >>> boxes = {"corner": [Box(0, 0, 16, 16)] * 3}
        >>> table = correspondence(Lens.load("mini"), images, boxes, ["relu3", "relu5"], draws=3)
        >>> table.mean.shape, table.exact.tolist()
        ((1, 2), [True])

    Args:
        lens: the network.
        images: two pictures or more, of one size when prepared.
        regions: name of each part to one region per picture; or the regions of a single part; or a `Box` for all
            pictures. A region is a `Box`, a mask (H, W) of the prepared picture such as `OcclusionBrush.mask` gives,
            the bytes of ``OcclusionBrush.region``, or None where a picture does not have the part. `part_regions`
            reads them off label maps.
        layers: names; default: the first activation, and the last layer before the class scores.
        fill: what stands where something is hidden: "grey", "mean", "blur", "noise", or another picture.
        zeros: "count" takes the share of all features, as the paper does; "ignore" leaves out, pair by pair, those that
            neither occluder changes.
        draws: R, random places per picture.
        at_once: pictures in a forward pass.
        seed: of the places, of the assignments that are drawn, and of the noise.

    Returns:
        A `Correspondence`.

    Raises:
        BadValue: fewer than two pictures, pictures of several sizes, not one region per picture, a region that misses
            its picture, covers nothing, or has no other place.
        BadType: regions that are none.
        UnknownName: a wrong layer, fill or way to take zeros.

    Source:
        Zeiler & Fergus 2013, section 4.3 and table 1.
    """
    if zeros not in get_args(Zeros):
        raise unknown_name("way to take zeros", zeros, get_args(Zeros))
    whole("draws", draws, int(DRAWS.low), int(DRAWS.high))
    whole("at_once", at_once, int(AT_ONCE.low), int(AT_ONCE.high))
    prepared = lens.prepare(list(each_image(images)))
    if len(prepared) < 2:
        raise BadValue("One picture was given. Accepted: two or more, as they are compared with each other.")
    chosen = chosen_layers(lens, layers)
    size = int(prepared.shape[-2]), int(prepared.shape[-1])
    masks = by_part(regions, len(prepared), size)
    stand_ins = [filled(lens, each[None], fill, seed=seed) for each in prepared]
    total, done = sum(mask is not None for each in masks.values() for mask in each), 0
    cells: list[list[Cell]] = []
    strip = []
    for number, (part, listed) in enumerate(masks.items()):
        generator = np.random.default_rng([seed, number])
        having = [(place, mask) for place, mask in enumerate(listed) if mask is not None]
        first, shown = having[0]
        strip.append(lens.preprocess.picture(mixed(prepared[first][None], stand_ins[first], shown)[0]))
        signs: list[list[npt.NDArray[np.int8]]] = [[] for _ in chosen]
        for place, mask in having:
            hidden = [mask, *elsewhere(mask, draws, generator)]
            found = changes(lens, prepared[place][None], stand_ins[place], hidden, chosen, at_once=at_once)
            for layer, each in zip(signs, found, strict=True):
                layer.append(each)
            done += 1
            yield Step(done, total, label=f"{part}, picture {place + 1} of {len(prepared)}")
        cells.append([compared(np.stack(each), generator, zeros) for each in signs])
    known = {part: [mask for mask in each if mask is not None] for part, each in masks.items()}
    return Correspondence(
        parts=tuple(masks),
        layers=tuple(each.name for each in chosen),
        **{name: np.array([[getattr(cell, name) for cell in row] for row in cells]) for name in NUMBERS},
        exact=np.array([all(cell.exact for cell in row) for row in cells], dtype=np.bool_),
        pictures=np.array([len(each) for each in known.values()], dtype=np.int64),
        hidden=np.array([float(np.mean(each)) / WHOLE for each in known.values()]),
        strip=np.stack(strip),
        provenance=Provenance.of(
            "correspondence",
            fingerprint=lens.fingerprint,
            inputs=("lens", "images", "regions"),
            layers=tuple(each.name for each in chosen),
            fill=fill if isinstance(fill, str) else "another picture",
            zeros=zeros,
            draws=draws,
            seed=seed,
        ),
    )
