"""The built-in networks by name, with the weights that ship."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from convviz_widgets.core.errors import MissingFile, unknown_name
from convviz_widgets.nets.mini import MiniAlexNet, MiniNet
from convviz_widgets.nets.residual import MiniResidual
from convviz_widgets.nets.zfnet import ZFNet

FOLDER = Path(__file__).parent / "weights"
ARCHITECTURES: dict[str, Callable[[int], nn.Module]] = {
    "mini": MiniNet,
    "mini-alexnet": MiniAlexNet,
    "mini-residual": MiniResidual,
    "zfnet": ZFNet,
}
_WITHOUT_WEIGHTS: dict[str, Any] = {
    "zfnet": {"size": 224, "channels": 3, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "classes": 1000}
}
"""What is known of a network that ships untrained; mean and std are those of ImageNet."""


@dataclass(frozen=True)
class Builtin:
    """A built-in network and what belongs to it.

    Args:
        module: in evaluation mode.
        mean, std: per channel, for values in [0, 1].
        size: side of the square picture, in pixels.
        channels: of the picture.
        class_names: one per score; empty where it is untrained.
    """

    module: nn.Module
    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: int
    channels: int
    class_names: tuple[str, ...]


def names() -> tuple[str, ...]:
    """The names that `build` accepts."""
    return tuple(ARCHITECTURES)


def card(name: str) -> dict[str, Any]:
    """What is recorded of a trained network: command line, accuracy, classes, normalisation.

    Raises:
        UnknownName: no built-in network of that name.
    """
    if name not in ARCHITECTURES:
        raise unknown_name("built-in network", name, ARCHITECTURES)
    file = FOLDER / f"{name}.json"
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else _WITHOUT_WEIGHTS[name]
    return found


def build(name: str, *, pretrained: bool = True) -> Builtin:
    """A built-in network.

    Example:
        >>> build("mini").size
        96

    Raises:
        UnknownName: no built-in network of that name.
        MissingFile: it ships without weights, and ``pretrained`` was asked for.
    """
    about = card(name)
    class_names = tuple(about.get("class_names", ()))
    module = ARCHITECTURES[name](len(class_names) or about["classes"])
    if pretrained:
        file = FOLDER / f"{name}.safetensors"
        if not file.exists():
            trained = ", ".join(repr(each) for each in ARCHITECTURES if each not in _WITHOUT_WEIGHTS)
            raise MissingFile(
                f"{name!r} ships without trained weights. Lens.load({name!r}, weights=None) opens it with random ones; "
                f"trained ones ship for {trained}."
            )
        state: dict[str, torch.Tensor] = load_file(file)
        module.load_state_dict({key: each.float() if each.is_floating_point() else each for key, each in state.items()})
    return Builtin(
        module.eval(), tuple(about["mean"]), tuple(about["std"]), about["size"], about["channels"], class_names
    )
