"""The notebooks' headings stand in the table of words, and in the notebooks in both languages."""

from pathlib import Path

import pytest

from convviz_widgets.core import words
from tests.house.headings import NOTEBOOKS, headings, parted, written

SAID = words.table()["notebooks"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_heading_is_in_both_languages(notebook: Path) -> None:
    found = [parted(title, "notebooks") for title in headings(notebook)]
    assert found
    lacking = [english for english, _ in found if english not in SAID]
    assert lacking == [], "Put these into the section 'notebooks' of words.json."
    wrong = [english for english, chinese in found if chinese != SAID[english]["zh"]]
    assert wrong == [], "Run python -m tests.house.headings; it writes them."


def test_the_table_has_no_heading_that_is_gone() -> None:
    there = {parted(title, "notebooks")[0] for notebook in NOTEBOOKS for title in headings(notebook)}
    assert set(SAID) == there


def test_writing_changes_headings_of_markdown_alone_and_twice_is_once() -> None:
    text = """{
   "cell_type": "markdown",
   "source": [
    "## The panel\\n",
    "A line. # not a heading"
   "cell_type": "code",
   "source": [
    "# The panel"
"""
    once = written(text)
    assert once == text.replace("The panel\\n", f"The panel · {SAID['The panel']['zh']}\\n")
    assert written(once) == once
