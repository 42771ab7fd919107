"""The handbook: a page for each row, no link that leads nowhere, what the docstrings and the knobs say."""

import re
from pathlib import Path

import pytest

from convviz_widgets.catalog import ROWS
from convviz_widgets.core.errors import BadValue
from convviz_widgets.handbook.__main__ import main
from convviz_widgets.handbook.pages import write


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("handbook")
    assert len(write(out)) == len(ROWS) + 2
    return out


def test_every_row_has_a_page_with_its_summary(folder: Path) -> None:
    index = (folder / "index.html").read_text(encoding="utf-8")
    for row in ROWS:
        assert f"<h1>{row.name}</h1>" in (folder / f"{row.name}.html").read_text(encoding="utf-8")
        assert f'href="{row.name}.html"' in index


def test_no_link_leads_nowhere(folder: Path) -> None:
    pages = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.html")}
    links = {(name, link) for name, text in pages.items() for link in re.findall(r'href="([^"#]+)', text)}
    assert len(links) > len(ROWS)
    assert [link for _, link in links if link not in pages] == []


def test_a_techniques_page_tells_knobs_method_and_result(folder: Path) -> None:
    text = (folder / "occlusion.html").read_text(encoding="utf-8")
    for words in (
        "stride=8",
        "1 to 512 px",
        "What it gives: Occlusion",
        "top_class",
        "section 4.2",
        "04_occlusion.ipynb",
    ):
        assert words in text, words


def test_what_an_error_says_is_never_markup(folder: Path) -> None:
    text = (folder / "troubleshooting.html").read_text(encoding="utf-8")
    assert not set(re.findall(r"<(\w+)", text)) & {"b", "i", "img", "script", "iframe", "link", "input"}


def test_the_command_says_where_to_begin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "docs")]) == 0
    assert str(tmp_path / "docs" / "index.html") in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main([])


def test_with_a_repository_every_notebook_has_a_launch_link(tmp_path: Path) -> None:
    write(tmp_path, "owner/name")
    index = (tmp_path / "index.html").read_text(encoding="utf-8")
    for path in (Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"):
        link = f'href="https://mybinder.org/v2/gh/owner/name/HEAD?labpath=notebooks%2F{path.name}"'
        assert link in index, path.name
    assert "labpath=notebooks%2F04_occlusion.ipynb" in (tmp_path / "occlusion.html").read_text(encoding="utf-8")


def test_a_repository_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadValue, match="owner/name"):
        write(tmp_path, "https://example.org/owner")
