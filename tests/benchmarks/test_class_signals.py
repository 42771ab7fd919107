"""The benchmarks of class scores run, and what is compared are the same numbers."""

import re

import pytest

from tests.benchmarks.class_signals import rows


@pytest.mark.filterwarnings("ignore:Setting .*backward hooks")  # captum, where it is installed
@pytest.mark.filterwarnings("ignore:Input Tensor .* required_grads")
def test_every_row_compares_the_same_numbers() -> None:
    found = list(rows(quick=True))
    assert found
    for row in found:
        apart = re.search(r"largest difference (\S+) of the map", row.note)
        assert apart is not None
        assert float(apart[1]) < 1e-5
