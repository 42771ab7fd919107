"""A file from the network: resumed where it broke off, checked, and put in place whole."""

import hashlib
import http.client
import json
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from convviz_widgets.core.errors import BadValue, DownloadFailed
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.technique import technique

PIECE = 1 << 18  # bytes between two looks at progress
SPARE = 1 << 24  # bytes to leave free on the disk
PAUSE = 0.5  # seconds before the second try, doubled with each
TIMEOUT = 30.0  # seconds without a byte
_GONE = (http.client.HTTPException, OSError)  # urllib's own errors and time-outs are among the latter


@dataclass(frozen=True)
class _Offer:
    """What the server gives: from which byte on, how many in all, and which version of the file."""

    start: int
    total: int | None
    version: str


@technique
def download(
    url: str, target: str | os.PathLike[str], *, sha256: str = "", room: int = 0, tries: int = 5
) -> Steps[Path]:
    """Fetches a file; what is there already, with the right digest, is not fetched again.

    While it arrives it lies beside its place as ``.part``. A connection that breaks is taken up again where it broke,
    in this call or in a later one, as long as the server still has the same version; and only a whole file with the
    right digest takes its name.

    Example:
        >>> download("https://example.org/data.zip", "data.zip", sha256="9f86d0...")  # doctest: +SKIP

    Args:
        url: http or https.
        target: the file to make.
        sha256: digest it must have, 64 hexadecimal digits; "" takes what comes, which over plain HTTP may have been
            changed on the way.
        room: bytes that must be free where the server does not tell the size.
        tries: attempts without a new byte before giving up.

    Returns:
        The path of the file.

    Raises:
        BadValue: another kind of address, a wrong digest, no room on the disk.
        DownloadFailed: the server cannot be reached or does not have it; what arrived is kept.
    """
    file, digest = Path(target), sha256.strip().lower()
    _check(url, digest)
    if file.is_file() and (not digest or _sha256(file) == digest):
        return file
    if file.exists():
        wrong = "is a folder" if file.is_dir() else f"is there and has not the digest {digest}"
        raise BadValue(f"{str(file)!r} {wrong}. Delete it, or name another file.")
    file.parent.mkdir(parents=True, exist_ok=True)
    part, note = file.with_name(file.name + ".part"), file.with_name(file.name + ".part.json")
    yield from _arrive(url, part, note, room=room, tries=tries)
    found = _sha256(part)
    if digest and found != digest:
        part.unlink()
        note.unlink(missing_ok=True)
        raise BadValue(
            f"What {url} gave has the SHA-256 {found}, not {digest}. It was deleted. Check the digest, or where the "
            "address leads; then call again."
        )
    os.replace(part, file)
    note.unlink(missing_ok=True)
    return file


def _arrive(url: str, part: Path, note: Path, *, room: int, tries: int) -> Steps[None]:
    """Connects until all is there, or so many times in a row without a new byte."""
    failures, last = 0, ""
    while failures < tries:
        had = _size(part)
        try:
            yield from _fetch(url, part, note, room)
        except _GONE as error:
            last = _told(error, url)
            failures = 0 if _size(part) > had else failures + 1
            if failures < tries:
                time.sleep(min(PAUSE * 2**failures, 8.0))
        else:
            return
    kept = f" {_size(part):,} bytes are kept in {part.name!r}; the same call goes on from there." if _size(part) else ""
    raise DownloadFailed(f"{url} cannot be fetched: {last}. Given up after {tries} tries.{kept}")


