"""The assignments: what is released, what it is worth, and that the hidden tests see what the visible ones do not."""

import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
COURSE = ROOT / "notebooks" / "assignments"
NAMES = sorted(path.name for path in (COURSE / "source").iterdir())
POINTS = 10
HIDDEN = "### BEGIN HIDDEN TESTS"

# A plausible mistake in one cell of each: what stands in the solution, what is written in its place.
MISTAKES: dict[str, tuple[str, str, str]] = {
    "1_activation_maximization": ("unit_step", "g / size if size > 0 else g", "g / size"),
    "2_deconvnet": ("unpool", "scatter_add(2,", "scatter(2,"),
    "3_occlusion": ("reach", "-((kernel - 1 - padding - start) // stride)", "(start + padding - kernel + 1) // stride"),
    "4_inversion": (
        "scattered",
        "[:, :, order].reshape",
        "[:, torch.arange(2)[:, None], torch.stack([order, order.flip(0)])].reshape",
    ),
    "5_dissection": ("iou", "either = (masks | labels).sum()", "either = max(masks.sum(), labels.sum())"),
    "6_explain_this_network": ("where", ', fill="mean"', ""),
}


def cells_of(name: str) -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads((COURSE / f"source/{name}/{name}.ipynb").read_text("utf-8"))["cells"]
    return [{**cell, "source": "".join(cell["source"])} for cell in cells]


def about(cell: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = cell["metadata"].get("nbgrader", {})
    return found


def run(cells: list[dict[str, Any]], until: str) -> dict[str, Any]:
    """What there is after the cells before this one, those that are graded left out."""
    space: dict[str, Any] = {}
    for cell in itertools.takewhile(lambda cell: cell["id"] != until, cells):
        if cell["cell_type"] == "code" and not about(cell).get("grade"):
            exec(compile(cell["source"], cell["id"], "exec"), space)
    return space


@pytest.mark.parametrize("name", NAMES)
def test_every_cell_says_what_it_is(name: str) -> None:
    cells = cells_of(name)
    ids = [about(cell)["grade_id"] for cell in cells if about(cell)]
    assert len(ids) == len(set(ids))
    assert sum(about(cell).get("points", 0) for cell in cells) == POINTS
    for cell in cells:
        told = about(cell)
        assert cell.get("outputs", []) == []
        assert ("### BEGIN SOLUTION" in cell["source"]) == bool(told.get("solution"))
        assert (HIDDEN in cell["source"]) == bool(told.get("grade"))
        if told:
            assert told["schema_version"] == 3
            assert told["locked"] != told["solution"]


@pytest.mark.parametrize("name", NAMES)
def test_the_solution_gets_all_points_and_the_release_none(name: str, tmp_path: Path) -> None:
    pytest.importorskip("nbgrader")
    shutil.copytree(COURSE / "source" / name, tmp_path / "source" / name)
    shutil.copy(COURSE / "nbgrader_config.py", tmp_path)
    command = [sys.executable, "-m", "tests.course.grade", str(tmp_path), name]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # nbgrader calls alembic by name
    environment = {**os.environ, "PATH": path}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=400)
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads(done.stdout.splitlines()[-1])
    tests = sum(HIDDEN in cell["source"] for cell in cells_of(name))
    assert (found["source"]["complaints"], found["release"]["complaints"]) == ({}, {"failed": tests})
    assert (found["source"]["points"], found["source"]["most"]) == (POINTS, POINTS), found["source"]["cells"]
    assert (found["release"]["points"], found["release"]["most"]) == (0, POINTS), found["release"]["cells"]
    assert not found["source"]["by_hand"]
    assert not found["release"]["by_hand"]
    released = (tmp_path / "release" / name / f"{name}.ipynb").read_text("utf-8")
    assert "### BEGIN" not in released
    assert released.count("raise NotImplementedError()") >= released.count('"solution": true')


@pytest.mark.parametrize("name", NAMES)
def test_the_hidden_tests_see_what_the_visible_ones_let_through(name: str) -> None:
    where, right, wrong = MISTAKES[name]
    cells = cells_of(name)
    wanted = next(cell for cell in cells if cell["id"] == where)
    assert right in wanted["source"]
    wanted["source"] = wanted["source"].replace(right, wrong)
    test = next(cell["source"] for cell in cells if cell["id"] == f"{where}_test")
    with torch.random.fork_rng(devices=[]):
        space = run(cells, f"{where}_test")
        exec(test.partition(HIDDEN)[0], space)
        with pytest.raises(AssertionError):
            exec(test, space)
