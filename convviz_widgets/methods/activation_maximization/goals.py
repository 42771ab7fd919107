"""What a batch of images climbs: one objective each, their values, and how far the gradient brings them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from convviz_widgets.core.errors import UnsupportedModel
from convviz_widgets.lens.canvas.gradient import peaks
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.rules import relu_rule
from convviz_widgets.methods.activation_maximization.objectives import Activations, Diversity, Objective


@dataclass(frozen=True)
class Goals:
    """One objective per image.

    Args:
        lens: the network.
        objectives: (N), resolved.
        diversity: weight of the term that pushes images of equal objectives apart, as a share of their value.
    """

    lens: Lens
    objectives: tuple[Objective, ...]
    diversity: float = 0.0

    @property
    def layers(self) -> list[str]:
        """The layers whose activations are read; the forward pass stops after the last of them."""
        return list(dict.fromkeys(name for each in self.objectives for name in each.layers))

    def slope(self, prepared: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Values (N,), and the gradient of their sum by what the network sees.

        For images to which no gradient comes, closed ReLUs are let pass what would open them [Olah 2017].

        Args:
            prepared: (N, C, H, W) that asks for a gradient.

        Raises:
            UnsupportedModel: no gradient leads from the units to the image.
        """
        values, gradient = self._slope(prepared)
        blocked = peaks(gradient) == 0
        if bool(blocked.any()):
            with relu_rule("redirected"):
                _, redirected = self._slope(prepared)
            gradient = torch.where(blocked.view(-1, 1, 1, 1), redirected, gradient)
        return values, gradient

    def _slope(self, prepared: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        activations = self.lens.record(prepared, self.layers, grad=True)
        values = self.values(activations)
        total = values.sum() if not self.diversity else (values + self._apart(values, activations)).sum()
        if not total.requires_grad:
            raise _no_path(self.lens, self.layers)
        (gradient,) = torch.autograd.grad(total, prepared, allow_unused=True)
        if gradient is None:
            raise _no_path(self.lens, self.layers)
        return values.detach(), gradient

    def values(self, activations: Activations) -> torch.Tensor:
        """The value of each image's objective, (N,)."""
        found = [
            objective.value({name: activations[name][place : place + 1] for name in objective.layers})
            for place, objective in enumerate(self.objectives)
        ]
        return torch.cat(found)

    def reached(self, prepared: torch.Tensor) -> torch.Tensor:
        """What each image's unit answers at its strongest position, (N,); without a unit, the objective's value."""
        activations = self.lens.record(prepared, self.layers)
        values = self.values(activations)
        return torch.stack([self._strongest(place, activations, values) for place in range(len(values))])

    def _strongest(self, place: int, activations: Activations, values: torch.Tensor) -> torch.Tensor:
        unit = self.objectives[place].unit
        if unit is None or unit.position is not None:
            return values[place]
        return activations[unit.layer][place, unit.channel].amax()

    def _apart(self, values: torch.Tensor, activations: Activations) -> torch.Tensor:
        """Each image's share of diversity, in proportion to its value."""
        term = torch.zeros_like(values)
        for objective in dict.fromkeys(self.objectives):
            places = [place for place, each in enumerate(self.objectives) if each == objective]
            if len(places) > 1:
                layer = objective.layers[0]
                spread = Diversity(layer).value({layer: activations[layer][places]})
                term = term.index_add(0, torch.tensor(places, device=term.device), spread)
        return self.diversity * values.detach().abs() * term


def numbered(objectives: Sequence[Objective]) -> list[int]:
    """How many equal objectives came before each one, so that only facets of one unit start from different noise."""
    return [sum(each == earlier for earlier in objectives[:place]) for place, each in enumerate(objectives)]


def _no_path(lens: Lens, layers: list[str]) -> UnsupportedModel:
    return UnsupportedModel(
        f"No gradient leads from {', '.join(layers)} of {lens.name} to the image, so it cannot be climbed. The network "
        "seems to detach, round or threshold on the way; ask for a layer before that, or for a network without it."
    )
