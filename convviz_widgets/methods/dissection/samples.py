"""Pictures with labelled pixels, read for a network: prepared, and their labels on the grid that is counted on."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.core.errors import BadType, BadValue
from convviz_widgets.lens.framing import Framing, Framings
from convviz_widgets.lens.images import decode
from convviz_widgets.lens.lens import Lens

Labels = npt.NDArray[np.int32]


class Labelled(NamedTuple):
    """The labels of one picture.

    Args:
        columns: (pixels, L) which concept, counted from 1 in order of id; 0 for none. None stands twice in a pixel.
        known: (categories,) bool, whether there is any label of a category.
        pixels: (C,) pixels of each concept.
        grid: rows and columns of pixels.
    """

    columns: Labels
    known: npt.NDArray[np.bool_]
    pixels: npt.NDArray[np.int64]
    grid: tuple[int, int]


class Samples:
    """A labelled dataset as a network sees it.

    Args:
        lens: the network.
        dataset: ``len``, samples with ``image`` and ``labels`` (category to concept ids (h, w) or (L, h, w)), and
            ``concepts`` with ``id``, ``name`` and ``category``.
        density: pixels counted along the prepared picture's side, per pixel of it; default: as many as the first
            picture has labels, but no more than one.

    Raises:
        BadType: the dataset is not a labelled one.
        BadValue: two concepts of one id, an id below 1, or no sample at all can be read.
    """

    def __init__(self, lens: Lens, dataset: Any, *, density: tuple[float, float] | None = None) -> None:
        self.dataset = dataset
        self.concepts = tuple(sorted(_concepts(dataset), key=lambda each: each.id))
        self.categories = tuple(dict.fromkeys(str(each.category) for each in self.concepts))
        self._lens, self._framings = lens, Framings(lens.preprocess)
        self._columns = np.full((len(self.categories), self.concepts[-1].id + 1), -1, dtype=np.int32)
        self._columns[:, 0] = 0
        for column, concept in enumerate(self.concepts, start=1):
            self._columns[self.categories.index(str(concept.category)), concept.id] = column
        self.density = density or self._density()

    def read(self, sample: Any) -> tuple[torch.Tensor, Labelled]:
        """One sample: the prepared picture (C, H, W) and its labels.

        Raises:
            BadType, BadValue: the picture or a label map cannot be used.
        """
        labels = _labels(sample)
        prepared, framing = self._framed(sample.image)
        height, width = framing.prepared
        grid = max(1, round(height * self.density[0])), max(1, round(width * self.density[1]))
        layers, known = [], np.zeros(len(self.categories), dtype=bool)
        for place, category in enumerate(self.categories):
            for columns in self._stack(labels.get(category), place, framing, grid):
                known[place] |= bool(columns.any())
                layers.append(columns)
        stacked = np.stack(layers or [np.zeros(grid, dtype=np.int32)], axis=-1).reshape(grid[0] * grid[1], -1)
        pixels = np.bincount(stacked.ravel(), minlength=len(self.concepts) + 1)[1:]
        return prepared, Labelled(stacked, known, pixels, grid)

    def _framed(self, image: Any) -> tuple[torch.Tensor, Framing]:
        """A picture prepared, (C, H, W), and how it was laid into what the network sees."""
        preprocess = self._lens.preprocess
        decoded = decode(image, strict=preprocess.transform is not None, channels=preprocess.channels)
        return self._lens.prepare(decoded)[0], self._framings.of(decoded)

    def _stack(self, maps: Any, category: int, framing: Framing, grid: tuple[int, int]) -> list[Labels]:
        """The layers of a category's labels, each (rows, columns), without any concept twice in a pixel."""
        if maps is None:
            return []
        array = np.asarray(maps)
        if array.ndim not in (2, 3) or array.dtype.kind not in "iu" or 0 in array.shape:
            raise BadValue(
                f"The labels of {self.categories[category]!r} are {array.dtype} {array.shape}. Accepted: whole numbers "
                "(h, w), or (L, h, w) where a pixel has several."
            )
        array = array if array.ndim == 3 else array[None]
        known = self._columns[category]
        columns = known[array] if array.min() >= 0 and array.max() < len(known) else None
        if columns is None or columns.min() < 0:
            wrong = [each for each in np.unique(array) if not 0 <= each < len(known) or known[each] < 0]
            raise BadValue(
                f"The labels of {self.categories[category]!r} hold {wrong[:5]}, which are no concepts of that "
                "category. Accepted: the ids of `dataset.concepts`, and 0 for none."
            )
        seen = list(framing.labels(columns, grid))
        for place, layer in enumerate(seen[1:], start=1):
            for earlier in seen[:place]:
                layer[layer == earlier] = 0
        return seen

    def _density(self) -> tuple[float, float]:
        """Found on the first sample that can be read."""
        error: Exception | None = None
        for place in range(len(self.dataset)):
            try:
                sample = self.dataset[place]
                maps = [np.asarray(each) for each in _labels(sample).values()]
                framing = self._framed(sample.image)[1]
                if maps:
                    sides = [max(each.shape[axis] for each in maps) for axis in (-2, -1)]
                    each = [
                        side / abs(scale) / length
                        for side, scale, length in zip(sides, framing.scale, framing.size, strict=True)
                    ]
                    return min(1.0, round(each[0], 4)), min(1.0, round(each[1], 4))
            except Exception as wrong:  # noqa: BLE001 -- whatever is wrong with one sample, another may do
                error = error or wrong
        raise BadValue(f"No sample with labels can be read from {type(self.dataset).__name__}. The first: {error}")


def _concepts(dataset: Any) -> list[Any]:
    concepts = list(getattr(dataset, "concepts", ()))
    if not concepts or not all(hasattr(each, "id") and hasattr(each, "category") for each in concepts):
        raise BadType(
            f"{type(dataset).__name__} has no concepts. Accepted: a labelled dataset such as MiniBroden: samples with "
            "`image` and `labels`, and `concepts` with id, name and category."
        )
    ids = [each.id for each in concepts]
    if len(set(ids)) != len(ids) or min(ids) < 1:
        raise BadValue("Concepts need ids of their own, from 1; 0 means no label.")
    return concepts


def _labels(sample: Any) -> Mapping[str, Any]:
    labels = getattr(sample, "labels", None)
    if not isinstance(labels, Mapping) or not hasattr(sample, "image"):
        raise BadType(f"A labelled sample has `image` and `labels`; given: {type(sample).__name__}.")
    return labels
