"""One exploration: what was asked, leg after leg, the picture it has come to, and the code that makes it again."""

import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.core.provenance import Provenance
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.activation_maximization.activation_maximization import activation_maximization
from convviz_widgets.methods.activation_maximization.objectives import Objective
from convviz_widgets.methods.activation_maximization.recipes import RECIPES
from convviz_widgets.methods.activation_maximization.result import Maximized
from convviz_widgets.render.encode import pixels
from convviz_widgets.render.film import thinned

Pictures = npt.NDArray[np.uint8]
FILM_FRAMES = 64  # kept of a run; beyond, every second one is dropped
BY_HAND = "stopped by hand"


@dataclass(frozen=True)
class Ask:
    """What is to be made.

    Args:
        objectives: as text, one picture each.
        recipe: name of the recipe.
        knobs: those that differ from the recipe.
        seed: of the random generator.
        fresh: whether to begin from the recipe's start instead of the present pictures.
    """

    objectives: tuple[str, ...]
    recipe: str
    knobs: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    fresh: bool = True

    @property
    def objective(self) -> str | list[str]:
        """As the technique takes it."""
        return self.objectives[0] if len(self.objectives) == 1 else list(self.objectives)


@dataclass(frozen=True)
class Shown:
    """Pictures with all that is known of them.

    Args:
        images: (N, H, W, 3).
        legs: what was asked, and how many steps of it were done, one after another; each but the first goes on from the
            pictures before.
        whole: whether the last leg ran to its end.
        activations: (N,) what each unit answers to its picture; NaN where that is not known yet.
        trace: (steps,) mean objective.
        joints: places in the trace where a leg begins.
        note: why the run ended early, or "".
    """

    images: Pictures
    legs: tuple[tuple[Ask, int], ...]
    whole: bool
    activations: npt.NDArray[np.float32]
    trace: npt.NDArray[np.float32]
    joints: tuple[int, ...]
    note: str = ""

    @property
    def ask(self) -> Ask:
        """What was asked last."""
        return self.legs[-1][0]

    def code(self, *, generator: bool = False) -> str:
        """The code that makes the pictures again, for ``import convviz_widgets as cv``."""
        return code_of(self.legs, whole=self.whole, generator=generator)

    def as_result(self, lens: Lens) -> Maximized:
        """The same as a result of the technique, for a run that was stopped; the traces are of the mean objective."""
        return Maximized(
            images=(self.images / np.float32(255)).astype(np.float32),
            activations=self.activations,
            traces=np.repeat(self.trace[:, None], len(self.images), axis=1),
            objectives=self.ask.objectives,
            stopped=self.note,
            provenance=self.provenance(lens),
        )

    def provenance(self, lens: Lens) -> Provenance:
        """What made the pictures."""
        legs = [{**ask.knobs, "steps": steps} for ask, steps in self.legs]
        settings: dict[str, Any] = {"objective": self.ask.objective, "recipe": self.ask.recipe, **legs[-1]}
        if len(legs) > 1:
            settings["legs"] = legs
        return Provenance.of(
            "activation_maximization", fingerprint=lens.fingerprint, seed=self.ask.seed, inputs=("lens",), **settings
        )


def code_of(legs: tuple[tuple[Ask, int], ...], *, whole: bool, generator: bool = False) -> str:
    """The code that makes the last leg's pictures again: one line, or a loop where legs go on from each other.

    Example:
        >>> code_of(((Ask(("conv3:5",), "olah", {"l2": 0.1}), 12),), whole=False)
        "cv.activation_maximization(lens, 'conv3:5', recipe='olah', l2=0.1, steps=12, seed=0)"

    Args:
        legs: what was asked, with the number of steps that were done.
        whole: whether the last leg ran to its end, so that its number of steps need not be said.
        generator: whether a generator of the notebook's own takes part.
    """
    ask = legs[-1][0]
    legs = tuple(leg for leg in legs if leg[1]) or ((ask, 1),)
    turned = [{**each.knobs, "steps": steps} for each, steps in legs]
    if whole:
        turned[-1] = dict(ask.knobs)
    fixed = f"lens, {ask.objective!r}, recipe={ask.recipe!r}"
    rest = f"seed={ask.seed}" + (", generator=generator" if generator else "")
    if len(legs) == 1:
        return f"cv.activation_maximization({', '.join([fixed, *_keywords(turned[0]), rest])})"
    rows = "".join(f"    dict({', '.join(_keywords(each))}),\n" for each in turned)
    return (
        "import numpy as np\n\n"
        f"start = None\nfor knobs in [\n{rows}]:\n"
        f"    result = cv.activation_maximization({fixed}, start=start, {rest}, **knobs)\n"
        "    start = np.rint(result.images * 255).astype(np.uint8)  # each leg goes on from pictures of 8 bits\n"
        "result"
    )


