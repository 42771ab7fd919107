"""The benchmark of a dissection's memory runs in fresh processes and tells their peaks."""

from tests.benchmarks.dissection_memory import rows


def test_every_row_runs_and_prints_a_peak() -> None:
    found = list(rows(quick=True))
    assert [row.count for row in found] == [48, 96]
    for row in found:
        assert 0 < row.before <= row.after
        assert "MiB more than before" in str(row)
