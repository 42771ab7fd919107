"""The activation maximization panel: a unit, a recipe, its knobs, and the picture that grows under them."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy.typing as npt
import traitlets

from convviz_widgets.core.errors import BadValue
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.unit import Unit
from convviz_widgets.jobs.job import Job
from convviz_widgets.jobs.worker import worker_of
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.activation_maximization.activation_maximization import Maximized
from convviz_widgets.methods.activation_maximization.notation import as_text
from convviz_widgets.methods.activation_maximization.objectives import Objective
from convviz_widgets.widgets import am_menu, am_view, picking
from convviz_widgets.widgets.album import Album
from convviz_widgets.widgets.am_best import BestPhotos
from convviz_widgets.widgets.am_session import BY_HAND, Ask, Session, Shown
from convviz_widgets.widgets.am_targets import read_targets, unit_of, written
from convviz_widgets.widgets.base import Widget, joined

MOST_PINS = 24
SECONDS_FOR_A_STILL = 1.0  # how long showing the widget waits for its first run
SHARE_MEASURING = 0.1  # of a run's time, for telling the activation of its previews
SHARE_SEARCHING = 0.25  # of a run's time, for the search of the best photo


@dataclass(frozen=True)
class Choice:
    """What the person chose."""

    objectives: tuple[Objective, ...]
    recipe: str
    knobs: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0

    def ask(self, *, fresh: bool) -> Ask:
        """The same as a request."""
        return Ask(tuple(map(as_text, self.objectives)), self.recipe, self.knobs, self.seed, fresh)

    @property
    def units(self) -> tuple[Unit | None, ...]:
        """The unit of each objective."""
        return tuple(each.unit for each in self.objectives)


@dataclass(eq=False)
class Run:
    """One request to the worker."""

    choice: Choice
    ask: Ask
    number: int
    halt: threading.Event = field(default_factory=threading.Event)
    job: Job[Maximized | None] | None = None
    ending: str = ""


class ActivationMaximizationPanel(Widget):
    """Explore what a unit likes: choose it and a recipe, turn the knobs, and watch its picture grow.

    Example:
        >>> panel = ActivationMaximizationPanel(Lens.load("mini"), "conv3:5", recipe="olah", steps=2)
        >>> panel.wait(60), panel.result.image.shape
        (True, (96, 96, 3))
        >>> panel.close()

    Args:
        lens: the network.
        unit: address of a unit, several ('conv3:1-9'), or an objective as text, which is begun at once; default: a
            convolution in the middle, which waits for the run button or a linked picker.
        images: pictures to measure against: the best of them for the unit is shown beside the synthesised one.
        recipe: name of the recipe to begin with.
        generator: for the recipes that need one.
        steps: number of steps, instead of the recipe's.

    Raises:
        UnknownName, BadValue: a unit, recipe or number that does not exist.

    Source:
        Yosinski et al. 2015, "Understanding Neural Networks Through Deep Visualization", section 3, made interactive.
    """

    _esm = joined(
        "_kit.js", "_kit_controls.js", "_am_target.js", "_am_knobs.js", "_am_picture.js", "_am_pins.js", "am_panel.js"
    )
    _css = joined("_kit.css", "am_panel.css")

    # What is asked: written by the user, in Python or by a gesture.
    unit = traitlets.Unicode("").tag(sync=True)
    """Address of the (first) unit; linkable."""
    objective = traitlets.Unicode("").tag(sync=True)
    """All that is maximized, as text: the unit, several, or an expression; see `am_targets.read_targets`."""
    recipe = traitlets.Unicode("olah").tag(sync=True)
    """Name of the recipe."""
    knobs = traitlets.Dict({}).tag(sync=True)
    """Name to value of the knobs that differ from the recipe."""
    seed = traitlets.Int(0, min=0).tag(sync=True)
    """Seed of the random generator."""
    from_scratch = traitlets.Bool(default_value=False).tag(sync=True)
    """Whether a turned knob begins anew instead of going on from the present picture."""

    # What does not change: written by the widget.
    network = traitlets.Dict({}).tag(sync=True)
    """Layers, recipes and knobs; see `am_menu.outline`."""

    # How it goes: written by the widget.
    run = traitlets.Dict({"state": "idle"}).tag(sync=True)
    """{"state": idle, running, paused, done, stopped or error, "number": of the request, "answered": of the gesture}."""
    view = traitlets.Dict({}).tag(sync=True)
    """The pictures; see `am_view.view_of`, with the step, the total and the seconds left."""
    best = traitlets.List([]).tag(sync=True)
    """The best photo for each picture; see `BestPhotos.told`."""
    pins = traitlets.List([]).tag(sync=True)
    """Pinned pictures; see `am_view.pin_of`."""

    def __init__(
        self,
        lens: Lens,
        unit: str | Unit | None = None,
        *,
        images: Any = None,
        recipe: str = "olah",
        generator: Any = None,
        steps: int | None = None,
        **traits: Any,
    ) -> None:
        self._worker = worker_of(lens)  # first, as `close` needs it also after an error below
        self.lens = lens
        self.album = Album([] if images is None else images)
        self._generator = generator
        self._best = BestPhotos(lens, self.album)
        self._session = Session(lens, generator, self._beside)
        self._shown: Shown | None = None
        self._result: Maximized | None = None
        self._pinned: dict[int, Shown] = {}
        self._run: Run | None = None
        self._runs = self._answered = self._told_best = self._fails = 0
        self._measured, self._searched = (0.0, 0.0), (0.0, 0.0)  # (moment, seconds it took)
        self._choice: Choice | None = None
        super().__init__(**traits)
        turned = {**self.knobs, **({} if steps is None else {"steps": steps})}
        target = str(unit) if unit is not None else self.objective or self.unit or _middle(lens)
        recipe = am_menu.checked_recipe(recipe)
        knobs = am_menu.checked_knobs(recipe, turned)
        self._choice = Choice(read_targets(lens, target), recipe, knobs, self.seed)
        self.write(network=am_menu.outline(lens), **self._chosen(self._choice))
        if unit is not None:
            self.restart()

    @property
    def result(self) -> Maximized | None:
        """The last result, of a run that ended or was stopped; None before."""
        return self._result

    @property
    def pinned(self) -> tuple[Shown, ...]:
        """The pinned pictures, with what made them."""
        return tuple(self._pinned.values())

    def restart(self) -> None:
        """Begins from scratch."""
        if self._choice is not None:
            self._begin(self._choice, fresh=True)
            self._tell()

    def pause(self) -> None:
        """Lets the run wait after the step under way."""
        if self._run is not None and self._run.job is not None:
            self._run.job.pause()
        self._tell()

    def resume(self) -> None:
        """Lets a paused run go on where it was."""
        if self._run is not None and self._run.job is not None:
            self._run.job.resume()
        self._tell()

    def stop(self) -> None:
        """Ends the run after the step under way; what it has come to stays."""
        if self._run is not None:
            self._run.halt.set()
        self.resume()

    def pin(self) -> int:
        """Keeps the present picture beside the others; gives its number.

        Raises:
            BadValue: there is no picture yet, or too many are pinned.
        """
        if self._shown is None:
            raise BadValue("There is no picture to pin yet. Run the optimisation first.")
        if len(self._pinned) >= MOST_PINS:
            raise BadValue(f"{MOST_PINS} pictures are pinned, which is the most. Unpin one first.")
        number = max(self._pinned, default=0) + 1
        self._pinned[number] = self._shown
        made = am_view.pin_of(number, self._shown, generator=self._generator is not None)
        self.write(pins=[*self.pins, made], run=self._run_told())
        return number

    def unpin(self, number: int) -> None:
        """Lets a pinned picture go."""
        self._pinned.pop(number, None)
        self.write(pins=[each for each in self.pins if each["number"] != number], run=self._run_told())

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until the run has ended; says whether it has. A paused run does not end."""
        job = self._run.job if self._run is not None else None
        return job is None or job.wait(timeout)

    def still(self) -> npt.NDArray[Any] | None:
        """The pictures with what they are; the best photo beside a single one."""
        self.wait(SECONDS_FOR_A_STILL)
        return None if self._shown is None else am_view.still_of(self._shown, self.best)

    def receive(self, message: dict[str, Any], buffers: list[memoryview]) -> None:
        """Answers a gesture: ``choose``, ``restart``, ``pause``, ``resume``, ``stop``, ``pin``, ``unpin``, ``file``."""
        self._answered = int(message.get("ask", self._answered))
        kind = message["kind"]
        if kind == "choose":
            self._choose(message)
        elif kind in ("restart", "pause", "resume", "stop", "pin"):
            getattr(self, kind)()
        elif kind == "unpin":
            self.unpin(int(message["number"]))
        elif kind == "file":
            self._file(str(message.get("format", "")), message.get("number"))
        else:
            raise BadValue(f"The browser asked for {kind!r}, which is not known here.")

    def fail(self, error: BaseException) -> None:
        """Shows an error inside the panel, which stays usable; the gesture counts as answered."""
        with self._lock, self.hold_sync():
            super().fail(error)
            self._fails += 1  # the same error twice is told twice
            self.write(problem={**self.problem, "number": self._fails}, run=self._run_told())

    def close(self) -> None:
        """Ends the work under way and the widget."""
        for kind in ("run", "best", "file"):
            self._worker.cancel((id(self), kind))
        super().close()

    def __repr__(self) -> str:
        return f"ActivationMaximizationPanel({self.lens.name}, {self.objective!r}, recipe={self.recipe!r})"

    @traitlets.validate("unit")
    def _check_unit(self, proposal: Any) -> str:
        return str(picking.checked(self.lens, proposal["value"])) if proposal["value"] else ""

    @traitlets.validate("objective")
    def _check_objective(self, proposal: Any) -> str:
        return written(read_targets(self.lens, proposal["value"])) if proposal["value"] else ""

    @traitlets.validate("recipe")
    def _check_recipe(self, proposal: Any) -> str:
        return am_menu.checked_recipe(proposal["value"])

    @traitlets.validate("knobs")
    def _check_knobs(self, proposal: Any) -> dict[str, float]:
        return am_menu.checked_knobs(self.recipe, proposal["value"])

    @traitlets.observe("unit", "objective", "recipe", "knobs", "seed")
    def _set_from_outside(self, change: Any) -> None:
        if self.writing or self._choice is None:
            return
        choice = self._choice
        if change.name in ("unit", "objective"):
            choice = replace(choice, objectives=read_targets(self.lens, change.new or _middle(self.lens)))
        elif change.name == "recipe":
            choice = replace(choice, recipe=change.new, knobs=_kept(change.new, choice.knobs))
        else:
            choice = replace(choice, **{change.name: change.new})
        self._begin(choice, fresh=change.name != "knobs" or self.from_scratch)

    def _choose(self, message: Mapping[str, Any]) -> None:
        """Takes over what the browser chose, whole or not at all, and runs it."""
        before = self._choice
        assert before is not None  # noqa: S101 -- set in the constructor; for the type checker
        recipe = am_menu.checked_recipe(message.get("recipe", before.recipe))
        turned = {
            **(before.knobs if recipe == before.recipe else _kept(recipe, before.knobs)),
            **message.get("knobs", {}),
        }
        choice = Choice(
            read_targets(self.lens, str(message["objective"])) if "objective" in message else before.objectives,
            recipe,
            am_menu.checked_knobs(recipe, {name: value for name, value in turned.items() if value is not None}),
            max(0, int(message.get("seed", before.seed))),
        )
        scratch = bool(message.get("from_scratch", self.from_scratch))
        with self._lock, self.hold_sync():
            if set(message) & {"objective", "recipe", "knobs", "seed"}:
                self._begin(choice, fresh=scratch or replace(choice, knobs=before.knobs) != before)
            self.write(**self._chosen(choice), from_scratch=scratch, problem={}, run=self._run_told())

    def _chosen(self, choice: Choice) -> dict[str, Any]:
        return {
            "objective": written(choice.objectives),
            "unit": unit_of(choice.objectives) or self.unit,
            "recipe": choice.recipe,
            "knobs": dict(choice.knobs),
            "seed": choice.seed,
        }

    def _begin(self, choice: Choice, *, fresh: bool) -> None:
        """Submits; whatever ran before is called off."""
        self._runs += 1
        run = Run(choice, choice.ask(fresh=fresh), self._runs)
        self._choice, self._run = choice, run
        run.job = self._worker.submit(
            lambda: self._work(run),
            key=(id(self), "run"),
            priority=1,
            on_step=lambda step: self._preview(run, step),
            on_done=lambda result: self._done(run, result),
            on_error=lambda error: self._failed(run, error),
        )
        self._worker.submit(lambda: self._search(run), key=(id(self), "best"), priority=-1, on_error=self.fail)

    def _work(self, run: Run) -> Steps[Maximized | None]:
        with self._lock:  # what was set from Python or by a link shows as well; after a gesture nothing is new
            if run is self._run:
                self.write(**self._chosen(run.choice), problem={}, run=self._run_told())
        return (yield from self._session.run(run.ask, run.halt))

    def _preview(self, run: Run, step: Step) -> None:
        if run is not self._run:
            return
        moment, cost = self._measured
        due = time.monotonic() - moment > cost / SHARE_MEASURING
        began = time.monotonic()
        shown = self._session.shown(run.ask, run.choice.objectives if due else ())
        if due:
            self._measured = (time.monotonic(), time.monotonic() - began)
        if shown is not None:
            self._show(run, shown, step)

    def _done(self, run: Run, result: Maximized | None) -> None:
        if run is not self._run:
            return
        run.ending = "stopped" if result is None else "done"
        ended = self._session.ended(run.ask, result)
        shown = ended or self._session.shown(run.ask, run.choice.objectives, note=BY_HAND)
        if shown is None:
            self._tell()
            return
        self._result = result if result is not None else shown.as_result(self.lens)
        self._show(run, shown, None)

    def _failed(self, run: Run, error: BaseException) -> None:
        run.ending = "error"
        if run is self._run:
            self.fail(error)

    def _show(self, run: Run, shown: Shown, step: Step | None) -> None:
        """Sends what there is to see: one message."""
        running = step is not None
        progress = None if self._worker.current is None else self._worker.current.progress
        view = am_view.view_of(shown, running=running, generator=self._generator is not None)
        view["number"] = run.number
        view["step"], view["total"] = shown.legs[-1][1], None if step is None else step.total
        view["left"] = progress.seconds_left if progress is not None and running else None
        with self._lock:
            if run is not self._run:
                return
            self._shown = shown
            told = {} if self._told_best == run.number else {"best": self._best.told(run.choice.units)}
            self._told_best = run.number
            self.write(view=view, run=self._run_told(), **told)

    def _beside(self) -> None:
        """Between two steps of a run: a batch of the search for the best photo, where its share of time allows."""
        moment, cost = self._searched
        if self._run is None or time.monotonic() - moment < cost / SHARE_SEARCHING:
            return
        began = time.monotonic()
        self._search_once(self._run)
        self._searched = (time.monotonic(), time.monotonic() - began)

    def _search(self, run: Run) -> Steps[None]:
        count = 0
        while self._search_once(run):
            count += 1
            yield Step(count)

    def _search_once(self, run: Run) -> bool:
        """One batch of the search; False when nothing is missing."""
        layer = self._best.missing(run.choice.units)
        if layer and self._best.advance(layer) and run is self._run:
            self.write(best=self._best.told(run.choice.units))
        return bool(layer)

    def _file(self, kind: str, number: int | None) -> None:
        shown = self._shown if number is None else self._pinned.get(int(number))
        if kind not in ("png", "gif", "apng") or shown is None:
            raise BadValue("There is no picture to save yet. Run the optimisation first.")
        generator = self._generator is not None

        def work() -> Steps[None]:
            yield Step(1, 1)
            name, media, data = am_view.file_of(kind, shown, self._session.film, self.lens, generator=generator)
            self.send({"kind": "file", "name": name, "type": media}, [data])

        self._worker.submit(work, key=(id(self), "file"), priority=2, on_error=self.fail)
        self._tell()

    def _run_told(self) -> dict[str, Any]:
        run, state = self._run, "running"
        if run is None:
            state = "idle"
        elif run.ending:
            state = run.ending
        elif run.job is not None and (run.job.paused or run.job.ended):
            state = "paused" if run.job.paused else "idle"
        return {"state": state, "number": 0 if run is None else run.number, "answered": self._answered}

    def _tell(self) -> None:
        with self._lock:
            self.write(run=self._run_told())


def _kept(recipe: str, knobs: Mapping[str, float]) -> dict[str, float]:
    """The knobs that stay turned under another recipe."""
    return am_menu.checked_knobs(recipe, {name: knobs[name] for name in am_menu.KEPT if name in knobs})


def _middle(lens: Lens) -> str:
    """The first channel of a convolution halfway through the network."""
    layers = [layer.name for layer in lens.layers.values() if layer.kind == "convolution"] or list(lens.layers)
    if not layers:
        raise BadValue(f"{lens.name} has no layers to look at: it is a single operation. Wrap it with the rest.")
    return f"{layers[len(layers) // 2]}:0"
