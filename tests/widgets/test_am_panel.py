"""The activation maximization panel without a browser: what it sends, what it refuses, what it leaves running."""

import io
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import convviz_widgets as cv
from convviz_widgets.core.errors import BadType, BadValue, UnknownName
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.core.step import Step
from convviz_widgets.methods.activation_maximization.activation_maximization import activation_maximization
from convviz_widgets.methods.activation_maximization.recipes import RECIPES
from convviz_widgets.widgets.am_panel import ActivationMaximizationPanel
from convviz_widgets.widgets.am_session import Ask, Session
from tests.known_networks import make
from tests.widgets.wire import Wire

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 17, 17, 3), dtype=np.uint8)
LONG = 1000  # steps: more than any of these tests waits for


def wired(panel: ActivationMaximizationPanel) -> Wire:
    """A run goes on long after its gesture is answered: nobody waits for it."""
    return Wire(panel, wait=False)


def views(wire: Wire) -> list[dict[str, Any]]:
    return [data["state"]["view"] for data, _ in list(wire.down) if "view" in data.get("state", {})]


def files(wire: Wire) -> list[tuple[dict[str, Any], bytes]]:
    return [(data["content"], bytes(buffers[0])) for data, buffers in wire.down if data["method"] == "custom"]


@pytest.fixture
def lens() -> Any:
    return cv.Lens(make("residual")[0], input_size=17, class_names=["a"] * 6)


@pytest.fixture
def panel(lens: Any) -> Iterator[ActivationMaximizationPanel]:
    panel = ActivationMaximizationPanel(lens, "conv2:3", images=list(PIXELS), recipe="simonyan", steps=5)
    assert panel._runs.worker.wait(30)
    yield panel
    panel.close()


def settled(panel: ActivationMaximizationPanel) -> ActivationMaximizationPanel:
    assert panel._runs.worker.wait(60)
    return panel


def until(condition: Any, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.005)


def running(panel: ActivationMaximizationPanel) -> ActivationMaximizationPanel:
    """The panel in the midst of a run that would take long."""
    panel.knobs = {"steps": LONG}
    until(lambda: panel.view.get("number") == panel._runs.current.number and panel.run["state"] == "running")
    return panel


def occupy(panel: ActivationMaximizationPanel, gate: threading.Event) -> None:
    """Keeps the worker busy until the gate opens."""

    def work() -> Iterator[Any]:
        gate.wait(20)
        yield from ()

    panel._runs.worker.submit(work, priority=9)


def shown(panel: ActivationMaximizationPanel) -> list[np.ndarray]:
    return [np.asarray(Image.open(io.BytesIO(each))) for each in panel.view["images"]]


def test_it_makes_what_the_technique_makes(panel: ActivationMaximizationPanel, lens: Any) -> None:
    expected = activation_maximization(lens, "conv2:3", recipe="simonyan", steps=5)
    assert panel.result == expected
    assert panel.run["state"] == "done"
    assert panel.view["activations"] == pytest.approx(expected.activations.tolist())
    assert np.frombuffer(panel.view["trace"], np.float32) == pytest.approx(expected.traces[:, 0], rel=1e-4, abs=1e-5)
    assert np.abs(shown(panel)[0].astype(float) - 255 * expected.image).mean() < 12  # JPEG
    assert panel.problem == {}


def test_the_best_photo_stands_beside_it(panel: ActivationMaximizationPanel, lens: Any) -> None:
    best = cv.top_images(lens, PIXELS, "conv2", k=1)
    assert panel.best[0]["activation"] == pytest.approx(float(best.activation[3, 0]))
    assert panel.best[0]["image"] == f"image {best.index[3, 0]}"
    assert bytes(panel.best[0]["jpeg"]).startswith(b"\xff\xd8")


def test_the_photos_are_searched_once_per_layer(panel: ActivationMaximizationPanel) -> None:
    read: list[int] = []

    class Watched(list):
        def __getitem__(self, place: Any) -> Any:
            read.append(place)
            return super().__getitem__(place)

    panel.album.images = Watched(PIXELS)
    panel.unit = "conv2:4"
    settled(panel)
    assert panel.best[0]["activation"] > 0
    assert len(read) <= 1  # the patch itself
    read.clear()
    panel.unit = "conv1:0"
    assert settled(panel).best[0]["of"] == 5
    assert len(read) >= 5


