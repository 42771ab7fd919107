"""One run after another in the lens's worker: the newest wins, and what an older one still says is not heard."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from convviz_widgets.core.step import Step, Steps
from convviz_widgets.jobs.job import Job
from convviz_widgets.jobs.progress import Progress
from convviz_widgets.jobs.worker import worker_of
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.activation_maximization.result import Maximized
from convviz_widgets.widgets.album import Album
from convviz_widgets.widgets.am_best import BestPhotos
from convviz_widgets.widgets.am_choice import Choice
from convviz_widgets.widgets.am_session import BY_HAND, Ask, Session, Shown

SHARE_SHOWING = 0.25  # of a run's time, for making its previews; less where they are quickly made
SHARE_MEASURING = 0.1  # of a run's time, for telling the activation of its previews
SHARE_SEARCHING = 0.25  # of a run's time, for the search of the best photo


@dataclass(eq=False)
class Run:
    """One request to the worker.

    Args:
        choice: what the person chose.
        ask: the same as a request.
        number: counts the requests, from 1.
        halt: ends it before its next step.
        job: its job, once it was handed over.
        seen: whether a preview was shown.
        ending: done, stopped or error; "" before.
    """

    choice: Choice
    ask: Ask
    number: int
    halt: threading.Event = field(default_factory=threading.Event)
    job: Job[Maximized | None] | None = None
    seen: bool = False
    ending: str = ""

    @property
    def state(self) -> str:
        """Running, paused, done, stopped, error, or idle when it was called off."""
        if self.ending:
            return self.ending
        if self.job is None or not (self.job.paused or self.job.ended):
            return "running"
        return "paused" if self.job.paused else "idle"


@dataclass(frozen=True)
class Listener:
    """Who is told how a run goes; all but `began` in the midst of the worker's steps.

    Args:
        began: a run begins.
        shows: pictures of it, with how far it is; None at its end.
        found: a best photo was found.
        failed: it failed.
    """

    began: Callable[[Run], object]
    shows: Callable[[Run, Shown | None, Progress | None], object]
    found: Callable[[Run], object]
    failed: Callable[[BaseException], object]


class Share:
    """Keeps work beside a run within a share of its time.

    Args:
        share: 0 to 1.
    """

    def __init__(self, share: float) -> None:
        self._share, self._ended, self._cost = share, 0.0, 0.0

    @property
    def due(self) -> bool:
        """Whether enough time has gone by since the last piece of work."""
        return time.monotonic() - self._ended >= self._cost / self._share

    def spend(self, work: Callable[[], object]) -> None:
        """Does a piece of work and takes its time."""
        began = time.monotonic()
        work()
        self._ended = time.monotonic()
        self._cost = self._ended - began


class Runs:
    """The runs of one panel, one after another.

    Args:
        lens: the network, whose worker does the work.
        album: pictures to measure against.
        generator: for the recipes that need one.
        listener: who is told.
    """

    def __init__(self, lens: Lens, album: Album, generator: object, listener: Listener) -> None:
        self._lens, self._listener = lens, listener
        self.worker = worker_of(lens)
        self.best = BestPhotos(lens, album)
        self.session = Session(lens, generator, self._beside)
        self.current: Run | None = None
        self.result: Maximized | None = None
        self._count = 0
        self._lock = threading.Lock()
        self._showing, self._measuring = Share(SHARE_SHOWING), Share(SHARE_MEASURING)
        self._searching = Share(SHARE_SEARCHING)

    def begin(self, choice: Choice, *, fresh: bool) -> Run:
        """Hands a run over and returns at once; whatever ran before is called off.

        Args:
            choice: what to make.
            fresh: whether to begin from scratch instead of the present pictures.
        """
        with self._lock:  # what is current and what the worker has as the newest must be the same
            self._count += 1
            run = Run(choice, choice.ask(fresh=fresh), self._count)
            self.current = run
            run.job = self.worker.submit(
                lambda: self._work(run),
                key=(id(self), "run"),
                priority=1,
                on_step=lambda step: self._preview(run, step),
                on_done=lambda result: self._done(run, result),
                on_error=lambda error: self._failed(run, error),
            )
        self.worker.submit(lambda: self._search(run), key=(id(self), "best"), priority=-1)
        return run

    def pause(self) -> None:
        """Lets the run wait after the step under way."""
        if self.current is not None and self.current.job is not None:
            self.current.job.pause()

    def resume(self) -> None:
        """Lets a paused run go on; after its end another begins from its pictures."""
        run = self.current
        if run is not None and run.ending:
            self.begin(run.choice, fresh=False)
        elif run is not None and run.job is not None:
            run.job.resume()

    def stop(self) -> None:
        """Ends the run after the step under way; its pictures stay."""
        run = self.current
        if run is not None:
            run.halt.set()
            if run.job is not None:
                run.job.resume()

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until the run has ended; says whether it has."""
        job = None if self.current is None else self.current.job
        return job is None or job.wait(timeout)

    def close(self) -> None:
        """Calls all off."""
        for kind in ("run", "best"):
            self.worker.cancel((id(self), kind))

    def _work(self, run: Run) -> Steps[Maximized | None]:
        self._listener.began(run)
        return (yield from self.session.run(run.ask, run.halt))

    def _preview(self, run: Run, step: Step) -> None:
        if run is not self.current:
            return
        progress = None if self.worker.current is None else self.worker.current.progress
        progress = progress or Progress(step.index, step.total)

        def show(*, measured: bool) -> None:
            shown = self.session.shown(run.ask, run.choice.objectives if measured else ())
            if shown is not None:
                run.seen = True
                self._listener.shows(run, shown, progress)

        if self._measuring.due:
            self._measuring.spend(lambda: show(measured=True))
        elif self._showing.due or not run.seen:
            self._showing.spend(lambda: show(measured=False))

    def _done(self, run: Run, result: Maximized | None) -> None:
        if run is not self.current:
            return
        shown = self.session.ended(run.ask, result) or self.session.shown(run.ask, run.choice.objectives, note=BY_HAND)
        if result is not None:
            self.result = result
        elif shown is not None:
            self.result = shown.as_result(self._lens)
        run.ending = "stopped" if result is None else "done"
        self._listener.shows(run, shown, None)

    def _failed(self, run: Run, error: BaseException) -> None:
        run.ending = "error"
        if run is self.current:
            self._listener.failed(error)

    def _beside(self) -> None:
        """Between two steps of a run: a batch of the search for the best photo, where its share of time allows."""
        run = self.current
        if run is not None and self._searching.due:
            self._searching.spend(lambda: self._search_once(run))

    def _search(self, run: Run) -> Steps[None]:
        count = 0
        while self._search_once(run):
            count += 1
            yield Step(count)

    def _search_once(self, run: Run) -> bool:
        """One batch of the search; False when nothing is missing."""
        layer = self.best.missing(run.choice.units)
        if layer and self.best.advance(layer) and run is self.current:
            self._listener.found(run)
        return bool(layer)
