"""The dashboard without a browser: what is made when, what is shared, and the line of code that restores it."""

import base64
import gc
import weakref
import zlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import convviz_widgets as cv
from convviz_widgets.core.errors import BadType, BadValue, UnknownName
from convviz_widgets.widgets import explore_state, layer_picker, projection_top
from convviz_widgets.widgets.explore import PANELS, Explorer, explore
from tests.known_networks import make
from tests.widgets.wire import Wire

SIDE = 17
PIXELS = np.random.default_rng(0).integers(0, 256, (4, SIDE, SIDE, 3), dtype=np.uint8)


class Labelled:
    """The pictures with labels: their left and their right half."""

    concepts = (
        SimpleNamespace(id=1, name="left", category="part"),
        SimpleNamespace(id=2, name="right", category="part"),
    )
    digest = "four pictures"

    def __len__(self) -> int:
        return len(PIXELS)

    def __getitem__(self, place: int) -> Any:
        halves = np.where(np.arange(SIDE) < SIDE // 2, 1, 2) * np.ones((SIDE, 1), np.int64)
        return SimpleNamespace(image=PIXELS[place], labels={"part": halves})


@pytest.fixture(scope="module")
def lens() -> Any:
    return cv.Lens(make("residual")[0], input_size=SIDE)


@pytest.fixture
def explorers() -> Iterator[list[Explorer]]:
    made: list[Explorer] = []
    yield made
    for each in made:
        each.close()


@pytest.fixture
def dashboard(lens: Any, explorers: list[Explorer]) -> Any:
    def build(*panels: str, **more: Any) -> Explorer:
        explorers.append(explore(lens, list(PIXELS), panels=panels, **more))
        return explorers[-1]

    return build


def again(lens: Any, explorers: list[Explorer], line: str, **more: Any) -> Explorer:
    """The dashboard that a line of code makes."""
    names = {"cv": SimpleNamespace(explore=explore), "lens": lens, "images": list(PIXELS), **more}
    explorers.append(eval(line, names))
    return explorers[-1]


def test_a_panel_is_made_when_it_is_opened_and_gone_when_it_is_closed(dashboard: Any) -> None:
    explorer = dashboard("picker")
    assert [name for name in PANELS if getattr(explorer, name) is not None] == ["picker"]
    explorer.panels = ["projections", "picker"]
    assert explorer.panels == ["picker", "projections"]  # in the order they stand in
    explorer.wait(60)
    gone = weakref.ref(explorer.projections)
    explorer.panels = ["picker"]
    assert explorer.projections is None
    explorer.wait(60)
    gc.collect()
    assert gone() is None, "a closed panel is still held by something"


def test_unit_and_picture_are_one_for_all(dashboard: Any) -> None:
    explorer = dashboard("picker", "brush", "projections", unit="conv2:3")
    assert {explorer.picker.unit, explorer.brush.unit, explorer.projections.unit} == {"conv2:3"}
    explorer.brush.unit = "conv1:0"
    assert (explorer.unit, explorer.picker.unit) == ("conv1:0", "conv1:0")
    explorer.image = "image 2"
    assert (explorer.picker.image, explorer.brush.image) == ("image 2", "image 2")
    assert explorer.wait(60)
    assert {explorer.brush.view["image"], explorer.projections.view["image"]} == {"image 2"}
    explorer.panels = [*explorer.panels, "am"]
    assert (explorer.am.unit, explorer.am.objective) == ("conv1:0", "conv1:0")


def test_the_pictures_are_searched_once_for_picker_and_projections(
    dashboard: Any, lens: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[str] = []

    def steps(lens: Any, images: Any, layer: str) -> Any:
        searched.append(layer)
        return cv.top_images.steps(lens, images, layer)

    for module in (layer_picker, projection_top):
        monkeypatch.setattr(module, "top_images", SimpleNamespace(steps=steps))
    explorer = dashboard("picker", "projections", unit="conv2:3")
    assert explorer.wait(60)
    assert searched == ["conv2"]
    shown = [
        [patch["image"] for patch in top]
        for top in (explorer.picker.neuron["top"], explorer.projections.top["patches"])
    ]
    assert shown[0] == shown[1] != []


def test_what_the_picker_chooses_on_its_own_is_the_choice_of_all(dashboard: Any) -> None:
    explorer = dashboard("picker", "brush")
    assert explorer.wait(60)
    assert explorer.unit == explorer.picker.unit == explorer.brush.unit != ""


def test_a_picture_that_was_dropped_reaches_a_panel_that_opens_later(dashboard: Any) -> None:
    explorer = dashboard("picker")
    explorer.wait(60)
    explorer.picker.take("mine.png", PIXELS[1])
    explorer.picker.image = "mine.png"
    assert explorer.image == "mine.png"
    explorer.panels = ["picker", "projections"]
    assert explorer.projections.image == "mine.png"
    assert np.array_equal(explorer.projections.album["mine.png"], PIXELS[1])
    assert "mine.png" not in explorer.code()  # nobody else has it


def test_what_is_set_in_a_panel_outlives_its_closing(dashboard: Any) -> None:
    explorer = dashboard("brush", "am", "projections", unit="conv2:1")
    explorer.am.knobs = {"steps": 2}
    explorer.am.recipe = "mahendran"
    explorer.projections.rule = "guided"
    explorer.wait(60)
    explorer.brush.set_region(np.ones((SIDE, SIDE), np.uint8) * 255)
    explorer.wait(60)
    explorer.panels = []
    explorer.panels = ["brush", "am", "projections"]
    assert (explorer.am.recipe, explorer.projections.rule) == ("mahendran", "guided")
    assert explorer.brush.mask().min() == 255
    explorer.panels = []
    explorer.image = "image 3"
    explorer.panels = ["brush"]
    assert not explorer.brush.mask().any(), "painted on another picture"


def test_one_line_of_code_makes_the_same_dashboard(dashboard: Any, lens: Any, explorers: list[Explorer]) -> None:
    explorer = dashboard("picker", "brush", "am", unit="conv2:3", image="image 1", am={"knobs": {"steps": 2}})
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[3:9, 4:11] = 200
    explorer.wait(60)
    explorer.brush.set_region(mask)
    explorer.brush.fill = "blur"
    explorer.large = "am"
    explorer.wait(60)
    line = explorer.code()
    assert "\n" not in line
    other = again(lens, explorers, line)
    other.wait(60)
    assert other.code() == line
    assert np.array_equal(other.brush.mask(), mask)
    assert (other.large, other.image, other.am.knobs) == ("am", "image 1", {"steps": 2})
    explorer.panels = ["picker"]
    shut = again(lens, explorers, explorer.code())
    assert shut.panels == ["picker"]
    shut.panels = ["brush"]
    shut.wait(60)
    assert np.array_equal(shut.brush.mask(), mask), "what a closed panel keeps belongs to the state"


def test_hostile_names_stay_data(dashboard: Any, lens: Any, explorers: list[Explorer]) -> None:
    name = "'); import os; (' \" </script>.png"
    images = dict.fromkeys([name], PIXELS[0])

    class Folder(list[Any]):
        pass

    picture = SimpleNamespace(filename=name)
    explorers.append(explore(lens, Folder([PIXELS[0]]), panels=()))
    explorers[-1].album = {picture.filename: images[name]}  # type: ignore[assignment]
    explorers[-1].image = name
    assert (
        eval(
            explorers[-1].code(),
            {"cv": SimpleNamespace(explore=lambda *_, **given: given["image"])} | dict.fromkeys(["lens", "images"]),
        )
        == name
    )


def test_a_panel_in_another_cell_goes_on_when_the_dashboards_is_closed(dashboard: Any) -> None:
    explorer = dashboard("picker", "projections")
    alone = explorer.panel("projections")
    assert alone is explorer.projections
    explorer.panels = ["picker"]
    explorer.unit = "conv2:2"
    assert alone.unit == "conv2:2"
    explorer.panels = ["picker", "projections"]
    assert explorer.projections is alone
    hidden = explorer.panel("brush")
    assert explorer.brush is None
    assert hidden.unit == "conv2:2"


def test_concepts_come_with_a_dissection(lens: Any, explorers: list[Explorer]) -> None:
    with pytest.raises(BadValue, match=r"cv\.dissect"):
        explore(lens, list(PIXELS), panels=["concepts"])
    data = Labelled()
    report = cv.dissect(lens, data, "conv2")
    explorers.append(
        explore(lens, list(PIXELS), report, dataset=data, panels=["picker", "concepts"], unit="conv2:1@0,0")
    )
    explorer = explorers[-1]
    assert explorer.concepts.unit == "conv2:1"
    explorer.concepts.concept = "part: right"
    explorer.concepts.unit = "conv2:3"
    assert explorer.picker.unit == "conv2:3"
    line = explorer.code()
    assert "report, dataset=dataset" in line
    other = again(lens, explorers, line, report=report, dataset=data)
    assert other.concepts.wait(60)
    assert other.concepts.unit == "conv2:3"
    assert other.concepts.concept == "part: right"


def test_gestures(dashboard: Any) -> None:
    explorer = dashboard("picker")
    wire = Wire(explorer)
    assert wire.gesture(kind="open", panel="projections")
    assert explorer.panels == ["picker", "projections"]
    wire.gesture(kind="enlarge", panel="projections")
    assert explorer.large == "projections"
    wire.gesture(kind="enlarge", panel="projections")
    assert explorer.large == ""
    wire.gesture(kind="enlarge", panel="picker")
    wire.gesture(kind="close", panel="picker")
    assert (explorer.panels, explorer.large) == (["projections"], "")
    wire.gesture(kind="elsewhere", panel="projections")
    assert wire.down[-1][0]["content"] == {
        "kind": "code",
        "text": "explorer.panel('projections')",
        "for": "projections",
    }
    wire.gesture(kind="code")
    assert wire.down[-1][0]["content"]["text"] == explorer.code()
    for wrong in ({"kind": "x"}, {"kind": "open", "panel": "conv1"}, {"kind": "open", "panel": "concepts"}):
        wire.gesture(**wrong)
        assert explorer.problem["text"]
        wire.gesture(kind="open", panel="picker")
        assert explorer.problem == {}


@pytest.mark.parametrize(
    ("given", "error", "told"),
    [
        ({"panels": ["pickers"]}, UnknownName, "picker"),
        ({"panels": "picker"}, BadType, "in a list"),
        ({"panels": ["picker"], "large": "am"}, BadValue, "not open"),
        ({"panels": [], "unit": "conv9:1"}, UnknownName, "conv"),
        ({"panels": [], "image": "image 9"}, UnknownName, "image"),
        ({"panels": [], "ma": {}}, UnknownName, "am"),
        ({"panels": [], "am": {"recipee": "olah"}}, UnknownName, "recipe"),
        ({"panels": [], "am": "olah"}, BadType, "dictionary"),
        ({"panels": [], "brush": {"region": "no"}}, BadValue, "not one that"),
        ({"panels": ["am"], "am": {"recipe": "ohla"}}, UnknownName, "olah"),
    ],
)
def test_what_is_not_there_is_refused(lens: Any, given: dict[str, Any], error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        explore(lens, list(PIXELS), **given)


def test_a_region_that_unpacks_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explore_state, "LARGEST_REGION", 1000)
    bomb = base64.b64encode(zlib.compress(bytes(100_000))).decode()
    with pytest.raises(BadValue, match="larger than"):
        explore_state.checked_state("brush", {"region": bomb})


def test_a_wrong_wish_leaves_the_dashboard_as_it_was(dashboard: Any) -> None:
    explorer = dashboard("picker")
    for name, value in (("panels", ["picker", "x"]), ("large", "am"), ("unit", "conv9:9"), ("image", "x")):
        before = getattr(explorer, name)
        with pytest.raises((UnknownName, BadValue)):
            setattr(explorer, name, value)
        assert getattr(explorer, name) == before


def test_the_still_shows_what_is_open(dashboard: Any) -> None:
    explorer = dashboard("picker", "brush")
    explorer.wait(60)
    both = explorer.still()
    explorer.panels = ["brush"]
    explorer.wait(60)
    assert both.shape[0] > explorer.still().shape[0]
    explorer.panels = []
    assert explorer.still() is None


def test_no_pictures_are_allowed(lens: Any, explorers: list[Explorer]) -> None:
    explorers.append(explore(lens, [], panels=["picker", "am"]))
    assert explorers[-1].image == ""
    explorers[-1].picker.take("first.png", PIXELS[0])
    explorers[-1].picker.image = "first.png"
    assert explorers[-1].image == "first.png"
