"""Folders of pictures with boxes: what is read, and all that is wrong told at once."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convviz_widgets.core.errors import BadValue, MissingFile
from convviz_widgets.data.boxes import BoxedImage, BoxFolder, ClassBox
from convviz_widgets.data.concepts import ID_OF
from convviz_widgets.data.mini_broden import MiniBroden

HEAD = "name,class,left,top,right,bottom\n"


def pictures(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new("RGB", (40, 30)).save(folder / name)
    return folder


def annotation(*things: tuple[str, tuple[object, ...]], file: str = "<filename>a.png</filename>") -> str:
    objects = "".join(
        f"<object><name>{name}</name><bndbox><xmin>{box[0]}</xmin><ymin>{box[1]}</ymin><xmax>{box[2]}</xmax>"
        f"<ymax>{box[3]}</ymax></bndbox></object>"
        for name, box in things
    )
    return f"<annotation>{file}<size><width>40</width></size>{objects}</annotation>"


def test_a_table(tmp_path: Path) -> None:
    folder = pictures(tmp_path, "a.png", "b c.png", "unused.png")
    lines = '"b c.png",dog,0,0,40,30\na.png,cat,3,4.5,30,20\na.png," cat ",1,1,9,9\na.png,dog,5,5,6,6\n'
    (folder / "boxes.csv").write_text("\ufeff" + HEAD + lines, encoding="utf-8")
    found = BoxFolder(folder)
    boxes = (ClassBox("cat", 3, 4.5, 30, 20), ClassBox("cat", 1, 1, 9, 9), ClassBox("dog", 5, 5, 6, 6))
    assert found[0] == BoxedImage(folder / "a.png", boxes, "a.png")
    assert [each.name for each in found] == ["a.png", "b c.png"]
    assert found.class_names == ("cat", "dog")
    assert len(found[:1]) == 1
    assert "2 pictures, 4 boxes of 2 classes" in repr(found)


def test_columns_in_another_order_and_more_of_them(tmp_path: Path) -> None:
    folder = pictures(tmp_path, "a.png")
    (tmp_path / "mine.csv").write_text("class,note,top,left,bottom,right,name\ncat,x,4,3,20,30,a.png\n")
    assert BoxFolder(folder, tmp_path / "mine.csv")[0].boxes == (ClassBox("cat", 3, 4, 30, 20),)


def test_pascal_voc_counts_pixels_from_one_and_names_the_last(tmp_path: Path) -> None:
    pictures(tmp_path / "JPEGImages", "a.png")
    (tmp_path / "Annotations").mkdir()
    text = annotation(("cat", (1, 1, 40, 30)), ("cat", (4, 5, 30, 20)), ("dog", (0, 0, 7, 7)))
    (tmp_path / "Annotations" / "a.xml").write_text(text)
    found = BoxFolder(tmp_path)
    assert found[0].image == tmp_path / "JPEGImages" / "a.png"
    boxes = [ClassBox("cat", 0, 0, 40, 30), ClassBox("cat", 3, 4, 30, 20), ClassBox("dog", 0, 0, 7, 7)]
    assert list(found[0].boxes) == boxes


def test_annotations_beside_the_pictures_without_a_file_name(tmp_path: Path) -> None:
    pictures(tmp_path, "p7.jpg")
    (tmp_path / "p7.xml").write_text(annotation(("cat", (2, 2, 10, 10)), file=""))
    assert BoxFolder(tmp_path)[0].name == "p7.jpg"


def test_all_problems_of_a_table_are_told_at_once(tmp_path: Path) -> None:
    folder = pictures(tmp_path, "a.png")
    lines = "a.png,cat,1,1,9,9\ngone.png,cat,1,1,9,9\na.png,,1,1,9,9\na.png,cat,1,x,9,9\n"
    lines += "a.png,cat,9,1,1,9\na.png,cat,-1,1,9,9\na.png,cat,1\n"
    (folder / "boxes.csv").write_text(HEAD + lines + "a.png,cat,nan,1,9,9\n")
    with pytest.raises(BadValue) as caught:
        BoxFolder(folder)
    told = str(caught.value)
    assert "7 boxes cannot be used" in told
    for part in (
        *(
            "line 3: there is no picture 'gone.png'",
            "line 4: it names no class",
            "line 5: its edges are no numbers: 1, x",
        ),
        *("line 6: the box (9.0, 1.0, 1.0, 9.0) has no area", "line 7: the box", "line 8: its edges", "line 9"),
    ):
        assert part in told
    assert "line 2" not in told


def test_all_problems_of_annotations_are_told_at_once(tmp_path: Path) -> None:
    folder = pictures(tmp_path, "a.png")
    (folder / "a.xml").write_text(annotation(("cat", (2, 2, 9, 9)), ("", (1, 1, 2, 2)), ("cat", (9, 9, 2, 2))))
    (folder / "b.xml").write_text("<annotation>")
    with pytest.raises(BadValue, match="3 boxes") as caught:
        BoxFolder(folder)
    for part in ("a.xml, object 2: it names no class", "a.xml, object 3: the box", "b.xml: "):
        assert part in str(caught.value)


def test_many_problems_are_counted(tmp_path: Path) -> None:
    (pictures(tmp_path, "a.png") / "boxes.csv").write_text(HEAD + "a.png,cat,5,5,5,5\n" * 33)
    with pytest.raises(BadValue, match=r"33 boxes[\s\S]*and 13 more"):
        BoxFolder(tmp_path)


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match="no folder"):
        BoxFolder(tmp_path / "none")
    with pytest.raises(MissingFile, match=r"boxes\.csv"):
        BoxFolder(pictures(tmp_path, "a.png"))
    with pytest.raises(MissingFile, match=r"other\.csv"):
        BoxFolder(tmp_path, tmp_path / "other.csv")
    for text, said in (("name,class,left\na,b,1\n", "lacks the columns top, right, bottom"), (HEAD, "no line")):
        (tmp_path / "boxes.csv").write_text(text)
        with pytest.raises(BadValue, match=said):
            BoxFolder(tmp_path)
    (tmp_path / "boxes.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(BadValue, match="UTF-8"):
        BoxFolder(tmp_path)


def test_a_drawing_carries_the_box_of_its_object() -> None:
    for sample in MiniBroden(count=8, seed=5):
        name = MiniBroden.class_names[sample.target]
        ((label, *edges),) = sample.boxes
        left, top, right, bottom = (int(edge) for edge in edges)
        inside = sample.labels["object"] == ID_OF["object", name]
        assert label == name
        assert inside.sum() == inside[top:bottom, left:right].sum() > 0
        assert all(np.any(line) for line in (inside[top], inside[bottom - 1], inside[:, left], inside[:, right - 1]))
