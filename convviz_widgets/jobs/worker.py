"""The one thread that works for a network: drains jobs step by step, the most urgent first, of a kind the newest."""

import atexit
import os
import threading
import time
import weakref
from collections.abc import Callable, Hashable, Iterator
from typing import Any, TypeVar

from convviz_widgets.core.errors import BadValue
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.jobs.interrupt import on_interrupt
from convviz_widgets.jobs.job import Job, Order, Shared

Outcome = TypeVar("Outcome")
EXIT_SECONDS = 2.0  # how long the end of the process waits for steps under way

_all: "weakref.WeakSet[Worker]" = weakref.WeakSet()
_by_owner: dict[int, "Worker"] = {}
_owners = threading.Lock()


class Worker:
    """One daemon thread that runs jobs, a step at a time.

    Between two steps it turns to the most urgent job that is not paused, the longest waiting one among equals: a
    background scan gives way to a click within one step. A job that is called off is closed before anything else is
    done. The thread begins with the first job and ends when there has been none for a while.

    Because another job may run between two steps, steps leave the network, and torch's modes, as they found them at
    each ``yield``.

    Example:
        >>> def count():
        ...     for index in range(1, 4):
        ...         yield Step(index, total=3)
        ...     return "done"
        >>> worker = Worker()
        >>> worker.submit(count, key="counting").result()
        'done'
        >>> worker.close()
        True

    Args:
        idle_seconds: the thread ends after so long without a job.
        clock: gives the time in seconds; another one than the computer's is for tests.
    """

    def __init__(self, *, idle_seconds: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._shared = Shared(clock=clock)
        self._idle_seconds = idle_seconds
        self._jobs: list[Job[Any]] = []
        self._current: Job[Any] | None = None
        self._closed = False
        _all.add(self)

    def submit(
        self,
        steps: Callable[[], Steps[Outcome]] | Callable[[], Iterator[Step]],
        *,
        key: Hashable = None,
        priority: int = 0,
        on_step: Callable[[Step], object] | None = None,
        on_done: Callable[[Outcome], object] | None = None,
        on_error: Callable[[BaseException], object] | None = None,
    ) -> Job[Outcome]:
        """Takes a job and returns at once. Older jobs with the same key are called off.

        The callbacks run in the worker's thread, never while its lock is held.

        Args:
            steps: makes the iterator; called in the worker's thread.
            key: jobs with equal keys answer the same question, so that only the newest matters; None equals no other.
            priority: the greater runs first.
            on_step: is given steps, 10 a second at most, the last one before the end always. Its failure is logged.
            on_done: is given what the iterator returned.
            on_error: is given what the iterator, or ``on_done``, raised.

        Raises:
            BadValue: the worker is closed.
        """
        on_interrupt(_cancel_everything)
        job: Job[Outcome] = Job(Order(steps, key, priority, on_step, on_done, on_error), self._shared)
        with self._shared.signal:
            if self._closed:
                raise BadValue("This worker is closed and takes no more jobs. `worker_of(lens)` gives one that works.")
            if key is not None:
                self.cancel(key)
            self._jobs = [each for each in self._jobs if not each.ended]
            self._jobs.append(job)
            if self._shared.thread is None:
                self._shared.thread = threading.Thread(target=self._work, name="convviz-worker", daemon=True)
                self._shared.thread.start()
            self._shared.signal.notify_all()
        return job

    @property
    def jobs(self) -> tuple[Job[Any], ...]:
        """The jobs that have not ended, in the order they came."""
        with self._shared.signal:
            return tuple(job for job in self._jobs if not job.ended)

    @property
    def current(self) -> Job[Any] | None:
        """The job whose step or callback is under way: in a callback, the job it belongs to."""
        return self._current

    @property
    def closed(self) -> bool:
        """Whether it takes no more jobs."""
        return self._closed

    def cancel(self, key: Hashable) -> None:
        """Calls off the jobs with this key."""
        with self._shared.signal:
            for job in self._jobs:
                if job.key == key:
                    job.cancel()

    def cancel_all(self) -> None:
        """Calls off every job."""
        with self._shared.signal:
            for job in self._jobs:
                job.cancel()

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until every job has ended, also those submitted meanwhile; says whether that is so."""
        end = None if timeout is None else time.monotonic() + timeout
        while jobs := self.jobs:
            if not jobs[0].wait(None if end is None else end - time.monotonic()):
                return False
        return True

    def close(self, timeout: float | None = 5.0) -> bool:
        """Calls off every job and ends the thread; says whether it has ended within the timeout, in seconds."""
        with self._shared.signal:
            self._closed = True
            self.cancel_all()
            self._shared.signal.notify_all()
            thread = self._shared.thread
        if thread is None or thread is threading.current_thread():
            return thread is None
        thread.join(timeout)
        return not thread.is_alive()

    def _work(self) -> None:
        while self._step():  # no job stays in a variable of this frame, else its result would live on while idle
            pass

    def _step(self) -> bool:
        """Advances the most urgent job; False when the thread is to end."""
        with self._shared.signal:
            job = self._next()
            self._current = job
            if job is None:
                self._shared.thread = None
                return False
            job.start()
        try:
            job.advance()
        finally:
            self._current = None
        return True

    def _next(self) -> Job[Any] | None:
        """Waits for the most urgent job, under the lock; None after a while without any."""
        while True:
            self._jobs = [job for job in self._jobs if not job.ended]
            stopping = [job for job in self._jobs if job.stopping]
            ready = stopping or [job for job in self._jobs if job.ready]
            if ready:
                return max(ready, key=lambda job: job.priority)  # the first of equals
            # A paused job keeps the thread: its iterator goes on where it was made.
            patience = None if self._jobs else self._idle_seconds
            if self._closed or (not self._shared.signal.wait(patience) and not self._jobs):
                return None

    def _after_fork(self) -> None:
        """In a child process: the thread is gone, and the lock may be held by nobody."""
        self._shared.signal = threading.Condition()
        self._shared.thread = self._current = None
        for job in self._jobs:
            job.drop()
        self._jobs = []


def worker_of(owner: object) -> Worker:
    """The one worker of an object, a `Lens` most often; it is forgotten with the object, and its thread ends when idle.

    Raises:
        TypeError: the object cannot be referred to weakly (a number, for example).
    """
    with _owners:
        worker = _by_owner.get(id(owner))
        if worker is None or worker.closed:
            worker = Worker()
            if id(owner) not in _by_owner:
                # Takes no lock: the collector may run it anywhere. An object's number is free only after it ran.
                weakref.finalize(owner, _by_owner.pop, id(owner), None).atexit = False
            _by_owner[id(owner)] = worker
        return worker


def _cancel_everything() -> None:
    for worker in list(_all):
        worker.cancel_all()


def _after_fork() -> None:
    global _owners  # noqa: PLW0603 -- the lock may have been held by a thread that the child does not have
    _owners = threading.Lock()
    for worker in list(_all):
        worker._after_fork()


def _at_exit() -> None:
    """Stops between steps what still runs; a thread in the midst of a step is left to end with the process."""
    workers = list(_all)
    for worker in workers:
        worker.close(timeout=0)
    end = time.monotonic() + EXIT_SECONDS
    for worker in workers:
        worker.close(timeout=max(0.0, end - time.monotonic()))


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
