"""Pictures in batches, each prepared while the one before it is at work; what cannot be read is set aside."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

import torch

from convviz_widgets.core.errors import BadType


@dataclass(frozen=True)
class Skipped:
    """A picture that could not be read."""

    index: int
    name: str
    reason: str


Read = Callable[[Any], tuple[torch.Tensor, Any]]
"""From an item of a dataset to its picture, prepared, (C, H, W), and whatever belongs beside it."""


class Group(NamedTuple):
    """Pictures of one prepared size: places (n,), prepared (n, C, H, W), and what was read beside each."""

    indices: torch.Tensor
    prepared: torch.Tensor
    beside: list[Any]

    def part(self, places: Sequence[int]) -> "Group":
        """Some of the pictures."""
        chosen = torch.as_tensor(places)
        return Group(self.indices[chosen], self.prepared[chosen], [self.beside[int(place)] for place in places])


@dataclass
class Batch:
    """Prepared pictures, grouped by size.

    Args:
        groups: one for each size that occurs.
        skipped: pictures that could not be read.
        stop: place in the dataset after the last picture.
    """

    stop: int
    groups: list[Group] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def batches(
    lens: Any, images: Any, *, size: int, start: int = 0, stop: int | None = None, read: Read | None = None
) -> Iterator[Batch]:
    """The pictures from a place on, so many at a time; the next batch is prepared in another thread.

    Args:
        lens: the network they are prepared for.
        images: what can be indexed or iterated.
        size: pictures in a batch.
        start: place of the first.
        stop: place after the last; default: the end.
        read: how an item is read; default: it is a picture.

    Raises:
        BadType: ``images`` can neither be indexed nor iterated.
    """
    items = islice(_items(images, start), None if stop is None else max(0, stop - start))
    read = read or (lambda image: (lens.prepare(image)[0], None))
    with ThreadPoolExecutor(1, thread_name_prefix="convviz-feed") as pool:
        coming = pool.submit(_prepare, read, items, size, start)
        while True:
            batch = coming.result()
            if batch is None:
                return
            coming = pool.submit(_prepare, read, items, size, batch.stop)
            yield batch


def _items(images: Any, start: int) -> Iterator[Any]:
    """Getters of the single pictures, so that one that fails does not end the others."""
    if hasattr(images, "__getitem__") and hasattr(images, "__len__"):
        return (lambda place=place: images[place] for place in range(start, len(images)))
    if hasattr(images, "__iter__"):
        return (lambda image=image: image for image in islice(iter(images), start, None))
    raise BadType(f"A scan takes a list or another sequence of pictures; given: {type(images).__name__}.")


def _prepare(read: Read, items: Iterator[Any], size: int, start: int) -> Batch | None:
    groups: dict[tuple[int, ...], list[tuple[int, torch.Tensor, Any]]] = {}
    skipped = []
    place = start
    for get in islice(items, size):
        image: Any = f"picture {place}"
        try:
            image = get()
            prepared, beside = read(image)
        except Exception as error:  # noqa: BLE001 -- whatever is wrong with one picture, the others are counted
            skipped.append(Skipped(place, _name(image, place), str(error)))
        else:
            groups.setdefault(tuple(prepared.shape), []).append((place, prepared, beside))
        place += 1
    if place == start:
        return None
    columns = [tuple(zip(*group, strict=True)) for group in groups.values()]
    return Batch(place, [Group(torch.tensor(at), torch.stack(seen), list(also)) for at, seen, also in columns], skipped)


def _name(image: Any, place: int) -> str:
    for each in (image, getattr(image, "name", None), getattr(image, "image", None)):
        if isinstance(each, str) or hasattr(each, "__fspath__"):
            return str(each)
    return f"picture {place}"
