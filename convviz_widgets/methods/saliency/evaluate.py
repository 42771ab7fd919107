"""How often the box that `localize` finds is right, over pictures on which the boxes are known.

A case is a picture and a class of which boxes are known on it. With the box b found for the class, and the true boxes
t_1, ..., t_n of that class on the picture, all in the picture's own pixels, the case is an error unless

    ``max over i of |b ∩ t_i| / |b ∪ t_i| >= 0.5``.

The class is told, or is to be found as well: then it must be among the ``top`` most probable ones too, as in the
localisation task of ILSVRC (Russakovsky et al. 2015, section 4.2). Beside it stand two boxes that know nothing of the
picture: the centred one of half its area and the whole of it.

Cost: one `localize` for each case.
Oracle: a network whose saliency is known errs never; on drawings with known masks it errs less than both other boxes.
Source: Simonyan, Vedaldi & Zisserman 2013, "Deep Inside Convolutional Networks", section 3.2.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from convviz_widgets.core.errors import BadValue
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.technique import technique
from convviz_widgets.lens.backward import cached_answers
from convviz_widgets.lens.classes import class_index
from convviz_widgets.lens.framing import Edges, Framing, Framings
from convviz_widgets.lens.images import Decoded, decode
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.prediction import class_probabilities
from convviz_widgets.lens.single import one_picture
from convviz_widgets.methods.saliency.localize import PERCENT, TIES, Localization, checked_seeds, localize, overlap
from convviz_widgets.render import charts, html
from convviz_widgets.render.result import Result
from convviz_widgets.tally.checkpoint import digest
from convviz_widgets.tally.journal import Journal

RIGHT = 0.5  # intersection over union from which a box is right
HALF = 0.5**0.5  # of both sides, for half the area
NOWHERE = (float("nan"),) * 4

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class LocalizationScores(Result):
    """How well boxes were found, case by case; a case is a picture and a class on it.

    Args:
        names: (n,) of the pictures.
        classes: (n,) of the classes.
        box: (n, 4) left, top, right, bottom of what was found, in the picture's pixels; NaN where the class was not
            among the most probable.
        overlap: (n,) intersection over union with the best true box of the class; 0 where nothing was found.
        centred: (n,) the same of the centred box of half the picture's area.
        whole: (n,) the same of the whole picture.
        skipped: (name, reason) of each picture that could not be used.
    """

    names: tuple[str, ...]
    classes: tuple[str, ...]
    box: Floats
    overlap: Floats
    centred: Floats
    whole: Floats
    skipped: tuple[tuple[str, str], ...]

    @property
    def error(self) -> float:
        """The share of cases without a right box."""
        return self.errors()["localize"]

    def errors(self, least: float = RIGHT) -> dict[str, float]:
        """The share of cases whose overlap is below a bound, for what was found and for the two other boxes."""
        told = {"localize": self.overlap, "centred box": self.centred, "whole picture": self.whole}
        return {name: float((values < least).mean()) for name, values in told.items()}

    def by_class(self) -> dict[str, tuple[int, float]]:
        """Of each class the number of cases and the share without a right box."""
        found: dict[str, tuple[int, float]] = {}
        for name in sorted(set(self.classes)):
            of_class = np.array([each == name for each in self.classes])
            found[name] = int(of_class.sum()), float((self.overlap[of_class] < RIGHT).mean())
        return found

    def caption(self) -> str:
        """The errors, in words."""
        told = ", ".join(f"{name} {error:.1%}" for name, error in self.errors().items())
        names = ", ".join(name for name, _ in self.skipped[:5])
        left_out = f"; {len(self.skipped)} pictures skipped: {names}" if self.skipped else ""
        return f"Localisation error at an overlap of {RIGHT:g} over {len(self.names)} cases: {told}{left_out}"

    def figure(self) -> Any:
        """The share of errors by the overlap that is asked for."""
        places = np.linspace(0.05, 0.95, 19)
        errors = [self.errors(float(least)) for least in places]
        lines = {name: [each[name] for each in errors] for name in errors[0]}
        return charts.curve(
            lines, places=places, title="Localisation error", x="overlap asked for (intersection over union)", y="error"
        )

    def _repr_html_(self) -> str:
        rows = [(name, count, error) for name, (count, error) in self.by_class().items()]
        body = html.table(("class", "cases", "error"), rows, caption=self.caption())
        return html.block(body, html.faint(self.provenance.summary()), label=self.caption())


@technique
def localization_error(
    lens: Lens,
    images: Any,
    boxes: Sequence[Any] | None = None,
    *,
    top: int | None = None,
    above: Annotated[float, PERCENT] = 95.0,
    below: Annotated[float, PERCENT] = 30.0,
    ties: Annotated[float, TIES] = 30.0,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Steps[LocalizationScores]:
    """How often the box that `localize` finds is right, over pictures on which the boxes are known.

    A picture that cannot be read, or whose boxes cannot be used, is skipped and named in the result.

    Example:
        >>> image = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
        >>> localization_error(Lens.load("mini"), [image], [[("cat", 10, 10, 80, 90)]]).overlap.shape
        (1,)

    Args:
        lens: the network.
        images: a sequence of pictures; each carries its ``boxes``, as those of a `BoxFolder` and of `MiniBroden` do,
            unless they are given apart.
        boxes: for each picture a sequence of (class by index or name, left, top, right, bottom), in pixels of the
            upright picture as it is before it is prepared.
        top: None tells the class; a number asks that it be among so many most probable ones as well.
        above: percentile beyond which pixels are seeds of the object, as of `localize`.
        below: percentile below which they are seeds of the ground.
        ties: what it costs to part two neighbours of the same colour.
        checkpoint: file to continue from and to write to; after a kill the same call goes on with the next picture.

    Returns:
        A `LocalizationScores`.

    Raises:
        BadValue: a setting out of range, no picture that could be used, or the checkpoint is of other work.

    Source:
        Simonyan, Vedaldi & Zisserman 2013, section 3.2.
    """
    settings = {"top": top, "above": above, "below": below, "ties": ties}
    checked_seeds(above=above, below=below, ties=ties)
    if top is not None and top < 1:
        raise BadValue(f"top={top} classes cannot be asked for. Accepted: 1 or more, or None to tell the class.")
    if boxes is not None and len(boxes) != len(images):
        raise BadValue(f"{len(images)} pictures and boxes of {len(boxes)} were given. Accepted: as many of both.")
    about = {"weights": lens.fingerprint, **_digests(images, boxes), **settings} if checkpoint is not None else {}
    journal, framings = Journal(checkpoint, about), Framings(lens.preprocess)
    for place in range(len(journal.records), len(images)):
        name = f"picture {place}"
        try:
            item = images[place]
            name = _name(item, place)
            asked = _asked(lens, item, boxes[place] if boxes is not None else _own_boxes(item), framings)
        except Exception as error:  # noqa: BLE001 -- whatever is wrong with one picture, the others are judged
            journal.add({"name": name, "skipped": str(error)})
        else:
            cases = []
            for index, true in asked.classes.items():
                box = yield from _found(lens, asked, index, settings, done=(place, len(images)))
                cases.append(_case(asked.framing.size, lens.class_name(index), box, true))
            journal.add({"name": name, "cases": cases})
        yield Step(place + 1, len(images), headline=_error(journal), label=name)
    return _scores(
        journal,
        Provenance.of(
            "localization_error",
            fingerprint=lens.fingerprint,
            inputs=("lens", "images") if boxes is None else ("lens", "images", "boxes"),
            top=top,
            above=above,
            below=below,
            ties=ties,
        ),
    )


class _Asked(NamedTuple):
    """A picture, how it is framed, and of each class on it the true boxes."""

    picture: Decoded
    framing: Framing
    classes: dict[int, list[Edges]]


def _asked(lens: Lens, item: Any, boxes: Any, framings: Framings) -> _Asked:
    preprocess = lens.preprocess
    picture = decode(item, strict=preprocess.transform is not None, channels=preprocess.channels)
    framing = framings.of(picture)
    answers = cached_answers(lens, one_picture(lens, picture))
    count = class_probabilities(answers, lens.class_names).shape[1]
    classes: dict[int, list[Edges]] = {}
    for label, *edges in boxes:
        classes.setdefault(class_index(lens, label, count), []).append(_checked(edges, framing.size))
    if not classes:
        raise BadValue("it has no boxes")
    return _Asked(picture, framing, classes)


def _checked(edges: Sequence[Any], size: tuple[int, int]) -> Edges:
    """A true box within a picture (H, W)."""
    if len(edges) != 4:
        raise BadValue(f"a box of {len(edges)} edges was given. Accepted: a class, left, top, right, bottom.")
    left, top, right, bottom = (float(edge) for edge in edges)
    if not (0 <= left < right <= size[1] and 0 <= top < bottom <= size[0]):
        raise BadValue(
            f"the box {(left, top, right, bottom)} does not lie within a picture of {size[1]} x {size[0]} pixels. "
            "Accepted: left, top, right, bottom in its pixels."
        )
    return left, top, right, bottom


def _found(
    lens: Lens, asked: _Asked, index: int, settings: dict[str, Any], *, done: tuple[int, int]
) -> Steps[Edges | None]:
    """The box found for a class, in the picture's pixels; None where the class is not among the most probable."""
    if settings["top"] is not None:
        ranked = lens.predict(asked.picture, settings["top"])[0]
        if index not in [each.index for each in ranked]:
            return None
    knobs = {name: settings[name] for name in ("above", "below", "ties")}
    steps = localize.steps(lens, asked.picture, index, **knobs)
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            found: Localization = end.value
            return asked.framing.back(found.box)
        yield Step(*done, label=step.label)


