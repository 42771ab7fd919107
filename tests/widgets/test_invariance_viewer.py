"""The invariance viewer without a browser: what it sends, what it refuses, what it costs."""

import io
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import nn

import convviz_widgets as cv
from convviz_widgets.core.errors import BadType, BadValue, UnknownName
from convviz_widgets.core.step import Step
from convviz_widgets.methods.invariance.invariance import invariance
from convviz_widgets.methods.invariance.resampling import TRANSFORMS
from convviz_widgets.widgets.invariance_choice import checked_layers
from convviz_widgets.widgets.invariance_viewer import InvarianceViewer
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
def viewer(lens: Any) -> Iterator[InvarianceViewer]:
    viewer = InvarianceViewer(lens, list(PIXELS))
    yield settled(viewer)
    viewer.close()


def settled(viewer: InvarianceViewer) -> InvarianceViewer:
    assert viewer.wait(30)
    assert viewer._worker.wait(30)
    return viewer


def floats(told: bytes, *shape: int) -> np.ndarray:
    return np.frombuffer(told, "<f4").reshape(shape)


def amounts(viewer: InvarianceViewer) -> np.ndarray:
    return floats(viewer.view["amounts"], -1)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_the_curves_are_those_of_the_technique(viewer: InvarianceViewer, lens: Any, transform: str) -> None:
    viewer.transform, viewer.fill, viewer.layers = transform, "edge", ["0", "3"]
    settled(viewer)
    whole = [float(each) for each in np.round(amounts(viewer).astype(float), 6)]
    wanted = invariance(lens, PIXELS[0], transform, range=whole, layers=["0", "3"], fill="edge")
    count = len(whole)
    assert viewer.curves["done"]
    assert viewer.curves["layers"] == ["0", "3"]
    assert viewer.curves["path"] == viewer.view["path"]
    assert floats(viewer.curves["distance"], 2, count) == pytest.approx(wanted.distance[0], rel=1e-4, abs=1e-4)
    assert floats(viewer.curves["norm"], 2) == pytest.approx(wanted.norm[0], rel=1e-5)
    chances = floats(viewer.curves["chances"], count, 6)
    assert chances.sum(1) == pytest.approx(np.ones(count), rel=1e-5)
    assert chances[:, CLASSES.index(wanted.classes[0])] == pytest.approx(wanted.probability[0], rel=1e-4)
    assert viewer.problem == {}
    assert viewer.progress == {}


def test_the_photo_at_every_amount(viewer: InvarianceViewer, lens: Any) -> None:
    frames = [np.asarray(Image.open(io.BytesIO(each))) for each in viewer.view["frames"]]
    assert len(frames) == len(amounts(viewer)) == 49
    photo = lens.picture(PIXELS[0])
    where = {float(each): frame for each, frame in zip(amounts(viewer), frames, strict=True)}
    assert np.array_equal(where[0.0], photo)
    assert np.array_equal(where[90.0], np.rot90(photo))
    assert np.array_equal(where[-180.0], where[180.0])
    assert viewer.view["type"] == "image/png"


def test_one_gesture_one_answer_and_the_curves_grow_behind_it(viewer: InvarianceViewer) -> None:
    wire = Wire(viewer)
    down = wire.gesture(kind="look", ask=3, transform="scale")
    assert {"view", "answered", "transform", "amount"} <= down[0]
    assert "curves" not in down[0]
    assert sum("view" in each for each in down) == 1
    assert any("curves" in each for each in down[1:])
    assert viewer.amount == 1.0
    assert viewer.answered == 3


def test_a_class_and_a_known_choice_cost_no_pass(viewer: InvarianceViewer, lens: Any) -> None:
    wire = Wire(viewer)
    calls: list[int] = []
    lens.module.register_forward_pre_hook(lambda *_: calls.append(1))
    down = wire.gesture(kind="look", ask=4, target=2)
    assert viewer.target == 2
    assert not {"view", "curves"} & set().union(*down)
    wire.gesture(kind="look", ask=5, layers=["3"])
    assert viewer.curves["layers"] == ["3"]
    passes = len(calls)
    assert passes > 0
    wire.gesture(kind="look", ask=6, layers=["1", "4"])
    assert viewer.curves["layers"] == ["1", "4"]
    assert len(calls) == passes  # they were drawn at first
    wire.gesture(kind="amount", amount=45.0)
    assert viewer.amount == 45.0
    assert len(calls) == passes


def test_the_newest_choice_wins(viewer: InvarianceViewer) -> None:
    for transform in ("scale", "translate", "rotate", "scale", "translate"):
        viewer.transform = transform
    viewer.direction, viewer.image = "horizontal", "image 2"
    settled(viewer)
    assert viewer.view["path"] == ["image 2", "translate", "horizontal", "grey"]
    assert viewer.curves["path"] == viewer.view["path"]
    assert viewer.curves["done"]


def test_back_to_a_choice_whose_curves_were_called_off(viewer: InvarianceViewer) -> None:
    held = threading.Event()

    def hold() -> Any:
        assert held.wait(30)
        yield Step(1)

    viewer.layers = ["0", "3"]
    viewer.layers = ["2"]
    viewer._worker.submit(hold, priority=9)
    viewer.layers = ["0", "3"]
    viewer.layers = ["2", "3"]
    viewer.layers = ["0", "3"]
    held.set()
    settled(viewer)
    assert (viewer.curves["layers"], viewer.curves["done"]) == (["0", "3"], True)


