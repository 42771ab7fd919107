"""How far each layer's answer goes from that to the picture itself, while the picture is moved; part after part."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.core.errors import BadValue, UnsupportedModel
from convviz_widgets.lens.classes import score_layer
from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.prediction import class_probabilities
from convviz_widgets.lens.record import OUTPUT
from convviz_widgets.methods.invariance.resampling import Course

Floats = npt.NDArray[np.float64]


class Part(NamedTuple):
    """What some moved copies of one picture were answered.

    Args:
        places: (n,) which amounts of the course.
        distance: (L, n) Euclidean, of each layer's answer from that to the picture itself.
        chances: (n, classes) the probability of every class; None where they were not asked for.
        clean: (L,) of vectors (D,), the layers' answers to the picture itself; None but in the first part.
    """

    places: list[int]
    distance: Floats
    chances: npt.NDArray[np.float32] | None
    clean: list[torch.Tensor] | None


def moved_answers(
    lens: Lens, prepared: torch.Tensor, layers: Sequence[Layer], course: Course, *, at_once: int, output: bool = True
) -> Iterator[Part]:
    """Moves one picture along a course, from where it stands outward; one forward for so many amounts at once.

    Each forward stops after the last layer wanted; where the probabilities are wanted it goes to the end.

    Args:
        lens: the network.
        prepared: (1, C, H, W), the picture.
        layers: which answers to compare.
        course: how it is moved.
        at_once: amounts in a forward pass.
        output: whether the probabilities of classes are wanted.

    Raises:
        UnsupportedModel: probabilities are wanted of a network that gives no class scores.
    """
    sites = [layer.site for layer in layers]
    order = course.outward()
    clean: list[torch.Tensor] = []
    for start in range(0, len(order), at_once):
        places = order[start : start + at_once]
        found = lens._record(course.frames(lens, prepared, places), [*sites, *([OUTPUT] if output else [])], grad=False)
        answers = [found[site].flatten(1).float() for site in sites]
        chances = _chances(lens, found[OUTPUT]) if output else None
        first = not clean
        clean = clean or [each[0].clone() for each in answers]
        far = [torch.linalg.vector_norm(each - base, dim=1) for each, base in zip(answers, clean, strict=True)]
        yield Part(places, np.stack([each.cpu().double().numpy() for each in far]), chances, clean if first else None)


def chosen_layers(lens: Lens, layers: Sequence[str | Layer] | str | Layer | None) -> list[Layer]:
    """The layers that are meant; by default a low one and a high one.

    Example:
        >>> [layer.name for layer in chosen_layers(Lens.load("mini"), None)]
        ['relu1', 'relu7']

    Raises:
        UnknownName: a wrong layer; lists the nearest.
        BadValue: no layer, or one twice.
    """
    if layers is None:
        return usual_layers(lens)
    names = [layers] if isinstance(layers, str | Layer) else list(layers)
    found = [lens.layers[each.name if isinstance(each, Layer) else each] for each in names]
    if not found or len({each.name for each in found}) < len(found):
        raise BadValue(f"layers={[each.name for each in found]}. Accepted: one layer or more, each once.")
    return found


def usual_layers(lens: Lens) -> list[Layer]:
    """A low and a high layer: the first activation, and the last layer before the class scores."""
    every = list(lens.layers.values())
    if not every:
        raise UnsupportedModel(f"{lens.name} has no layer, so there is no answer to compare.")
    low = next((each for each in every if each.kind == "activation"), every[0])
    scores = score_layer(lens)
    before = [each for each in every if each.index < scores.index and each.index > low.index]
    fed = [each for each in before if each.name in scores.parents]
    high = (fed or before or [low])[-1]
    return [low] if low.name == high.name else [low, high]


def _chances(lens: Lens, scores: torch.Tensor) -> npt.NDArray[np.float32]:
    try:
        return class_probabilities(scores, lens.class_names).cpu().numpy()
    except UnsupportedModel as error:
        raise UnsupportedModel(f"{error} Or leave the class out: invariance(..., output=False).") from error
