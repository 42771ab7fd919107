"""Dissection: planted units are found, a plain loop gives the same whole numbers, resumed runs the same bits."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from convviz_widgets.core.errors import BadType, BadValue, UnknownName
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.dissection import passes
from convviz_widgets.methods.dissection.dissect import dissect
from convviz_widgets.methods.dissection.report import Dissection
from tests.methods.dissection.worlds import CONCEPTS, SIDE, Planted, Sample, Tiles
from tests.networks import ALL


@pytest.fixture
def lens() -> Lens:
    return Lens(Planted(), input_size=SIDE)


def network(name: str, side: int = SIDE) -> Lens:
    module = ALL[name].make()
    return Lens(module, input_size=side)


Corner = tuple[int, int, np.float32]


def corner(lens: Lens, layer: str, axis: int, pixel: int, length: int, grid: int) -> Corner:
    """The two neurons around a pixel along an axis, and how far it is from the first."""
    field = lens.layers[layer].receptive_field
    centre = (pixel + 0.5) * SIDE / grid - 0.5
    if field is None:
        place = (centre + 0.5) / (SIDE / length) - 0.5
    else:
        place = (centre - field.start[axis] - (field.size[axis] - 1) / 2) / field.stride[axis]
    place = min(max(place, 0.0), length - 1.0)
    low = int(np.floor(place))
    return low, min(low + 1, length - 1), np.float32(place - low)


def lit(lens: Lens, image: np.ndarray, layer: str, thresholds: np.ndarray, grid: int) -> np.ndarray:
    """Where units reach their thresholds, (K, grid, grid), pixel by pixel."""
    maps = lens.activations(image, layer)[0].numpy()
    maps = maps if maps.ndim == 3 else maps[:, None, None]
    found = np.zeros((len(maps), grid, grid), dtype=bool)
    for row in range(grid):
        up, down, fy = corner(lens, layer, 0, row, maps.shape[1], grid)
        for column in range(grid):
            left, right, fx = corner(lens, layer, 1, column, maps.shape[2], grid)
            above = maps[:, up, left] + (maps[:, up, right] - maps[:, up, left]) * fx
            below = maps[:, down, left] + (maps[:, down, right] - maps[:, down, left]) * fx
            found[:, row, column] = above + (below - above) * fy >= thresholds
    return found


def plainly(
    lens: Lens, data: Any, layer: str, thresholds: np.ndarray, grid: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shared, active and labelled pixels by loops over pictures, concepts and units."""
    categories = list(dict.fromkeys(each.category for each in CONCEPTS))
    shared = np.zeros((len(thresholds), len(CONCEPTS)), dtype=np.int64)
    active = np.zeros((len(thresholds), len(categories)), dtype=np.int64)
    labelled = np.zeros(len(CONCEPTS), dtype=np.int64)
    for sample in (data[n] for n in range(len(data))):
        masks = lit(lens, sample.image, layer, thresholds, grid)
        for column, concept in enumerate(CONCEPTS):
            there = (sample.labels[concept.category].reshape(-1, grid, grid) == concept.id).any(0)
            labelled[column] += there.sum()
            for unit in range(len(masks)):
                shared[unit, column] += (masks[unit] & there).sum()
        for place, category in enumerate(categories):
            if sample.labels[category].any():
                active[:, place] += masks.sum((1, 2))
    return shared, active, labelled


def test_planted_units_are_found_with_their_concept(lens: Lens) -> None:
    report = dissect(lens, Tiles(), "conv").layers["conv"]
    assert report.best[:3].tolist() == [2, 3, 5]
    assert report.best_iou[:3].tolist() == [1.0, 1.0, 1.0]
    assert report.best[3:].tolist() == [0, 0]  # constant, and silent: their masks are empty, not everything
    assert [each.unit for each in report.detectors()] == [0, 1, 2]
    assert [each.name for each in report.unique("unit")["colour"]] == ["red", "green", "blue"]
    assert report.unique("unit", limit=0.001)["part"] == ()
    assert len(report.unique("category", limit=0.001)["part"]) > 0


