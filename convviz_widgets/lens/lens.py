"""The handle on a network: what it sees, what its layers answer, what it predicts."""

import copy
import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self, overload

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from convviz_widgets.core.errors import BadType, BadValue
from convviz_widgets.lens import weights as networks
from convviz_widgets.lens.cache import ActivationCache, Key
from convviz_widgets.lens.discover import Discovery, discover
from convviz_widgets.lens.guest import lock_of
from convviz_widgets.lens.images import each_image
from convviz_widgets.lens.layers import Layer, Layers
from convviz_widgets.lens.memory import default_budget, in_parts
from convviz_widgets.lens.preprocess import Preprocess
from convviz_widgets.lens.record import OUTPUT, record
from convviz_widgets.lens.shape import find_input_shape, input_channels
from convviz_widgets.lens.sites import Site
from convviz_widgets.lens.version import WeightsVersion

BATCH = 32  # pictures per forward pass; larger ones leave the processor's caches (measured on SqueezeNet and ResNet18)


@dataclass(frozen=True)
class Prediction:
    """One class with its probability and its score before the softmax."""

    index: int
    name: str
    probability: float
    score: float


class Lens:
    """A network opened for looking into.

    The model is a guest: hooks, modes, gradients, buffers, dtype, device and random state are after each call as they
    were before it. All looks at one module take turns.

    Example:
        >>> lens = Lens(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()), input_size=32)
        >>> lens.activations(torch.zeros(3, 32, 32), "0").shape
        torch.Size([1, 8, 30, 30])

    Args:
        module: any ``nn.Module`` that takes a batch (N, C, H, W).
        preprocess: callable from a picture to a tensor (C, H, W), such as a torchvision transform; None hands pictures
            on as float in [0, 1], and tensors unchanged.
        class_names: one name per class score.
        device: where to compute; default: where the module's weights are. The module itself is never moved: for
            another device a copy is made, which does not follow later training.
        input_size: side, or (H, W), of a typical picture; default: what ``preprocess`` gives, else the first of the
            usual sizes that the network takes.
        cache_bytes: the most bytes of activations to keep; default: a quarter of the free memory, at most 2 GiB on a
            CPU.
        name: shown to people; default: the class of the module.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        preprocess: Callable[[Any], Any] | None = None,
        class_names: Sequence[str] | None = None,
        device: str | torch.device | None = None,
        input_size: int | tuple[int, int] | None = None,
        cache_bytes: int | None = None,
        name: str | None = None,
    ) -> None:
        if not isinstance(module, nn.Module):
            raise BadType(
                f"Lens takes an nn.Module; given: {type(module).__name__}. By name, a network opens with Lens.load."
            )
        self.module = _on_device(module, device)
        self.device = _device_of(self.module)
        self.name = name or type(module).__name__
        self.class_names = tuple(str(each) for each in class_names or ())
        self.preprocess = (
            preprocess if isinstance(preprocess, Preprocess) else Preprocess(preprocess, input_channels(module))
        )
        self.lock = lock_of(self.module)
        self.cache = ActivationCache(default_budget(self.device) if cache_bytes is None else cache_bytes)
        self._input_size = (input_size, input_size) if isinstance(input_size, int) else input_size
        self._version = WeightsVersion(self.module)

    @classmethod
    def load(
        cls,
        name: str,
        *,
        weights: str | os.PathLike[str] | None = "default",
        device: str | torch.device | None = None,
    ) -> Self:
        """Opens a built-in network ("mini") or any of torchvision's for classification.

        Example:
            >>> Lens.load("mini").input_shape
            (3, 96, 96)

        Args:
            name: such as "mini", "squeezenet1_0", "resnet18".
            weights: "default" for the published ones, None for random ones, a name of torchvision's, or a file.
            device: default: cuda, else mps, else cpu.

        Raises:
            UnknownName: no network of that name; lists the nearest three.
            MissingFile: the weights are neither on this machine nor to be fetched.
            BrokenInstall: torch and torchvision do not belong together.
        """
        loaded = networks.load(name, weights)
        return cls(
            loaded.module.to(device or _best_device()),
            preprocess=Preprocess(loaded.transform, loaded.channels),
            class_names=loaded.class_names,
            name=name,
        )

    @cached_property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of a typical prepared picture."""
        size = self._input_size or self.preprocess.size
        return find_input_shape(self.module, self.preprocess.channels, size)

    @cached_property
    def _discovery(self) -> Discovery:
        with self.lock:
            image = torch.zeros(1, *self.input_shape, device=self.device, dtype=self._dtype)
            return discover(self.module, image)

    @property
    def layers(self) -> Layers:
        """Every place worth looking at, in the order of execution; found by one traced forward pass on first use."""
        return self._discovery.layers

    @property
    def fingerprint(self) -> str:
        """Digest of all weights and buffers: equal for equal networks, also in another process."""
        return self._version.digest()

    def prepare(self, images: Any) -> torch.Tensor:
        """What the network sees of one or more pictures: (N, C, H, W) on the lens's device.

        Raises:
            BadValue: the prepared pictures differ in size, or one cannot be read (named by its place in the list).
        """
        return self._batch(self._prepare_each(images))

    def picture(self, image: Any) -> npt.NDArray[np.uint8]:
        """What the network sees of a picture, as a person sees it: (H, W, 3) uint8, pixel by pixel what is prepared."""
        return self.preprocess.picture(self._prepare_each(image)[0])

    def digest(self, image: Any) -> str:
        """Digest of a picture as the network sees it."""
        return _digest(self._prepare_each(image)[0])

    @overload
    def activations(self, images: Any, layers: str | Layer) -> torch.Tensor: ...
    @overload
    def activations(self, images: Any, layers: Iterable[str | Layer]) -> dict[str, torch.Tensor]: ...
    def activations(self, images: Any, layers: Any) -> torch.Tensor | dict[str, torch.Tensor]:
        """What layers answer to pictures; kept in the cache, so that a second look costs nothing.

        One forward pass serves all that is missing and stops after the last layer wanted.

        Example:
            >>> lens = Lens.load("mini")
            >>> maps = lens.activations(torch.zeros(3, 96, 96), ["conv1", "conv2"])
            >>> list(maps)
            ['conv1', 'conv2']

        Args:
            images: one picture or more; see `lens.prepare`.
            layers: a name (gives the tensor itself) or several (gives a dict).

        Returns:
            (N, K, h, w) for maps, (N, K) for vectors, on the lens's device, without gradient.

        Raises:
            UnknownName: a wrong layer; lists the nearest three.
            UnsupportedModel: the network fails on pictures of this size.
        """
        single = isinstance(layers, str | Layer)
        names = [layers] if single else list(layers)
        wanted = [self.layers[each.name if isinstance(each, Layer) else each] for each in names]
        found = self._cached(self._prepare_each(images), [layer.site for layer in wanted])
        return found[wanted[0].site] if single else {layer.name: found[layer.site] for layer in wanted}

    def record(self, prepared: torch.Tensor, layers: Iterable[str], *, grad: bool = False) -> dict[str, torch.Tensor]:
        """What layers answer to a batch that is prepared already; nothing is cached.

        Args:
            prepared: (N, C, H, W), as `lens.prepare` gives it.
            layers: names; the forward pass stops after the last of them.
            grad: whether gradients with respect to ``prepared`` are wanted (weights never get any).
        """
        wanted = [self.layers[each] for each in layers]
        found = self._record(prepared, [layer.site for layer in wanted], grad=grad)
        return {layer.name: found[layer.site] for layer in wanted}

    def predict(self, images: Any, k: int = 5) -> list[list[Prediction]]:
        """The k most probable classes of each picture, the most probable first.

        A single score is read as the logit of a yes-no question; scores that are probabilities already are kept.
        """
        if k < 1:
            raise BadValue(f"k={k} classes cannot be shown. Accepted: 1 or more.")
        output = self._cached(self._prepare_each(images), [OUTPUT])[OUTPUT].flatten(1).float()
        probabilities = _probabilities(output)
        best = probabilities.topk(min(k, output.shape[1]), dim=1)
        return [
            [
                Prediction(index, self.class_name(index), probability, float(scores[index]))
                for index, probability in zip(indices, values, strict=True)
            ]
            for indices, values, scores in zip(best.indices.tolist(), best.values.tolist(), output.cpu(), strict=True)
        ]

    def class_name(self, index: int) -> str:
        """The name of a class; "class 17" where names are not known."""
        return self.class_names[index] if index < len(self.class_names) else f"class {index}"

    def __repr__(self) -> str:
        size = "x".join(str(length) for length in self.input_shape)
        classes = f", {len(self.class_names)} classes" if self.class_names else ""
        return f"Lens({self.name}: {len(self.layers)} layers, input {size}{classes}, on {self.device})"

    @property
    def _dtype(self) -> torch.dtype:
        weight = next((each for each in self.module.parameters() if each.is_floating_point()), None)
        return torch.float32 if weight is None else weight.dtype

    def _prepare_each(self, images: Any) -> list[torch.Tensor]:
        prepared = []
        for place, image in enumerate(each_image(images)):
            try:
                prepared.append(self.preprocess(image))
            except (BadValue, BadType) as error:
                raise type(error)(f"Picture {place}: {error}") from error
        if not prepared:
            raise BadValue("No picture was given: the list is empty.")
        return prepared

    def _batch(self, prepared: list[torch.Tensor]) -> torch.Tensor:
        sizes = {tuple(each.shape) for each in prepared}
        if len(sizes) > 1:
            raise BadValue(
                f"The pictures differ in size: {sorted(sizes)}. Hand them over one by one, or open the network with a "
                "`preprocess` that resizes them."
            )
        return torch.stack(prepared).to(self.device, self._dtype)

    def _cached(self, prepared: list[torch.Tensor], sites: list[Site]) -> dict[Site, torch.Tensor]:
        with self.lock:
            version = self._version.now()
            self.cache.keep_only(version)
            images = {_digest(each): each for each in prepared}
            keys = [Key(image, site.name, version) for image in images for site in sites]
            found = {key: activation for key in keys if (activation := self.cache.get(key)) is not None}
            missing = [key for key in keys if key not in found]
            lacking = [site for site in dict.fromkeys(sites) if any(key.layer == site.name for key in missing)]
            todo = list(dict.fromkeys(key.image for key in missing))
            for start in range(0, len(todo), BATCH):
                part = todo[start : start + BATCH]
                answers = self._record(self._batch([images[image] for image in part]), lacking, grad=False)
                for row, image in enumerate(part):
                    for site in lacking:
                        found[Key(image, site.name, version)] = self._kept(
                            Key(image, site.name, version), answers[site], row
                        )
            order = [_digest(each) for each in prepared]
            return {site: torch.stack([found[Key(image, site.name, version)] for image in order]) for site in sites}

    def _kept(self, key: Key, answers: torch.Tensor, row: int) -> torch.Tensor:
        """One picture's answer, put into the cache; of its own memory, as a view would hold the whole batch."""
        answer = answers[row] if len(answers) == 1 else answers[row].clone()
        self.cache.put(key, answer)
        return answer

    def _record(self, prepared: torch.Tensor, sites: list[Site], *, grad: bool) -> dict[Site, torch.Tensor]:
        overwritten = [layer.site for layer in self.layers.values() if layer.overwritten]

        def run(part: torch.Tensor) -> dict[Site, torch.Tensor]:
            keep = self._discovery.writes_buffers
            return record(self.module, part, sites, grad=grad, clone=overwritten, keep_buffers=keep)

        parts = in_parts(run, prepared, free=self.cache.clear)
        return parts[0] if len(parts) == 1 else {site: torch.cat([part[site] for part in parts]) for site in sites}


def _probabilities(scores: torch.Tensor) -> torch.Tensor:
    if scores.shape[1] == 1:
        return scores.sigmoid()
    sums = scores.sum(1)
    if bool((scores >= 0).all()) and torch.allclose(sums, torch.ones_like(sums), atol=1e-3):
        return scores
    return scores.softmax(1)


def _digest(prepared: torch.Tensor) -> str:
    values = prepared.detach().cpu().contiguous()
    return hashlib.blake2b(values.numpy().tobytes() + repr(values.shape).encode(), digest_size=16).hexdigest()


def _best_device() -> torch.device:
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _device_of(module: nn.Module) -> torch.device:
    tensors = [*module.parameters(), *module.buffers()]
    return tensors[0].device if tensors else torch.device("cpu")


def _on_device(module: nn.Module, device: str | torch.device | None) -> nn.Module:
    if device is None or torch.device(device).type == _device_of(module).type:
        return module
    return copy.deepcopy(module).to(device)
