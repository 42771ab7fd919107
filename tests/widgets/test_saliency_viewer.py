"""The saliency viewer without a browser: what it sends, what it refuses, what it costs."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from torch import nn

import convviz_widgets as cv
from convviz_widgets.core.errors import BadType, BadValue, UnknownName
from convviz_widgets.methods.saliency.deletion import deletion_insertion
from convviz_widgets.methods.saliency.localize import localize
from convviz_widgets.methods.saliency.saliency import peak, saliency
from convviz_widgets.widgets.saliency_viewer import SAMPLED, VARIANTS, SaliencyViewer
from tests.known_networks import randomised
from tests.widgets.wire import Wire

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 17, 17, 3), dtype=np.uint8)
CLASSES = ["cat", "dog", "owl", "bus", "boat", "tree"]


def build() -> nn.Module:
    convolutions = nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()
    return nn.Sequential(*convolutions, nn.MaxPool2d(3), nn.Flatten(), nn.Linear(8 * 5 * 5, 6))


@pytest.fixture
def lens() -> Any:
    return cv.Lens(randomised(build), input_size=17, class_names=CLASSES)


@pytest.fixture
def viewer(lens: Any) -> Iterator[SaliencyViewer]:
    viewer = SaliencyViewer(lens, list(PIXELS), target="owl")
    yield settled(viewer)
    viewer.close()


def settled(viewer: SaliencyViewer) -> SaliencyViewer:
    assert viewer._worker.wait(30)
    return viewer


def decoded(told: dict[str, Any]) -> np.ndarray:
    """What the browser makes of a map, (H, W)."""
    codes = np.frombuffer(told["codes"], np.uint8).reshape(told["shape"]) / 255
    return np.asarray(told["high"] * codes**2)


def test_the_maps_are_those_of_the_technique(viewer: SaliencyViewer, lens: Any) -> None:
    sent = {each["variant"]: each for each in [*viewer.view["maps"], *viewer.more["maps"]]}
    assert set(sent) == set(VARIANTS) == set(viewer.maps)
    for variant, told in sent.items():
        wanted = saliency(lens, PIXELS[0], "owl", variant=variant)
        assert np.array_equal(viewer.maps[variant].map, wanted.map)
        assert np.abs(decoded(told) - wanted.map).max() <= told["high"] / 200
        assert told["peak"] == pytest.approx(peak(wanted.map) or 0.0)
    assert viewer.view["name"] == "owl"
    assert viewer.view["score"] == pytest.approx(wanted.score)
    assert viewer.problem == {}
    assert viewer.progress == {}


def test_the_menu_of_classes(viewer: SaliencyViewer, lens: Any) -> None:
    best = lens.predict(PIXELS[0], k=6)[0]
    assert np.frombuffer(viewer.ranking["order"], np.int32).tolist() == [each.index for each in best]
    shares = np.frombuffer(viewer.ranking["probability"], np.float32)
    assert shares == pytest.approx([each.probability for each in best])
    viewer.target = None
    assert settled(viewer).view["name"] == best[0].name


def test_the_object_is_where_the_technique_finds_it(viewer: SaliencyViewer, lens: Any) -> None:
    for above, below in ((95.0, 30.0), (80.0, 60.0)):
        viewer._receive(viewer, {"kind": "place", "above": above, "below": below}, [])
        wanted = localize(lens, PIXELS[0], "owl", above=above, below=below)
        place = settled(viewer).place
        assert place["box"] == list(wanted.box)
        mask = np.frombuffer(place["mask"], np.uint8).reshape(place["shape"])
        assert np.array_equal(mask, wanted.mask)
        assert place["share"] == pytest.approx(wanted.mask.mean())
        assert (viewer.above, viewer.below) == (above, below)


def test_other_percentiles_cost_no_pass(viewer: SaliencyViewer, lens: Any) -> None:
    wire = Wire(viewer)
    calls: list[int] = []
    lens.module.register_forward_pre_hook(lambda *_: calls.append(1))
    down = wire.gesture(kind="place", ask=7, above=85, below=20)
    assert calls == []
    assert len(down) == 1
    assert viewer.answered == 7
    viewer.above = 70.0
    assert settled(viewer).place["above"] == 70.0


def test_percentiles_that_cannot_be(viewer: SaliencyViewer) -> None:
    wire = Wire(viewer)
    before = viewer.place
    wire.gesture(kind="place", ask=8, above=20, below=30)
    assert "must be less" in viewer.problem["text"]
    assert viewer.answered == 8
    assert viewer.place is before
    with pytest.raises(BadValue, match="must be less"):
        viewer.below = 99.0
    assert viewer.below == 30.0


def test_a_gesture_is_answered_before_what_takes_longer(viewer: SaliencyViewer) -> None:
    wire = Wire(viewer)
    down = wire.gesture(kind="look", ask=3, target=1)
    assert {"view", "answered", "unit", "target"} <= down[0]
    assert not {"more", "place"} & down[0]
    assert sum("view" in each for each in down) == 1
    assert sum("more" in each for each in down) == len(SAMPLED)
    assert sum("place" in each for each in down) == 1
    assert viewer.view["name"] == "dog"


def test_what_was_seen_is_kept(viewer: SaliencyViewer, lens: Any) -> None:
    viewer.target = "dog"
    settled(viewer)
    calls: list[int] = []
    lens.module.register_forward_pre_hook(lambda *_: calls.append(1))
    viewer.target = "owl"
    assert settled(viewer).view["name"] == "owl"
    assert calls == []


def test_a_target_is_a_class_or_a_unit(viewer: SaliencyViewer, lens: Any) -> None:
    scores = viewer.network["scores"]
    assert (viewer.target, viewer.unit) == (2, f"{scores}:2")
    viewer.unit = f"{scores}:4"
    assert settled(viewer).view["name"] == "boat"
    assert viewer.target == 4
    viewer.unit = "2:3"
    assert settled(viewer).target == "2:3"
    assert viewer.view["name"].startswith("2:3@")
    wanted = saliency(lens, PIXELS[0], "2:3").map
    assert np.array_equal(viewer.maps["gradient"].map, wanted)
    viewer.target = "cat"
    assert settled(viewer).unit == f"{scores}:0"
    viewer.target = None
    assert settled(viewer).unit == f"{scores}:0"  # what links pass on is never empty


def test_a_way_that_fails_is_told_beside_the_others() -> None:
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 4))
    viewer = SaliencyViewer(cv.Lens(flat, input_size=8, class_names=list("abcd")), [np.full((8, 8, 3), 90, np.uint8)])
    told = {each["variant"]: each for each in settled(viewer).view["maps"]}
    assert "nothing to weigh" in told["grad-cam"]["note"]
    assert "codes" not in told["grad-cam"]
    assert "codes" in told["gradient"]
    assert {each["variant"] for each in viewer.more["maps"]} == set(SAMPLED)
    assert viewer.problem == {}
    viewer.close()


def test_without_class_scores_a_unit_is_asked_for() -> None:
    maps = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    viewer = SaliencyViewer(cv.Lens(maps, input_size=12), [np.full((12, 12, 3), 90, np.uint8)])
    assert "not one score per class" in settled(viewer).problem["text"]
    viewer.unit = "0:2"
    assert settled(viewer).problem == {}
    assert viewer.view["name"].startswith("0:2@")
    viewer.close()


def test_errors_are_shown_inside_and_count_as_answers(viewer: SaliencyViewer) -> None:
    wire = Wire(viewer)
    before = viewer.view
    for number, wish in enumerate(({"target": 99}, {"target": "cow"}, {"image": "nowhere"}, {"unit": "2:999"})):
        assert len(wire.gesture(kind="look", ask=20 + number, **wish)) == 1
        assert viewer.problem["text"]
        assert viewer.answered == 20 + number
        assert viewer.view is before


def test_only_the_newest_wish_counts(viewer: SaliencyViewer) -> None:
    with viewer._worker._shared.signal:  # the worker waits meanwhile
        for index in (0, 1, 3, 5):
            viewer.receive({"kind": "look", "ask": index + 1, "target": index}, [])
    assert settled(viewer).target == 5
    assert {key[1] for key in viewer._made} == {2, 5}
    assert viewer.place["target"] == 5
    assert viewer.more["target"] == 5


def test_refusals(lens: Any) -> None:
    for target, error, text in (("cow", UnknownName, "class"), (6, BadValue, "class"), (1.5, BadType, "float")):
        with pytest.raises(error, match=text):
            SaliencyViewer(lens, list(PIXELS), target=target)
    with pytest.raises(UnknownName, match="opacity"):
        SaliencyViewer(lens, list(PIXELS), opacity=1)
    with pytest.raises(BadValue, match="must be less"):
        SaliencyViewer(lens, list(PIXELS), above=20.0)


def test_it_links_with_the_picker(lens: Any) -> None:
    viewer = SaliencyViewer(lens, list(PIXELS))
    picker = cv.LayerPicker(lens, list(PIXELS), unit="0:4")
    tie = cv.link(picker, viewer)
    assert settled(viewer).target == "0:4"
    viewer.receive({"kind": "look", "target": 3, "image": "image 2"}, [])
    settled(viewer)
    assert (picker.unit, picker.image) == (f"{viewer.network['scores']}:3", "image 2")
    viewer.receive({"kind": "look", "target": None}, [])
    assert settled(viewer).problem == picker.problem == {}
    tie.unlink()
    picker.close()
    viewer.close()


def test_the_still_picture(viewer: SaliencyViewer) -> None:
    data = viewer._repr_mimebundle_()
    data = data[0] if isinstance(data, tuple) else data
    assert data["image/png"][:4] == b"\x89PNG"
    assert data["text/plain"] == repr(viewer)
    picture = viewer.still()
    assert picture is not None
    assert picture.shape[0] > 2 * 150


def test_closing_calls_everything_off(lens: Any) -> None:
    viewer = SaliencyViewer(lens, list(PIXELS))
    viewer.close()
    assert viewer._worker.wait(20)
    assert viewer._worker.jobs == ()
    assert "done" not in viewer.more


def test_how_far_a_map_can_be_trusted(viewer: SaliencyViewer, lens: Any) -> None:
    Wire(viewer).gesture(kind="measure", variant="guided")
    wanted = deletion_insertion(lens, PIXELS[0], "owl", variant="guided", steps=24)
    assert viewer.curves["areas"] == wanted.areas
    line = np.frombuffer(viewer.curves["lines"]["insertion"], np.float32)
    assert line == pytest.approx(wanted.insertion, rel=1e-5)
    assert viewer.progress == {}
    viewer._receive(viewer, {"kind": "measure", "variant": "magic"}, [])
    assert "magic" in viewer.problem["text"]
