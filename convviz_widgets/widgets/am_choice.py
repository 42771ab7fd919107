"""What a person chose in the activation maximization panel, and how a gesture changes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from convviz_widgets.core.errors import BadValue
from convviz_widgets.core.unit import Unit
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.activation_maximization.notation import as_text
from convviz_widgets.methods.activation_maximization.objectives import Objective
from convviz_widgets.widgets import am_menu
from convviz_widgets.widgets.am_session import Ask
from convviz_widgets.widgets.am_targets import read_targets, unit_of, written

ASKED = ("objective", "recipe", "knobs", "seed")  # what a run depends on


@dataclass(frozen=True)
class Choice:
    """What the person chose.

    Args:
        objectives: one picture each.
        recipe: name of the recipe.
        knobs: those that differ from the recipe.
        seed: of the random generator.
    """

    objectives: tuple[Objective, ...]
    recipe: str
    knobs: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0

    @property
    def units(self) -> tuple[Unit | None, ...]:
        """The unit of each objective."""
        return tuple(each.unit for each in self.objectives)

    def ask(self, *, fresh: bool) -> Ask:
        """The same as a request."""
        return Ask(tuple(map(as_text, self.objectives)), self.recipe, self.knobs, self.seed, fresh)

    def traits(self, unit: str) -> dict[str, Any]:
        """The same as traits; ``unit`` stays where the objectives have none."""
        return {
            "objective": written(self.objectives),
            "unit": unit_of(self.objectives) or unit,
            "recipe": self.recipe,
            "knobs": dict(self.knobs),
            "seed": self.seed,
        }

    def changed(self, lens: Lens, change: Mapping[str, Any]) -> "Choice":
        """The choice after a change of some of `ASKED`; knobs are added to those that are turned, None turns one back.

        Raises:
            UnknownName, BadType, BadValue: what is asked for does not exist.
        """
        recipe = am_menu.checked_recipe(change.get("recipe", self.recipe))
        turned = {**(self.knobs if recipe == self.recipe else _kept(self.knobs)), **change.get("knobs", {})}
        seed = change.get("seed", self.seed)
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise BadValue(f"seed={seed!r} cannot be used. Accepted: a whole number, 0 or above.")
        return Choice(
            read_targets(lens, str(change["objective"])) if "objective" in change else self.objectives,
            recipe,
            am_menu.checked_knobs(recipe, {name: value for name, value in turned.items() if value is not None}),
            seed,
        )

    def differs_in_knobs_alone(self, other: "Choice") -> bool:
        """Whether a run for this choice can go on from the pictures of the other."""
        return replace(self, knobs=other.knobs) == other


def first_choice(lens: Lens, target: str, recipe: str, knobs: Mapping[str, float], seed: int) -> Choice:
    """The choice that a panel begins with; without a target, a convolution halfway through the network.

    Raises:
        UnknownName, BadValue: something that does not exist.
    """
    recipe = am_menu.checked_recipe(recipe)
    return Choice(read_targets(lens, target or _middle(lens)), recipe, am_menu.checked_knobs(recipe, knobs), seed)


def _kept(knobs: Mapping[str, float]) -> dict[str, float]:
    """The knobs that stay turned under another recipe."""
    return {name: knobs[name] for name in am_menu.KEPT if name in knobs}


def _middle(lens: Lens) -> str:
    layers = [layer.name for layer in lens.layers.values() if layer.kind == "convolution"] or list(lens.layers)
    if not layers:
        raise BadValue(f"{lens.name} has no layers to look at: it is a single operation. Wrap it with the rest.")
    return f"{layers[len(layers) // 2]}:0"
