"""Archives made into folders, with nothing outside the folder, nothing but files in it, and all of it or nothing."""

import lzma
import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Any

from convviz_widgets.core.errors import BadValue, MissingFile
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.technique import technique

MOST_BYTES = 20_000_000_000
MOST_FILES = 2_000_000
SPARE = 1 << 24  # bytes to leave free on the disk
_BROKEN = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError),
    *(EOFError, OSError, RuntimeError, NotImplementedError, ValueError),
)
"""What the readers raise on archives that are damaged, encrypted, or packed in a way they do not know."""


@dataclass(frozen=True)
class _Member:
    """One entry of an archive."""

    name: str
    size: int
    kind: str  # "file", "folder", or what it is that is not unpacked
    open: Callable[[], IO[bytes] | None]


@technique
def unpack(
    archive: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    strip: bool = False,
    most_bytes: int = MOST_BYTES,
    most_files: int = MOST_FILES,
) -> Steps[Path]:
    """Unpacks a zip or tar archive into a new folder; the folder appears when all of it is there.

    Every entry is looked at before the first is written: with a path that leads out of the folder, a link, a device, or
    more than the limits, nothing is unpacked. Files get the permissions of new files.

    Example:
        >>> unpack("broden1_224.zip", "broden1_224", strip=True)  # doctest: +SKIP

    Args:
        archive: a .zip, or a .tar, packed by gzip, bzip2 or xz or not at all.
        folder: what to make; it must not be there, or be empty.
        strip: whether the one folder that holds all of the archive is left away.
        most_bytes: of all files together, unpacked.
        most_files: files and folders together.

    Returns:
        The path of the folder.

    Raises:
        MissingFile: there is no such archive.
        BadValue: it is not safe, damaged, or larger than the limits or the disk; nothing is left behind.
    """
    source, place = Path(archive), Path(folder)
    if not source.is_file():
        raise MissingFile(f"There is no archive {str(source)!r}.")
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise BadValue(f"{str(place)!r} is there already. Delete it, or name another folder.")
    place.parent.mkdir(parents=True, exist_ok=True)
    with _opened(source) as members:
        listed = list(_within(members, source, most_bytes, most_files))
        paths = [_safe(member, source) for member in listed]
        _check_room(source, place, sum(member.size for member in listed))
        top = _top(paths, listed) if strip else ()
        with tempfile.TemporaryDirectory(prefix=f".{place.name}.", dir=place.parent) as room:
            inside = Path(room) / "all"
            inside.mkdir()
            for number, (member, path) in enumerate(zip(listed, paths, strict=True), start=1):
                _write(member, inside.joinpath(*path[len(top) :]), source)
                yield Step(number, len(listed), label=member.name)
            if place.exists():
                place.rmdir()
            os.replace(inside, place)
    return place


@contextmanager
def _opened(source: Path) -> Iterator[Iterator[_Member]]:
    """The entries of an archive; whatever is wrong with it is told in words."""
    try:
        if zipfile.is_zipfile(source):
            with zipfile.ZipFile(source) as packed:
                yield (_of_zip(packed, info) for info in packed.infolist())
        elif tarfile.is_tarfile(source):
            with tarfile.open(source) as taken:
                yield _all_of_tar(taken)
        else:
            raise BadValue(f"{str(source)!r} is neither a zip nor a tar archive. Delete it and fetch it again.")
    except BadValue:
        raise
    except _BROKEN as error:
        raise BadValue(
            f"{str(source)!r} cannot be unpacked: {error}. Nothing is left behind; delete it and fetch it again."
        ) from error


def _of_zip(packed: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Member:
    mode = info.external_attr >> 16  # as Unix made it, 0 elsewhere
    kind = "folder" if info.is_dir() else _KINDS.get(stat.S_IFMT(mode), "file")
    return _Member(info.orig_filename, info.file_size, kind, lambda: packed.open(info))


_KINDS = {
    stat.S_IFLNK: "link",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
}


def _all_of_tar(taken: tarfile.TarFile) -> Iterator[_Member]:
    yield from (_of_tar(taken, info) for info in taken)
    if taken.fileobj is not None:  # a whole archive ends with a block of zeros, which tarfile does not ask for
        taken.fileobj.seek(taken.offset)
        if taken.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("the archive is cut off")


def _of_tar(taken: tarfile.TarFile, info: tarfile.TarInfo) -> _Member:
    kind = (
        "file" if info.isreg() else "folder" if info.isdir() else "link" if info.issym() or info.islnk() else "device"
    )
    return _Member(info.name, info.size if info.isreg() else 0, kind, lambda: taken.extractfile(info))


def _safe(member: _Member, source: Path) -> tuple[str, ...]:
    """The parts of an entry's path below the folder."""
    name = member.name
    windows = PureWindowsPath(name)  # of which a path of any system is one
    if windows.root or ".." in windows.parts or "\\" in name or ":" in name:
        raise _unsafe(source, f"the path {name!r} leads out of the folder or is no plain path")
    if member.kind not in ("file", "folder"):
        raise _unsafe(source, f"{name!r} is a {member.kind}")
    return PurePosixPath(name).parts


def _within(members: Iterator[_Member], source: Path, most_bytes: int, most_files: int) -> Iterator[_Member]:
    """The entries, as long as they stay within the limits; the rest of a bomb is not even listed."""
    total = 0
    for number, member in enumerate(members, start=1):
        total += member.size
        if total > most_bytes or number > most_files:
            raise BadValue(
                f"{str(source)!r} would become more than {most_bytes:,} bytes in {most_files:,} files. If that is what "
                "it holds, set most_bytes= and most_files= higher."
            )
        yield member


def _check_room(source: Path, place: Path, total: int) -> None:
    free = shutil.disk_usage(place.parent).free
    if total + SPARE > free:
        raise BadValue(
            f"{str(source)!r} becomes {total:,} bytes; {free:,} are free in {str(place.parent)!r}. Make room, or name "
            "a folder on another disk."
        )


def _top(paths: list[tuple[str, ...]], members: list[_Member]) -> tuple[str, ...]:
    """The one folder around everything, or nothing."""
    first = {path[:1] for path in paths}
    loose = any(len(path) == 1 and member.kind == "file" for path, member in zip(paths, members, strict=True))
    return first.pop() if len(first) == 1 and not loose else ()


def _write(member: _Member, path: Path, source: Path) -> None:
    try:
        folder = path if member.kind == "folder" else path.parent
        folder.mkdir(parents=True, exist_ok=True)
        if member.kind == "file":
            with _stream(member) as packed, path.open("xb") as out:
                shutil.copyfileobj(packed, out)
    except (FileExistsError, NotADirectoryError):
        raise _unsafe(source, f"{member.name!r} is there twice") from None
    except OSError as error:
        raise BadValue(f"{member.name!r} cannot be unpacked: {error}. Nothing is left behind.") from error


def _stream(member: _Member) -> Any:
    stream = member.open()
    if stream is None:  # tarfile gives none for what is no file
        raise BadValue(f"{member.name!r} holds nothing that can be read.")
    return stream


def _unsafe(source: Path, why: str) -> BadValue:
    return BadValue(f"{str(source)!r} is not unpacked: {why}. Nothing is left behind; fetch it from its authors again.")
