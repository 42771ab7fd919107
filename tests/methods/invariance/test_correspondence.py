"""Signs compared by hand; equal pictures are alike; a network that knows a part tells it from random places."""

import numpy as np
import pytest
import torch
from torch import nn

from convviz_widgets.core.errors import BadValue, UnknownName
from convviz_widgets.core.region import Box
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.invariance.correspondence import Correspondence, correspondence
from tests.networks import ALL, pictures

NETS = ["sequential", "in_place", "one_channel", "odd_sizes", "residual", "dense", "functional", "tuple_output"]


def opened(name: str, count: int = 3) -> tuple[Lens, torch.Tensor]:
    network = ALL[name]
    return Lens(network.make(), input_size=network.shape[1:]), pictures(count, network.shape, seed=4)


def linear(weights: list[list[float]], height: int, width: int) -> Lens:
    """A network of one linear layer, "2", on the pixels of one channel."""
    same, layer = nn.Conv2d(1, 1, 1, bias=False), nn.Linear(height * width, len(weights), bias=False)
    with torch.no_grad():
        same.weight.fill_(1)
        layer.weight.copy_(torch.tensor(weights))
    return Lens(nn.Sequential(same, nn.Flatten(), layer).eval(), input_size=(height, width))


def test_signs_by_hand() -> None:
    """Three features: the first pixel, the first less the second, the third; hiding puts 0.5 in a pixel's place."""
    lens = linear([[1, 0, 0], [1, -1, 0], [0, 0, 1]], 1, 3)
    images = torch.tensor([[[[1.0, 0.2, 0.3]]], [[[0.0, 0.4, 0.9]]], [[[0.5, 0.1, 0.7]]]])
    # Hiding the first pixel changes (x1 - .5, x1 - .5, 0): signs (+ + 0), (- - 0), (0 0 0).
    # Hiding the second changes (0, .5 - x2, 0): signs (0 + 0), (0 + 0), (0 + 0).
    regions = {"first": Box(0, 0, 1, 1), "second": Box(1, 0, 2, 1)}
    result = correspondence(lens, images, regions, ["2"], draws=1)
    assert result.mean[:, 0] == pytest.approx([2 / 3, 0])  # all three pairs differ in two of three
    assert result.deviation[:, 0] == pytest.approx([0, 0])
    assert result.total[:, 0] == pytest.approx([6 * 2 / 3, 0])  # over ordered pairs
    assert result.unchanged[:, 0] == pytest.approx([(1 + 1 + 3) / 9, 2 / 3])
    assert result.hidden == pytest.approx([1 / 3, 1 / 3])
    assert result.pictures.tolist() == [3, 3]
    ignoring = correspondence(lens, images, regions, ["2"], draws=1, zeros="ignore")
    assert ignoring.mean[:, 0] == pytest.approx([1, 0])  # of the two features that either changes, both


def test_one_pair_of_each_kind_by_hand() -> None:
    lens = linear([[1, 0], [1, 0], [1, 0], [1, 1]], 1, 2)
    images = torch.tensor([[[[1.0, 0.0]]], [[[0.9, 0.0]]], [[[0.0, 0.0]]]])
    result = correspondence(lens, images, Box(0, 0, 1, 1), ["2"], draws=1)  # signs ++++, ++++, ----
    assert result.mean[0, 0] == pytest.approx((0 + 1 + 1) / 3)
    assert result.deviation[0, 0] == pytest.approx(np.std([0, 1, 1]))
    assert result.exact.tolist() == [True]


@pytest.mark.parametrize("name", NETS)
def test_equal_pictures_are_alike(name: str) -> None:
    lens, images = opened(name, 1)
    box = Box(1, 1, 4, 4)
    layers = [next(iter(lens.layers)), list(lens.layers)[-1]]
    result = correspondence(lens, [images[0]] * 3, [box] * 3, layers, draws=2, at_once=2)
    assert (result.mean == 0).all()
    assert (result.deviation == 0).all()
    assert (result.total == 0).all()
    assert result.unchanged.max() < 1


