"""Whether a layer has the unit that an objective names."""

from convviz_widgets.core.errors import BadValue
from convviz_widgets.core.unit import Unit
from convviz_widgets.lens.layers import Layer


def check_unit(layer: Layer, unit: Unit) -> None:
    """Refuses a channel or a position that the layer does not have."""
    if unit.channel >= layer.channels:
        raise BadValue(f"{layer.name} has no channel {unit.channel}. Accepted: 0 to {layer.channels - 1}.")
    if unit.position is not None and not layer.is_map:
        raise BadValue(f"{layer.name} gives a vector, whose units have no position. Accepted: {str(unit.whole)!r}.")
