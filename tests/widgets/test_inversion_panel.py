"""The inversion panel without a browser: what it sends, what it refuses, what it costs."""

import io
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import nn

import convviz_widgets as cv
from convviz_widgets.core.errors import BadType, BadValue, UnknownName
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.methods.inversion.decoder import Decoder
from convviz_widgets.methods.inversion.invert import invert
from convviz_widgets.methods.inversion.train_decoder import train_decoder
from convviz_widgets.widgets.am_runs import Share
from convviz_widgets.widgets.inversion_choice import Choice, spread_layers
from convviz_widgets.widgets.inversion_panel import InversionPanel
from tests.known_networks import randomised
from tests.widgets.wire import Wire

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 17, 17, 3), dtype=np.uint8)
STEPS = {"steps": 5}
LAYERS = ["1", "3", "6"]


def build() -> nn.Module:
    convolutions = nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()
    return nn.Sequential(*convolutions, nn.MaxPool2d(3), nn.Flatten(), nn.Linear(8 * 5 * 5, 6))


@pytest.fixture
def lens() -> Any:
    return cv.Lens(randomised(build), input_size=17, class_names=list("abcdef"))


@pytest.fixture
def panel(lens: Any) -> Iterator[InversionPanel]:
    panel = InversionPanel(lens, list(PIXELS), layers=LAYERS, knobs=STEPS)
    yield settled(panel)
    panel.close()


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    lens = cv.Lens(randomised(build), input_size=17, class_names=list("abcdef"))
    found: Decoder = train_decoder(lens, "1", list(PIXELS), epochs=2, batch_size=2)
    return found


def settled(panel: InversionPanel) -> InversionPanel:
    assert panel.wait(30)
    assert panel._worker.wait(30)
    return panel


def shown(panel: InversionPanel, layer: str, place: int = 0) -> np.ndarray:
    """What the browser decodes of a tile, (H, W, 3)."""
    tile = next(each for each in panel.view["tiles"] if each["layer"] == layer)
    return np.asarray(Image.open(io.BytesIO(tile["images"][place])))


def test_the_tiles_are_what_the_technique_tells(panel: InversionPanel, lens: Any) -> None:
    wanted = invert(lens, PIXELS[0], LAYERS, steps=5)
    assert [each["layer"] for each in panel.view["tiles"]] == LAYERS == list(panel.tiles)
    for place, tile in enumerate(panel.view["tiles"]):
        assert np.array_equal(shown(panel, tile["layer"]), np.rint(wanted.images[place] * 255).astype(np.uint8))
        assert tile["losses"] == pytest.approx([wanted.losses[place]])
        assert tile["pixel"] == pytest.approx([wanted.errors[place]], abs=0.003)
        assert (tile["done"], tile["type"], tile["note"]) == (True, "image/png", "")
    assert panel.run["state"] == "done"
    assert panel.problem == {}


def test_the_code_makes_the_same(panel: InversionPanel, lens: Any) -> None:
    panel._receive(panel, {"kind": "look", "perturbation": "dropout", "seeds": 2, "knobs": {"jitter": 1}}, [])
    code = settled(panel).view["code"]
    assert "perturbation='dropout:0.5'" in code
    again = eval(code, {"cv": type("cv", (), {"invert": invert}), "lens": lens, "image": PIXELS[0]})
    for place, layer in enumerate(LAYERS):
        for seed in (0, 1):
            assert np.array_equal(shown(panel, layer, seed), np.rint(again.images[2 * place + seed] * 255))


def test_errors_by_depth(panel: InversionPanel) -> None:
    own, *others = panel.view["lines"]
    assert (own["name"], own["own"], others) == ("mahendran, steps 5", True, [])
    for name, tile in panel.tiles.items():
        assert own["points"][name] == {
            "pixel": pytest.approx(np.mean(tile.pixel)),
            "colour": pytest.approx(np.mean(tile.colour)),
            "answer": pytest.approx(np.mean(tile.losses)),
            "class": pytest.approx(np.mean(tile.chance)),
        }
    panel.perturbation = "binarise"
    own, other = settled(panel).view["lines"]
    assert (own["name"], other["name"]) == ("mahendran, binarise, steps 5", "mahendran, steps 5")
    assert own["points"] != other["points"]
    panel.image = "image 1"
    assert len(settled(panel).view["lines"]) == 1  # of this picture nothing else is known


