"""Releases one assignment and grades two answers to it: ``python -m tests.course.grade COURSE ASSIGNMENT``.

The last line is JSON. A process of its own, as nbgrader brings logging, a database and event loops.
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from nbgrader.apps import NbGraderAPI
from nbgrader.validator import Validator
from traitlets.config import Config, PyFileConfigLoader

ANSWERS = {"solver": "source", "blank": "release"}
"""Each student with what they hand in: the solution, and what was handed out."""


def graded(course: Path, name: str) -> dict[str, Any]:
    """For each answer its points by cell, what validating it says, and whether a person is asked for."""
    config = Config(PyFileConfigLoader("nbgrader_config.py", path=str(course)).load_config())
    config.CourseDirectory.root = str(course)
    found: dict[str, Any] = {}
    api = NbGraderAPI(config=config)
    done = api.generate_assignment(name)
    assert done["success"], done["log"]
    for student, answer in ANSWERS.items():
        shutil.copytree(course / answer / name, course / "submitted" / student / name)
        done = api.autograde(name, student)
        assert done["success"], done["log"]
        with api.gradebook as gradebook:
            found[answer] = _marks(gradebook.find_submission(name, student))
        complaints = Validator(config=config).validate(str(course / answer / name / f"{name}.ipynb"))
        found[answer]["complaints"] = {kind: len(cells) for kind, cells in complaints.items()}
    return found


def _marks(submission: Any) -> dict[str, Any]:
    cells = {grade.name: grade.score for notebook in submission.notebooks for grade in notebook.grades}
    totals = {"points": submission.score, "most": submission.max_score}
    return {**totals, "cells": cells, "by_hand": submission.needs_manual_grade}


if __name__ == "__main__":
    print(json.dumps(graded(Path(sys.argv[1]).resolve(), sys.argv[2])))  # noqa: T201 -- read by the test
