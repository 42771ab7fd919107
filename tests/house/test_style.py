"""Formatting, lint and types, by the settings in pyproject.toml."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHECKS = {
    "format": ["ruff", "format", "--check", "."],
    "lint": ["ruff", "check", "--no-cache", "."],
    "types": ["mypy"],
}


@pytest.mark.parametrize("name", CHECKS)
def test_the_sources_are_clean(name: str, tmp_path: Path) -> None:
    extra = ["--cache-dir", str(tmp_path)] if name == "types" else []
    command = [sys.executable, "-m", *CHECKS[name], *extra]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
