"""Strokes that stay on a picture: after each of them the answers equal those of a full forward."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from convviz_widgets.core.errors import BadValue
from convviz_widgets.lens.incremental import dense
from convviz_widgets.lens.incremental.easel import Easel
from convviz_widgets.lens.incremental.strokes import Convolving, Gathering
from convviz_widgets.lens.lens import Lens
from tests import networks
from tests.lens.incremental.test_engine import CLOSE, FAMILIES, assert_equal, painted, plain, stacks

MORE = {"efficientnet_b0": (32, {}), "regnet_y_400mf": (32, {})}


def check(
    module: nn.Module, shape: tuple[int, int, int], size: tuple[int, int], places: list[tuple[int, int]]
) -> Easel:
    """Strokes one after another, some of them over each other and over the edges."""
    lens = Lens(module, input_size=shape[1:])
    picture = networks.pictures(1, shape)
    easel, moved = Easel(lens, picture), 0.0
    for number, place in enumerate(places):
        window = networks.pictures(1, (shape[0], *size), seed=number + 1) * 2 - 0.5
        before, picture = plain(lens, picture), painted(picture, *place, window[0])
        easel.paint(*place, window)
        wanted = plain(lens, picture)
        reach = float(wanted.max() - wanted.min())
        assert float((easel.answers()[""] - wanted).abs().max()) <= CLOSE * reach
        moved = max(moved, float((wanted - before).abs().max()) / reach)
    assert moved > 20 * CLOSE  # so that equality says something
    assert torch.equal(easel.picture, picture)
    return easel


@pytest.mark.parametrize("name", networks.ALL)
def test_every_network_answers_as_in_full(name: str) -> None:
    make, (channels, height, width) = networks.ALL[name]
    places = [(-1, -1), (height - 2, 2), (3, width - 4), (4, 4), (height - 3, width - 1), (5, 3)]
    check(make(), (channels, height, width), (3, 4), places)


@pytest.mark.parametrize("name", [name for name in (*FAMILIES, *MORE) if name != "vgg11_bn"])
def test_families_of_torchvision(name: str) -> None:
    side, extra = {**FAMILIES, **MORE}[name]
    torchvision = pytest.importorskip("torchvision")
    module = networks.settle(getattr(torchvision.models, name)(weights=None, **extra))
    check(module, (3, side, side), (9, 7), [(0, 0), (side - 6, 5), (side // 2, side // 2), (side // 2 + 3, -3)])


@settings(max_examples=20, deadline=None)
@given(stacks(), st.integers(0, 2**16))
def test_random_stacks_answer_as_in_full(stack: tuple[nn.Module, int, int], seed: int) -> None:
    module, side, size = stack
    lens, picture = Lens(module, input_size=side), networks.pictures(1, (2, side, side))
    easel = Easel(lens, picture)
    for number, (top, left) in enumerate(np.random.default_rng(seed).integers(-size + 1, side, (4, 2)).tolist()):
        window = networks.pictures(1, (2, size, size), seed=number + 1)
        picture = painted(picture, top, left, window[0])
        easel.paint(top, left, window)
        wanted = plain(lens, picture)
        assert float((easel.answers()[""] - wanted).abs().max()) <= CLOSE * max(float(wanted.max() - wanted.min()), 0.1)


@pytest.mark.parametrize("name", ["residual", "branching", "ceil_pooling", "dense", "shuffled"])
def test_layers_answer_as_in_full(name: str) -> None:
    make, shape = networks.ALL[name]
    lens, image = Lens(make(), input_size=shape[1:]), networks.pictures(1, shape)
    easel = Easel(lens, image, list(lens.layers))
    easel.paint(3, 4, torch.zeros(1, 3, 4, 4))
    found, after = easel.answers(), painted(image, 3, 4, torch.zeros(3, 4, 4))
    for layer, wanted in lens.record(after, list(lens.layers)).items():
        assert_equal(found[layer], wanted, easel.clean[layer])


def test_what_follows_each_other_is_done_at_once_and_parts_lie_where_the_whole_lies() -> None:
    torchvision = pytest.importorskip("torchvision")
    lens = Lens(networks.settle(torchvision.models.squeezenet1_1(weights=None)), input_size=48)
    easel = Easel(lens, networks.pictures(1, (3, 48, 48)))
    strokes = easel._plan.strokes
    assert sum(isinstance(each, Convolving) for each in strokes) == 26
    assert len(strokes) == 26 + 3 + 8 + 2  # convolutions with their ReLU, pools, fire modules, mean and view
    assert not any(each.strays for each in strokes if isinstance(each, Gathering))


def test_only_what_a_stroke_reaches_is_written() -> None:
    module = networks.settle(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 1)))
    easel = Easel(Lens(module, input_size=30), networks.pictures(1, (3, 30, 30)))
    desk = easel._desk
    assert desk is not None
    number = max(desk.sheets)
    desk.sheets[number].map.fill_(7)
    easel.paint(10, 12, torch.zeros(1, 3, 2, 2))
    rows, columns = np.nonzero((desk.sheets[number].map[0] != 7).any(0).numpy())
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4, 5, 5, 6)


@pytest.mark.parametrize("share", [0.02, 0.5, 1.0])
def test_dense_layers_read_a_part_of_their_weights(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense, "LARGE", 1)
    layers = [nn.Conv2d(2, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 144, 50), nn.ReLU()]
    module = networks.settle(nn.Sequential(*layers, nn.Linear(50, 7)).eval())
    side = max(1, round(12 * share**0.5))
    places = np.random.default_rng(0).integers(0, 13 - side, (3 * dense.ADDED, 2)).tolist()
    easel = check(module, (2, 12, 12), (side, side), [(top, left) for top, left in places])
    assert sum(isinstance(each, dense.Dense) for each in easel._plan.strokes) == 2


def test_a_stroke_that_is_broken_off_leaves_no_wrong_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    make, shape = networks.ALL["residual"]
    lens, image, window = Lens(make(), input_size=shape[1:]), networks.pictures(1, shape), torch.zeros(1, 3, 4, 4)
    easel = Easel(lens, image)
    with monkeypatch.context() as patched:
        patched.setattr(easel._plan.strokes[3], "work", lambda _desk: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            easel.paint(2, 2, window)
    picture = painted(image, 2, 2, window[0])
    assert_equal(easel.answers()[""], plain(lens, picture), easel.clean[""])
    easel.paint(5, 6, window)
    assert_equal(easel.answers()[""], plain(lens, painted(picture, 5, 6, window[0])), easel.clean[""])


def test_weights_that_change_are_noticed() -> None:
    make, shape = networks.ALL["residual"]
    module = make()
    lens, image, window = Lens(module, input_size=shape[1:]), networks.pictures(1, shape), torch.zeros(1, 3, 4, 4)
    easel = Easel(lens, image)
    before = easel.clean[""]
    with torch.no_grad():
        for each in module.parameters():
            each.mul_(1.1)
    easel.paint(2, 2, window)
    assert_equal(easel.answers()[""], plain(lens, painted(image, 2, 2, window[0])), before)
    assert_equal(easel.clean[""], plain(lens, image), before)


def test_another_picture_takes_the_same_way() -> None:
    make, shape = networks.ALL["branching"]
    lens, window = Lens(make(), input_size=shape[1:]), torch.zeros(1, 3, 4, 4)
    first = Easel(lens, networks.pictures(1, shape))
    image = networks.pictures(1, shape, seed=3)
    second = Easel(lens, image, like=first)
    assert second._plan is first._plan
    first.paint(0, 0, window)
    second.paint(5, 5, window)
    assert_equal(second.answers()[""], plain(lens, painted(image, 5, 5, window[0])), plain(lens, image))


def test_the_model_is_left_as_it_came() -> None:
    module = networks.ALL["counter"].make().train()
    lens = Lens(module, input_size=12)
    before = {name: each.clone() for name, each in module.state_dict().items()}
    Easel(lens, networks.pictures(1, (3, 12, 12))).paint(1, 1, torch.zeros(1, 3, 2, 2))
    assert module.training
    assert all(torch.equal(each, before[name]) for name, each in module.state_dict().items())


def test_two_pictures_are_refused() -> None:
    with pytest.raises(BadValue, match="One prepared picture"):
        Easel(Lens(networks.ALL["residual"].make(), input_size=12), torch.zeros(2, 3, 12, 12))
