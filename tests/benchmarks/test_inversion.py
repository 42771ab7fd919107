"""The benchmark of inversion runs and gives a ratio."""

from tests.benchmarks.inversion import rows


def test_every_row_runs_and_prints_a_ratio() -> None:
    found = list(rows(quick=True))
    assert len(found) == 1
    assert all(ratio > 0 for ratio in found[0].ratios)
    assert "conv1" in str(found[0])
