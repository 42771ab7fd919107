"""Every row of the catalog stands on something: a module, an example, a source, a test, a notebook cell."""

import inspect
import json
from importlib import import_module
from pathlib import Path

import pytest

import convviz_widgets as cv
from convviz_widgets.catalog import ROWS, Row

ROOT = Path(__file__).resolve().parents[2]


def test_file(row: Row) -> Path:
    inner = Path(*row.module.split(".")[1:])
    return ROOT / "tests" / inner.with_name(f"test_{inner.name}.py")


test_file.__test__ = False  # type: ignore[attr-defined] # a path, not a test


def code_cells(notebook: str) -> str:
    cells = json.loads((ROOT / "notebooks" / notebook).read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


def missing(row: Row) -> list[str]:
    """What the row promises and does not have, in words."""
    try:
        value = getattr(import_module(row.module), row.attribute)
    except (ImportError, AttributeError) as error:
        return [f"a module with that name ({error})"]
    lacks = []
    docstring = inspect.getdoc(value) or ""
    if row.kind != "error" and ">>>" not in docstring:
        lacks.append("an example in its docstring")
    if not test_file(row).exists():
        lacks.append(f"a test file {test_file(row).relative_to(ROOT)}")
    if row.kind == "technique" and not (row.source and "Source" in docstring):
        lacks.append("a source, in the row and in the docstring")
    if row.kind in ("technique", "widget") and not row.notebook:
        lacks.append("a notebook")
    if row.notebook and f"cv.{row.name}" not in code_cells(row.notebook):
        lacks.append(f"a cell in {row.notebook}")
    return lacks


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_has_all_it_promises(row: Row) -> None:
    assert missing(row) == [], f"{row.name} lacks {missing(row)}"
    assert row.summary
    assert not row.summary.endswith(".")


def test_a_row_without_foundation_is_seen() -> None:
    assert missing(Row("Ghost", "convviz_widgets.core.unit:Ghost", "technique", "Nothing"))
    lacks = missing(Row("Unit", "convviz_widgets.core.unit:Unit", "technique", "No source"))
    assert "a source, in the row and in the docstring" in lacks


def test_names_are_unique_and_offered() -> None:
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)
    assert set(names) <= set(dir(cv))


def test_a_wrong_name_lists_the_nearest() -> None:
    with pytest.raises(AttributeError, match="Nearest: 'Lens'"):
        _ = cv.Lenz
