"""What a person chose in the inversion panel, how a gesture changes it, and what there is to choose from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from convviz_widgets.core.errors import BadValue, unknown_name
from convviz_widgets.core.knob import Knob, set_to, whole
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.inversion.perturb import KINDS as PERTURBATIONS
from convviz_widgets.methods.inversion.perturb import Perturbation
from convviz_widgets.methods.inversion.settings import KNOBS, RECIPES
from convviz_widgets.widgets import picking

FIRST_LAYERS = 6  # tiles to begin with
MOST_LAYERS = 16
MOST_SEEDS = 8
KEPT = ("steps",)  # knobs that stay as they are when another recipe is taken
ASKED = ("recipe", "knobs", "perturbation", "seed", "seeds")  # what each layer's image depends on


@dataclass(frozen=True)
class Choice:
    """What the person chose.

    Args:
        image: name of the picture.
        layers: those of the filmstrip, in the order of the network.
        guest: the one of them that came by a unit chosen elsewhere; the next takes its place; "" for none.
        unit: address whose layer is looked at; "" for none yet.
        recipe: how pictures are told: by a descent, or "decoder", at once by trained networks.
        turned: the knobs that differ from the recipe, for each recipe that was looked at.
        perturbation: as `Perturbation` writes it; "" for none.
        seed: of the noise, of shifts and of what is random in a perturbation.
        seeds: how many images per layer, each from noise of its own.
    """

    image: str
    layers: tuple[str, ...]
    guest: str = ""
    unit: str = ""
    recipe: str = "mahendran"
    turned: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    perturbation: str = ""
    seed: int = 0
    seeds: int = 1

    @property
    def kind(self) -> str:
        """Either "regularized" for a descent or "decoder"."""
        return "decoder" if RECIPES[self.recipe].parametrization == "decoder" else "regularized"

    @property
    def knobs(self) -> Mapping[str, float]:
        """The knobs that differ from the recipe."""
        return self.turned.get(self.recipe, {})

    @property
    def count(self) -> int:
        """How many images per layer there are: a decoder tells one."""
        return self.seeds if self.kind == "regularized" else 1

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments of `invert` beside the lens, the picture and the layers."""
        found: dict[str, Any] = {"recipe": self.recipe, "seed": self.seed}
        if self.count > 1:
            found["seeds"] = self.count
        if self.perturbation:
            found["perturbation"] = self.perturbation
        return {**found, **self.knobs}

    @property
    def key(self) -> tuple[Any, ...]:
        """What an image depends on beside its layer."""
        return (self.image, *sorted(self.settings.items()))

    @property
    def title(self) -> str:
        """The settings in few words."""
        turned = [f"{name} {value:g}" for name, value in self.knobs.items()]
        seeds = [f"seed {self.seed}"] if self.seed else []
        seeds += [f"{self.count} seeds"] if self.count > 1 else []
        return ", ".join([self.recipe, *([self.perturbation] if self.perturbation else []), *turned, *seeds])

    def traits(self) -> dict[str, Any]:
        """The same as traits of the panel."""
        told = {name: getattr(self, name) for name in ("image", "unit", *ASKED)}
        return {**told, "knobs": dict(self.knobs), "layers": list(self.layers)}

    def code(self, layers: Sequence[str], *, steps: int | None = None, decoders: bool = False) -> str:
        """The code that makes the images of some layers again, for ``import convviz_widgets as cv``.

        Example:
            >>> Choice("dog.jpg", ("relu1",), perturbation="binarise").code(["relu1"])
            "cv.invert(lens, image, layer='relu1', recipe='mahendran', perturbation='binarise', seed=0)"

        Args:
            layers: their names.
            steps: after how many the run was stopped; None where it was not. The size of the steps depends on how many
                there are to be, so that fewer steps are another way.
            decoders: whether decoders of the notebook's own take part.
        """
        given = {name: value for name, value in self.settings.items() if name != "seed"}
        named = layers[0] if len(layers) == 1 else list(layers)
        inputs = ("lens", "image", *(["decoders=decoders"] if decoders else []))
        line = Provenance("invert", settings={"layer": named, **given}, seed=self.seed, inputs=inputs).code()
        if steps is None:
            return line
        stopped = line.replace("cv.invert(", "cv.invert.steps(", 1)
        return f"from itertools import islice\n*_, last = islice({stopped}, {steps})\nlast.preview"

    def changed(self, lens: Lens, message: Mapping[str, Any]) -> "Choice":
        """The choice after a gesture, which names some of: image, layers, layer, unit, and `ASKED`.

        Knobs are added to those that are turned, None turns one back. A layer is looked at by its strongest unit, which
        is not known before its answer is.

        Raises:
            UnknownName, BadType, BadValue: what is asked for does not exist.
        """
        recipe = message.get("recipe", self.recipe)
        if recipe not in RECIPES:
            raise unknown_name("recipe", recipe, RECIPES)
        kept = {name: self.knobs[name] for name in KEPT if name in self.knobs and name in RECIPES[recipe].knobs}
        knobs = {**self.turned.get(recipe, kept), **message.get("knobs", {})}
        choice = replace(
            self,
            image=str(message.get("image", self.image)),
            recipe=recipe,
            turned={**self.turned, recipe: checked_knobs(recipe, knobs)},
            perturbation=checked_perturbation(message.get("perturbation", self.perturbation)),
            seed=whole("seed", message.get("seed", self.seed), 0, 2**32),
            seeds=whole("seeds", message.get("seeds", self.seeds), 1, MOST_SEEDS),
        )
        if "layers" in message:
            choice = replace(choice, layers=checked_layers(lens, message["layers"]), guest="")
        if "layer" in message:
            choice = choice._at(lens, lens.layers[message["layer"]].name, "")
        if message.get("unit"):
            unit = picking.checked(lens, message["unit"])
            choice = choice._at(lens, unit.layer, str(unit))
        return choice

    def _at(self, lens: Lens, layer: str, unit: str) -> "Choice":
        """The choice with a layer looked at, which is put into the filmstrip where it is not there."""
        unit = unit or (self.unit if self.unit.startswith(f"{layer}:") else f"{layer}:")
        if layer in self.layers:
            return replace(self, unit=unit)
        kept = [name for name in self.layers if name != self.guest]
        if len(kept) >= MOST_LAYERS:
            raise BadValue(f"{MOST_LAYERS} layers are shown, which is the most. Take one away first.")
        return replace(self, layers=checked_layers(lens, [*kept, layer]), guest=layer, unit=unit)


