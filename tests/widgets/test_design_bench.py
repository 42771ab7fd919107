"""The design bench: what the sliders show is what the layers are made of."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

from convviz_widgets.core.errors import BadType, BadValue, UnknownName
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.controlled_design import bench
from convviz_widgets.nets.banks import gabor_bank
from convviz_widgets.nets.structured import StructuredConv2d
from convviz_widgets.widgets.design_bench import DesignBench
from tests.widgets.wire import Wire


def structured() -> Lens:
    torch.manual_seed(0)
    net = nn.Sequential(
        StructuredConv2d(3, 5, order=2, scale=1.0),
        nn.ReLU(),
        StructuredConv2d(5, 4, order=1, scale=1.0),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
    return Lens(net, input_size=24)


@pytest.fixture
def plain() -> Iterator[DesignBench]:
    found = DesignBench()
    assert found.wait(20)
    yield found
    found.close()


def pictures(view: dict[str, object]) -> np.ndarray:
    side = int(view["side"])  # type: ignore[call-overload]
    return np.frombuffer(view["filters"], np.uint8).reshape(-1, side, side, 3)  # type: ignore[call-overload]


def test_a_slider_shows_the_filters_of_the_layer(plain: DesignBench) -> None:
    wire = Wire(plain)
    changed = wire.gesture(kind="turn", ask=7, family="gabor", knobs={"frequency": 0.25, "orientations": 4})
    assert changed[-1] == {"view", "answered"}  # one update down per gesture
    assert plain.answered == 7
    assert plain.knobs == {"frequency": 0.25, "orientations": 4}
    wanted = gabor_bank(4, 0.25, bandwidth=1.2, aspect=0.7).numpy()
    shown = pictures(plain.view).astype(float).mean(-1) - 128
    for mine, theirs in zip(shown, wanted, strict=True):
        assert np.corrcoef(mine.ravel(), theirs.ravel())[0, 1] > 0.999
    space: dict[str, object] = {}
    exec(plain.view["code"], space)  # the code that is copied makes these filters
    layer = space["layer"]
    assert isinstance(layer, nn.Conv2d)
    assert np.allclose(layer.weight.detach().numpy()[:8, 0], wanted)


def test_the_newest_of_many_gestures_wins(plain: DesignBench) -> None:
    wire = Wire(plain, wait=False)
    for order in (0, 1, 2, 3, 4):
        wire.gesture(kind="turn", ask=order + 1, family="gaussian derivatives", knobs={"order": order})
    assert plain.wait(20)
    assert plain.answered == 5
    assert len(plain.view["names"]) == 15


@pytest.mark.parametrize("family", bench.FAMILIES)
def test_every_family_shows_at_both_ends_of_every_knob_or_says_why_not(family: str) -> None:
    widget = DesignBench(family=family)
    wire = Wire(widget)
    assert widget.wait(20)
    for knob in bench.family_knobs(family):
        for value in (knob["low"], knob["high"]):
            wire.gesture(kind="turn", ask=1, knobs={knob["name"]: value})
            if widget.problem:
                assert "Accepted" in widget.problem["text"] or "Use" in widget.problem["text"], widget.problem
                continue
            assert widget.view["family"] == family
            assert len(pictures(widget.view)) == len(widget.view["names"])
            assert sum(len(each) for each in widget.view.values() if isinstance(each, bytes)) < 2_000_000
        wire.gesture(kind="turn", ask=1, knobs={knob["name"]: None})
        assert widget.knobs == {}
    widget.close()


def test_a_wrong_gesture_is_told_and_changes_nothing(plain: DesignBench) -> None:
    wire = Wire(plain)
    before = plain.view
    for wrong in (
        {"family": "none"},
        {"knobs": {"order": -1}},
        {"knobs": {"nothing": 1}},
        {"family": "gabor", "knobs": {"frequency": 9}},
    ):
        wire.gesture(kind="turn", ask=3, **wrong)
        assert plain.problem["text"]
        assert plain.family == "gaussian derivatives"
        assert plain.knobs == {}
        assert plain.view == before
    wire.gesture(kind="turn", ask=4, knobs={"order": 6, "scale": 0.4})  # bases that a pixel grid cannot tell apart
    assert "not independent" in plain.problem["text"]
    assert plain.answered == 4
    wire.gesture(kind="turn", ask=5, knobs={"order": 2, "scale": 2})
    assert plain.problem == {}


def test_the_mixture_of_a_trained_layer() -> None:
    lens = structured()
    widget = DesignBench(lens, unit="0:3")
    wire = Wire(widget)
    assert widget.wait(20)
    module = lens.module[0]
    view = widget.view
    shares = np.frombuffer(view["shares"], "<f4").reshape(6, 3)
    assert np.allclose(shares, module.coefficients[3].detach().numpy().T)
    assert np.allclose(
        widget.bank.filters[:, 0].transpose(1, 2, 0) @ shares, widget.bank.mixture.transpose(1, 2, 0), atol=1e-6
    )
    assert np.allclose(widget.bank.mixture, module.weight[3].detach().numpy(), atol=1e-6)
    assert widget.layer_filters["count"] == 5
    wire.gesture(kind="turn", ask=1, unit="2:1")
    assert widget.unit == "2:1"
    assert widget.layer_filters["layer"] == "2"
    assert widget.view["channels"] == 5
    wire.gesture(kind="turn", ask=2, unit="1:0")  # a ReLU mixes nothing
    assert "Accepted" in widget.problem["text"]
    assert widget.unit == "2:1"
    widget.close()


def test_the_network_is_a_guest() -> None:
    lens = structured()
    lens.module.train()
    before = {name: value.clone() for name, value in lens.module.state_dict().items()}
    random = torch.get_rng_state()
    widget = DesignBench(lens)
    assert widget.wait(20)
    widget.close()
    assert lens.module.training
    assert all(torch.equal(value, before[name]) for name, value in lens.module.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert all(each.grad is None for each in lens.module.parameters())


def test_python_turns_it_too(plain: DesignBench) -> None:
    plain.knobs = {"order": 1}
    assert plain.wait(20)
    assert len(plain.view["names"]) == 3
    plain.family = "steerable"  # takes no `order` of another family along
    assert plain.wait(20)
    assert plain.knobs == {}
    assert plain.view["channels"] == 1
    assert np.allclose(
        (plain.bank.shares[:, :1, None] * plain.bank.filters[:, 0]).sum(0), plain.bank.mixture[0], atol=1e-5
    )
    with pytest.raises(BadValue, match="Accepted: 0 to 360"):
        plain.knobs = {"angle": 999}


def test_what_it_refuses_to_open() -> None:
    with pytest.raises(UnknownName, match="family"):
        DesignBench(family="wavelets of my own")
    with pytest.raises(BadType, match="Lens"):
        DesignBench(nn.ReLU())  # type: ignore[arg-type]
    with pytest.raises(BadValue, match="no structured layer"):
        DesignBench(Lens(nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()), input_size=16))
    with pytest.raises(UnknownName):
        DesignBench(nothing=1)


def test_its_still_is_the_filters(plain: DesignBench) -> None:
    still = plain.still()
    assert still is not None
    assert np.array_equal(still, plain.bank.picture())
    assert "image/png" in (plain._repr_mimebundle_() or ({},))[0]
