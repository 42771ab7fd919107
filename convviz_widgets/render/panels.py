"""Signed maps in rows and columns, each with a word below it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from convviz_widgets.core.errors import BadValue
from convviz_widgets.render.charts import COLOURS, INK

WIDE, HIGH = 110, 150  # pixels of a panel with what stands around it; four side by side fit a narrow cell
SCALE = (
    (0, COLOURS[0]),
    (0.5, "rgba(128,128,128,0.2)"),
    (1, COLOURS[4]),
)  # near zero the notebook's ground shines through


def panels(
    maps: Sequence[Sequence[npt.ArrayLike]],
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    notes: Sequence[Sequence[str]],
    title: str = "",
) -> go.Figure:
    """Maps of signed numbers, blue below zero and orange above, each in its own range; exact zeros are left bare.

    Example:
        >>> figure = panels([[np.eye(3), -np.eye(3)]], rows=["a"], columns=["plus", "minus"], notes=[["", "3 of 9"]])
        >>> len(figure.data)
        2

    Args:
        maps: (h, w) each, one list for each row.
        rows: what they are, in one line each.
        columns: what they are.
        notes: a word below each map.
        title: above all.

    Raises:
        BadValue: the lists are not of the lengths that the rows and columns have, or a map is none.
    """
    grids = [[np.asarray(each, dtype=np.float32) for each in line] for line in maps]
    fits = [len(grids), len(notes)] == [len(rows)] * 2 and rows and columns
    if not fits or any(len(line) != len(columns) for line in (*grids, *notes)):
        raise BadValue(
            f"{[len(line) for line in grids]} maps and {[len(line) for line in notes]} notes do not fill "
            f"{len(rows)} rows and {len(columns)} columns. Accepted: one of each for every cell."
        )
    if any(each.ndim != 2 for line in grids for each in line):
        raise BadValue("A panel holds a map (h, w) of numbers; one of these has another number of dimensions.")
    figure = make_subplots(len(rows), len(columns), column_titles=list(columns), horizontal_spacing=0.12 / len(columns))
    figure.update_annotations(font={"size": 12}, yshift=20)  # the columns' names, above the first row's
    for row, (line, words) in enumerate(zip(grids, notes, strict=True), start=1):
        top: Any = figure.get_subplot(row, 1)
        place = {"x": 0, "y": top.yaxis.domain[1], "xref": "paper", "yref": "paper", "yshift": 1}
        look = {"xanchor": "left", "yanchor": "bottom", "showarrow": False, "font": {"size": 12}}
        figure.add_annotation(text=rows[row - 1], **place, **look)
        for column, (values, word) in enumerate(zip(line, words, strict=True), start=1):
            name = f"{rows[row - 1]}, {columns[column - 1]}"
            figure.add_trace(_map(values, name), row=row, col=column)
            figure.update_xaxes(title={"text": word, "standoff": 2, "font": {"size": 11}}, row=row, col=column)
            figure.update_yaxes(scaleanchor=_axis(figure, row, column), autorange="reversed", row=row, col=column)
    figure.update_xaxes(showticklabels=False, showgrid=False, zeroline=False, constrain="domain")
    figure.update_yaxes(showticklabels=False, showgrid=False, zeroline=False, constrain="domain")
    return figure.update_layout(
        title={"text": title, "x": 0.02, "y": 1, "yanchor": "top", "pad": {"t": 16}},
        font={"color": INK},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(128,128,128,0.12)",
        width=WIDE * len(columns) + 24,
        height=HIGH * len(rows) + 100,
        margin={"l": 12, "r": 12, "t": 110 if title else 60, "b": 30},
    )


def _map(values: npt.NDArray[np.float32], name: str) -> go.Heatmap:
    reach = float(np.abs(values[np.isfinite(values)]).max(initial=0.0)) or 1.0
    return go.Heatmap(
        z=np.where(values == 0, np.nan, values),
        zmin=-reach,
        zmax=reach,
        colorscale=SCALE,
        showscale=False,
        hovertemplate=f"{name}<br>row %{{y}}, column %{{x}}: %{{z:.3g}}<extra></extra>",
        hoverongaps=False,
    )


def _axis(figure: go.Figure, row: int, column: int) -> str:
    plot: Any = figure.get_subplot(row, column)
    return str(plot.yaxis.anchor)
