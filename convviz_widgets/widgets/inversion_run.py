"""One descent of the inversion panel: what was chosen, and how it goes."""

import threading
from dataclasses import dataclass, field
from typing import Any

from convviz_widgets.jobs.job import Job
from convviz_widgets.widgets.inversion_choice import Choice


@dataclass(eq=False)
class Run:
    """A descent of the layers that are missing.

    Args:
        choice: what was chosen.
        number: counts the descents, from 1.
        halt: ends it after the step under way.
        job: its job, once it was handed over.
        ending: done, stopped or error; "" before.
    """

    choice: Choice
    number: int
    halt: threading.Event = field(default_factory=threading.Event)
    job: Job[None] | None = None
    ending: str = ""

    @property
    def over(self) -> bool:
        """Whether it has ended, also by an interrupt of the kernel."""
        return bool(self.ending) or (self.job is not None and self.job.ended)

    @property
    def told(self) -> dict[str, Any]:
        """How it goes, as a trait: {"state", "number"}."""
        waits = self.job is not None and self.job.paused
        under_way = "idle" if self.over else "paused" if waits else "running"
        return {"state": self.ending or under_way, "number": self.number}
