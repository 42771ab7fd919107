"""The pictures of one or more widgets, each with a name by which it is chosen."""

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from convviz_widgets.core.errors import BadType, unknown_name
from convviz_widgets.render.encode import jpeg

THUMBNAIL = 72  # pixels
KEPT = 512  # thumbnails held ready


class Album:
    """Pictures by name, in order, read only when they are looked at.

    Names are file names where there are any, else "image 0", "image 1", ...; equal ones get a number.

    Args:
        images: a sequence of pictures (paths, arrays, Pillow images, dataset samples), a single picture, or an album.
    """

    def __init__(self, images: Any) -> None:
        self._lock = threading.RLock()
        self._thumbnails: OrderedDict[str, bytes] = OrderedDict()
        self.images = _sequence(images)
        self._extra: dict[str, Any] = {}
        self._places: dict[str, int] = {}
        for place, name in enumerate(_names(self.images)):
            self._places[_unique(name, self._places)] = place

    def __len__(self) -> int:
        return len(self._places) + len(self._extra)

    def __iter__(self) -> Iterator[str]:
        with self._lock:
            return iter([*self._extra, *self._places])

    def __contains__(self, name: object) -> bool:
        return name in self._places or name in self._extra

    def __getitem__(self, name: str) -> Any:
        """The picture of this name.

        Raises:
            UnknownName: lists the nearest three.
        """
        if name in self._extra:
            return self._extra[name]
        if name not in self._places:
            raise unknown_name("image", name, self, "`picker.album` lists them all.")
        return self.images[self._places[name]]

    def name_of(self, place: int) -> str:
        """The name of the picture at a place of the sequence it was made from."""
        return list(self._places)[place]

    def add(self, name: str, image: Any) -> str:
        """Puts a picture in front; gives the name it got."""
        with self._lock:
            name = _unique(name, self)
            self._extra = {name: image, **self._extra}
            return name

    def thumbnail(self, name: str) -> bytes:
        """A JPEG of at most `THUMBNAIL` pixels a side."""
        with self._lock:
            found = self._thumbnails.get(name)
        if found is None:
            found = jpeg(_small(self[name]), quality=80)
            with self._lock:
                self._thumbnails[name] = found
                while len(self._thumbnails) > KEPT:
                    self._thumbnails.popitem(last=False)
        return found


def _sequence(images: Any) -> Any:
    if isinstance(images, str | os.PathLike | Image.Image) or hasattr(images, "image"):
        return [images]
    if getattr(images, "ndim", 0) in (2, 3):
        return [images]
    if hasattr(images, "__getitem__") and hasattr(images, "__len__"):
        return images
    if hasattr(images, "__iter__"):
        return list(images)
    raise BadType(f"A widget takes a list, a folder or another sequence of pictures; given: {type(images).__name__}.")


def _names(images: Any) -> list[str]:
    """Names of all; only sequences that hold paths are read for it, as others may draw or decode what they give."""
    count = len(images)
    cheap = isinstance(images, list | tuple) or (count and isinstance(images[0], str | os.PathLike))
    items = [images[place] for place in range(count)] if cheap else [None] * count
    return [_name(item, place) for place, item in enumerate(items)]


def _name(item: Any, place: int) -> str:
    path = item if isinstance(item, str | os.PathLike) else getattr(item, "filename", "")
    return os.path.basename(os.fspath(path)) or f"image {place}"


def _unique(name: str, taken: Any) -> str:
    number, wanted = 2, name
    while name in taken:
        name = f"{wanted} ({number})"
        number += 1
    return name


def _small(image: Any) -> Any:
    """A picture of thumbnail size, from whatever stands for one."""
    image = getattr(image, "image", image) if not isinstance(image, Image.Image) else image
    if isinstance(image, str | os.PathLike):
        with Image.open(image) as opened:
            opened.draft("RGB", (THUMBNAIL, THUMBNAIL))
            opened.load()
            image = opened
    elif not isinstance(image, Image.Image):
        image = _from_array(image)
    picture = image.convert("RGB")
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    return np.asarray(picture)


def _from_array(image: Any) -> Image.Image:
    array = np.asarray(image.detach().cpu() if hasattr(image, "detach") else image)
    if array.ndim == 3 and array.shape[0] in (1, 3) and array.shape[2] not in (1, 3, 4):
        array = np.moveaxis(array, 0, -1)
    if array.dtype != np.uint8:
        array = np.where(np.isfinite(array), array, 0)  # dark spots, where the network is going to refuse it
        low, high = min(0.0, float(array.min())), max(1.0, float(array.max()))
        array = np.round((array - low) / (high - low) * 255).astype(np.uint8)
    return Image.fromarray(array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else np.ascontiguousarray(array))
