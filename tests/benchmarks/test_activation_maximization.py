"""The benchmarks of activation maximization run, without the peer."""

import pytest

from tests.benchmarks import activation_maximization


def test_every_row_runs_and_prints_a_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activation_maximization, "lucents", lambda *_: None)
    found = list(activation_maximization.rows(quick=True))
    assert len(found) == 1
    assert "full forward" in str(found[0])
