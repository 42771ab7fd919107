"""The trained decoders that ship, one for each layer of a built-in network that is worth one."""

import json
from pathlib import Path
from typing import Any

from safetensors import safe_open

from convviz_widgets.core.errors import MissingFile, unknown_name
from convviz_widgets.nets.builtin import FOLDER
from convviz_widgets.nets.builtin import card as network_card
from convviz_widgets.nets.upconvnet import UpconvNet

_TRAINED_FOR = ("mini",)


def names() -> tuple[str, ...]:
    """The built-in networks for which trained decoders ship."""
    return _TRAINED_FOR


def card(name: str = "mini") -> dict[str, Any]:
    """What is recorded of the trained decoders of a network: command line, and per layer shape and held-out measures.

    Raises:
        UnknownName: no decoders ship for a network of that name.
        MissingFile: their file is not where it should be.
    """
    if name not in _TRAINED_FOR:
        raise unknown_name("trained decoder for", name, _TRAINED_FOR, "For other networks `train_decoder` makes one.")
    found: dict[str, Any] = json.loads(_file(name, ".json").read_text(encoding="utf-8"))
    return found


def layers(name: str = "mini") -> tuple[str, ...]:
    """The layers of a network for which a decoder ships, in their order; none for a network without."""
    return tuple(card(name)["layers"]) if name in _TRAINED_FOR else ()


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
    size = network_card(name)["size"]
    decoder = UpconvNet(tuple(known[layer]["shape"]), (network_card(name)["channels"], size, size))
    with safe_open(_file(name, ".safetensors"), framework="pt") as saved:
        keys = [key for key in saved.keys() if key.startswith(f"{layer}.")]  # noqa: SIM118 -- a file, not a dict
        state = {key.partition(".")[2]: saved.get_tensor(key) for key in keys}
    decoder.load_state_dict({key: each.float() if each.is_floating_point() else each for key, each in state.items()})
    return decoder.eval().requires_grad_(requires_grad=False)


def _file(name: str, suffix: str) -> Path:
    file = FOLDER / f"{name}-decoders{suffix}"
    if not file.exists():
        raise MissingFile(
            f"The decoders for {name!r} should lie in {file.name}, which is not in the package. Install it again, or "
            f"train them: python -m convviz_widgets.nets.train_decoder {name}"
        )
    return file
