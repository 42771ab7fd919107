"""What the activation maximization panel offers: layers, recipes, and one slider for each knob of the technique."""

from collections.abc import Mapping
from typing import Any, get_type_hints

from convviz_widgets.core.errors import BadType, unknown_name
from convviz_widgets.core.knob import Knob, knobs
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.activation_maximization.activation_maximization import activation_maximization
from convviz_widgets.methods.activation_maximization.recipes import RECIPES, Recipe

KNOBS: Mapping[str, Knob] = {name: knob for name, (knob, _) in knobs(activation_maximization.steps).items()}
ALWAYS = ("steps", "size", "step_size")  # turned with every recipe
KEPT = ("steps", "size")  # stay as they are when another recipe is taken


def outline(lens: Lens) -> dict[str, Any]:
    """The network, the recipes and the knobs as the browser shows them."""
    return {
        "name": lens.name,
        "layers": [
            {"name": layer.name, "kind": layer.kind, "channels": layer.channels, "names": _names(lens, layer.channels)}
            for layer in lens.layers.values()
        ],
        "recipes": [
            {
                "name": each.name,
                "summary": each.summary,
                "source": each.source,
                "knobs": {**each.knobs, "size": each.knobs["size"] or lens.input_shape[1]},
                "used": used(each),
            }
            for each in RECIPES.values()
        ],
        "knobs": [
            {
                "name": name,
                "low": knob.low,
                "high": knob.high,
                "scale": knob.scale,
                "unit": knob.unit,
                "help": knob.help,
                "whole": name in _WHOLE,
            }
            for name, knob in KNOBS.items()
        ],
    }


def used(recipe: Recipe) -> list[str]:
    """The knobs that a recipe turns on: what is 0 is off, and how often to blur matters only where there is a blur."""
    off = {name for name, value in recipe.knobs.items() if not value}
    if "blur" in off:
        off.add("blur_every")
    return [name for name in KNOBS if name in ALWAYS or name not in off]


def checked_recipe(name: str) -> str:
    """The name itself.

    Raises:
        UnknownName: there is no such recipe; lists the nearest.
    """
    if name not in RECIPES:
        raise unknown_name("recipe", name, RECIPES, f"All: {', '.join(RECIPES)}.")
    return name


def checked_knobs(recipe: str, values: Mapping[str, Any]) -> dict[str, float]:
    """The values that differ from the recipe's, in the order of the signature, each within its range.

    Raises:
        UnknownName: there is no such knob.
        BadType: a value is no number.
        BadValue: a value lies outside its range.
    """
    for name, value in values.items():
        if name not in KNOBS:
            raise unknown_name("knob", name, KNOBS)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadType(f"{name}={value!r} is no number. Accepted: {KNOBS[name].low:g} to {KNOBS[name].high:g}.")
    given = RECIPES[recipe].knobs
    turned = {name: values[name] for name in KNOBS if name in values and values[name] != given.get(name)}
    return {name: KNOBS[name].check(name, _whole(name, value)) for name, value in turned.items()}


def _whole(name: str, value: float) -> float:
    return int(value) if name in _WHOLE and float(value).is_integer() else value


def _names(lens: Lens, channels: int) -> list[str]:
    return list(lens.class_names) if channels == len(lens.class_names) else []


def _counted() -> frozenset[str]:
    """The knobs that take whole numbers alone."""
    hints = get_type_hints(activation_maximization.steps)
    return frozenset(name for name in KNOBS if float not in getattr(hints[name], "__args__", (hints[name],)))


_WHOLE = _counted()
