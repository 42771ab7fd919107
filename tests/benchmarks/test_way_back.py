"""The benchmarks of the way back run and give ratios."""

import pytest

from tests.benchmarks.way_back import rows


@pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU activations")  # captum, where it is installed
def test_every_row_runs_and_prints_a_ratio() -> None:
    found = list(rows(quick=True))
    assert len(found) == 4
    assert all(ratio > 0 for row in found for ratio in row.ratios)
