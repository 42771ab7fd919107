"""Writes the Chinese of the table beside the headings of the notebooks: ``python -m tests.house.headings``."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from convviz_widgets.core import words

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
HEADING = re.compile(r"^(#{1,6}) (.+?)$")
BETWEEN = " · "


def parted(title: str, section: str) -> tuple[str, str]:
    """A heading's English and its Chinese, which is "" where it has none yet."""
    if title in words.table()[section]:
        return title, ""
    english, _, chinese = title.rpartition(BETWEEN)
    return (english, chinese) if english else (chinese, "")


def both(title: str, section: str) -> str:
    """A heading in both languages; one that is not in the table stays as it is."""
    english, _ = parted(title, section)
    entry = words.table()[section].get(english)
    return f"{english}{BETWEEN}{entry['zh']}" if entry else title


def headings(notebook: Path) -> Iterator[str]:
    """The headings in the markdown cells of a notebook."""
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "markdown":
            yield from (found[2] for line in "".join(cell["source"]).splitlines() if (found := HEADING.match(line)))


def written(notebook: str) -> str:
    """A notebook with its headings in both languages; every other byte stays, as lines are changed where they stand."""
    lines, kind = notebook.split("\n"), ""
    for number, line in enumerate(lines):
        if found := re.match(r'\s*"cell_type": "(\w+)"', line):
            kind = found[1]
        found = re.match(r'(\s*)("#{1,6} .*?")(,?)$', line)
        if kind == "markdown" and found:
            text = json.loads(found[2])
            title = HEADING.match(text.rstrip("\n"))
            assert title is not None
            new = f"{title[1]} {both(title[2], 'notebooks')}" + text[len(text.rstrip("\n")) :]
            lines[number] = found[1] + json.dumps(new, ensure_ascii=False) + found[3]
    return "\n".join(lines)


if __name__ == "__main__":
    for path in NOTEBOOKS:
        path.write_text(written(path.read_text(encoding="utf-8")), encoding="utf-8")