def test_a_failing_photo_does_not_end_the_run(lens: Any) -> None:
    class Broken:
        def __len__(self) -> int:
            return 2

        def __getitem__(self, place: int) -> Any:
            raise ZeroDivisionError("unreadable on purpose")

    panel = ActivationMaximizationPanel(lens, images=list(PIXELS), recipe="simonyan", steps=3)
    panel.album.images = Broken()
    panel.unit = "conv2:3"
    settled(panel)
    assert panel.run["state"] == "done"
    assert "error" in panel.best[0]
    panel.close()


def test_one_gesture_is_one_message_down_before_the_previews(panel: ActivationMaximizationPanel) -> None:
    wire = wired(panel)
    for wish in ({"knobs": {"l2": 0.5}}, {"recipe": "erhan"}, {"objective": "conv2:1-3"}, {"seed": 3}):
        down = wire.gesture(kind="choose", ask=7, **wish)
        asked = [names for names in down if not names & {"view", "best"}]
        assert len(asked) == 1, down
        assert settled(panel).run["answered"] == 7
    assert wire.gesture(kind="pin") == [{"pins"}]
    assert wire.gesture(kind="unpin", number=1) == [{"pins"}]
    assert wire.gesture(kind="choose", from_scratch=True) == [{"from_scratch"}]
    gate = threading.Event()
    occupy(panel, gate)
    wire.gesture(kind="choose", ask=8, seed=4)
    assert wire.gesture(kind="pause") == [{"run"}]
    assert wire.gesture(kind="resume") == [{"run"}]
    gate.set()


def test_each_preview_is_one_message_and_there_are_few(panel: ActivationMaximizationPanel) -> None:
    wire = wired(panel)
    panel.knobs = {"steps": 200}
    settled(panel)
    updates = [set(data["state"]) for data, _ in wire.down]
    assert len([names for names in updates if "view" not in names]) <= 2  # the knobs from Python; that it runs
    steps = [view["step"] for view in views(wire)]
    assert steps == sorted(steps)
    assert steps[-1] == 200
    assert len(steps) < 60  # ten a second, however fast the steps are


def test_a_turned_knob_goes_on_from_the_present_picture(panel: ActivationMaximizationPanel) -> None:
    before = panel.view["steps"]
    panel.knobs = {"steps": 4, "l2": 0.5}
    settled(panel)
    assert panel.view["steps"] == before + 4
    assert len(panel.view["joints"]) == 1
    panel.from_scratch = True
    panel.knobs = {"steps": 3, "l2": 0.5}
    assert settled(panel).view["steps"] == 3
    assert panel.view["joints"] == []


def test_another_unit_recipe_or_seed_begins_anew(panel: ActivationMaximizationPanel) -> None:
    for name, value in (("unit", "conv2:4"), ("recipe", "erhan"), ("seed", 5), ("objective", "conv2:1-2")):
        setattr(panel, name, value)
        assert settled(panel).view["steps"] == 5, name  # the number of steps is kept
        assert panel.knobs == {"steps": 5}


def test_only_the_newest_of_many_wishes_runs(panel: ActivationMaximizationPanel, monkeypatch: Any) -> None:
    begun: list[Ask] = []
    run = Session.run

    def watched(self: Session, ask: Ask, halt: threading.Event) -> Any:
        begun.append(ask)
        return (yield from run(self, ask, halt))

    monkeypatch.setattr(Session, "run", watched)
    wire = wired(panel)
    gate = threading.Event()
    occupy(panel, gate)
    for place in range(20):
        wire.gesture(kind="choose", ask=place, knobs={"l2": place / 20})
    gate.set()
    settled(panel)
    assert [ask.knobs["l2"] for ask in begun] == [19 / 20]
    assert panel.knobs["l2"] == 19 / 20


def test_a_wish_ends_the_run_before_within_a_step(panel: ActivationMaximizationPanel) -> None:
    running(panel)
    old = panel._runs.current
    assert old is not None
    panel.knobs = {"steps": 6}
    settled(panel)
    assert old.job is not None
    assert old.job.state == "cancelled"
    assert panel.run["state"] == "done"
    assert panel.view["number"] == panel._runs.current.number
    done = [steps for _, steps in panel._shown.legs]  # type: ignore[union-attr]
    assert done[-1] == 6


def test_previews_of_a_stale_run_are_dropped(panel: ActivationMaximizationPanel) -> None:
    old = panel._runs.current
    panel.unit = "conv2:1"
    settled(panel)
    before = dict(panel.view)
    assert old is not None
    panel._runs._preview(old, Step(1, 5))
    panel._runs._done(old, None)
    panel._runs._failed(old, RuntimeError("too late"))
    assert panel.view == before
    assert panel.problem == {}


