"""Runs every test: ``python -m tests``. Arguments are handed on to pytest, in place of the whole.

A browser is obtained first where there is none, so that the browser tests always run. The whole runs file by file on
up to four cores, with one thread of torch's each.
"""

import os
import subprocess
import sys
from pathlib import Path

from tests.chromium import obtain

ROOT = Path(__file__).resolve().parent.parent
PYTEST = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
ABREAST = ["-n", str(min(4, os.cpu_count() or 1)), "--dist", "loadfile"]
NOTEBOOKS = [*PYTEST, *ABREAST, "--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=300", "notebooks"]


def main(arguments: list[str]) -> int:
    """Runs unit and browser tests, then every notebook; gives 0 if all passed."""
    obtain()
    runs = [[*PYTEST, *arguments]] if arguments else [[*PYTEST, *ABREAST, "tests"], NOTEBOOKS]
    environment = {"OMP_NUM_THREADS": "1", **os.environ}
    return max(abs(subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode) for command in runs)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
