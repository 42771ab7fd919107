"""Addresses of units: read and written without loss, everything else refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convviz_widgets.core.errors import BadValue
from convviz_widgets.core.unit import Unit

LAYERS = st.text(st.characters(exclude_characters=":@", exclude_categories=["Z", "C"]), min_size=1)
NUMBERS = st.integers(0, 10**6)


@given(LAYERS, NUMBERS, st.none() | st.tuples(NUMBERS, NUMBERS))
def test_what_is_written_is_read(layer, channel, position):
    unit = Unit(layer, channel, position)
    assert Unit.parse(str(unit)) == unit
    assert Unit.parse(unit) == unit


@pytest.mark.parametrize(
    "address",
    ["", "fire9", "fire9:", ":3", "fire9:-1", "fire9:1.5", "fire9:1@", "fire9:1@2", "fire9:1@2,3,4", "a:b:1", " :1", 3,
     None, "fire9:1 ", "fire9:1@-1,2"],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_an_example(address):
    with pytest.raises(BadValue, match="fire9:17@6,6") as caught:
        Unit.parse(address)
    assert repr(address) in str(caught.value)


def test_a_neuron_and_its_channel():
    unit = Unit("conv1", 3)
    assert str(unit.at(5, 6)) == "conv1:3@5,6"
    assert unit.at(5, 6).whole == unit
    assert unit.position is None


def test_units_are_keys_and_have_an_order():
    assert len({Unit("a", 1), Unit("a", 1), Unit("a", 2)}) == 2
    assert sorted([Unit("b", 0), Unit("a", 10), Unit("a", 9)]) == [Unit("a", 9), Unit("a", 10), Unit("b", 0)]


def test_names_that_torch_gives_are_layers():
    assert Unit.parse("features.3.expand3x3#2:7") == Unit("features.3.expand3x3#2", 7)
