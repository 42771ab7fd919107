"""Knobs: the range is checked, ends included, and read from signatures."""

import math
from typing import Annotated

import pytest

from convviz_widgets.core.errors import BadValue
from convviz_widgets.core.knob import Knob, knobs


@pytest.mark.parametrize("value", [0, 0.5, 3])
def test_values_in_the_range_pass_as_they_are(value):
    assert Knob(0, 3).check("sigma", value) is value


@pytest.mark.parametrize("value", [-1e-9, 3.001, math.inf, -math.inf, math.nan])
def test_values_out_of_the_range_are_refused(value):
    with pytest.raises(BadValue, match=r"sigma=.*Accepted: 0 to 3 pixels") as caught:
        Knob(0, 3, unit="pixels").check("sigma", value)
    assert repr(value) in str(caught.value)


def test_knobs_of_a_signature():
    size, rate = Knob(1, 99, unit="pixels"), Knob(1e-4, 1, scale="log")

    def work(lens, *, size: Annotated[int, size] = 9, name: str = "", rate: Annotated[float, "note", rate] = 0.1):
        return lens, size, name, rate

    assert list(knobs(work).items()) == [("size", (size, 9)), ("rate", (rate, 0.1))]
    assert knobs(lambda x: x) == {}
