"""The projection viewer without a browser: what it sends, what it refuses, what it costs."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import convviz_widgets as cv
from convviz_widgets.core.errors import BadValue, UnknownName
from convviz_widgets.methods.deconvnet.deconvnet import deconvnet
from convviz_widgets.render.encode import png, read
from convviz_widgets.render.signal import reach_of
from convviz_widgets.widgets.projection_viewer import ProjectionViewer
from convviz_widgets.widgets.shades import map_codes, shrunk, signal_codes
from tests.known_networks import make
from tests.widgets.wire import Wire

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 17, 17, 3), dtype=np.uint8)
RULES = ["deconvnet", "gradient", "guided"]


class Silent(nn.Module):
    """Two units after a ReLU: one is the red channel, the other is active on very bright pictures alone."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)
        self.relu = nn.ReLU()
        with torch.no_grad():
            self.conv.weight.zero_()
            self.conv.bias.copy_(torch.tensor([0.0, -0.9]))
            self.conv.weight[:, 0] = 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(self.conv(x))


@pytest.fixture
def lens() -> Any:
    return cv.Lens(make("residual")[0], input_size=17, class_names=["a"] * 6)


@pytest.fixture
def viewer(lens: Any) -> Iterator[ProjectionViewer]:
    viewer = ProjectionViewer(lens, list(PIXELS), unit="relu#2:3")
    yield settled(viewer)
    viewer.close()


@pytest.fixture
def silent() -> Iterator[ProjectionViewer]:
    dark, bright = np.full((6, 6, 3), 100, np.uint8), np.full((6, 6, 3), 250, np.uint8)
    viewer = ProjectionViewer(cv.Lens(Silent(), input_size=6), [dark, bright], unit="relu:1")
    yield settled(viewer)
    viewer.close()


def settled(viewer: ProjectionViewer) -> ProjectionViewer:
    assert viewer._worker.wait(20)
    return viewer


def decoded(signal: dict[str, Any]) -> np.ndarray:
    """What the browser makes of a signal, (3, H, W)."""
    shares = (np.frombuffer(signal["codes"], np.uint8).reshape(*signal["shape"], 3).astype(float) - 128) / 127
    return np.moveaxis(signal["high"] * shares * np.abs(shares), -1, 0)


def test_the_three_rules_are_those_of_the_technique(viewer: ProjectionViewer, lens: Any) -> None:
    assert [each["rule"] for each in viewer.view["rules"]] == RULES
    for told in viewer.view["rules"]:
        wanted = deconvnet(lens, PIXELS[0], "relu#2:3", rule=told["rule"])
        assert np.array_equal(viewer.projections[told["rule"]].signal, wanted.signal)
        assert np.abs(decoded(told) - wanted.signal).max() <= told["high"] / 100
        assert told["reach"] == pytest.approx(reach_of(wanted.signal))
        assert viewer.view["position"] == list(wanted.position)
        assert viewer.view["box"] == list(wanted.box)
    values = np.frombuffer(viewer.view["values"], np.float32).reshape(viewer.view["shape"])
    assert np.array_equal(values, lens.activations(PIXELS[0], "relu#2")[0, 3].numpy())


def test_a_neuron_and_the_whole_map(viewer: ProjectionViewer, lens: Any) -> None:
    values = np.frombuffer(viewer.view["values"], np.float32).reshape(viewer.view["shape"])
    row, column = np.argwhere((values > 0) & (values < values.max()))[0]
    viewer.unit = f"relu#2:3@{row},{column}"
    assert np.array_equal(
        settled(viewer).projections["guided"].signal,
        deconvnet(lens, PIXELS[0], f"relu#2:3@{row},{column}", rule="guided").signal,
    )
    viewer.keep = "map"
    wanted = deconvnet(lens, PIXELS[0], "relu#2:3", rule="guided", keep="map")
    assert np.array_equal(settled(viewer).projections["guided"].signal, wanted.signal)
    assert viewer.unit == "relu#2:3"
    viewer.unit = f"relu#2:3@{row},{column}"
    assert settled(viewer).keep == "strongest"
    assert viewer.problem == {}