def spread_layers(lens: Lens) -> tuple[str, ...]:
    """Layers to begin with, spread evenly over the depth: activations and the last layer, or any where there are few.

    Example:
        >>> spread_layers(Lens.load("mini"))
        ('relu1', 'relu2', 'relu4', 'relu5', 'relu7', 'fc8')

    Raises:
        BadValue: the network has no layers.
    """
    names = list(lens.layers)
    if not names:
        raise BadValue(f"{lens.name} has no layers to invert: it is a single operation. Wrap it with the rest.")
    active = [layer.name for layer in lens.layers.values() if layer.kind == "activation" or layer.name == names[-1]]
    offered = active if len(active) > 2 else names
    places = np.linspace(0, len(offered) - 1, min(FIRST_LAYERS, len(offered))).round().astype(int)
    return tuple(offered[place] for place in places)


def checked_layers(lens: Lens, given: Any) -> tuple[str, ...]:
    """The layers in the order of the network, each once.

    Raises:
        UnknownName: there is no such layer.
        BadValue: none, or too many.
    """
    wanted = {lens.layers[name].name for name in ([given] if isinstance(given, str) else given)}
    if not 1 <= len(wanted) <= MOST_LAYERS:
        raise BadValue(f"{len(wanted)} layers are to be shown. Accepted: 1 to {MOST_LAYERS}.")
    return tuple(name for name in lens.layers if name in wanted)


def checked_knobs(recipe: str, values: Mapping[str, Any]) -> dict[str, float]:
    """The values that differ from the recipe's, in the order of the knobs; None is the recipe's own.

    Raises:
        UnknownName: the recipe has no such knob.
        BadType, BadValue: not a number, or out of range.
    """
    base = RECIPES[recipe].knobs
    for name in values:
        if name not in base:
            raise unknown_name(f"knob of {recipe!r}", name, base)
    given = {name: set_to(name, values[name], KNOBS) for name in KNOBS if values.get(name) is not None}
    return {name: value for name, value in given.items() if value != base[name]}


def checked_perturbation(given: Any) -> str:
    """A perturbation as it is written, its strength with it; "" for none.

    Raises:
        UnknownName, BadType, BadValue: there is no such one.
    """
    return str(Perturbation.parse(given)) if given else ""


def outline() -> dict[str, Any]:
    """The recipes, knobs and perturbations as the browser shows them."""
    return {
        "recipes": [
            {"name": each.name, "summary": each.summary, "source": each.source, "knobs": each.knobs}
            for each in RECIPES.values()
        ],
        "knobs": [_knob(name, knob, counts=kind is int) for name, (kind, knob) in KNOBS.items()],
        "perturbations": [
            {
                "name": each.name,
                "summary": each.summary,
                "knob": each.knob and _knob("strength", each.knob, counts=each.whole),
                "default": each.default,
            }
            for each in PERTURBATIONS.values()
        ],
    }


def _knob(name: str, knob: Knob, *, counts: bool) -> dict[str, Any]:
    told = {key: getattr(knob, key) for key in ("low", "high", "scale", "unit", "help")}
    return {"name": name, **told, "whole": counts}
