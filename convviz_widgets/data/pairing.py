"""Which label map belongs to which picture."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from convviz_widgets.core.errors import BadValue, MissingFile


@dataclass(frozen=True)
class Pair:
    """A picture and its label map.

    Args:
        name: of the picture: its path below the folder, with slashes.
        image: the picture.
        label: the map, or None where there is none.
    """

    name: str
    image: Path
    label: Path | None


def pair(images: object, labels: object, suffix: str = "") -> tuple[tuple[Pair, ...], tuple[Path, ...]]:
    """Pictures with their label maps, sorted by name, and the label maps that belong to none.

    Args:
        images: a folder, or files.
        labels: a folder, or as many files in the same order.
        suffix: what a map's name has after the picture's, before the dot.

    Raises:
        MissingFile: a folder is not there.
        BadValue: no pair is found, or the two lists are not of one length.
    """
    if not isinstance(images, str | os.PathLike) or not isinstance(labels, str | os.PathLike):
        return _by_order(images, labels), ()
    at, of = _folder(images, "images"), _folder(labels, "labels")
    together = at.samefile(of)
    maps = {_stem(path, of): path for path in _pictures(of) if path.stem.endswith(suffix)}
    if together:
        photos = _without_maps(_pictures(at), at, suffix)
    else:  # one folder may lie in the other
        photos = [path for path in _pictures(at) if of not in path.parents or of in at.parents]
        maps = {stem: path for stem, path in maps.items() if at not in path.parents or at in of.parents}
    pairs = tuple(
        Pair(path.relative_to(at).as_posix(), path, maps.pop(_stem(path, at) + suffix, None)) for path in photos
    )
    if not any(each.label for each in pairs):
        raise BadValue(
            f"No picture of {str(at)!r} ({_shown(photos)}) has a label map in {str(of)!r} ({_shown(maps.values())}). A "
            f"picture a.jpg has the map a{suffix}.png; suffix= names what comes before the dot."
        )
    return pairs, () if together else tuple(maps.values())


def _by_order(images: object, labels: object) -> tuple[Pair, ...]:
    lists = []
    for given, name in ((images, "images"), (labels, "labels")):
        if isinstance(given, str | os.PathLike) or not isinstance(given, Iterable):
            raise BadValue(f"{name}={given!r}. Accepted: two folders, or two lists of files of one length.")
        lists.append([Path(each) for each in given])
    if len(lists[0]) != len(lists[1]) or not lists[0]:
        raise BadValue(
            f"images= lists {len(lists[0])} files, labels= {len(lists[1])}. Accepted: as many, at least one."
        )
    start = os.path.commonpath([path.absolute().parent for path in lists[0]])
    names = [path.absolute().relative_to(start).as_posix() for path in lists[0]]
    return tuple(Pair(name, image, label) for name, image, label in zip(names, *lists, strict=True))


def _folder(path: str | os.PathLike[str], name: str) -> Path:
    folder = Path(path)
    if not folder.is_dir():
        what = "is a file; give the folder around it" if folder.exists() else "is not there"
        raise MissingFile(f"{name}={str(folder)!r} {what}. Relative paths start at {os.getcwd()!r}.")
    return folder


def _pictures(folder: Path) -> list[Path]:
    known = Image.registered_extensions()
    found = (path for path in folder.rglob("*") if path.suffix.lower() in known and not path.name.startswith("."))
    return sorted(path for path in found if path.is_file())


def _without_maps(paths: list[Path], folder: Path, suffix: str) -> list[Path]:
    """Of pictures and maps in one folder the pictures: what adds to the name of another is a map.

    The maps of ADE20K add _seg and _parts_1; masks of single objects lie in a folder that has the picture's name.
    """
    stems = {_stem(path, folder) for path in paths}

    def adds(stem: str) -> bool:
        return (bool(suffix) and stem.removesuffix(suffix) in stems - {stem}) or any(
            letter in "_/" and stem[:at] in stems for at, letter in enumerate(stem)
        )

    return [path for path in paths if not adds(_stem(path, folder))]


def _stem(path: Path, folder: Path) -> str:
    return path.relative_to(folder).with_suffix("").as_posix()


def _shown(paths: Iterable[Path]) -> str:
    names = [path.name for path in paths]
    return ", ".join(names[:2]) + (", ..." if len(names) > 2 else "") or "no pictures"
