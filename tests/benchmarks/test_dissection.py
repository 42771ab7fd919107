"""The benchmark of dissection runs and gives ratios; how large these are is never a test."""

from tests.benchmarks.dissection import rows


def test_every_row_runs_and_prints_a_ratio() -> None:
    found = list(rows(quick=True))
    assert len(found) == 4
    for row in found:
        assert all(ratio > 0 for ratio in row.ratios)
        assert "load" in str(row)
