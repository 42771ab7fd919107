"""Prints the ratios: ``python -m tests.benchmarks [quick]``."""

import sys

from tests.benchmarks.foundation import rows

for row in rows(quick="quick" in sys.argv[1:]):
    sys.stdout.write(f"{row}\n")
    sys.stdout.flush()
