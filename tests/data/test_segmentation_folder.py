"""Folders of pictures and label maps in the forms that they come in, each written to disk with known labels."""

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convviz_widgets.core.errors import BadLabel, BadType, BadValue, MissingFile, UnknownName
from convviz_widgets.data.colours import colour_terms
from convviz_widgets.data.concepts import COLOURS
from convviz_widgets.data.segmentation_folder import SegmentationFolder

H, W = 4, 6
VALUES = np.array([[0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 1], [2, 2, 2, 3, 3, 3], [2, 2, 2, 3, 3, 3]], np.uint8)
NAMES = ["sky", "road", "car"]
CAMVID = ["sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "cyclist"]


def photo(path: Path, size: tuple[int, int] = (H, W), colour: tuple[int, int, int] = (200, 0, 0)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size[::-1], colour).save(path)


def grey(path: Path, values: np.ndarray = VALUES) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def fill(root: Path, *names: str) -> dict[str, Path]:
    for name in names:
        photo(root / "images" / f"{name}.png")
        grey(root / "labels" / f"{name}.png")
    return {"images": root / "images", "labels": root / "labels"}


def named(data: SegmentationFolder, labels: np.ndarray) -> list[list[str]]:
    """A map in words, "" where there is no label."""
    return np.array(["", *(concept.name for concept in data.concepts)])[labels].tolist()


def words(*quarters: str) -> list[list[str]]:
    """What `VALUES` looks like when its four values have these names."""
    return np.array(quarters)[VALUES].tolist()


def test_a_plain_folder(tmp_path: Path) -> None:
    data = SegmentationFolder(**fill(tmp_path, "b", "a"), names=NAMES, ignore=3)
    assert [sample.name for sample in data] == ["a.png", "b.png"]
    assert [(each.id, each.name, each.category) for each in data.concepts] == [
        (1, "sky", "object"),
        (2, "road", "object"),
        (3, "car", "object"),
    ]
    assert named(data, data[1].labels["object"]) == words("sky", "road", "car", "")
    assert data[0].image == tmp_path / "images" / "a.png"
    assert data.categories == ("object",)
    assert "2 pictures; 3 concepts" in repr(data)


@pytest.mark.parametrize(
    ("names", "options"),
    [
        (["sky", "road", "car", "void"], {"ignore": "void"}),
        ({0: "sky", 1: "road", 2: "car"}, {"ignore": [3]}),
        ({"sky": 0, "road": 1, "car": 2, "void": 3}, {"ignore": ("void",)}),
        ({"0": "sky", "1": "road", "2": "car"}, {"ignore": 3}),
        ({0: "sky", 1: "road", 2: "car"}, {"ignore": {3, 255}}),
        ("sky\nroad\n\n# a remark\ncar\n", {"ignore": 3}),
        ("0 sky\n1: road\n2\tcar\n3,void thing\n", {"ignore": "void thing"}),
        ("Idx\tRatio\tName\n0\t0.5\tsky\n1\t0.2\troad\n2\t0.1\tcar\n", {"ignore": 3}),
        ("id,name\n0,sky\n1,road\n2,car\n", {"ignore": 3}),
        ('["sky", "road", "car"]', {"ignore": 3, "file": "names.json"}),
        ('{"0": "sky", "1": "road", "2": "car"}', {"ignore": 3, "file": "names.json"}),
    ],
)
def test_names_are_taken_in_many_forms(tmp_path: Path, names: Any, options: dict[str, Any]) -> None:
    file = tmp_path / options.pop("file", "names.txt")
    if isinstance(names, str):
        file.write_text(names, encoding="utf-8")
        names = file
    data = SegmentationFolder(**fill(tmp_path, "a"), names=names, **options)
    assert named(data, data[0].labels["object"]) == words("sky", "road", "car", "")


def test_two_values_may_share_a_name(tmp_path: Path) -> None:
    data = SegmentationFolder(**fill(tmp_path, "a"), names=["road", "road", "car", "car"])
    assert named(data, data[0].labels["object"]) == words("road", "road", "car", "car")
    assert len(data.concepts) == 2


def test_pascal_voc(tmp_path: Path) -> None:
    """Palette PNGs: 0 is background, 255 the border of an object."""
    photo(tmp_path / "JPEGImages" / "a.jpg")
    photo(tmp_path / "JPEGImages" / "unsegmented.jpg")
    picture = Image.fromarray(np.where(VALUES == 3, 255, VALUES).astype(np.uint8)).convert("P")
    picture.putpalette([(place * 37) % 256 for place in range(768)])
    (tmp_path / "SegmentationClass").mkdir()
    picture.save(tmp_path / "SegmentationClass" / "a.png")
    with Image.open(tmp_path / "SegmentationClass" / "a.png") as written:
        assert written.mode == "P"
    data = SegmentationFolder(
        tmp_path / "JPEGImages", tmp_path / "SegmentationClass", ["aeroplane", "bicycle"], first=1, ignore=255
    )
    assert named(data, data[0].labels["object"]) == words("", "aeroplane", "bicycle", "")
    assert "1 of them without a label map" in repr(data)
    with pytest.raises(MissingFile, match=r"unsegmented\.jpg.*no label map"):
        data[1].labels["object"]


PALETTE = {"sky": (128, 128, 128), "road": (128, 64, 128), "car": (64, 0, 128), "void": (0, 0, 0)}


@pytest.mark.parametrize("form", ["dict", "turned", "file"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_camvid_as_published(tmp_path: Path, form: str, mode: str) -> None:
    """Colours, maps named with _L, and label_colors.txt."""
    photo(tmp_path / "701" / "0001TP_1.png")
    colours = np.array(list(PALETTE.values()), np.uint8)[VALUES]
    (tmp_path / "maps").mkdir()
    Image.fromarray(colours).convert(mode).save(tmp_path / "maps" / "0001TP_1_L.png")
    file = tmp_path / "label_colors.txt"
    file.write_text("".join(f"{r} {g} {b}\t{name}\n" for name, (r, g, b) in PALETTE.items()), encoding="utf-8")
    names: Any = {"dict": PALETTE, "turned": {each: name for name, each in PALETTE.items()}, "file": file}[form]
    for ignore in ("void", (0, 0, 0), [(0, 0, 0)]):
        data = SegmentationFolder(tmp_path / "701", tmp_path / "maps", names, suffix="_L", ignore=ignore)
        assert named(data, data[0].labels["object"]) == words("sky", "road", "car", "")
    few = {name: each for name, each in PALETTE.items() if name != "car"}
    with pytest.raises(BadLabel, match=r"\(64, 0, 128\) \(6 px\)"):
        SegmentationFolder(tmp_path / "701", tmp_path / "maps", few, suffix="_L")[0].labels["object"]


def test_ade20k_whole(tmp_path: Path) -> None:
    """Pictures and maps in one folder of folders; class = R / 10 * 256 + G, from 1; parts in further maps."""
    classes = np.array([0, 1, 300, 2978])[VALUES]
    rgb = np.stack([classes // 256 * 10, classes % 256, np.full_like(classes, 77)], -1).astype(np.uint8)
    for folder, number in (("airport", 1), ("street", 2)):
        stem = tmp_path / "training" / folder / f"ADE_train_0000000{number}"
        photo(stem.with_suffix(".jpg"))
        grey(stem.with_name(stem.name + "_seg.png"), rgb)
        grey(stem.with_name(stem.name + "_parts_1.png"), rgb)
        grey(stem / "instance_001.png")
    names = [f"class {number}" for number in range(1, 3000)]
    data = SegmentationFolder(tmp_path, tmp_path, names, first=1, encoding="ade20k", suffix="_seg", scenes="folder")
    assert [sample.name.rpartition("/")[2] for sample in data] == ["ADE_train_00000001.jpg", "ADE_train_00000002.jpg"]
    assert named(data, data[1].labels["object"]) == words("", "class 1", "class 300", "class 2978")
    assert [set(np.unique(named(data, sample.labels["scene"]))) for sample in data] == [{"airport"}, {"street"}]


def test_scene_parsing(tmp_path: Path) -> None:
    """Folders of training and validation, 0 means other, names and scenes in the files of the release."""
    for name in ("training/ADE_train_1", "validation/ADE_val_1"):
        photo(tmp_path / "images" / f"{name}.jpg")
        grey(tmp_path / "annotations" / f"{name}.png")
    (tmp_path / "objectInfo150.txt").write_text(
        "Idx\tRatio\tTrain\tVal\tStuff\tName\n"
        "1\t0.1\t1\t1\t1\twall\n2\t0.1\t1\t1\t1\tbuilding, edifice\n3\t0\t1\t1\t1\tsky\n",
        encoding="utf-8",
    )
    (tmp_path / "sceneCategories.txt").write_text("ADE_train_1 airport_terminal\nADE_val_2 street\n", encoding="utf-8")
    data = SegmentationFolder(
        tmp_path / "images",
        tmp_path / "annotations",
        tmp_path / "objectInfo150.txt",
        ignore=0,
        scenes=tmp_path / "sceneCategories.txt",
    )
    assert [sample.name for sample in data] == ["training/ADE_train_1.jpg", "validation/ADE_val_1.jpg"]
    assert named(data, data[0].labels["object"]) == words("", "wall", "building, edifice", "sky")
    assert named(data, data[0].labels["scene"])[0][0] == "airport_terminal"
    assert list(data[1].labels) == ["object"]  # no scene is known of it


def test_sixteen_bits_and_grey_in_three_channels(tmp_path: Path) -> None:
    where = fill(tmp_path, "a", "b")
    grey(where["labels"] / "a.png", VALUES.astype(np.uint16) * 1000)
    grey(where["labels"] / "b.png", np.repeat(VALUES[..., None], 3, axis=2))
    names = {0: "sky", 1: "road", 2: "car", 3: "bus", 1000: "road", 2000: "car", 3000: "bus"}
    data = SegmentationFolder(**where, names=names)
    assert [named(data, sample.labels["object"]) for sample in data] == [words("sky", "road", "car", "bus")] * 2


def test_colours_are_computed_from_the_pixels(tmp_path: Path) -> None:
    where = fill(tmp_path, "a")
    pixels = np.zeros((H, W, 3), np.uint8)
    pixels[:2] = (255, 255, 0)
    grey(where["images"] / "a.png", pixels)
    data = SegmentationFolder(**where, names=NAMES, ignore=3, colours=True, category="stuff")
    assert data.categories == ("stuff", "colour")
    found = data[0].labels["colour"]
    assert named(data, found) == np.array(COLOURS)[colour_terms(pixels)].tolist()
    assert found.shape == (H, W)
    assert {data.concepts[each - 1].name for each in np.unique(found)} == {"yellow", "black"}


def test_lists_of_files(tmp_path: Path) -> None:
    fill(tmp_path, "a", "b")
    images, labels = [tmp_path / "images/b.png"], [tmp_path / "labels/a.png"]
    data = SegmentationFolder(images, labels, NAMES, ignore=3)
    assert data[0].image == images[0]
    assert data[0].name == "b.png"
    with pytest.raises(BadValue, match="lists 1 files, labels= 2"):
        SegmentationFolder(images, labels * 2, NAMES)
    with pytest.raises(BadValue, match="two folders, or two lists"):
        SegmentationFolder(images, tmp_path / "labels", NAMES)


def test_one_folder_may_lie_in_the_other(tmp_path: Path) -> None:
    for outer, inner in (("images", "images/labels"), ("labels/images", "labels")):
        root = tmp_path / inner.replace("/", "_")
        photo(root / outer / "a.jpg")
        grey(root / inner / "a.png")
        data = SegmentationFolder(root / outer, root / inner, NAMES, ignore=3)
        assert [sample.name for sample in data] == ["a.jpg"]
        assert data.unmatched == ()


def test_maps_may_be_coarser_but_not_of_other_proportions(tmp_path: Path) -> None:
    where = fill(tmp_path, "a", "b")
    photo(where["images"] / "a.png", (2 * H + 1, 2 * W))  # 9x12 for 4x6: a rounding
    photo(where["images"] / "b.png", (2 * H + 4, 2 * W))
    data = SegmentationFolder(**where, names=NAMES, ignore=3)
    assert data[0].labels["object"].shape == (H, W)
    with pytest.raises(BadLabel, match=r"is 4x6, its picture 12x12 \(height x width\)"):
        data[1].labels["object"]


def test_a_photo_that_lies_on_its_side_is_taken_upright(tmp_path: Path) -> None:
    where = fill(tmp_path, "a")
    picture = Image.new("RGB", (H, W))
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(where["images"] / "a.png", exif=exif)
    data = SegmentationFolder(**where, names=NAMES, ignore=3, colours=True, scenes={"a": "street"})
    assert {labels.shape for labels in data[0].labels.values()} == {(H, W)}


def test_the_digest_is_of_the_pictures_and_labels_wherever_they_lie(tmp_path: Path) -> None:
    where = fill(tmp_path / "one", "a", "b")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    os.utime(tmp_path / "two" / "images" / "a.png", (0, 0))
    settings = {"names": NAMES, "ignore": 3}
    data = SegmentationFolder(**where, **settings)
    assert data.digest == SegmentationFolder(tmp_path / "two/images", tmp_path / "two/labels", **settings).digest
    others = [
        data[:1],
        SegmentationFolder(**where, names=NAMES, ignore=(2, 3)),
        SegmentationFolder(**where, names=["sky", "road", "bus"], ignore=3),
        SegmentationFolder(**where, **settings, category="stuff"),
        SegmentationFolder(**where, **settings, colours=True),
        SegmentationFolder(**where, **settings, scenes={"a": "street"}),
        SegmentationFolder(**where, **settings, scenes={"b": "street"}),
    ]
    photo(tmp_path / "two" / "images" / "a.png", (40, 60))
    others.append(SegmentationFolder(tmp_path / "two/images", tmp_path / "two/labels", **settings))
    assert len({data.digest, *(each.digest for each in others)}) == len(others) + 1


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"names": []}, BadValue, "names= is empty"),
        ({"names": 3}, BadType, "names= of type int"),
        ({"names": ["sky", 7]}, BadType, "7 where a name is wanted"),
        ({"names": {"sky": (1, 2)}}, BadType, r"\(1, 2\) where a value"),
        ({"names": {"sky": 0, "road": 0}}, BadValue, "one value to two names"),
        ({"names": {-1: "sky"}}, BadValue, "the value -1"),
        ({"names": "none.txt"}, MissingFile, "no file of names"),
        ({"ignore": "raod"}, UnknownName, "'raod'.*'road'"),
        ({"ignore": [1.5]}, BadType, "ignore= holds 1.5.*names or values"),
        ({"ignore": None}, BadType, "ignore= holds None"),
        ({"ignore": [(0, 0, 0)]}, BadType, r"ignore= holds \(0, 0, 0\)"),
        ({"ignore": 0, "names": PALETTE}, BadType, r"ignore= holds 0.*colours \(R, G, B\)"),
        ({"ignore": NAMES}, BadValue, "leaves none"),
        ({"encoding": "ade"}, UnknownName, "'ade'.*'ade20k'"),
        ({"encoding": "ade20k", "names": PALETTE}, BadValue, "Give names by number"),
        ({"suffix": "_L"}, BadValue, r"a_L\.png"),
        ({"labels": "nowhere"}, MissingFile, "labels='nowhere' is not there"),
        ({"images": __file__}, MissingFile, "is a file; give the folder"),
        ({"scenes": {"z": "street"}}, BadValue, "names no picture.*'a.png'"),
        ({"scenes": 3}, BadType, "scenes=3"),
        ({"scenes": "nowhere.txt"}, MissingFile, "no file of scenes"),
        ({"scenes": "folder", "category": "scene"}, BadValue, "'scene' is taken"),
    ],
)
def test_what_cannot_be_meant_is_told(tmp_path: Path, options: dict[str, Any], error: type, told: str) -> None:
    with pytest.raises(error, match=told):
        SegmentationFolder(**{**fill(tmp_path, "a"), "names": NAMES, **options})


@pytest.mark.parametrize(
    ("pixels", "names", "encoding", "told"),
    [
        (VALUES, NAMES, "auto", r"stand for nothing: 3 \(6 px\)\. Name them"),
        (np.arange(24, dtype=np.uint8).reshape(H, W), NAMES, "auto", r"and 15 more"),
        (np.full((H, W, 3), (1, 2, 3), np.uint8), NAMES, "auto", r"holds colours.*\{name: \(R, G, B\)\}"),
        (VALUES, PALETTE, "auto", "holds numbers.*Give names by number"),
        (VALUES, NAMES, "ade20k", "no map of the whole ADE20K"),
        (VALUES.astype(np.float32), NAMES, "auto", "mode F"),
    ],
)
def test_maps_that_are_not_what_the_names_say(
    tmp_path: Path, pixels: np.ndarray, names: Any, encoding: Any, told: str
) -> None:
    photo(tmp_path / "images" / "a.png")
    grey(tmp_path / "labels" / "a.tif", pixels)
    data = SegmentationFolder(tmp_path / "images", tmp_path / "labels", names, encoding=encoding)
    with pytest.raises(BadLabel, match=told):
        data[0].labels["object"]


def test_names_in_json_may_be_colours(tmp_path: Path) -> None:
    file = tmp_path / "names.json"
    file.write_text(json.dumps(PALETTE), encoding="utf-8")
    where = fill(tmp_path, "a")
    grey(where["labels"] / "a.png", np.array(list(PALETTE.values()), np.uint8)[VALUES])
    data = SegmentationFolder(**where, names=file)
    assert named(data, data[0].labels["object"]) == words(*PALETTE)


@pytest.mark.real
def test_street_scenes(real: SimpleNamespace) -> None:
    folder = real.streets[0].parent
    data = SegmentationFolder(folder, folder.parent / "labels", CAMVID, ignore=11, colours=True)
    assert len(data) == 62
    found = np.zeros(len(data.concepts) + 1, int)
    for sample in data[::10]:
        values = np.asarray(Image.open(folder.parent / "labels" / f"{Path(sample.name).stem}.png"))
        labels = sample.labels["object"]
        assert np.array_equal(labels, np.where(values == 11, 0, values + 1))
        found += np.bincount(sample.labels["object"].ravel(), minlength=len(found))
    assert (found[1:12] > 0).all()
    upper = data[0].labels["object"][:100]
    assert data.concepts[np.bincount(upper[upper > 0]).argmax() - 1].name in ("sky", "building", "tree")