@pytest.mark.parametrize("name", NETS)
def test_the_table_equals_plain_forwards(name: str) -> None:
    lens, images = opened(name)
    masks = np.zeros((3, *images.shape[2:]), np.uint8)
    for place in range(3):
        masks[place, 1 + place : 4 + place, 1:4] = 255
    layer = list(lens.layers)[len(lens.layers) // 2]
    result = correspondence(lens, images, list(masks), [layer], draws=2, fill="mean")
    signs = []
    for image, mask in zip(images, masks, strict=True):
        hidden = image.clone()
        hidden[:, mask > 0] = image.mean((1, 2))[:, None]
        one, other = (lens.record(each[None], [layer])[layer].flatten().double() for each in (image, hidden))
        change = one - other
        change[change.abs() <= 1e-5 * one.square().mean().sqrt()] = 0
        signs.append(change.sign().numpy())
    differ = [(signs[i] != signs[j]).mean() for i in range(3) for j in range(i)]
    assert result.mean[0, 0] == pytest.approx(np.mean(differ), abs=0.01)
    assert result.unchanged[0, 0] == pytest.approx(np.mean(np.stack(signs) == 0), abs=0.01)
    assert max(differ) > 0


def test_the_order_of_the_pictures_does_not_matter() -> None:
    lens, images = opened("sequential", 4)
    boxes = [Box(place, 2, place + 6, 9) for place in range(4)]
    one = correspondence(lens, images, boxes, draws=3)
    order = [2, 0, 3, 1]
    other = correspondence(lens, images[order], [boxes[each] for each in order], draws=3)
    for name in ("mean", "deviation", "unchanged"):
        assert getattr(one, name) == pytest.approx(getattr(other, name))
    again = correspondence(lens, images, boxes, draws=3)
    assert again == one
    assert correspondence(lens, images, boxes, draws=3, seed=1).random_mean != pytest.approx(one.random_mean)


def test_a_part_that_a_picture_does_not_have_leaves_it_out() -> None:
    lens, images = opened("sequential", 4)
    box = Box(3, 3, 9, 9)
    some = correspondence(lens, images, {"all": box, "three": [box, None, box, box]}, draws=2)
    three = correspondence(lens, images[[0, 2, 3]], {"three": box}, draws=2)
    assert some.pictures.tolist() == [4, 3]
    assert some.mean[1] == pytest.approx(three.mean[0])


class Knows(nn.Module):
    """Answers in its own way to a bright square, wherever that is, and a little to everything else."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.same, self.features = nn.Conv2d(1, 1, 1, bias=False), nn.Linear(1 + 16 * 16, 40)
        with torch.no_grad():
            self.same.weight.fill_(1)
            self.features.weight.copy_(0.02 * torch.randn(40, 257, generator=generator))
            self.features.weight[:, 0] *= 50

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.same(x)
        bright = (x > 0.9).float().sum((1, 2, 3))[:, None]
        return self.features(torch.cat([bright, x.flatten(1)], 1))


def bright_squares(count: int) -> tuple[torch.Tensor, list[Box], list[Box]]:
    generator = np.random.default_rng(0)
    images = torch.from_numpy(generator.uniform(0, 0.8, (count, 1, 16, 16)).astype(np.float32))
    squares, others = [], []
    for place in range(count):
        top, left = (int(each) for each in generator.integers(0, 5, 2))
        images[place, :, top : top + 3, left : left + 3] = 1
        squares.append(Box(left, top, left + 3, top + 3))
        others.append(Box(left + 4, top + 6, left + 7, top + 9))
    return images, squares, others


def test_a_part_that_the_network_knows_is_told_from_random_places() -> None:
    images, squares, others = bright_squares(5)
    lens = Lens(Knows().eval(), input_size=16)
    result = correspondence(lens, images, {"square": squares, "nothing": others}, ["features"], draws=6)
    square, nothing = result.p_value[:, 0]
    assert square < 0.001
    assert nothing > 0.05
    assert result.mean[0, 0] < 0.1  # the same features, in the same direction
    assert result.random_mean[0, 0] == pytest.approx(0.5, abs=0.1)  # any features, in any direction
    assert result.exact.tolist() == [True, True]


def test_what_is_shown_and_kept(tmp_path) -> None:
    lens, images = opened("sequential")
    result = correspondence(lens, images, {"<b>left": Box(0, 0, 6, 6), "right": Box(9, 9, 20, 20)}, ["0", "3"], draws=2)
    assert [(each["part"], each["layer"]) for each in result.rows()] == [
        ("<b>left", "0"),
        ("<b>left", "3"),
        ("right", "0"),
        ("right", "3"),
    ]
    shown = result._repr_html_()
    assert "<b>left" not in shown
    assert f"{result.mean[1, 1]:.3f} ± {result.deviation[1, 1]:.3f}" in shown
    assert result.strip.shape == (2, 31, 31, 3)
    assert len(result.figure().data[0].x) == 4
    assert Correspondence.load(result.save(tmp_path / "kept")) == result
    assert "cv.correspondence(lens, images, regions, layers=('0', '3')" in result.provenance.code()


def test_steps_tell_which_part_and_picture() -> None:
    lens, images = opened("sequential")
    regions = {"eye": Box(0, 0, 6, 6), "ear": [Box(0, 0, 6, 6), None, Box(1, 1, 5, 5)]}
    steps = list(correspondence.steps(lens, images, regions, draws=1))
    assert [(each.index, each.total) for each in steps] == [(place, 5) for place in range(1, 6)]
    assert steps[-1].label == "ear, picture 3 of 3"


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({"images": 1}, BadValue, "One picture was given"),
        ({"regions": [Box(0, 0, 5, 5)] * 2}, BadValue, "2 regions for 3 pictures"),
        ({"regions": Box(40, 40, 50, 50)}, BadValue, "misses the picture"),
        ({"regions": [np.zeros((31, 31))] * 3}, BadValue, "covers nothing"),
        ({"regions": Box(0, 0, 31, 31)}, BadValue, "no other place"),
        ({"layers": ["none"]}, UnknownName, "lens.layers"),
        ({"fill": "edge"}, UnknownName, "no fill 'edge'"),
        ({"zeros": "drop"}, UnknownName, "count"),
        ({"draws": 0}, BadValue, "1 to 500"),
    ],
)
def test_bad_input(given, error, text) -> None:
    lens, images = opened("sequential")
    whole = {"images": 3, "regions": Box(2, 2, 8, 8), **given}
    whole["images"] = images[: whole["images"]]
    with pytest.raises(error, match=text):
        correspondence(lens, **whole)
