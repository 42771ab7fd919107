"""Pictures in batches, each prepared while the one before it is at work; what cannot be read is set aside."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import torch

from convviz_widgets.core.errors import BadType


@dataclass(frozen=True)
class Skipped:
    """A picture that could not be read."""

    index: int
    name: str
    reason: str


@dataclass
class Batch:
    """Prepared pictures, grouped by size.

    Args:
        groups: (indices (n,), prepared (n, C, H, W)) for each size that occurs.
        skipped: pictures that could not be read.
        stop: place in the dataset after the last picture.
    """

    stop: int
    groups: list[tuple[torch.Tensor, torch.Tensor]] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def batches(lens: Any, images: Any, *, size: int, start: int = 0) -> Iterator[Batch]:
    """The pictures from a place on, so many at a time; the next batch is prepared in another thread.

    Raises:
        BadType: ``images`` can neither be indexed nor iterated.
    """
    items = _items(images, start)
    with ThreadPoolExecutor(1, thread_name_prefix="convviz-feed") as pool:
        coming = pool.submit(_prepare, lens, items, size, start)
        while True:
            batch = coming.result()
            if batch is None:
                return
            coming = pool.submit(_prepare, lens, items, size, batch.stop)
            yield batch


def _items(images: Any, start: int) -> Iterator[Any]:
    """Getters of the single pictures, so that one that fails does not end the others."""
    if hasattr(images, "__getitem__") and hasattr(images, "__len__"):
        return (lambda place=place: images[place] for place in range(start, len(images)))
    if hasattr(images, "__iter__"):
        return (lambda image=image: image for image in islice(iter(images), start, None))
    raise BadType(f"A scan takes a list or another sequence of pictures; given: {type(images).__name__}.")


def _prepare(lens: Any, items: Iterator[Any], size: int, start: int) -> Batch | None:
    groups: dict[tuple[int, ...], list[tuple[int, torch.Tensor]]] = {}
    skipped = []
    place = start
    for get in islice(items, size):
        image: Any = f"picture {place}"
        try:
            image = get()
            prepared = lens.prepare(image)[0]
        except Exception as error:  # noqa: BLE001 -- whatever is wrong with one picture, the others are counted
            skipped.append(Skipped(place, _name(image, place), str(error)))
        else:
            groups.setdefault(tuple(prepared.shape), []).append((place, prepared))
        place += 1
    if place == start:
        return None
    stacked = [
        (torch.tensor([index for index, _ in group]), torch.stack([each for _, each in group]))
        for group in groups.values()
    ]
    return Batch(place, stacked, skipped)


def _name(image: Any, place: int) -> str:
    return str(image) if hasattr(image, "__fspath__") or isinstance(image, str) else f"picture {place}"
