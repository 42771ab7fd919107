"""Broden, the broadly and densely labelled dataset, in its published layout.

63,305 pictures with labels of six categories: scenes and textures hold for a whole picture; objects, parts, materials
and colours are told for each pixel, several of a category where they overlap.

Source: Bau, Zhou, Khosla, Oliva & Torralba 2017, "Network Dissection: Quantifying Interpretability of Deep Visual
Representations", section 2.1 and table 1.
"""

import os
from collections.abc import Iterable
from functools import cached_property, partial
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from convviz_widgets.core.errors import BadLabel, BadValue, MissingFile, unknown_name
from convviz_widgets.core.technique import Progress
from convviz_widgets.data.broden_tables import Index, Row, read_categories, release
from convviz_widgets.data.download import download
from convviz_widgets.data.label_table import LabelTable
from convviz_widgets.data.labelled import LabelledImages, Labels, Map, Sample, digest_of, number_concepts
from convviz_widgets.data.reading import read_map
from convviz_widgets.data.unpack import unpack

URLS = {side: f"http://netdissect.csail.mit.edu/data/broden1_{side}.zip" for side in (224, 227, 384)}
"""Side of the pictures to the archive of Broden 1.0, as the authors' own scripts name it (script/dlbroden.sh of
NetDissect). No checksum was published with them."""
ROOM = 3_000_000_000
"""Bytes to keep free for a download whose server does not tell its size: the authors tell about 1 GB, packed."""


