"""The trained decoders that ship, one for each layer of a built-in network that is worth one."""

from typing import Any

from convviz_widgets.core.errors import unknown_name
from convviz_widgets.nets.beside import Beside
from convviz_widgets.nets.builtin import card as network_card
from convviz_widgets.nets.upconvnet import UpconvNet

_TRAINED = Beside(
    "decoders",
    "trained decoder",
    "convviz_widgets.nets.train_decoder",
    "For other networks `train_decoder` makes one.",
)
SERVED = {
    "mini": {
        **{f"conv{number}": f"relu{number}" for number in range(1, 6)},
        "fc6": "relu6",
        "fc7": "relu7",
        "flatten": "pool5",
        "dropout6": "pool5",
        "dropout7": "relu6",
    },
}
"""Of each network the layers without a decoder of their own, with the one whose decoder serves them: its answers are
theirs once what is below 0 is set to 0 and the shape is its own."""


def names() -> tuple[str, ...]:
    """The built-in networks for which trained decoders ship."""
    return _TRAINED.nets


def card(name: str = "mini") -> dict[str, Any]:
    """What is recorded of the trained decoders of a network: command line, and per layer shape and held-out measures.

    Raises:
        UnknownName: no decoders ship for a network of that name.
        MissingFile: their file is not where it should be.
    """
    return _TRAINED.card(name)


def layers(name: str = "mini") -> tuple[str, ...]:
    """The layers of a network for which a decoder ships, in their order; none for a network without."""
    return tuple(card(name)["layers"]) if name in _TRAINED.nets else ()


def load(name: str, layer: str) -> UpconvNet:
    """The trained decoder of a layer of a built-in network, in evaluation mode, its weights frozen.

    Example:
        >>> load("mini", "pool5").shape
        (64, 6, 6)

    Raises:
        UnknownName: no decoder ships for that network or layer.
        MissingFile: its file is not where it should be.
    """
    known = card(name)["layers"]
    if layer not in known:
        raise unknown_name(f"trained decoder of {name} for", layer, known, "`train_decoder` makes one for any layer.")
    picture = (network_card(name)["channels"], *(2 * [network_card(name)["size"]]))
    decoder = UpconvNet(tuple(known[layer]["shape"]), picture, grain=known[layer].get("grain", 1))
    decoder.load_state_dict(_TRAINED.state(name, layer))
    return decoder.eval().requires_grad_(requires_grad=False)