@pytest.mark.parametrize(
    ("name", "layer"),
    [("sequential", "0"), ("sequential", "3"), ("odd_sizes", "1"), ("gated", "after"), ("residual", "fc")],
)
@pytest.mark.parametrize("label", [1, 2])
def test_counts_equal_a_plain_loop_to_the_integer(name: str, layer: str, label: int) -> None:
    lens, data = network(name), Tiles(10, label=label)
    result = dissect(lens, data, layer, quantile=0.12, batch_size=4)
    report = result.layers[layer]
    shared, active, labelled = plainly(lens, data, layer, report.thresholds, SIDE // label)
    assert report.shared.tolist() == shared.tolist()
    assert report.active.tolist() == active.tolist()
    assert report.labelled.tolist() == labelled.tolist()
    assert report.shared.sum() > 0
    columns = [0, 0, 0, 1, 1]
    union = active[:, columns] + labelled - shared
    np.testing.assert_array_equal(report.iou, shared / np.maximum(union, 1))


def test_thresholds_are_the_quantile_of_all_activations(lens: Lens) -> None:
    data = Tiles(30)
    report = dissect(lens, data, "last", quantile=0.05).layers["last"]
    maps = torch.cat([lens.activations(data[n].image, "last") for n in range(30)]).transpose(0, 1).flatten(1).numpy()
    above = (maps >= report.thresholds[:, None]).mean(1)
    np.testing.assert_allclose(above, 0.05, atol=0.004)


def test_masks_are_those_that_were_counted(lens: Lens) -> None:
    data = Tiles(12)
    result = dissect(lens, data, "last", quantile=0.05)
    total = sum(int(result.masks(lens, data[n], "last")[0].sum()) for n in range(12))
    assert total == result.active["last"][0, 0]
    assert result.masks(lens, data[0], "last", [1, 2]).shape == (2, SIDE, SIDE)


def test_memory_batches_and_company_change_nothing(lens: Lens) -> None:
    whole = dissect(lens, Tiles(20), ["conv", "last"], quantile=0.05, batch_size=4)
    for memory in (0, 60_000):
        assert dissect(lens, Tiles(20), ["conv", "last"], quantile=0.05, batch_size=4, memory=memory) == whole
    alone = dissect(lens, Tiles(20), "last", quantile=0.05, batch_size=4)
    np.testing.assert_array_equal(alone.shared["last"], whole.shared["last"])


def test_pictures_run_once_where_their_maps_are_kept(lens: Lens) -> None:
    assert len(lens.layers)
    calls: list[int] = []
    handle = lens.module.register_forward_pre_hook(lambda *_: calls.append(1))
    dissect(lens, Tiles(20), ["conv", "last"], quantile=0.05, batch_size=4)
    kept, calls[:] = len(calls), []
    dissect(lens, Tiles(20), ["conv", "last"], quantile=0.05, batch_size=4, memory=0)
    handle.remove()
    assert (kept, len(calls)) == (5, 10)


@pytest.mark.parametrize("stops_at", [9, 14])
@pytest.mark.parametrize("later", [0, 20])
def test_killed_and_resumed_it_gives_the_same_bits(
    lens: Lens, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stops_at: int, later: int
) -> None:
    monkeypatch.setattr(passes, "SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    options: dict[str, Any] = {"quantile": 0.05, "batch_size": 4, "memory": 0}
    whole = dissect(lens, Tiles(20), ["conv", "last"], **options)
    data, file = Tiles(20), tmp_path / "kept.npz"

    def kill(step: Any) -> None:
        if step.index >= stops_at + later:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dissect(lens, data, ["conv", "last"], checkpoint=file, progress=kill, **options)
    rest = Tiles(20)
    assert dissect(lens, rest, ["conv", "last"], checkpoint=file, **options) == whole
    assert len(rest.read) <= 41 - stops_at - later + 4
    again = Tiles(20)
    assert dissect(lens, again, ["conv", "last"], checkpoint=file, **options) == whole
    assert len(again.read) <= 1
    with pytest.raises(BadValue, match=r"other \['quantile'\]"):
        dissect(lens, Tiles(20), ["conv", "last"], checkpoint=file, **{**options, "quantile": 0.1})


def test_a_finished_report_is_found_again(lens: Lens, tmp_path: Path) -> None:
    made = dissect(lens, Tiles(20), "last", quantile=0.05, cache=tmp_path)
    again = Tiles(20)
    assert dissect(lens, again, "last", quantile=0.05, cache=tmp_path) == made
    assert again.read == []
    assert len(list(tmp_path.iterdir())) == 1
    dissect(lens, Tiles(21), "last", quantile=0.05, cache=tmp_path)
    dissect(lens, Tiles(20), "last", quantile=0.06, cache=tmp_path)
    with torch.no_grad():
        lens.module.last.weight.mul_(2)
    dissect(lens, Tiles(20), "last", quantile=0.05, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 4


def test_a_full_disk_does_not_end_the_work(lens: Lens, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    whole = dissect(lens, Tiles(20), "last", quantile=0.05)
    monkeypatch.setattr(passes.file_of, "save", full)
    monkeypatch.setattr(Dissection, "save", full)
    with pytest.warns(RuntimeWarning, match="No space left") as seen:
        assert dissect(lens, Tiles(20), "last", quantile=0.05, cache=tmp_path) == whole
    assert any("It is complete" in str(each.message) for each in seen)


def test_what_cannot_be_read_is_skipped_and_named(lens: Lens) -> None:
    result = dissect(lens, Tiles(20, bad=(3, 8)), "last", quantile=0.05)
    assert result.count == 18
    assert [each.partition(":")[0] for each in result.skipped] == ["picture 3", "picture 8"]
    assert "no concepts of that category" in result.skipped[0]

    class Without(Tiles):
        def __getitem__(self, place: int) -> Sample:
            sample = super().__getitem__(place)
            return Sample("gone.png", sample.labels) if place in (3, 8) else sample

    other = dissect(lens, Without(20), "last", quantile=0.05)
    assert other.shared["last"].tolist() == result.shared["last"].tolist()
    assert other.skipped[0].startswith("gone.png: There is no picture")
    with pytest.raises(BadValue, match=r"No sample with labels|None of the"):
        dissect(lens, Tiles(4, bad=(0, 1, 2, 3)), "last", quantile=0.05)


def test_labels_go_through_the_preparation_of_the_picture() -> None:
    """A unit that is red everywhere has IoU 1 with red also where pictures are resized, cropped and mirrored."""
    from torchvision import transforms

    def mirrored(image: Image.Image) -> torch.Tensor:
        steps = [transforms.Resize(2 * SIDE, interpolation=0), transforms.CenterCrop((32, 20)), transforms.ToTensor()]
        return transforms.Compose(steps)(image).flip(-1)

    lens = Lens(Planted(), preprocess=mirrored)
    report = dissect(lens, Tiles(), "conv").layers["conv"]
    assert report.best_iou[:3].tolist() == [1.0, 1.0, 1.0]
    side = dissect(
        Lens(Planted(), preprocess=lambda image: transforms.ToTensor()(image.crop((0, 0, 12, 24)))), Tiles(), "conv"
    )
    labelled = dict(zip(side.concept_names, side.labelled, strict=True))
    assert labelled["left"] > 0 == labelled["right"]  # the right half is cut away
    assert side.labelled[3] == 20 * 24 * 12


def test_a_preparation_that_labels_cannot_follow_is_refused() -> None:
    lens = Lens(Planted(), preprocess=lambda _: torch.rand(3, SIDE, SIDE))
    with pytest.raises(BadValue, match="cannot be told"):
        dissect(lens, Tiles(), "conv")


def test_it_comes_back_from_a_folder_and_is_drawn(lens: Lens, tmp_path: Path) -> None:
    result = dissect(lens, Tiles(), ["conv", "last"])
    assert Dissection.load(result.save(tmp_path / "report")) == result
    assert "conv:0" in result._repr_html_()
    assert [each.name for each in result.figure().data] == ["colour", "part"]
    assert [list(each.x) for each in result.figure("category").data] == [
        [counts[category] for counts in result.unique_counts("category").values()] for category in ("colour", "part")
    ]
    report = result.layers["conv"]
    assert report.units_of("red")[0].unit == 0
    assert report.units_of(CONCEPTS[0])[0].iou == 1.0
    assert report.column("colour: blue") == 2
    with pytest.raises(UnknownName, match="Nearest: 'red'"):
        report.column("redd")
    with pytest.raises(UnknownName, match="way of counting"):
        report.unique("layer")
    index = report.top_index[0]
    strongest = [float(lens.activations(Tiles()[n].image, "conv")[0, 0].max()) for n in range(40)]
    assert strongest[index[0]] == max(strongest)


def test_what_is_kept_must_be_known_again(lens: Lens, tmp_path: Path) -> None:
    data = Tiles()
    del data.digest
    for option in ({"cache": tmp_path}, {"checkpoint": tmp_path / "kept.npz"}):
        with pytest.raises(BadType, match="has no `digest`"):
            dissect(lens, data, "conv", **option)
    assert list(tmp_path.iterdir()) == []


def test_wrong_arguments(lens: Lens) -> None:
    with pytest.raises(UnknownName, match="layer"):
        dissect(lens, Tiles(), "convolution")
    with pytest.raises(BadValue, match="less than one above"):
        dissect(lens, Tiles(1), "last", quantile=0.005)
    with pytest.raises(BadValue, match="quantile"):
        dissect(lens, Tiles(), "conv", quantile=0.0)
    with pytest.raises(BadValue, match="batch_size=0"):
        dissect(lens, Tiles(), "conv", batch_size=0)
    with pytest.raises(BadValue, match="No layer"):
        dissect(lens, Tiles(), [])
    with pytest.raises(BadType, match="labelled dataset"):
        dissect(lens, [np.zeros((SIDE, SIDE, 3), dtype=np.uint8)], "conv")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert dissect(lens, Tiles(), "conv", iou=0.0).limit == 0.0
