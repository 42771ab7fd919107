"""How to cite: the file that others' tools read, and the README's line, name the version that this is."""

from pathlib import Path

import yaml

import convviz_widgets as cv

ROOT = Path(__file__).resolve().parents[2]


def test_the_citation_names_this_version() -> None:
    told = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert told["version"] == cv.__version__
    assert told["license"] == "BSD-3-Clause"
    assert {"cff-version", "message", "title", "authors"} <= set(told)
    assert f"version {cv.__version__}," in (ROOT / "README.md").read_text(encoding="utf-8")
