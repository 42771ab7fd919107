"""The tables of a Broden folder: category.csv, label.csv, c_*.csv, and the rows of index.csv.

Layout: the text that the release's own maker writes beside the data, and Bau et al. 2017, section 2.1.
"""

import csv
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from convviz_widgets.core.errors import BadLabel, BadValue, MissingFile

INDEX_COLUMNS = ("image", "split", "ih", "iw", "sh", "sw")
PUBLISHED = {"color": 11, "object": 584, "part": 234, "material": 32, "scene": 468, "texture": 47}
"""Concepts per category of Broden 1.0: Bau et al. 2017, "Network Dissection", table 1."""


@dataclass(frozen=True)
class Category:
    """One kind of labels.

    Args:
        name: as the release spells it.
        numbers: what stands for each concept in the maps, by the code of c_*.csv, which starts at 1.
        names: of the same concepts.
    """

    name: str
    numbers: tuple[int, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """One row of index.csv.

    Args:
        image: file name within images/.
        split: "train" or "val".
        map_size: height and width of the label maps.
        entries: category to its labels, dominant first: file names of maps, or numbers that hold for the whole picture.
    """

    image: str
    split: str
    map_size: tuple[int, int]
    entries: dict[str, tuple[str | int, ...]]


@dataclass(frozen=True)
class Index:
    """Where each row of index.csv begins; 63,305 rows take half a megabyte.

    Args:
        path: the file.
        columns: its head.
        starts: byte at which each row begins.
        splits: names of the splits.
        split: per row, the place of its split in ``splits``; -1 where the row is broken.
        filled: per row, which columns hold something, as bits; all of them where the row is broken.
    """

    path: Path
    columns: tuple[str, ...]
    starts: npt.NDArray[np.int64]
    splits: tuple[str, ...]
    split: npt.NDArray[np.int8]
    filled: npt.NDArray[np.int64]

    @classmethod
    def of(cls, path: Path) -> "Index":
        """Goes once through index.csv.

        Raises:
            MissingFile: it is not there.
            BadValue: its head lacks a column, or it has no rows.
        """
        starts, split, filled = array("q"), array("b"), array("q")
        splits: dict[str, int] = {}
        with path.open("rb") as file:
            start = len(head := file.readline())
            columns = tuple(_cells(head, "The head"))
            lacking = [name for name in INDEX_COLUMNS if name not in columns]
            if lacking:
                raise BadValue(
                    f"{str(path)!r} lacks the columns {lacking}. Accepted: the index.csv of a Broden release."
                )
            for line in file:
                if line.strip():
                    starts.append(start)
                    cells = _cells_or_none(line, len(columns))
                    name = cells[columns.index("split")] if cells else ""
                    split.append(splits.setdefault(name, len(splits)) if cells else -1)
                    filled.append(sum(1 << place for place, cell in enumerate(cells) if cell) if cells else -1)
                start += len(line)
        if not starts:
            raise BadValue(f"{str(path)!r} lists no picture. Unpack the release again.")
        return cls(path, columns, np.array(starts), tuple(splits), np.array(split), np.array(filled))

    def row(self, place: int, categories: Sequence[str]) -> Row:
        """One row, read from the file.

        Raises:
            BadLabel: it is not a row of an index.
        """
        with self.path.open("rb") as file:
            file.seek(int(self.starts[place]))
            line = file.readline()
        cells = _cells(line, f"Row {place}")
        if len(cells) != len(self.columns):
            raise _broken(place, f"has {len(cells)} cells instead of {len(self.columns)}", line)
        row = dict(zip(self.columns, cells, strict=True))
        try:
            size = int(row["sh"]), int(row["sw"])
        except ValueError:
            raise _broken(place, f"has no size of label maps (sh, sw): {row['sh']!r}, {row['sw']!r}", line) from None
        if not row["image"] or min(size) < 1:
            raise _broken(place, "names no picture, or no size of label maps", line)
        entries = {category: _entries(row[category]) for category in categories}
        return Row(row["image"], row["split"], size, {category: each for category, each in entries.items() if each})


def read_categories(root: Path) -> tuple[Category, ...]:
    """The categories in the order of category.csv, with the concepts of each.

    Raises:
        MissingFile: a table is not there.
        BadValue: a table is damaged, or the tables contradict each other.
    """
    names = {
        _number(row, "number", "label.csv"): row["name"] for row in read_table(root / "label.csv", "number", "name")
    }
    return tuple(
        _category(root, row["name"], _number(row, "count", "category.csv"), names)
        for row in read_table(root / "category.csv", "name", "count")
    )


def _category(root: Path, category: str, count: int, names: dict[int, str]) -> Category:
    file = f"c_{category}.csv"
    rows = read_table(root / file, "code", "number", "name")
    coded = sorted((_number(row, "code", file), _number(row, "number", file), row["name"]) for row in rows)
    if len(coded) != count or [code for code, _, _ in coded] != list(range(1, len(coded) + 1)):
        raise BadValue(
            f"category.csv says {count} concepts of {category}, {file} lists {len(coded)} with codes "
            f"{coded[0][0]} to {coded[-1][0]}. A file was cut off or changed: unpack the release again."
        )
    for _, number, name in coded:
        if names.get(number) != name:
            raise BadValue(
                f"{file} calls label {number} {name!r}, label.csv calls it {names.get(number)!r}. The two are of "
                "different releases: unpack one release again."
            )
    return Category(category, tuple(number for _, number, _ in coded), tuple(name for _, _, name in coded))


def read_table(path: Path, *columns: str) -> list[dict[str, str]]:
    """The rows of a table as dicts.

    Raises:
        MissingFile: it is not there.
        BadValue: it lacks one of the columns, or has no rows.
    """
    if not path.is_file():
        raise MissingFile(f"There is no {path.name} in {str(path.parent)!r}. Unpack the release again, whole.")
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, restval="")
        lacking = [name for name in columns if name not in (reader.fieldnames or ())]
        rows = list(reader)
    if lacking or not rows:
        wrong = f"lacks the columns {lacking}" if lacking else "has no rows"
        raise BadValue(f"{str(path)!r} {wrong}. Accepted: the {path.name} of a Broden release; unpack it again.")
    return rows


