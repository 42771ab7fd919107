"""What the occlusion brush shows of an answer, computed without a widget: bars, maps before and after, the stand-in."""

import base64
import time
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from convviz_widgets.core.errors import BadValue, UnsupportedModel
from convviz_widgets.core.unit import Unit
from convviz_widgets.lens.classes import class_index
from convviz_widgets.lens.fills import Fill
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.masks import WHOLE, checked_mask, mixed, window_of
from convviz_widgets.lens.prediction import class_name, class_probabilities
from convviz_widgets.methods.occlusion.masking import Masking
from convviz_widgets.widgets import picking

TOP = 5  # bars
KEPT = 4  # pictures held open
LEVELS = 255  # of a map's codes


@dataclass(frozen=True)
class Wish:
    """What is asked for.

    Args:
        image: name of the picture in its album.
        unit: address whose map is shown; "" for the strongest of the last layer of maps.
        target: index of the class that is followed; None for the most probable one of the picture itself.
        fill: what stands in for what is hidden.
        keep: whether the painted part is all that stays, instead of what is hidden.
        region: H x W bytes, what is painted; b"" for nothing.
    """

    image: str
    unit: str = ""
    target: int | None = None
    fill: Fill = "grey"
    keep: bool = False
    region: bytes = b""


def checked_class(lens: Lens, target: Any) -> int | None:
    """The index of a class by index or name; None for the most probable.

    Raises:
        UnknownName, BadValue, BadType: there is no such class.
    """
    if target is None or target == "":
        return None
    return class_index(lens, target)


