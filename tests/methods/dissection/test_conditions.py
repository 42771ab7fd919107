"""Conditions side by side are the reports counted one by one; each finding is told apart from its reverse."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from convviz_widgets.core.errors import BadType, BadValue, UnknownName
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.core.step import Step
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.dissection.conditions import Conditions, compare_conditions
from convviz_widgets.methods.dissection.dissect import dissect
from convviz_widgets.methods.dissection.findings import Finding
from convviz_widgets.methods.dissection.rotation import rotation
from tests.methods.dissection.worlds import SIDE, Planted, Tiles, Warm

CATEGORIES = ("colour", "texture", "object", "part")


def blind(units: int) -> Lens:
    """The planted network without its first units."""
    module = Planted()
    with torch.no_grad():
        module.conv.weight[:units] = 0
    return Lens(module, input_size=SIDE)


def planted(rows: dict[str, tuple[int, ...]], first: tuple[int, ...] = (3, 2, 1, 0)) -> Conditions:
    """A comparison with these counts by category in the last layer; names are told from conditions by their numbers."""
    last = np.array(list(rows.values()))
    counts = np.stack([np.tile(first, (len(rows), 1)), last], axis=1)
    return Conditions(
        names=tuple(rows),
        layers=("low", "high"),
        categories=CATEGORIES,
        by_unit=counts,
        by_category=counts,
        detectors=counts.sum(2),
        units=np.full((len(rows), 2), 50),
        conditions=tuple(name.rstrip("0123456789").strip() for name in rows),
        accuracy=np.full(len(rows), np.nan),
        provenance=Provenance("compare_conditions"),
    )


def answers(found: Conditions) -> dict[str, bool | None]:
    return {each.statement: each.holds for each in found.findings}


BASELINE = {"baseline": (2, 3, 5, 4), "other seeds 1": (3, 4, 6, 4), "other seeds 2": (2, 3, 5, 5)}
WHOLE = "fewer different concepts"


def test_it_counts_what_the_reports_count() -> None:
    whole, part, dataset = blind(0), blind(1), Tiles(20)
    made = dissect(whole, dataset, ["conv", "last"], quantile=0.05)
    steps: list[Step] = []
    found = compare_conditions(
        {"baseline": whole, "other seeds": [made, made], "by iteration": {"10": part}},
        dataset,
        ["conv", "last"],
        quantile=0.05,
        rotations=2,
        accuracy={"other seeds 2": 0.5},
        progress=steps.append,
    )
    assert found.names == (
        *("baseline", "other seeds 1", "other seeds 2", "by iteration 10"),
        *("rotated basis 1", "rotated basis 2"),
    )
    assert found.conditions[-3:] == ("by iteration", "rotated basis", "rotated basis")
    for by in ("unit", "category"):
        for layer, counts in made.unique_counts(by).items():
            assert found.counts(layer, by)[0].tolist() == list(counts.values())
    assert found.counts("conv")[:, 0].tolist()[:4] == [3, 3, 3, 2]
    for seed in (0, 1):
        turned = rotation(whole, dataset, "last", steps=(1.0,), seed=seed, quantile=0.05)
        assert np.array_equal(found.counts("last")[4 + seed], turned.by_unit[0])
        assert found.detectors[4 + seed, 1] == turned.detectors[0]
    assert np.nan_to_num(found.accuracy, nan=-1).tolist() == [-1, -1, 0.5, -1, -1, -1]
    assert steps


def test_a_finding_and_its_reverse() -> None:
    found = answers(
        planted(
            {
                **BASELINE,
                "no dropout 1": (2, 5, 4, 4),
                "no dropout 2": (2, 6, 3, 4),
                "batch norm": (1, 1, 2, 2),
                "random weights": (4, 9, 9, 9),
                "rotated basis 1": (2, 3, 5, 4),
                "wider": (9, 9, 9, 9),
            }
        )
    )
    assert found["Without dropout there are more texture detectors."] is True
    assert found["Without dropout there are fewer object detectors."] is True
    assert found[f"With batch normalisation {WHOLE} are detected."] is True
    assert found[f"Without any training {WHOLE} are detected."] is False
    assert found[f"In a rotated basis of the same units {WHOLE} are detected."] is None
    assert found["With more units in the layer more different concepts are detected."] is True
    reverse = answers(
        planted({**BASELINE, "no dropout 1": (2, 2, 7, 4), "no dropout 2": (2, 5, 8, 4), "wider": (0, 0, 0, 0)})
    )
    assert reverse["Without dropout there are more texture detectors."] is None  # one of two lies on the other side
    assert reverse["Without dropout there are fewer object detectors."] is False
    assert reverse["With more units in the layer more different concepts are detected."] is False


def test_with_too_few_seeds_nothing_is_decided() -> None:
    two = {name: counts for name, counts in BASELINE.items() if name != "other seeds 2"}
    found = planted({**two, "no dropout 1": (2, 50, 0, 4), "by iteration 5": (0, 0, 0, 0)}).findings
    told = {each.statement: each for each in found}
    assert told["Without dropout there are more texture detectors."].holds is None
    assert "fewer than 3 nets" in told["Without dropout there are more texture detectors."].rule
    assert told["Detectors of different concepts come with the iterations of training."].holds is None
    assert "not measured" in next(each for each in found if "random beginnings" in each.statement).measured
    nobody = planted({"batch norm": (1, 1, 1, 1)}).findings
    assert all(each.holds is None and "not measured" in each.measured for each in nobody)


def iterations(*, early: tuple[int, ...], late: tuple[int, ...]) -> Iterator[Finding]:
    """What is found of a training, whose nets are given in any order."""
    found = planted({**BASELINE, "by iteration 1000": late, "by iteration 50": early})
    return (each for each in found.findings if "iterations" in each.statement or "gives way" in each.statement)


def test_iterations_seeds_and_layers() -> None:
    grows, stays = iterations(early=(1, 1, 0, 0), late=(2, 3, 4, 4))
    assert (grows.holds, stays.holds) == (True, True)
    assert "after 50, 1000 iterations: 2, 13" in grows.measured
    grows, stays = iterations(early=(9, 9, 9, 9), late=(2, 3, 4, 4))
    assert (grows.holds, stays.holds) == (False, False)
    assert "colour, by 6" in stays.measured
    seeds = "Other random beginnings lead to about as many different concepts and as many detectors."
    assert answers(planted(BASELINE))[seeds] is True
    assert answers(planted({**BASELINE, "other seeds 3": (0, 0, 1, 0)}))[seeds] is False
    depth = "Colours and textures prevail in low layers; objects and parts come to the fore in the last."
    assert answers(planted(BASELINE))[depth] is True
    assert answers(planted(BASELINE, first=(0, 0, 5, 5)))[depth] is False
    assert answers(planted({**BASELINE, "other seeds 3": (5, 5, 0, 0)}))[depth] is None


def test_a_result_is_kept_and_told(tmp_path: Path) -> None:
    found = planted({**BASELINE, "<odd>": (1, 1, 1, 1)})
    assert Conditions.load(found.save(tmp_path / "kept")) == found
    page = found._repr_html_()
    assert "&lt;odd&gt;" in page
    assert "Bau 2017, section 3.5" in page
    assert page.count("<table") == 3
    assert found.rows("low")[0] == ("baseline", "", 50, 6, 6, 3, 2, 1, 0)
    assert found.rows()[0] == ("baseline", "", 50, 14, 14, 2, 3, 5, 4)
    assert list(found.figure().data[0].x) == [2, 3, 2, 1]


def test_wrong_arguments() -> None:
    lens = Lens(Planted(), input_size=SIDE)
    made = dissect(lens, Tiles(20), "conv")
    cases: list[tuple[Any, dict[str, Any], type[Exception], str]] = [
        ([made], {}, BadType, "Accepted: conditions"),
        ({}, {}, BadValue, "Nothing"),
        ({"baseline": 3}, {}, BadType, "'baseline' is int"),
        ({"baseline": [made, 3]}, {}, BadType, "'baseline 2' is int"),
        ({"baseline": lens}, {}, BadType, "together with a dataset"),
        ({"a 1": made, "a": [made]}, {}, BadValue, "Two nets"),
        ({"a": made, "b": dissect(lens, Warm(20), "conv")}, {}, BadValue, "other concepts"),
        ({"a": made}, {"accuracy": {"b": 0.5}}, UnknownName, "net of this comparison"),
        ({"a": made}, {"rotations": -1}, BadValue, "rotations"),
    ]
    for networks, options, error, text in cases:
        with pytest.raises(error, match=text):
            compare_conditions(networks, **options)


def test_the_comparison_that_ships_tells_its_command() -> None:
    shipped = Conditions.shipped()
    assert shipped.provenance.settings["command"].startswith(
        "python -m convviz_widgets.methods.dissection.train_conditions"
    )
    assert {
        "baseline",
        "other seeds",
        "no dropout",
        "batch norm",
        "random weights",
        "by iteration",
        "rotated basis",
    } == set(shipped.conditions)
    asked = [each for each in shipped.findings if not each.measured.startswith("not measured")]
    assert len(asked) == 9
    assert all(each.rule and each.source for each in asked)
