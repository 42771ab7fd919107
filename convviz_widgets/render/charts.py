"""Charts of numbers, as plain plotly figures that read well on light and on dark ground."""

import html
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from convviz_widgets.core.errors import BadValue
from convviz_widgets.render import colormap, encode

INK = (
    "#808080"  # text and axes: the grey that stands out alike (about 4:1) from white and from a dark notebook's ground
)
_FINE = "rgba(128,128,128,0.25)"
_ABOVE = {"y": 1, "yref": "paper", "yanchor": "bottom", "pad": {"b": 10}}
_TOOLS = {
    "bgcolor": "rgba(0,0,0,0)",
    "color": INK,
    "activecolor": "#0072b2",
    "remove": ["select2d", "lasso2d", "autoScale2d"],
}
# Okabe & Ito's colours without black and yellow: told apart by every eye, on light and on dark ground.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9")


def histogram(values: npt.ArrayLike, *, bins: int = 40, title: str = "", unit: str = "value") -> go.Figure:
    """How often values occur; only the counts are kept in the figure.

    Args:
        values: numbers of any shape; those not finite are left out, and their number is told in the title.
        bins: number of equal intervals between the smallest and the largest value.
        title: above the chart.
        unit: what is counted, with its unit of measure: the label of the axis.

    Raises:
        BadValue: no finite value, or no bins.
    """
    array = np.asarray(values, dtype=np.float64).ravel()
    finite = array[np.isfinite(array)]
    if finite.size == 0 or bins < 1:
        raise BadValue(f"{finite.size} finite values in {bins} bins make no histogram. Accepted: at least 1 and 1.")
    counts, edges = np.histogram(finite, bins=bins)
    spans = [f"{low:.4g} to {high:.4g}" for low, high in pairwise(edges)]
    chart = go.Bar(
        x=(edges[:-1] + edges[1:]) / 2,
        y=counts,
        width=np.diff(edges),
        customdata=spans,
        hovertemplate="%{customdata}: %{y}<extra></extra>",
        marker={"color": COLOURS[0], "line": {"width": 0}},
    )
    left_out = array.size - finite.size
    note = f" ({left_out} not finite left out)" if left_out else ""
    return _drawn([chart], title + note, x=unit, y="count", bargap=0)


