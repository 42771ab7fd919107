"""The invariance viewer: a photo that turns under a slider, and how far the network's answers move with it."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import traitlets

from convviz_widgets.core.errors import BadValue
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.unit import Unit
from convviz_widgets.jobs.job import Job
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.single import one_picture
from convviz_widgets.methods.invariance.features import moved_answers
from convviz_widgets.methods.invariance.resampling import STAYS, UNITS, Course
from convviz_widgets.render import grid
from convviz_widgets.render.encode import jpeg, png
from convviz_widgets.widgets.base import joined
from convviz_widgets.widgets.invariance_choice import Choice, checked_layers
from convviz_widgets.widgets.viewer import SECONDS_FOR_A_STILL, Viewer, enlarged, told

AT_ONCE = 7  # amounts in a step: the curves grow while the next ones are computed
KEPT = 32  # sets of curves held ready
SMALL = 128  # pixels: smaller photos travel without loss
SHOWN = 5  # photos in a still
ASKED = ("transform", "direction", "fill")


class InvarianceViewer(Viewer):
    """A photo shifted, turned or scaled under a slider, with how far each layer's answer moves and what the class does.

    The browser holds every position of the slider, so that moving it asks nothing of the kernel.

    Example:
        >>> images = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), dtype=np.uint8)
        >>> viewer = InvarianceViewer(Lens.load("mini"), list(images), transform="scale")
        >>> viewer.wait(60), viewer.curves["layers"], viewer.curves["done"]
        (True, ['relu1', 'relu7'], True)
        >>> viewer.close()

    Args:
        lens: the network.
        images: pictures to choose from: a list, an ``ImageFolder``, a dataset; empty is allowed, as pictures can be
            dropped onto the widget.
        layers: names of the layers whose answers are followed; default: a low and a high one.
        target: the class that is followed, by index or name; None for the most probable one of each picture.
        unit: address of a unit, whose layer is followed too; of a class score, that class.
        image: name of the picture to begin with; default: the first.

    Raises:
        UnknownName, BadValue, BadType: a layer, class, unit, picture or transform that is not there.

    Source:
        Zeiler & Fergus 2013, "Visualizing and Understanding Convolutional Networks", section 4 and figure 5.
    """

    _esm = joined(
        *("_kit.js", "_kit_controls.js", "_picker_photos.js", "_invariance_chart.js", "_invariance_tools.js"),
        *("_invariance_photo.js", "_invariance_curves.js", "invariance_viewer.js"),
    )
    _css = joined("_kit.css", "_kit_controls.css", "layer_picker.css", "_viewer.css", "invariance_viewer.css")

    # Addresses and knobs: written by the user, in Python or by a gesture; the unit is linkable.
    unit = traitlets.Unicode("").tag(sync=True)
    """Address of the unit that was chosen last, whose layer is followed too; of a class score, the class. "" before."""
    layers = traitlets.List(traitlets.Unicode()).tag(sync=True)
    """The layers whose answers are followed."""
    target = traitlets.Any(None, allow_none=True).tag(sync=True)
    """Index of the class that is followed, or None for the most probable one of each picture; names are taken too."""
    transform = traitlets.Unicode("rotate").tag(sync=True)
    """What is done to the photo: "translate", "rotate" or "scale"."""
    direction = traitlets.Unicode("vertical").tag(sync=True)
    """Of a translation: "vertical" or "horizontal"."""
    fill = traitlets.Unicode("grey").tag(sync=True)
    """What shows where the photo does not reach: "grey", "mean", "blur", "noise" or "edge"."""
    amount = traitlets.Float(0.0).tag(sync=True)
    """Where the slider stands: pixels, degrees counterclockwise, or a factor. The slider tells it when it is let go."""
    taken = traitlets.Int(0).tag(sync=True)
    """Number of the newest place of the slider that was taken over, as the browser counts. Written by the widget."""

    # Pictures and curves: written by the worker.
    view = traitlets.Dict({}).tag(sync=True)
    """{"path", "unit", "stays", "amounts" (float32), "size", "frames" (JPEG or PNG, one per amount), "type"}."""
    curves = traitlets.Dict({}).tag(sync=True)
    """{"path", "layers", "distance" (layers x amounts), "norm" (layers), "chances" (amounts x classes), "done"}: the
    bytes of float32, NaN where it is not known yet; no chances where the network gives no class scores."""

    background = ("curves",)

    def __init__(
        self,
        lens: Lens,
        images: Any,
        *,
        layers: Any = None,
        target: int | str | None = None,
        unit: str | Unit | None = None,
        **traits: Any,
    ) -> None:
        self._following: Job[dict[str, Any]] | None = None
        self._followed: Any = None  # what the curves under way are of
        self._placed = ""  # the transform that the amount is meant for
        self._kept: dict[Any, dict[str, Any]] = {}
        given: dict[str, Any] = {name: traits.pop(name) for name in ASKED if name in traits}
        amount = traits.pop("amount", None)
        super().__init__(lens, images, **traits)
        first = Choice(self.image, checked_layers(lens, layers))
        self._choice = first.changed(lens, self._scores, {**given, "target": target, "unit": str(unit or "")})
        self.write(**self._choice.traits(), amount=STAYS[self._choice.transform])  # type: ignore[index]
        self._ready = True
        if amount is not None:
            self.amount = amount
        self._look()

    def receive(self, message: dict[str, Any], buffers: list[memoryview]) -> None:
        """Answers a gesture, also ``amount``, which tells where the slider was let go."""
        if message["kind"] == "amount":
            with self.hold_sync():  # one message, or the browser would take the amount for one set in Python
                self.taken = int(message.get("number", 0))
                self.amount = float(message["amount"])
        else:
            super().receive(message, buffers)

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until the newest look is answered and its curves are whole; says whether that is so."""
        if not super().wait(timeout):
            return False
        following = self._following
        return following is None or following.wait(timeout)

    def still(self) -> npt.NDArray[np.uint8] | None:
        """The photo at some positions of the slider, with what the class and the layers do there."""
        self.wait(SECONDS_FOR_A_STILL)
        if not self.view or not self._choice.image:
            return None
        course, prepared = self._opened(self._choice)
        some = sorted({course.still, *np.linspace(0, len(course.amounts) - 1, SHOWN).round().astype(int).tolist()})
        frames = [self.lens.preprocess.picture(each) for each in course.frames(self.lens, prepared, some)]
        captions = [f"{course.amounts[place]:g} {UNITS[course.transform]}{self._summary(place)}" for place in some]
        return grid.montage([enlarged(each) for each in frames], columns=len(frames), captions=captions)

    @traitlets.validate("unit", "layers", "target", "transform", "direction", "fill")
    def _check(self, proposal: Any) -> Any:
        name = proposal["trait"].name
        if self.writing or not self._ready or (name == "unit" and not proposal["value"]):
            return proposal["value"]
        return self._choice.changed(self.lens, self._scores, {name: proposal["value"]}).traits()[name]

    @traitlets.validate("amount")
    def _check_amount(self, proposal: Any) -> float:
        if not self.writing and self._ready and self._choice.image:
            amounts = self._choice.course(self._size(self._choice.image)).amounts
            if not amounts[0] <= proposal["value"] <= amounts[-1]:
                unit = UNITS[self._choice.transform]  # type: ignore[index]
                raise BadValue(
                    f"amount={proposal['value']:g} is out of range. Accepted for {self._choice.transform!r}: "
                    f"{amounts[0]:g} to {amounts[-1]:g} {unit}."
                )
        if not self.writing:
            self._placed = self._choice.transform if self._ready else ""
        return float(proposal["value"])

    @traitlets.observe("unit", "image", "layers", "target", "transform", "direction", "fill")
    def _set_from_outside(self, change: Any) -> None:
        if self.writing or not self._ready:
            return
        if change.name == "unit" and not change.new:
            self._choice = replace(self._choice, unit="")
        self._wish({change.name: change.new})
        self._look()

    def _wish(self, message: dict[str, Any]) -> None:
        self._choice = self._choice.changed(self.lens, self._scores, message)

    def _look(self) -> None:
        if self._choice.image:
            super()._look()
        else:  # nothing to look at yet: the settings alone are taken over
            amount = STAYS[self._choice.transform]  # type: ignore[index]
            self.write(**self._choice.traits(), amount=amount, problem={}, answered=self._asked)

    def _see(self) -> Steps[dict[str, Any]]:
        choice = self._choice
        photo = self._photo(choice.image)
        yield Step(1, label="photo")
        changed: dict[str, Any] = {"problem": {}, "names": list(self.album), **choice.traits(), **photo}
        if self.view.get("path") == list(choice.path):
            return changed
        course, prepared = self._opened(choice)
        frames: list[bytes] = []
        lossless = max(prepared.shape[-2:]) <= SMALL
        every = list(range(len(course.amounts)))
        for start in range(0, len(every), AT_ONCE):
            for each in course.frames(self.lens, prepared, every[start : start + AT_ONCE]):
                picture = self.lens.preprocess.picture(each)
                frames.append(png(picture) if lossless else jpeg(picture, quality=88))
            yield Step(len(frames), len(every), label="moving the photo")
        view = {
            "path": list(choice.path),
            "unit": UNITS[course.transform],
            "stays": STAYS[course.transform],
            "amounts": np.array(course.amounts, "<f4").tobytes(),
            "size": list(prepared.shape[-2:]),
            "frames": frames,
            "type": "image/png" if lossless else "image/jpeg",
        }
        if self._placed != choice.transform:
            changed["amount"], self._placed = STAYS[course.transform], choice.transform
        return {**changed, "view": view}

    def _seen(self) -> None:
        """Begins the curves of the present choice; those under way for another one are called off."""
        choice = self._choice
        layers = choice.shown(self._scores)
        key = choice.path, layers
        if key == self._followed and self._following is not None and not self._following.ended:
            return
        self._worker.cancel((id(self), "curves"))
        if key in self._kept:
            self.write(curves=self._kept[key], progress={})
            return
        self._followed = key
        self._following = self._worker.submit(
            lambda: self._follow(choice, layers),
            key=(id(self), "curves"),
            on_step=lambda step: self.write(curves=step.preview, progress=told("moving the photo", step)),
            on_done=lambda whole: self._whole(key, whole),
            on_error=self._failed_behind,
        )

    def _follow(self, choice: Choice, layers: tuple[str, ...]) -> Steps[dict[str, Any]]:
        """The curves, from the photo as it is outward."""
        course, prepared = self._opened(choice)
        count = len(course.amounts)
        distance = np.full((len(layers), count), np.nan, "<f4")
        norm = np.zeros(len(layers), "<f4")
        chances: npt.NDArray[np.float32] | None = None
        chosen = [self.lens.layers[name] for name in layers]
        parts = moved_answers(
            self.lens, prepared, chosen, course, at_once=AT_ONCE, output=bool(self.photo.get("predictions"))
        )
        done = 0
        for part in parts:
            distance[:, part.places] = part.distance
            if part.clean is not None:
                norm[:] = [float(each.norm()) for each in part.clean]
            if part.chances is not None:
                chances = np.full((count, part.chances.shape[1]), np.nan, "<f4") if chances is None else chances
                chances[part.places] = part.chances
            done += len(part.places)
            known = {"distance": distance, "norm": norm, **({} if chances is None else {"chances": chances})}
            now = {"path": list(choice.path), "layers": list(layers), "done": done == count}
            now.update({name: values.tobytes() for name, values in known.items()})
            yield Step(done, count, preview=now)
        return now

    def _whole(self, key: Any, curves: dict[str, Any]) -> None:
        while len(self._kept) >= KEPT:
            self._kept.pop(next(iter(self._kept)))
        self._kept[key] = curves
        self.write(curves=curves, progress={})

    def _opened(self, choice: Choice) -> tuple[Course, Any]:
        """The way of the photo, and the photo as the network sees it, (1, C, H, W)."""
        prepared = one_picture(self.lens, self.album[choice.image])
        return choice.course((int(prepared.shape[-2]), int(prepared.shape[-1]))), prepared

    def _size(self, name: str) -> tuple[int, int]:
        height, width = self._pictures.get(name, self.album[name]).shape[:2]
        return height, width

    def _summary(self, place: int) -> str:
        """What a still says of one position: the class's probability, where the network gives any."""
        if "chances" not in self.curves or self.curves["path"] != list(self._choice.path):
            return ""
        count = len(np.frombuffer(self.view["amounts"], "<f4"))
        chances = np.frombuffer(self.curves["chances"], "<f4").reshape(count, -1)
        still = int(np.argmin(np.abs(np.frombuffer(self.view["amounts"], "<f4") - self.view["stays"])))
        target = int(np.argmax(chances[still])) if self._choice.target is None else self._choice.target
        return f": {self.lens.class_name(target)} {chances[place, target]:.2f}"

    def _failed_behind(self, error: BaseException) -> None:
        self.write(progress={})
        self.fail(error)

    @property
    def _scores(self) -> str:
        """The layer of the class scores, or ""."""
        return str(self.network["scores"])
