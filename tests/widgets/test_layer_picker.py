"""The picker without a browser: what it sends, what it refuses, what it costs."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import convviz_widgets as cv
from convviz_widgets.core.errors import BadValue, UnknownName
from convviz_widgets.widgets.layer_picker import LayerPicker
from tests.known_networks import make
from tests.widgets.wire import Wire

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 17, 17, 3), dtype=np.uint8)


@pytest.fixture
def lens() -> Any:
    module = make("residual")[0]
    return cv.Lens(module, input_size=17, class_names=["a"] * 6)


@pytest.fixture
def picker(lens: Any) -> Iterator[LayerPicker]:
    picker = LayerPicker(lens, list(PIXELS))
    assert picker._worker.wait(20)
    yield picker
    picker.close()


def count_forwards(module: nn.Module) -> list[int]:
    calls: list[int] = []
    module.register_forward_pre_hook(lambda *_: calls.append(1))
    return calls


def settled(picker: LayerPicker) -> LayerPicker:
    assert picker._worker.wait(20)
    return picker


def test_it_opens_on_the_strongest_channel_of_the_first_convolution(picker: LayerPicker, lens: Any) -> None:
    maps = lens.activations(PIXELS[0], "conv1")[0]
    assert picker.unit == f"conv1:{int(maps.flatten(1).amax(1).argmax())}"
    assert picker.image == "image 0"
    assert picker.problem == {}


def test_what_is_sent_are_the_activations(picker: LayerPicker, lens: Any) -> None:
    maps = lens.activations(PIXELS[0], "conv1")[0].numpy()
    sent = picker.maps
    low, high = (np.frombuffer(sent[name], np.float32)[:, None, None] for name in ("low", "high"))
    codes = np.frombuffer(sent["codes"], np.uint8).reshape(sent["shape"])
    assert np.abs(low + (high - low) * codes / 255 - maps).max() <= ((high - low) / 509).max()
    np.testing.assert_allclose(np.frombuffer(sent["mean"], np.float32), maps.mean((1, 2)), rtol=1e-5, atol=1e-6)
    values = np.frombuffer(picker.neuron["values"], np.float32).reshape(picker.neuron["shape"])
    assert np.array_equal(values, maps[int(picker.unit.split(":")[1])])


def test_the_patches_are_the_top_images(picker: LayerPicker, lens: Any) -> None:
    best = cv.top_images(lens, PIXELS, "conv1")
    channel = int(picker.unit.split(":")[1])
    shown = picker.neuron["top"]
    assert [each["image"] for each in shown] == [f"image {n}" for n in best.index[channel] if n >= 0]
    assert [each["activation"] for each in shown] == pytest.approx(best.activation[channel][:5].tolist())


def test_one_gesture_is_one_message_up_and_one_down(picker: LayerPicker) -> None:
    wire = Wire(picker)
    wire.gesture(kind="look", layer="conv2")  # its search for patches adds progress
    for wish in ({"unit": "conv2:3"}, {"unit": "conv2:4@2,5"}, {"image": "image 3"}, {"layer": "conv1"}):
        wire.gesture(kind="look", **wish)
        assert [data["method"] for data, _ in wire.down] == ["update"], wish
    assert picker.image == "image 3"
    assert picker.unit.startswith("conv1:")


def test_another_neuron_of_the_layer_costs_no_forward_pass(picker: LayerPicker, lens: Any) -> None:
    calls = count_forwards(lens.module)
    picker.unit = "conv1:2"
    settled(picker)
    picker.unit = "conv1:4@3,3"
    settled(picker)
    assert calls == []
    assert picker.neuron["unit"] == "conv1:4@3,3"


def test_set_from_python(picker: LayerPicker) -> None:
    picker.unit = "relu#2:1"
    assert picker.unit == "relu#2:1"
    assert settled(picker).maps["layer"] == "relu#2"
    picker.image = "image 2"
    assert settled(picker).photo["name"] == "image 2"
    assert picker.unit == "relu#2:1"


def test_what_does_not_exist_is_refused_and_changes_nothing(picker: LayerPicker) -> None:
    before = picker.unit
    for unit, kind, text in (
        ("conv9:1", UnknownName, "'conv2'"),
        ("conv1:6", BadValue, "channels 0 to 5"),
        ("conv1:1@17,0", BadValue, "17 rows"),
        ("conv1", BadValue, "not the address"),
    ):
        with pytest.raises(kind, match=text):
            picker.unit = unit
    with pytest.raises(UnknownName, match="no image 'image 9'"):
        picker.image = "image 9"
    assert settled(picker).unit == before


def test_an_error_is_shown_and_the_next_gesture_works(picker: LayerPicker) -> None:
    wire = Wire(picker)
    wire.gesture(kind="look", unit="conv1:99")
    assert "channels 0 to 5" in picker.problem["text"]
    wire.gesture(kind="dance")
    assert "'dance'" in picker.problem["text"]
    wire.gesture(kind="look", unit="conv1:0")
    assert picker.problem == {}
    assert picker.unit == "conv1:0"


def test_only_the_newest_of_many_wishes_is_answered(picker: LayerPicker) -> None:
    for channel in (1, 2, 3, 4, 5):
        picker.unit = f"conv2:{channel}"
    assert settled(picker).neuron["unit"] == "conv2:5"


def test_uploads(picker: LayerPicker, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = BytesIO()
    Image.fromarray(PIXELS[0][::-1]).save(stream, "PNG")
    wire = Wire(picker)
    wire.gesture(stream.getvalue(), kind="upload", name="<img src=x onerror=alert(1)>.png")
    assert picker.image == "<img src=x onerror=alert(1)>.png"
    assert picker.names[0] == picker.image
    wire.gesture(b"nothing", kind="upload", name="bad.png")
    assert "'bad.png' cannot be read" in picker.problem["text"]
    wire.gesture(kind="upload", name="lost.png")
    assert "without its bytes" in picker.problem["text"]
    monkeypatch.setattr("convviz_widgets.widgets.viewer.UPLOAD_LIMIT", 10)
    wire.gesture(stream.getvalue(), kind="upload", name="large.png")
    assert "at most 10" in picker.problem["text"]
    assert len(picker.album) == 6


def test_thumbnails_come_when_asked_for(picker: LayerPicker) -> None:
    wire = Wire(picker)
    wire.gesture(kind="thumbnails", names=["image 1", "image 4", "no such"])
    assert [data["method"] for data, _ in wire.down] == ["custom"]
    assert wire.down[0][0]["content"]["names"] == ["image 1", "image 4"]
    assert all(bytes(each).startswith(b"\xff\xd8") for each in wire.down[0][1])


def test_no_picture_yet(lens: Any) -> None:
    picker = LayerPicker(lens, [])
    settled(picker)
    assert (picker.image, picker.neuron, picker.problem) == ("", {}, {})
    assert picker.still() is None
    picker.close()


def test_the_still_picture_is_in_the_notebook(picker: LayerPicker) -> None:
    bundle = picker._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert data["image/png"].startswith(b"\x89PNG") if isinstance(data["image/png"], bytes) else data["image/png"]
    assert data["text/plain"] == "LayerPicker(SharedReLU, 5 pictures)"


def test_unknown_arguments_are_refused(lens: Any) -> None:
    with pytest.raises(UnknownName, match="'unit'"):
        LayerPicker(lens, [], units="conv1:1")
    with pytest.raises(UnknownName, match="image"):
        LayerPicker(lens, list(PIXELS), image="cat.png")


def test_a_failing_network_is_told_in_the_widget() -> None:
    class Fails(nn.Conv2d):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if float(x.sum()) > 0:
                raise RuntimeError("on purpose")
            return super().forward(x)

    picker = LayerPicker(cv.Lens(nn.Sequential(Fails(3, 2, 3)), input_size=8), list(PIXELS[:, :8, :8]))
    settled(picker)
    assert "on purpose" in picker.problem["text"]
    picker.close()


def test_maps_of_many_channels_are_sent_as_one_byte_per_value(lens: Any) -> None:
    from convviz_widgets.widgets.picking import maps_of

    sent = maps_of(lens.layers["conv1"], "a", np.random.default_rng(0).random((512, 56, 56), dtype=np.float32))
    assert len(sent["codes"]) == 512 * 56 * 56
    assert sum(len(value) for value in sent.values() if isinstance(value, bytes)) < 512 * 56 * 56 * 1.01
