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
from convviz_widgets.methods.occlusion.masking import checked_mask
from convviz_widgets.render import grid
from convviz_widgets.render.encode import png
from convviz_widgets.widgets import picking
from convviz_widgets.widgets.base import joined
from convviz_widgets.widgets.brush_answer import Answers, Wish, checked_class, code_of
from convviz_widgets.widgets.viewer import SECONDS_FOR_A_STILL, Viewer, enlarged

FILLS: tuple[Fill, ...] = get_args(Fill)


class OcclusionBrush(Viewer):
    """Hide parts of a photo with a brush, and watch the classes and one unit's map change.

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
        *("_brush_canvas.js", "_brush_scores.js", "_brush_log.js", "occlusion_brush.js"),
    )
    _css = joined("_kit.css", "layer_picker.css", "_viewer.css", "occlusion_brush.css")

    # Addresses and knobs: written by the user, in Python or by a gesture; unit and region are linkable.
    unit = traitlets.Unicode("").tag(sync=True)
    """Address of the unit whose map is shown; "" for the strongest of the last layer of maps."""
    target = traitlets.Any(None, allow_none=True).tag(sync=True)
    """Index of the class that is followed, or None for the most probable one of each picture; names are taken too."""
    fill = traitlets.Enum(FILLS, "grey").tag(sync=True)
    """What stands in for what is hidden."""
    keep = traitlets.Bool(default_value=False).tag(sync=True)
    """Whether the painted part is all that stays, instead of what is hidden."""
    region = traitlets.Bytes(b"")
    """What is painted: H x W bytes, 255 where entirely; b"" for nothing. It does not travel back to the browser."""

    # Pictures: written by the worker.
    view = traitlets.Dict({}).tag(sync=True)
    """What the network answers; see `Answers.to`."""
    stand_in = traitlets.Dict({}).tag(sync=True)
    """{"image", "fill", "png"}: the picture that shows where the photo is hidden."""
    painted = traitlets.Dict({}).tag(sync=True)
    """{"image", "mask", "number"}: a mask from Python on its way to the browser."""

    def __init__(
        self, lens: Lens, images: Any, *, target: int | str | None = None, unit: str | Unit | None = None, **traits: Any
    ) -> None:
        super().__init__(lens, images, **traits)
        self._answers = Answers(lens)
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
        """Answers a gesture: a ``look`` may carry a mask; ``recall`` and ``code`` ask for the present one."""
        self._asked = max(self._asked, int(message.get("ask", 0)))
        kind = message["kind"]
        if kind == "recall":
            if self.region:
                self._send_region()
        elif kind == "code":
            self.send({"kind": "code", "text": self.code()})
        elif kind == "look" and buffers:
            here = message.get("on", self._wished.image) == self._wished.image  # else painted on a photo that has gone
            super().receive({**message, "region": bytes(buffers[0])} if here else message, [])
        else:
            super().receive(message, buffers)

    def set_region(self, mask: npt.ArrayLike | bytes | None) -> None:
        """Paints a mask over the present photo in place of what is painted; None clears it.

        Args:
            mask: (H, W) uint8, bool or float in [0, 1], of the size that the network sees; or H x W bytes.

        Raises:
            BadValue: it has another size, or values that are no shares.
        """
        self.region = b"" if mask is None else checked_mask(mask, self._size(self._wished.image)).tobytes()

    def mask(self) -> npt.NDArray[np.uint8]:
        """What is painted, (H, W) uint8."""
        size = self._size(self._wished.image)
        return checked_mask(self.region, size).copy() if self.region else np.zeros(size, np.uint8)

    def code(self) -> str:
        """Lines of Python that make the same brush with the same mask."""
        wish = self._wished
        name = wish.target if wish.target is None or not self.lens.class_names else self.lens.class_names[wish.target]
        return code_of(wish, self._size(wish.image), name)

    def still(self) -> npt.NDArray[np.uint8] | None:
        """The photo beside what the network sees of it."""
        self.wait(SECONDS_FOR_A_STILL)
        if not self.view:
            return None
        wish = replace(self._wished, image=self.view["image"])
        image = self.album[wish.image]
        pictures = [enlarged(self._pictures.get(wish.image, image)), enlarged(self._answers.seen(wish, image))]
        first = next((each for each in self.view["classes"] if each["index"] == self.view["target"]), None)
        captions = [f"{first['name']} {first[key]:.3f}" if first else key for key in ("clean", "now")]
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

    @traitlets.observe("unit", "target", "image", "fill", "keep", "region")
    def _set_from_outside(self, change: Any) -> None:
        if self.writing or not self._ready:
            return
        self._wish({change.name: change.new})
        if change.name == "region":
            self._send_region()
        self._look()

    def _send_region(self) -> None:
        """Hands a mask that did not come from the browser down to it."""
        mask = self.region or bytes(int(np.prod(self._size(self._wished.image))))
        number = self.painted.get("number", 0) + 1
        self.write(painted={"image": self._wished.image, "mask": mask, "number": number})

    def _size(self, name: str) -> tuple[int, int]:
        """(H, W) of a picture as the network sees it."""
        if not name:
            raise BadValue("There is no photo to paint on. Hand pictures over, or drop one onto the widget.")
        height, width = self._pictures.get(name, self.album[name]).shape[:2]
        return height, width

    def _wish(self, message: dict[str, Any]) -> None:
        changed: dict[str, Any] = {"stroke": int(message.get("stroke", 0))}
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
        if message.get("region"):
            changed["region"] = checked_mask(message["region"], self._size(name)).tobytes()
        elif "region" in message:
            changed["region"] = b""
        self._wished = replace(self._wished, **changed)
        if self.region != self._wished.region:
            self.write(region=self._wished.region)

    def _see(self) -> Steps[dict[str, Any]]:
        wish = self._wished
        image = self.album[wish.image]
        photo = self._photo(wish.image)
        yield Step(1, 2, label="photo")
        view = self._answers.to(wish, image)
        changed: dict[str, Any] = {**photo, "view": view}
        if (self.stand_in.get("image"), self.stand_in.get("fill")) != (wish.image, wish.fill):
            seen = png(self._answers.stand_in(wish))
            changed["stand_in"] = {"image": wish.image, "fill": wish.fill, "png": seen}
        named = {"image": wish.image, "unit": wish.unit, "target": wish.target, "fill": wish.fill, "keep": wish.keep}
        return {"problem": {}, "names": list(self.album), **named, **changed}


def _yes_or_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise BadType(f"keep is True or False; given: {value!r}.")
    return value
