"""A local server that breaks off, lies and changes its mind, and what becomes of the file."""

import hashlib
import io
import json
import shutil
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from convviz_widgets.core.errors import BadValue, DownloadFailed
from convviz_widgets.core.step import Step
from convviz_widgets.data import broden
from convviz_widgets.data import download as module_of_name
from convviz_widgets.data.broden import Broden
from convviz_widgets.data.concepts import Concept
from convviz_widgets.data.download import download
from tests.data import miniature_broden as miniature

module: Any = module_of_name
BODY = bytes(range(256)) * 4096  # 1 MiB
DIGEST = hashlib.sha256(BODY).hexdigest()


class Server(ThreadingHTTPServer):
    """What it serves, and how badly."""

    body = BODY
    etag = '"one"'
    ranges = True
    heeds_version = True  # answers If-Range
    shift = 0  # where a part begins, against what was asked for
    says_size = True
    breaks_after: list[int]  # bytes sent before each of the next answers breaks off
    codes: list[int]  # answered instead
    asked: list[str | None]  # the ranges asked for

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/data.zip"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, wanted = self.server, self.headers.get("Range")
        server.asked.append(wanted)
        if server.codes:
            self.send_error(server.codes.pop(0))
            return
        start = 0
        same = self.headers.get("If-Range") == server.etag or not server.heeds_version
        if wanted and server.ranges and same:
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) + server.shift
        if start >= len(server.body):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(server.body)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(server.body) - 1}/{len(server.body)}")
        if server.says_size:
            self.send_header("Content-Length", str(len(server.body) - start))
        self.send_header("ETag", server.etag)
        self.end_headers()
        stop = start + server.breaks_after.pop(0) if server.breaks_after else len(server.body)
        self.wfile.write(server.body[start:stop])

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(module, "PAUSE", 0.001)
    with Server(("127.0.0.1", 0), Handler) as serving:
        serving.breaks_after, serving.codes, serving.asked = [], [], []
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_whole_with_progress(server: Server, tmp_path: Path) -> None:
    steps: list[Step] = []
    target = tmp_path / "new" / "data.zip"
    assert download(server.url, target, sha256=DIGEST.upper(), progress=steps.append) == target
    assert target.read_bytes() == BODY
    assert left(target.parent) == ["data.zip"]
    assert steps[-1].index == steps[-1].total == len(BODY) / module.PIECE
    assert steps[-1].label == "1.0 of 1.0 MB"
    assert download(server.url, target, sha256=DIGEST) == target
    assert len(server.asked) == 1  # what is there is not asked for again


def test_a_broken_connection_goes_on_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.breaks_after = [300_000, 400_000]
    assert download(server.url, tmp_path / "a", sha256=DIGEST).read_bytes() == BODY
    assert server.asked == [None, "bytes=300000-", "bytes=700000-"]
    assert left(tmp_path) == ["a"]


def test_a_later_call_goes_on_too(server: Server, tmp_path: Path) -> None:
    server.breaks_after = [500_000]
    steps = download.steps(server.url, tmp_path / "a", sha256=DIGEST)
    next(steps)
    steps.close()  # the stop button
    kept = (tmp_path / "a.part").stat().st_size
    assert 0 < kept < len(BODY)
    assert not (tmp_path / "a").exists()
    server.breaks_after = []
    assert download(server.url, tmp_path / "a", sha256=DIGEST).read_bytes() == BODY
    assert server.asked[-1] == f"bytes={kept}-"


def test_no_new_byte_in_some_tries_is_the_end_and_all_is_kept(server: Server, tmp_path: Path) -> None:
    server.breaks_after = [100_000, 0, 0, 0]
    with pytest.raises(DownloadFailed, match=r"100,000 of 1,048,576.*Given up after 3 tries.*100,000 bytes are kept"):
        download(server.url, tmp_path / "a", tries=3)
    assert left(tmp_path) == ["a.part", "a.part.json"]
    assert download(server.url, tmp_path / "a", sha256=DIGEST).read_bytes() == BODY


@pytest.mark.parametrize("forgets", ["version", "ranges", "both"])
def test_another_version_is_fetched_from_the_start(server: Server, tmp_path: Path, forgets: str) -> None:
    server.breaks_after = [600_000]
    server.heeds_version = forgets != "both"
    if forgets != "ranges":
        (tmp_path / "a.part").write_bytes(b"old" * 1000)
        (tmp_path / "a.part.json").write_text(json.dumps({"url": server.url, "version": '"zero"'}), encoding="utf-8")
    else:
        server.ranges = False
        server.breaks_after.append(700_000)
    assert download(server.url, tmp_path / "a", sha256=DIGEST).read_bytes() == BODY


def test_a_part_that_begins_elsewhere_is_not_taken(server: Server, tmp_path: Path) -> None:
    server.breaks_after, server.shift = [300_000], -7
    with pytest.raises(DownloadFailed, match=r"another part than asked for: 'bytes 299993-"):
        download(server.url, tmp_path / "a", tries=2)
    server.shift = 0
    assert download(server.url, tmp_path / "a", sha256=DIGEST).read_bytes() == BODY


