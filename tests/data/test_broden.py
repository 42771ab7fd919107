"""Broden's published layout, on a miniature of it whose every label is known."""

import pickle
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convviz_widgets.core.errors import BadLabel, BadType, BadValue, MissingFile, UnknownName
from convviz_widgets.data import broden as module
from convviz_widgets.data.broden import Broden
from convviz_widgets.data.broden_tables import PUBLISHED
from tests.data import miniature_broden as miniature


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return miniature.write(tmp_path / "mini")


def published(data: Broden, category: str, labels: np.ndarray) -> np.ndarray:
    """Concept ids as the release's own numbers, each checked to be of the category."""
    assert all(data.concepts[each - 1].category == category for each in np.unique(labels) if each)
    return np.array([0, *data.numbers])[labels]


def test_concepts_are_those_of_the_tables_in_their_order(root: Path) -> None:
    data = Broden(root)
    assert data.categories == tuple(miniature.CODES)
    expected = [
        (miniature.LABELS[number][0], category) for category, each in miniature.CODES.items() for number in each
    ]
    assert [(concept.name, concept.category) for concept in data.concepts] == expected
    assert [concept.id for concept in data.concepts] == list(range(1, len(expected) + 1))
    assert data.numbers == tuple(number for each in miniature.CODES.values() for number in each)


def test_every_map_has_the_labels_that_were_written(root: Path) -> None:
    data, written = Broden(root), miniature.numbers()
    for sample, row in zip(data, miniature.ROWS, strict=True):
        cells = dict(zip(miniature.HEAD.split(","), row.split(","), strict=True))
        assert sample.name == cells["image"]
        assert sample.image == root / "images" / cells["image"]
        assert set(sample.labels) == {category for category in data.categories if cells[category]}
        for category, labels in sample.labels.items():
            layers = [
                written[entry] if entry in written else np.full((8, 8), int(entry))
                for entry in cells[category].split(";")
            ]
            expected = layers[0] if len(layers) == 1 else np.stack(layers)
            assert np.array_equal(published(data, category, labels), expected)


def test_a_label_of_two_categories_is_a_concept_in_each(root: Path) -> None:
    data = Broden(root)
    fabric = {concept.category: concept.id for concept in data.concepts if concept.name == "fabric"}
    assert set(fabric) == {"object", "material"}
    assert fabric["object"] in data[1].labels["object"]
    assert fabric["material"] in data[2].labels["material"]
    assert fabric["object"] != fabric["material"]


def test_splits_categories_and_slices_choose_pictures(root: Path) -> None:
    assert [sample.name for sample in Broden(root, split="val")] == ["ade20k/b.jpg", "dtd/d.jpg"]
    parts = Broden(root, categories="part")
    assert [sample.name for sample in parts] == ["ade20k/a.jpg"]
    assert list(parts[0].labels) == ["part"]
    assert [concept.name for concept in parts.concepts] == ["door", "wheel"]
    assert published(parts, "part", parts[0].labels["part"])[0, 0, 0] == 300
    data = Broden(root)
    assert [sample.index for sample in data[::-2]] == [3, 1]
    assert data[-1].name == "dtd/d.jpg"
    with pytest.raises(UnknownName, match=r"'test'.*'train'"):
        Broden(root, split="test")
    with pytest.raises(UnknownName, match=r"'colour'.*'color'"):
        Broden(root, categories=["colour"])
    with pytest.raises(BadValue, match="No category"):
        Broden(root, categories=[])
    with pytest.raises(IndexError, match="no picture 4"):
        data[4]
    with pytest.raises(BadType, match="whole number"):
        data["a"]  # type: ignore[call-overload]


def test_an_item_reads_only_its_own_files_and_only_when_asked(root: Path) -> None:
    data = Broden(root)
    shutil.rmtree(root / "images" / "dtd")
    (root / "images" / "ade20k" / "a_object.png").unlink()
    assert data[3].labels["texture"].shape == (2, 8, 8)  # numbers of the whole picture need no file
    assert data[0].labels["color"].shape == (8, 8)
    with pytest.raises(MissingFile, match=r"a_object\.png"):
        data[0].labels["object"]
    with pytest.raises(UnknownName, match="material"):
        data[0].labels["material"]
    assert data[0].labels.get("material") is None


def test_the_digest_names_the_pictures_and_labels_wherever_they_lie(root: Path, tmp_path: Path) -> None:
    data, copy = Broden(root), Broden(shutil.copytree(root, tmp_path / "copy"))
    assert data.digest == copy.digest == pickle.loads(pickle.dumps(data)).digest
    others = [data[1:], data[:2], Broden(root, split="val"), Broden(root, categories=["object"])]
    assert len({data.digest, *(each.digest for each in others)}) == 5
    assert data[0:4].digest == data.digest
    index = root / "index.csv"
    index.write_text(index.read_text(encoding="utf-8").replace("7;8", "7"), encoding="utf-8")
    assert Broden(root).digest != data.digest


