"""Curves with a band about each, on one chart."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from convviz_widgets.render import charts

Floats = npt.NDArray[np.float64]


def banded(
    lines: Mapping[str, tuple[Floats, Floats]],
    places: npt.ArrayLike,
    *,
    each: Mapping[str, Floats] | None = None,
    most: Mapping[str, float] | None = None,
    title: str = "",
    x: str = "",
    y: str = "",
) -> Any:
    """One line per name with a band of one standard deviation about it, as a plotly figure; for what is never negative.

    Example:
        >>> figure = banded({"low": (np.array([0.0, 1.0]), np.array([0.0, 0.5]))}, [0, 4])
        >>> [list(trace.y) for trace in figure.data]
        [[0.0, 1.0], [0.0, 1.5, 0.5, 0.0]]

    Args:
        lines: name to mean and deviation, (n,) each.
        places: (n,) on the horizontal axis.
        each: further lines without a band, (n,) each, drawn thin.
        most: name to the largest value that can be; a band ends there.
        title: above the chart.
        x: label of the horizontal axis, with its unit.
        y: label of the vertical axis, with its unit.
    """
    across = np.asarray(places, dtype=np.float64)
    thin = {} if each is None else each
    means = {name: mean for name, (mean, _) in lines.items()}
    figure = charts.curve({**means, **thin}, places=across, title=title, x=x, y=y)
    for trace in figure.data[len(means) :]:
        trace.line.width = 1
        trace.opacity = 0.6
    for place, (name, (mean, deviation)) in enumerate(lines.items()):
        top = (most or {}).get(name, np.inf)
        figure.add_scatter(
            x=np.concatenate([across, across[::-1]]),
            y=np.concatenate([np.minimum(mean + deviation, top), np.maximum(mean - deviation, 0)[::-1]]),
            fill="toself",
            fillcolor=charts.COLOURS[place % len(charts.COLOURS)],
            opacity=0.18,
            line={"width": 0},
            name=f"{name} ± sd",
            hoverinfo="skip",
            showlegend=False,
        )
    figure.update_layout(showlegend=True)
    return figure
