"""Legs, films and the code that makes pictures again."""

import threading
from typing import Any

import numpy as np
import pytest
import torch

import convviz_widgets as cv
from convviz_widgets.methods.activation_maximization.activation_maximization import activation_maximization
from convviz_widgets.methods.activation_maximization.recipes import RECIPES
from convviz_widgets.widgets.am_session import FILM_FRAMES, Ask, Session, code_of, measure
from convviz_widgets.widgets.am_targets import read_targets
from tests.known_networks import make

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 17, 17, 3), dtype=np.uint8)


@pytest.fixture
def lens() -> Any:
    return cv.Lens(make("residual")[0], input_size=17, class_names=["a"] * 6)


def run(session: Session, ask: Ask, until: int | None = None) -> Any:
    """A leg, stopped once a step's picture was seen; what it gave."""
    halt = threading.Event()
    steps = session.run(ask, halt)
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            return end.value
        if step.index == until:
            halt.set()


def pictures(result: Any) -> np.ndarray:
    return np.rint(result.images * 255).astype(np.uint8)


@pytest.mark.parametrize("recipe", [name for name in RECIPES if name != "dgn-am"])
def test_the_code_of_a_stopped_run_holds_for_every_recipe(lens: Any, recipe: str) -> None:
    session = Session(lens)
    ask = Ask(("conv2:3",), recipe, {"steps": 12})
    halt = threading.Event()
    for step in session.run(ask, halt):
        if step.index == 5:
            halt.set()
    stopped = session.shown(ask)
    assert stopped is not None
    again = evaluated(stopped.code(), lens)
    assert np.array_equal(np.rint(again.images * 255).astype(np.uint8), stopped.images)


def evaluated(code: str, lens: Any) -> Any:
    """What the code gives, as a cell would show it."""

    class Public:
        activation_maximization = staticmethod(activation_maximization)

    names: dict[str, Any] = {"cv": Public, "lens": lens}
    *before, last = code.splitlines()
    exec("\n".join(before), names)
    return eval(last, names)


def test_code_names_what_differs() -> None:
    ask = Ask(("conv2:1", "conv2:2"), "olah", {"l2": 0.5}, seed=3)
    line = code_of(((ask, 9),), whole=True, generator=True)
    assert line == (
        "cv.activation_maximization(lens, ['conv2:1', 'conv2:2'], recipe='olah', l2=0.5, seed=3, generator=generator)"
    )
    assert "steps=9" in code_of(((ask, 9),), whole=False)
    assert code_of(((ask, 0), (ask, 9)), whole=False) == code_of(((ask, 9),), whole=False)


def test_a_long_run_keeps_few_pictures_for_its_film(lens: Any) -> None:
    session = Session(lens)
    for _ in session.run(Ask(("conv1:0",), "simonyan", {"steps": 150}), threading.Event()):
        pass
    assert FILM_FRAMES / 2 <= len(session.film) <= FILM_FRAMES + 1
    assert np.array_equal(session.film[-1], session.present)


def test_activations_are_those_of_the_network(lens: Any) -> None:
    pictures = PIXELS[:3]
    objectives = read_targets(lens, "conv1:2, conv2:3, WholeLayer('conv1')")
    found = measure(lens, pictures, objectives)
    for place, (layer, channel) in enumerate((("conv1", 2), ("conv2", 3))):
        expected = lens.activations(pictures[place], layer)[0, channel].max()
        assert found[place] == pytest.approx(float(expected), rel=1e-4)
    assert found[2] == pytest.approx(float(lens.activations(pictures[2], "conv1").square().mean()), rel=1e-4)
    (placed,) = read_targets(lens, "conv1:2@3,4")
    assert measure(lens, pictures[:1], (placed,)) == pytest.approx(
        float(lens.activations(pictures[0], "conv1")[0, 2, 3, 4])
    )


@pytest.mark.parametrize("until", [1, 2, None])
def test_legs_go_on_from_each_other_exactly(lens: Any, until: int | None) -> None:
    session = Session(lens)
    asks = [Ask(("conv2:3",), "olah", {"steps": 6, "jitter": jitter}, fresh=not jitter) for jitter in (0, 2, 4)]
    for ask in asks:
        run(session, ask, until)
    shown = session.shown(asks[-1])
    assert shown is not None
    assert len(shown.legs) == 3
    assert np.array_equal(pictures(evaluated(shown.code(), lens)), shown.images)


def test_a_leg_that_was_called_off_at_once_leaves_no_trace(lens: Any) -> None:
    session = Session(lens)
    first, second = (Ask(("conv2:3",), "simonyan", {"steps": 5, "jitter": n}, fresh=not n) for n in (0, 2))
    run(session, first)
    before = session.present
    steps = session.run(Ask(("conv2:3",), "simonyan", {"steps": 5, "jitter": 1}, fresh=False), threading.Event())
    next(steps)
    steps.close()
    assert session.present is before
    run(session, second)
    shown = session.shown(second)
    assert shown is not None
    assert [steps for _, steps in shown.legs] == [5, 5]
    assert np.array_equal(pictures(evaluated(shown.code(), lens)), shown.images)


def test_a_run_that_breaks_down_says_why_and_keeps_its_last_sound_picture() -> None:
    class Breaks(torch.nn.Conv2d):
        """Gives NaN from the fifth look at a picture on."""

        calls = -1

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.calls += self.calls >= 0
            return super().forward(x) * (float("nan") if self.calls > 4 else 1)

    net = Breaks(3, 2, 3)
    lens = cv.Lens(torch.nn.Sequential(net), input_size=8)
    session = Session(lens)
    _ = lens.layers
    net.calls = 0
    ask = Ask(("0:1",), "simonyan", {"steps": 20})
    result = run(session, ask)
    assert "not finite" in result.stopped
    ended = session.ended(ask, result)
    assert ended is not None
    assert ended.note == result.stopped
    assert not ended.whole
    assert ended.legs[-1][1] == len(result.traces) - 1
    net.calls = -1
    assert np.array_equal(pictures(evaluated(ended.code(), lens)), ended.images)
