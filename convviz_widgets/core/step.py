"""Long work as an iterator: one `Step` after another, then the result."""

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeVar

Outcome = TypeVar("Outcome")


@dataclass(frozen=True)
class Step:
    """One step of a long piece of work.

    Args:
        index: number of steps done, from 1.
        total: number of steps there will be, or None while that is unknown.
        headline: the one number worth watching, or None.
        label: what the step did, in a few words.
        preview: something to look at meanwhile (an array, most often), or None.
    """

    index: int
    total: int | None = None
    headline: float | None = None
    label: str = ""
    preview: Any = None


Watch = Callable[[Step], None]
Steps = Generator[Step, None, Outcome]


def drain(steps: Steps[Outcome], watch: Watch | None = None) -> Outcome:
    """Runs an iterator of steps to its end and gives what it returns; it is closed also after an exception.

    Example:
        >>> def count():
        ...     yield Step(1, total=1)
        ...     return "done"
        >>> drain(count())
        'done'
    """
    with closing(steps):
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            if watch is not None:
                watch(step)
