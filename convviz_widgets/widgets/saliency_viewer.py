"""The saliency viewer: which pixels a class depends on, by six ways of asking side by side, and where the object is."""

from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import traitlets

from convviz_widgets.core.errors import ConvvizError, UnsupportedModel, unknown_name
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.unit import Unit
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.saliency.deletion import DeletionInsertion, deletion_insertion
from convviz_widgets.methods.saliency.saliency import Saliency, Variant, peak, saliency
from convviz_widgets.render import grid
from convviz_widgets.widgets import picking, saliency_place
from convviz_widgets.widgets.base import joined
from convviz_widgets.widgets.saliency_target import checked_target
from convviz_widgets.widgets.shades import map_codes
from convviz_widgets.widgets.viewer import SECONDS_FOR_A_STILL, Viewer, enlarged, told

VARIANTS: tuple[Variant, ...] = get_args(Variant)
SAMPLED: tuple[Variant, ...] = ("smoothgrad", "integrated")  # many passes: they follow the others
KEPT = 64  # maps held ready
STEPS = 24  # of the curves
ALL = 10**9  # as many classes as there are


class SaliencyViewer(Viewer):
    """Which pixels of a photo a class depends on, by six ways side by side, and where in it the object is.

    Example:
        >>> images = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), dtype=np.uint8)
        >>> viewer = SaliencyViewer(Lens.load("mini"), list(images), target="cat")
        >>> viewer.wait(60), viewer.view["name"]
        (True, 'cat')
        >>> viewer.close()

    Args:
        lens: the network.
        images: pictures to choose from: a list, an ``ImageFolder``, a dataset; empty is allowed, as pictures can be
            dropped onto the widget.
        target: a class by index or name, a unit's address, or None for the most probable class of each picture.
        image: name of the picture to begin with; default: the first.

    Raises:
        UnknownName, BadValue, BadType: a class, unit or image that does not exist.

    Source:
        Simonyan, Vedaldi & Zisserman 2013, "Deep Inside Convolutional Networks", section 3; the other ways of asking as
        `saliency` names them.
    """

    _esm = joined(
        *("_kit.js", "_kit_controls.js", "_picker_photos.js", "_saliency_target.js", "_saliency_maps.js"),
        *("_saliency_place.js", "_saliency_curves.js", "saliency_viewer.js"),
    )
    _css = joined("_kit.css", "layer_picker.css", "_viewer.css", "saliency_viewer.css")

    # Addresses and knobs: written by the user, in Python or by a gesture; the unit is linkable.
    unit = traitlets.Unicode("").tag(sync=True)
    """Address of the unit that was chosen last, for a class that of its score; "" before."""
    target = traitlets.Any(None, allow_none=True).tag(sync=True)
    """What the maps are of: a class index, a unit's address, or None for the most probable class of each picture."""
    above = traitlets.Float(95.0).tag(sync=True)
    """Percentile of the map above which pixels are seeds of the object."""
    below = traitlets.Float(30.0).tag(sync=True)
    """Percentile below which they are seeds of the ground."""

    # Pictures: written by the worker.
    view = traitlets.Dict({}).tag(sync=True)
    """{"image", "target", "name", "score", "maps"} of the ways that take one pass; see `_told`."""
    more = traitlets.Dict({}).tag(sync=True)
    """{"image", "target", "maps"} of those that take many."""
    ranking = traitlets.Dict({}).tag(sync=True)
    """{"image", "order", "probability"}: the classes, the most probable first (int32, float32 bytes)."""
    place = traitlets.Dict({}).tag(sync=True)
    """Where the object is; see `Places.found`."""
    curves = traitlets.Dict({}).tag(sync=True)
    """{"image", "target", "variant", "lines": name to float32 bytes, "areas"}; see `measure`."""

    colours = "inferno"
    background = ("more", "place", "curves")

    def __init__(self, lens: Lens, images: Any, *, target: int | str | Unit | None = None, **traits: Any) -> None:
        super().__init__(lens, images, **traits)
        self.maps: dict[str, Saliency] = {}
        """The maps shown, by variant."""
        self._made: dict[tuple[str, Any, Variant], Saliency] = {}
        self._places = saliency_place.Places(lens)
        self._name, self._wanted = self.image, checked_target(lens, self._scores, self.unit or None)
        if target is not None:
            self._wanted = checked_target(lens, self._scores, target)
        self.write(target=self._wanted, unit=self._address(self._wanted))
        self._ready = True
        if self.image:
            self._look()

    def receive(self, message: dict[str, Any], buffers: list[memoryview]) -> None:
        """Answers a gesture, also ``place``, other percentiles of the localisation, and ``measure`` of a map."""
        self._asked = max(self._asked, int(message.get("ask", 0)))
        if message["kind"] == "place":
            self._locate(float(message.get("above", self.above)), float(message.get("below", self.below)))
        elif message["kind"] == "measure":
            self.measure(message.get("variant", "gradient"))
        else:
            super().receive(message, buffers)

    def measure(self, variant: Variant = "gradient") -> None:
        """Draws how the score falls and rises with the pixels that a map holds for important; see `deletion_insertion`.

        Raises:
            UnknownName: no such way of asking.
        """
        if variant not in VARIANTS:
            raise unknown_name("variant", variant, VARIANTS)
        if not self.view:
            return
        name, wanted = self.view["image"], self.view["target"]

        def done(found: DeletionInsertion) -> None:
            lines = {each: np.float32(getattr(found, each)).tobytes() for each in found.areas}
            made = {"image": name, "target": wanted, "variant": variant, "lines": lines, "areas": found.areas}
            self.write(curves=made, progress={})

        self._worker.submit(
            lambda: deletion_insertion.steps(self.lens, self.album[name], wanted, variant=variant, steps=STEPS),
            key=(id(self), "curves"),
            on_step=lambda step: self.write(progress=told(f"removing pixels by {variant}", step)),
            on_done=done,
            on_error=self._failed_behind,
        )

    def still(self) -> npt.NDArray[np.uint8] | None:
        """The maps over the photo."""
        self.wait(SECONDS_FOR_A_STILL)
        if not self.maps:
            return None
        pictures = [enlarged(each.picture()) for each in self.maps.values()]
        return grid.montage(pictures, columns=min(3, len(pictures)), captions=list(self.maps))

    @traitlets.validate("unit")
    def _check_unit(self, proposal: Any) -> str:
        return str(picking.checked(self.lens, proposal["value"])) if proposal["value"] else ""

    @traitlets.validate("target")
    def _check_target(self, proposal: Any) -> int | str | None:
        return checked_target(self.lens, self._scores, proposal["value"])

    @traitlets.validate("above", "below")
    def _check_percentile(self, proposal: Any) -> float:
        if not self.writing:
            given = {"above": self.above, "below": self.below, proposal["trait"].name: proposal["value"]}
            saliency_place.checked(**given)
        return float(proposal["value"])

    @traitlets.observe("unit", "target", "image", "above", "below")
    def _set_from_outside(self, change: Any) -> None:
        if self.writing or not self._ready:
            return
        if change.name in ("above", "below"):
            self._locate(self.above, self.below)
        elif change.name != "unit" or change.new:
            self._wish({change.name: change.new})
            self._look()

    def _wish(self, message: dict[str, Any]) -> None:
        wanted = self._wanted
        if "target" in message:
            wanted = checked_target(self.lens, self._scores, message["target"])
        if "unit" in message:
            wanted = checked_target(self.lens, self._scores, message["unit"])
        self._name, self._wanted = str(message.get("image", self._name)), wanted

    def _see(self) -> Steps[dict[str, Any]]:
        name, wanted = self._name, self._wanted
        image = self.album[name]
        ranking = self._ranking(name, image)
        yield Step(1, label="classes")
        made: dict[str, Saliency] = {}
        failed: dict[str, str] = {}
        for variant in (each for each in VARIANTS if each not in SAMPLED):
            try:
                made[variant] = yield from self._map(name, image, wanted, variant)
            except ConvvizError as error:
                if not made:  # not this way alone, but the target
                    raise
                failed[variant] = str(error)
        first = made["gradient"]
        self.maps = made
        maps = [_told(key, each) for key, each in made.items()]
        maps += [{"variant": key, "note": text} for key, text in failed.items()]
        view = {"image": name, "target": wanted, "name": first.target, "score": first.score, "maps": maps}
        changed: dict[str, Any] = {"problem": {}, "image": name, "names": list(self.album), "target": wanted}
        if wanted is not None:
            changed["unit"] = self._address(wanted)
        return {**changed, **self._photo(name), **ranking, "view": view}

    def _map(self, name: str, image: Any, wanted: Any, variant: Variant) -> Steps[Saliency]:
        key = name, wanted, variant
        if key not in self._made:
            made = yield from saliency.steps(self.lens, image, wanted, variant=variant)
            while len(self._made) >= KEPT:
                self._made.pop(next(iter(self._made)))
            self._made[key] = made
        return self._made[key]

    def _ranking(self, name: str, image: Any) -> dict[str, Any]:
        """The classes by probability as a trait; empty where they are shown already."""
        if self.ranking.get("image") == name:
            return {}
        try:
            best = self.lens.predict(image, ALL)[0]
        except UnsupportedModel:
            best = []
        return {
            "ranking": {
                "image": name,
                "order": np.array([each.index for each in best], np.int32).tobytes(),
                "probability": np.array([each.probability for each in best], np.float32).tobytes(),
            }
        }

    def _seen(self) -> None:
        """Begins what takes longer: the maps of many passes, and where the object is."""
        name, wanted = self.view["image"], self.view["target"]
        if (self.more.get("image"), self.more.get("target")) != (name, wanted) or not self.more.get("done"):
            self._worker.submit(
                lambda: self._sample(name, wanted),
                key=(id(self), "more"),
                priority=-1,
                on_step=lambda step: self.write(progress=told(step.label, step)),
                on_done=lambda _: self.write(progress={}),
                on_error=self._failed_behind,
            )
        self._locate(self.above, self.below)

    def _sample(self, name: str, wanted: Any) -> Steps[None]:
        """The maps that take many passes, shown one after the other."""
        image, shown = self.album[name], []
        for variant in SAMPLED:
            steps = self._map(name, image, wanted, variant)
            made = yield from _named(steps, f"{variant}: many passes")
            self.maps = {**self.maps, variant: made}
            shown.append(_told(variant, made))
            done = variant == SAMPLED[-1]
            self.write(more={"image": name, "target": wanted, "maps": list(shown), "done": done})

    def _locate(self, above: float, below: float) -> None:
        """Looks for the object while no map is asked for; the newest percentiles win."""
        saliency_place.checked(above, below)
        if not self.view:
            self.write(above=above, below=below, answered=self._asked)
            return
        name, wanted, asked = self.view["image"], self.view["target"], self._asked
        self._worker.submit(
            lambda: self._places.found(name, self.album[name], wanted, above=above, below=below),
            key=(id(self), "place"),
            on_done=lambda place: self.write(place=place, above=above, below=below, answered=asked),
            on_error=self._failed_behind,
        )

    def _failed_behind(self, error: BaseException) -> None:
        self.write(progress={})
        self.fail(error)

    def _address(self, wanted: int | str | None) -> str:
        """The unit of a target; "" where there is none."""
        if isinstance(wanted, int):
            return f"{self._scores}:{wanted}" if self._scores else ""
        return wanted or ""

    @property
    def _scores(self) -> str:
        """The layer of the class scores, or ""."""
        return str(self.network["scores"])


def _told(variant: str, made: Saliency) -> dict[str, Any]:
    """A map for the browser: {"variant", "shape", "codes", "high", "peak": the value of the brightest colour}."""
    return {"variant": variant, "note": "", **map_codes(made.map), "peak": peak(made.map) or 0.0}


def _named(steps: Steps[Saliency], label: str) -> Steps[Saliency]:
    """The same steps under another label."""
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            found: Saliency = end.value
            return found
        yield Step(step.index, step.total, label=label)
