"""The figures for one core are made, and the process has its cores back."""

import os

import pytest

from tests.benchmarks.one_core import on_one_core, rows


def test_every_line_is_made() -> None:
    threads = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    found = list(rows(quick=True))
    assert len(found) == 4
    assert all("core" in line and "load" in line for line in found)
    if threads is not None:
        assert os.sched_getaffinity(0) == threads


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system binds no process to a core")
def test_a_process_is_bound_to_one_core_and_let_go() -> None:
    before = os.sched_getaffinity(0)
    with on_one_core():
        assert len(os.sched_getaffinity(0)) == 1
    assert os.sched_getaffinity(0) == before
