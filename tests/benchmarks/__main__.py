"""Prints the ratios: ``python -m tests.benchmarks [quick] [NAME ...]``, where names are those of the files here."""

import sys
from importlib import import_module

SUITES = (
    "foundation",
    "activation_maximization",
    "way_back",
    "class_signals",
    "occlusion",
    "inversion",
    "dissection",
    "dissection_memory",
    "one_core",
)
wanted = [name for name in SUITES if name in sys.argv[1:]] or SUITES
for name in wanted:
    for row in import_module(f"tests.benchmarks.{name}").rows(quick="quick" in sys.argv[1:]):
        sys.stdout.write(f"{row}\n")
        sys.stdout.flush()
