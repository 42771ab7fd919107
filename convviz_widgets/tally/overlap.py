"""How far each unit's mask and each concept's mask cover each other, in whole pixels."""

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.core.errors import BadValue
from convviz_widgets.tally.protocol import State, added


class Overlap:
    """Pixels shared by unit and concept, and pixels of each, over the images that have any label of the category.

    Example:
        >>> overlap = Overlap(categories={1: "part", 2: "part"})
        >>> mask = torch.tensor([[[[True, True], [False, False]]]])
        >>> overlap.add(mask, {"part": torch.tensor([[[1, 2], [2, 0]]])})
        >>> overlap.value()
        array([[0.5       , 0.33333333]])

    Args:
        categories: concept id to its category. A concept is compared on images with any label of its category.
    """

    def __init__(self, categories: Mapping[int, str]) -> None:
        self.concepts = tuple(sorted(categories))
        self.category_of = tuple(categories[concept] for concept in self.concepts)
        self.categories = tuple(dict.fromkeys(self.category_of))
        self._columns = {concept: column for column, concept in enumerate(self.concepts)}
        self._shared: npt.NDArray[np.int64] | None = None  # (K, concepts)
        self._active: npt.NDArray[np.int64] | None = None  # (K, categories)
        self._labelled: npt.NDArray[np.int64] = np.zeros(len(self.concepts), dtype=np.int64)

    @property
    def settings(self) -> dict[str, list[str]]:
        """The concepts, each with its category."""
        return {"concepts": [f"{id_}: {name}" for id_, name in zip(self.concepts, self.category_of, strict=True)]}

    def add(self, masks: torch.Tensor, labels: Mapping[str, torch.Tensor]) -> None:
        """Counts a batch.

        Args:
            masks: (N, K, H, W) bool, where each unit exceeds its threshold.
            labels: per category (N, H, W) concept ids, 0 for none; a category with several labels per pixel is given as
                (N, L, H, W).

        Raises:
            BadValue: sizes differ, or a label is not among the concepts.
        """
        if masks.ndim != 4 or masks.dtype != torch.bool:
            raise BadValue(f"Masks are (N, K, H, W) bool; given: {tuple(masks.shape)} {masks.dtype}.")
        for category, maps in labels.items():
            if category not in self.categories:
                raise BadValue(f"{category!r} is not among the categories {self.categories}.")
            layers = maps[:, None] if maps.ndim == 3 else maps
            if (len(layers), *layers.shape[2:]) != (len(masks), *masks.shape[2:]):
                raise BadValue(f"Labels {tuple(maps.shape)} and masks {tuple(masks.shape)} differ in size.")
            for mask, layer in zip(masks, layers, strict=True):
                if bool(layer.any()):
                    self._count(mask.flatten(1).float(), layer.flatten(1), self.categories.index(category))

    def merge(self, other: Self) -> None:
        """Takes in the counts over other images."""
        if other.concepts != self.concepts or other.category_of != self.category_of:
            raise BadValue("Overlaps with different concepts cannot be merged.")
        if other._shared is not None and other._active is not None:
            self.take(other._shared, other._active, other._labelled)

    def take(
        self, shared: npt.NDArray[np.int64], active: npt.NDArray[np.int64], labelled: npt.NDArray[np.int64]
    ) -> None:
        """Takes in counts that were made elsewhere, of other images; see `counts` for their shapes."""
        self._shared, self._active = added(self._shared, shared), added(self._active, active)
        self._labelled = self._labelled + labelled

    def value(self) -> npt.NDArray[np.float64]:
        """Intersection over union, (K, concepts); 0 where the union is empty."""
        shared, active, labelled = self.counts()
        union = active[:, [self.categories.index(each) for each in self.category_of]] + labelled - shared
        iou: npt.NDArray[np.float64] = np.divide(shared, union, out=np.zeros(shared.shape), where=union > 0)
        return iou

    def counts(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Pixels shared (K, concepts), of units by category (K, categories), of concepts (concepts,)."""
        if self._shared is None or self._active is None:
            raise BadValue("Nothing has been counted yet.")
        return self._shared, self._active, self._labelled

    def state(self) -> State:
        """Arrays to keep in a file."""
        if self._shared is None or self._active is None:
            return {}
        return {"shared": self._shared, "active": self._active, "labelled": self._labelled}

    def restore(self, state: State) -> None:
        """Continues from what `state` gave."""
        self._shared, self._active = state.get("shared"), state.get("active")
        self._labelled = state.get("labelled", np.zeros(len(self.concepts), dtype=np.int64))

    def _count(self, mask: torch.Tensor, labels: torch.Tensor, category: int) -> None:
        """One image: mask (K, P) of 0 and 1, labels (L, P). Float sums of fewer than 2**24 ones are exact."""
        present = [int(each) for each in torch.unique(labels) if each]
        columns = self._columns_of(present)
        there = torch.stack([(labels == concept).any(0) for concept in present]).float()
        shared = np.zeros((len(mask), len(self.concepts)), dtype=np.int64)
        shared[:, columns] = (mask @ there.T).round().to(torch.int64).cpu().numpy()
        active = np.zeros((len(mask), len(self.categories)), dtype=np.int64)
        active[:, category] = mask.sum(1).round().to(torch.int64).cpu().numpy()
        labelled = np.zeros(len(self.concepts), dtype=np.int64)
        labelled[columns] = there.sum(1).round().to(torch.int64).cpu().numpy()
        self.take(shared, active, labelled)

    def _columns_of(self, concepts: Sequence[int]) -> list[int]:
        unknown = [concept for concept in concepts if concept not in self._columns]
        if unknown:
            raise BadValue(f"The labels {unknown[:5]} are not among the concepts {list(self.concepts[:5])}...")
        return [self._columns[concept] for concept in concepts]