def test_pause_resume_stop_restart(panel: ActivationMaximizationPanel) -> None:
    running(panel)
    panel.pause()
    assert panel.run["state"] == "paused"
    time.sleep(0.1)
    held = panel._runs.session.present
    time.sleep(0.1)
    assert panel._runs.session.present is held
    panel.resume()
    until(lambda: panel._runs.session.present is not held)
    assert panel.run["state"] == "running"
    panel.pause()
    panel.stop()
    assert panel.wait(20)
    assert panel.run["state"] == "stopped"
    assert panel.result is not None
    assert panel.result.stopped == "stopped by hand"
    steps = panel.view["steps"]
    assert 0 < steps < LONG + 5
    assert panel.result.traces.shape[1:] == (1,)
    panel.knobs = {"steps": 4}
    settled(panel)
    panel.resume()
    assert settled(panel).view["steps"] == steps + 8
    panel.knobs = {"steps": LONG}
    panel.restart()
    until(lambda: panel.run["state"] == "running" and panel.view["number"] == panel._runs.current.number)
    assert panel.view["steps"] < steps
    panel.stop()
    assert panel.wait(20)


def test_stop_before_the_first_step_keeps_the_picture(panel: ActivationMaximizationPanel) -> None:
    gate = threading.Event()
    occupy(panel, gate)
    before = panel.view
    panel.unit = "conv2:5"
    panel.stop()
    gate.set()
    settled(panel)
    assert panel.view == before
    assert panel.run["state"] == "stopped"


def test_closing_ends_the_run(panel: ActivationMaximizationPanel) -> None:
    running(panel)
    job = panel._runs.current.job  # type: ignore[union-attr]
    panel.close()
    assert job is not None
    assert job.wait(20)
    assert job.state == "cancelled"
    assert panel._runs.worker.wait(20)
    assert panel._runs.worker.jobs == ()


def test_the_kernel_is_free_meanwhile(panel: ActivationMaximizationPanel) -> None:
    running(panel)
    began = time.monotonic()
    for value in (0.11, 0.22, 0.33):
        panel._receive(panel, {"kind": "choose", "knobs": {"l2": value}}, [])
    assert time.monotonic() - began < 1.0
    assert panel._runs.current is not None
    assert panel._runs.current.ask.knobs["l2"] == 0.33


def test_errors_are_shown_and_the_panel_stays_usable(panel: ActivationMaximizationPanel) -> None:
    wire = wired(panel)
    before = (panel.unit, panel.recipe, dict(panel.knobs))
    for wish, text in (
        ({"objective": "conv9:1"}, "no layer 'conv9'"),
        ({"objective": "conv2:77"}, "no channel 77"),
        ({"objective": "Channel("}, "Accepted"),
        ({"recipe": "magic"}, "no recipe 'magic'"),
        ({"knobs": {"l2": 1e9}}, "out of range"),
        ({"knobs": {"glitter": 1}}, "no knob 'glitter'"),
    ):
        wire.gesture(kind="choose", ask=4, **wish)
        assert text in panel.problem["text"], wish
        assert panel.run["answered"] == 4
    assert (panel.unit, panel.recipe, dict(panel.knobs)) == before
    number = panel.problem["number"]
    wire.gesture(kind="choose", knobs={"glitter": 1})
    assert panel.problem["number"] > number  # the same error again is told again
    wire.gesture(kind="dance")
    assert "'dance'" in panel.problem["text"]
    wire.gesture(kind="choose", objective="conv2:1")
    assert settled(panel).problem == {}
    assert panel.run["state"] == "done"


def test_an_error_of_the_run_is_shown(lens: Any) -> None:
    panel = ActivationMaximizationPanel(lens, "conv2:3", recipe="dgn-am", steps=3)
    settled(panel)
    assert "generator" in panel.problem["text"]
    assert panel.run["state"] == "error"
    panel.recipe = "simonyan"
    assert settled(panel).run["state"] == "done"
    assert panel.problem == {}
    panel.close()


def test_a_failing_network_is_told() -> None:
    class Fails(nn.Conv2d):
        broken = False

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.broken:
                raise RuntimeError("on purpose")
            return super().forward(x)

    net = Fails(3, 2, 3)
    panel = ActivationMaximizationPanel(cv.Lens(nn.Sequential(net), input_size=8), steps=3)
    net.broken = True
    panel.restart()
    settled(panel)
    assert "on purpose" in panel.problem["text"]
    net.broken = False
    panel.restart()
    settled(panel)
    assert (panel.run["state"], panel.problem) == ("done", {})
    panel.close()


