"""The benchmark of occlusion runs and gives ratios; how large these are is never a test."""

from tests.benchmarks.occlusion import rows


def test_every_row_runs_and_prints_a_ratio() -> None:
    found = list(rows(quick=True))
    assert len(found) >= 2  # one more where captum is installed
    for row in found:
        assert all(ratio > 0 for ratio in row.ratios)
        assert "load" in str(row)
