"""The projection viewer: a unit's map on a photo, what excited it by three rules, and the patches it likes best."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import traitlets

from convviz_widgets.core.errors import BadValue, unknown_name
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.unit import Unit
from convviz_widgets.jobs.job import Job
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.deconvnet.deconvnet import BackwardRule, Projection, deconvnet
from convviz_widgets.methods.deconvnet.top_images import TopImages
from convviz_widgets.render import grid, overlay
from convviz_widgets.widgets import picking
from convviz_widgets.widgets.base import joined
from convviz_widgets.widgets.picking import Choice
from convviz_widgets.widgets.projection_top import TopPatches
from convviz_widgets.widgets.shades import signal_codes
from convviz_widgets.widgets.viewer import SECONDS_FOR_A_STILL, Viewer, enlarged, told

RULES: tuple[BackwardRule, ...] = get_args(BackwardRule)
KEEPS = ("strongest", "map")
OTHERS = 3  # units proposed where the chosen one is not active


class ProjectionViewer(Viewer):
    """What in a photo made a unit answer, by three rules side by side, beside the patches that excite it most.

    Example:
        >>> images = np.random.default_rng(0).integers(0, 256, (4, 96, 96, 3), dtype=np.uint8)
        >>> viewer = ProjectionViewer(Lens.load("mini"), list(images), unit="conv3:4")
        >>> viewer.wait(60), sorted(viewer.projections)
        (True, ['deconvnet', 'gradient', 'guided'])
        >>> viewer.close()

    Args:
        lens: the network.
        images: pictures to choose from, and to search for the patches that excite a unit most: a list, an
            ``ImageFolder``, a dataset; empty is allowed, as pictures can be dropped onto the widget.
        unit: address to begin with, "layer:channel" or "layer:channel@row,column"; default: the strongest channel of
            the last maps after an activation.
        image: name of the picture to begin with; default: the first.
        best: what `top_images` found among these pictures, by layer; filled, and shared, as that of `LayerPicker`.

    Raises:
        UnknownName, BadValue: a unit or image that does not exist.

    Source:
        Zeiler & Fergus 2013, "Visualizing and Understanding Convolutional Networks", section 3 and figure 2; the rules
        after Simonyan 2013, section 4, and Springenberg 2014, section 3.4.
    """

    _esm = joined(
        *("_kit.js", "_kit_controls.js", "_picker_photos.js", "_projection_map.js", "_projection_rules.js"),
        *("_projection_top.js", "projection_viewer.js"),
    )
    _css = joined("_kit.css", "layer_picker.css", "_viewer.css", "projection_viewer.css")

    # Addresses and choices: written by the user, in Python or by a gesture; the unit is linkable.
    unit = traitlets.Unicode("").tag(sync=True)
    """Address of the unit: ``layer:channel`` or ``layer:channel@row,column``."""
    keep = traitlets.Unicode("strongest").tag(sync=True)
    """What goes down: "strongest", one neuron, or "map", all of the channel that are above zero."""
    rule = traitlets.Unicode("deconvnet").tag(sync=True)
    """Rule by which the patches are projected."""

    # Pictures: written by the worker.
    view = traitlets.Dict({}).tag(sync=True)
    """The unit's map and its projections on the photo; see `_view`."""
    top = traitlets.Dict({}).tag(sync=True)
    """The patches that excite the unit most; see `TopPatches.told`."""

    background = ("search", "top")

    def __init__(
        self,
        lens: Lens,
        images: Any,
        *,
        unit: str | Unit | None = None,
        best: dict[str, TopImages] | None = None,
        **traits: Any,
    ) -> None:
        super().__init__(lens, images, **traits)
        self.projections: dict[str, Projection] = {}
        """The projections shown, by rule."""
        self._top = TopPatches(lens, self.album, self._pictures, best)
        self._searching: tuple[str, Job[None]] | None = None
        self._choice = Choice(self.image, _first_layer(lens))
        self._keep: str = self.keep
        self._rule: BackwardRule = _checked("rule", self.rule, RULES)
        if unit is not None or self.unit:
            self._wish({"unit": str(unit or self.unit)})
            self.write(unit=str(self._choice.unit), keep=self._keep)
        self._ready = True
        if self.image:
            self._look()

    def still(self) -> npt.NDArray[np.uint8] | None:
        """The photo with what the unit sees, the projections, and the patches."""
        self.wait(SECONDS_FOR_A_STILL)
        if not self.projections:
            return None
        first = next(iter(self.projections.values()))
        shown = [overlay.boxes(first.photo, [first.box]), *(each.picture() for each in self.projections.values())]
        captions = [f"{first.unit}: {first.activation:.3g}", *self.projections]
        return grid.montage([enlarged(each) for each in shown], columns=4, captions=captions)

    @traitlets.validate("unit")
    def _check_unit(self, proposal: Any) -> str:
        return str(picking.checked(self.lens, proposal["value"])) if proposal["value"] else ""

    @traitlets.validate("keep", "rule")
    def _check_name(self, proposal: Any) -> str:
        name = proposal["trait"].name
        return str(_checked(name, proposal["value"], KEEPS if name == "keep" else RULES))

    @traitlets.observe("unit", "image", "keep", "rule")
    def _set_from_outside(self, change: Any) -> None:
        if self.writing or not self._ready or (change.name == "unit" and not change.new):
            return
        self._wish({change.name: change.new})
        self._look()

    def _wish(self, message: dict[str, Any]) -> None:
        choice = self._choice
        keep = _checked("keep", message.get("keep", self._keep), KEEPS)
        rule = _checked("rule", message.get("rule", self._rule), RULES)
        if "image" in message:
            choice = replace(choice, image=str(message["image"]))
        if "layer" in message:
            choice = replace(choice, layer=self.lens.layers[message["layer"]].name, channel=None, position=None)
        if "unit" in message:
            choice = choice.of(picking.checked(self.lens, message["unit"]))
            keep = message.get("keep", "strongest" if choice.position is not None else keep)
        if keep == "map":
            choice = replace(choice, position=None)
        self._choice, self._keep, self._rule = choice, keep, rule

    def _see(self) -> Steps[dict[str, Any]]:
        asked = choice = self._choice
        keep, rule = self._keep, self._rule
        image = self.album[choice.image]
        maps = picking.as_maps(self.lens.activations(image, choice.layer))
        yield Step(1, label="activations")
        if choice.channel is None:
            choice = replace(choice, channel=int(maps.max((1, 2)).argmax()))
        view = yield from self._view(choice, image, maps, keep)
        if self._choice is asked:
            self._choice = choice
        changed = {"problem": {}, "image": choice.image, "names": list(self.album), "unit": str(choice.unit)}
        top = self._top.told(choice.unit, rule)
        return {**changed, **self._photo(choice.image), "keep": keep, "rule": rule, "view": view, "top": top}

    def _view(self, choice: Choice, image: Any, maps: npt.NDArray[np.float32], keep: Any) -> Steps[dict[str, Any]]:
        """The exact values of the unit's map, the signal by each rule, or why there is none and the ways out."""
        values = np.ascontiguousarray(maps[choice.unit.channel], dtype=np.float32)
        view: dict[str, Any] = {
            "unit": str(choice.unit),
            "image": choice.image,
            "keep": keep,
            "shape": list(values.shape),
            "values": values.tobytes(),
            "rules": [],
            "inactive": {},
        }
        made: dict[str, Projection] = {}
        try:
            for rule in RULES:
                made[rule] = yield from deconvnet.steps(self.lens, image, choice.unit, rule=rule, keep=keep)
        except BadValue as error:
            if not _silent(values, choice.position):
                raise
            here = bool(values.max() > 0)
            view["inactive"] = {"text": str(error), "units": _active(choice.layer, maps), "here": here}
        self.projections = made
        for name, each in made.items():
            view["rules"].append({"rule": name, "note": each.note, **signal_codes(each.signal)})
            view.update(box=list(each.box), position=list(each.position), activation=each.activation)
        return view

    def _seen(self) -> None:
        """Looks for the patches of the unit, and projects them, while nothing else is to be done."""
        unit, rule = Unit.parse(self.view["unit"]), self._rule
        if self.top.get("patches") is not None or not len(self.album.images):
            self._worker.cancel((id(self), "top"))
        elif unit.layer in self._top.best:
            self._behind(
                "top", self._top.project(unit, rule), lambda: self._show_top(progress={}), f"projecting {unit.whole}"
            )
        elif self._searching is None or self._searching[0] != unit.layer or self._searching[1].ended:
            label = f"searching {len(self.album.images)} pictures for what excites {unit.layer} most"
            job = self._behind("search", self._top.search(unit.layer), self._seen, label)
            self._searching = unit.layer, job

    def _behind(self, kind: str, steps: Steps[None], done: Callable[[], None], label: str) -> Job[None]:
        return self._worker.submit(
            lambda: steps,
            key=(id(self), kind),
            priority=-1,
            on_step=lambda step: self.write(progress=told(f"{label}: {step.index}", step)),
            on_done=lambda _: done(),
            on_error=self._search_failed,
        )

    def _search_failed(self, error: BaseException) -> None:
        self.write(progress={})
        self.fail(error)

    def _show_top(self, **traits: Any) -> None:
        self.write(top=self._top.told(Unit.parse(self.view["unit"]), self._rule), **traits)


def _checked(name: str, value: Any, accepted: tuple[str, ...]) -> Any:
    if value not in accepted:
        raise unknown_name(f"`{name}`", value, accepted)
    return value


def _first_layer(lens: Lens) -> str:
    """The last maps of more than one position after an activation; else the last layer."""
    layers = list(lens.layers.values())
    if not layers:
        raise BadValue(
            f"{lens.name} has no layers to look at: it is a single operation. Wrap it together with the rest, "
            "as in Lens(nn.Sequential(...))."
        )
    maps = [each for each in layers if each.is_map and min(each.shape[1:]) > 1]
    found = [each for each in maps if each.kind == "activation"] or maps or layers
    return found[-1].name


def _silent(values: npt.NDArray[np.float32], position: tuple[int, int] | None) -> bool:
    """Whether nothing goes down from a position of a map (h, w), or from all of it."""
    return bool(values.max() <= 0 if position is None else values[position] == 0)


def _active(layer: str, maps: npt.NDArray[np.float32]) -> list[str]:
    """The units of a layer that are most active, of its maps (K, h, w)."""
    strongest = maps.max((1, 2))
    return [f"{layer}:{channel}" for channel in np.argsort(-strongest)[:OTHERS] if strongest[channel] > 0]
