"""The first layer: a filter and its maximum agree, on every way to write a first convolution."""

import numpy as np
import pytest
import torch
from torch import nn

import convviz_widgets as cv
from convviz_widgets.core.errors import BadValue, UnsupportedModel
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.activation_maximization.first_layer import as_picture
from tests.networks import settle

FIRST = {
    "padded and strided": (nn.Conv2d(3, 5, 7, stride=2, padding=3), 33),
    "grouped": (nn.Conv2d(3, 6, 3, groups=3), 17),
    "dilated": (nn.Conv2d(3, 4, 3, dilation=(2, 3), padding=2), 24),
    "one channel": (nn.Conv2d(1, 4, (5, 3)), 15),
    "four channels": (nn.Conv2d(4, 3, 3, padding=1, padding_mode="reflect"), 15),
}


@pytest.mark.parametrize("name", FIRST)
def test_a_filter_and_its_maximum_agree(name: str) -> None:
    conv, size = FIRST[name]
    lens = Lens(settle(nn.Sequential(conv, nn.ReLU(inplace=True), nn.Conv2d(conv.out_channels, 4, 3))), input_size=size)
    found = cv.first_layer(lens, steps=96)
    assert (found.cosine > 0.999).all()
    assert found.filters.shape == found.maxima.shape
    scores = [(torch.tensor(found.filters[k]) * torch.tensor(found.maxima[k])).sum() for k in range(len(found.filters))]
    assert min(scores) > 0
    assert found.picture().ndim == 3
    assert len(found.figure().data[0].x) == conv.out_channels


def test_colour_is_told_from_black_and_white() -> None:
    conv = nn.Conv2d(3, 3, 3)
    with torch.no_grad():
        conv.weight.copy_(torch.randn(conv.weight.shape, generator=torch.Generator().manual_seed(0)))
        conv.weight[0] = conv.weight[0, :1].clone()  # all channels alike
        conv.weight[1] -= conv.weight[1].mean(0)  # nothing but differences
        conv.weight[2] = 0
    found = cv.first_layer(Lens(nn.Sequential(conv), input_size=9), steps=1)
    assert found.colour.tolist() == [False, True, True] or found.chroma[2] == 1
    np.testing.assert_allclose(found.chroma[:2], [0, 1], atol=1e-5)
    assert found.count["black and white"] >= 1


def test_zero_is_grey() -> None:
    shown = as_picture(np.array([[[0.0, 2.0]], [[0.0, -2.0]], [[0.0, 0.0]]], dtype=np.float32))
    assert shown.tolist() == [[[0.5, 0.5, 0.5], [1.0, 0.0, 0.5]]]


def test_what_is_no_convolution_is_told() -> None:
    flat = Lens(settle(nn.Sequential(nn.Flatten(), nn.Linear(27, 4), nn.ReLU())), input_size=3)
    with pytest.raises(UnsupportedModel, match="does not begin with a convolution"):
        cv.first_layer(flat)
    with pytest.raises(BadValue, match="steps=0"):
        cv.first_layer(Lens.load("mini", device="cpu"), steps=0)
