"""What the maps of a saliency viewer are of, as the user names it."""

from typing import Any

from convviz_widgets.core.errors import BadType, BadValue, unknown_name
from convviz_widgets.core.unit import Unit
from convviz_widgets.lens.lens import Lens
from convviz_widgets.widgets import picking


def checked_target(lens: Lens, scores: str, target: Any) -> int | str | None:
    """What is meant: a class index, a unit's address, or None; the score of a class is that class.

    Raises:
        UnknownName, BadValue, BadType: there is no such class or unit.
    """
    if target is None or target == "":
        return None
    if isinstance(target, str) and target in lens.class_names:
        return lens.class_names.index(target)
    if isinstance(target, int) and not isinstance(target, bool):
        if target < 0 or (lens.class_names and target >= len(lens.class_names)):
            raise BadValue(f"There is no class {target}. Accepted: 0 to {len(lens.class_names) - 1}, or a name.")
        return target
    if isinstance(target, str) and ":" not in target:
        raise unknown_name("class", target, lens.class_names, "Or give its index, or the address of a unit.")
    if not isinstance(target, str | Unit):
        raise BadType(f"A target of type {type(target).__name__} is not known. Accepted: a class or a unit's address.")
    unit = picking.checked(lens, target)
    return unit.channel if scores and unit.layer == scores else str(unit)
