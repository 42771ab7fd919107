"""Designs compared: costs by formula, turns by definition, a killed comparison ends with the same bits."""

from pathlib import Path

import numpy as np
import pytest
import torch

from convviz_widgets.core.errors import BadValue, UnknownName
from convviz_widgets.methods.controlled_design.compare import compare_designs
from convviz_widgets.methods.controlled_design.comparison import DesignComparison
from convviz_widgets.methods.controlled_design.trial import Pictures, preparation, scores, turn
from convviz_widgets.nets.designs import DESIGNS, Cost, DesignedNet, checked_side, cost, parameter_formula, width_for

SIDE, CLASSES = 16, 3


def drawings(count: int, seed: int = 0) -> tuple[np.ndarray, list[int]]:
    """Noise whose class is the colour that is brightest."""
    draws = np.random.default_rng(seed)
    labels = [number % CLASSES for number in range(count)]
    images = draws.random((count, SIDE, SIDE, 3), dtype=np.float32) * 0.5
    for image, label in zip(images, labels, strict=True):
        image[..., label] += 0.5
    return images, labels


SMALL = {"counts": (3, 9), "steps": 2, "side": SIDE, "width": 2, "batch_size": 4, "angles": (0, 45, 90), "turned": 6}


@pytest.fixture(scope="module")
def found() -> DesignComparison:
    return compare_designs(*drawings(9), *drawings(8, seed=1), **SMALL, class_names=("red", "green", "blue"))


