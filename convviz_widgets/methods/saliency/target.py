"""Which number of the network a map is of: a class score, or the activation of a unit."""

from dataclasses import dataclass

import torch

from convviz_widgets.core.errors import BadValue
from convviz_widgets.core.unit import Unit
from convviz_widgets.lens.backward import WayBack, cached_answers
from convviz_widgets.lens.classes import chosen_class
from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.prediction import class_probabilities
from convviz_widgets.lens.rules import Rule

MOST = 16  # pictures per pass
PIXELS = 150_000
"""Of all pictures of one pass. A pass cannot be called off: so many take well below a second on common networks and one
core, where sixteen pictures of 224 by 224 would take five times as long and be no faster each."""


@dataclass(frozen=True)
class Target:
    """One number of the network.

    Args:
        name: for people: the class's name or the unit's address.
        address: what to hand over to get it again: a class index, or the unit's address with its position.
        layer: the unit's layer; None for a class score.
        place: of the number among all that the layer, or the network, gives for a picture.
        sign: -1 for the first of two classes that share one score, else 1.
    """

    name: str
    address: int | str
    layer: Layer | None
    place: int
    sign: int = 1

    def of(self, answers: torch.Tensor) -> torch.Tensor:
        """The number for each picture, (N,), in what the layer answers."""
        return answers.flatten(1)[:, self.place] * self.sign

    def signals(self, answers: torch.Tensor) -> torch.Tensor:
        """Zeros like what the layer answers, with 1 (or -1) at the number."""
        signals = torch.zeros_like(answers)
        signals.flatten(1)[:, self.place] = self.sign
        return signals


def find_target(lens: Lens, prepared: torch.Tensor, unit: int | str | Unit | None) -> Target:
    """The target that a user means.

    Args:
        lens: the network.
        prepared: (1, C, H, W), the picture as the network sees it.
        unit: a class by index or by name, a unit's address, or None for the most probable class. Of a channel without
            a position, the strongest neuron on this picture is meant.

    Raises:
        BadType: neither a class nor a unit.
        BadValue: there is no such class or unit.
        UnknownName: a wrong class name or layer; lists the nearest.
        UnsupportedModel: the network gives no class scores.
    """
    if isinstance(unit, Unit) or (isinstance(unit, str) and unit not in lens.class_names and ":" in unit):
        return _unit(lens, prepared, Unit.parse(unit))
    answers = cached_answers(lens, prepared)
    chances = class_probabilities(answers, lens.class_names)[0]
    index = chosen_class(lens, chances, unit, or_else=", or the address of a unit such as 'conv5:3'")
    if answers[0].numel() < len(chances):  # one score for two classes
        return Target(lens.class_name(index), index, None, 0, sign=1 if index else -1)
    return Target(lens.class_name(index), index, None, index)


def gradients(
    lens: Lens, prepared: torch.Tensor, target: Target, *, rule: Rule = "gradient"
) -> tuple[torch.Tensor, torch.Tensor]:
    """The gradient of a target at prepared pictures, (N, C, H, W), and the target's values, (N,)."""
    way = WayBack(lens, prepared, target.layer, rule=rule)
    return way.down(target.signals(way.answers), last=True), target.of(way.answers)


def per_pass(prepared: torch.Tensor) -> int:
    """How many pictures of the size of prepared ones (N, C, H, W) go through the network in one pass.

    Example:
        >>> per_pass(torch.empty(1, 3, 96, 96)), per_pass(torch.empty(1, 3, 224, 224))
        (16, 2)
    """
    return max(1, min(MOST, PIXELS // max(1, prepared.shape[-2] * prepared.shape[-1])))


def _unit(lens: Lens, prepared: torch.Tensor, unit: Unit) -> Target:
    layer = lens.layers[unit.layer]
    answers = cached_answers(lens, prepared, layer)[0]
    if unit.channel >= len(answers):
        raise BadValue(f"{layer.name} has no unit {unit.channel}. Accepted: 0 to {len(answers) - 1}.")
    if answers.ndim == 1:
        return Target(str(unit.whole), str(unit.whole), layer, unit.channel)
    height, width = answers.shape[1:]
    row, column = unit.position or divmod(int(answers[unit.channel].argmax()), width)
    if row >= height or column >= width:
        raise BadValue(f"{unit} lies outside its map of {height} x {width}. Accepted: up to {height - 1},{width - 1}.")
    address = str(unit.at(row, column))
    return Target(address, address, layer, (unit.channel * height + row) * width + column)
