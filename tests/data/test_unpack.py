"""Archives that mean harm, and archives that do not."""

import io
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from convviz_widgets.core.errors import BadValue, MissingFile
from convviz_widgets.data.unpack import unpack

FILES = {"top/index.csv": b"a,b\n", "top/images/x.bin": bytes(range(256)) * 50, "top/empty.txt": b""}


def zipped(path: Path, files: dict[str, bytes], mode: int = stat.S_IFREG | 0o644) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return path


def tarred(path: Path, files: dict[str, bytes], kind: bytes = tarfile.REGTYPE, how: str = "w") -> Path:
    with tarfile.open(path, how) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.type, info.size, info.linkname = kind, len(content), "/etc/passwd"
            archive.addfile(info, io.BytesIO(content))
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def everything(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


@pytest.mark.parametrize("kind", ["zip", "w", "w:gz", "w:bz2", "w:xz"])
def test_what_was_packed_comes_out(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.bin"
    zipped(path, FILES) if kind == "zip" else tarred(path, FILES, how=kind)
    seen = []
    assert unpack(path, tmp_path / "all", progress=seen.append) == tmp_path / "all"
    assert contents(tmp_path / "all") == FILES
    assert [step.index for step in seen] == [1, 2, 3]
    unpack(path, tmp_path / "stripped", strip=True)
    assert contents(tmp_path / "stripped") == {name.removeprefix("top/"): each for name, each in FILES.items()}
    assert everything(tmp_path) == sorted(
        [*everything(tmp_path / "all"), *everything(tmp_path / "stripped"), "a.bin", "all", "stripped"]
    )


def test_only_a_folder_around_everything_is_stripped(tmp_path: Path) -> None:
    for number, extra in enumerate(("other/b.txt", "b.txt")):
        unpack(zipped(tmp_path / "a.zip", {**FILES, extra: b""}), tmp_path / str(number), strip=True)
        assert contents(tmp_path / str(number)) == {**FILES, extra: b""}
    unpack(zipped(tmp_path / "a.zip", {"b.txt": b"b"}), tmp_path / "file", strip=True)
    assert contents(tmp_path / "file") == {"b.txt": b"b"}


OUTSIDE = [
    *("../evil", "top/../../evil", "/evil", "C:/evil", "C:evil", "top/ab:c"),
    *("..\\evil", "\\evil", "top/a\\b", "/", "\\\\host\\x"),
]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_no_path_leads_out(tmp_path: Path, name: str, pack: object) -> None:
    room = tmp_path / "deep" / "room"
    room.mkdir(parents=True)
    path = pack(tmp_path / "a.bin", {"top/fine.txt": b"", name: b"evil"})  # type: ignore[operator]
    before = everything(tmp_path)
    with pytest.raises(BadValue, match=r"not unpacked: the path.*Nothing is left behind"):
        unpack(path, room / "out")
    assert everything(tmp_path) == before


TAR_KINDS = {
    **dict.fromkeys([tarfile.SYMTYPE, tarfile.LNKTYPE], "link"),
    **dict.fromkeys([tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE], "device"),
}


@pytest.mark.parametrize(("kind", "word"), TAR_KINDS.items())
def test_a_tar_holds_only_files_and_folders(tmp_path: Path, kind: bytes, word: str) -> None:
    with pytest.raises(BadValue, match=f"'top/x' is a {word}"):
        unpack(tarred(tmp_path / "a.tar", {"top/x": b""}, kind), tmp_path / "out")
    assert everything(tmp_path) == ["a.tar"]


def test_a_tar_may_begin_with_the_folder_itself(tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "x.txt").write_text("x", encoding="utf-8")
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(tmp_path / "in", ".")
    assert contents(unpack(tmp_path / "a.tar", tmp_path / "out")) == {"deep/x.txt": b"x"}


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_a_zip_holds_only_files_and_folders(tmp_path: Path, kind: int) -> None:
    with pytest.raises(BadValue, match=r"'top/x' is a (link|device|pipe|socket)"):
        unpack(zipped(tmp_path / "a.zip", {"top/x": b"/etc/passwd"}, kind | 0o777), tmp_path / "out")
    assert everything(tmp_path) == ["a.zip"]


def test_permissions_of_the_archive_are_not_taken(tmp_path: Path) -> None:
    unpack(zipped(tmp_path / "a.zip", {"x": b""}, stat.S_IFREG | 0o6777), tmp_path / "out")
    assert (tmp_path / "out" / "x").stat().st_mode & 0o7111 == 0


@pytest.mark.parametrize("limit", [{"most_bytes": 12_803}, {"most_files": 2}])
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_bomb_is_not_unpacked(tmp_path: Path, limit: dict[str, int], pack: object) -> None:
    path = pack(tmp_path / "a.bin", FILES)  # type: ignore[operator]
    with pytest.raises(BadValue, match="would become more than"):
        unpack(path, tmp_path / "out", **limit)
    assert everything(tmp_path) == ["a.bin"]
    unpack(path, tmp_path / "out", most_bytes=12_804, most_files=3)


def test_room_is_looked_for_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 24))
    with pytest.raises(BadValue, match="becomes 12,804 bytes; 16,777,216 are free"):
        unpack(zipped(tmp_path / "a.zip", FILES), tmp_path / "out")


@pytest.mark.parametrize("names", [("x", "x"), ("x", "x/y"), ("x/y", "x")])
def test_a_name_that_is_there_twice_is_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(BadValue, match="is there twice"):
        unpack(tmp_path / "a.tar", tmp_path / "out")
    assert everything(tmp_path) == ["a.tar"]


@pytest.mark.parametrize("kind", ["zip", "w", "w:gz", "w:xz"])
def test_a_damaged_archive_leaves_nothing_behind(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.bin"
    zipped(path, FILES) if kind == "zip" else tarred(path, FILES, how=kind)
    whole = path.read_bytes()
    cuts = [len(whole) // 2] if kind != "w" else [10240, 1500, 1024]  # in a file, in a head, before a head
    damages = [whole[:cut] for cut in cuts] + [whole[:200] + b"damage" + whole[206:]] * (kind != "w")
    for damaged in damages:
        path.write_bytes(damaged)
        with pytest.raises(BadValue):
            unpack(path, tmp_path / "out")
        assert everything(tmp_path) == ["a.bin"]


def test_a_stop_in_the_middle_leaves_nothing_behind(tmp_path: Path) -> None:
    steps = unpack.steps(zipped(tmp_path / "a.zip", FILES), tmp_path / "out")
    next(steps)
    steps.close()
    assert everything(tmp_path) == ["a.zip"]


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", FILES)
    (tmp_path / "out").mkdir()
    unpack(path, tmp_path / "out")
    with pytest.raises(BadValue, match="is there already"):
        unpack(path, tmp_path / "out")
    with pytest.raises(BadValue, match="is there already"):
        unpack(path, path)
    with pytest.raises(MissingFile, match="no archive"):
        unpack(tmp_path / "none.zip", tmp_path / "new")
    path.write_text("no archive", encoding="utf-8")
    with pytest.raises(BadValue, match="neither a zip nor a tar"):
        unpack(path, tmp_path / "new")