def test_an_amount_set_with_its_transform_stays(viewer: InvarianceViewer) -> None:
    viewer.transform = "scale"
    viewer.amount = 1.5
    assert settled(viewer).amount == 1.5
    viewer.image = "image 1"
    assert settled(viewer).amount == 1.5
    viewer.transform = "translate"
    assert settled(viewer).amount == 0.0
    begun = settled(InvarianceViewer(viewer.lens, list(PIXELS), transform="scale", amount=0.75))
    assert begun.amount == 0.75
    begun.close()


def test_a_units_layer_is_followed_too_and_a_class_score_is_a_class(viewer: InvarianceViewer) -> None:
    assert viewer.layers == ["1", "4"]
    viewer.unit = "3:2"
    assert settled(viewer).curves["layers"] == ["1", "4", "3"]
    assert viewer.layers == ["1", "4"]
    viewer.unit = "6:4"
    assert settled(viewer).curves["layers"] == ["1", "4"]
    assert viewer.target == 4
    viewer.unit = ""
    assert settled(viewer).unit == ""
    viewer.target = "owl"
    assert settled(viewer).target == 2


def test_it_is_tied_to_a_picker(viewer: InvarianceViewer, lens: Any) -> None:
    picker = cv.LayerPicker(lens, list(PIXELS), unit="2:1")
    cv.link(picker, viewer)
    assert settled(viewer).curves["layers"] == ["1", "4", "2"]
    picker.image = "image 1"
    assert settled(viewer).view["path"][0] == "image 1"
    viewer.unit = "0:3"
    assert picker.unit == "0:3"
    picker.close()
    picker._worker.wait(30)


@pytest.mark.parametrize(
    ("name", "value", "error", "text"),
    [
        ("transform", "shear", UnknownName, "translate, rotate, scale"),
        ("direction", "up", UnknownName, "vertical, horizontal"),
        ("fill", "green", UnknownName, "grey"),
        ("layers", ["9"], UnknownName, "lens.layers"),
        ("layers", [], BadValue, "one layer or more"),
        ("target", 17, BadValue, "no class 17"),
        ("target", "cow", UnknownName, "no class 'cow'"),
        ("target", 1.5, BadType, "is no class"),
        ("unit", "9:1", UnknownName, "no layer"),
        ("unit", "0:88", BadValue, "does not exist"),
        ("image", "none", UnknownName, "no image"),
        ("amount", 200.0, BadValue, "-180 to 180"),
    ],
)
def test_what_is_refused(viewer: InvarianceViewer, name: str, value: Any, error: type[Exception], text: str) -> None:
    before = getattr(viewer, name)
    with pytest.raises(error, match=text):
        setattr(viewer, name, value)
    assert getattr(viewer, name) == before
    Wire(viewer).gesture(kind="amount" if name == "amount" else "look", ask=9, **{name: value})
    assert viewer.problem["text"]
    viewer.fill = "mean"
    assert settled(viewer).problem == {}


def test_wrong_arguments(lens: Any) -> None:
    with pytest.raises(UnknownName, match="transform"):
        InvarianceViewer(lens, list(PIXELS), transform="shear")
    with pytest.raises(BadValue, match=r"0\.6 to 1\.8"):
        InvarianceViewer(lens, list(PIXELS), transform="scale", amount=3.0)
    with pytest.raises(UnknownName, match="argument"):
        InvarianceViewer(lens, list(PIXELS), amounts=3)


def test_no_more_layers_than_can_be_told_apart() -> None:
    lens = cv.Lens.load("mini", device="cpu")
    assert len(checked_layers(lens, list(lens.layers)[:6])) == 6
    with pytest.raises(BadValue, match="1 to 6"):
        checked_layers(lens, list(lens.layers)[:7])


def test_without_classes_and_without_photos() -> None:
    lens = cv.Lens(randomised(lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU())), input_size=(9, 7))
    bare = settled(InvarianceViewer(lens, [PIXELS[0, :9, :7]], transform="translate", direction="horizontal"))
    assert "chances" not in bare.curves
    assert bare.curves["done"]
    assert amounts(bare).tolist() == [-1, 0, 1]
    assert bare.still() is not None
    bare.close()
    empty = InvarianceViewer(lens, [])
    assert empty.still() is None
    empty.transform = "scale"
    assert (empty.amount, empty.problem) == (1.0, {})
    Wire(empty).gesture(b"not a picture", kind="upload", name="x.png", ask=1)
    assert "cannot be read" in empty.problem["text"]
    empty.close()


def test_what_is_left_without_a_kernel(viewer: InvarianceViewer) -> None:
    viewer.target = "boat"
    still = settled(viewer).still()
    assert still is not None
    assert still.shape[1] > 5 * 180
    assert repr(viewer) == "InvarianceViewer(Sequential, 4 pictures)"


def test_large_photos_travel_as_jpeg() -> None:
    lens = cv.Lens(randomised(lambda: nn.Sequential(nn.Conv2d(3, 2, 5, stride=4), nn.ReLU())), input_size=160)
    large = np.random.default_rng(0).integers(0, 256, (160, 160, 3), dtype=np.uint8)
    viewer = settled(InvarianceViewer(lens, [large], transform="scale"))
    assert viewer.view["type"] == "image/jpeg"
    assert Image.open(io.BytesIO(viewer.view["frames"][3])).size == (160, 160)
    viewer.close()
