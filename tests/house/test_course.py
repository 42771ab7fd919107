"""The notebooks read as one course: each asks, tells its method and its limits, shows a widget, and leads on."""

import json
import re
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
WIDGETS = re.compile(r"cv\.(\w+(?:Picker|Panel|Viewer|Brush|Browser|Bench)|explore)\(")
SOURCE = re.compile(r"\b(19|20)\d\d\b")
LINK = re.compile(r"\]\(([\w/]+\.(?:ipynb|md))\)")


def cells(path: Path, kind: str) -> list[str]:
    return [
        "".join(cell["source"]) for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == kind
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_has_every_part(path: Path) -> None:
    first, told = cells(path, "markdown")[0], "\n".join(cells(path, "markdown"))
    assert first.startswith(f"# {path.stem[:2]} · ")
    assert "**The question.**" in first
    method = first.split("**The method.**")[1].split("**What")[0]
    assert "$" in method, "the method has a formula"
    assert SOURCE.search(method), "and its source"
    assert re.search(r"\*\*What (it|this) cannot tell\.\*\*", told)
    assert re.search(r"\*(What to look|Look) for:\*", told)
    assert re.search(r"^## .*[Rr]eal|^## Your own pictures", told, re.M), "how to go on with a real network"
    assert any(WIDGETS.search(code) for code in cells(path, "code")), "a widget"


def test_each_notebook_leads_to_the_next() -> None:
    for path, following in zip(
        NOTEBOOKS, [*NOTEBOOKS[1:], NOTEBOOKS[0].parent / "assignments" / "README.md"], strict=True
    ):
        *_, target = LINK.findall(cells(path, "markdown")[-1])
        assert (path.parent / target).resolve() == following
        assert following.exists()
