"""The README is true: its two commands, its table of names."""

import re
from pathlib import Path

from convviz_widgets.catalog import ROWS
from convviz_widgets.core import words
from tests.house.headings import HEADING, parted
from tests.picture import THEMES, WIDGETS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def between(start: str, end: str) -> str:
    return README.partition(start)[2].partition(end)[0]


def table() -> str:
    """The table that the README shows, made from the catalog."""
    head = "| name | what it gives | source |\n|---|---|---|\n"
    rows = (f"| `{row.name}` | {row.summary} | {row.source} |\n" for row in ROWS if row.kind != "error")
    return head + "".join(rows)


def chinese_table() -> str:
    """The same in Chinese, made from the table of words."""
    said = words.table()["techniques"]
    rows = (f"| `{row.name}` | {said[row.name]['zh']} |\n" for row in ROWS if row.kind != "error")
    return "| 名称 | 它给出什么 |\n|---|---|\n" + "".join(rows)


def test_every_technique_has_a_chinese_name_and_the_table_shows_them() -> None:
    assert set(words.table()["techniques"]) == {row.name for row in ROWS if row.kind != "error"}
    shown = between("<!-- 中文 catalog -->\n", "<!-- end of 中文 catalog -->")
    assert shown == chinese_table(), "Put this between the two 中文 marks of README.md:\n" + chinese_table()


def test_the_headings_are_in_both_languages() -> None:
    prose = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
    titles = [found[2] for line in prose.splitlines() if (found := HEADING.match(line)) and found[1] == "##"]
    said = {english: entry["zh"] for english, entry in words.table()["readme"].items()}
    assert dict(parted(title, "readme") for title in titles if title != "中文") == said


def test_the_table_is_the_catalogs() -> None:
    shown = between("<!-- catalog -->\n", "<!-- end of catalog -->")
    assert shown == table(), "Put this between the two catalog marks of README.md:\n" + table()


def test_there_are_exactly_two_set_up_commands_and_they_stand_near_the_top() -> None:
    commands = re.findall(r"```sh\n(.*?)\n```", README, flags=re.DOTALL)
    assert len(commands) == 2
    assert all(command.startswith("python3 -m venv .venv && ") and "\n" not in command for command in commands)
    assert README.index(commands[1]) < 2000


def test_the_start_command_opens_a_notebook_that_is_there() -> None:
    command = between("<!-- start command -->", "<!-- test command -->")
    notebook = re.search(r"notebooks/\S+\.ipynb", command)
    assert notebook is not None
    assert (ROOT / notebook[0]).exists()


def test_ci_runs_the_test_command() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "<!-- test command -->" in script


def test_every_picture_of_the_readme_is_made_by_the_command_and_there() -> None:
    shown = set(re.findall(r"notebooks/pictures/([\w-]+\.png)", README))
    made = {f"{name}-{theme}.png" for name in WIDGETS for theme in THEMES}
    assert shown == made == {path.name for path in (ROOT / "notebooks" / "pictures").iterdir()}
