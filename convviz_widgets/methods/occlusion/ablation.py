"""What a network can no longer tell when units of it are silent.

For a group U of units of a layer, the maps A_k of all k in U are replaced by zero, or by their mean over all pictures
and positions, and everything after the layer is computed again. Told is the share of pictures still classified right,
of all and of each class.

Cost: two forward passes per picture, and the part behind the layer for every group.
Oracle: equals forwards of a copy of the network in which a hook writes over the units.
Source: Zhou, Khosla, Lapedriza, Oliva & Torralba 2015, "Object Detectors Emerge in Deep Scene CNNs"; Zhou, Sun, Bau &
Torralba 2018, "Revisiting the Importance of Individual Units in CNNs via Ablation", section 3 (accuracy per class).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.core.errors import BadValue, unknown_name
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.technique import technique
from convviz_widgets.core.unit import Unit
from convviz_widgets.lens.images import each_image
from convviz_widgets.lens.incremental.engine import Incremental
from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.prediction import class_probabilities
from convviz_widgets.render import charts
from convviz_widgets.render.result import Result

Silence = Literal["zero", "mean"]
Floats = npt.NDArray[np.float64]
Group = tuple[Layer, tuple[int, ...]]


@dataclass(frozen=True, eq=False, repr=False)
class Ablation(Result):
    """Accuracy with G groups of units silent, one group at a time.

    Args:
        units: (G,) addresses of each group, joined by commas.
        kept: (G,) how many units of the group's layer are not silent.
        accuracy: (G,) share of pictures classified right.
        per_class: (G, classes) share of each class's pictures; NaN for a class without pictures.
        probability: (G, classes) that each class's pictures are given on average for it, which moves before any picture
            is told wrong; NaN as above.
        clean_accuracy: with all units.
        clean_per_class: (classes,) with all units.
        clean_probability: (classes,) with all units.
        names: of the classes.
    """

    units: tuple[str, ...]
    kept: npt.NDArray[np.int64]
    accuracy: Floats
    per_class: Floats
    probability: Floats
    clean_accuracy: float
    clean_per_class: Floats
    clean_probability: Floats
    names: tuple[str, ...]

    def ranking(self, target: int | str) -> list[tuple[str, float]]:
        """The groups by how much accuracy a class loses without them, the largest loss first.

        Of groups that cost as much, as many do where pictures are few, the one that costs more probability is first.

        Raises:
            BadValue: there is no such class, or no picture of it.
        """
        index = self._index(target)
        losses = self.clean_per_class[index] - self.per_class[:, index]
        order = np.lexsort((self.probability[:, index], -losses))
        return [(self.units[place], float(losses[place])) for place in order]

    def curve(self, target: int | str) -> Any:
        """A figure of the accuracy over how many units are kept: of a class, and of all pictures.

        Example:
            >>> lens, images = Lens.load("mini"), np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), np.uint8)
            >>> others = ablate(lens, "conv3", images, [0, 1]).all_but_best(0, [1, 4])
            >>> [line.name for line in ablate(lens, others, images, [0, 1]).curve(0).data]
            ['face', 'all pictures']

        Raises:
            BadValue: there is no such class, or no picture of it.

        Source:
            Zhou, Sun, Bau & Torralba 2018, section 3.
        """
        index, order = self._index(target), np.argsort(self.kept, kind="stable")
        lines = {self.names[index]: self.per_class[order, index], "all pictures": self.accuracy[order]}
        title = f"{self.names[index]} with all units: {self.clean_per_class[index]:.2f}"
        return charts.curve(lines, places=self.kept[order], title=title, x="units kept", y="accuracy")

    def all_but_best(self, target: int | str, counts: Iterable[int]) -> list[list[str]]:
        """The units to be silenced so that a class keeps its n best alone, for each n.

        Handed to `ablate` with the same pictures they give the accuracy over n: its ``per_class[:, target]``, and as a
        figure its `curve`.

        Example:
            >>> lens, images = Lens.load("mini"), np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), np.uint8)
            >>> others = ablate(lens, "conv3", images, [0, 1]).all_but_best(0, [1, 4])
            >>> [len(each) for each in others], ablate(lens, others, images, [0, 1]).kept.tolist()
            ([71, 68], [1, 4])

        Args:
            target: a class among the labels, by index or name.
            counts: how many are kept, each from 0 to one less than there are.

        Raises:
            BadValue: no such class, or a number that keeps all.

        Source:
            Zhou, Sun, Bau & Torralba 2018, section 3 (classes with their most important units alone).
        """
        order, wanted = [units.split(", ") for units, _ in self.ranking(target)], list(counts)
        if any(not 0 <= count < len(order) for count in wanted):
            raise BadValue(f"{wanted} cannot all be kept of {len(order)} groups. Accepted: 0 to {len(order) - 1}.")
        return [[unit for units in order[count:] for unit in units] for count in wanted]

    def _index(self, target: int | str) -> int:
        index = self.names.index(target) if target in self.names else target
        if not isinstance(index, int) or not 0 <= index < len(self.names) or np.isnan(self.clean_per_class[index]):
            raise BadValue(f"There is no picture of a class {target!r}. Accepted: a class that was among the labels.")
        return index

    def caption(self) -> str:
        """The group that matters most."""
        worst = int(self.accuracy.argmin())
        return f"Accuracy {self.clean_accuracy:.3f}; {self.accuracy[worst]:.3f} without {self.units[worst]}"

    def figure(self) -> Any:
        """What each group's silence costs."""
        order = np.argsort(self.accuracy, kind="stable")[:40]
        losses = self.clean_accuracy - self.accuracy[order]
        return charts.bars([self.units[place] for place in order], losses, unit="accuracy lost")


