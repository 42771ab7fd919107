"""Networks by name, with their weights, preprocessing and class names."""

import os
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlparse

import torch
from safetensors.torch import load_file
from torch import nn

from convviz_widgets.core.errors import BadValue, MissingFile, unknown_name
from convviz_widgets.lens.install import torchvision
from convviz_widgets.lens.preprocess import ResizeCropNormalize
from convviz_widgets.nets import builtin

_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(\d)")


@dataclass(frozen=True)
class Loaded:
    """A network and what belongs to it."""

    module: nn.Module
    transform: Callable[[Any], torch.Tensor]
    channels: int
    class_names: tuple[str, ...]


def load(name: str, weights: str | os.PathLike[str] | None) -> Loaded:
    """A built-in network, or one of torchvision's for classification.

    Args:
        name: such as "mini" or "squeezenet1_0".
        weights: "default", None for random ones, one of torchvision's names such as "IMAGENET1K_V1", or a file of
            weights (.safetensors, or .pth read without running code from it).

    Raises:
        UnknownName, MissingFile, BadValue, BrokenInstall: with the way out.
    """
    if name in builtin.names():
        return _load_builtin(name, weights)
    models = torchvision().models
    known = models.list_models(module=models)
    if name not in known:
        raise unknown_name("network", name, [*builtin.names(), *known], "Your own module opens with Lens(module).")
    entries = models.get_model_weights(name)
    entry = entries.DEFAULT
    if isinstance(weights, entries):  # torchvision's own enumeration
        entry, weights = weights, "default"
    elif isinstance(weights, str) and weights in entries.__members__:
        entry, weights = entries[weights], "default"
    module = models.get_model(name, weights=None, **_settings(name, entry, published=weights == "default"))
    if weights == "default":
        _fill(module, _published(name, entry.url), entry.url)
    elif weights is not None:
        _fill(module, _from_file(weights, entries.__members__), weights)
    return Loaded(module.eval(), entry.transforms(), 3, tuple(entry.meta["categories"]))


def _load_builtin(name: str, weights: str | os.PathLike[str] | None) -> Loaded:
    net = builtin.build(name, pretrained=weights == "default")
    if weights not in ("default", None):
        _fill(net.module, _from_file(weights, ()), weights)
    transform = ResizeCropNormalize(net.size, net.size, net.mean, net.std)
    torchvision()
    return Loaded(net.module.eval(), transform, net.channels, net.class_names)


def _settings(name: str, entry: Any, *, published: bool) -> dict[str, Any]:
    """What torchvision sets when it loads published weights itself, beside their values."""
    if name in ("googlenet", "inception_v3"):  # random weights of theirs are drawn slowly, and with a warning
        return {"init_weights": False, "transform_input": published}
    return {"image_size": entry.meta["min_size"][0]} if name.startswith("vit_") else {}


def _published(name: str, url: str) -> dict[str, torch.Tensor]:
    file = Path(torch.hub.get_dir()) / "checkpoints" / os.path.basename(urlparse(url).path)
    if file.exists():
        return _from_file(file, ())
    try:
        state: dict[str, torch.Tensor] = torch.hub.load_state_dict_from_url(
            url, map_location="cpu", check_hash=True, weights_only=True
        )
    except (URLError, OSError) as error:
        raise MissingFile(
            f"The weights of {name!r} are not on this machine and could not be fetched ({error}). Looked for {file}. "
            "Put the file there (TORCH_HOME moves the folder), use Lens.load('mini'), which needs no download, or "
            f"Lens.load({name!r}, weights=None) for random weights."
        ) from error
    return state


def _from_file(path: str | os.PathLike[str] | None, names: Any) -> dict[str, torch.Tensor]:
    file = Path(str(path))
    if not file.exists():
        accepted = ", ".join(repr(each) for each in ("default", *names))
        raise MissingFile(f"There are no weights {str(path)!r}. Accepted: {accepted}, None, or a path to a file.")
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise BadValue(f"{file} cannot be read as a file of weights: {error}") from error
    inner = state.get("state_dict", state) if isinstance(state, dict) else None
    if not isinstance(inner, dict):
        raise BadValue(
            f"{file} holds {type(inner or state).__name__}, not the weights by name that state_dict() gives."
        )
    return inner


def _fill(module: nn.Module, state: dict[str, torch.Tensor], source: object) -> None:
    try:
        module.load_state_dict(_renamed(state))
    except (RuntimeError, ValueError) as error:
        raise BadValue(f"The weights of {source} do not fit {type(module).__name__}: {error}") from error


def _renamed(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Names as torchvision's networks have them now: DenseNet's were published with a dot more, ``norm.1``.

    A prefix of data-parallel training goes, too. What else torch notes on the state (its versions) stays.
    """
    prefix = "module." if state and all(name.startswith("module.") for name in state) else ""
    renamed = OrderedDict((_DENSENET.sub(r"\1\2", name.removeprefix(prefix)), tensor) for name, tensor in state.items())
    notes = getattr(state, "_metadata", None)
    if notes is not None:
        renamed._metadata = notes  # type: ignore[attr-defined]
    return renamed