def test_weak_signals_keep_many_shades() -> None:
    signal = np.linspace(-1, 1, 3 * 40 * 40).reshape(3, 40, 40)
    told = signal_codes(signal)
    weak = np.abs(signal) < 1 / 16
    assert np.abs(decoded(told) - signal)[weak].max() < 1 / 16 / 30
    assert len(np.unique(decoded(told)[weak])) > 50
    assert set(np.frombuffer(signal_codes(np.zeros((3, 2, 2)))["codes"], np.uint8)) == {128}
    assert decoded(signal_codes(-signal)) == pytest.approx(-decoded(told))
    assert decoded(signal_codes(signal[:1])) == pytest.approx(np.repeat(decoded(told)[:1], 3, 0), abs=0.02)
    values = np.linspace(0, 3, 100).reshape(10, 10)
    codes = np.frombuffer(map_codes(values)["codes"], np.uint8).reshape(10, 10) / 255
    assert 3 * codes**2 == pytest.approx(values, abs=3 / 200)
    assert shrunk(np.ones((3, 100, 50), np.float32), 40).shape == (3, 33, 16)


def test_the_patches_are_the_top_images_with_their_projections(viewer: ProjectionViewer, lens: Any) -> None:
    best = cv.top_images(lens, PIXELS, "relu#2")
    patches = viewer.top["patches"]
    assert [each["image"] for each in patches] == [f"image {n}" for n in best.index[3] if n >= 0]
    for place, each in enumerate(patches):
        if each["activation"] <= 0:
            assert each["signal"] is None
            continue
        left, top, right, bottom = best.box[3, place]
        row, column = best.position[3, place]
        made = deconvnet(lens, PIXELS[best.index[3, place]], f"relu#2:3@{row},{column}")
        part = made.signal[:, top:bottom, left:right]
        assert np.abs(decoded(each["signal"]) - part).max() <= np.abs(part).max() / 100
    assert any(each["signal"] for each in patches)


def test_one_gesture_is_one_message_down(viewer: ProjectionViewer) -> None:
    wire = Wire(viewer)
    for number, wish in enumerate(
        ({"unit": "relu#2:3@2,5"}, {"keep": "map"}, {"image": "image 3"}, {"unit": "relu#2:3"})
    ):
        down = wire.gesture(kind="look", ask=number + 1, **wish)
        assert len(down) == 1, (wish, down)
        assert viewer.answered == number + 1
    assert viewer.image == "image 3"
    assert viewer.problem == {}


def test_the_pictures_are_searched_once_per_layer(viewer: ProjectionViewer, monkeypatch: Any) -> None:
    wire = Wire(viewer)
    searched: list[str] = []
    search = viewer._top.search
    monkeypatch.setattr(viewer._top, "search", lambda layer: searched.append(layer) or search(layer))
    wire.gesture(kind="look", unit="relu#2:4")
    assert searched == []
    assert viewer.top["unit"] == "relu#2:4"
    assert viewer.top["patches"]
    down = wire.gesture(kind="look", unit="relu#2:3")  # known already
    assert len(down) == 1
    wire.gesture(kind="look", layer="conv1")
    wire.gesture(kind="look", layer="conv1")
    assert searched == ["conv1"]
    assert viewer.progress == {}


def test_the_rule_of_the_patches(viewer: ProjectionViewer) -> None:
    before = viewer.top["patches"][0]["signal"]["codes"]
    viewer.rule = "gradient"
    after = settled(viewer).top
    assert after["rule"] == "gradient"
    assert after["patches"][0]["signal"]["codes"] != before


def test_a_unit_that_is_not_active_tells_the_ways_out(silent: ProjectionViewer) -> None:
    told = silent.view["inactive"]
    assert "not active anywhere" in told["text"]
    assert told["units"] == ["relu:0"]
    assert not told["here"]
    assert silent.view["rules"] == []
    assert silent.problem == {}
    assert [each["image"] for each in silent.top["patches"] if each["activation"] > 0] == ["image 1"]
    silent.image = "image 1"  # the button
    assert [each["rule"] for each in settled(silent).view["rules"]] == RULES
    assert silent.view["inactive"] == {}


def test_errors_are_shown_inside_and_count_as_answers(viewer: ProjectionViewer) -> None:
    wire = Wire(viewer)
    before = viewer.view
    wishes = ({"unit": "relu#2:999"}, {"image": "nowhere"}, {"layer": "nothing"}, {"keep": "most"}, {"rule": "none"})
    for number, wish in enumerate(wishes):
        assert len(wire.gesture(kind="look", ask=10 + number, **wish)) == 1
        assert viewer.problem["text"]
        assert viewer.answered == 10 + number
        assert viewer.view is before
    first = viewer.problem["number"]
    wire.gesture(kind="look", ask=90, rule="none")
    assert viewer.problem["number"] == first + 1  # the same error twice is told twice
    wire.gesture(kind="dance")
    assert "dance" in viewer.problem["text"]
    wire.gesture(kind="look", ask=99, unit="relu#2:1")
    assert viewer.problem == {}


