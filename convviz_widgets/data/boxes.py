"""Pictures with boxes around things, from a table or from a folder in the manner of Pascal VOC."""

import csv
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, overload
from xml.etree import ElementTree as ET

from convviz_widgets.core.errors import BadValue, MissingFile

COLUMNS = ("name", "class", "left", "top", "right", "bottom")
TOLD = 20  # problems named one by one in an error
EDGES = ("xmin", "ymin", "xmax", "ymax")


class ClassBox(NamedTuple):
    """A box of pixel edges around one thing of a class, in the upright picture: ``left <= column < right``.

    Example:
        >>> ClassBox("cat", 3, 4, 30, 20).right
        30
    """

    label: str
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class BoxedImage:
    """A picture with the boxes of the things on it.

    Args:
        image: the file.
        boxes: one or more.
        name: by which results name it.
    """

    image: Path
    boxes: tuple[ClassBox, ...]
    name: str


class BoxFolder(Sequence[BoxedImage]):
    r"""Pictures with boxes, sorted by name; a lens reads each when it is needed.

    The boxes stand in a table (CSV) with the columns name, class, left, top, right, bottom, one line per box, or in one
    XML file per picture as Pascal VOC has them (Everingham et al. 2010). In a table, edges are counted from 0 and the
    right and the bottom one lie behind the last pixel; Pascal VOC counts pixels from 1 and names the last one, which is
    converted. Boxes are those of the upright picture.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "a.png").write_bytes(b"")
        >>> _ = (folder / "boxes.csv").write_text("name,class,left,top,right,bottom\na.png,cat,3,4,30,20")
        >>> BoxFolder(folder)[0].boxes
        (ClassBox(label='cat', left=3.0, top=4.0, right=30.0, bottom=20.0),)

    Args:
        path: the folder of the pictures; for Pascal VOC, the one that holds ``JPEGImages`` and ``Annotations``.
        boxes: the table, or the folder of XML files; default: ``boxes.csv``, else ``Annotations``, else the folder
            itself where it holds XML files.

    Raises:
        MissingFile: there is no such folder, or nothing with boxes in it.
        BadValue: the boxes cannot be used; all that is wrong with them is told at once.
    """

    def __init__(self, path: str | os.PathLike[str], boxes: str | os.PathLike[str] | None = None) -> None:
        self.path = Path(path)
        if not self.path.is_dir():
            raise MissingFile(f"There is no folder {str(path)!r}; relative paths start at {os.getcwd()!r}.")
        source = self._source() if boxes is None else Path(boxes)
        if not source.exists():
            raise MissingFile(
                f"There is nothing called {str(source)!r}. Accepted: a CSV table or a folder of XML files."
            )
        problems: list[str] = []
        read = _from_table(source, problems) if source.is_file() else _from_annotations(source, problems)
        pictures = self.path / "JPEGImages" if (self.path / "JPEGImages").is_dir() else self.path
        found: dict[str, list[ClassBox]] = {}
        for where, name, box in read:
            wrong = _wrong(box) or _no_picture(pictures, name)
            if wrong:
                problems.append(f"{where}: {wrong}")
            else:
                found.setdefault(name, []).append(box)
        _refuse(source, problems, empty=not found)
        self._images = [BoxedImage(pictures / name, tuple(each), name) for name, each in sorted(found.items())]

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes that occur, sorted."""
        return tuple(sorted({box.label for each in self._images for box in each.boxes}))

    def _source(self) -> Path:
        for place in (self.path / "boxes.csv", self.path / "Annotations"):
            if place.exists():
                return place
        if any(self.path.glob("*.xml")):
            return self.path
        raise MissingFile(
            f"{str(self.path)!r} holds no boxes. Accepted: a table boxes.csv with the columns {', '.join(COLUMNS)}, a "
            "folder Annotations of XML files, or XML files beside the pictures; `boxes=` names another place."
        )

    def __len__(self) -> int:
        return len(self._images)

    @overload
    def __getitem__(self, index: int) -> BoxedImage: ...
    @overload
    def __getitem__(self, index: slice) -> list[BoxedImage]: ...
    def __getitem__(self, index: int | slice) -> BoxedImage | list[BoxedImage]:
        return self._images[index]

    def __repr__(self) -> str:
        boxes = sum(len(each.boxes) for each in self._images)
        return f"BoxFolder({str(self.path)!r}: {len(self)} pictures, {boxes} boxes of {len(self.class_names)} classes)"


Read = Iterator[tuple[str, str, ClassBox]]
"""Where it was read, name of the picture, box."""


def _from_table(file: Path, problems: list[str]) -> Read:
    """Lines of a table; those that are no box are told in ``problems``."""
    try:
        lines = list(csv.DictReader(file.read_text(encoding="utf-8-sig").splitlines()))
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadValue(f"{file} is not a table: {error}. Accepted: a CSV file in UTF-8.") from error
    missing = [column for column in COLUMNS if lines and column not in lines[0]]
    if missing or not lines:
        told = f"lacks the columns {', '.join(missing)}" if missing else "holds no line but the first, at most"
        raise BadValue(f"{file} {told}. Accepted: a first line {','.join(COLUMNS)!r}, and one line per box.")
    for number, line in enumerate(lines, start=2):
        where = f"line {number}"
        try:
            yield where, (line["name"] or "").strip(), _box(line["class"], *(line[each] for each in COLUMNS[2:]))
        except ValueError as error:
            problems.append(f"{where}: {error}")


def _from_annotations(folder: Path, problems: list[str]) -> Read:
    """Boxes of XML files as Pascal VOC has them; what cannot be read is told in ``problems``."""
    for file in sorted(folder.glob("*.xml")):
        try:
            root = ET.parse(file).getroot()  # noqa: S314 -- expat 2.4 and later does not expand endlessly
        except (ET.ParseError, OSError) as error:
            problems.append(f"{file.name}: {error}")
            continue
        name = (root.findtext("filename") or "").strip() or f"{file.stem}.jpg"
        for number, thing in enumerate(root.iter("object"), start=1):
            where = f"{file.name}, object {number}"
            try:
                box = _box(thing.findtext("name"), *(thing.findtext(f"bndbox/{edge}") for edge in EDGES))
            except ValueError as error:
                problems.append(f"{where}: {error}")
            else:
                yield where, name, box._replace(left=_from_zero(box.left), top=_from_zero(box.top))


def _from_zero(edge: float) -> float:
    """A first pixel counted from 1, counted from 0; files that count from 0 against the custom keep theirs."""
    return edge - 1 if edge >= 1 else edge


def _box(label: str | None, *edges: str | None) -> ClassBox:
    if not (label or "").strip():
        raise ValueError("it names no class")
    try:
        left, top, right, bottom = (float(edge or "") for edge in edges)
    except ValueError:
        raise ValueError(f"its edges are no numbers: {', '.join(str(edge) for edge in edges)}") from None
    return ClassBox(str(label).strip(), left, top, right, bottom)


def _wrong(box: ClassBox) -> str:
    if not all(abs(edge) < 1e9 for edge in box[1:]):  # also NaN
        return f"its edges are no numbers of pixels: {box[1:]}"
    if box.right <= box.left or box.bottom <= box.top:
        return f"the box {box[1:]} has no area; the order is left, top, right, bottom"
    return f"the box {box[1:]} begins outside the picture" if min(box.left, box.top) < 0 else ""


def _no_picture(folder: Path, name: str) -> str:
    if not name:
        return "it names no picture"
    return "" if (folder / name).is_file() else f"there is no picture {name!r} in {str(folder)!r}"


def _refuse(source: Path, problems: list[str], *, empty: bool) -> None:
    if problems:
        more = f"\n... and {len(problems) - TOLD} more" if len(problems) > TOLD else ""
        told = "\n".join(problems[:TOLD])
        raise BadValue(f"{source}: {len(problems)} boxes cannot be used. Mend or remove them:\n{told}{more}")
    if empty:
        raise BadValue(f"{source} holds no box.")