@technique
def ablate(lens: Lens, units: Any, images: Any, labels: Sequence[int], *, silence: Silence = "zero") -> Steps[Ablation]:
    """How many pictures are still classified right without one unit after another.

    Example:
        >>> images = np.random.default_rng(0).integers(0, 256, (4, 96, 96, 3), dtype=np.uint8)
        >>> ablate(Lens.load("mini"), ["conv3:0", ["conv3:1", "conv3:2"]], images, [0, 1, 2, 3]).accuracy.shape
        (2,)

    Args:
        lens: the network.
        units: the name of a layer for each of its units, or a list: each entry a unit's address, or a list of addresses
            in one layer that are silent together.
        images: pictures of one prepared size.
        labels: the index of each picture's class.
        silence: what a silent unit answers: "zero", or its "mean" over all pictures and positions.

    Returns:
        An `Ablation`.

    Raises:
        BadValue: no such unit, units of several layers in one group, or another number of labels than of pictures.
        UnknownName: a wrong layer.
        UnsupportedModel: the network's operations cannot be followed, or it gives no class scores.

    Source:
        Zhou, Sun, Bau & Torralba 2018, section 3.
    """
    if silence not in get_args(Silence):
        raise unknown_name("silence", silence, get_args(Silence))
    groups = _groups(lens, units)
    pictures, wanted = list(each_image(images)), [int(label) for label in labels]
    if len(pictures) != len(wanted) or not pictures:
        raise BadValue(
            f"{len(pictures)} pictures and {len(wanted)} labels were given. Accepted: one label per picture."
        )
    layers = {layer.name: layer for layer, _ in groups}
    instead = _means(lens, pictures, list(layers)) if silence == "mean" else dict.fromkeys(layers)
    right, given = np.zeros((2, len(groups) + 1, len(pictures)))
    opened: Incremental | None = None
    for place, picture in enumerate(pictures):
        opened = Incremental(lens, lens.prepare(picture), list(layers), like=opened)
        found = [opened.clean[""], *(_silent(opened, group, instead[group[0].name]) for group in groups)]
        chances = torch.cat([class_probabilities(each, lens.class_names) for each in found])
        if not 0 <= wanted[place] < chances.shape[1]:
            raise BadValue(f"There is no class {wanted[place]}. Accepted: 0 to {chances.shape[1] - 1}.")
        right[:, place] = (chances.argmax(1) == wanted[place]).cpu().numpy()
        given[:, place] = chances[:, wanted[place]].cpu().numpy()
        yield Step(place + 1, len(pictures), headline=float(right[1:, : place + 1].mean()), label="pictures")
    per_class, probability = np.full((2, len(right), chances.shape[1]), np.nan)
    for index in set(wanted):
        per_class[:, index] = right[:, np.array(wanted) == index].mean(1)
        probability[:, index] = given[:, np.array(wanted) == index].mean(1)
    addresses = [[str(Unit(layer.name, channel)) for channel in channels] for layer, channels in groups]
    return Ablation(
        units=tuple(", ".join(each) for each in addresses),
        kept=np.array([layer.channels - len(set(channels)) for layer, channels in groups]),
        accuracy=right[1:].mean(1),
        per_class=per_class[1:],
        probability=probability[1:],
        clean_accuracy=float(right[0].mean()),
        clean_per_class=per_class[0],
        clean_probability=probability[0],
        names=tuple(lens.class_name(index) for index in range(chances.shape[1])),
        provenance=Provenance.of(
            "ablate",
            fingerprint=lens.fingerprint,
            inputs=("lens", "images", "labels"),
            units=units if isinstance(units, str) else addresses,
            silence=silence,
        ),
    )


def _groups(lens: Lens, units: Any) -> list[Group]:
    if isinstance(units, str) and ":" not in units:
        layer = lens.layers[units]
        return [(layer, (channel,)) for channel in range(layer.channels)]
    entries = [units] if isinstance(units, str | Unit) else list(units)
    groups = [_group(lens, [each] if isinstance(each, str | Unit) else each) for each in entries]
    if not groups:
        raise BadValue("No unit was given. Accepted: a layer's name, or a list of addresses such as 'conv5:3'.")
    return groups


def _group(lens: Lens, addresses: Iterable[str | Unit]) -> Group:
    members = [Unit.parse(each) for each in addresses]
    if len({each.layer for each in members}) != 1:
        raise BadValue(f"A group must lie in one layer; given: {', '.join(map(str, members)) or 'no unit'}.")
    layer = lens.layers[members[0].layer]
    for each in members:
        if each.channel >= layer.channels:
            raise BadValue(f"{layer.name} has no unit {each.channel}. Accepted: 0 to {layer.channels - 1}.")
    return layer, tuple(each.channel for each in members)


def _silent(opened: Incremental, group: Group, means: torch.Tensor | None) -> torch.Tensor:
    """The class scores, (1, classes), without the units of a group."""
    layer, channels = group
    answers = opened.clean[layer.name].clone()
    for channel in channels:
        answers[:, channel] = 0 if means is None else means[channel]
    return opened.replaced(layer.name, answers)[""]


def _means(lens: Lens, pictures: list[Any], layers: list[str]) -> dict[str, torch.Tensor | None]:
    """The mean of each unit over all pictures and positions."""
    totals: dict[str, torch.Tensor | None] = dict.fromkeys(layers)
    for picture in pictures:
        for name, answers in lens.activations(picture, layers).items():
            mean = answers[0].flatten(1).double().mean(1) if answers.ndim > 2 else answers[0].double()
            before = totals[name]
            totals[name] = mean if before is None else before + mean
    return {name: None if total is None else total / len(pictures) for name, total in totals.items()}
