"""What the maps of a saliency viewer are of, as the user names it."""

from typing import Any

from convviz_widgets.core.unit import Unit
from convviz_widgets.lens.classes import class_index
from convviz_widgets.lens.lens import Lens
from convviz_widgets.widgets import picking


def checked_target(lens: Lens, scores: str, target: Any) -> int | str | None:
    """What is meant: a class index, a unit's address, or None; the score of a class is that class.

    Raises:
        UnknownName, BadValue, BadType: there is no such class or unit.
    """
    if target is None or target == "":
        return None
    if isinstance(target, Unit) or (isinstance(target, str) and target not in lens.class_names and ":" in target):
        unit = picking.checked(lens, target)
        return unit.channel if scores and unit.layer == scores else str(unit)
    return class_index(lens, target, or_else=", or the address of a unit")
