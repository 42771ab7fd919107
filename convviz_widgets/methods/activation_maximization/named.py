"""What an objective names, found in a network and checked: its layer of class scores, its units, its classes."""

from convviz_widgets.core.errors import BadType, BadValue, UnsupportedModel, unknown_name
from convviz_widgets.core.unit import Unit
from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens


def score_layer(lens: Lens) -> Layer:
    """The layer of the class scores: the last one, or the one before if that is a softmax.

    Raises:
        UnsupportedModel: the network has no layer.
    """
    named = [layer for layer in lens.layers.values() if layer.type_name not in ("Softmax", "LogSoftmax", "Softmax2d")]
    if not named:
        raise UnsupportedModel(f"{lens.name} has no layer, so there is no class score in it.")
    return named[-1]


def check_unit(layer: Layer, unit: Unit) -> None:
    """Refuses a channel or a position that the layer does not have."""
    if unit.channel >= layer.channels:
        raise BadValue(f"{layer.name} has no channel {unit.channel}. Accepted: 0 to {layer.channels - 1}.")
    if unit.position is not None and not layer.is_map:
        raise BadValue(f"{layer.name} gives a vector, whose units have no position. Accepted: {str(unit.whole)!r}.")


def class_index(lens: Lens, target: int | str) -> int:
    """The index of a class that is given by index or name."""
    if isinstance(target, bool) or not isinstance(target, int | str):
        raise BadType(f"target={target!r} is no class. Accepted: its index or its name.")
    if isinstance(target, str):
        if target not in lens.class_names:
            raise unknown_name("class", target, lens.class_names, "`lens.class_names` lists them all.")
        return lens.class_names.index(target)
    if target < 0:
        raise BadValue(f"There is no class {target}. Accepted: 0 and above.")
    return target
