"""Linked widgets: what is picked in one is picked in all, and nothing else."""

from typing import Any

import numpy as np
import pytest

import convviz_widgets as cv
from convviz_widgets.core.errors import BadValue, UnknownName
from convviz_widgets.widgets.layer_picker import LayerPicker
from tests.known_networks import make

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 17, 17, 3), dtype=np.uint8)


@pytest.fixture
def lens() -> Any:
    return cv.Lens(make("residual")[0], input_size=17)


def test_unit_and_image_pass_both_ways(lens: Any) -> None:
    first, second, third = (LayerPicker(lens, list(PIXELS)) for _ in range(3))
    tie = cv.link(first, second, third)
    first.unit = "conv2:3"
    assert (second.unit, third.unit) == ("conv2:3", "conv2:3")
    third.image = "image 2"
    assert (first.image, second.image) == ("image 2", "image 2")
    tie.unlink()
    first.unit = "conv1:0"
    assert second.unit == "conv2:3"


def test_the_first_ones_choice_is_taken_over(lens: Any) -> None:
    first, second = LayerPicker(lens, list(PIXELS), unit="conv2:5"), LayerPicker(lens, list(PIXELS))
    cv.link(first, second)
    assert second.unit == "conv2:5"


def test_a_picture_of_one_album_comes_into_the_other(lens: Any) -> None:
    first, second = LayerPicker(lens, list(PIXELS)), LayerPicker(lens, list(PIXELS[:1]))
    cv.link(first, second)
    first.image = "image 3"
    assert second.image == "image 3"
    assert np.array_equal(second.album["image 3"], PIXELS[3])


def test_a_wrong_value_is_refused_everywhere(lens: Any) -> None:
    first, second = LayerPicker(lens, list(PIXELS), unit="conv1:1"), LayerPicker(lens, list(PIXELS))
    cv.link(first, second)
    with pytest.raises(UnknownName):
        first.unit = "conv7:1"
    assert (first.unit, second.unit) == ("conv1:1", "conv1:1")


def test_different_networks_and_single_widgets_are_refused(lens: Any) -> None:
    other = cv.Lens(make("residual", seed=1)[0], input_size=17)
    first, second = LayerPicker(lens, list(PIXELS)), LayerPicker(other, list(PIXELS))
    with pytest.raises(BadValue, match="different networks"):
        cv.link(first, second)
    cv.link(first, second, only=("image",))
    first.image = "image 1"
    assert second.image == "image 1"
    with pytest.raises(BadValue, match="two or more"):
        cv.link(first)
