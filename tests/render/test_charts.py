"""Charts hold the numbers they show, read on any ground, and take text for text."""

import json

import numpy as np
import plotly.graph_objects as go
import pytest

from convviz_widgets.core.errors import BadValue
from convviz_widgets.render import charts, encode

HOSTILE = '<img src=x onerror="alert(1)"> & <b>bold</b>'
SAFE = '&lt;img src=x onerror="alert(1)"&gt; &amp; &lt;b&gt;bold&lt;/b&gt;'
FIGURES = {
    "histogram": lambda: charts.histogram([1, 2, 3], title=HOSTILE, unit=HOSTILE),
    "bars": lambda: charts.bars([HOSTILE, "b"], [1, 2], title=HOSTILE, unit=HOSTILE),
    "curve": lambda: charts.curve({HOSTILE: [1, 2]}, title=HOSTILE, x=HOSTILE, y=HOSTILE),
    "heat_map": lambda: charts.heat_map([[1.0]], rows=[HOSTILE], columns=[HOSTILE], title=HOSTILE, unit=HOSTILE),
    "picture": lambda: charts.picture(np.zeros((4, 6)), title=HOSTILE),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_small_plain_transparent_and_safe(name):
    figure = FIGURES[name]()
    assert type(figure) is go.Figure
    text = figure.to_json()
    assert len(text) < 20_000
    assert "<img" not in json.loads(text, object_pairs_hook=lambda pairs: pairs).__repr__()
    assert figure.layout.title.text == SAFE
    assert figure.layout.paper_bgcolor == "rgba(0,0,0,0)"
    assert figure.layout.font.color == charts.INK


def luminance(colour):
    share = np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)]) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


@pytest.mark.parametrize("ground", ["#ffffff", "#111111", "#1e1e1e"])
def test_ink_stands_out_from_light_and_dark_ground(ground):
    light, dark = sorted((luminance(charts.INK), luminance(ground)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) > 3.7


def test_a_histogram_counts_every_finite_value():
    values = np.r_[np.random.default_rng(0).normal(size=500), np.nan, np.inf]
    (bars,) = charts.histogram(values, bins=20, title="t").data
    assert sum(bars.y) == 500
    assert len(bars.x) == 20
    middles = np.array(bars.x)
    nearest = np.abs(values[:500, None] - middles).argmin(axis=1)
    assert np.abs(np.bincount(nearest, minlength=20) - bars.y).sum() <= 2  # but for values on an edge
    assert "2 not finite" in charts.histogram(values, title="t").layout.title.text


def test_bars_keep_order_equal_names_and_numbers_as_names():
    figure = charts.bars(["cat", "cat", 7, "x" * 90], [3, -1, np.nan, 2])
    (bars,) = figure.data
    assert list(bars.y) == [0, 1, 2, 3]
    assert list(figure.layout.yaxis.ticktext) == ["cat", "cat", "7", "x" * 39 + "…"]
    assert figure.layout.yaxis.autorange == "reversed"
    assert list(bars.x[:2]) == [3, -1]


def test_forty_bars_are_seen_at_once_and_few_are_no_thicker_for_it():
    heights = [charts.bars(list(range(count)), np.zeros(count)).layout.height for count in (4, 20, 21, 40)]
    assert heights[1] - heights[0] == 16 * 22
    assert heights[1] <= heights[2] <= heights[3] < 800


def test_lines_differ_by_more_than_colour():
    figure = charts.curve({"a": [1, 2], "b": [2, np.nan]}, places=[10, 20])
    assert [line.name for line in figure.data] == ["a", "b"]
    assert list(figure.data[1].x) == [10, 20]
    assert figure.data[0].line.dash != figure.data[1].line.dash
    assert figure.layout.showlegend
    assert not charts.curve({"a": [1, 2]}).layout.showlegend


def test_a_heat_map_has_its_first_row_on_top_and_square_cells():
    figure = charts.heat_map(np.arange(6).reshape(2, 3), low=-1, high=9)
    assert np.array_equal(figure.data[0].z, np.arange(6).reshape(2, 3))
    assert (figure.data[0].zmin, figure.data[0].zmax) == (-1, 9)
    assert figure.layout.yaxis.autorange == "reversed"
    assert figure.layout.yaxis.scaleanchor == "x"


def test_a_picture_is_kept_exactly():
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    assert charts.picture(picture).data[0].source == encode.data_uri(encode.png(picture))


@pytest.mark.parametrize(
    "draw",
    [
        lambda: charts.histogram([np.nan]),
        lambda: charts.histogram([1.0], bins=0),
        lambda: charts.bars(["a"], [1, 2]),
        lambda: charts.curve({"a": [[1]]}),
        lambda: charts.curve({"a": [1, 2]}, places=[1]),
        lambda: charts.heat_map([1, 2]),
        lambda: charts.heat_map([[1, 2]], rows=["a", "b"]),
        lambda: charts.heat_map([[1, 2]], columns=["a"]),
    ],
)
def test_numbers_that_make_no_chart_are_refused(draw):
    with pytest.raises(BadValue, match="Accepted"):
        draw()