def test_only_the_newest_wish_counts(viewer: ProjectionViewer, monkeypatch: Any) -> None:
    looked: list[str] = []
    see = viewer._view
    monkeypatch.setattr(viewer, "_view", lambda choice, *rest: looked.append(str(choice.unit)) or see(choice, *rest))
    with viewer._worker._shared.signal:  # the worker waits meanwhile
        for channel in range(6):
            viewer.receive({"kind": "look", "ask": channel + 1, "unit": f"relu#2:{channel}"}, [])
    assert settled(viewer).unit == "relu#2:5"
    assert looked == ["relu#2:5"]
    assert viewer.answered == 6


def test_refusals(lens: Any) -> None:
    with pytest.raises(UnknownName, match="image"):
        ProjectionViewer(lens, list(PIXELS), image="nowhere")
    with pytest.raises(UnknownName, match="unitt"):
        ProjectionViewer(lens, list(PIXELS), unitt="conv1:0")
    with pytest.raises(BadValue, match="does not exist"):
        ProjectionViewer(lens, list(PIXELS), unit="conv1:999")
    with pytest.raises(UnknownName, match="keep"):
        ProjectionViewer(lens, list(PIXELS), keep="most")


def test_vectors_and_no_pictures(lens: Any) -> None:
    empty = ProjectionViewer(lens, [])
    assert empty.view == {}
    assert empty.still() is None
    empty.close()
    scores = ProjectionViewer(lens, list(PIXELS[:2]), unit=f"{list(lens.layers)[-1]}:2")
    assert [each["rule"] for each in settled(scores).view["rules"]] == RULES
    assert scores.problem == {}
    assert scores.top["patches"]
    scores.close()


def test_a_photo_is_uploaded_into_an_empty_album(lens: Any) -> None:
    viewer = ProjectionViewer(lens, [], unit="conv1:2")
    wire = Wire(viewer)
    assert len(wire.gesture(png(PIXELS[3]), kind="upload", name="mine.png")) == 1
    assert (viewer.image, viewer.names) == ("mine.png", ["mine.png"])
    assert np.array_equal(read(viewer.photo["png"]), lens.picture(PIXELS[3]))
    assert viewer.top["patches"] == []
    assert len(viewer.view["rules"]) == 3
    wire.gesture(kind="thumbnails", names=["mine.png", "nowhere"])
    assert [data["content"] for data, _ in wire.down] == [{"kind": "thumbnails", "names": ["mine.png"]}]
    wire.gesture(kind="upload", name="lost.png")
    assert "without its bytes" in viewer.problem["text"]
    viewer.close()


def test_it_opens_on_late_maps_and_links_with_the_picker(lens: Any) -> None:
    viewer = ProjectionViewer(lens, list(PIXELS))
    layer = lens.layers[settled(viewer).unit.split(":")[0]]
    assert layer.kind == "activation"
    assert layer.is_map
    picker = cv.LayerPicker(lens, list(PIXELS), unit="conv1:4")
    tie = cv.link(picker, viewer)
    assert viewer.unit == "conv1:4"
    viewer.receive({"kind": "look", "unit": "conv1:2@3,4", "image": "image 2"}, [])
    settled(viewer)
    assert (picker.unit, picker.image) == ("conv1:2@3,4", "image 2")
    tie.unlink()
    picker.close()
    viewer.close()


def test_the_still_picture(viewer: ProjectionViewer) -> None:
    picture = viewer.still()
    assert picture is not None
    assert picture.shape[1] > 4 * 180
    data = viewer._repr_mimebundle_()
    data = data[0] if isinstance(data, tuple) else data
    assert data["image/png"][:4] == b"\x89PNG"
    assert data["text/plain"] == repr(viewer)
    assert "5 pictures" in repr(viewer)


def test_closing_calls_everything_off(lens: Any) -> None:
    viewer = ProjectionViewer(lens, list(PIXELS), unit="conv2:0")
    viewer.close()
    assert viewer._worker.wait(20)
    assert viewer._worker.jobs == ()
    assert viewer.top.get("patches") is None
