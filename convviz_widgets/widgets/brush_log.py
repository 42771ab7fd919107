"""The log of a brush: every mask that a stroke left behind, what it did, and which of them is the present one."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from convviz_widgets.core.errors import BadValue

CLEAN, GIVEN = "clean photo", "from Python"
MOST = 60  # strokes kept
QUICK = 0.5  # seconds; masks from Python that follow each other faster are one entry: a linked brush being painted on


@dataclass(frozen=True)
class Stroke:
    """One entry.

    Args:
        number: grows from entry to entry.
        label: what was done.
        region: H x W bytes, the mask after it; b"" for nothing.
        effect: {"name", "value"}: the class that was followed and its probability; empty where there are no classes,
            None while not answered.
        at: when it was made, in seconds.
    """

    number: int
    label: str
    region: bytes
    effect: dict[str, Any] | None = None
    at: float = 0.0


class StrokeLog:
    """The strokes on one photo; may be used from any thread.

    Example:
        >>> log = StrokeLog()
        >>> log.add("brush 16 px", bytes([255, 0])), log.add("box", bytes([255, 255]))
        (2, 3)
        >>> log.walk(-1), log.present.label
        (True, 'brush 16 px')
        >>> log.add("erase, box", bytes(2)), [each["stroke"] for each in log.told()]
        (4, ['clean photo', 'brush 16 px', 'erase, box'])

    Args:
        clock: gives the time in seconds; another one than the computer's is for tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._numbers = 0
        self.begin()

    @property
    def present(self) -> Stroke:
        """The entry that was gone to last; what comes after it is undone."""
        with self._lock:
            return self._strokes[self._place]

    @property
    def strokes(self) -> list[Stroke]:
        """The entries, the first one first."""
        with self._lock:
            return list(self._strokes)

    def begin(self) -> None:
        """Forgets all: another photo."""
        with self._lock:
            self._numbers += 1
            self._strokes, self._place = [Stroke(self._numbers, CLEAN, b"")], 0

    def add(self, label: str, region: bytes) -> int:
        """Enters a stroke after the present one, in place of what was undone; gives its number."""
        region = b"" if region.count(0) == len(region) else region
        with self._lock:
            now, last = self._clock(), self.present
            kept = self._strokes[: self._place + 1]
            if label == last.label == GIVEN and now - last.at < QUICK:
                kept.pop()
            self._numbers += 1
            made = Stroke(self._numbers, label, region, at=now)
            self._strokes = [*kept, made][-MOST:]
            self._place = len(self._strokes) - 1
            return made.number

    def follow(self, acts: list[dict[str, Any]], masks: list[bytes]) -> bytes:
        """Does what was done in a view, in order; gives the mask it ends with.

        Args:
            acts: {"end": label} for a stroke, of which the next of ``masks`` is left; {"walk": steps}; {"go": number}.
            masks: one for each stroke that ended; a last one for a stroke that is still being painted.
        """
        left = iter(masks)
        with self._lock:
            for act in acts:
                if "end" in act:
                    self.add(str(act["end"])[:80], next(left))
                elif "walk" in act:
                    self.walk(int(act["walk"]))
                else:
                    self.go(int(act["go"]))
            return next(left, self.present.region)

    def walk(self, by: int) -> bool:
        """Goes back (-1) or on (1) by so many entries; says whether there are as many."""
        with self._lock:
            there = 0 <= self._place + by < len(self._strokes)
            self._place += by if there else 0
            return there

    def go(self, number: int) -> None:
        """Goes to an entry.

        Raises:
            BadValue: it has left the log.
        """
        with self._lock:
            places = [place for place, each in enumerate(self._strokes) if each.number == number]
            if not places:
                numbers = [each.number for each in self._strokes]
                raise BadValue(f"Stroke {number} is not in the log. Accepted: {numbers[0]} to {numbers[-1]}.")
            self._place = places[0]

    def tell(self, number: int, effect: dict[str, Any]) -> None:
        """Enters what a stroke did; one that has left the log is passed over."""
        with self._lock:
            self._strokes = [replace(each, effect=effect) if each.number == number else each for each in self._strokes]

    def told(self) -> list[dict[str, Any]]:
        """The entries for the browser and for people, the first one first: {"number", "stroke", "effect"}."""
        with self._lock:
            return [
                {"number": each.number, "stroke": each.label, "effect": each.effect or {}} for each in self._strokes
            ]