def test_the_class_kept_is_that_of_the_photo(panel: InversionPanel, lens: Any) -> None:
    photo = lens.predict(PIXELS[0], k=1)[0][0]
    for tile in panel.tiles.values():
        again = {each.index: each.probability for each in lens.predict(tile.images[0], k=6)[0]}
        assert tile.chance == pytest.approx((again[photo.index],), abs=1e-5)


def test_without_class_scores_the_class_is_left_out() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3))
    panel = settled(InversionPanel(cv.Lens(randomised(lambda: net), input_size=9), [PIXELS[0][:9, :9]], knobs=STEPS))
    assert all(tile.chance == () for tile in panel.tiles.values())
    points = panel.view["lines"][0]["points"]
    assert points
    assert all(set(point) == {"pixel", "colour", "answer"} for point in points.values())
    panel.close()


def test_a_gesture_is_answered_once_then_comes_progress(panel: InversionPanel) -> None:
    down = Wire(panel).gesture(kind="look", ask=3, perturbation="binarise")
    assert {"view", "answered", "run", "perturbation"} <= down[0]
    assert all(each <= {"view", "run"} for each in down[1:])
    assert panel.answered == 3
    assert panel.run["state"] == "done"


def test_looking_at_a_layer_costs_no_descent(panel: InversionPanel, lens: Any) -> None:
    wire, run = Wire(panel), panel.run
    down = wire.gesture(kind="look", ask=4, layer="3")
    assert len(down) == 1
    assert panel.run == run
    best = int(lens.activations(PIXELS[0], "3")[0].amax((1, 2)).argmax())
    assert panel.unit == f"3:{best}"


def test_what_was_told_is_kept(panel: InversionPanel, lens: Any) -> None:
    before = panel.view["tiles"]
    panel.recipe = "fourier"
    assert settled(panel).knobs == STEPS  # the number of steps stays
    panel.recipe = "mahendran"
    number = settled(panel).run["number"]
    assert panel.view["tiles"] == before
    panel.restart()
    assert settled(panel).run["number"] > number
    assert [each["images"] for each in panel.view["tiles"]] == [each["images"] for each in before]


def test_an_added_layer_alone_is_told(panel: InversionPanel, lens: Any) -> None:
    asked: list[tuple[str, ...]] = []
    descend = panel._tiles.descend

    def heard(choice: Choice, image: Any, layers: Any, halt: Any) -> Any:
        asked.append(layers)
        return descend(choice, image, layers, halt)

    panel._tiles.descend = heard  # type: ignore[method-assign]
    panel._receive(panel, {"kind": "look", "layers": ["6", "2", "1"]}, [])
    assert settled(panel).layers == ["1", "2", "6"]
    assert asked == [("2",)]
    assert np.array_equal(shown(panel, "2"), np.rint(invert(lens, PIXELS[0], "2", steps=5).images[0] * 255))


def test_a_unit_chosen_elsewhere_is_a_guest(panel: InversionPanel) -> None:
    panel.unit = "0:4"
    assert (settled(panel).layers, panel.unit) == (["0", *LAYERS], "0:4")
    panel.unit = "2:1"
    assert settled(panel).layers == ["1", "2", "3", "6"]  # it took the other guest's place
    panel.unit = "3:1"
    assert settled(panel).layers == ["1", "2", "3", "6"]
    assert list(panel.tiles) == panel.layers


def test_it_links_with_the_picker(lens: Any, panel: InversionPanel) -> None:
    picker = cv.LayerPicker(lens, list(PIXELS), unit="3:4")
    tie = cv.link(picker, panel)
    assert settled(panel).unit == "3:4"
    panel._receive(panel, {"kind": "look", "layer": "1", "image": "image 2"}, [])
    settled(panel)
    assert (picker.unit, picker.image) == (panel.unit, "image 2")
    assert panel.unit.startswith("1:")
    assert panel.problem == picker.problem == {}
    tie.unlink()
    picker.close()


