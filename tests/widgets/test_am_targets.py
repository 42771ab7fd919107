"""What a person may type to name units."""

from typing import Any

import pytest

import convviz_widgets as cv
from convviz_widgets.core.errors import BadValue, UnknownName
from convviz_widgets.methods.activation_maximization.notation import as_text
from convviz_widgets.widgets.am_targets import MOST, read_targets, unit_of, written
from tests.known_networks import make


@pytest.fixture
def lens() -> Any:
    return cv.Lens(make("residual")[0], input_size=17, class_names=["a", "b", "cat, small", "d", "e", "f"])


def test_targets_as_text(lens: Any) -> None:
    for text, names in (
        ("conv2:3", ["conv2:3"]),
        ("conv2:1-3", ["conv2:1", "conv2:2", "conv2:3"]),
        ("conv2:1, 4,5", ["conv2:1", "conv2:4", "conv2:5"]),
        ("conv2:1@2,3", ["conv2:1@2,3"]),
        ("conv2:1@2,3, conv1:0-1", ["conv2:1@2,3", "conv1:0", "conv1:1"]),
        ("Channel('conv2:3') - 0.5 * Channel('conv2:4')", ["Channel('conv2:3') - 0.5 * Channel('conv2:4')"]),
    ):
        found = read_targets(lens, text)
        assert [as_text(each) for each in found] == names
        assert read_targets(lens, written(found)) == found
    for text in ("", " , ", "7", "1-3", "conv2", "conv2:5-1", f"conv2:0-{MOST}"):
        with pytest.raises((BadValue, UnknownName)):
            read_targets(lens, text)


def test_classes_by_name_and_sums(lens: Any) -> None:
    text = (
        "ClassScore('cat, small'), Channel('conv2:3') - 0.5 * Channel('conv2:4'), "
        "Direction('conv1', (1, 0, 0, 0, 0, 2))"
    )
    found = read_targets(lens, text)
    assert len(found) == 3
    assert unit_of(found).endswith(":2")
    assert read_targets(lens, written(found)) == found
    assert unit_of(read_targets(lens, "WholeLayer('conv1')")) == ""


def test_brackets_that_do_not_close_are_an_error_not_a_hang(lens: Any) -> None:
    for text in ("Channel('conv1:2'", "((((", ")", "conv1:2, Channel(", "conv1:1@2", "conv1:1@,"):
        with pytest.raises((BadValue, UnknownName)):
            read_targets(lens, text)
