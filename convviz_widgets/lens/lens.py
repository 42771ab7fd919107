"""The handle on a network: what it sees, what its layers answer, what it predicts."""

import html
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from typing import Any, Self, overload

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from convviz_widgets.core.errors import BadType, BadValue, ConvvizError, MissingFile
from convviz_widgets.lens import weights as networks
from convviz_widgets.lens.cache import ActivationCache
from convviz_widgets.lens.convolutions import Filters, together
from convviz_widgets.lens.device import best_device, checked, device_of, on_device
from convviz_widgets.lens.discover import Discovery, discover
from convviz_widgets.lens.guest import lock_of
from convviz_widgets.lens.images import each_image, is_single
from convviz_widgets.lens.layers import Layer, Layers
from convviz_widgets.lens.memory import default_budget, in_parts
from convviz_widgets.lens.plain import plain_module
from convviz_widgets.lens.prediction import Prediction, best_classes, class_name
from convviz_widgets.lens.preprocess import Preprocess
from convviz_widgets.lens.recall import image_digest, recall
from convviz_widgets.lens.record import OUTPUT, Within, record
from convviz_widgets.lens.shape import find_input_shape, input_channels, side_lengths
from convviz_widgets.lens.sites import Site
from convviz_widgets.lens.version import WeightsVersion


