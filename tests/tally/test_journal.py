"""Records in a file: nothing whole is lost by a kill, and nothing of other work is taken for ours."""

import json
from pathlib import Path

import pytest

from convviz_widgets.core.errors import BadValue
from convviz_widgets.tally.journal import Journal

ABOUT = {"weights": "ab12", "above": 95.0}


def filled(file: Path | None) -> Journal:
    journal = Journal(file, ABOUT)
    for number in range(3):
        journal.add({"name": f"picture {number}", "overlap": number / 3})
    return journal


def test_what_was_kept_is_there_again(tmp_path: Path) -> None:
    before = filled(tmp_path / "deep" / "journal")
    again = Journal(tmp_path / "deep" / "journal", ABOUT)
    assert again.records == before.records == filled(None).records
    again.add({"name": "picture 3"})
    assert len(Journal(tmp_path / "deep" / "journal", ABOUT).records) == 4


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_line_cut_short_is_dropped_and_written_over(tmp_path: Path, cut: int) -> None:
    file = tmp_path / "journal"
    before = filled(file).records
    file.write_bytes(file.read_bytes()[:-cut])
    resumed = Journal(file, ABOUT)
    assert resumed.records == before[:2]
    resumed.add(before[2])
    assert Journal(file, ABOUT).records == before


def test_killed_within_the_first_line_it_begins_anew(tmp_path: Path) -> None:
    file = tmp_path / "journal"
    for cut in (0, 5):
        file.write_text(json.dumps(ABOUT)[:cut])
        assert filled(file).records == filled(None).records
        assert len(Journal(file, ABOUT).records) == 3
        file.unlink()


def test_other_work_and_other_files_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "journal"
    filled(file)
    with pytest.raises(BadValue, match=r"other work: other \['above'\]"):
        Journal(file, {**ABOUT, "above": 90.0})
    assert len(Journal(file, ABOUT).records) == 3
    for text in ("a letter\nto a friend\n", "a letter"):
        file.write_text(text)
        with pytest.raises(BadValue, match="Delete it"):
            Journal(file, ABOUT)
        assert file.read_text() == text
