"""One running iterator of steps: what it was asked, how far it is, how it ended."""

import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from convviz_widgets.core.errors import BadValue, Cancelled
from convviz_widgets.core.step import Step
from convviz_widgets.jobs.progress import Pace, Progress

Outcome = TypeVar("Outcome")
State = Literal["queued", "running", "done", "cancelled", "error"]

REPORTS_PER_SECOND = 10  # more than an eye follows, few enough that the browser keeps up
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Order(Generic[Outcome]):
    """What a job was asked to do; the arguments are those of `Worker.submit`."""

    steps: Callable[[], Iterator[Step]]
    key: Hashable = None
    priority: int = 0
    on_step: Callable[[Step], object] | None = None
    on_done: Callable[[Outcome], object] | None = None
    on_error: Callable[[BaseException], object] | None = None


@dataclass
class Shared:
    """What a worker shares with its jobs: one lock for all their states, the clock, and which thread does the work."""

    signal: threading.Condition = field(default_factory=threading.Condition)
    clock: Callable[[], float] = time.monotonic
    thread: threading.Thread | None = None


class Job(Generic[Outcome]):
    """One running iterator of steps, made by `Worker.submit`.

    It is queued, then running, and ends as done, cancelled or error. Every method may be called from any thread, also
    from the job's own callbacks (`wait` and `result` excepted: there they would wait for themselves).
    """

    def __init__(self, order: Order[Outcome], shared: Shared) -> None:
        self.key, self.priority = order.key, order.priority
        self._order: Order[Outcome] | None = order
        self._shared = shared
        self._state: State = "queued"
        self._stopping = self._paused = False
        self._ended = threading.Event()
        self._outcome: Any = None
        self._error: BaseException | None = None
        self._steps: Iterator[Step] | None = None
        self._pace = Pace()
        self._progress = Progress()
        self._unreported: Step | None = None
        self._reported = float("-inf")

    @property
    def state(self) -> State:
        """Queued, running, done, cancelled or error; a paused job is still queued or running."""
        return self._state

    @property
    def ended(self) -> bool:
        """Whether it is done, cancelled or in error."""
        return self._state in ("done", "cancelled", "error")

    @property
    def paused(self) -> bool:
        """Whether it waits for `resume`."""
        return self._paused and not self.ended

    @property
    def progress(self) -> Progress:
        """How far it is; newer than what the callbacks were told."""
        return self._progress

    @property
    def error(self) -> BaseException | None:
        """What went wrong in its steps or in ``on_done``, or None."""
        return self._error

    def cancel(self) -> None:
        """Calls the job off: no step begins after the one under way, and no callback but the one under way."""
        with self._shared.signal:
            self._stopping = True
            if self._state == "queued":
                self._end("cancelled")
            self._shared.signal.notify_all()

    def pause(self) -> None:
        """Lets it wait after the step under way; others run meanwhile."""
        self._set_paused(paused=True)

    def resume(self) -> None:
        """Lets a paused job go on where it was."""
        self._set_paused(paused=False)

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until the job has ended and its last callback has returned; says whether that is so.

        Args:
            timeout: seconds to wait at most, or None for as long as it takes.

        Raises:
            BadValue: called by the worker's own thread, which would wait for itself.
        """
        if threading.current_thread() is self._shared.thread and not self._ended.is_set():
            raise BadValue("A callback cannot wait for a job of its own worker. Give the next work as another job.")
        return self._ended.wait(timeout)

    def result(self, timeout: float | None = None) -> Outcome:
        """Waits for the end and gives what the steps returned.

        Raises:
            Cancelled: it was called off.
            TimeoutError: it did not end in time.
            Exception: what its steps or its ``on_done`` raised.
        """
        if not self.wait(timeout):
            raise TimeoutError(f"The job has not ended within {timeout} s; it is {self._state}: {self._progress}.")
        if self._error is not None:
            raise self._error
        if self._state == "cancelled":
            raise Cancelled("The job was called off, or a newer one with the same key took its place.")
        outcome: Outcome = self._outcome
        return outcome

    # From here on: for the worker.

    @property
    def ready(self) -> bool:
        """Whether a step may be done; read under the lock."""
        return not (self.ended or self._paused)

    @property
    def stopping(self) -> bool:
        """Whether it was called off and only needs to be closed; read under the lock."""
        return self._stopping and not self.ended

    def start(self) -> None:
        """Marks it as running; called under the lock."""
        self._state = "running"

    def drop(self) -> None:
        """Ends it without its thread, which is gone (after a fork)."""
        self._ended = threading.Event()
        if not self.ended:
            self._end("cancelled")
        self._ended.set()

    def advance(self) -> None:
        """Does one step, in the worker's thread and without its lock; whatever goes wrong ends only this job."""
        if self._stopping:
            self._finish("cancelled")
            return
        order, clock = self._order, self._shared.clock
        began = clock()
        try:
            if self._steps is None and order is not None:
                self._steps = iter(order.steps())
            step = next(self._steps)  # type: ignore[arg-type]
        except StopIteration as end:
            self._finish("done", outcome=end.value)
        except Cancelled:
            self._finish("cancelled")
        except BaseException as error:  # noqa: BLE001 -- the worker outlives whatever a technique raises
            self._finish("error", error=error)
        else:
            self._progress = self._pace.after(step, clock() - began)
            self._unreported = step
            if clock() - self._reported >= 1 / REPORTS_PER_SECOND:
                self._report()

    def _set_paused(self, *, paused: bool) -> None:
        with self._shared.signal:
            self._paused = paused
            self._shared.signal.notify_all()

    def _report(self) -> None:
        step, order = self._unreported, self._order
        self._unreported = None
        if step is None or order is None or order.on_step is None or self._stopping:
            return
        try:
            order.on_step(step)
        except BaseException:  # noqa: BLE001 -- the worker outlives it
            _log.exception("A callback that watches a job failed; the job goes on.")
        self._reported = self._shared.clock()

    def _finish(self, state: State, *, outcome: Any = None, error: BaseException | None = None) -> None:
        """Closes the steps, settles the state, tells who asked, and lets go of everything."""
        self._close()
        if state == "done":
            self._report()
        with self._shared.signal:
            order = self._order
            stopped = self._stopping  # also when the call came during the last step: nobody wants the outcome any more
            self._settle("cancelled" if stopped else state, outcome=outcome, error=None if stopped else error)
        try:
            if order is not None and not stopped:
                self._tell(order, state)
        finally:
            self._ended.set()

    def _tell(self, order: Order[Outcome], state: State) -> None:
        if state == "done" and order.on_done is not None:
            try:
                order.on_done(self._outcome)
            except BaseException as error:  # noqa: BLE001 -- who waits for the outcome is told below
                self._error = error
        if self._error is None:
            return
        if order.on_error is None:
            _log.error("A job failed and nobody asked to be told.", exc_info=self._error)
            return
        try:
            order.on_error(self._error)
        except BaseException:  # noqa: BLE001 -- the worker outlives it
            _log.exception("The callback for errors failed itself.")

    def _close(self) -> None:
        close = getattr(self._steps, "close", None)
        try:
            if close is not None:
                close()
        except BaseException:  # noqa: BLE001 -- the worker outlives it
            _log.exception("A job failed while it was being closed.")
        self._steps = None

    def _settle(self, state: State, *, outcome: Any = None, error: BaseException | None = None) -> None:
        self._state = state
        self._order = None
        self._outcome = outcome if state == "done" else None
        self._error = error

    def _end(self, state: State) -> None:
        """Ends a job that never began; called under the lock."""
        self._settle(state)
        self._ended.set()