class Session:
    """The pictures of a panel from the first step on; its methods run in the worker's thread.

    Args:
        lens: the network.
        generator: handed to the recipes that need one.
        beside: called between steps, for work that may go on beside the run.
    """

    def __init__(self, lens: Lens, generator: Any = None, beside: Callable[[], object] = lambda: None) -> None:
        self._lens, self._generator, self._beside = lens, generator, beside
        self._legs: list[tuple[Ask, int]] = []
        self._trace: list[float] = []
        self._joints: list[int] = []
        self._present: Pictures | None = None
        self._film: list[Pictures] = []
        self._every = 1
        self._whole = False

    @property
    def present(self) -> Pictures | None:
        """The pictures (N, H, W, 3) after the last step."""
        return self._present

    @property
    def film(self) -> list[Pictures]:
        """Pictures (N, H, W, 3) of the run at even gaps, and the last."""
        if self._present is None or (self._film and np.array_equal(self._film[-1], self._present)):
            return list(self._film)
        return [*self._film, self._present]

    def run(self, ask: Ask, halt: threading.Event) -> Steps[Maximized | None]:
        """The steps of one leg; ``halt`` ends it before the next step, with the result so far.

        Raises:
            ConvvizError: as the technique does.
        """
        start = self._start(ask)
        extra = {} if self._generator is None else {"generator": self._generator}
        work = activation_maximization.steps(
            self._lens, ask.objective, recipe=ask.recipe, seed=ask.seed, start=start, **extra, **_typed(ask.knobs)
        )
        done, total = 0, None
        with closing(work):
            while not halt.is_set() or done == 1:  # the first step's picture is the start itself
                try:
                    step = next(work)
                except StopIteration as end:
                    return self._finish(ask, end.value, total, fresh=start is None and done == 0)
                done, total = step.index, step.total
                if done == 1:
                    self._begin(ask, fresh=start is None)
                self._note(ask, step)
                yield step
                self._beside()
        return None

    def shown(self, ask: Ask, objectives: tuple[Objective, ...] = (), *, note: str = "") -> Shown | None:
        """The present pictures with all that is known of them, or None before the first step.

        Args:
            ask: what they must answer to.
            objectives: those of ``ask``, to measure the answers of their units; none to leave that out.
            note: why the run ended early.
        """
        if self._present is None or not self._legs or self._legs[-1][0] is not ask:
            return None
        unknown = np.full(len(self._present), np.nan, np.float32)
        return Shown(
            images=self._present,
            legs=tuple(self._legs),
            whole=False,
            activations=measure(self._lens, self._present, objectives) if objectives else unknown,
            trace=np.array(self._trace, np.float32),
            joints=tuple(self._joints[1:]),
            note=note,
        )

    def ended(self, ask: Ask, result: Maximized | None) -> Shown | None:
        """The pictures of a leg that ran to its end, or None where it did not."""
        shown = None if result is None else self.shown(ask)
        if shown is None or result is None:
            return None
        return replace(shown, whole=self._whole, activations=result.activations, note=result.stopped)

    def _start(self, ask: Ask) -> Pictures | None:
        """The present pictures where the run goes on from them."""
        if ask.fresh or not self._legs or RECIPES[ask.recipe].parametrization == "code":
            return None
        before = self._legs[-1][0]
        if (before.objectives, before.recipe, before.seed) != (ask.objectives, ask.recipe, ask.seed):
            return None
        return self._present if any(steps for _, steps in self._legs) else None

    def _begin(self, ask: Ask, *, fresh: bool) -> None:
        if fresh:
            self._legs, self._trace, self._joints = [], [], []
            self._film, self._every, self._present = [], 1, None
        elif self._legs[-1][1] == 0:  # called off before it changed anything
            self._legs.pop()
            self._joints.pop()
        self._legs.append((ask, 0))
        self._joints.append(len(self._trace))

    def _note(self, ask: Ask, step: Step) -> None:
        """Takes a step over. Its pictures are those before its change: so many steps lead to them, less one."""
        self._legs[-1] = (ask, step.index - 1)
        if step.headline is not None:
            self._trace.append(step.headline)
        if step.index > 1 or self._present is None:
            self._present = step.preview
        if sum(steps for _, steps in self._legs) % self._every == 0:
            self._film.append(step.preview)
        if len(self._film) > FILM_FRAMES:
            self._film = thinned(self._film, FILM_FRAMES)
            self._every *= 2

    def _finish(self, ask: Ask, result: Maximized, total: int | None, *, fresh: bool) -> Maximized:
        """Takes over what a leg came to; it may have ended early, at its last pictures that were sound."""
        if fresh or not self._legs or self._legs[-1][0] is not ask:
            self._begin(ask, fresh=fresh)
        count = len(result.traces)
        self._whole = count == total
        self._legs[-1] = (ask, count if self._whole else max(0, count - 1))
        self._present = np.stack([pixels(each) for each in result.images])
        return result


def measure(lens: Lens, images: Pictures, objectives: tuple[Objective, ...]) -> npt.NDArray[np.float32]:
    """What each objective's unit answers to its picture, (N,), as `Maximized.activations` has it.

    Args:
        lens: the network.
        images: (N, H, W, 3) uint8.
        objectives: one per picture, resolved.
    """
    batch = torch.from_numpy(np.moveaxis(images, -1, 1).astype(np.float32) / 255)
    if lens.preprocess.channels != 3:
        batch = batch.mean(1, keepdim=True).expand(-1, lens.preprocess.channels, -1, -1)
    layers = {name for each in objectives for name in each.layers}
    found = lens.record(lens.preprocess.normalize(batch), layers)
    values = []
    for place, objective in enumerate(objectives):
        own = {name: found[name][place : place + 1] for name in objective.layers}
        unit = objective.unit
        channel = unit is not None and unit.position is None
        values.append(float(own[unit.layer][0, unit.channel].max() if channel else objective.value(own)[0]))  # type: ignore[union-attr]
    return np.array(values, np.float32)


def _typed(knobs: Mapping[str, float]) -> dict[str, Any]:
    return dict(knobs)


def _keywords(knobs: Mapping[str, float]) -> list[str]:
    return [f"{name}={value!r}" for name, value in knobs.items()]
