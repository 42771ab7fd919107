"""Who may import whom, read from the syntax trees: no forbidden import between rooms, and none in a circle."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "convviz_widgets"
MODULES = sorted(PACKAGE.rglob("*.py"))
MAY_IMPORT = {
    "core": set(),
    "render": {"core"},
    "lens": {"core", "nets"},
    "tally": {"core"},
    "data": {"core"},
    "nets": {"core"},
    "methods": {"core", "render", "lens", "tally", "nets"},
    "jobs": {"core"},
    "widgets": {"core", "render", "lens", "jobs", "methods"},
    "handbook": {"core", "render"},
}
ONE_FILE_MAY = {  # the training commands alone join a network with its data
    ("nets/train.py", "data"),
    ("nets/train_generator.py", "data"),
    ("nets/train_decoder.py", "data"),
    ("methods/controlled_design/__main__.py", "data"),
    ("methods/dissection/train_conditions.py", "data"),
    ("methods/training/train_ablation.py", "data"),
    ("methods/training/train_transfer.py", "data"),
}
NEVER = {
    "core": {"numpy", "torch", "torchvision", "PIL", "plotly", "ipywidgets"},
    "render": {"torch", "torchvision", "ipywidgets"},
    "jobs": {"torch", "torchvision", "ipywidgets", "numpy"},
}
HOOKS_LIVE_IN = {"lens"}


def imports(path: Path) -> Iterator[str]:
    """Every dotted name that a file imports, also inside functions and type-checking blocks."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written from the top"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room(path: Path) -> str:
    inner = path.relative_to(PACKAGE).parts
    return inner[0] if len(inner) > 1 else ""


def family(name: str) -> str:
    parts = name.split(".")
    return parts[2] if parts[1:2] == ["methods"] and len(parts) > 3 else ""


def breaches(path: Path, names: list[str]) -> list[str]:
    here, found = room(path), []
    relative = path.relative_to(PACKAGE).as_posix()
    for name in names:
        parts = name.split(".")
        if parts[0] != "convviz_widgets":
            if parts[0] in NEVER.get(here, ()):
                found.append(f"{relative} imports {name}")
        elif len(parts) > 1 and (PACKAGE / parts[1]).is_dir() and here and parts[1] != here:
            if parts[1] not in MAY_IMPORT[here] and (relative, parts[1]) not in ONE_FILE_MAY:
                found.append(f"{relative} imports {name}: {here} may import {sorted(MAY_IMPORT[here])}")
        elif here == "methods" and family(name) not in ("", family(module_name(path))):
            found.append(f"{relative} imports {name}: another family")
    return found


def cycle(graph: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_file_imports_only_what_its_room_may(path: Path) -> None:
    assert breaches(path, list(imports(path))) == []


def test_no_import_runs_in_a_circle_also_when_lazy() -> None:
    names = {module_name(path): path for path in MODULES}
    graph = {
        name: {each for each in imports(path) if each in names and each != name and not name.startswith(each + ".")}
        for name, path in names.items()
    }
    assert cycle(graph) == []


def test_every_room_is_in_the_plan() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert rooms == set(MAY_IMPORT)


def test_hooks_are_registered_in_the_lens_room_alone() -> None:
    callers = {
        (room(path), path.name)
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr.startswith("register_") and node.attr.endswith("hook")
    }
    assert {place for place, _ in callers} <= HOOKS_LIVE_IN, callers


def test_the_checks_see_a_breach_and_a_circle(tmp_path: Path) -> None:
    assert breaches(PACKAGE / "core" / "unit.py", ["numpy"]) == ["core/unit.py imports numpy"]
    assert breaches(PACKAGE / "lens" / "lens.py", ["convviz_widgets.widgets.base"])
    assert breaches(PACKAGE / "methods" / "deconvnet" / "a.py", ["convviz_widgets.methods.saliency.b"])
    lazy = tmp_path / "lazy.py"
    lazy.write_text("def f():\n    from convviz_widgets.core import unit\n")
    assert "convviz_widgets.core.unit" in list(imports(lazy))
    assert cycle({"a": {"b"}, "b": {"a"}}) != []
