"""A folder of pictures."""

from pathlib import Path

import pytest
from PIL import Image

from convviz_widgets.core.errors import BadValue, MissingFile
from convviz_widgets.data.folder import ImageFolder


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (4, 4)).save(folder / name)


def test_pictures_are_listed_by_name(tmp_path: Path) -> None:
    fill(tmp_path, "b.png", "a.JPG", "deep/c.png", ".hidden.png")
    (tmp_path / "notes.txt").write_text("no picture")
    folder = ImageFolder(tmp_path)
    assert [path.name for path in folder] == ["a.JPG", "b.png"]
    assert [path.name for path in ImageFolder(tmp_path, recursive=True)] == ["a.JPG", "b.png", "c.png"]
    assert folder[-1].name == "b.png"
    assert len(folder[:1]) == 1
    assert "2 pictures" in repr(folder)


def test_what_is_no_folder_of_pictures_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match="no folder"):
        ImageFolder(tmp_path / "none")
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(BadValue, match=r"found: \.txt.*recursive=True"):
        ImageFolder(tmp_path)
    with pytest.raises(BadValue, match="is a file"):
        ImageFolder(tmp_path / "notes.txt")
