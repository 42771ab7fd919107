"""The activation maximization panel: a unit, a recipe, its knobs, and the picture that grows under them."""

from typing import Any

import numpy.typing as npt
import traitlets

from convviz_widgets.core.errors import BadValue
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.unit import Unit
from convviz_widgets.jobs.progress import Progress
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.activation_maximization.result import Maximized
from convviz_widgets.widgets import am_menu, am_view, picking
from convviz_widgets.widgets.album import Album
from convviz_widgets.widgets.am_choice import ASKED, Choice, first_choice
from convviz_widgets.widgets.am_runs import Listener, Run, Runs
from convviz_widgets.widgets.am_session import Shown
from convviz_widgets.widgets.am_targets import read_targets, written
from convviz_widgets.widgets.base import Widget, joined

MOST_PINS = 24
SECONDS_FOR_A_STILL = 1.0  # how long showing the widget waits for its first run


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
    _css = joined("_kit.css", "_kit_controls.css", "_am_pins.css", "am_panel.css")

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
    """{"state": as of `Run`, or idle, "number": of the request, "answered": number of the gesture}."""
    view = traitlets.Dict({}).tag(sync=True)
    """The pictures; see `am_view.view_of`."""
    best: Any = traitlets.List([]).tag(sync=True)
    """The best photo for each picture; see `BestPhotos.told`."""
    pins: Any = traitlets.List([]).tag(sync=True)
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
        self._runs: Runs | None = None  # first, as `close` asks for it also after an error below
        self._choice: Choice | None = None
        self.lens = lens
        self.album = Album([] if images is None else images)
        self._own_generator = generator is not None
        self._shown: Shown | None = None
        self._pinned: dict[int, Shown] = {}
        self._answered = self._fails = self._told_best = 0
        turned = {**traits.pop("knobs", {}), **({} if steps is None else {"steps": steps})}
        super().__init__(**traits)
        target = str(unit) if unit is not None else self.objective or self.unit
        choice = first_choice(lens, target, recipe, turned, self.seed)
        self._runs = Runs(lens, self.album, generator, Listener(self._began, self._show, self._found, self.fail))
        self.write(network=am_menu.outline(lens), **choice.traits(self.unit))
        self._choice = choice
        if target:
            self.restart()

    @property
    def result(self) -> Maximized | None:
        """The last result, of a run that ended or was stopped; None before."""
        return None if self._runs is None else self._runs.result

    @property
    def pinned(self) -> tuple[Shown, ...]:
        """The pinned pictures, with what made them."""
        return tuple(self._pinned.values())

    def restart(self) -> None:
        """Begins from scratch."""
        if self._runs is not None and self._choice is not None:
            self._runs.begin(self._choice, fresh=True)
            self._tell()

    def pause(self) -> None:
        """Lets the run wait after the step under way."""
        self._control("pause")

    def resume(self) -> None:
        """Lets a paused run go on where it was; after the end of one, as many steps again from its pictures."""
        self._control("resume")

    def stop(self) -> None:
        """Ends the run after the step under way; what it has come to stays."""
        self._control("stop")

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
        made = am_view.pin_of(number, self._shown, generator=self._own_generator)
        self.write(pins=[*self.pins, made], run=self._run_told())
        return number

    def unpin(self, number: int) -> None:
        """Lets a pinned picture go."""
        self._pinned.pop(number, None)
        self.write(pins=[each for each in self.pins if each["number"] != number], run=self._run_told())

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until the run has ended; says whether it has. A paused run does not end."""
        return self._runs is None or self._runs.wait(timeout)

    def still(self) -> npt.NDArray[Any] | None:
        """The pictures with what they are; the best photo beside a single one."""
        self.wait(SECONDS_FOR_A_STILL)
        return None if self._shown is None else am_view.still_of(self._shown, self.best)

    def receive(self, message: dict[str, Any], buffers: list[memoryview]) -> None:  # noqa: ARG002
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
        if self._runs is not None:
            self._runs.close()
            self._runs.worker.cancel((id(self), "file"))
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
        if self.writing or self._choice is None or self._runs is None:
            return
        name = "objective" if change.name == "unit" else change.name
        before = self._choice
        if name == "knobs":  # from Python all of them are given, not those that change
            before = Choice(before.objectives, before.recipe, {}, before.seed)
        self._choice = before.changed(self.lens, {name: change.new})
        self._runs.begin(self._choice, fresh=name != "knobs" or self.from_scratch)

    def _choose(self, message: dict[str, Any]) -> None:
        """Takes over what the browser chose, whole or not at all, and runs it."""
        before, runs = self._choice, self._runs
        if before is None or runs is None:
            return
        choice = before.changed(self.lens, message)
        scratch = bool(message.get("from_scratch", self.from_scratch))
        self._choice = choice
        with self._lock:
            if set(message) & set(ASKED):
                runs.begin(choice, fresh=scratch or not choice.differs_in_knobs_alone(before))
            self.write(**choice.traits(self.unit), from_scratch=scratch, problem={}, run=self._run_told())

    def _control(self, what: str) -> None:
        if self._runs is not None:
            getattr(self._runs, what)()
            self._tell()

    def _began(self, run: Run) -> None:
        """Shows what was set from Python or by a link; after a gesture all of it is known."""
        with self._lock:
            if self._is_current(run):
                self.write(**run.choice.traits(self.unit), problem={}, run=self._run_told())

    def _show(self, run: Run, shown: Shown | None, progress: Progress | None) -> None:
        """Sends what there is to see: one message."""
        if shown is None:
            self._tell()
            return
        view = am_view.view_of(shown, run.number, progress, generator=self._own_generator)
        with self._lock:
            if not self._is_current(run) or self._runs is None:
                return
            self._shown = shown
            told = {} if self._told_best == run.number else {"best": self._runs.best.told(run.choice.units)}
            self._told_best = run.number
            self.write(view=view, run=self._run_told(), **told)

    def _found(self, run: Run) -> None:
        if self._runs is not None:
            self.write(best=self._runs.best.told(run.choice.units))

    def _file(self, kind: str, number: int | None) -> None:
        shown = self._shown if number is None else self._pinned.get(int(number))
        runs = self._runs
        if kind not in ("png", "gif", "apng") or shown is None or runs is None:
            raise BadValue("There is no picture to save yet. Run the optimisation first.")

        def work() -> Steps[None]:
            yield Step(1, 1)
            name, media, data = am_view.file_of(
                kind, shown, runs.session.film, self.lens, generator=self._own_generator
            )
            self.send({"kind": "file", "name": name, "type": media}, [data])

        runs.worker.submit(work, key=(id(self), "file"), priority=2, on_error=self.fail)
        self._tell()

    def _is_current(self, run: Run) -> bool:
        return self._runs is not None and run is self._runs.current

    def _run_told(self) -> dict[str, Any]:
        run = None if self._runs is None else self._runs.current
        state, number = ("idle", 0) if run is None else (run.state, run.number)
        return {"state": state, "number": number, "answered": self._answered}

    def _tell(self) -> None:
        with self._lock:
            self.write(run=self._run_told())
