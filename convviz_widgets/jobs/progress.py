"""How far a job is, and how long it will still take."""

from dataclasses import dataclass

from convviz_widgets.core.step import Step


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Args:
        index: number of steps done.
        total: number of steps there will be, or None while that is unknown.
        seconds_left: estimate of the working time that is left, or None while there is nothing to estimate from. Time
            in which the job waited, for another one or because it was paused, does not count.
    """

    index: int = 0
    total: int | None = None
    seconds_left: float | None = None

    @property
    def fraction(self) -> float | None:
        """Share of the work done, 0 to 1, or None while the total is unknown."""
        return None if not self.total else min(1.0, max(0.0, self.index / self.total))


class Pace:
    """Estimates the time left from the working time of the steps so far.

    The first step is left out of the estimate: it also pays for what is done once, and in a resumed job its index is
    not the number of steps done now.
    """

    def __init__(self) -> None:
        self._first: int | None = None
        self._seconds = 0.0

    def after(self, step: Step, seconds: float) -> Progress:
        """The progress after a step that took so many seconds of work."""
        if self._first is None:
            self._first = step.index
        else:
            self._seconds += seconds
        done = step.index - self._first
        left = None
        if step.total is not None and done > 0:
            left = max(0, step.total - step.index) * self._seconds / done
        return Progress(step.index, step.total, left)
