"""Ratios of interleaved runs: A B A B ..., each pair in one moment of a noisy machine. Nothing here passes or fails."""

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Comparison:
    """Two ways to do the same, timed in turn.

    Args:
        ours, theirs: seconds of each run.
    """

    name: str
    ours: tuple[float, ...]
    theirs: tuple[float, ...]
    note: str = ""

    @property
    def ratios(self) -> list[float]:
        """How many times faster ours is, pair by pair."""
        return sorted(theirs / ours for ours, theirs in zip(self.ours, self.theirs, strict=True))

    def __str__(self) -> str:
        low, high = self.ratios[0], self.ratios[-1]
        times = f"{_readable(statistics.median(self.ours))} against {_readable(statistics.median(self.theirs))}"
        return (
            f"{self.name}: x{statistics.median(self.ratios):.2f} [{low:.2f}..{high:.2f}] "
            f"({times}, n={len(self.ours)}, load {os.getloadavg()[0]:.1f}){' ' if self.note else ''}{self.note}"
        )


def compare(
    name: str,
    ours: Callable[[], object],
    theirs: Callable[[], object],
    *,
    runs: int = 7,
    note: str = "",
    times: float = 1.0,
) -> Comparison:
    """Times both in turn after one warm-up each; where theirs is a part of the work alone, it counts so many times."""
    ours(), theirs()
    pairs = [(_seconds(ours), _seconds(theirs) * times) for _ in range(runs)]
    return Comparison(name, tuple(a for a, _ in pairs), tuple(b for _, b in pairs), note)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _readable(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.2f} ms"
