"""Colour maps: 256 colours, between plotly's own; numbers fall where they belong."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from plotly.colors import hex_to_rgb, sample_colorscale, sequential

from convviz_widgets.core.errors import BadValue, UnknownName
from convviz_widgets.render import colormap


@pytest.mark.parametrize("name", colormap.names())
def test_every_map_has_256_colours_and_its_reverse(name):
    table = colormap.lut(name)
    assert (table.shape, table.dtype) == ((256, 3), np.uint8)
    assert np.array_equal(colormap.lut(f"{name}_r"), table[::-1])
    assert not any(tuple(end) == colormap.NOT_A_NUMBER for end in (table[0], table[-1]))


@pytest.mark.parametrize("name", ["Viridis", "Magma", "Turbo"])
def test_the_colours_are_those_that_plotly_draws(name):
    listed = getattr(sequential, name)
    drawn = sample_colorscale(listed, list(np.linspace(0, 1, 256)), colortype="tuple")
    assert np.abs(colormap.lut(name) - np.array(drawn) * 255).max() <= 1
    assert tuple(colormap.lut(name)[0]) == hex_to_rgb(listed[0])
    assert tuple(colormap.lut(name)[-1]) == hex_to_rgb(listed[-1])


def test_a_diverging_map_is_red_above_white_in_the_middle_and_blue_below():
    table = colormap.lut("RdBu_r").astype(int)
    assert table[0, 2] > table[0, 0] + 50
    assert table[-1, 0] > table[-1, 2] + 50
    assert table[127:129].min() > 240


def test_gray_is_the_identity():
    assert np.array_equal(colormap.lut("gray"), np.arange(256)[:, None].repeat(3, axis=1))
    picture = np.random.default_rng(0).integers(0, 256, (4, 5))
    assert np.array_equal(colormap.apply(picture, "gray", low=0, high=255)[..., 1], picture)


def test_a_wrong_name_lists_near_ones():
    with pytest.raises(UnknownName, match="'viridis'"):
        colormap.lut("virdis")


def test_nobody_paints_over_a_map():
    with pytest.raises(ValueError, match="read-only"):
        colormap.lut("viridis")[0] = 0
    picture = colormap.apply(np.zeros((2, 2)))
    picture[:] = 9  # a picture of one's own
    assert colormap.lut("viridis")[0].tolist() == [68, 1, 84]


def test_values_beyond_the_range_take_the_ends_and_nan_a_grey():
    values = np.array([[-np.inf, -5, 0, 1, 5, np.inf, np.nan]])
    colours = colormap.apply(values, "gray", low=0, high=1)[0, :, 0]
    assert colours.tolist() == [0, 0, 0, 255, 255, 255, 128]
    assert np.array_equal(colormap.apply(values, "gray"), colormap.apply(values, "gray", low=-5, high=5))


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
@example(0.0, 5e-324)
@example(-1.7e308, 1.7e308)
def test_shares_are_in_order_for_every_range(one, other):
    low, high = sorted((one, other))
    middle = min(max(low / 2 + high / 2, low), high)  # halves of the smallest numbers round out of the range
    share = colormap.shares([low, middle, high])
    assert share[0] == 0
    assert share[-1] == (1 if low < high else 0)
    assert (np.diff(share) >= 0).all()


@pytest.mark.parametrize("values", [[], [[np.nan]], [[3.0, 3.0]], [[0]]])
def test_nothing_and_constants_take_the_first_colour(values):
    picture = colormap.apply(values, "gray")
    assert picture.shape == (*np.shape(values), 3)
    assert set(np.unique(picture)) <= {0, 128}


@pytest.mark.parametrize(("low", "high"), [(2, 1), (np.nan, 1), (0, np.inf)])
def test_what_is_no_range_is_refused(low, high):
    with pytest.raises(BadValue, match="low not above high"):
        colormap.apply([[0.0]], low=low, high=high)


def test_one_given_end_moves_past_the_values_never_the_other_way():
    assert colormap.apply([[5.0]], "gray", high=1).tolist() == [[[255] * 3]]
    assert colormap.apply([[-5.0]], "gray", low=1).tolist() == [[[0] * 3]]


def test_symmetric_holds_every_finite_value():
    assert colormap.symmetric([1, -3, np.nan, np.inf]) == (-3, 3)
    assert colormap.symmetric([]) == (0, 0)


def test_a_chart_is_given_the_same_colours():
    scale = colormap.plotly_scale("magma")
    assert scale[0][0] == 0
    assert scale[-1][0] == 1
    assert scale[100][1] == "rgb({},{},{})".format(*colormap.lut("magma")[100])