def test_parameters_and_multiply_adds_equal_the_formulas(found: DesignComparison) -> None:
    assert found.designs == DESIGNS
    for place, design in enumerate(found.designs):
        width = found.widths[place]
        assert found.parameters[place] == parameter_formula(design, CLASSES, width)
        assert sum(each.numel() for each in found.net(design).parameters()) == found.parameters[place]
    w, n = 2, SIDE
    plain = n * n * 3 * w * 49 + (n // 2) ** 2 * w * w * 25 + (n // 4) ** 2 * w * 2 * w * 25 + 2 * w * CLASSES
    assert found.multiply_adds[0] == plain
    assert found.fixed[:4].tolist() == [0, 0, 0, 0]
    assert (found.fixed[4:] > 0).all()


@pytest.mark.parametrize("design", DESIGNS)
def test_the_formula_holds_at_every_width(design: str) -> None:
    for width in (1, 3, 6):
        net = DesignedNet(design, 14, width)  # type: ignore[arg-type]
        assert cost(net, 16).parameters == parameter_formula(design, 14, width)  # type: ignore[arg-type]


def test_cost_counts_what_the_convolutions_do() -> None:
    """Counted apart, by the operations that run: products per output times outputs."""
    from torch.utils.flop_counter import FlopCounterMode

    for design in DESIGNS:
        net = DesignedNet(design, 5, 3).eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            net(torch.zeros(1, 3, SIDE, SIDE))
        mixing = 0
        if design == "structured":  # making the filters is no part of the cost of a picture
            mixing = sum(
                each.coefficients.numel() * each.bases[0].numel() for each in net.modules() if hasattr(each, "bases")
            )
        assert counter.get_total_flops() == 2 * (cost(net, SIDE).multiply_adds + mixing), design


def test_the_width_is_the_one_that_costs_nearest() -> None:
    like = cost(DesignedNet("plain", 5, 8), SIDE)
    for design in ("p4", "structured", "gabor"):
        for budget in ("multiply_adds", "parameters"):
            width = width_for(design, 5, SIDE, like=like, budget=budget)  # type: ignore[arg-type]
            gaps = {
                each: abs(getattr(cost(DesignedNet(design, 5, each), SIDE), budget) - getattr(like, budget))  # type: ignore[arg-type]
                for each in range(max(1, width - 2), width + 3)
            }
            assert gaps[width] == min(gaps.values())
    assert width_for("plain", 5, SIDE, like=like) == 8
    assert width_for("p4m", 5, SIDE, like=Cost(0, 0, 0)) == 1


def test_groups_do_not_notice_quarter_turns(found: DesignComparison) -> None:
    for design, drift in zip(found.designs, found.quarter, strict=True):
        assert (drift < 1e-4) == design.startswith("p4"), (design, drift)
    upright = list(found.angles).index(0)
    assert (found.drift[..., upright] == 0).all()
    right = list(found.angles).index(90)
    for place, design in enumerate(found.designs):
        if design.startswith("p4"):
            assert np.array_equal(found.turned[:, place, right], found.turned[:, place, upright])
            assert (found.drift[:, place, right] < 1e-4).all()


def test_turning_is_turning() -> None:
    x = torch.rand(1, 3, 9, 9)
    assert torch.equal(turn(x, 90), torch.rot90(x, 1, (2, 3)))
    assert torch.equal(turn(x, 0), x)
    assert torch.allclose(turn(x, 89.9999), torch.rot90(x, 1, (2, 3)), atol=1e-3)  # the same way round
    dot = torch.zeros(1, 1, 9, 9)
    dot[..., 4, 7] = 1  # right of the middle; counter-clockwise it goes up and right, then up
    assert int(turn(dot, 45).flatten().argmax()) == 2 * 9 + 6


def test_the_measures_are_those_of_its_networks(found: DesignComparison) -> None:
    test = Pictures.of(*drawings(8, seed=1), SIDE, "pictures")
    for place, design in enumerate(found.designs):
        answers = scores(found.net(design), test.images)
        assert float((answers.argmax(1) == test.labels).double().mean()) == pytest.approx(found.accuracy[0, place, -1])
    lens = found.lens("p4")
    assert lens.class_names == ("red", "green", "blue")
    image = drawings(1)[0][0]
    assert torch.allclose(lens.prepare(image)[0], preparation(SIDE)(image))


def test_killed_and_called_again_it_ends_with_the_same_bits(tmp_path: Path) -> None:
    kinds = {**SMALL, "designs": ("plain", "p4"), "seeds": 2, "steps": 6}
    whole = compare_designs(*drawings(9), *drawings(8, seed=1), **kinds)
    killed = compare_designs.steps(*drawings(9), *drawings(8, seed=1), **kinds, folder=tmp_path)
    for _ in range(19):  # in the midst of a training
        next(killed)
    killed.close()
    assert list(tmp_path.glob("*.outcome.pt"))
    assert list(tmp_path.glob("*.checkpoint.pt"))
    again = compare_designs(*drawings(9), *drawings(8, seed=1), **kinds, folder=tmp_path)
    assert again == whole
    assert not list(tmp_path.glob("*.checkpoint.pt"))
    other = compare_designs(*drawings(9), *drawings(8, seed=1), **{**kinds, "learning_rate": 1e-3}, folder=tmp_path)
    assert other != whole  # what is kept of other settings is not taken
    torch.manual_seed(9)  # and torch's own generator plays no part, nor is it touched
    state = torch.get_rng_state()
    assert compare_designs(*drawings(9), *drawings(8, seed=1), **kinds) == whole
    assert torch.equal(torch.get_rng_state(), state)


def test_classes_take_turns() -> None:
    images = drawings(9)[0]
    lopsided = Pictures.of(images, [0, 0, 0, 0, 0, 0, 0, 1, 2], SIDE, "pictures")  # two classes of one picture each
    for seed in range(3):
        assert sorted(lopsided.balanced(seed).labels[:3].tolist()) == [0, 1, 2]
        assert sorted(lopsided.balanced(seed).labels.tolist()) == [0] * 7 + [1, 2]
    kept = compare_designs(images, lopsided.labels.tolist(), *drawings(3), **{**SMALL, "designs": ["plain"]})
    assert np.isfinite(kept.accuracy).all()


def test_bad_input() -> None:
    images, labels = drawings(9)
    test = drawings(8, seed=1)
    for wrong, match in (
        ({"counts": (2,)}, "cannot show 3 classes"),
        ({"counts": (10,)}, "Accepted: 1 to 9"),
        ({"side": 18}, "halved twice"),
        ({"side": 8}, "side=8"),
        ({"steps": 0}, "steps"),
        ({"designs": ()}, "No design"),
        ({"class_names": ("red",)}, "class names"),
    ):
        with pytest.raises(BadValue, match=match):
            compare_designs(images, labels, *test, **{**SMALL, **wrong})
    with pytest.raises(UnknownName, match="plain"):
        compare_designs(images, labels, *test, **{**SMALL, "designs": ["plane"]})
    with pytest.raises(UnknownName, match="budget"):
        compare_designs(images, labels, *test, **{**SMALL, "budget": "time"})
    with pytest.raises(BadValue, match="All pictures are of class 0"):
        compare_designs(images, [0] * 9, images, [0] * 9, **SMALL)
    with pytest.raises(BadValue, match="class 2"):
        compare_designs(images[:2], [0, 1], *test, **{**SMALL, "counts": (2,)})
    with pytest.raises(BadValue, match="one label each"):
        compare_designs(images, labels[:-1], *test, **SMALL)
    assert checked_side(20) == 20