def test_a_decoder_tells_at_once(lens: Any, decoder: Decoder) -> None:
    panel = settled(InversionPanel(lens, list(PIXELS), layers=LAYERS, decoders=decoder, recipe="decoder", seeds=3))
    wanted = invert(lens, PIXELS[0], "1", recipe="decoder", decoders=decoder)
    assert np.array_equal(shown(panel, "1"), np.rint(wanted.images[0] * 255))
    first, second, _ = panel.view["tiles"]
    assert (first["kind"], len(first["images"])) == ("decoder", 1)
    assert "train_decoder(lens, '3', images)" in second["note"]
    assert panel.run["state"] == "idle"
    down = Wire(panel).gesture(kind="look", ask=2, perturbation="quantise:1")
    assert len(down) == 1  # picture and all
    assert "decoders=decoders" in panel.view["code"]
    panel.close()


def test_the_decoders_that_ship_are_used(lens: Any, decoder: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    def shipped(_: Any, layer: str) -> Decoder:
        if layer != "1":
            raise UnknownName(layer)
        return decoder

    monkeypatch.setattr(Decoder, "shipped", shipped)
    panel = settled(InversionPanel(lens, list(PIXELS), layers=LAYERS, recipe="decoder"))
    assert [len(each["images"]) for each in panel.view["tiles"]] == [1, 0, 0]
    assert panel.view["code"] == "cv.invert(lens, image, layer='1', recipe='decoder', seed=0)"
    panel.close()


def test_each_recipe_keeps_its_knobs(panel: InversionPanel) -> None:
    panel.recipe = "decoder"
    assert settled(panel).knobs == {}
    assert all("No decoder" in each["note"] for each in panel.view["tiles"])
    panel.recipe = "mahendran"
    assert settled(panel).knobs == STEPS
    panel.knobs = {"jitter": 2, "steps": 4}
    assert settled(panel).knobs == {"steps": 4, "jitter": 2}
    panel.knobs = {"steps": 4}  # from Python all of them are given
    assert settled(panel).knobs == {"steps": 4}
    panel._receive(panel, {"kind": "look", "knobs": {"jitter": 1}}, [])
    assert settled(panel).knobs == {"steps": 4, "jitter": 1}
    panel._receive(panel, {"kind": "look", "knobs": {"jitter": None}}, [])
    assert settled(panel).knobs == {"steps": 4}


def test_a_layer_that_cannot_be_told_is_noted_beside_the_others() -> None:
    class Dead(nn.Module):
        def forward(self, x: Any) -> Any:
            return x * 0

    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), Dead())
    panel = InversionPanel(
        cv.Lens(net, input_size=9), [np.full((9, 9, 3), 90, np.uint8)], layers=["0", "2"], knobs=STEPS
    )
    told = {each["layer"]: each for each in settled(panel).view["tiles"]}
    assert "nothing but zeros" in told["2"]["note"]
    assert told["2"]["images"] == []
    assert len(told["0"]["images"]) == 1
    assert (panel.problem, panel.run["state"]) == ({}, "done")
    assert "layer='0'" in panel.view["code"]
    panel.close()


def test_stop_keeps_the_pictures_and_their_code_makes_them(panel: InversionPanel, lens: Any) -> None:
    show = panel._show

    def stop_at_three(run: Any) -> None:
        show(run)
        if panel.view["step"] >= 2:
            panel.stop()

    panel._show = stop_at_three  # type: ignore[method-assign]
    panel._showing = Share(1e9)  # every step is shown
    panel.knobs = {"steps": 4000}
    assert settled(panel).run["state"] == "stopped"
    tile = panel.tiles["3"]
    assert tile.steps is not None
    assert 2 <= tile.steps < 4000
    assert tile.note == "stopped by hand"
    assert len(tile.losses) == 1
    *_, last = (
        step for step, _ in zip(invert.steps(lens, PIXELS[0], LAYERS, steps=4000), range(tile.steps), strict=False)
    )
    assert np.array_equal(tile.images[0], last.preview[1])
    assert f", {tile.steps})" in panel.view["code"]
    found: dict[str, Any] = {"cv": type("cv", (), {"invert": invert}), "lens": lens, "image": PIXELS[0]}
    exec(panel.view["code"], found)
    assert np.array_equal(found["last"].preview, last.preview)


