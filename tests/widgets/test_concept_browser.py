"""The concept browser without a browser: what it sends, what it refuses, what it finds, what it makes."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import convviz_widgets as cv
from convviz_widgets.core.errors import BadType, BadValue, UnknownName
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.methods.dissection import export
from convviz_widgets.methods.dissection.dissect import dissect
from convviz_widgets.methods.dissection.net2vec import net2vec
from convviz_widgets.methods.dissection.report import Dissection
from convviz_widgets.render.encode import read
from convviz_widgets.widgets.concept_browser import ConceptBrowser
from convviz_widgets.widgets.concept_index import Index, Query
from tests.known_networks import make
from tests.widgets.wire import Wire

NAMES = ["cat", "dog", "sky", "red", "green"]
CATEGORIES = ["object", "object", "scene", "colour", "colour"]
SIDE = 17


class Labelled(list):
    """Pictures of noise in which "cat" is the upper half, "dog" the left one, and "red" a corner."""

    concepts = tuple(
        SimpleNamespace(id=place + 1, name=name, category=category)
        for place, (name, category) in enumerate(zip(NAMES, CATEGORIES, strict=True))
    )
    digest = "noise"

    def __init__(self, count: int = 12) -> None:
        super().__init__()
        rng = np.random.default_rng(0)
        for number in range(count):
            objects, colours = np.zeros((2, SIDE, SIDE), np.int32), np.zeros((SIDE, SIDE), np.int32)
            objects[0, :9], objects[1, :, :9] = 1, 2
            colours[10:, 10:] = 4 if number % 2 else 5
            pixels = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
            pixels[:9] //= 2
            labels = {"object": objects, "colour": colours}
            self.append(SimpleNamespace(image=pixels, labels=labels, name=f"noise {number}"))


@pytest.fixture(scope="module")
def lens() -> Any:
    return cv.Lens(make("residual")[0], input_size=SIDE, class_names=["a"] * 6)


@pytest.fixture(scope="module")
def data() -> Labelled:
    return Labelled()


@pytest.fixture(scope="module")
def report(lens: Any, data: Labelled) -> Dissection:
    return dissect(lens, data, ["conv1", "relu#2"], quantile=0.05, iou=0.05)


@pytest.fixture
def viewer(lens: Any, report: Dissection, data: Labelled) -> Iterator[ConceptBrowser]:
    made = ConceptBrowser(lens, report, data, unit="relu#2:3")
    yield settled(made)
    made.close()


def settled(viewer: ConceptBrowser) -> ConceptBrowser:
    assert viewer.wait(20)
    assert viewer._worker.wait(20)
    return viewer


class Line(Wire):
    """A wire that waits also for the clerk, and for what follows an answer."""

    def gesture(self, *buffers: bytes, **message: Any) -> list[set[str]]:
        self.down.clear()
        self.widget._receive(self.widget, message, [memoryview(each) for each in buffers])
        settled(self.widget)
        return [set(data.get("state", {})) for data, _ in self.down]


class Wide(nn.Module):
    """Two layers of 2,500 units."""

    def __init__(self) -> None:
        super().__init__()
        self.layer0, self.layer1 = nn.Conv2d(3, 2500, 1), nn.Conv2d(2500, 2500, 1, groups=2500)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer1(self.layer0(x))


def synthetic(units: int = 60, layers: int = 2, concepts: int = 5, seed: int = 0) -> Dissection:
    """A report of random counts: of no network, for lists."""
    rng = np.random.default_rng(seed)
    names = [f"layer{number}" for number in range(layers)]
    labelled = np.full(concepts, 1000)
    shared = {name: (rng.random((units, concepts)) ** 4 * 900).astype(np.int64) for name in names}
    shared[names[0]][0] = 0  # a unit that meets nothing
    categories = len(dict.fromkeys(CATEGORIES[:concepts]))
    none = np.full((units, 1), -1)
    return Dissection(
        concept_ids=np.arange(1, concepts + 1),
        concept_names=tuple(NAMES[:concepts]),
        concept_categories=tuple(CATEGORIES[:concepts]),
        limit=0.04,
        labelled=labelled,
        thresholds={name: np.ones(units, np.float32) for name in names},
        shared=shared,
        active={name: np.full((units, categories), 900) for name in names},
        top_index=dict.fromkeys(names, none),
        top_position=dict.fromkeys(names, np.zeros((units, 1, 2), np.int64)),
        top_activation=dict.fromkeys(names, np.full((units, 1), np.nan, np.float32)),
        density=(1.0, 1.0),
        count=10,
        skipped=(),
        pace={},
        provenance=Provenance("dissect"),
    )


def listed(index: Index, **query: Any) -> list[list[Any]]:
    found = index.find(Query().changed(query, index.report))
    return index.rows(found, 0, len(found))


def plainly(report: Dissection, **wanted: Any) -> list[tuple[str, str, float]]:
    """Units with their best concept of a category, written out: the twin of `Index.find`."""
    rows = []
    for layer in report.layers.values():
        for unit in range(len(layer)):
            best, name = 0.0, ""
            for column, concept in enumerate(layer.concepts):
                if wanted.get("category") in (None, concept.category) and layer.iou[unit, column] > best:
                    best, name = float(layer.iou[unit, column]), concept.name
            if wanted.get("low", 0) <= best <= wanted.get("high", 1) and wanted.get("layer") in (None, layer.name):
                rows.append((f"{layer.name}:{unit}", name, best))
    return rows


@pytest.mark.parametrize(
    "wanted", [{}, {"category": "colour"}, {"low": 0.1, "high": 0.3}, {"layer": "layer1", "category": "object"}]
)
def test_lists_are_those_of_a_plain_loop(wanted: dict[str, Any]) -> None:
    index = Index(synthetic())
    rows = plainly(index.report, **wanted)
    by_iou = sorted(rows, key=lambda row: -row[2])
    assert [(row[0], row[1]) for row in listed(index, **wanted)] == [row[:2] for row in by_iou]
    assert [row[3] for row in listed(index, **wanted)] == pytest.approx([row[2] for row in by_iou], abs=1e-4)
    assert [row[0] for row in listed(index, order="unit", **wanted)] == [row[0] for row in rows]
    by_name = sorted(rows, key=lambda row: (row[1] or "~", -row[2]))
    assert [row[0] for row in listed(index, order="concept", **wanted)] == [row[0] for row in by_name]


def test_search_by_concept_number_and_address() -> None:
    index = Index(synthetic())
    limit, dog = index.report.limit, 1
    wanted = {
        f"{name}:{unit}"
        for name, layer in index.report.layers.items()
        for unit in range(len(layer))
        if layer.iou[unit, dog] > limit or layer.best[unit] == 2
    }
    rows = listed(index, text="DOG")
    assert {row[0] for row in rows} == wanted
    assert {row[1] for row in rows} == {"dog"}
    assert [row[0] for row in listed(index, text="17", order="unit")] == ["layer0:17", "layer1:17"]
    assert [row[0] for row in listed(index, text="r1:5", order="unit")] == [
        "layer1:5",
        *(f"layer1:5{n}" for n in range(10)),
    ]
    assert listed(index, text="elephant") == []
    assert listed(index, text="red", category="object") == []


def test_the_list_of_concepts() -> None:
    report, other = synthetic(), synthetic(seed=1, concepts=4)
    index = Index(report, other)
    rows = listed(index, things="concepts", order="difference")
    assert {row[0] for row in rows} == set(NAMES)
    for name, category, detectors, unit, iou, theirs, their_iou in rows:
        column = NAMES.index(name)
        both = np.concatenate([each.iou[:, column] for each in report.layers.values()])
        assert (category, detectors) == (CATEGORIES[column], int((both > report.limit).sum()))
        assert iou == pytest.approx(both.max(), abs=1e-4)
        layer, channel = unit.split(":")
        assert report.layers[layer].iou[int(channel), column] == both.max()
        if column < 4:
            beside = np.concatenate([each.iou[:, column] for each in other.layers.values()])
            assert (theirs, their_iou) == (int((beside > 0.04).sum()), pytest.approx(beside.max(), abs=1e-4))
        else:  # the other report has no green
            assert (theirs, their_iou) == (0, 0)
    apart = [abs(row[4] - row[6]) for row in rows]
    assert apart == sorted(apart, reverse=True)
    counts = [row[2] for row in listed(index, things="concepts", order="detectors")]
    assert counts == sorted(counts, reverse=True)
    one = listed(index, things="concepts", layer="layer1", text="cat")[0]
    assert one[2] == len(report.layers["layer1"].units_of("cat"))
    assert one[3].startswith("layer1:")


def test_what_a_query_refuses() -> None:
    report = synthetic()
    for change, error in (
        ({"layer": "nothing"}, UnknownName),
        ({"category": "sound"}, UnknownName),
        ({"order": "size"}, UnknownName),
        ({"things": "pictures"}, UnknownName),
        ({"colour": "red"}, UnknownName),
        ({"low": 0.5, "high": 0.2}, BadValue),
        ({"high": 2}, BadValue),
        ({"low": float("nan")}, BadValue),
        ({"text": 3}, BadType),
    ):
        with pytest.raises(error):
            Query().changed(change, report)
    whole = {**vars(Query()), "low": 0, "high": 1}  # whole numbers, as a browser sends them
    assert Query().changed(whole, report).changed({**whole, "low": 0.5}, report).low == 0.5
    assert Query(order="unit").changed({"things": "concepts"}, report).order == "detectors"


def test_a_unit_is_told_with_its_concepts_and_pictures(
    viewer: ConceptBrowser, report: Dissection, lens: Any, data: Labelled
) -> None:
    layer, card = report.layers["relu#2"], viewer.card
    assert card["unit"] == viewer.unit == "relu#2:3"
    assert card["threshold"] == layer.thresholds[3]
    assert [row[2] for row in card["concepts"]] == sorted(
        (round(each, 4) for each in layer.iou[3] if each), reverse=True
    )
    assert card["rank"] == 1 + int((layer.best_iou > layer.best_iou[3]).sum())
    assert viewer.listing["rows"][card["row"]][0] == "relu#2:3"
    items = viewer.pictures["items"]
    places = [place for place in layer.top_index[3] if place >= 0]
    assert [each["name"] for each in items] == [f"noise {place}" for place in places]
    column = int(layer.iou[3].argmax())
    for place, item in zip(places, items, strict=True):
        wanted = report.masks(lens, data[place].image, "relu#2", 3)[0]
        assert np.array_equal(bits(item, "mask"), wanted)
        maps = data[place].labels.get(CATEGORIES[column], np.zeros((SIDE, SIDE), int))
        label = (np.atleast_3d(np.moveaxis(maps, 0, -1) if maps.ndim == 3 else maps) == column + 1).any(2)
        assert np.array_equal(bits(item, "label"), label)
        union = (wanted | label).sum()
        assert item["iou"] == pytest.approx((wanted & label).sum() / union if union else 0, abs=1e-4)
        greys = [each.mean(axis=2).ravel() for each in (read(item["jpeg"]), lens.picture(data[place].image))]
        assert np.corrcoef(greys)[0, 1] > 0.9


def bits(item: dict[str, Any], name: str) -> np.ndarray:
    height, width = item["size"]
    return np.unpackbits(np.frombuffer(item[name], np.uint8), count=height * width).reshape(height, width).astype(bool)


def test_one_gesture_is_one_answer_and_pictures_follow_once(viewer: ConceptBrowser) -> None:
    line = Line(viewer)
    number = viewer.listing["number"]
    for ask, (wish, follows) in enumerate(
        (
            ({"unit": "relu#2:4"}, True),
            ({"unit": "relu#2:3"}, False),  # made before
            ({"query": {"category": "object"}}, False),
            ({"page": [number + 1, 0]}, False),
            ({"concept": "object: dog"}, True),
            ({"unit": "relu#2:4", "query": {"things": "concepts"}}, False),
        ),
        start=1,
    ):
        down = line.gesture(kind="look", ask=ask, **wish)
        assert viewer.answered == ask
        assert "answered" in down[0], wish
        assert down[1:] == ([{"pictures"}] if follows else []), wish
        assert viewer.problem == {}
    assert down[0] >= {"listing", "card"}
    assert (viewer.unit, viewer.concept) == ("relu#2:4", "object: dog")


def test_only_pages_are_sent_however_many_units() -> None:
    lens = cv.Lens(Wide(), input_size=4)
    report = synthetic(units=2500)
    viewer = ConceptBrowser(lens, report)
    line = Line(viewer)
    settled(viewer)
    assert viewer.listing["total"] == 5000
    assert len(viewer.listing["rows"]) == viewer.listing["page"] == 64
    line.gesture(kind="look", ask=1, page=[viewer.listing["number"], 4000])
    (data, _), *more = line.down
    assert not more
    assert set(data["state"]) == {"page", "answered"}
    assert len(json.dumps(data)) < 5000
    assert viewer.page["start"] == 3968
    index = Index(report)
    assert viewer.page["rows"] == index.rows(index.find(Query()), 3968, 4032)
    line.gesture(kind="look", ask=2, query={"text": "cat"})
    assert len(json.dumps(line.down[0][0])) < 8000
    line.gesture(kind="look", ask=3, page=[1, 0])  # of a list that is gone
    assert [set(each["state"]) for each, _ in line.down] == [{"answered"}]
    assert "without the dataset" in viewer.pictures["note"]
    assert viewer.still().ndim == 3
    viewer.close()


def test_only_the_newest_wish_counts(viewer: ConceptBrowser) -> None:
    line = Line(viewer)
    with viewer._clerk._shared.signal:  # the clerk waits meanwhile
        for channel in range(6):
            viewer.receive({"kind": "look", "ask": channel + 1, "unit": f"relu#2:{channel}"}, [])
    settled(viewer)
    assert (viewer.unit, viewer.answered) == ("relu#2:5", 6)
    assert sum("card" in data["state"] for data, _ in line.down) == 1


def test_all_units_together_are_those_of_net2vec(
    viewer: ConceptBrowser, lens: Any, data: Labelled, report: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("convviz_widgets.widgets.concept_work.LEARNING", 12)
    line = Line(viewer)
    viewer.concept = "cat"
    assert settled(viewer).card["concept"] == viewer.concept == "object: cat"
    line.gesture(kind="combine", layer="conv1")
    made = viewer.combination
    assert viewer.problem == {}
    wanted = net2vec(lens, data, "conv1", "cat", steps=12, report=report)
    assert (made["iou"], made["single_iou"]) == (wanted.iou, wanted.best_single_iou)
    assert made["single"] == f"conv1:{wanted.best_single}"
    order = np.argsort(-np.abs(wanted.weights), kind="stable")[:8]
    assert made["weights"] == [[f"conv1:{unit}", float(wanted.weights[unit])] for unit in order]
    assert len(made["items"]) == 6
    for item in made["items"]:
        sample = data[int(item["name"].split()[1])]
        assert np.array_equal(bits(item, "combined"), wanted.mask(lens, sample.image))
        assert np.array_equal(bits(item, "mask"), report.masks(lens, sample.image, "conv1", wanted.best_single)[0])
    line.gesture(kind="look", unit="conv1:0")
    assert viewer.combination == {}
    line.gesture(kind="look", concept="object: cat")
    assert viewer.combination["layer"] == "conv1"
    viewer.look(unit="conv1:0")  # which `unit` holds already
    assert settled(viewer).card["unit"] == "conv1:0"
    viewer.look(concept="cat")
    assert settled(viewer).card["concept"] == "object: cat"
    line.gesture(kind="combine", layer="nothing")
    assert "nothing" in viewer.problem["text"]


def test_an_image_is_grown_and_kept(viewer: ConceptBrowser, monkeypatch: Any) -> None:
    monkeypatch.setattr("convviz_widgets.widgets.concept_work.GROWING", 6)
    line = Line(viewer)
    line.gesture(kind="grow")
    first = viewer.grown
    assert first["unit"] == "relu#2:3"
    assert read(first["jpeg"]).shape == (SIDE, SIDE, 3)
    line.gesture(kind="look", unit="conv1:1")
    assert viewer.grown == {}
    line.gesture(kind="look", unit="relu#2:3")
    assert viewer.grown["jpeg"] == first["jpeg"]
    assert viewer.progress == {}


def test_files(viewer: ConceptBrowser, report: Dissection) -> None:
    line = Line(viewer)
    found = {}
    for kind in ("csv", "json", "html"):
        line.gesture(kind="export", format=kind)
        files = [(data["content"], buffers) for data, buffers in line.down if data.get("method") == "custom"]
        assert len(files) == 1
        assert files[0][0]["name"].endswith(f".{kind}")
        found[kind] = bytes(files[0][1][0]).decode()
    assert found["csv"] == export.to_csv(report)
    assert json.loads(found["json"]) == json.loads(export.to_json(report))
    assert found["html"].startswith("<!doctype html>")
    assert found["html"].count("<img") == 3 * sum(min(48, len(each.detectors())) for each in report.layers.values())
    line.gesture(kind="export", format="exe")
    assert "exe" in viewer.problem["text"]


def test_a_page_under_way_can_be_called_off(viewer: ConceptBrowser, report: Dissection) -> None:
    line, write = Line(viewer), viewer.write
    layer, detectors = next((name, each.detectors()) for name, each in report.layers.items() if each.detectors())
    assert len(detectors) > 1
    labels: list[str] = []

    def stop_at_the_first_card(**traits: Any) -> None:
        write(**traits)
        if traits.get("progress"):
            labels.append(traits["progress"]["label"])
            if traits["progress"]["fraction"] > 0:
                viewer.receive({"kind": "stop"}, [])

    viewer.write = stop_at_the_first_card  # type: ignore[method-assign]
    viewer._worker._shared.clock = iter(range(10_000)).__next__  # every step is told
    line.gesture(kind="export", format="html")
    assert labels == ["writing html", f"page, {layer}:{detectors[0].unit}"]
    assert [data for data, _ in line.down if data.get("method") == "custom"] == []
    assert viewer.progress == {}


def test_units_outside_the_report_and_wrong_ones(viewer: ConceptBrowser) -> None:
    line = Line(viewer)
    line.gesture(kind="look", ask=1, unit="relu#2:3@1,2")
    assert viewer.unit == "relu#2:3"
    outside = next(name for name in viewer.lens.layers if name not in viewer.report.layers)
    line.gesture(kind="look", ask=2, unit=f"{outside}:0")
    assert outside in viewer.card["missing"]
    assert viewer.pictures["items"] == []
    before = viewer.card
    for ask, wish in enumerate(
        ({"unit": "conv1:999"}, {"concept": "yeti"}, {"query": {"layer": "x"}}, {"page": [1, -1]})
    ):
        line.gesture(kind="look", ask=10 + ask, **wish)
        assert viewer.problem["text"]
        assert (viewer.answered, viewer.card) == (10 + ask, before)
    line.gesture(kind="dance")
    assert "dance" in viewer.problem["text"]
    line.gesture(kind="look", ask=30, unit="relu#2:1")
    assert viewer.problem == {}


def test_refusals(lens: Any, report: Dissection, data: Labelled) -> None:
    with pytest.raises(BadType, match="Dissection"):
        ConceptBrowser(lens, {"relu": 3})
    with pytest.raises(BadValue, match="compare="):
        ConceptBrowser(lens, synthetic())
    with pytest.raises(BadType, match="compare="):
        ConceptBrowser(lens, report, compare="other")
    with pytest.raises(BadValue, match="dataset that was dissected"):
        ConceptBrowser(lens, report, Labelled(2))
    other = Labelled(12)
    other.concepts = other.concepts[:3]
    with pytest.raises(BadValue, match="dataset that was dissected"):
        ConceptBrowser(lens, report, other)
    with pytest.raises(UnknownName, match="concept"):
        ConceptBrowser(lens, report, data, concept="yeti")
    with pytest.raises(UnknownName, match="unitt"):
        ConceptBrowser(lens, report, data, unitt="conv1:0")


def test_two_reports_side_by_side(lens: Any, report: Dissection) -> None:
    viewer = settled(ConceptBrowser(lens, report, compare={"noise": synthetic()}, concept="red"))
    first, second = viewer.overview["reports"]
    assert second["name"] == "noise"
    for told, each in ((first, report), (second, synthetic())):
        for layer in told["layers"][1:]:
            unique = each.layers[layer["name"]].unique("category")
            assert layer["unique"]["category"] == [len(unique[name]) for name in viewer.overview["categories"]]
        union = {one.id for layer in each.layers.values() for one in layer.unique("unit")["colour"]}
        assert told["layers"][0]["unique"]["unit"][2] == len(union)
    units = viewer.card["other"]["units"]
    layer, channel = units[0][0].split(":")
    assert units[0][1] == pytest.approx(synthetic().layers[layer].iou[int(channel), 3], abs=1e-4)
    viewer.close()


def test_linked_by_unit_and_concept(viewer: ConceptBrowser, lens: Any, report: Dissection) -> None:
    picker = cv.LayerPicker(lens, [each.image for each in viewer.dataset], unit="conv1:2")
    second = settled(ConceptBrowser(lens, report))
    tie = cv.link(picker, viewer, second)
    settled(viewer)
    assert viewer.card["unit"] == "conv1:2"
    viewer.receive({"kind": "look", "unit": "relu#2:5"}, [])
    settled(viewer)
    assert picker.unit == "relu#2:5"
    viewer.receive({"kind": "look", "concept": "colour: red"}, [])
    settled(viewer)
    assert settled(second).card["concept"] == "colour: red"
    picker.unit = "conv1:3@0,0"
    assert settled(viewer).card["unit"] == settled(second).card["unit"] == "conv1:3"
    assert viewer.problem == picker.problem == {}
    tie.unlink()
    second.close()
    picker.close()


def test_the_still_picture_and_the_end(viewer: ConceptBrowser) -> None:
    picture = viewer.still()
    assert picture.shape[1] >= 500
    bundle = viewer._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert data["image/png"][:4] == b"\x89PNG"
    assert data["text/plain"] == repr(viewer)
    viewer.receive({"kind": "look", "unit": "conv1:5"}, [])
    viewer.receive({"kind": "grow"}, [])
    viewer.close()
    assert viewer._worker.wait(20)
    assert viewer._worker.jobs == ()
