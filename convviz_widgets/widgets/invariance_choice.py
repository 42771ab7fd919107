"""What the invariance viewer looks at: the photo, how it is moved, and whose answers are followed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

from convviz_widgets.core.errors import BadValue, unknown_name
from convviz_widgets.lens.classes import class_index
from convviz_widgets.lens.fills import Fill
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.invariance.features import chosen_layers
from convviz_widgets.methods.invariance.resampling import DIRECTIONS, TRANSFORMS, Course, checked_amounts
from convviz_widgets.widgets import picking

AMOUNTS = 49  # places of the slider
FILLS = (*get_args(Fill), "edge")
MOST = 6  # curves: as many as can be told apart


@dataclass(frozen=True)
class Choice:
    """What is looked at.

    Args:
        image: its name in the album.
        layers: those whose curves are drawn.
        transform: what is done to the photo.
        direction: of a translation.
        fill: what shows where the photo does not reach.
        target: index of the class that is followed, or None for the most probable one of each photo.
        unit: address of the unit chosen last, whose layer is drawn too; "" before.
    """

    image: str
    layers: tuple[str, ...]
    transform: str = "rotate"
    direction: str = "vertical"
    fill: str = "grey"
    target: int | None = None
    unit: str = ""

    def changed(self, lens: Lens, scores: str, wish: Mapping[str, Any]) -> "Choice":
        """The choice after a wish; what the wish does not name stays.

        Args:
            lens: the network.
            scores: name of the layer of class scores, or "".
            wish: name to value of some of the fields.

        Raises:
            UnknownName, BadValue, BadType: something in it does not exist.
        """
        found: dict[str, Any] = {name: str(wish[name]) for name in ("image",) if name in wish}
        for name, accepted in (("transform", TRANSFORMS), ("direction", DIRECTIONS), ("fill", FILLS)):
            if name in wish:
                found[name] = named(name, wish[name], accepted)
        if "layers" in wish:
            found["layers"] = checked_layers(lens, wish["layers"])
        if "target" in wish:
            found["target"] = None if wish["target"] is None else class_index(lens, wish["target"])
        if wish.get("unit"):
            unit = picking.checked(lens, wish["unit"])
            found["unit"] = str(unit)
            if scores and unit.layer == scores:
                found["target"] = unit.channel
        return replace(self, **found)

    def shown(self, scores: str) -> tuple[str, ...]:
        """The layers whose curves are drawn: those chosen, and the unit's, in the order of choice."""
        layer = self.unit.partition(":")[0]
        more = (layer,) if layer and layer not in self.layers and layer != scores else ()
        return (*self.layers, *more)[-MOST:]

    @property
    def path(self) -> tuple[str, str, str, str]:
        """What the photo's way depends on: (image, transform, direction, fill)."""
        return self.image, self.transform, self.direction if self.transform == "translate" else "", self.fill

    def course(self, size: tuple[int, int]) -> Course:
        """The amounts by which a photo of a size (H, W) is moved."""
        amounts = checked_amounts(self.transform, None, AMOUNTS, size, self.direction)
        return Course(self.transform, amounts, self.direction, self.fill)  # type: ignore[arg-type] # both are checked

    def traits(self) -> dict[str, Any]:
        """The same as traits."""
        told = {name: getattr(self, name) for name in ("image", "transform", "direction", "fill", "target", "unit")}
        return {**told, "layers": list(self.layers)}


def named(kind: str, value: Any, accepted: tuple[str, ...]) -> str:
    """A value that must be one of some names.

    Raises:
        UnknownName: it is none of them.
    """
    if value not in accepted:
        raise unknown_name(kind, value, accepted, f"Accepted: {', '.join(accepted)}.")
    return str(value)


def checked_layers(lens: Lens, layers: Any) -> tuple[str, ...]:
    """Names of layers, each once, as many as can be told apart.

    Raises:
        UnknownName: a wrong layer.
        BadValue: none, too many, or one twice.
    """
    found = tuple(each.name for each in chosen_layers(lens, layers))
    if len(found) > MOST:
        raise BadValue(f"{len(found)} layers cannot be told apart on one chart. Accepted: 1 to {MOST}.")
    return found