def test_a_paused_descent_waits_and_goes_on_to_the_same_pictures(panel: InversionPanel, lens: Any) -> None:
    show = panel._show
    seen: list[int] = []

    def pause_at_the_first(run: Any) -> None:
        show(run)
        seen.append(panel.view["step"])
        if len(seen) == 1:
            panel.receive({"kind": "pause"}, [])

    panel._show = pause_at_the_first  # type: ignore[method-assign]
    panel._showing = Share(1e9)  # every step is shown
    panel.knobs = {"steps": 12}
    assert panel._looking is not None
    assert panel._looking.wait(20)
    for _ in range(400):
        if panel.run["state"] == "paused":
            break
        time.sleep(0.05)
    assert panel.run["state"] == "paused"
    assert panel.wait(0.2) is False
    assert seen == [1]
    panel.receive({"kind": "look", "layer": "3"}, [])  # looking about goes on meanwhile
    assert panel._looking.wait(20)
    assert (panel.unit.split(":")[0], panel.run["state"]) == ("3", "paused")
    panel.receive({"kind": "resume"}, [])
    assert settled(panel).run["state"] == "done"
    wanted = invert(lens, PIXELS[0], LAYERS, steps=12)
    assert np.array_equal(shown(panel, "6"), np.rint(wanted.images[2] * 255))


def test_a_paused_descent_can_be_stopped_or_left(panel: InversionPanel) -> None:
    panel.knobs = {"steps": 4000}
    assert panel._looking is not None
    assert panel._looking.wait(20)
    panel.pause()
    assert panel.run["state"] == "paused"
    panel.stop()
    assert settled(panel).run["state"] == "stopped"
    panel.knobs = {"steps": 4001}
    assert panel._looking.wait(20)
    panel.pause()
    panel.knobs = {"steps": 3}  # another choice ends it
    assert settled(panel).run["state"] == "done"


def test_only_the_newest_wish_counts(panel: InversionPanel) -> None:
    number = panel.run["number"]
    with panel._worker._shared.signal:  # the worker waits meanwhile
        for strength in (0.1, 0.2, 0.3):
            panel.receive({"kind": "look", "ask": 9, "perturbation": f"dropout:{strength}"}, [])
    assert settled(panel).perturbation == "dropout:0.3"
    assert panel.run["number"] == number + 1
    assert len(panel.view["lines"]) == 2


def test_a_newer_wish_ends_the_descent_under_way(panel: InversionPanel) -> None:
    panel.knobs = {"steps": 4000}
    assert panel._looking is not None
    assert panel._looking.wait(20)
    old = panel._run
    panel.knobs = {"steps": 3}
    settled(panel)
    assert old is not None
    assert old.job is not None
    assert old.job.state == "cancelled"
    assert (panel.run["state"], panel.view["tiles"][0]["done"]) == ("done", True)
    assert "steps=3" in panel.view["code"]


def test_after_an_interrupt_a_gesture_begins_anew(panel: InversionPanel) -> None:
    panel.knobs = {"steps": 4000}
    assert panel._looking is not None
    assert panel._looking.wait(20)
    panel._worker.cancel_all()
    assert panel._worker.wait(20)
    panel.stop()
    assert panel.run["state"] == "idle"
    panel.knobs = {"steps": 3}
    assert settled(panel).run["state"] == "done"
    panel.knobs = {"steps": 4000}
    assert panel._looking.wait(20)
    panel._worker.cancel_all()
    assert panel._worker.wait(20)
    panel._receive(panel, {"kind": "look", "layer": "3"}, [])
    assert panel._looking.wait(20)
    assert panel.run["state"] == "running"
    panel.stop()
    assert settled(panel).run["state"] == "stopped"


