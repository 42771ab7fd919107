"""The inversion panel: what each layer still knows of a photo, as a filmstrip of pictures told from its answers."""

import time
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import traitlets

from convviz_widgets.core.errors import BadValue
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.unit import Unit
from convviz_widgets.lens.lens import Lens
from convviz_widgets.widgets import inversion_choice, inversion_view, picking
from convviz_widgets.widgets.am_runs import SHARE_SHOWING, Share
from convviz_widgets.widgets.base import joined
from convviz_widgets.widgets.inversion_choice import Choice
from convviz_widgets.widgets.inversion_run import Run
from convviz_widgets.widgets.inversion_tiles import Tile, Tiles, by_layer
from convviz_widgets.widgets.viewer import SECONDS_FOR_A_STILL, Viewer


class InversionPanel(Viewer):
    """What each layer still knows of a photo: pictures told again from its answers, whole or perturbed.

    Example:
        >>> images = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), dtype=np.uint8)
        >>> panel = InversionPanel(Lens.load("mini"), list(images), layers=["relu1", "relu5"], knobs={"steps": 4})
        >>> panel.wait(60), list(panel.tiles)
        (True, ['relu1', 'relu5'])
        >>> panel.close()

    Args:
        lens: the network.
        images: pictures to choose from: a list, an ``ImageFolder``, a dataset; empty is allowed, as pictures can be
            dropped onto the widget.
        layers: names of the layers of the filmstrip; default: some, spread over the depth.
        decoders: trained decoders, as `train_decoder` gives them; those that ship for a network are there without.
        unit: address of a unit, whose layer is looked at; default: none until one is chosen.
        image: name of the picture to begin with; default: the first.

    Raises:
        UnknownName, BadValue, BadType: a layer, unit, picture, decoder or setting that does not exist.

    Source:
        Mahendran & Vedaldi 2015, "Understanding Deep Image Representations by Inverting Them", section 2; Dosovitskiy &
        Brox 2016, "Inverting Visual Representations with Convolutional Networks".
    """

    _esm = joined(
        *("_kit.js", "_kit_controls.js", "_picker_photos.js", "_inversion_tools.js"),
        *("_inversion_strip.js", "_inversion_focus.js", "_inversion_errors.js", "inversion_panel.js"),
    )
    _css = joined("_kit.css", "_kit_controls.css", "layer_picker.css", "_viewer.css", "inversion_panel.css")

    # Addresses and knobs: written by the user, in Python or by a gesture; the unit is linkable.
    unit = traitlets.Unicode("").tag(sync=True)
    """Address of the unit whose layer is looked at: of a layer chosen here, its strongest; "" before one is."""
    layers = traitlets.List(traitlets.Unicode()).tag(sync=True)
    """The layers of the filmstrip, in the order of the network."""
    recipe = traitlets.Unicode("mahendran").tag(sync=True)
    """How pictures are told: by a descent, "mahendran" or "fourier", or by a trained "decoder", at once."""
    knobs = traitlets.Dict({}).tag(sync=True)
    """Name to value of the knobs that differ from the recipe."""
    perturbation = traitlets.Unicode("").tag(sync=True)
    """What is done to the answers first, such as "binarise" or "dropout:0.5"; "" for nothing."""
    seed = traitlets.Int(0).tag(sync=True)
    """Seed of the noise that the descent starts from, and of what is random in a perturbation."""
    seeds = traitlets.Int(1).tag(sync=True)
    """How many pictures per layer: what differs between them the layer does not determine."""

    # Pictures: written by the worker.
    run: Any = traitlets.Dict({"state": "idle", "number": 0}).tag(sync=True)
    """{"state": idle, running, paused, done, stopped or error, "number"} of the descent."""
    view = traitlets.Dict({}).tag(sync=True)
    """The tiles, their errors by depth and the code; see `inversion_view.view_of`."""

    background = ("run", "file")

    def __init__(
        self, lens: Lens, images: Any, *, layers: Any = None, decoders: Any = None, unit: Any = None, **traits: Any
    ) -> None:
        self._run: Run | None = None
        self._showing = Share(SHARE_SHOWING)
        given = {name: traits.pop(name) for name in inversion_choice.ASKED if name in traits}
        super().__init__(lens, images, **traits)
        self.decoders = by_layer(lens, decoders)
        """The decoders that were handed over, by layer."""
        first = Choice(self.image, inversion_choice.spread_layers(lens))
        if layers is not None:
            first = replace(first, layers=inversion_choice.checked_layers(lens, layers))
        self._choice = first.changed(lens, {**given, "unit": str(unit)} if unit else given)
        self._tiles = Tiles(lens, self.decoders, lambda name: self._pictures.get(name, self.album[name]))
        self.write(**self._choice.traits())
        self._ready = True
        self._look()

    @property
    def tiles(self) -> dict[str, Tile]:
        """What the layers of the filmstrip told, by layer; those under way are missing."""
        choice = self._choice
        return {name: tile for name in choice.layers if (tile := self._tiles.known(choice, name)) is not None}

    def receive(self, message: dict[str, Any], buffers: list[memoryview]) -> None:
        """Answers a gesture, also ``pause``, ``resume``, ``stop``, ``restart``, and ``file``, for a picture to keep."""
        self._asked = max(self._asked, int(message.get("ask", 0)))
        if message["kind"] in ("pause", "resume", "stop", "restart"):
            getattr(self, message["kind"])()
        elif message["kind"] == "file":
            self._file()
        else:
            super().receive(message, buffers)

    def pause(self) -> None:
        """Lets the descent wait after the step under way; other work of the network goes on meanwhile."""
        self._control("pause")

    def resume(self) -> None:
        """Lets a paused descent go on where it was."""
        self._control("resume")

    def stop(self) -> None:
        """Ends the descent after the step under way, or a paused one after its next; its pictures stay."""
        if self._run is not None:
            self._run.halt.set()
            self._control("resume")

    def restart(self) -> None:
        """Tells every picture of the filmstrip anew."""
        self._worker.cancel((id(self), "run"))
        self._run = None
        self._tiles.forget(self._choice)
        self._look()

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until the newest look is answered and the descent has ended; a paused one does not. Says whether."""
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            looking, run = self._looking, self._run
            for job in (looking, None if run is None else run.job):
                if job is not None and not job.wait(None if end is None else max(0.0, end - time.monotonic())):
                    return False
            if looking is self._looking and run is self._run:
                return True

    def still(self) -> npt.NDArray[np.uint8] | None:
        """The picture and what the layers told of it."""
        self.wait(SECONDS_FOR_A_STILL)
        name = self.view.get("image")
        return None if not name else inversion_view.sheet_of(self._pictures.get(name, self.album[name]), self.tiles)

    @traitlets.validate("unit")
    def _check_unit(self, proposal: Any) -> str:
        return str(picking.checked(self.lens, proposal["value"])) if proposal["value"] else ""

    @traitlets.validate("layers", *inversion_choice.ASKED)
    def _check(self, proposal: Any) -> Any:
        if self.writing:
            return proposal["value"]
        name, value = proposal["trait"].name, proposal["value"]
        changed = self._anew(name).changed(self.lens, {name: value})
        return changed.traits()[name]

    @traitlets.observe("unit", "image", "layers", *inversion_choice.ASKED)
    def _set_from_outside(self, change: Any) -> None:
        if self.writing or not self._ready or (change.name == "unit" and not change.new):
            return
        self._choice = self._anew(change.name).changed(self.lens, {change.name: change.new})
        self._look()

    def _anew(self, name: str) -> Choice:
        """The choice before a trait is set: of the knobs all are given then, not those that change."""
        choice = self._choice
        return replace(choice, turned={**choice.turned, choice.recipe: {}}) if name == "knobs" else choice

    def _wish(self, message: dict[str, Any]) -> None:
        self._choice = self._choice.changed(self.lens, message)

    def _look(self) -> None:
        if self._choice.image:
            super()._look()
        else:  # nothing to look at yet: the settings alone are taken over
            self.write(**self._choice.traits(), problem={}, answered=self._asked)

    def _see(self) -> Steps[dict[str, Any]]:
        choice = asked = self._choice
        image = self.album[choice.image]
        photo = self._photo(choice.image)
        if choice.unit.endswith(":"):
            answer = picking.as_maps(self.lens.activations(image, choice.unit[:-1]))
            choice = replace(choice, unit=str(Unit(choice.unit[:-1], int(answer.max((1, 2)).argmax()))))
        yield Step(1, label="photo")
        if choice.kind == "decoder":
            yield from self._tiles.decode(choice, image)
        if self._choice is asked:
            self._choice = choice
        run = self._planned(choice)
        told = run.told if run is not None else {"state": "idle", "number": self.run["number"]}
        view = inversion_view.view_of(choice, self._tiles, told["number"])
        known = {"problem": {}, "names": list(self.album), **choice.traits()}
        return {**known, **photo, "run": told, "view": view}

    def _planned(self, choice: Choice) -> Run | None:
        """The run that a choice needs: the present one where it makes the same, a new one where layers are missing."""
        run = self._run
        if run is not None and run.choice.key == choice.key and (not run.over or not self._tiles.missing(choice)):
            return run
        self._worker.cancel((id(self), "run"))
        self._tiles.underway = None
        number = self.run["number"] + 1
        self._run = Run(choice, number) if choice.kind == "regularized" and self._tiles.missing(choice) else None
        return self._run

    def _seen(self) -> None:
        """Begins the descent of what is missing."""
        run = self._run
        if run is None or run.job is not None:
            if run is not None and run.told != self.run:  # paused or resumed while the look was under way
                self._tell(run)
            return
        missing = self._tiles.missing(run.choice)
        image = self.album[run.choice.image]
        run.job = self._worker.submit(
            lambda: self._tiles.descend(run.choice, image, missing, run.halt),
            key=(id(self), "run"),
            priority=-1,
            on_step=lambda step: self._preview(run, step),
            on_done=lambda _: self._done(run),
            on_error=lambda error: self._failed(run, error),
        )

    def _preview(self, run: Run, step: Step) -> None:
        if run is self._run and (self._showing.due or step.index == 1):
            self._showing.spend(lambda: self._show(run))

    def _done(self, run: Run) -> None:
        run.ending = "stopped" if run.halt.is_set() else "done"
        if run is self._run:
            self._show(run)
            if run.ending == "done" and self._tiles.missing(self._choice):  # layers that were added meanwhile
                self._look()

    def _failed(self, run: Run, error: BaseException) -> None:
        run.ending = "error"
        if run is self._run:
            self._tell(run)
            self.fail(error)

    def _show(self, run: Run) -> None:
        """Sends what there is to see: one message."""
        current = self._worker.current
        left = None if run.ending or current is None else current.progress.seconds_left
        choice = self._choice if self._choice.key == run.choice.key else run.choice
        self._tell(run, view=inversion_view.view_of(choice, self._tiles, run.number, left))

    def _file(self) -> None:
        choice = self._choice
        if not self.tiles:
            raise BadValue("There is no picture to save yet. Wait for the first, or stop the descent to keep it as is.")

        def work() -> Steps[None]:
            yield Step(1, 1)
            original = self._pictures.get(choice.image, self.album[choice.image])
            name, data = inversion_view.file_of(choice, self._tiles, original, self.lens)
            self.send({"kind": "file", "name": name, "type": "image/png"}, [data])

        self._worker.submit(work, key=(id(self), "file"), priority=2, on_error=self.fail)

    def _control(self, what: str) -> None:
        run = self._run
        if run is not None and run.job is not None:
            getattr(run.job, what)()
            self._tell(run)

    def _tell(self, run: Run, **more: Any) -> None:
        """Sends how a run goes: as it is by then, which both the worker and a gesture may change."""
        with self._lock:
            self.write(run=run.told, **more)

    def _network(self) -> dict[str, Any]:
        return {**super()._network(), **inversion_choice.outline()}
