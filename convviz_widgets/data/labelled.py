"""What all datasets with labels have in common: the record of one picture, and a sequence of such records."""

import copy
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import index as as_index
from typing import Any, Self, TypeVar, overload

import numpy as np
import numpy.typing as npt

from convviz_widgets.core.errors import BadType, unknown_name
from convviz_widgets.data.concepts import Concept

Map = npt.NDArray[np.integer[Any]]
"""Concept ids (h, w), 0 where there is no label; (L, h, w) where a pixel can have several."""


class Labels(Mapping[str, Map]):
    """The label maps of one picture by category, each read when it is first asked for.

    A category that the picture was not labelled in is absent, which is not the same as a map of zeros.

    Args:
        categories: what the picture is labelled in.
        read: gives the map of a category.
    """

    def __init__(self, categories: Sequence[str], read: Callable[[str], Map]) -> None:
        self._categories = tuple(categories)
        self._read = read
        self._maps: dict[str, Map] = {}

    def __getitem__(self, category: str) -> Map:
        if category not in self._categories:
            raise unknown_name("label of category", category, self._categories, "This picture has no other labels.")
        if category not in self._maps:
            self._maps[category] = self._read(category)
        return self._maps[category]

    def __contains__(self, category: object) -> bool:  # Mapping's own would read the map
        return category in self._categories

    def __iter__(self) -> Iterator[str]:
        return iter(self._categories)

    def __len__(self) -> int:
        return len(self._categories)

    def __repr__(self) -> str:
        return f"Labels({', '.join(self._categories)})"


@dataclass(frozen=True, eq=False)
class Sample:
    """One picture and what is labelled in it.

    Args:
        image: what a lens can open: a path, or pixels (H, W, 3) uint8.
        labels: category to a map of concept ids, (h, w) or, with several labels per pixel, (L, h, w); 0 is no label.
            A map covers the whole picture and may be coarser than it.
        index: its place in the whole dataset, also when the sample comes from a slice.
        name: what the dataset calls it.
    """

    image: Any
    labels: Mapping[str, Map] = field(repr=False)
    index: int
    name: str = ""


Record = TypeVar("Record", bound=Sample, covariant=True)


class LabelledImages(Sequence[Record]):
    """A sequence of labelled pictures; a slice is a smaller dataset of the same pictures.

    A dataset derives from it, sets what stands below, and gives `_sample`.

    Attributes:
        categories: names of the kinds of labels.
        concepts: what pixels can be labelled with; ``concepts[id - 1].id == id``.
        empty_maps: whether a map without any label is meant; elsewhere `validate` tells of it.
    """

    categories: tuple[str, ...]
    concepts: tuple[Concept, ...]
    empty_maps = False
    _places: "range | npt.NDArray[np.int64]"

    def _sample(self, place: int) -> Record:
        """The picture at a place of the whole dataset."""
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> "Record | Self":
        """A picture with its labels; a slice gives a smaller dataset of the same pictures."""
        if isinstance(index, slice):
            part = copy.copy(self)
            part._places = self._places[index]
            return part
        try:
            place = int(self._places[as_index(index)])
        except TypeError:
            raise BadType(f"A picture is asked for by a whole number or a slice; given: {index!r}.") from None
        except IndexError:
            raise IndexError(f"There is no picture {index}; this dataset has {len(self)}, from 0.") from None
        return self._sample(place)

    def __iter__(self) -> Iterator[Record]:
        return (self[index] for index in range(len(self)))


def digest_of(kind: str, about: bytes, places: "range | npt.NDArray[np.int64]") -> str:
    """A name for a dataset and the pictures chosen from it, the same on every machine.

    Args:
        kind: what it begins with.
        about: bytes that tell the whole dataset from every other.
        places: which of its pictures.
    """
    chosen = np.asarray(places, dtype="<i8").tobytes()
    return f"{kind}-{hashlib.sha256(hashlib.sha256(about).digest() + chosen).hexdigest()[:32]}"


def covers(size: tuple[int, ...], picture: tuple[int, ...]) -> bool:
    """Whether a map of a size (h, w) can lie on the whole of a picture (H, W): it has its proportions, to a pixel.

    Example:
        >>> covers((4, 6), (9, 12)), covers((4, 6), (12, 12))
        (True, False)
    """
    return abs(size[0] * picture[1] - size[1] * picture[0]) <= max(picture)


def number_concepts(names: Mapping[str, Sequence[str]]) -> tuple[Concept, ...]:
    """Concepts numbered from 1, category by category.

    Example:
        >>> [concept.id for concept in number_concepts({"object": ["car", "tree"], "scene": ["street"]})]
        [1, 2, 3]
    """
    pairs = ((name, category) for category, listed in names.items() for name in listed)
    return tuple(Concept(number, name, category) for number, (name, category) in enumerate(pairs, start=1))
