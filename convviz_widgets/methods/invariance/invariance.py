"""How far the answers of a low and a high layer move while pictures are shifted, turned or scaled.

For a picture x, the picture T_a x moved by an amount a, and a layer's answer Φ as one vector,

    ``d(a) = ‖Φ(T_a x) - Φ(x)‖``,

beside the probability P(c | T_a x) of the true class c, as curves over a. Layers differ in the length of their vectors,
so a curve reads well only against a yardstick: ``by="norm"`` divides by ‖Φ(x)‖, the length of the picture's own answer;
``by="pictures"`` by the root mean square distance between the answers to two different pictures of those given, so that
1 means "as far as another picture".

Cost: one forward pass per amount and picture, stopped after the last layer wanted.
Oracle: the amount that leaves the picture alone moves nothing; the distances equal those of plain forwards of pictures
moved by numpy; a layer of global averages does not move under what a torus cannot see.
Source: Zeiler & Fergus 2013, "Visualizing and Understanding Convolutional Networks", section 4 (feature invariance) and
figure 5, whose range of translations and scales is about the default one here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.core.errors import BadValue, unknown_name
from convviz_widgets.core.knob import Knob, whole
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.technique import technique
from convviz_widgets.lens.classes import chosen_class
from convviz_widgets.lens.fills import Fill
from convviz_widgets.lens.images import each_image
from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.single import one_picture
from convviz_widgets.methods.invariance.curves import banded
from convviz_widgets.methods.invariance.distances import Tally
from convviz_widgets.methods.invariance.features import chosen_layers, moved_answers
from convviz_widgets.methods.invariance.resampling import (
    UNITS,
    Course,
    Direction,
    Floats,
    Transform,
    checked_amounts,
)
from convviz_widgets.render import grid, html
from convviz_widgets.render.result import Result

AMOUNTS = Knob(2, 721, help="amounts from one end of the range to the other")
AT_ONCE = Knob(1, 256, help="amounts in a forward pass")
SHOWN = 7  # pictures in a strip
YARDSTICKS = ("norm", "pictures", "none")
Yardstick = Literal["norm", "pictures", "none"]


@dataclass(frozen=True, eq=False, repr=False)
class Invariance(Result):
    """How far L layers moved over A amounts, for each of N pictures.

    Args:
        transform: what was done to the pictures.
        direction: of a translation.
        amounts: (A,) in pixels, degrees counterclockwise, or as a factor.
        layers: (L,) names.
        distance: (N, L, A) Euclidean, of the answer to the moved picture from that to the picture itself.
        norm: (N, L) length of the answer to the picture itself.
        between: (L,) root mean square distance between the answers to two different pictures; NaN for a single one.
        probability: (N, A) of each picture's class; NaN where it was not asked for.
        classes: (N,) their names; "" where they were not asked for.
        strip: (S, H, W, 3) uint8, the first picture moved by some of the amounts, as the network sees it.
        strip_amounts: (S,) by how much.
    """

    transform: str
    direction: str
    amounts: Floats
    layers: tuple[str, ...]
    distance: Floats
    norm: Floats
    between: Floats
    probability: Floats
    classes: tuple[str, ...]
    strip: npt.NDArray[np.uint8]
    strip_amounts: Floats

    def relative(self, by: Yardstick = "norm") -> Floats:
        """(N, L, A) the distances, each layer against its yardstick.

        Raises:
            UnknownName: there is no such yardstick.
            BadValue: "pictures" of a single picture.
        """
        if by not in YARDSTICKS:
            raise unknown_name("yardstick", by, YARDSTICKS, f"Accepted: {', '.join(YARDSTICKS)}.")
        if by == "pictures" and len(self.distance) < 2:
            raise BadValue("by='pictures' needs two pictures or more; this result has one. Accepted: 'norm', 'none'.")
        lengths = {"norm": self.norm, "pictures": self.between[None], "none": np.ones((1, 1))}[by]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.distance == 0, 0.0, self.distance / lengths[..., None])

    def curves(self, by: Yardstick = "norm") -> dict[str, tuple[Floats, Floats]]:
        """Mean and standard deviation over the pictures, (A,) each, by layer; and "probability", where it is known."""
        told = {name: self.relative(by)[:, place] for place, name in enumerate(self.layers)}
        if np.isfinite(self.probability).any():
            told["probability"] = self.probability
        return {name: (values.mean(0), values.std(0)) for name, values in told.items()}

    def movement(self, by: Yardstick = "norm") -> dict[str, float]:
        """Of each layer the distance, averaged over the pictures and the amounts that move them: one number a layer."""
        moving = self.distance.shape[-1] - 1
        return {
            name: float(self.relative(by)[:, place].mean(0).sum() / moving) for place, name in enumerate(self.layers)
        }

    def picture(self) -> npt.NDArray[np.uint8]:
        """The first picture, moved."""
        captions = [f"{amount:g} {UNITS[self.transform]}" for amount in self.strip_amounts]  # type: ignore[index]
        scale = max(1, 96 // self.strip.shape[1])
        return grid.montage(list(self.strip), columns=len(self.strip), captions=captions, scale=scale)

    def caption(self) -> str:
        """How far each layer moved, in words."""
        moved = ", ".join(f"{name} {value:.2f}" for name, value in self.movement().items())
        kept = f"; the class keeps {self.probability.mean():.2f} on average" if self.classes[0] else ""
        return (
            f"Invariance to {self.transform} from {self.amounts[0]:g} to {self.amounts[-1]:g} "
            f"{UNITS[self.transform]}, {len(self.distance)} pictures. "  # type: ignore[index]
            f"Mean distance in lengths of the answer: {moved}{kept}"
        )

    def figure(self, by: Yardstick = "norm", layer: str | None = None) -> Any:
        """The curves: mean and band of all layers; of one layer, or of "probability", one line per picture."""
        across = f"{self.transform} ({UNITS[self.transform]})"  # type: ignore[index]
        label = {"norm": "distance, in lengths", "pictures": "distance, in pictures"}.get(by, "distance")
        if layer is None:
            title = f"Invariance to {self.transform}"
            return banded(self.curves(by), self.amounts, most={"probability": 1}, title=title, x=across, y=label)
        if layer not in (*self.layers, "probability"):
            raise unknown_name("layer in this result", layer, (*self.layers, "probability"))
        chosen = self.probability if layer == "probability" else self.relative(by)[:, self.layers.index(layer)]
        names = [f"picture {place}{f', {name}' if name else ''}" for place, name in enumerate(self.classes)]
        return banded(
            {"mean": (chosen.mean(0), chosen.std(0))},
            self.amounts,
            each=dict(zip(names, chosen, strict=True)),
            most={"mean": 1} if layer == "probability" else None,
            title=f"{layer} while pictures are moved",
            x=across,
            y="probability" if layer == "probability" else label,
        )

    def _repr_html_(self) -> str:
        shown = _spread(len(self.amounts), SHOWN, int(np.argmin(self.distance.sum((0, 1)))))
        head = ["mean ± sd", *(f"{self.amounts[place]:g} {UNITS[self.transform]}" for place in shown)]  # type: ignore[index]
        rows = [
            [name, *(f"{mean[place]:.2f} ± {deviation[place]:.2f}" for place in shown)]
            for name, (mean, deviation) in self.curves().items()
        ]
        table = html.table(head, rows)
        strip = html.picture(self.picture(), self.caption())
        return html.block(strip, table, html.faint(self.provenance.summary()), label=self.caption())


@technique
def invariance(
    lens: Lens,
    images: Any,
    transform: Transform = "translate",
    *,
    range: Sequence[float] | None = None,  # noqa: A002 -- the word of the literature
    steps: Annotated[int, AMOUNTS] = 25,
    layers: Sequence[str | Layer] | str | Layer | None = None,
    labels: Sequence[int | str] | None = None,
    direction: Direction = "vertical",
    fill: Fill | Literal["edge"] | Any = "grey",
    output: bool = True,
    at_once: Annotated[int, AT_ONCE] = 32,
    seed: int = 0,
) -> Steps[Invariance]:
    """How far layers' answers move, and what becomes of the class, while pictures are shifted, turned or scaled.

    Each step's headline is the largest distance of that picture's last layer, in lengths of its answer.

    Example:
        >>> images = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), dtype=np.uint8)
        >>> moved = invariance(Lens.load("mini"), images, "rotate", range=(-90, 90), steps=3)
        >>> moved.layers, moved.distance.shape, moved.distance[:, :, 1].max()
        (('relu1', 'relu7'), (2, 2, 3), 0.0)

    Args:
        lens: the network.
        images: pictures, of one size when prepared.
        transform: "translate" (pixels of the prepared picture), "rotate" (degrees counterclockwise) or "scale" (a
            factor).
        range: (low, high), or the amounts one by one, three or more; the amount that leaves a picture alone, 0 or for a
            scale 1, must lie within. Default: a quarter of the side both ways; a whole turn; 0.6 to 1.8.
        steps: amounts from low to high; translations stand at whole pixels.
        layers: names, the low one first; default: the first activation, and the last layer before the class scores.
        labels: the true class of each picture, by index or name; default: the most probable of each as it is.
        direction: of a translation: "vertical" (positive is down) or "horizontal" (positive is to the right).
        fill: what shows where the picture does not reach: "grey", "mean", "blur", "noise", "edge" (the nearest pixel),
            or another picture of the same size.
        output: whether the probability of the class is wanted; without, the network runs no farther than the layers.
        at_once: amounts in a forward pass.
        seed: of the noise.

    Returns:
        An `Invariance`.

    Raises:
        UnknownName: a wrong transform, direction, fill, layer or class name.
        BadType: amounts that are no numbers.
        BadValue: a range without the amount that leaves a picture alone, not one label per picture, no picture,
            pictures of several sizes.
        UnsupportedModel: the network gives no class scores, and they are wanted.

    Source:
        Zeiler & Fergus 2013, section 4 and figure 5.
    """
    whole("steps", steps, int(AMOUNTS.low), int(AMOUNTS.high))
    whole("at_once", at_once, int(AT_ONCE.low), int(AT_ONCE.high))
    pictures = list(each_image(images))
    chosen = chosen_layers(lens, layers)
    _check_count(pictures, labels, output=output)
    first = one_picture(lens, pictures[0])
    size = int(first.shape[-2]), int(first.shape[-1])
    course = Course(transform, checked_amounts(transform, range, steps, size, direction), direction, fill, seed)
    tally = Tally(len(pictures), len(chosen), len(course.amounts))
    strip = _spread(len(course.amounts), SHOWN, course.still)
    for place, picture in enumerate(pictures):
        prepared = first if place == 0 else one_picture(lens, picture)
        _check_shape(prepared, first, place)
        for part in moved_answers(lens, prepared, chosen, course, at_once=at_once, output=output):
            if part.clean is not None and part.chances is not None:
                given = None if labels is None else labels[place]
                tally.target[place] = chosen_class(lens, torch.from_numpy(part.chances[0]), given)
            tally.note(place, part)
            yield Step(place + 1, len(pictures), tally.farthest(place), f"picture {place + 1} of {len(pictures)}")
    return Invariance(
        transform=transform,
        direction=direction,
        amounts=np.array(course.amounts),
        layers=tuple(each.name for each in chosen),
        distance=tally.distance,
        norm=tally.norm,
        between=tally.between(),
        probability=tally.probability,
        classes=tuple(lens.class_name(int(each)) if output else "" for each in tally.target),
        strip=np.stack([lens.preprocess.picture(each) for each in course.frames(lens, first, strip)]),
        strip_amounts=np.array([course.amounts[each] for each in strip]),
        provenance=Provenance.of(
            "invariance",
            fingerprint=lens.fingerprint,
            inputs=("lens", "images"),
            transform=transform,
            range=course.amounts,
            **({"steps": 2} if len(course.amounts) == 2 else {}),
            layers=tuple(each.name for each in chosen),
            **({"labels": tuple(int(each) for each in tally.target)} if output else {"output": False}),
            **({"direction": direction} if transform == "translate" else {}),
            fill=fill if isinstance(fill, str) else "another picture",
            seed=seed if isinstance(fill, str) and fill == "noise" else None,
        ),
    )


def _check_count(pictures: Sequence[Any], labels: Any, *, output: bool) -> None:
    if not pictures:
        raise BadValue("No picture was given. Accepted: at least one.")
    if labels is not None and not output:
        raise BadValue("labels are for the probability, which output=False leaves out. Accepted: one or the other.")
    if labels is not None and (isinstance(labels, str | Mapping) or len(labels) != len(pictures)):
        given = type(labels).__name__ if isinstance(labels, str | Mapping) else len(labels)
        raise BadValue(f"{given} labels for {len(pictures)} pictures. Accepted: one class, index or name, per picture.")


def _check_shape(prepared: torch.Tensor, first: torch.Tensor, place: int) -> None:
    if prepared.shape != first.shape:
        raise BadValue(
            f"Picture {place} is {tuple(prepared.shape[1:])} when prepared, the first {tuple(first.shape[1:])}. "
            "Accepted: pictures of one size; open the network with a `preprocess` that resizes them."
        )


def _spread(count: int, most: int, through: int) -> list[int]:
    """So many places at most, from the first to the last, one of them given."""
    chosen = {int(each) for each in np.linspace(0, count - 1, min(most, count)).round()}
    if through not in chosen:
        inner = sorted(chosen - {0, count - 1}, key=lambda each: abs(each - through))
        chosen = (chosen - set(inner[:1])) | {through}
    return sorted(chosen)
