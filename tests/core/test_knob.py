"""Knobs: the range is checked, ends included, and read from signatures."""

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pytest

from convviz_widgets.core.errors import BadType, BadValue
from convviz_widgets.core.knob import Knob, field_knobs, knobs, set_to, whole


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


@dataclass
class Settings:
    steps: Annotated[int | None, Knob(1, 10)] = 3
    size: Annotated[float | None, Knob(0, 1)] = 0.5


def test_values_are_brought_to_the_type_of_their_field() -> None:
    known = field_knobs(Settings)
    assert {name: kind for name, (kind, _) in known.items()} == {"steps": int, "size": float}
    assert isinstance(set_to("steps", 4.0, known), int)
    assert isinstance(set_to("size", 1, known), float)
    with pytest.raises(BadType, match=r"steps=4.5 cannot be set. Accepted: a whole number from 1 to 10"):
        set_to("steps", 4.5, known)
    with pytest.raises(BadType, match="size=True"):
        set_to("size", True, known)
    with pytest.raises(BadValue, match="out of range"):
        set_to("steps", 11, known)


def test_whole_numbers() -> None:
    assert whole("seeds", np.int64(3), 1, 4) == 3
    with pytest.raises(BadType, match=r"seeds=1\.5"):
        whole("seeds", 1.5, 1, 4)
    with pytest.raises(BadValue, match="1 to 4"):
        whole("seeds", 5, 1, 4)
