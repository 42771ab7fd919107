"""Signed maps in rows and columns."""

import numpy as np
import pytest

from convviz_widgets.core.errors import BadValue
from convviz_widgets.render.panels import panels


def test_each_panel_has_its_own_range_around_zero_and_zero_is_bare() -> None:
    maps = [[np.array([[0.0, 2.0]]), np.array([[-3.0, 1.0]])], [np.zeros((2, 2)), np.ones((1, 1))]]
    notes = [["a", "b"], ["c", "d"]]
    figure = panels(maps, rows=["one", "two"], columns=["left", "right"], notes=notes, title="all")
    assert [(trace.zmin, trace.zmax) for trace in figure.data] == [(-2, 2), (-3, 3), (-1, 1), (-1, 1)]
    assert np.isnan(figure.data[0].z).tolist() == [[True, False]]
    assert np.isnan(figure.data[2].z).all()
    words = {axis.title.text for axis in figure.select_xaxes()}
    assert words == {"a", "b", "c", "d"}
    assert {note.text for note in figure.layout.annotations} == {"one", "two", "left", "right"}
    assert {note.textangle for note in figure.layout.annotations} <= {0, None}


def test_four_side_by_side_fit_a_narrow_cell_and_a_row_is_named_above_it() -> None:
    figure = panels([[np.eye(2)] * 4] * 2, rows=["one", "two"], columns=list("abcd"), notes=[[""] * 4] * 2)
    assert figure.layout.width <= 466
    rows = {note.text: note for note in figure.layout.annotations if note.text in ("one", "two")}
    heads = [note for note in figure.layout.annotations if note.text in "abcd"]
    for name, axis in (("one", "y"), ("two", "y5")):
        assert (rows[name].x, rows[name].xanchor, rows[name].yanchor) == (0, "left", "bottom")
        assert rows[name].y == figure.layout[axis.replace("y", "yaxis")].domain[1]
    assert all(head.yshift >= rows["one"].yshift + 16 for head in heads)  # above the first row's name


def test_what_does_not_fill_the_cells_is_refused() -> None:
    with pytest.raises(BadValue, match="do not fill"):
        panels([[np.eye(2)]], rows=["a"], columns=["b", "c"], notes=[["", ""]])
    with pytest.raises(BadValue, match="dimensions"):
        panels([[np.zeros(3)]], rows=["a"], columns=["b"], notes=[[""]])