def test_errors_are_shown_inside_and_count_as_answers(panel: InversionPanel) -> None:
    wire, view = Wire(panel), panel.view
    wishes: list[dict[str, Any]] = [
        *({"image": "nowhere"}, {"layer": "99"}, {"layers": []}, {"recipe": "magic"}, {"knobs": {"steps": 0}}),
        *({"knobs": {"gravity": 1}}, {"perturbation": "melt"}, {"perturbation": "dropout:3"}, {"unit": "1:99"}),
        *({"seeds": 99}, {"seed": -1}, {"seed": 1.5}),
    ]
    for number, wish in enumerate(wishes):
        assert len(wire.gesture(kind="look", ask=20 + number, **wish)) == 1, wish
        assert panel.problem["text"]
        assert panel.answered == 20 + number
        assert panel.view is view
    wire.gesture(kind="dance", ask=50)
    assert "dance" in panel.problem["text"]


def test_refusals(lens: Any, decoder: Decoder) -> None:
    wrong: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"layers": ["9"]}, UnknownName, "layer"),
        ({"recipe": "magic"}, UnknownName, "recipe"),
        ({"recipe": "decoder", "knobs": STEPS}, UnknownName, "knob"),
        ({"knobs": {"steps": 1.5}}, BadType, "whole"),
        ({"seeds": 0}, BadValue, "seeds"),
        ({"unit": "1:99"}, BadValue, "channels"),
        ({"decoders": [3]}, BadType, "train_decoder"),
        ({"opacity": 1}, UnknownName, "opacity"),
    ]
    for given, error, text in wrong:
        with pytest.raises(error, match=text):
            InversionPanel(lens, list(PIXELS), **given)
    other = cv.Lens(build(), input_size=17)
    with pytest.raises(BadValue, match="other weights"):
        InversionPanel(other, list(PIXELS), decoders=decoder)


def test_without_a_picture_settings_can_be_chosen(lens: Any) -> None:
    panel = InversionPanel(lens, [], layers=LAYERS, knobs={"steps": 3})
    assert panel.problem == {}
    panel._receive(panel, {"kind": "look", "ask": 2, "perturbation": "binarise"}, [])
    assert (panel.answered, panel.perturbation, panel.problem) == (2, "binarise", {})
    buffer = io.BytesIO()
    Image.fromarray(PIXELS[1]).save(buffer, "PNG")
    Wire(panel).gesture(buffer.getvalue(), kind="upload", name="mine.png")
    assert (panel.image, panel.run["state"]) == ("mine.png", "done")
    assert panel.still() is not None
    panel.close()


def test_layers_spread_over_the_depth(lens: Any) -> None:
    assert spread_layers(cv.Lens.load("mini")) == ("relu1", "relu2", "relu4", "relu5", "relu7", "fc8")
    assert spread_layers(lens) == ("1", "3", "6")
    with pytest.raises(BadValue, match="no layers"):
        spread_layers(cv.Lens(nn.ReLU(), input_size=4))


def test_too_many_layers(lens: Any) -> None:
    names = tuple(f"layer{place}" for place in range(16))
    with pytest.raises(BadValue, match="Take one away"):
        Choice("a.png", names).changed(lens, {"layer": "1"})


def test_a_file_carries_what_made_it(panel: InversionPanel) -> None:
    wire = Wire(panel)
    wire.gesture(kind="file")
    data, buffers = next(each for each in wire.down if each[0]["method"] == "custom")
    assert data["content"]["name"] == "inversion_image-0_mahendran-steps-5.png"
    picture = Image.open(io.BytesIO(buffers[0]))
    made = Provenance.from_json(picture.info["convviz_widgets"])
    assert made.code() == panel.view["code"] == picture.info["code"]
    assert picture.info["picture"] == "image 0"
    assert min(picture.size) > 2 * 17


def test_the_still_picture(panel: InversionPanel) -> None:
    data = panel._repr_mimebundle_()
    data = data[0] if isinstance(data, tuple) else data
    assert data["image/png"][:4] == b"\x89PNG"
    picture = panel.still()
    assert picture is not None
    assert picture.shape[1] > 4 * 180
    panel.seeds = 2
    again = settled(panel).still()
    assert again is not None
    assert again.shape[0] > 4 * 180  # a row per layer


def test_closing_calls_everything_off(lens: Any) -> None:
    panel = InversionPanel(lens, list(PIXELS), knobs={"steps": 4000})
    panel.close()
    assert panel._worker.wait(20)
    assert panel._worker.jobs == ()
    assert panel.run["state"] != "done"