class Lens:
    """A network opened for looking into.

    The model is a guest: hooks, modes, gradients, buffers, dtype, device and random state are after each call as they
    were before it. All looks at one module take turns.

    Example:
        >>> lens = Lens(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()), input_size=32)
        >>> lens.activations(torch.zeros(3, 32, 32), "0").shape
        torch.Size([1, 8, 30, 30])

    Args:
        module: any ``nn.Module`` that takes a batch (N, C, H, W); of a compiled one, the module inside is looked at.
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
        self.module = on_device(plain_module(module), device)
        self.name = name or type(module).__name__
        self.class_names = tuple(str(each) for each in class_names or ())
        self.preprocess = (
            preprocess if isinstance(preprocess, Preprocess) else Preprocess(preprocess, input_channels(self.module))
        )
        self.lock = lock_of(self.module)
        self.cache = ActivationCache(default_budget(self.device) if cache_bytes is None else cache_bytes)
        self._filters = Filters()
        self._input_size = side_lengths(input_size)
        self._version = WeightsVersion(self.module)
        self._input_shape: tuple[int, int, int] | None = None
        self._found: Discovery | None = None

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
            loaded.module.to(best_device() if device is None else checked(device)),
            preprocess=Preprocess(loaded.transform, loaded.channels),
            class_names=loaded.class_names,
            name=name,
        )

    @property
    def device(self) -> torch.device:
        """Where the module's weights are, now."""
        return device_of(self.module)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of a typical prepared picture."""
        if self._input_shape is None:
            with self.lock:
                size = self._input_size or self.preprocess.size
                self._input_shape = find_input_shape(self.module, self.preprocess.channels, size)
        return self._input_shape

    @property
    def _discovery(self) -> Discovery:
        if self._found is None:
            with self.lock:
                image = torch.zeros(1, *self.input_shape, device=self.device, dtype=self._dtype)
                self._found = self._found or discover(self.module, image)
        return self._found

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
        return image_digest(self._prepare_each(image)[0])

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
        wanted = self._named([layers] if single else layers)
        found = self._cached(self._prepare_each(images), [layer.site for layer in wanted])
        return found[wanted[0].site] if single else {layer.name: found[layer.site] for layer in wanted}

    def record(
        self, prepared: torch.Tensor, layers: Iterable[str | Layer], *, grad: bool = False
    ) -> dict[str, torch.Tensor]:
        """What layers answer to a batch that is prepared already; nothing is cached.

        Args:
            prepared: (N, C, H, W), as `lens.prepare` gives it.
            layers: names; the forward pass stops after the last of them.
            grad: whether gradients with respect to ``prepared`` are wanted, which must ask for them itself
                (``requires_grad_()``); weights never get any.

        Raises:
            BadValue: ``prepared`` is not a batch.
            UnknownName, UnsupportedModel, OutOfMemory: with the way out.
        """
        wanted = self._named(layers)
        if not isinstance(prepared, torch.Tensor) or prepared.ndim != 4 or not len(prepared):
            given = tuple(prepared.shape) if isinstance(prepared, torch.Tensor) else type(prepared).__name__
            raise BadValue(
                f"A prepared batch is a tensor (N, C, H, W); given: {given}. lens.prepare(images) makes one."
            )
        batch = prepared.to(self.device, self._dtype)
        found = self._record(batch if grad else together(batch), [layer.site for layer in wanted], grad=grad)
        return {layer.name: found[layer.site] if grad else found[layer.site].contiguous() for layer in wanted}

    def predict(self, images: Any, k: int = 5) -> list[list[Prediction]]:
        """The k most probable classes of each picture, the most probable first.

        A single score is read as the logit of a yes-no question; scores that are probabilities already are kept.

        Raises:
            BadValue: k is below 1.
            UnsupportedModel: the network does not end in class scores.
        """
        return best_classes(self._cached(self._prepare_each(images), [OUTPUT])[OUTPUT], self.class_names, k)

    def class_name(self, index: int) -> str:
        """The name of a class; "class 17" where names are not known."""
        return class_name(self.class_names, index)

    def __repr__(self) -> str:
        return f"Lens({self.name}: {self._summary()})"

    def _repr_html_(self) -> str:
        return f"<p><b>{html.escape(self.name)}</b>: {html.escape(self._summary())}</p>{self.layers._repr_html_()}"

    def _summary(self) -> str:
        classes = f", {len(self.class_names)} classes" if self.class_names else ""
        try:
            size = "x".join(str(length) for length in self.input_shape)
            return f"{len(self.layers)} layers, input {size}{classes}, on {self.device}"
        except ConvvizError as error:  # what is shown in a traceback must not raise itself
            return f"cannot be run: {error}"

    @property
    def _dtype(self) -> torch.dtype:
        weight = next((each for each in self.module.parameters() if each.is_floating_point()), None)
        return torch.float32 if weight is None else weight.dtype

    def _named(self, layers: Iterable[str | Layer]) -> list[Layer]:
        names = [layers] if isinstance(layers, str | Layer) else layers
        return [self.layers[each.name if isinstance(each, Layer) else each] for each in names]

    def _prepare_each(self, images: Any) -> list[torch.Tensor]:
        prepared = []
        for place, image in enumerate(each_image(images)):
            try:
                prepared.append(self.preprocess(image))
            except (BadValue, BadType, MissingFile) as error:
                if is_single(images):
                    raise
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
        def compute(images: list[torch.Tensor], lacking: list[Site]) -> dict[Site, torch.Tensor]:
            return self._record(self._batch(images), lacking, grad=False)

        with self.lock, torch.inference_mode(mode=False), torch.no_grad():
            version = self._version.now(apart_from=self._discovery.written)
            return recall(self.cache, prepared, sites, version=version, compute=compute)

    def _record(
        self, prepared: torch.Tensor, sites: list[Site], *, grad: bool, within: Within = nullcontext
    ) -> dict[Site, torch.Tensor]:
        found = self._discovery
        overwritten = [layer.site for layer in found.layers.values() if layer.overwritten]

        def run(part: torch.Tensor) -> dict[Site, torch.Tensor]:
            return record(
                self.module,
                part.clone() if found.writes_input else part,
                sites,
                grad=grad,
                clone=overwritten,
                keep_buffers=bool(found.written),
                keep_random=found.draws,
                within=within,
                filters=self._filters,
            )

        parts = in_parts(run, prepared, free=self.cache.clear) if sites else [{}]
        return parts[0] if len(parts) == 1 else {site: torch.cat([part[site] for part in parts]) for site in sites}