def test_a_part_of_another_address_is_not_mixed_in(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.part").write_bytes(b"x" * 1000)
    (tmp_path / "a.part.json").write_text(json.dumps({"url": "http://else", "version": '"one"'}), encoding="utf-8")
    assert download(server.url, tmp_path / "a").read_bytes() == BODY
    assert server.asked == [None]


@pytest.mark.parametrize("extra", [0, 10])
def test_a_part_that_is_whole_or_too_long_is_seen(server: Server, tmp_path: Path, extra: int) -> None:
    (tmp_path / "a.part").write_bytes(BODY + b"x" * extra)
    (tmp_path / "a.part.json").write_text(json.dumps({"url": server.url, "version": '"one"'}), encoding="utf-8")
    assert download(server.url, tmp_path / "a").read_bytes() == BODY
    assert len(server.asked) == (2 if extra else 1)


def test_a_wrong_digest_leaves_nothing_behind(server: Server, tmp_path: Path) -> None:
    with pytest.raises(BadValue, match=f"SHA-256 {DIGEST}, not {'0' * 64}"):
        download(server.url, tmp_path / "a", sha256="0" * 64)
    assert left(tmp_path) == []
    (tmp_path / "a").write_bytes(b"other")
    with pytest.raises(BadValue, match="is there and has not the digest"):
        download(server.url, tmp_path / "a", sha256=DIGEST)
    assert (tmp_path / "a").read_bytes() == b"other"
    with pytest.raises(BadValue, match="is a folder"):
        download(server.url, tmp_path)


def test_what_no_try_can_mend_is_told_at_once_and_what_one_can_is_tried(server: Server, tmp_path: Path) -> None:
    server.codes = [404]
    with pytest.raises(DownloadFailed, match=r"404 \(Not Found\).*Check the address"):
        download(server.url, tmp_path / "a")
    assert len(server.asked) == 1
    server.codes = [503, 503]
    assert download(server.url, tmp_path / "a").read_bytes() == BODY


def test_no_server_is_told(tmp_path: Path, server: Server) -> None:
    with pytest.raises(DownloadFailed, match="ConnectionRefusedError"):
        download("http://127.0.0.1:1/x", tmp_path / "a", tries=2)


@pytest.mark.parametrize("says_size", [True, False])
def test_room_is_looked_for_first(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says_size: bool
) -> None:
    server.says_size = says_size
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=module.SPARE + len(BODY) - 1))
    with pytest.raises(BadValue, match="1,048,576 bytes are still to come"):
        download(server.url, tmp_path / "a", room=len(BODY))
    assert left(tmp_path) == []
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=module.SPARE + len(BODY)))
    assert download(server.url, tmp_path / "a", room=len(BODY)).read_bytes() == BODY


class SmallDisk(io.FileIO):
    """A file that takes half a megabyte."""

    def write(self, piece: Any) -> int:
        if self.tell() + len(piece) > 500_000:
            raise OSError(28, "No space left on device")
        return super().write(piece)


def test_a_disk_that_fills_up_keeps_what_came(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(module, "_open", lambda part, _: SmallDisk(part, "w"))
        with pytest.raises(BadValue, match=r"No space left.*Make room"):
            download(server.url, tmp_path / "a")
    kept = (tmp_path / "a.part").stat().st_size
    assert 0 < kept < 500_000
    assert download(server.url, tmp_path / "a", sha256=DIGEST).read_bytes() == BODY
    assert server.asked == [None, f"bytes={kept}-"]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/a", "data.zip", "http://"])
def test_other_addresses_are_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(BadValue, match="no address"):
        download(url, tmp_path / "a")


def test_what_is_no_digest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadValue, match="64 hexadecimal"):
        download("http://127.0.0.1/a", tmp_path / "a", sha256="be13c292eaef3300da03f8d0e48eab1c")


def test_broden_comes_over_the_line_and_opens(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = miniature.write(tmp_path / "packing" / "broden1_224")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for path in sorted(inner.rglob("*")):
            archive.write(path, path.relative_to(inner.parent))
    server.body = (tmp_path / "b.zip").read_bytes()
    server.breaks_after = [5000]
    monkeypatch.setitem(broden.URLS, 224, server.url)
    data = Broden.download(tmp_path / "data", sha256=hashlib.sha256(server.body).hexdigest(), split="train")
    assert left(tmp_path / "data") == ["broden1_224"]
    assert [sample.name for sample in data] == ["ade20k/a.jpg", "opensurfaces/c.jpg"]
    assert data.concepts[data[1].labels["material"].max() - 1] == Concept(8, "fabric", "material")
    asked = len(server.asked)
    assert len(Broden.download(tmp_path / "data")) == 4
    (tmp_path / "data" / "broden1_224" / "index.csv").unlink()
    with pytest.raises(BadValue, match=r"holds no index\.csv"):
        Broden.download(tmp_path / "data")
    assert len(server.asked) == asked