def release(counts: dict[str, int]) -> str:
    """Which release the tables are of, told by the number of concepts in each category.

    Example:
        >>> release({**PUBLISHED, "object": 529})
        'another release than Broden 1.0 (Bau et al. 2017, table 1): object has 529 concepts instead of 584'
    """
    differing = [
        f"{name} has {counts.get(name, 0)} concepts instead of {PUBLISHED.get(name, 0)}"
        for name in dict.fromkeys([*PUBLISHED, *counts])
        if counts.get(name, 0) != PUBLISHED.get(name, 0)
    ]
    if not differing:
        return "Broden 1.0 (Bau et al. 2017, table 1)"
    return f"another release than Broden 1.0 (Bau et al. 2017, table 1): {', '.join(differing)}"


def _entries(cell: str) -> tuple[str | int, ...]:
    parts = [part.strip() for part in cell.split(";")]
    return tuple(int(part) if part.isdecimal() else part for part in parts if part)


def _number(row: dict[str, str], column: str, file: str) -> int:
    try:
        return int(row[column])
    except ValueError:
        raise BadValue(
            f"{file} has {row[column]!r} for {column}, not a whole number. Unpack the release again."
        ) from None


def _cells(line: bytes, what: str) -> list[str]:
    try:
        return next(csv.reader([line.decode("utf-8-sig").strip("\r\n")]), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadLabel(
            "broken row", f"{what} of index.csv cannot be read: {error}. Unpack the release again."
        ) from error


def _cells_or_none(line: bytes, count: int) -> list[str]:
    """The cells of a row, none where the row is broken: that is told when the row is asked for."""
    try:
        cells = _cells(line, "")
    except BadLabel:
        return []
    return cells if len(cells) == count else []


def _broken(place: int, what: str, line: bytes) -> BadLabel:
    shown = line.decode("utf-8", "replace").strip()[:100]
    return BadLabel("broken row", f"Row {place} of index.csv {what}: {shown!r}. Unpack the release again.")
