"""The sliding square without a browser: its maps are those of `occlusion`, and it stops, fails and gives way well."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from torch import nn

import convviz_widgets as cv
from convviz_widgets.core.errors import BadValue, Cancelled
from convviz_widgets.widgets.brush_slide import Course, told_slide
from convviz_widgets.widgets.occlusion_brush import OcclusionBrush
from tests.known_networks import randomised
from tests.widgets.wire import Wire

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 17, 17, 3), dtype=np.uint8)
CLASSES = ["cat", "dog", "owl", "bus", "boat", "tree", "sun"]


def build() -> nn.Module:
    convolutions = nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()
    return nn.Sequential(*convolutions, nn.MaxPool2d(3), nn.Flatten(), nn.Linear(8 * 5 * 5, 7))


@pytest.fixture
def lens() -> Any:
    return cv.Lens(randomised(build), input_size=17, class_names=CLASSES)


@pytest.fixture
def brush(lens: Any) -> Iterator[OcclusionBrush]:
    brush = OcclusionBrush(lens, list(PIXELS), target="owl", unit="2:3", square=5, stride=3)
    assert brush._worker.wait(30)
    yield brush
    brush.close()


def filled(brush: OcclusionBrush) -> dict[str, np.ndarray]:
    told = brush.slide
    kinds = {"known": np.uint8, "probability": "<f4", "activation": "<f4", "top": "<i4"}
    return {name: np.frombuffer(told[name], kind).reshape(told["shape"]) for name, kind in kinds.items()}


def test_the_maps_are_those_of_the_technique(brush: OcclusionBrush, lens: Any) -> None:
    brush.fill = "mean"
    brush.sliding = True
    assert brush._worker.wait(30)
    wanted = cv.occlusion(lens, PIXELS[0], "owl", size=5, stride=3, fill="mean", unit="2:3")
    maps = filled(brush)
    assert np.allclose(maps["probability"], wanted.probability, atol=1e-6)
    assert np.allclose(maps["activation"], wanted.total_activation, rtol=1e-5)
    assert np.array_equal(maps["top"], wanted.top_class)
    assert maps["known"].all()
    assert brush.slide["names"] == wanted.names
    assert brush.slide["clean"] == pytest.approx([wanted.clean_probability, wanted.clean_activation])
    assert (brush.slide["state"], brush.slide["done"], brush.slide["total"]) == ("done", 25, 25)
    assert (brush.slide["name"], brush.slide["unit"], brush.slide["fill"]) == ("owl", "2:3", "mean")
    assert brush.maps is not None
    assert np.array_equal(brush.maps.boxes, wanted.boxes)


def test_a_gesture_begins_it_and_is_answered_before_it(brush: OcclusionBrush) -> None:
    wire = Wire(brush)
    down = wire.gesture(kind="look", ask=4, sliding=True, square=7)
    assert "answered" in down[0]
    assert "slide" not in down[0]
    assert all(each == {"slide"} for each in down[1:])
    assert wire.gesture(kind="look", ask=5, keep=True)[1:] == []  # nothing of the course has changed
    assert [set(each) for each in wire.gesture(kind="look", ask=6, target=1)][1:]
    assert brush.slide["name"] == "dog"


def test_a_photo_once_done_is_not_run_again(brush: OcclusionBrush) -> None:
    brush.sliding = True
    assert brush._worker.wait(30)
    first = brush.maps
    brush.image = "image 1"
    assert brush._worker.wait(30)
    assert brush.maps is not first
    assert brush.slide["image"] == "image 1"
    brush.image = "image 0"
    assert brush._worker.wait(30)
    assert brush.maps is first
    assert brush.slide["image"] == "image 0"


def test_strokes_go_before_it_and_stop_ends_it(brush: OcclusionBrush) -> None:
    brush.square, brush.stride = 3, 1
    brush.sliding = True
    seen: list[tuple[str, int]] = []
    brush.observe(lambda change: seen.append((change.name, brush.slide.get("done", 0))), ["slide", "view"])
    while not brush.slide.get("done"):
        brush.wait(0.01)
    brush.set_region(np.ones((17, 17)))
    assert brush.wait(30)
    assert brush.view["share"] == 1
    brush.stop_slide()
    state = brush.slide["state"]
    assert brush._worker.wait(30)
    assert state in ("stopped", "done")
    assert brush.slide["state"] == state
    if state == "stopped":
        assert 0 < brush.slide["done"] < brush.slide["total"]
        assert filled(brush)["known"].sum() == brush.slide["done"]


def test_closing_the_widget_ends_a_run(lens: Any) -> None:
    brush = OcclusionBrush(lens, list(PIXELS), square=1, stride=1)
    assert brush.wait(30)
    with lens.lock:  # so that it cannot be done before
        job = brush.start_slide()
        brush.close()
    assert job is not None
    with pytest.raises(Cancelled):
        job.result(30)


def test_what_does_not_fit_is_told_and_the_brush_goes_on(brush: OcclusionBrush) -> None:
    with pytest.raises(BadValue, match="square"):
        brush.square = 0
    Wire(brush).gesture(kind="look", ask=3, sliding=True, square=18)
    assert "does not fit" in brush.problem["text"]
    assert brush.slide["state"] == "stopped"
    Wire(brush).gesture(kind="look", ask=4, stride=0)
    assert "stride" in brush.problem["text"]
    assert brush.stride == 3
    Wire(brush).gesture(kind="look", ask=5, square=6)
    assert brush.slide["state"] == "done"
    assert brush.problem == {}


def test_a_unit_without_a_map_leaves_the_choice_to_the_technique(brush: OcclusionBrush) -> None:
    brush.unit, brush.sliding = "6:2", True
    assert brush._worker.wait(30)
    assert brush.slide["unit"] is None
    assert brush.slide["state"] == "done"


def test_a_size_of_its_own_from_the_network(lens: Any) -> None:
    brush = OcclusionBrush(lens, list(PIXELS))
    assert (brush.square, brush.stride, brush.sliding) == (4, 1, False)
    assert brush.wait(30)
    job = brush.start_slide()
    assert job is not None
    assert job.result(30).probability.shape == (14, 14)
    brush.close()


def test_the_code_slides_too(brush: OcclusionBrush, lens: Any) -> None:
    brush.sliding = True
    assert brush._worker.wait(30)
    names: dict[str, Any] = {"lens": lens, "images": list(PIXELS)}
    exec(brush.code(), names)
    assert names["brush"]._worker.wait(30)
    assert (names["brush"].square, names["brush"].stride, names["brush"].sliding) == (5, 3, True)
    assert names["brush"].slide["state"] == "done"
    names["brush"].close()


def test_what_is_not_known_yet_is_told_so(lens: Any) -> None:
    course = Course("image 0", 2, "2:3", "grey", 5, 3)
    step = next(cv.occlusion.steps(lens, PIXELS[0], 2, size=5, stride=3, unit="2:3", at_once=1))
    told = told_slide(lens, course, step.preview)
    assert (told["state"], told["done"]) == ("running", 1)
    assert np.frombuffer(told["known"], np.uint8).sum() == 1
    assert set(told["names"]) == {str(each) for each in np.frombuffer(told["top"], "<i4") if each >= 0}