def test_the_known_totals_tell_the_release(root: Path) -> None:
    told = Broden(root).release
    assert told.startswith("another release than Broden 1.0")
    assert "object has 3 concepts instead of 584" in told
    assert told in repr(Broden(root, categories="scene"))  # of the release, not of what was chosen
    assert module.release(dict(PUBLISHED)) == "Broden 1.0 (Bau et al. 2017, table 1)"
    assert "video has 2 concepts instead of 0" in module.release({**PUBLISHED, "video": 2})


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("category.csv", "object,3,300,3", "object,3,300,4", "says 4 concepts of object, c_object.csv lists 3"),
        ("c_object.csv", "2,3,fabric", "2,3,cloth", "calls label 3 'cloth', label.csv calls it 'fabric'"),
        ("c_object.csv", "3,300,door", "3,x,door", "'x' for number"),
        ("c_object.csv", "2,3,fabric", "4,3,fabric", "codes 1 to 4"),
        ("index.csv", "iw,sh,sw", "iw,h,w", r"lacks the columns \['sh', 'sw'\]"),
        ("index.csv", "material,scene", "stuff,scene", r"no column for \['material'\]"),
    ],
)
def test_tables_that_contradict_each_other_are_refused(root: Path, file: str, old: str, new: str, told: str) -> None:
    path = root / file
    assert old in path.read_text(encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(BadValue, match=told):
        Broden(root)


def test_a_folder_that_is_no_broden_is_told(root: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match=r"no folder.*Broden\.download"):
        Broden(tmp_path / "none")
    with pytest.raises(MissingFile, match="'mini' inside"):
        Broden(tmp_path)
    (root / "label.csv").unlink()
    with pytest.raises(MissingFile, match=r"no label\.csv"):
        Broden(root)


def test_broken_rows_and_maps_end_no_others(root: Path) -> None:
    index = root / "index.csv"
    lines = index.read_text(encoding="utf-8").splitlines()
    lines += ["half a row,train", lines[1].replace("8,8", "8,x"), lines[2].replace(",5,", ",9,")]
    lines.insert(2, "")
    index.write_text("\n".join(lines), encoding="utf-8")
    Image.new("RGB", (9, 8)).save(root / "images/ade20k/b_color.png")
    miniature.coded(np.full((8, 8), 301)).save(root / "images/opensurfaces/c_color.png")
    (root / "images/dtd/d_color.png").write_bytes(b"no picture")
    data = Broden(root)
    assert len(data) == 7
    assert data[0].labels["color"].any()
    cases = {
        (1, "color"): ("wrong size", "is 8x9, index.csv says 8x8"),
        (2, "color"): ("unknown label", r"301 \(64 px\).*c_color\.csv"),
        (3, "color"): ("unreadable map", "d_color.png"),
        (4, ""): ("broken row", "has 2 cells instead of 12"),
        (5, ""): ("broken row", "'x'"),
        (6, "scene"): ("unknown label", r"scene label of 'ade20k/b\.jpg'.*9"),
    }
    for (place, category), (kind, told) in cases.items():
        with pytest.raises(BadLabel, match=told) as caught:
            data[place].labels[category]
        assert caught.value.kind == kind
        assert pickle.loads(pickle.dumps(caught.value)).kind == kind


def test_tables_may_come_from_windows(root: Path) -> None:
    plain = [(sample.name, sorted(sample.labels)) for sample in Broden(root)]
    for path in root.glob("*.csv"):
        text = path.read_text(encoding="utf-8")
        path.write_bytes(text.replace("\n", "\r\n").encode("utf-8-sig"))
    data = Broden(root)
    assert [(sample.name, sorted(sample.labels)) for sample in data] == plain
    assert data[3].labels["texture"].shape == (2, 8, 8)


def test_a_large_index_takes_little_memory(root: Path) -> None:
    count = 5_000
    lines = [row.replace("a.jpg", f"a{place}.jpg") for place, row in enumerate([miniature.ROWS[0]] * count)]
    (root / "index.csv").write_text("\n".join([miniature.HEAD, *lines]) + "\n", encoding="utf-8")
    tracemalloc.start()
    data = Broden(root)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert data[count - 1].name == f"ade20k/a{count - 1}.jpg"
    assert held / count < 50  # bytes per picture: far less than one row of text
    assert len(pickle.dumps(data)) / count < 50


def test_a_download_needs_a_known_size(tmp_path: Path) -> None:
    with pytest.raises(BadValue, match=r"side 256.*224, 227, 384"):
        Broden.download(tmp_path, 256)


def test_a_release_that_is_there_is_not_fetched(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root.rename(tmp_path / "broden1_227")
    monkeypatch.setattr(module, "download", lambda *_, **__: pytest.fail("fetched"))
    assert len(Broden.download(tmp_path, 227, split="val")) == 2
