"""Which class a user means, and which layer of a network gives the class scores."""

from numbers import Integral
from typing import Any

import torch

from convviz_widgets.core.errors import BadType, BadValue, UnsupportedModel, unknown_name
from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens

SOFTMAX = ("Softmax", "LogSoftmax", "Softmax2d")


def class_index(lens: Lens, target: Any, classes: int | None = None, *, or_else: str = "") -> int:
    """The index of a class that is given by index or by name.

    Example:
        >>> class_index(Lens.load("mini"), "cat", 14)
        1

    Args:
        lens: the network.
        target: a whole number, or one of ``lens.class_names``.
        classes: how many there are; default: as many as have names, and any number where none has.
        or_else: what else may be given there, for the errors, such as " or the address of a unit".

    Raises:
        BadType: neither a whole number nor a name.
        UnknownName: there is no class of that name; lists the nearest.
        BadValue: there is no class of that index.
    """
    count = classes if classes is not None else len(lens.class_names) or None
    named = ", or a name" if lens.class_names else ""
    if isinstance(target, str):
        if target not in lens.class_names:
            hint = f"Or give its index{or_else}; `lens.class_names` lists all names."
            raise unknown_name("class", target, lens.class_names, hint)
        target = lens.class_names.index(target)
    if isinstance(target, bool) or not isinstance(target, Integral):
        raise BadType(
            f"{target!r} ({type(target).__name__}) is no class. Accepted: the index of a class or its name{or_else}."
        )
    index = int(target)
    if index < 0 or (count is not None and index >= count):
        accepted = f"0 to {count - 1}" if count is not None else "0 and above"
        raise BadValue(f"There is no class {index}. Accepted: {accepted}{named}{or_else}.")
    return index


def chosen_class(lens: Lens, chances: torch.Tensor, target: Any, *, or_else: str = "") -> int:
    """The index of a class, given as in `class_index`, out of all probabilities (classes,); None: the most probable."""
    return int(chances.argmax()) if target is None else class_index(lens, target, len(chances), or_else=or_else)


def score_layer(lens: Lens) -> Layer:
    """The layer of the class scores, before any softmax.

    It is the last one that is no softmax. Where classes have names and the last layer is not of so many channels (a
    network that gives more than scores), it is the last vector, or map of one position, that is.

    Raises:
        UnsupportedModel: the network has no such layer.
    """
    layers = [layer for layer in lens.layers.values() if layer.type_name not in SOFTMAX]
    if not layers:
        raise UnsupportedModel(f"{lens.name} has no layer, so there is no class score in it.")
    one_number = [layer for layer in layers if not layer.is_map or max(layer.shape[1:]) == 1]
    fitting = [layer for layer in one_number if layer.channels == len(lens.class_names)]
    return layers[-1] if _fits(lens, layers[-1]) or not fitting else fitting[-1]


def named_score_layer(lens: Lens) -> str:
    """Name of the layer whose channels are the named classes one by one; "" where there is none."""
    if not lens.class_names or not len(lens.layers):
        return ""
    layer = score_layer(lens)
    return layer.name if layer.channels == len(lens.class_names) else ""


def _fits(lens: Lens, layer: Layer) -> bool:
    """Whether a layer can be the scores of the named classes; a single score serves for two."""
    names = len(lens.class_names)
    return layer.channels == names or (layer.channels == 1 and names == 2)