def test_what_does_not_exist_is_refused_in_python(panel: ActivationMaximizationPanel, lens: Any) -> None:
    for name, value, kind in (
        ("unit", "conv9:1", UnknownName),
        ("unit", "conv2:99", BadValue),
        ("objective", "conv2:9-3", BadValue),
        ("recipe", "magic", UnknownName),
        ("knobs", {"glitter": 1}, UnknownName),
        ("knobs", {"l2": "much"}, BadType),
        ("knobs", {"l2": -1}, BadValue),
    ):
        with pytest.raises(kind):
            setattr(panel, name, value)
    for arguments in ({"recipe": "magic"}, {"unit": "conv9:1"}, {"steps": 0}, {"colour": "red"}):
        with pytest.raises((UnknownName, BadValue)):
            ActivationMaximizationPanel(lens, **arguments)


def test_several_units_in_one_optimisation(panel: ActivationMaximizationPanel, lens: Any) -> None:
    panel.objective = "conv2:1-3, conv1:0@4,4"
    settled(panel)
    assert panel.unit == "conv2:1"
    assert len(shown(panel)) == 4
    units = ["conv2:1", "conv2:2", "conv2:3", "conv1:0@4,4"]
    assert panel.view["objectives"] == units
    assert [each["of"] for each in panel.best] == [5] * 4
    assert panel.result == activation_maximization(lens, units, recipe="simonyan", steps=5)


def test_all_can_be_given_at_the_start(lens: Any) -> None:
    jitter = RECIPES["olah"].knobs["jitter"]
    panel = ActivationMaximizationPanel(
        lens, objective="conv2:1-2", recipe="simonyan", knobs={"jitter": jitter}, seed=4, steps=3
    )
    settled(panel)
    assert (panel.unit, panel.knobs, panel.seed) == ("conv2:1", {"steps": 3, "jitter": jitter}, 4)
    expected = activation_maximization(lens, ["conv2:1", "conv2:2"], recipe="simonyan", steps=3, jitter=jitter, seed=4)
    assert panel.result == expected
    panel.close()


def test_linked_to_a_picker(panel: ActivationMaximizationPanel, lens: Any) -> None:
    picker = cv.LayerPicker(lens, list(PIXELS), unit="conv1:2")
    tie = cv.link(picker, panel)
    assert settled(panel).unit == "conv1:2"
    assert panel.view["objectives"] == ["conv1:2"]
    picker.unit = "conv2:5@3,3"
    assert settled(panel).objective == "conv2:5@3,3"
    wired(panel).gesture(kind="choose", objective="conv2:0-2")
    settled(panel)
    assert picker.unit == "conv2:0"
    tie.unlink()
    picker.close()


def test_two_panels_follow_each_other(panel: ActivationMaximizationPanel, lens: Any) -> None:
    other = ActivationMaximizationPanel(lens, recipe="erhan", steps=3)
    tie = cv.link(panel, other)
    assert settled(other).view["objectives"] == ["conv2:3"]
    pairs = [(panel, "conv2:1"), (other, "conv2:2")] * 20
    ends = [
        threading.Thread(target=one.receive, args=({"kind": "choose", "objective": unit}, [])) for one, unit in pairs
    ]
    for end in ends:
        end.start()
    for end in ends:
        end.join(20)
        assert not end.is_alive()  # neither waits for the other's lock
    settled(panel)
    wired(panel).gesture(kind="choose", objective="conv2:5")
    settled(panel)
    assert (other.unit, other.objective, other.view["objectives"]) == ("conv2:5", "conv2:5", ["conv2:5"])
    tie.unlink()
    other.close()


def test_pins_keep_what_made_them(panel: ActivationMaximizationPanel) -> None:
    wire = wired(panel)
    wire.gesture(kind="pin")
    first = shown(panel)[0]
    panel.recipe = "erhan"
    settled(panel)
    wire.gesture(kind="pin")
    assert [(each["number"], each["recipe"]) for each in panel.pins] == [(1, "simonyan"), (2, "erhan")]
    assert all(len(each["activations"]) == 1 for each in panel.pins)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(panel.pins[0]["images"][0]))), first)
    assert len(panel.pinned) == 2
    wire.gesture(kind="unpin", number=1)
    assert [each["number"] for each in panel.pins] == [2]


