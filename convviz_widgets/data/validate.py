"""Every problem of a labelled dataset, in one report.

Each picture is opened and each of its label maps read, through what all labelled datasets have in common, so that
datasets of one's own are looked over too.
"""

import html
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from convviz_widgets.core.errors import BadLabel, BadType, ConvvizError, MissingFile
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.technique import technique
from convviz_widgets.data.concepts import Concept
from convviz_widgets.data.labelled import covers
from convviz_widgets.data.reading import read_picture

SHOWN = 5  # problems of a kind that a repr lists; the rest is counted


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Args:
        kind: in two words, such as "missing map".
        text: the whole of it.
        index: place of the picture in the dataset, or None where the dataset is meant.
        name: of the picture.
        category: of the label map, "" where the picture is meant.
    """

    kind: str
    text: str
    index: int | None = None
    name: str = ""
    category: str = ""


@dataclass(frozen=True, repr=False)
class Validation:
    """What looking over a dataset found.

    Args:
        dataset: what it is, in its own words.
        count: pictures looked at.
        problems: all of them, in the order of the pictures; those of the whole dataset last.
        labelled: category to the number of pictures with at least one label of it.
        unseen: concepts that no pixel has; no problem, but nothing can be found out about them.
    """

    dataset: str
    count: int
    problems: tuple[Problem, ...]
    labelled: dict[str, int] = field(hash=False)
    unseen: tuple[Concept, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    @property
    def kinds(self) -> dict[str, int]:
        """How many problems there are of each kind, most first."""
        return dict(Counter(each.kind for each in self.problems).most_common())

    def of_kind(self, kind: str) -> tuple[Problem, ...]:
        """The problems of a kind."""
        return tuple(each for each in self.problems if each.kind == kind)

    def __repr__(self) -> str:
        lines = [f"{self.dataset}: {self._headline()}"]
        for kind, count in self.kinds.items():
            lines.append(f"{kind} ({count})")
            lines += [f"  {each.text}" for each in self.of_kind(kind)[:SHOWN]]
            lines += [f"  and {count - SHOWN} more: .of_kind({kind!r})"] * (count > SHOWN)
        return "\n".join(lines + list(self._notes()))

    def _repr_html_(self) -> str:
        parts = [f"<p><b>{html.escape(self.dataset)}</b>: {html.escape(self._headline())}</p>"]
        for kind, count in self.kinds.items():
            items = "".join(f"<li>{html.escape(each.text)}</li>" for each in self.of_kind(kind))
            state = " open" if count <= SHOWN else ""
            parts.append(f"<details{state}><summary>{html.escape(kind)} ({count})</summary><ul>{items}</ul></details>")
        parts += [f"<p>{html.escape(note)}</p>" for note in self._notes()]
        return f'<div style="overflow-wrap:anywhere">{"".join(parts)}</div>'

    def _headline(self) -> str:
        found = f"{len(self.problems)} problems" if len(self.problems) != 1 else "1 problem"
        return f"{self.count} pictures looked at, {found if self.problems else 'nothing wrong'}"

    def _notes(self) -> Iterator[str]:
        yield "pictures with labels: " + ", ".join(f"{name} {count}" for name, count in self.labelled.items())
        if self.unseen:
            some = ", ".join(each.name for each in self.unseen[:SHOWN])
            more = ", ..." if len(self.unseen) > SHOWN else ""
            yield f"concepts that no pixel has: {len(self.unseen)} ({some}{more})"


@technique
def validate(dataset: Any) -> Steps[Validation]:
    """Looks over every picture and label map of a dataset and lists all that is wrong, never ending at the first.

    Example:
        >>> from convviz_widgets.data.mini_broden import MiniBroden
        >>> validate(MiniBroden(count=4)).ok
        True

    Args:
        dataset: any labelled dataset: ``len``, items with ``.image`` and ``.labels``, ``.concepts``, ``.categories``.

    Returns:
        A `Validation`. Kinds of problems: "missing picture", "unreadable picture", "missing map", "unreadable map",
        "wrong size", "unknown label", "empty map", "broken row", "broken item"; of the whole dataset: "map without
        picture", "category without label".

    Raises:
        BadType: it is no labelled dataset.
    """
    lacking = [name for name in ("concepts", "categories", "__len__", "__getitem__") if not hasattr(dataset, name)]
    if lacking:
        raise BadType(
            f"{type(dataset).__name__} is no labelled dataset: it has no {', '.join(lacking)}. Accepted: Broden, "
            "SegmentationFolder, MiniBroden, or what has the same."
        )
    category_of = {concept.id: concept.category for concept in dataset.concepts}
    labelled = dict.fromkeys(dataset.categories, 0)
    problems: list[Problem] = []
    seen: set[int] = set()
    total = len(dataset)
    for index in range(total):
        found = _Look(index, category_of, empty_maps=getattr(dataset, "empty_maps", False))
        found.at(dataset)
        problems += found.problems
        seen |= found.seen
        for category in found.labelled:
            labelled[category] = labelled.get(category, 0) + 1
        yield Step(index + 1, total, headline=float(len(problems)), label=found.name)
    problems += _of_all(dataset, labelled)
    unseen = tuple(concept for concept in dataset.concepts if concept.id not in seen)
    return Validation(repr(dataset), total, tuple(problems), labelled, unseen)


class _Look:
    """What one picture and its maps are found to be."""

    def __init__(self, index: int, category_of: dict[int, str], *, empty_maps: bool) -> None:
        self.index = index
        self.name = f"picture {index}"
        self.problems: list[Problem] = []
        self.seen: set[int] = set()
        self.labelled: set[str] = set()
        self._category_of = category_of
        self._empty_maps = empty_maps

    def at(self, dataset: Any) -> None:
        try:
            sample = dataset[self.index]
        except Exception as error:  # noqa: BLE001 -- whatever is wrong with one item, the others are looked at
            self._add(_kind(error, "broken item"), error)
            return
        self.name = getattr(sample, "name", "") or self.name
        size = self._picture(sample.image)
        for category in sample.labels:
            try:
                labels = np.asarray(sample.labels[category])
            except Exception as error:  # noqa: BLE001 -- as above
                if size is None and repr(str(sample.image)) in str(error):
                    continue  # the picture's own fault, told already
                missing = isinstance(error, MissingFile)
                self._add("missing map" if missing else _kind(error, "unreadable map"), error, category)
            else:
                self._map(labels, category, size)

    def _picture(self, image: Any) -> tuple[int, int] | None:
        """Height and width of the picture, or None where it cannot be read."""
        try:
            pixels = read_picture(Path(image)) if isinstance(image, str | Path) else np.asarray(image)
        except Exception as error:  # noqa: BLE001 -- as above
            self._add("missing picture" if isinstance(error, MissingFile) else "unreadable picture", error)
            return None
        if pixels.ndim < 2 or 0 in pixels.shape:
            self._add("unreadable picture", f"{self.name}: an array of shape {pixels.shape} is no picture (H, W, 3).")
            return None
        return pixels.shape[0], pixels.shape[1]

    def _map(self, labels: Any, category: str, size: tuple[int, int] | None) -> None:
        where = f"{self.name}, {category}"
        if labels.ndim not in (2, 3) or labels.dtype.kind not in "iu":
            self._add("unreadable map", f"{where}: {labels.shape} {labels.dtype}, not whole numbers (h, w).", category)
            return
        height, width = labels.shape[-2:]
        if size and not covers((height, width), size):
            text = f"{where}: the map is {height}x{width}, the picture {size[0]}x{size[1]} (height x width)."
            self._add("wrong size", text, category)
        ids = {int(each) for each in np.unique(labels)} - {0}
        wrong = sorted(each for each in ids if self._category_of.get(each) != category)
        if wrong:
            self._add("unknown label", f"{where}: ids {wrong[:SHOWN]} are no concepts of {category}.", category)
        if ids:
            self.labelled.add(category)
        elif not self._empty_maps:
            self._add("empty map", f"{where}: no pixel has a label.", category)
        self.seen |= ids

    def _add(self, kind: str, what: Exception | str, category: str = "") -> None:
        if isinstance(what, ConvvizError | str):
            text = str(what)
        else:
            text = f"{self.name}{', ' * bool(category)}{category}: {type(what).__name__}: {what}"
        self.problems.append(Problem(kind, text, self.index, self.name, category))


def _kind(error: Exception, otherwise: str) -> str:
    return error.kind if isinstance(error, BadLabel) else otherwise


def _of_all(dataset: Any, labelled: dict[str, int]) -> Iterator[Problem]:
    for path in getattr(dataset, "unmatched", ()):
        yield Problem("map without picture", f"{str(path)!r} belongs to no picture.")
    for category, count in labelled.items():
        if not count:
            text = f"No picture has a label of {category!r}. Leave the category out, or check its maps."
            yield Problem("category without label", text, category=category)
