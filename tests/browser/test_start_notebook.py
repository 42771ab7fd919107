"""The start notebook as a person opens it, and what memory it takes."""

import shutil
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.lab import Lab

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "00_start.ipynb"
BINDER_MEMORY = 2_000_000  # kB


def peak(pid: int) -> int:
    """The most memory a process has held, in kB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


def test_the_start_notebook_runs_within_a_binders_memory(lab: Lab) -> None:
    shutil.copy(NOTEBOOK, lab.server.root / NOTEBOOK.name)
    lab.open(NOTEBOOK.name)
    lab.run_all(timeout=400_000)
    pickers = lab.page.locator(".cv-picker")
    expect(pickers).to_have_count(3)
    expect(pickers.first.locator(".cv-patch")).to_have_count(9, timeout=120_000)
    processes = {pid: peak(pid) for pid in [lab.server.process.pid, *lab.server.processes()]}
    assert 0 < sum(processes.values()) < BINDER_MEMORY, processes
