"""What is to grow: values that name the layers they need and give one number per picture.

An objective is a value: it can be compared, added, weighted and printed, and knows nothing of how it is climbed. Let
``A`` (N, K, h, w) be what a layer answers.

- `Neuron`: ``A[:, k, i, j]`` [Erhan 2009]; `Channel`: the mean of ``A[:, k]`` over positions;
- `WholeLayer`: the mean of ``A**2`` [Mordvintsev 2015, "DeepDream"];
- `ClassScore`: the score ``S_c`` before the softmax; `ClassProbability`: ``P_c`` after it, which grows as well when the
  other classes fall [Simonyan 2013, section 2];
- `Direction`: the mean over positions of ``<v, A>`` along a unit vector ``v`` in channel space [Kim 2018; Olah 2018];
- `Diversity`: minus the mean cosine between the Gram matrices of the pictures of one unit [Olah 2017].
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Self

import torch

from convviz_widgets.core.errors import BadValue
from convviz_widgets.core.unit import Unit
from convviz_widgets.lens.classes import class_index, score_layer
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.activation_maximization.named import check_unit

Activations = Mapping[str, torch.Tensor]


class Objective(ABC):
    """Something to be increased. Objectives add up, and are weighted by numbers.

    Example:
        >>> Channel("conv1:3") - 0.5 * Channel("conv1:4")
        Channel('conv1:3') - 0.5 * Channel('conv1:4')
    """

    @property
    @abstractmethod
    def layers(self) -> tuple[str, ...]:
        """Names of the layers whose activations `value` reads."""

    @abstractmethod
    def value(self, activations: Activations) -> torch.Tensor:
        """One number per picture, (N,), of activations (N, K, h, w) or (N, K) by layer."""

    def resolved(self, lens: Lens) -> "Objective":
        """The same objective with everything that depends on the network filled in and checked.

        Raises:
            UnknownName, BadValue: the network has no such layer, channel, neuron or class.
        """
        for layer in self.layers:
            _ = lens.layers[layer]
        return self

    @property
    def unit(self) -> Unit | None:
        """The unit that is made to answer, where it is a single one."""
        return None

    def __add__(self, other: object) -> "Objective":
        if isinstance(other, Objective):
            return WeightedSum((*_terms(self), *_terms(other)))
        return self if other == 0 else NotImplemented  # so that sum() works

    __radd__ = __add__

    def __mul__(self, weight: object) -> "Objective":
        if not isinstance(weight, Real):
            return NotImplemented
        if not math.isfinite(weight):
            raise BadValue(f"An objective cannot be weighted by {weight!r}. Accepted: any finite number.")
        return WeightedSum(tuple((factor * float(weight), each) for factor, each in _terms(self)))

    __rmul__ = __mul__

    def __neg__(self) -> "Objective":
        return self * -1

    def __sub__(self, other: "Objective") -> "Objective":
        return self + -other if isinstance(other, Objective) else NotImplemented


@dataclass(frozen=True, repr=False)
class _OfUnit(Objective):
    """An objective of one unit."""

    of: Unit

    def __init__(self, of: str | Unit) -> None:
        object.__setattr__(self, "of", Unit.parse(of))

    @property
    def layers(self) -> tuple[str, ...]:
        return (self.of.layer,)

    @property
    def unit(self) -> Unit:
        return self.of

    def resolved(self, lens: Lens) -> Self:
        check_unit(lens.layers[self.of.layer], self.of)
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.of)!r})"


class Channel(_OfUnit):
    """A whole channel: its mean over positions.

    Example:
        >>> Channel("fire9:17").value({"fire9": torch.ones(2, 20, 3, 3)})
        tensor([1., 1.])
    """

    def value(self, activations: Activations) -> torch.Tensor:  # noqa: D102 -- as the base says
        return _of_positions(activations[self.of.layer], self.of.channel).mean(1)


class Neuron(_OfUnit):
    """One neuron, ``layer:channel@row,column``; without a position, the one in the middle of the map."""

    def value(self, activations: Activations) -> torch.Tensor:  # noqa: D102 -- as the base says
        return _neuron(activations[self.of.layer], self.of)


@dataclass(frozen=True)
class WholeLayer(Objective):
    """A whole layer: the mean of squares, so that whatever it sees is strengthened."""

    layer: str

    @property
    def layers(self) -> tuple[str, ...]:  # noqa: D102 -- as the base says
        return (self.layer,)

    def value(self, activations: Activations) -> torch.Tensor:  # noqa: D102 -- as the base says
        return activations[self.layer].square().flatten(1).mean(1)

    def __repr__(self) -> str:
        return f"WholeLayer({self.layer!r})"


@dataclass(frozen=True, repr=False)
class _OfClass(Objective):
    target: int | str
    layer: str = ""  # filled in by `resolved`

    @property
    def layers(self) -> tuple[str, ...]:
        return (self.layer,)

    @property
    def unit(self) -> Unit | None:
        return Unit(self.layer, self.target) if self.layer and isinstance(self.target, int) else None

    def resolved(self, lens: Lens) -> Self:
        layer = lens.layers[self.layer] if self.layer else score_layer(lens)
        return replace(self, target=class_index(lens, self.target, layer.channels), layer=layer.name)

    def __repr__(self) -> str:
        layer = f", layer={self.layer!r}" if self.layer else ""
        return f"{type(self).__name__}({self.target!r}{layer})"


class ClassScore(_OfClass):
    """The score ``S_c`` of a class, given by index or name, before any softmax."""

    def value(self, activations: Activations) -> torch.Tensor:  # noqa: D102 -- as the base says
        return _of_positions(activations[self.layer], int(self.target)).mean(1)


class ClassProbability(_OfClass):
    """The probability ``P_c`` of a class. Offered to show why it fails: see `ClassScore`."""

    def value(self, activations: Activations) -> torch.Tensor:  # noqa: D102 -- as the base says
        scores = activations[self.layer]
        return (scores.flatten(2).mean(2) if scores.ndim > 2 else scores).softmax(1)[:, int(self.target)]


@dataclass(frozen=True, repr=False)
class Direction(Objective):
    """A direction in the channel space of a layer: mean over positions of ``<v, A>`` with ``|v| = 1``.

    Example:
        >>> Direction("conv1", (3, 4)).value({"conv1": torch.ones(1, 2, 5, 5)})
        tensor([1.4000])

    Args:
        layer: name of the layer.
        vector: (K,) one number per channel, of any length.
    """

    layer: str
    vector: tuple[float, ...] = field()

    def __init__(self, layer: str, vector: Sequence[float]) -> None:
        values = tuple(float(each) for each in vector)
        length = math.hypot(*values)
        if not math.isfinite(length) or length == 0:
            raise BadValue(f"A direction needs finite numbers that are not all zero; its length is {length}.")
        object.__setattr__(self, "layer", layer)
        object.__setattr__(self, "vector", values)

    @property
    def layers(self) -> tuple[str, ...]:  # noqa: D102 -- as the base says
        return (self.layer,)

    def resolved(self, lens: Lens) -> "Direction":  # noqa: D102 -- as the base says
        channels = lens.layers[self.layer].channels
        if len(self.vector) != channels:
            raise BadValue(
                f"The direction has {len(self.vector)} numbers. Accepted for {self.layer}: {channels}, one per channel."
            )
        return self

    def value(self, activations: Activations) -> torch.Tensor:  # noqa: D102 -- as the base says
        maps = activations[self.layer]
        along = maps.new_tensor(self.vector) / math.hypot(*self.vector)
        return (maps.flatten(2).mean(2) if maps.ndim > 2 else maps) @ along

    def __repr__(self) -> str:
        return f"Direction({self.layer!r}, {self.vector!r})"


@dataclass(frozen=True, repr=False)
class Diversity(Objective):
    """How different the pictures of one unit are: minus the mean cosine of their Gram matrices; 0 for one picture.

    Args:
        layer: name of the layer whose Gram matrices ``A A^T`` (K, K) are compared.

    Source:
        Olah, Mordvintsev & Schubert 2017, section "Diversity".
    """

    layer: str

    @property
    def layers(self) -> tuple[str, ...]:  # noqa: D102 -- as the base says
        return (self.layer,)

    def value(self, activations: Activations) -> torch.Tensor:  # noqa: D102 -- as the base says
        maps = activations[self.layer].flatten(2) if activations[self.layer].ndim > 2 else activations[self.layer]
        if len(maps) == 1:
            return maps.new_zeros(1) * maps.sum()
        gram = maps @ maps.transpose(1, 2) if maps.ndim == 3 else maps
        styles = torch.nn.functional.normalize(gram.flatten(1), dim=1, eps=1e-10)
        return (1 - (styles @ styles.T).sum(1)) / (len(maps) - 1)

    def __repr__(self) -> str:
        return f"Diversity({self.layer!r})"


@dataclass(frozen=True, repr=False)
class WeightedSum(Objective):
    """Objectives with their weights."""

    terms: tuple[tuple[float, Objective], ...]

    @property
    def layers(self) -> tuple[str, ...]:  # noqa: D102 -- as the base says
        return tuple(dict.fromkeys(name for _, each in self.terms for name in each.layers))

    @property
    def unit(self) -> Unit | None:  # noqa: D102 -- as the base says
        named = [each.unit for weight, each in self.terms if weight > 0 and each.unit is not None]
        return named[0] if len(named) == 1 else None

    def resolved(self, lens: Lens) -> "WeightedSum":  # noqa: D102 -- as the base says
        return WeightedSum(tuple((weight, each.resolved(lens)) for weight, each in self.terms))

    def value(self, activations: Activations) -> torch.Tensor:  # noqa: D102 -- as the base says
        return torch.stack([weight * each.value(activations) for weight, each in self.terms]).sum(0)

    def __repr__(self) -> str:
        text = ""
        for weight, each in self.terms:
            factor = "" if abs(weight) == 1 else f"{abs(weight)!r} * "
            sign = (" - " if weight < 0 else " + ") if text else ("-" if weight < 0 else "")
            text += f"{sign}{factor}{each!r}"
        return text


def _terms(objective: Objective) -> tuple[tuple[float, Objective], ...]:
    return objective.terms if isinstance(objective, WeightedSum) else ((1.0, objective),)


def _of_positions(maps: torch.Tensor, channel: int) -> torch.Tensor:
    """(N, positions) of one channel."""
    return maps[:, channel].flatten(1) if maps.ndim > 2 else maps[:, channel, None]


def _neuron(maps: torch.Tensor, unit: Unit) -> torch.Tensor:
    """(N,) of one neuron."""
    if maps.ndim < 4:
        return _of_positions(maps, unit.channel).mean(1)
    height, width = maps.shape[2:]
    row, column = unit.position or (height // 2, width // 2)
    if row >= height or column >= width:
        raise BadValue(
            f"There is no neuron {unit} in maps of {height}x{width}, which is what a picture of this size gives. "
            f"Accepted: rows 0 to {height - 1}, columns 0 to {width - 1}; or set `size`."
        )
    return maps[:, unit.channel, row, column]
