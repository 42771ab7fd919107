"""Which units of a network are recorded while it trains."""

from collections.abc import Sequence

from convviz_widgets.core.errors import BadValue
from convviz_widgets.core.unit import Unit
from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.deconvnet.snapshots import Place

Units = int | Sequence[str | Unit]
DEPTHS = 5  # layers of maps recorded by default


def places_of(
    lens: Lens, layers: Sequence[str] | None, units: Units, size: tuple[int, int], tile: int
) -> dict[str, Place]:
    """The layers and their units, in the order of execution.

    Raises:
        UnknownName: a layer that does not exist.
        BadValue: a unit that does not exist, or none at all.
    """
    chosen = _counted(lens, layers, units) if isinstance(units, int) else _addressed(lens, layers, units)
    order = sorted(chosen, key=lambda name: lens.layers[name].index)
    return {name: Place.of(lens.layers[name], chosen[name], size, tile) for name in order}


def default_layers(lens: Lens) -> list[Layer]:
    """Up to five layers of maps, spread over the depth: what leaves a ReLU where there are any; and the last layer."""
    every = list(lens.layers.values())
    maps = [each for each in every if each.is_map and each.kind == "activation"]
    maps = maps or [each for each in every if each.is_map and each.kind == "convolution"]
    steps = min(DEPTHS, len(maps))
    spread = {round(step * (len(maps) - 1) / max(1, steps - 1)) for step in range(steps)}
    return [*(maps[place] for place in sorted(spread)), *(each for each in every[-1:] if each not in maps)]


def _counted(lens: Lens, layers: Sequence[str] | None, units: int) -> dict[str, tuple[int, ...]]:
    if units < 1:
        raise BadValue(f"units={units} records nothing. Accepted: 1 or more of each layer, or addresses of units.")
    names = [layers] if isinstance(layers, str) else layers
    chosen = default_layers(lens) if names is None else [lens.layers[name] for name in names]
    if not chosen:
        raise BadValue("No layer is chosen: the list is empty. `lens.layers` lists them all.")
    return {each.name: tuple(range(min(units, each.channels))) for each in chosen}


def _addressed(lens: Lens, layers: Sequence[str] | None, units: Sequence[str | Unit]) -> dict[str, tuple[int, ...]]:
    if layers is not None:
        raise BadValue(
            "layers= and addresses of units are both given; the addresses name their layers. Leave layers= out, or "
            "say how many units of each layer."
        )
    chosen: dict[str, tuple[int, ...]] = {}
    for unit in [units] if isinstance(units, str) else units:
        address = Unit.parse(unit)
        layer = lens.layers[address.layer]
        if address.channel >= layer.channels:
            raise BadValue(f"{layer.name} has no unit {address.channel}. Accepted: 0 to {layer.channels - 1}.")
        chosen[layer.name] = tuple(dict.fromkeys([*chosen.get(layer.name, ()), address.channel]))
    if not chosen:
        raise BadValue("No unit is chosen: the list is empty. Accepted: addresses such as 'relu2:5', or a number.")
    return chosen
