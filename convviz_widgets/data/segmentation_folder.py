"""A folder of pictures with a label map for each, as segmentation datasets come.

Read as they stand: numbers in grey or palette PNGs (CamVid as it is often repacked, Pascal VOC, SceneParsing of
ADE20K), colours (CamVid's own maps), and the coding of the whole ADE20K, (R / 10) * 256 + G.

Sources: Brostow et al. 2009, "Semantic object classes in video" (CamVid); Everingham et al. 2010, "The Pascal VOC
Challenge"; Zhou et al. 2017, "Scene Parsing through ADE20K Dataset". That colours are computed from pixels where a
dataset has none follows Broden (Bau et al. 2017, section 2.1).
"""

import json
import os
from collections.abc import Iterable
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from convviz_widgets.core.errors import BadLabel, BadValue, MissingFile, unknown_name
from convviz_widgets.data.colours import colour_terms
from convviz_widgets.data.concepts import COLOURS
from convviz_widgets.data.label_names import Names, listed, read_ignored, read_names
from convviz_widgets.data.label_table import LabelTable, packed_map
from convviz_widgets.data.labelled import LabelledImages, Labels, Map, Sample, covers, digest_of, number_concepts
from convviz_widgets.data.pairing import Pair, pair
from convviz_widgets.data.reading import picture_size, read_map, read_picture
from convviz_widgets.data.scenes import Scenes, read_scenes

Encoding = Literal["auto", "ade20k"]
Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


class SegmentationFolder(LabelledImages[Sample]):
    """Pictures, a label map for each, and names for the values of the maps; an item reads only its own files.

    A picture and its map have the same name up to the suffix, at the same place below their folders.

    Example:
        >>> streets = SegmentationFolder("camvid/images", "camvid/labels", "names.txt", ignore=11)  # doctest: +SKIP
        >>> streets = SegmentationFolder("701", "LabeledApproved", "label_colors.txt", suffix="_L")  # doctest: +SKIP
        >>> voc = SegmentationFolder("JPEGImages", "SegmentationClass", names, ignore=(0, 255))  # doctest: +SKIP
        >>> ade = SegmentationFolder(root, root, names, first=1, encoding="ade20k", suffix="_seg")  # doctest: +SKIP

    Args:
        images: a folder, also of folders, or the files.
        labels: the folder of the label maps, or as many files.
        names: what the values mean: a list, a dict or a file; see `label_names.read_names`. Two values may share a
            name. Given as colours, the maps are read as colours.
        ignore: values, names or colours that mean no label.
        category: what the names are names of.
        first: value of the first name of a list: 0, or 1 where 0 means none. That value 0 is then ignored.
        encoding: "ade20k" for the maps of the whole ADE20K; else numbers or colours, as the names are.
        suffix: what the name of a map has after the name of its picture, before the dot.
        colours: whether the eleven basic colour terms are computed from the pixels, as a category "colour".
        scenes: the scene of each picture, as a category "scene": "folder" for the name of the folder around it, or a
            dict or file of picture name to scene.

    Raises:
        MissingFile: a folder or file is not there.
        BadValue, BadType, UnknownName: no pair of picture and map; names, values or scenes that cannot be meant.
    """

    def __init__(
        self,
        images: Paths,
        labels: Paths,
        names: Names,
        *,
        ignore: Any = (),
        category: str = "object",
        first: int = 0,
        encoding: Encoding = "auto",
        suffix: str = "",
        colours: bool = False,
        scenes: Scenes = None,
    ) -> None:
        if encoding not in get_args(Encoding):
            raise unknown_name("encoding", encoding, get_args(Encoding))
        values = read_names(names, first)
        ignored = read_ignored(ignore, values) | ({0} if first == 1 and 0 not in values.names else set())
        if encoding == "ade20k" and values.colours:
            raise BadValue("encoding='ade20k' gives numbers, the names are given by colours. Give names by number.")
        self._by_colour, self._encoding = values.colours, encoding
        self._pairs, self.unmatched = pair(images, labels, suffix)
        self._scenes = read_scenes(scenes, self._pairs)
        kept = {value: name for value, name in values.names.items() if value not in ignored}
        if not kept:
            raise BadValue(f"ignore= leaves none of the names {listed(values.names.values())}. Ignore fewer.")
        self._category = category
        table = {category: listed(kept.values())}
        if self._scenes:
            table["scene"] = sorted(set(self._scenes.values()))
        if colours:
            table["colour"] = list(COLOURS)
        if len(table) != 1 + bool(self._scenes) + colours:
            raise BadValue(f"category={category!r} is taken by scenes= or colours=. Name it otherwise.")
        self.categories = tuple(table)
        self.concepts = number_concepts(table)
        self._ids = {(concept.category, concept.name): concept.id for concept in self.concepts}
        self._table = LabelTable(
            {value: self._ids[category, name] for value, name in kept.items()} | dict.fromkeys(ignored, 0)
        )
        self._told = json.dumps([sorted(values.names.items()), sorted(ignored), category, encoding, suffix])
        self._places = range(len(self._pairs))

    @cached_property
    def _about(self) -> bytes:
        """The settings, and of every picture and map the name and the size in bytes."""
        files = [(each.name, _bytes(each.image), _bytes(each.label)) for each in self._pairs]
        return json.dumps([self._told, list(self.categories), files, sorted(self._scenes.items())]).encode()

    @property
    def digest(self) -> str:
        """Names these very pictures and labels, wherever the folder lies: names, sizes in bytes, settings, which ones.

        A picture or map that is changed without a change of its size is not noticed.
        """
        return digest_of("segmentation", self._about, self._places)

    def __repr__(self) -> str:
        missing = sum(self._pairs[int(place)].label is None for place in self._places)
        lacking = f", {missing} of them without a label map" if missing else ""
        return f"SegmentationFolder({len(self)} pictures{lacking}; {len(self.concepts)} concepts in {self.categories})"

    def _sample(self, place: int) -> Sample:
        each = self._pairs[place]
        given = {"scene": each.name in self._scenes}
        categories = [category for category in self.categories if given.get(category, True)]
        return Sample(each.image, Labels(categories, partial(self._labels, each)), place, each.name)

    def _labels(self, each: Pair, category: str) -> Map:
        if category == self._category:
            return self._read(each)
        if category == "scene":
            return np.full(picture_size(each.image), self._ids["scene", self._scenes[each.name]], dtype=np.int32)
        first = self._ids["colour", COLOURS[0]]
        return colour_terms(read_picture(each.image)).astype(np.int32) + np.int32(first)

    def _read(self, each: Pair) -> npt.NDArray[np.int32]:
        if each.label is None:
            raise MissingFile(f"{each.name!r} has no label map. Put it beside the others, or leave the picture out.")
        values = read_map(each.label)
        _check_size(values.shape[:2], each)
        path = repr(str(each.label))
        if self._encoding == "ade20k":
            values = _ade20k(values, path)
        elif self._by_colour:
            values = packed_map(_coloured(values, path))
        elif values.ndim == 3:
            values = _grey(values, path)
        hint = "Name them in names=, or list them in ignore=."
        return self._table.ids(values, path, hint, colours=self._by_colour)