class Broden(LabelledImages[Sample]):
    """The labelled pictures of a Broden folder, read as it stands; an item reads only its own files.

    A label that stands in several categories (fabric is a material and an object) is one concept in each, so that an
    id names a category too. ``numbers`` gives back the number that the release uses. A picture without labels of a
    category lacks that category in its ``labels``.

    Example:
        >>> data = Broden("broden1_224", split="val")  # doctest: +SKIP
        >>> data[0].labels["color"].shape  # doctest: +SKIP
        (112, 112)

    Args:
        root: the folder with index.csv in it.
        split: "train" or "val", or None for all.
        categories: which labels to read, or None for all; pictures that have none of them are left out.

    Attributes:
        numbers: the release's own number of each concept, in the order of ``concepts``.
        release: "Broden 1.0", or in what another release differs from it.

    Raises:
        MissingFile: there is no such folder, or a table is missing in it.
        BadValue: the tables are damaged or contradict each other; no picture is left.
        UnknownName: a wrong split or category.

    Source:
        Bau et al. 2017, section 2.1.
    """

    def __init__(
        self, root: str | os.PathLike[str], *, split: str | None = None, categories: Iterable[str] | None = None
    ) -> None:
        self.root = Path(root)
        _check_root(self.root)
        tables = read_categories(self.root)
        self.release = release({table.name: len(table.names) for table in tables})
        chosen = _chosen(categories, [table.name for table in tables])
        tables = tuple(table for table in tables if table.name in chosen)
        self.split = split
        self.categories = tuple(table.name for table in tables)
        self.concepts = number_concepts({table.name: table.names for table in tables})
        self.numbers = tuple(number for table in tables for number in table.numbers)
        self._tables: dict[str, LabelTable] = {}
        first = 1
        for table in tables:
            ids = {number: first + code for code, number in enumerate(table.numbers)}
            self._tables[table.name] = LabelTable({0: 0, **ids})
            first += len(ids)
        self._index = Index.of(self.root / "index.csv")
        self._places = self._select()

    @classmethod
    def download(
        cls,
        root: str | os.PathLike[str],
        side: int = 224,
        *,
        sha256: str = "",
        split: str | None = None,
        categories: Iterable[str] | None = None,
        progress: Progress = None,
    ) -> Self:
        """Broden 1.0 from its authors' server, about 1 GB; what was fetched before is not fetched again.

        Args:
            root: folder to put ``broden1_224`` into.
            side: of the pictures, in pixels: 224, 227 or 384.
            sha256: digest that the archive must have. The authors publish none, and the address is plain HTTP: where
                it matters, take the digest of an archive that you trust.
            split: as for the dataset.
            categories: as for the dataset.
            progress: as for every technique.

        Raises:
            BadValue: another side, a wrong digest, an archive that is not safe to unpack, no room on the disk.
            DownloadFailed: the server cannot be reached; the same call goes on where it stopped.
        """
        if side not in URLS:
            raise BadValue(f"Broden 1.0 has no pictures of side {side}. Accepted: {', '.join(map(str, URLS))}.")
        folder = Path(root) / f"broden1_{side}"
        if not (folder / "index.csv").is_file():
            if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
                raise BadValue(f"{str(folder)!r} is there and holds no index.csv. Delete it, or name another root.")
            archive = folder.with_suffix(".zip")
            download(URLS[side], archive, sha256=sha256, room=ROOM, progress=progress)
            unpack(archive, folder, strip=True, progress=progress)
            archive.unlink()
        return cls(folder, split=split, categories=categories)

    @cached_property
    def _about(self) -> bytes:
        """All tables, and what was chosen of them; pictures and maps are named in the index, not read."""
        names = ["index.csv", "label.csv", "category.csv", *(f"c_{category}.csv" for category in self.categories)]
        return b"\0".join([",".join(self.categories).encode(), *((self.root / name).read_bytes() for name in names)])

    @property
    def digest(self) -> str:
        """Names these very pictures and labels: the contents of all tables, the categories, and which pictures."""
        return digest_of("broden", self._about, self._places)

    def __repr__(self) -> str:
        of = f", {self.split}" if self.split else ""
        return f"Broden({str(self.root)!r}{of}: {len(self)} pictures, {len(self.concepts)} concepts; {self.release})"

    def _select(self) -> npt.NDArray[np.int64]:
        """Places of the rows of the split that have a label; rows that cannot be read stay, to be told of."""
        splits = self._index.splits
        if self.split is not None and self.split not in splits:
            raise unknown_name("split", self.split, splits)
        columns = self._index.columns
        lacking = [name for name in self.categories if name not in columns]
        if lacking:
            raise BadValue(
                f"index.csv has no column for {lacking}, which category.csv lists. Unpack the release again."
            )
        wanted = sum(1 << columns.index(name) for name in self.categories)
        kept = (self._index.filled & wanted) != 0
        if self.split is not None:
            kept &= self._index.split == splits.index(self.split)
        places: npt.NDArray[np.int64] = np.flatnonzero(kept).astype(np.int64)
        if not len(places):
            raise BadValue(f"No picture of {str(self.root)!r} has a label of {self.categories}, split {self.split!r}.")
        return places

    def _sample(self, place: int) -> Sample:
        row = self._index.row(place, self.categories)
        labels = Labels(tuple(row.entries), partial(self._labels, row))
        return Sample(self.root / "images" / row.image, labels, place, row.image)

    def _labels(self, row: Row, category: str) -> Map:
        """The map (h, w) of a category, or (L, h, w) of several layers."""
        layers = [self._layer(row, category, entry) for entry in row.entries[category]]
        return layers[0] if len(layers) == 1 else np.stack(layers)

    def _layer(self, row: Row, category: str, entry: str | int) -> npt.NDArray[np.int32]:
        table = self._tables[category]
        hint = f"c_{category}.csv lists the labels of {category}; unpack the release again."
        if isinstance(entry, int):
            whole = table.ids(np.array([[entry]]), f"The {category} label of {row.image!r}", hint)
            return np.full(row.map_size, whole[0, 0], dtype=np.int32)
        path = self.root / "images" / entry
        values = read_map(path)
        if values.shape[:2] != row.map_size:
            raise BadLabel(
                "wrong size",
                f"{str(path)!r} is {_times(values.shape[:2])}, index.csv says {_times(row.map_size)} (height x width). "
                "Unpack the release again.",
            )
        if values.ndim == 3:  # id = R + 256 G
            values = values[..., 0].astype(np.int32) + 256 * values[..., 1].astype(np.int32)
        return table.ids(values, repr(str(path)), hint)


def _check_root(root: Path) -> None:
    if (root / "index.csv").is_file():
        return
    if not root.is_dir():
        raise MissingFile(
            f"There is no folder {str(root)!r}; relative paths start at {os.getcwd()!r}. "
            "Broden.download(folder) fetches the release."
        )
    inner = sorted(path.parent.name for path in root.glob("*/index.csv"))
    hint = (
        f"One lies in {inner[0]!r} inside: hand over that folder." if inner else "Broden.download(folder) fetches one."
    )
    raise MissingFile(f"{str(root)!r} holds no index.csv, so it is no Broden folder. {hint}")


def _chosen(categories: Iterable[str] | None, known: list[str]) -> set[str]:
    if categories is None:
        return set(known)
    chosen = {categories} if isinstance(categories, str) else set(categories)
    for name in sorted(chosen - set(known)):
        raise unknown_name("category", name, known)
    if not chosen:
        raise BadValue(f"No category is chosen. Accepted: some of {known}, or None for all.")
    return chosen


def _times(size: tuple[int, ...]) -> str:
    return "x".join(map(str, size))
