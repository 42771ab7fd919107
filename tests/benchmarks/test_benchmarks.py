"""The benchmarks run and give ratios; how large these are is never a test."""

from tests.benchmarks.foundation import rows
from tests.benchmarks.harness import Comparison


def test_every_row_runs_and_prints_a_ratio() -> None:
    found = list(rows(quick=True))
    assert len(found) == 8
    for row in found:
        assert all(ratio > 0 for ratio in row.ratios)
        assert "load" in str(row)


def test_a_ratio_is_how_many_times_faster_ours_is() -> None:
    row = Comparison("row", ours=(1.0, 2.0, 1.0), theirs=(3.0, 4.0, 5.0))
    assert row.ratios == [2.0, 3.0, 5.0]
    assert "x3.00 [2.00..5.00]" in str(row)