def _fetch(url: str, part: Path, note: Path, room: int) -> Steps[None]:
    """One connection: what it still lacks is written behind what is there."""
    had = _size(part)
    try:
        answer = urllib.request.urlopen(_request(url, part, note), timeout=TIMEOUT)  # noqa: S310 -- checked in _check
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and had:
            error.close()
            if error.headers.get("Content-Range", "") == f"bytes */{had}":
                return  # all of it is there
            note.unlink()
            raise ConnectionError("the server has another version by now; it is fetched anew") from error
        raise
    with answer:
        offer = _offer(answer, had)
        if offer.start and offer.version not in ("", _version_of(note, url)):
            note.unlink()
            raise ConnectionError("the server has another version by now; it is fetched anew")
        _check_room(part, (offer.total or room) - offer.start)
        done = offer.start
        with _open(part, done) as out:
            if done == 0:
                _keep(note, {"url": url, "version": offer.version})
            while piece := answer.read(PIECE):
                _write(out, piece, part)
                done += len(piece)
                yield _step(done, offer.total)
    if offer.total is not None and done < offer.total:
        raise ConnectionError(f"it broke off after {done:,} of {offer.total:,} bytes")


def _open(part: Path, start: int) -> RawIOBase:
    """Without a buffer, so that what is counted is on the disk, and a full one is told of at once."""
    with _on_disk(part):
        out = part.open("r+b" if start else "wb", buffering=0)
        out.seek(start)
    return out


def _write(out: RawIOBase, piece: bytes, part: Path) -> None:
    left = memoryview(piece)
    with _on_disk(part):
        while left:
            left = left[out.write(left) or 0 :]


def _keep(note: Path, about: dict[str, str]) -> None:
    with _on_disk(note):
        note.write_text(json.dumps(about), encoding="utf-8")


@contextmanager
def _on_disk(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BadValue(
            f"{str(file)!r} cannot be written: {error}. Make room and call again; what arrived is kept."
        ) from error


def _request(url: str, part: Path, note: Path) -> urllib.request.Request:
    """Asks for what is missing, if the server still has the version that the rest is of."""
    request = urllib.request.Request(url, headers={"User-Agent": "convviz_widgets", "Accept-Encoding": "identity"})  # noqa: S310
    had = _size(part)
    if had:
        version = _version_of(note, url)
        if version:
            request.add_header("Range", f"bytes={had}-")
            request.add_header("If-Range", version)
    return request


def _version_of(note: Path, url: str) -> str:
    try:
        kept = json.loads(note.read_text(encoding="utf-8"))
        return str(kept["version"]) if kept["url"] == url else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _offer(answer: Any, had: int) -> _Offer:
    head = answer.headers
    etag = head.get("ETag", "")
    version = etag if etag and not etag.startswith("W/") else head.get("Last-Modified", "")
    length = head.get("Content-Length", "")
    if answer.status != http.HTTPStatus.PARTIAL_CONTENT:
        return _Offer(0, int(length) if length.isdecimal() else None, version)
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", head.get("Content-Range", "").strip())
    if found is None or int(found[1]) != had:
        raise ConnectionError(f"the server sent another part than asked for: {head.get('Content-Range')!r}")
    return _Offer(had, int(found[2]) if found[2].isdecimal() else None, version)


def _told(error: Exception, url: str) -> str:
    """A failed connection in words; what no further try can mend ends the work."""
    if isinstance(error, urllib.error.HTTPError):
        code = error.code
        error.close()
        if code in (408, 425, 429) or code >= 500:
            return f"the server answered {code}"
        told = f"{url} cannot be fetched: the server answered {code} ({error.reason}). Check the address."
        raise DownloadFailed(told) from error
    reason = getattr(error, "reason", error)
    return f"{type(reason).__name__}: {reason}" if str(reason) else type(reason).__name__


def _check(url: str, digest: str) -> None:
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
        raise BadValue(f"{url!r} is no address of a file on the web. Accepted: http:// or https://.")
    if digest and not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise BadValue(f"sha256={digest!r} is no SHA-256: those have 64 hexadecimal digits.")


def _check_room(part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if needed + SPARE > free:
        raise BadValue(
            f"{needed:,} bytes are still to come, {free:,} are free in {str(part.parent)!r}. Make room, or name "
            "another folder; what arrived is kept."
        )


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _step(done: int, total: int | None) -> Step:
    pieces = None if total is None else -(-total // PIECE)
    of = "" if total is None else f" of {total / 1e6:,.1f}"
    return Step(-(-done // PIECE), pieces, headline=done / 1e6, label=f"{done / 1e6:,.1f}{of} MB")