def mask_of(wish: Wish, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """What is hidden, (H, W) uint8."""
    painted = checked_mask(wish.region, size) if wish.region else np.zeros(size, np.uint8)
    return WHOLE - painted if wish.keep else painted


class Answers:
    """The pictures of a brush, the last few held open so that a stroke costs little.

    Args:
        lens: the network.
    """

    def __init__(self, lens: Lens) -> None:
        self._lens = lens
        self._open: OrderedDict[tuple[str, str], Masking] = OrderedDict()

    def opened(self, name: str, image: Any, layer: str) -> Masking:
        """The picture of this name, with one layer's answers."""
        key = name, layer
        if key not in self._open:
            like = next(reversed(self._open.values()), None)
            self._open[key] = Masking(self._lens, self._lens.prepare(image), [layer] if layer else [], like=like)
            while len(self._open) > KEPT:
                self._open.popitem(last=False)
        self._open.move_to_end(key)
        return self._open[key]

    def to(self, wish: Wish, image: Any) -> dict[str, Any]:
        """All that changes with a stroke: bars, maps, how much is hidden, how long it took."""
        start = time.perf_counter()
        layer = self._layer(wish)
        opened = self.opened(wish.image, image, layer)
        mask = mask_of(wish, opened.size)
        answers = opened.answers(mask, wish.fill)
        box = window_of(mask)
        told = {
            "image": wish.image,
            "share": float(mask.mean()) / WHOLE,
            "window": [box.height, box.width] if box else [0, 0],
            "full": opened.obstacle,
            "map": self._map(wish, layer, opened, answers),
            **self._classes(wish, opened, answers),
        }
        return {**told, "ms": 1000 * (time.perf_counter() - start)}

    def effect(self, wish: Wish, image: Any) -> dict[str, Any]:
        """{"name", "value"} of the class that is followed; empty without class scores, and where they are NaN."""
        opened = self.opened(wish.image, image, self._layer(wish))
        answers = opened.answers(mask_of(wish, opened.size), wish.fill)
        try:
            return followed(self._classes(wish, opened, answers))
        except BadValue:
            return {}

    def stand_in(self, wish: Wish) -> npt.NDArray[np.uint8]:
        """The picture (H, W, 3) that shows where the photo is hidden; the photo is open already."""
        opened = next(each for (name, _), each in reversed(self._open.items()) if name == wish.image)
        return self._lens.preprocess.picture(opened.fill(wish.fill)[0])

    def seen(self, wish: Wish, image: Any) -> npt.NDArray[np.uint8]:
        """What the network sees, (H, W, 3)."""
        opened = self.opened(wish.image, image, self._layer(wish))
        picture = mixed(self._lens.prepare(image), opened.fill(wish.fill).cpu(), mask_of(wish, opened.size))
        return self._lens.preprocess.picture(picture[0])

    def _layer(self, wish: Wish) -> str:
        """The layer whose map is shown: the unit's, else the last layer of maps, or ""."""
        if wish.unit:
            return Unit.parse(wish.unit).layer
        maps = [each for each in self._lens.layers.values() if each.is_map and max(each.shape[1:]) > 1]
        return maps[-1].name if maps else ""

    def _map(self, wish: Wish, layer: str, opened: Masking, answers: dict[str, Any]) -> dict[str, Any]:
        """The unit's map before and after, codes of one range: value = low + code / 255 (high - low)."""
        if not layer:
            return {}
        before, after = (picking.as_maps(each[layer]) for each in (opened.clean, answers))
        channel = Unit.parse(wish.unit).channel if wish.unit else int(before.max((1, 2)).argmax())
        pair = np.stack([before[channel], after[channel]])
        if not np.isfinite(pair).all():
            raise BadValue(
                f"{Unit(layer, channel)} answers NaN or infinite values to this picture. Choose another unit."
            )
        low, high = min(float(pair.min()), 0.0), float(pair.max())
        codes = np.rint(LEVELS * (pair - low) / (high - low or 1.0)).astype(np.uint8)
        return {
            "unit": wish.unit or str(Unit(layer, channel)),
            "shape": list(pair.shape[1:]),
            "before": codes[0].tobytes(),
            "after": codes[1].tobytes(),
            "low": low,
            "high": high,
            "means": [float(each.mean()) for each in pair],
        }

    def _classes(self, wish: Wish, opened: Masking, answers: dict[str, Any]) -> dict[str, Any]:
        """{"target", "classes"}: the five most probable and the one that is followed; none without class scores."""
        names = self._lens.class_names
        try:
            clean, now = (class_probabilities(each[""], names)[0].cpu().numpy() for each in (opened.clean, answers))
        except UnsupportedModel:
            return {"target": None, "classes": []}
        target = int(clean.argmax()) if wish.target is None else wish.target
        shown = [int(each) for each in np.argsort(-now, kind="stable")[:TOP]]
        shown += [target] if target not in shown else []
        rows = [
            {"index": each, "name": class_name(names, each), "clean": float(clean[each]), "now": float(now[each])}
            for each in shown
        ]
        return {"target": target, "classes": rows}


def followed(told: dict[str, Any], which: str = "now") -> dict[str, Any]:
    """{"name", "value"} of the class that is followed, ``now`` or ``clean``; empty without class scores."""
    rows = [each for each in told["classes"] if each["index"] == told["target"]]
    return {"name": rows[0]["name"], "value": rows[0][which]} if rows else {}


def code_of(wish: Wish, size: tuple[int, int], name: int | str | None, **more: Any) -> str:
    """Lines of Python that make the same brush with the same mask; ``more`` are further arguments."""
    given = {"image": wish.image, "unit": wish.unit, "target": name, "fill": wish.fill, "keep": wish.keep, **more}
    arguments = "".join(f", {key}={value!r}" for key, value in given.items() if value not in ("", None))
    lines = [f"brush = OcclusionBrush(lens, images{arguments})"]
    if wish.region:
        packed = base64.b64encode(zlib.compress(wish.region, 9)).decode()
        lines = [
            "import base64, zlib",
            "import numpy as np",
            f'packed = "{packed}"',
            f"mask = np.frombuffer(zlib.decompress(base64.b64decode(packed)), np.uint8).reshape{size}",
            *lines,
            "brush.set_region(mask)",
        ]
    return "\n".join(["from convviz_widgets.widgets.occlusion_brush import OcclusionBrush", *lines, "brush"])
