"""The answers to changed windows equal those of a full forward, at every position, borders included."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import convviz_widgets as cv
from convviz_widgets.core.errors import BadValue
from convviz_widgets.lens.incremental.engine import Incremental
from convviz_widgets.lens.lens import Lens
from tests import networks

CLOSE = 1e-5  # of the range of what is compared
FAMILIES = {
    "alexnet": (70, {}),
    "vgg11_bn": (40, {}),
    "resnet18": (48, {}),
    "squeezenet1_1": (48, {}),
    "googlenet": (48, {"init_weights": False, "transform_input": True}),
    "densenet121": (40, {}),
    "mobilenet_v2": (40, {}),
    "mobilenet_v3_small": (40, {}),
    "shufflenet_v2_x0_5": (40, {}),
}


def painted(image: torch.Tensor, top: int, left: int, window: torch.Tensor) -> torch.Tensor:
    """The plain way: a copy of the picture (1, C, H, W) with a window (C, h, w) of other pixels."""
    changed = image.clone()
    for row in range(window.shape[1]):
        for column in range(window.shape[2]):
            if 0 <= top + row < image.shape[2] and 0 <= left + column < image.shape[3]:
                changed[0, :, top + row, left + column] = window[:, row, column]
    return changed


def plain(lens: Lens, changed: torch.Tensor) -> torch.Tensor:
    """What the module itself gives for pictures, each alone: a network that branches would look at all of a batch."""
    module = lens.module.eval()
    with torch.no_grad():
        return torch.cat([_scores(module(picture.clone())) for picture in changed.split(1)])


def _scores(output: torch.Tensor | tuple[torch.Tensor, ...] | dict[str, torch.Tensor]) -> torch.Tensor:
    output = output["logits"] if isinstance(output, dict) else output
    return output[0] if isinstance(output, tuple) else output


def assert_equal(found: torch.Tensor, wanted: torch.Tensor, clean: torch.Tensor) -> None:
    """Within the bound; and the windows did something, so that equality says something."""
    reach = float(wanted.max() - wanted.min())
    assert found.shape == wanted.shape
    assert float((found - wanted).abs().max()) <= CLOSE * reach
    assert float((wanted - clean).abs().max()) > 20 * CLOSE * reach


def check(module: nn.Module, shape: tuple[int, int, int], size: tuple[int, int], places: list[tuple[int, int]]) -> None:
    lens = Lens(module, input_size=shape[1:])
    image = networks.pictures(1, shape)
    windows = networks.pictures(len(places), (shape[0], *size), seed=1) * 2 - 0.5
    opened = Incremental(lens, image)
    tops, lefts = (np.array(each) for each in zip(*places, strict=True))
    found = opened.answers(tops, lefts, windows)[""]
    batch = torch.cat([painted(image, *place, window) for place, window in zip(places, windows, strict=True)])
    assert_equal(found, plain(lens, batch), plain(lens, image))


def grid(height: int, width: int, size: int, stride: int) -> list[tuple[int, int]]:
    """Positions that also hang over all four edges."""
    return [
        (top, left)
        for top in (-1, *range(0, height - size, stride), height - size, height - 1)
        for left in (-1, *range(0, width - size, stride), width - size, width - 1)
    ]


@pytest.mark.parametrize("name", networks.ALL)
def test_every_network_answers_as_in_full(name: str) -> None:
    make, shape = networks.ALL[name]
    check(make(), shape, (3, 3), grid(*shape[1:], 3, 4))


@pytest.mark.parametrize("name", FAMILIES)
def test_families_of_torchvision(name: str) -> None:
    side, extra = FAMILIES[name]
    torchvision = pytest.importorskip("torchvision")
    module = networks.settle(getattr(torchvision.models, name)(weights=None, **extra))
    check(module, (3, side, side), (9, 7), [(0, 0), (3, side - 8), (side - 6, 5), (side // 2, side // 2), (-4, -3)])


def check_slid(module: nn.Module, shape: tuple[int, int, int], size: int, stride: int) -> None:
    lens = Lens(module, input_size=shape[1:])
    image, pixels = networks.pictures(1, shape), networks.pictures(1, shape, seed=1) * 2 - 0.5
    opened = Incremental(lens, image)
    tops, lefts = (range(0, length - size + 1, stride) for length in shape[1:])
    places = [(top, left) for top in tops for left in lefts]
    found = opened.full("", opened.slid(tops, lefts, size, pixels)[""], len(places))
    windows = [pixels[0, :, top : top + size, left : left + size] for top, left in places]
    batch = torch.cat([painted(image, *place, window) for place, window in zip(places, windows, strict=True)])
    assert_equal(found, plain(lens, batch), plain(lens, image))


@pytest.mark.parametrize("name", networks.ALL)
def test_a_square_on_a_grid_answers_as_in_full(name: str) -> None:
    make, shape = networks.ALL[name]
    check_slid(make(), shape, 3, 2)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_square_on_a_grid_over_families(name: str) -> None:
    side, extra = FAMILIES[name]
    torchvision = pytest.importorskip("torchvision")
    module = networks.settle(getattr(torchvision.models, name)(weights=None, **extra))
    check_slid(module, (3, side, side), 9, 29)


@pytest.mark.parametrize("name", ["residual", "branching", "ceil_pooling", "dense"])
def test_layers_answer_as_in_full(name: str) -> None:
    make, shape = networks.ALL[name]
    lens = Lens(make(), input_size=shape[1:])
    image, window = networks.pictures(1, shape), torch.zeros(1, 3, 4, 4)
    names = list(lens.layers)
    found = Incremental(lens, image, names).answers([0, 5], [0, 6], window)
    batch = torch.cat([painted(image, *place, window[0]) for place in ((0, 0), (5, 6))])
    for layer, wanted in lens.record(batch, names).items():
        assert_equal(found[layer], wanted, lens.record(image, [layer])[layer])


@st.composite
def stacks(draw: Callable[..., int]) -> tuple[nn.Module, int, int]:
    """A random stack of sliding layers, its picture's side and the window's."""
    layers: list[nn.Module] = []
    channels, side = 2, draw(st.integers(14, 24))
    length = side
    for _ in range(draw(st.integers(1, 4))):
        kernel, stride, dilation = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 2))
        padding = draw(st.integers(0, kernel // 2))
        kind = draw(st.sampled_from(["conv", "max", "mean", "mean of the inside", "norm"]))
        reach = dilation * (kernel - 1) + 1
        if length + 2 * padding < reach + stride or kind == "norm":
            layers += [nn.BatchNorm2d(channels), nn.Tanh()]
        elif kind == "conv":
            layers.append(
                nn.Conv2d(channels, 4, kernel, stride, padding, dilation, groups=draw(st.sampled_from([1, 2])))
            )
            channels, length = 4, (length + 2 * padding - reach) // stride + 1
        elif kind == "max":
            layers.append(nn.MaxPool2d(kernel, stride, padding, dilation, ceil_mode=draw(st.booleans())))
        else:
            inside = kind == "mean of the inside"
            layers.append(nn.AvgPool2d(kernel, stride, padding, draw(st.booleans()), count_include_pad=not inside))
        length = nn.Sequential(*layers).eval()(torch.zeros(1, 2, side, side)).shape[-1]
    layers += [nn.Flatten(), nn.LazyLinear(3)] if draw(st.booleans()) else networks.head(channels)
    module = nn.Sequential(*layers).eval()
    module(torch.zeros(1, 2, side, side))
    return networks.settle(module), side, draw(st.integers(1, side))


@settings(max_examples=20, deadline=None)
@given(stacks(), st.integers(0, 2**16))
def test_random_stacks_answer_as_in_full(stack: tuple[nn.Module, int, int], seed: int) -> None:
    module, side, size = stack
    rng = np.random.default_rng(seed)
    places = [(int(top), int(left)) for top, left in rng.integers(-size + 1, side, (5, 2))]
    lens = Lens(module, input_size=side)
    image = networks.pictures(1, (2, side, side))
    windows = networks.pictures(5, (2, size, size), seed=1)
    opened = Incremental(lens, image)
    assert not opened.obstacle
    assert not opened.alone
    found = opened.answers(*(np.array(each) for each in zip(*places, strict=True)), windows)[""]
    batch = torch.cat([painted(image, *place, window) for place, window in zip(places, windows, strict=True)])
    wanted = plain(lens, batch)
    assert float((found - wanted).abs().max()) <= CLOSE * max(float(wanted.max() - wanted.min()), 0.1)


def test_a_small_window_stays_small_in_the_maps() -> None:
    lens = Lens(networks.settle(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2))), input_size=30)
    state = Incremental(lens, networks.pictures(1, (3, 30, 30))).changed([10], [12], torch.zeros(1, 3, 2, 2))[""]
    assert tuple(state.values.shape) == (1, 4, 2, 2)
    assert (state.rows.start[0], state.columns.start[0]) == (4, 5)


def test_what_cannot_be_replayed_is_said() -> None:
    lens = Lens(networks.ALL["dynamic"].make(), input_size=12)
    assert "branches" in Incremental(lens, networks.pictures(1, (3, 12, 12))).obstacle
    lens = Lens(networks.noisy(), input_size=12)
    assert "random" in Incremental(lens, networks.pictures(1, (3, 12, 12))).obstacle


def test_the_model_is_left_as_it_came() -> None:
    module = networks.ALL["counter"].make().train()
    lens = Lens(module, input_size=12)
    before = {name: each.clone() for name, each in module.named_buffers()}
    Incremental(lens, networks.pictures(1, (3, 12, 12))).answers([1], [1], torch.zeros(1, 3, 2, 2))
    assert module.training
    assert dict(module.named_buffers()).keys() == before.keys()
    assert all(torch.equal(each, before[name]) for name, each in module.named_buffers())


def test_two_pictures_are_refused() -> None:
    lens = cv.Lens.load("mini")
    with pytest.raises(BadValue, match="One prepared picture"):
        Incremental(lens, torch.zeros(2, 3, 96, 96))
