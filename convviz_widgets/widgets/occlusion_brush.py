"""The occlusion brush: paint over a photo, and watch what the network thinks move."""

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import traitlets

from convviz_widgets.core.errors import BadType, BadValue
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.unit import Unit
from convviz_widgets.lens.fills import Fill
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.masks import checked_mask
from convviz_widgets.render import grid
from convviz_widgets.render.encode import png
from convviz_widgets.widgets import picking
from convviz_widgets.widgets.base import joined
from convviz_widgets.widgets.brush_answer import Answers, Wish, checked_class, code_of, followed
from convviz_widgets.widgets.brush_log import CLEAN, GIVEN, StrokeLog
from convviz_widgets.widgets.brush_slide import Course, SlidingViewer, map_unit
from convviz_widgets.widgets.viewer import SECONDS_FOR_A_STILL, enlarged

FILLS: tuple[Fill, ...] = get_args(Fill)


class OcclusionBrush(SlidingViewer):
    """Hide parts of a photo with a brush, or slide a square over it, and watch the classes and one unit's map change.

    Example:
        >>> images = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), dtype=np.uint8)
        >>> brush = OcclusionBrush(Lens.load("mini"), list(images), unit="conv3:5")
        >>> mask = np.zeros((96, 96), np.uint8)
        >>> mask[20:60, 30:70] = 255
        >>> brush.set_region(mask)
        >>> brush.wait(60), brush.view["window"]
        (True, [40, 40])
        >>> brush.close()

    Args:
        lens: the network.
        images: pictures to choose from: a list, an ``ImageFolder``, a dataset; empty is allowed, as pictures can be
            dropped onto the widget.
        target: the class that is followed, by index or name; None for the most probable one of each picture.
        unit: address of the unit whose map is shown; None for the strongest of the last layer of maps.
        image: name of the picture to begin with; default: the first.

    Raises:
        UnknownName, BadValue, BadType: a class, unit or picture that is not there, or an argument that is no trait.

    Source:
        Zeiler & Fergus 2013, "Visualizing and Understanding Convolutional Networks", section 4.2.
    """

    _esm = joined(
        *("_kit.js", "_kit_controls.js", "_picker_photos.js", "_brush_mask.js", "_brush_tools.js"),
        *("_brush_canvas.js", "_brush_scores.js", "_brush_log.js", "_brush_slide_maps.js", "_brush_slide.js"),
        "occlusion_brush.js",
    )
    _css = joined("_kit.css", "layer_picker.css", "_viewer.css", "occlusion_brush.css", "_brush_slide.css")

    # Addresses and knobs: written by the user, in Python or by a gesture; unit and region are linkable.
    unit = traitlets.Unicode("").tag(sync=True)
    """Address of the unit whose map is shown; "" for the strongest of the last layer of maps."""
    target = traitlets.Any(None, allow_none=True).tag(sync=True)
    """Index of the class that is followed, or None for the most probable one of each picture; names are taken too."""
    fill = traitlets.Enum(FILLS, "grey").tag(sync=True)
    """What stands in for what is hidden."""
    keep = traitlets.Bool(default_value=False).tag(sync=True)
    """Whether the painted part is all that stays, instead of what is hidden."""
    region = traitlets.Bytes(b"").tag(sync=True)
    """What is painted: H x W bytes, 255 where entirely; b"" for nothing. It drives every view of the brush."""

    # Pictures: written by the worker.
    view = traitlets.Dict({}).tag(sync=True)
    """What the network answers; see `Answers.to`."""
    stand_in = traitlets.Dict({}).tag(sync=True)
    """{"image", "fill", "png"}: the picture that shows where the photo is hidden."""
    strokes = traitlets.List(traitlets.Dict()).tag(sync=True)
    """The log, the first one first: {"number", "stroke": what was done, "effect": {"name", "value"}}."""
    stroke = traitlets.Int(0).tag(sync=True)
    """Number of the present entry of the log; those after it are undone."""

    def __init__(
        self, lens: Lens, images: Any, *, target: int | str | None = None, unit: str | Unit | None = None, **traits: Any
    ) -> None:
        super().__init__(lens, images, **traits)
        self._answers, self._log = Answers(lens), StrokeLog()
        first = Wish(self.image, str(picking.checked(lens, unit)) if unit else "", checked_class(lens, target))
        self._wished = replace(first, fill=self.fill, keep=self.keep)
        self.write(unit=first.unit, target=first.target)
        self._ready = True
        given, self.region = self.region, b""
        if self.image:
            self._look()
        if given:
            self.region = given  # now that its size can be checked

    def receive(self, message: dict[str, Any], buffers: list[memoryview]) -> None:
        """Answers a gesture: a ``look`` may carry masks and steps along the log; ``code`` asks for lines of Python."""
        if message["kind"] == "code":
            self.send({"kind": "code", "text": self.code()})
        elif message["kind"] == "look":
            here = message.get("on", self._wished.image) == self._wished.image  # else painted on a photo that has gone
            masks = [bytes(each) for each in buffers] if here else []
            super().receive({**message, "acts": message.get("acts", []) if here else [], "masks": masks}, [])
        else:
            super().receive(message, buffers)

    def set_region(self, mask: npt.ArrayLike | bytes | None) -> None:
        """Paints a mask over the present photo in place of what is painted; None clears it. The log keeps what was.

        Args:
            mask: (H, W) uint8, bool or float in [0, 1], of the size that the network sees; or H x W bytes.

        Raises:
            BadValue: it has another size, or values that are no shares.
        """
        region = b"" if mask is None else checked_mask(mask, self._size(self._wished.image)).tobytes()
        self._wish({"region": region})
        self.write(region=self._wished.region)
        self._look()

    def mask(self) -> npt.NDArray[np.uint8]:
        """What is painted, (H, W) uint8."""
        size, region = self._size(self._wished.image), self._wished.region
        return checked_mask(region, size).copy() if region else np.zeros(size, np.uint8)

    def code(self) -> str:
        """Lines of Python that make the same brush with the same mask."""
        wish = self._wished
        name = wish.target if wish.target is None or not self.lens.class_names else self.lens.class_names[wish.target]
        more = self._slide_wished if self._slide_wished["sliding"] else {}
        return code_of(wish, self._size(wish.image), name, **more)

    def still(self) -> npt.NDArray[np.uint8] | None:
        """The photo beside what the network sees of it."""
        self.wait(SECONDS_FOR_A_STILL)
        if not self.view:
            return None
        wish = replace(self._wished, image=self.view["image"])
        image = self.album[wish.image]
        pictures = [enlarged(self._pictures.get(wish.image, image)), enlarged(self._answers.seen(wish, image))]
        effects = {key: followed(self.view, key) for key in ("clean", "now")}
        captions = [f"{each['name']} {each['value']:.3f}" if each else key for key, each in effects.items()]
        return grid.montage(pictures, columns=2, captions=captions)

    @traitlets.validate("unit")
    def _check_unit(self, proposal: Any) -> str:
        return str(picking.checked(self.lens, proposal["value"])) if proposal["value"] else ""

    @traitlets.validate("target")
    def _check_target(self, proposal: Any) -> int | None:
        return checked_class(self.lens, proposal["value"])

    @traitlets.validate("region")
    def _check_region(self, proposal: Any) -> bytes:
        if proposal["value"] and self._ready:
            checked_mask(proposal["value"], self._size(self._wished.image))
        return bytes(proposal["value"])

    @traitlets.observe("unit", "target", "image", "fill", "keep", "region", "sliding", "square", "stride")
    def _set_from_outside(self, change: Any) -> None:
        if self.writing or not self._ready:
            return
        self._wish({change.name: change.new})
        self._look()

    def _size(self, name: str) -> tuple[int, int]:
        """(H, W) of a picture as the network sees it."""
        if not name:
            raise BadValue("There is no photo to paint on. Hand pictures over, or drop one onto the widget.")
        height, width = self._pictures.get(name, self.album[name]).shape[:2]
        return height, width

    def _wish(self, message: dict[str, Any]) -> None:
        changed: dict[str, Any] = {}
        if "image" in message and message["image"] != self._wished.image:
            changed.update(image=str(message["image"]), region=b"")
        name = changed.get("image", self._wished.image)
        if "unit" in message:
            changed["unit"] = str(picking.checked(self.lens, message["unit"])) if message["unit"] else ""
        if "target" in message:
            changed["target"] = checked_class(self.lens, message["target"])
        if message.get("fill", self.fill) not in FILLS:
            raise BadValue(f"There is no fill {message['fill']!r}. Accepted: {', '.join(FILLS)}.")
        changed["fill"] = message.get("fill", self._wished.fill)
        changed["keep"] = _yes_or_no(message.get("keep", self._wished.keep))
        sent = [] if "image" in changed else message.get("masks", [])  # strokes on a photo that has gone
        masks = [checked_mask(each, self._size(name)).tobytes() for each in sent]
        super()._wish(message)
        if "image" in changed:
            self._log.begin()
        elif "region" in message:
            self._log.add(GIVEN, bytes(message["region"]))
            changed["region"] = self._log.present.region
        elif message.get("acts") or masks:
            changed["region"] = self._log.follow(message.get("acts", []), masks)
        self._wished = replace(self._wished, **changed)

    def _see(self) -> Steps[dict[str, Any]]:
        wish = self._wished
        image = self.album[wish.image]
        photo = self._photo(wish.image)
        yield Step(1, 2, label="photo")
        try:
            view = self._answers.to(wish, image)
        except BadValue:
            if wish.image == self.photo.get("name"):  # what is painted stands without an answer, and can be undone
                self.write(**self._painted(wish))
            raise
        changed: dict[str, Any] = {**photo, "view": view, **self._slide_wished}
        if (self.stand_in.get("image"), self.stand_in.get("fill")) != (wish.image, wish.fill):
            seen = png(self._answers.stand_in(wish))
            changed["stand_in"] = {"image": wish.image, "fill": wish.fill, "png": seen}
        yield from self._judge(wish, image, view)
        changed.update(self._painted(wish))
        named = {"image": wish.image, "unit": wish.unit, "target": wish.target, "fill": wish.fill, "keep": wish.keep}
        return {"problem": {}, "names": list(self.album), **named, **changed}

    def _painted(self, wish: Wish) -> dict[str, Any]:
        """What is painted and its log, as traits."""
        return {"region": wish.region, "strokes": self._log.told(), "stroke": self._log.present.number}

    def _judge(self, wish: Wish, image: Any, view: dict[str, Any]) -> Steps[None]:
        """Tells the log what its strokes did: the present one anew, and those that were merged away."""
        present = self._log.present
        for each in self._log.strokes:
            if each.label == CLEAN:
                self._log.tell(each.number, followed(view, "clean"))
            elif each.number == present.number and each.region == wish.region:
                self._log.tell(each.number, followed(view))
            elif each.effect is None:
                self._log.tell(each.number, self._answers.effect(replace(wish, region=each.region), image))
                yield Step(2, 2, label="strokes")

    def _course(self) -> Course | None:
        if not self.view:
            return None
        unit = map_unit(self.lens, self.view["map"].get("unit", ""))
        chosen = self.view["image"], self.view["target"], unit, self.fill
        return Course(*chosen, self._slide_wished["square"], self._slide_wished["stride"])


def _yes_or_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise BadType(f"keep is True or False; given: {value!r}.")
    return value