def test_nothing_to_pin_or_save_yet(lens: Any) -> None:
    panel = ActivationMaximizationPanel(lens)
    assert panel.run["state"] == "idle"
    assert panel.unit.startswith("conv")
    assert panel.still() is None
    for message in ({"kind": "pin"}, {"kind": "file", "format": "png"}):
        wired(panel).gesture(**message)
        assert "no picture" in panel.problem["text"]
    panel.close()


@pytest.mark.parametrize("kind", ["fresh", "stopped", "turned", "several"])
def test_the_copied_code_makes_the_picture_again(panel: ActivationMaximizationPanel, lens: Any, kind: str) -> None:
    if kind == "stopped":
        running(panel).stop()
    elif kind == "turned":
        running(panel)
        panel.knobs = {"steps": 7, "jitter": 1}
    elif kind == "several":
        panel.objective = "conv2:0-2"
    settled(panel)
    again = evaluated(panel.view["code"], lens)
    assert panel._shown is not None
    assert np.array_equal(np.rint(again.images * 255).astype(np.uint8), panel._shown.images)
    assert again.activations == pytest.approx(panel.view["activations"], rel=0.05, abs=0.02)


def evaluated(code: str, lens: Any) -> Any:
    """What the code gives, as a cell would show it."""

    class Public:
        activation_maximization = staticmethod(activation_maximization)

    names: dict[str, Any] = {"cv": Public, "lens": lens}
    *before, last = code.splitlines()
    exec("\n".join(before), names)
    return eval(last, names)


def test_files_hold_their_provenance(panel: ActivationMaximizationPanel, lens: Any) -> None:
    wire = wired(panel)
    found = {}
    for kind in ("png", "gif", "apng"):
        wire.gesture(kind="file", format=kind)
        settled(panel)
        ((content, data),) = files(wire)
        assert content["name"] == f"conv2-3_simonyan.{kind}"
        found[kind] = Image.open(io.BytesIO(data))
    assert np.array_equal(np.asarray(found["png"]), panel._runs.session.present[0])  # type: ignore[index]
    for kind in ("png", "apng"):
        assert found[kind].text["code"] == panel.view["code"]
        made = Provenance.from_json(found[kind].text["convviz_widgets"])
        assert (made.settings["objective"], made.fingerprint) == ("conv2:3", lens.fingerprint)
    assert json.loads(found["gif"].info["comment"])["code"] == panel.view["code"]
    assert found["apng"].n_frames == 6  # the start, and each step


def test_the_size_is_turned_like_any_other_knob(panel: ActivationMaximizationPanel, lens: Any) -> None:
    panel.knobs = {"steps": 4, "size": 24}
    assert settled(panel).view["size"] == [24, 24]
    assert panel.view["steps"] == 9
    again = evaluated(panel.view["code"], lens)
    assert np.array_equal(np.rint(again.images * 255).astype(np.uint8), panel._shown.images)  # type: ignore[union-attr]
    wire = wired(panel)
    wire.gesture(kind="file", format="gif")
    settled(panel)
    ((_, data),) = files(wire)
    assert Image.open(io.BytesIO(data)).n_frames > 5  # type: ignore[attr-defined]


def test_a_pinned_picture_is_saved_as_it_was(panel: ActivationMaximizationPanel) -> None:
    panel.pin()
    kept = panel.pinned[0].images[0]
    panel.recipe = "erhan"
    settled(panel)
    wire = wired(panel)
    wire.gesture(kind="file", format="png", number=1)
    settled(panel)
    ((_, data),) = files(wire)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), kept)


def test_the_still_picture_is_in_the_notebook(panel: ActivationMaximizationPanel) -> None:
    bundle = panel._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    still = Image.open(io.BytesIO(data["image/png"]))
    assert still.size[0] > 2 * 190  # the picture, and the best photo beside it
    assert data["text/plain"] == "ActivationMaximizationPanel(SharedReLU, 'conv2:3', recipe='simonyan')"


def test_every_knob_has_a_slider_within_reach(panel: ActivationMaximizationPanel) -> None:
    offered = {each["name"]: each for each in panel.network["knobs"]}
    for recipe in panel.network["recipes"]:
        for name, value in recipe["knobs"].items():
            assert name in offered
            assert offered[name]["low"] <= value <= offered[name]["high"], (recipe["name"], name)
    assert all(each["help"] for each in offered.values())
    json.dumps(panel.network)