def bars(names: Sequence[object], values: npt.ArrayLike, *, title: str = "", unit: str = "value") -> go.Figure:
    """One horizontal bar per name, the first on top; a value that is not finite has no bar.

    Args:
        names: (n,) labels, shown as they are.
        values: (n,).
        title: above the chart.
        unit: what the bars measure, with its unit of measure: the label of the axis.

    Raises:
        BadValue: not one value per name.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (len(names),):
        raise BadValue(f"Values of shape {array.shape} for {len(names)} names. Accepted: one value per name.")
    chart = go.Bar(
        x=array,
        y=list(range(len(names))),
        orientation="h",
        customdata=[_text(name) for name in names],
        hovertemplate="%{customdata}: %{x:.4g}<extra></extra>",
        marker={"color": COLOURS[0]},
    )
    figure = _drawn([chart], title, x=unit, y="")
    # Names stand as labels of numbered places: equal names keep bars of their own, and numbers are no names of places.
    labels = [_text(_short(name)) for name in names]
    places = {"tickvals": list(range(len(names))), "ticktext": labels, "autorange": "reversed"}
    figure.update_yaxes(showgrid=False, zeroline=False, **places)
    figure.update_layout(height=125 + max(22 * min(max(4, len(names)), 20), 16 * len(names)))  # many stand closer
    return figure


def stacks(
    names: Sequence[object], parts: Mapping[str, npt.ArrayLike], *, title: str = "", unit: str = "value"
) -> go.Figure:
    """One horizontal bar per name, made of parts laid end to end, the first name on top.

    Args:
        names: (n,) labels, shown as they are.
        parts: name of the part to (n,) lengths.
        title: above the chart.
        unit: what the bars measure, with its unit of measure: the label of the axis.

    Raises:
        BadValue: not one length per name.
    """
    figure: go.Figure | None = None
    for index, (part, values) in enumerate(parts.items()):
        single = bars(names, values, title=title, unit=unit)
        bar = single.data[0]
        bar.update(name=_text(_short(part)), marker={"color": COLOURS[index % len(COLOURS)]})
        bar.hovertemplate = "%{customdata}: %{x:.4g} %{fullData.name}<extra></extra>"
        if figure is None:
            figure = single
        else:
            figure.add_trace(bar)
    if figure is None:
        raise BadValue("There are no parts to lay end to end. Accepted: at least one.")
    figure.update_layout(barmode="stack", showlegend=True, margin={"b": 90})
    return figure


def curve(
    lines: Mapping[str, npt.ArrayLike],
    *,
    places: npt.ArrayLike | None = None,
    title: str = "",
    x: str = "step",
    y: str = "value",
) -> go.Figure:
    """One line per name; a value that is not finite leaves a gap.

    Args:
        lines: name to (n,) values.
        places: (n,) where the values stand on the horizontal axis; 0, 1, 2, ... by default.
        title: above the chart.
        x: label of the horizontal axis, with its unit.
        y: label of the vertical axis, with its unit.

    Raises:
        BadValue: a line that is not (n,), or of another length than ``places``.
    """
    charts = []
    for index, (name, values) in enumerate(lines.items()):
        heights = np.asarray(values, dtype=np.float64)
        across = np.arange(heights.size) if places is None else np.asarray(places)
        if heights.ndim != 1 or across.shape != heights.shape:
            raise BadValue(
                f"The line {name!r} has shape {heights.shape}, its places {across.shape}. Accepted: (n,) for both."
            )
        style = {"color": COLOURS[index % len(COLOURS)], "width": 2, "dash": _dash(index)}
        charts.append(go.Scatter(x=across, y=heights, name=_text(_short(name)), mode="lines", line=style))
    figure = _drawn(charts, title, x=x, y=y)
    figure.update_layout(showlegend=len(charts) > 1, hovermode="x unified")
    return figure


def heat_map(
    values: npt.ArrayLike,
    *,
    name: str = "viridis",
    low: float | None = None,
    high: float | None = None,
    rows: Sequence[object] | None = None,
    columns: Sequence[object] | None = None,
    title: str = "",
    unit: str = "value",
) -> go.Figure:
    """A map of numbers, the first row on top; without names its cells are square.

    Args:
        values: (h, w); NaN is grey.
        name: a colour map.
        low: as `colormap.apply` takes it.
        high: as `colormap.apply` takes it.
        rows: names of the rows, or None for numbers.
        columns: names of the columns, or None for numbers.
        title: above the chart.
        unit: what the numbers are: the label of the colour bar.

    Raises:
        BadValue: another shape, or names that do not fit it.
        UnknownName: there is no such colour map.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or array.size == 0:
        raise BadValue(f"Values of shape {array.shape} make no heat map. Accepted: (h, w), not empty.")
    for size, given in zip(array.shape, (rows, columns), strict=True):
        if given is not None and len(given) != size:
            raise BadValue(f"{len(given)} names for a side of {size}. Accepted: one name each.")
    chart = go.Heatmap(
        z=array,
        zmin=low,
        zmax=high,
        colorscale=colormap.plotly_scale(name),
        colorbar={"title": {"text": _text(unit), "side": "right"}, "outlinewidth": 0, "thickness": 14},
        hovertemplate="row %{y}, column %{x}: %{z:.4g}<extra></extra>",
    )
    figure = _drawn([chart], title, x="", y="")
    figure.update_xaxes(showgrid=False, zeroline=False, constrain="domain", **_ticks(columns))
    figure.update_yaxes(showgrid=False, zeroline=False, constrain="domain", autorange="reversed", **_ticks(rows))
    figure.update_layout(plot_bgcolor=f"rgb{colormap.NOT_A_NUMBER}")  # shows where there is no value
    if rows is None and columns is None:
        figure.update_yaxes(scaleanchor="x")
    return figure


def picture(image: npt.ArrayLike, *, title: str = "") -> go.Figure:
    """A picture to zoom into.

    Args:
        image: as `encode.pixels` takes it.
        title: above it.
    """
    height, width = np.asarray(image).shape[:2]
    source = encode.data_uri(encode.png(image))
    chart = go.Image(source=source, hovertemplate="row %{y}, column %{x}<extra></extra>")
    figure = _drawn([chart], title, x="", y="")
    figure.update_xaxes(visible=False, range=(-0.5, width - 0.5), constrain="domain")
    figure.update_yaxes(visible=False, range=(height - 0.5, -0.5), constrain="domain")
    return figure


def _drawn(charts: Sequence[Any], title: str, *, x: str, y: str, **layout: Any) -> go.Figure:
    axis = {"gridcolor": _FINE, "linecolor": INK, "zerolinecolor": INK, "zerolinewidth": 1, "automargin": True}
    return go.Figure(
        data=charts,
        layout={
            "template": "none",
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"color": INK, "size": 13, "family": "system-ui, sans-serif"},
            "margin": {"l": 50, "r": 20, "t": 62 if title else 32, "b": 45},  # the tools stand above the title
            "height": 340,
            "title": {"text": _text(title), "font": {"size": 15}, "x": 0, "xref": "paper", **_ABOVE},
            "modebar": _TOOLS,
            "legend": {"orientation": "h", "x": 0, "y": -0.24, "yanchor": "top"},
            "xaxis": {**axis, "title": {"text": _text(x), "standoff": 6}},
            "yaxis": {**axis, "title": {"text": _text(y), "standoff": 6}},
            **layout,
        },
    )


def _text(value: object) -> str:
    """Text for plotly, which takes some HTML for markup."""
    return html.escape(str(value), quote=False)


def _short(name: object, length: int = 40) -> str:
    text = str(name)
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _dash(index: int) -> str:
    """Lines differ by more than their colour."""
    return ("solid", "dash", "dot", "dashdot")[index % 4]


def _ticks(names: Sequence[object] | None) -> dict[str, Any]:
    if names is None:
        return {}
    return {"tickvals": list(range(len(names))), "ticktext": [_text(_short(name)) for name in names]}
