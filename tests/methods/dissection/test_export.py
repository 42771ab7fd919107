"""What leaves the package can be read by others, and runs nothing in their programs."""

import csv
import json
from pathlib import Path

import pytest

from convviz_widgets.core.errors import BadValue
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.dissection.dissect import dissect
from convviz_widgets.methods.dissection.export import export_dissection, to_csv, to_html, to_json
from convviz_widgets.methods.dissection.report import Dissection
from tests.methods.dissection.worlds import SIDE, Concept, Planted, Tiles


class Sly(Tiles):
    concepts = (Concept(2, "=1+1", "colour"), Concept(3, "<script>", "colour"), *Tiles.concepts[2:])


@pytest.fixture(scope="module")
def report() -> Dissection:
    return dissect(Lens(Planted(), input_size=SIDE), Sly(), "conv")


def test_a_table_for_spreadsheets(report: Dissection) -> None:
    rows = list(csv.DictReader(to_csv(report).splitlines()))
    assert [row["detector"] for row in rows] == ["1", "1", "1", "0", "0"]
    assert rows[0]["concept"] == "'=1+1"
    assert float(rows[0]["iou"]) == 1.0


def test_json_holds_the_whole_table(report: Dissection) -> None:
    read = json.loads(to_json(report))
    assert read["layers"]["conv"]["iou"][0][0] == 1.0
    assert read["concepts"][1] == {"id": 3, "name": "<script>", "category": "colour"}
    assert read["layers"]["conv"]["unique"]["unit"] == {"colour": 3, "part": 0}


def test_a_page_is_written_card_by_card_and_called_off_leaves_no_file(report: Dissection, tmp_path: Path) -> None:
    file, lens = tmp_path / "report.html", Lens(Planted(), input_size=SIDE)
    work = export_dissection.steps(report, file, lens=lens, dataset=Sly())
    assert [(step.index, step.total, step.label) for step in work] == [
        (unit + 1, 3, f"page, conv:{unit}") for unit in range(3)
    ]
    assert file.exists()
    file.unlink()
    work = export_dissection.steps(report, file, lens=lens, dataset=Sly())
    next(work)
    work.close()
    assert not file.exists()


def test_a_page_that_stands_alone(report: Dissection, tmp_path: Path) -> None:
    lens = Lens(Planted(), input_size=SIDE)
    page = export_dissection(report, tmp_path / "report.html", lens=lens, dataset=Sly()).read_text(encoding="utf-8")
    assert page == to_html(report, lens, Sly())
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert page.count("data:image/jpeg") == 9
    assert "conv:0" in to_html(report)
    assert export_dissection(report, tmp_path / "report.csv").read_text(encoding="utf-8") == to_csv(report)
    assert export_dissection(report, tmp_path / "report.json").read_text(encoding="utf-8") == to_json(report)
    with pytest.raises(BadValue, match=r"\.csv, \.json or \.html"):
        export_dissection(report, tmp_path / "report.txt")