def _case(size: tuple[int, int], name: str, box: Edges | None, true: list[Edges]) -> dict[str, Any]:
    height, width = size
    inset = (1 - HALF) / 2
    centred = (inset * width, inset * height, (1 - inset) * width, (1 - inset) * height)
    rated = {"overlap": box or (0, 0, 0, 0), "centred": centred, "whole": (0, 0, width, height)}
    best = {key: max(overlap(each, truth) for truth in true) for key, each in rated.items()}
    return {"class": name, "box": box and list(box), **best}


def _scores(journal: Journal, provenance: Provenance) -> LocalizationScores:
    skipped = tuple((each["name"], each["skipped"]) for each in journal.records if "skipped" in each)
    cases = [(each["name"], case) for each in journal.records for case in each.get("cases", ())]
    if not cases:
        why = f"The first: {': '.join(skipped[0])}" if skipped else "There is none."
        raise BadValue(f"None of {len(skipped)} pictures could be used. {why}")
    return LocalizationScores(
        names=tuple(name for name, _ in cases),
        classes=tuple(case["class"] for _, case in cases),
        box=np.array([case["box"] or NOWHERE for _, case in cases], dtype=np.float64),
        overlap=np.array([case["overlap"] for _, case in cases], dtype=np.float64),
        centred=np.array([case["centred"] for _, case in cases], dtype=np.float64),
        whole=np.array([case["whole"] for _, case in cases], dtype=np.float64),
        skipped=skipped,
        provenance=provenance,
    )


def _error(journal: Journal) -> float | None:
    """The share of errors so far; None before the first case."""
    found = [case["overlap"] for each in journal.records for case in each.get("cases", ())]
    return float(np.mean(np.array(found) < RIGHT)) if found else None


def _own_boxes(item: Any) -> Any:
    if not hasattr(item, "boxes"):
        raise BadValue(
            f"{type(item).__name__} carries no boxes. Accepted: pictures with `.boxes`, such as those of a BoxFolder, "
            "or `boxes=` with a sequence for each picture."
        )
    return item.boxes


def _name(item: Any, place: int) -> str:
    name = getattr(item, "name", "") or (item if isinstance(item, str | os.PathLike) else "")
    return str(name) or f"picture {place}"


def _digests(images: Any, boxes: Any) -> dict[str, str]:
    """Names the pictures and their boxes, so that a checkpoint of others is refused."""
    told = [list(each) for each in boxes] if boxes is not None else []
    if boxes is None and not isinstance(getattr(images, "digest", None), str):
        told = [list(getattr(images[place], "boxes", ())) for place in range(len(images))]
    return {"images": digest(images), "boxes": hashlib.sha256(repr(told).encode()).hexdigest()}
