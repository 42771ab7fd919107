"""Comparisons count what the reports count, one by one."""

from typing import Any

import numpy as np
import pytest

from convviz_widgets.core.errors import BadType, BadValue, UnknownName
from convviz_widgets.core.step import Step
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.dissection.compare import compare_dissections
from convviz_widgets.methods.dissection.dissect import dissect
from tests.methods.dissection.worlds import SIDE, Planted, Tiles, Warm


def blind() -> Lens:
    """The planted network without its red unit."""
    module = Planted()
    module.conv.weight.data[0] = 0
    return Lens(module, input_size=SIDE)


def test_it_counts_what_the_reports_count() -> None:
    whole, part = Lens(Planted(), input_size=SIDE), blind()
    steps: list[Step] = []
    made = dissect(whole, Tiles(20), ["conv", "last"], quantile=0.05)
    found = compare_dissections(
        {"whole": made, "blind": part}, Tiles(20), ["conv", "last"], quantile=0.05, progress=steps.append
    )
    assert found.names == ("whole", "blind")
    assert found.layers == ("conv", "last")
    assert found.counts("conv")[:, 0].tolist() == [3, 2]
    assert found.detectors[:, 0].tolist() == [3, 2]
    for by in ("unit", "category"):
        counts = list(made.unique_counts(by)["last"].values())
        assert found.counts(by=by)[0].tolist() == counts
    assert list(found.figure("conv").data[0].x) == [3, 2]
    assert "blind" in found._repr_html_()
    assert steps[-1].index == steps[-1].total
    assert np.all(np.diff([step.index for step in steps]) > 0)


def test_wrong_arguments() -> None:
    lens = Lens(Planted(), input_size=SIDE)
    made = dissect(lens, Tiles(20), "conv")
    cases: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({}, BadValue, "Nothing"),
        ({"a": lens}, BadType, "together with a dataset"),
        ({"a": made, "b": dissect(lens, Warm(20), "conv")}, BadValue, "other concepts"),
        ({"a": made, "b": dissect(lens, Tiles(20), "last", quantile=0.05)}, BadValue, "common layer"),
    ]
    for networks, error, text in cases:
        with pytest.raises(error, match=text):
            compare_dissections(networks)
    with pytest.raises(UnknownName, match="layer of this comparison"):
        compare_dissections({"a": made}).counts("last")
