"""Datasets with one fault of every kind: all are found, and nothing else is."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convviz_widgets.core.errors import BadType
from convviz_widgets.core.step import Step
from convviz_widgets.data.broden import Broden
from convviz_widgets.data.concepts import Concept
from convviz_widgets.data.mini_broden import MiniBroden
from convviz_widgets.data.segmentation_folder import SegmentationFolder
from convviz_widgets.data.validate import validate
from tests.data import miniature_broden as miniature
from tests.data.test_segmentation_folder import CAMVID, NAMES, fill, grey, photo


def found(dataset: Any) -> set[tuple[str, str, str]]:
    return {(each.kind, each.name, each.category) for each in validate(dataset).problems}


def test_datasets_without_fault_have_none(tmp_path: Path) -> None:
    for dataset in (
        MiniBroden(count=4),  # not all of them with texture
        Broden(miniature.write(tmp_path / "broden")),
        SegmentationFolder(**fill(tmp_path / "folder", "a"), names=[*NAMES, "bus"], colours=True, scenes="folder"),
    ):
        report = validate(dataset)
        assert report.ok
        assert report.count == len(dataset)
        assert "nothing wrong" in repr(report)


def test_every_fault_of_a_folder_is_listed_at_once(tmp_path: Path) -> None:
    where = fill(tmp_path, "fine", "unmapped", "wide", "unknown", "broken", "blank", "unread", "cut")
    images, labels = where["images"], where["labels"]
    (labels / "unmapped.png").unlink()
    photo(images / "wide.png", (4, 60))
    grey(labels / "unknown.png", np.full((4, 6), 9, np.uint8))
    (labels / "broken.png").write_bytes(b"no map")
    grey(labels / "blank.png", np.full((4, 6), 3, np.uint8))
    (images / "unread.png").write_bytes(b"no picture")
    noise = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    Image.fromarray(np.tile(noise, (20, 20, 1))).save(images / "cut.png")
    whole = (images / "cut.png").read_bytes()
    (images / "cut.png").write_bytes(whole[: len(whole) // 2])
    grey(labels / "lonely.png")
    dataset = SegmentationFolder(**where, names=NAMES, ignore=3, colours=True)
    expected = {
        ("missing map", "unmapped.png", "object"),
        ("wrong size", "wide.png", "object"),
        ("unknown label", "unknown.png", "object"),
        ("unreadable map", "broken.png", "object"),
        ("empty map", "blank.png", "object"),
        ("unreadable picture", "unread.png", ""),
        ("unreadable picture", "cut.png", ""),
        ("map without picture", "", ""),
    }
    assert found(dataset) == expected


def test_every_fault_of_a_broden_is_listed_at_once(tmp_path: Path) -> None:
    rows = [*miniature.ROWS, "short,row", miniature.ROWS[3].replace("d.jpg", "gone.jpg")]
    root = miniature.write(tmp_path / "broden", rows=rows[:4])
    (root / "index.csv").write_text("\n".join([miniature.HEAD, *rows]) + "\n", encoding="utf-8")
    (root / "images/ade20k/a_color.png").unlink()
    Image.new("RGB", (9, 8)).save(root / "images/ade20k/a_part_1.png")
    miniature.coded(np.full((8, 8), 77)).save(root / "images/ade20k/b_object.png")
    Image.new("RGB", (8, 8)).save(root / "images/opensurfaces/c_material.png")
    assert found(Broden(root)) == {
        ("missing map", "ade20k/a.jpg", "color"),
        ("wrong size", "ade20k/a.jpg", "part"),
        ("unknown label", "ade20k/b.jpg", "object"),
        ("empty map", "opensurfaces/c.jpg", "material"),
        ("broken row", "picture 4", ""),
        ("missing picture", "dtd/gone.jpg", ""),
        ("category without label", "", "part"),
        ("category without label", "", "material"),
    }


class OfOnesOwn:
    """A dataset by someone else, with what only such a one can have wrong."""

    concepts = (Concept(1, "sky", "object"), Concept(2, "red", "colour"))
    categories = ("object", "colour")

    def __init__(self, **labels: Any) -> None:
        self.labels = labels
        self.image = np.zeros((4, 4, 3), np.uint8)

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Any:
        if index == 1:
            raise KeyError("of one's own")
        return SimpleNamespace(image=self.image, labels=self.labels)


def test_datasets_of_ones_own_are_looked_over_too() -> None:
    fine = np.ones((4, 4), int)
    cases = {
        "wrong size": np.ones((4, 8), int),
        "unknown label": np.full((4, 4), 2),  # a concept, but of another category
        "unreadable map": np.ones((4, 4)),
        "empty map": np.zeros((2, 4, 4), int),
    }
    for kind, labels in cases.items():
        kinds = validate(OfOnesOwn(object=labels, colour=fine * 2)).kinds
        assert kinds[kind] == 1
        assert kinds["broken item"] == 1
    layered = validate(OfOnesOwn(object=np.stack([fine, fine * 0]), colour=fine * 2))
    assert set(layered.kinds) == {"broken item"}
    assert layered.unseen == ()
    assert "KeyError" in layered.problems[0].text
    assert validate(OfOnesOwn(object=fine)).unseen == (OfOnesOwn.concepts[1],)


def test_what_is_no_dataset_is_told() -> None:
    with pytest.raises(BadType, match="list is no labelled dataset: it has no concepts, categories"):
        validate([1, 2])


def test_the_report_counts_and_shows(tmp_path: Path) -> None:
    where = fill(tmp_path, *"abcdefgh")
    for name in "abcdefg":
        (where["labels"] / f"{name}.png").unlink()
    (where["images"] / "h.png").rename(where["images"] / "<h>.png")
    (where["labels"] / "h.png").rename(where["labels"] / "<h>.png")
    seen: list[Step] = []
    report = validate(SegmentationFolder(**where, names={9: "<b>"}, ignore=(0, 1, 2)), progress=seen.append)
    assert [step.index for step in seen] == list(range(1, 9))
    assert report.kinds == {"missing map": 7, "unknown label": 1, "category without label": 1}
    assert next(iter(report.kinds)) == "missing map"
    assert report.labelled == {"object": 0}
    assert [concept.name for concept in report.unseen] == ["<b>"]
    text = repr(report)
    assert "8 pictures looked at, 9 problems" in text
    assert text.count("has no label map") == 5
    assert "and 2 more: .of_kind('missing map')" in text
    html = report._repr_html_()
    assert html.count("has no label map") == 7
    assert "<h>" not in html
    assert "&lt;h&gt;" in html
    assert "<b>object" not in html


@pytest.mark.real
def test_the_street_scenes_are_whole_and_a_forgotten_value_is_seen(real: SimpleNamespace) -> None:
    folder = real.streets[0].parent
    assert validate(SegmentationFolder(folder, folder.parent / "labels", CAMVID, ignore=11)).ok
    forgotten = validate(SegmentationFolder(folder, folder.parent / "labels", CAMVID)[:5])
    assert forgotten.kinds["unknown label"] == 5
    assert "11 (" in forgotten.problems[0].text
