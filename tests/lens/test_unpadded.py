"""Convolutions and poolings without padding, in all spellings."""

import threading

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convviz_widgets.lens.unpadded import unpadded

WEIGHT = torch.ones(2, 3, 3, 3)
PADDED = {
    "Conv2d": nn.Conv2d(3, 2, 3, padding=1),
    "Conv2d same": nn.Conv2d(3, 2, 3, padding="same"),
    "F.conv2d": lambda x: F.conv2d(x, WEIGHT, padding=1),
    "torch.conv2d": lambda x: torch.conv2d(x, WEIGHT, None, 1, 1),
    "MaxPool2d": nn.MaxPool2d(3, 1, 1),
    "F.max_pool2d": lambda x: F.max_pool2d(x, 3, stride=1, padding=1),
    "with switches": lambda x: F.max_pool2d(x, 3, 1, 1, return_indices=True)[0],
    "AvgPool2d": nn.AvgPool2d(3, 1, 1),
    "F.avg_pool2d": lambda x: F.avg_pool2d(x, 3, stride=1, padding=1),
}


@pytest.mark.parametrize("name", PADDED)
def test_padding_is_left_out_and_comes_back(name: str) -> None:
    layer, x = PADDED[name], torch.rand(1, 3, 5, 5)
    whole = layer(x)
    assert whole.shape[2:] == (5, 5)
    with unpadded():
        inner = layer(x)
    assert inner.shape[2:] == (3, 3)
    torch.testing.assert_close(inner, whole[..., 1:-1, 1:-1])
    assert layer(x).shape == whole.shape


def test_what_pads_nothing_stays_and_other_threads_pad() -> None:
    x, seen = torch.rand(1, 3, 5, 5), []
    with unpadded():
        assert torch.equal(F.conv2d(x, WEIGHT), torch.conv2d(x, WEIGHT))
        assert F.pad(x, (1, 1)).shape == (1, 3, 5, 7)
        thread = threading.Thread(target=lambda: seen.append(PADDED["MaxPool2d"](x).shape))
        thread.start()
        thread.join()
    assert seen == [(1, 3, 5, 5)]