def _check_size(size: tuple[int, ...], each: Pair) -> None:
    picture = picture_size(each.image)
    if not covers(size, picture):
        raise BadLabel(
            "wrong size",
            f"{str(each.label)!r} is {size[0]}x{size[1]}, its picture {picture[0]}x{picture[1]} (height x width). A "
            "map covers its whole picture: give one of the same proportions.",
        )


def _ade20k(values: npt.NDArray[Any], path: str) -> npt.NDArray[np.int32]:
    """Class numbers of the maps of the whole ADE20K; Zhou et al. 2017, as told in the release's own code."""
    if values.ndim != 3:
        raise BadLabel("unreadable map", f"{path} holds no colours, so it is no map of the whole ADE20K (*_seg.png).")
    wide = values.astype(np.int32)
    return wide[..., 0] // 10 * 256 + wide[..., 1]


def _coloured(values: npt.NDArray[Any], path: str) -> npt.NDArray[np.uint8]:
    if values.ndim == 3:
        return values.astype(np.uint8)
    raise BadLabel("unreadable map", f"{path} holds numbers, the names are given by colours. Give names by number.")


def _grey(values: npt.NDArray[Any], path: str) -> npt.NDArray[Any]:
    """Numbers that were saved as grey in three channels."""
    if (values[..., :1] == values).all():
        return values[..., 0]
    raise BadLabel(
        "unreadable map", f"{path} holds colours, the names are given by number. Give names as {{name: (R, G, B)}}."
    )


def _bytes(path: Path | None) -> int:
    return path.stat().st_size if path is not None and path.is_file() else -1
