"""What layers told of pictures: made by descent or by decoders, measured, and kept."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.core.errors import BadType, ConvvizError, MissingFile, UnknownName, UnsupportedModel
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.lens.backward import cached_answers
from convviz_widgets.lens.canvas.space import Space
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.prediction import class_probabilities
from convviz_widgets.lens.single import one_picture
from convviz_widgets.methods.inversion.codes import codes_of
from convviz_widgets.methods.inversion.compare import colour_error, pixel_error
from convviz_widgets.methods.inversion.decoder import Decoder
from convviz_widgets.methods.inversion.invert import invert
from convviz_widgets.methods.inversion.perturb import Perturbation
from convviz_widgets.methods.inversion.result import Inversion
from convviz_widgets.render.encode import pixels, png
from convviz_widgets.widgets.inversion_choice import Choice

Pictures = npt.NDArray[np.uint8]
KEPT = 192  # tiles held ready
BY_HAND = "stopped by hand"


@dataclass(frozen=True, eq=False)
class Tile:
    """What one layer told of a picture.

    Args:
        layer: its name.
        kind: "regularized" or "decoder".
        way: the settings in few words.
        images: (S, H, W, 3), one per seed; none where it could not be told.
        losses: (S,) error of the layer's answer to them; none where that is not known.
        pixel, colour: (S,) errors of the pictures; see `compare`.
        chance: (S,) probability that the network gives them of the class it takes the photo for; none where it gives no
            class scores, or is not asked yet.
        steps: how many a stopped run had done; None for a whole one.
        note: why there is no image, or why the run ended early.
    """

    layer: str
    kind: str
    way: str
    images: Pictures
    losses: tuple[float, ...] = ()
    pixel: tuple[float, ...] = ()
    colour: tuple[float, ...] = ()
    chance: tuple[float, ...] = ()
    steps: int | None = None
    note: str = ""

    @cached_property
    def files(self) -> list[bytes]:
        """The images as PNG."""
        return [png(each) for each in self.images]


@dataclass(frozen=True, eq=False)
class Underway:
    """A run between two steps.

    Args:
        layers: the layers it goes for.
        step: the last one; its preview are the images (N, H, W, 3), those of one layer side by side.
    """

    layers: tuple[str, ...]
    step: Step

    def images(self, layer: str) -> Pictures | None:
        """Those of one layer, (S, H, W, 3), or None where it has none."""
        if layer not in self.layers or self.step.preview is None:
            return None
        each = len(self.step.preview) // len(self.layers)
        place = self.layers.index(layer)
        found: Pictures = self.step.preview[place * each : (place + 1) * each]
        return found


class Tiles:
    """Makes tiles and keeps them; all but `known` is for the worker's thread.

    Args:
        lens: the network.
        decoders: trained ones by layer; those that ship are used beside them.
        picture: gives the picture (H, W, 3) of a name as the network sees it.
    """

    def __init__(self, lens: Lens, decoders: Mapping[str, Decoder], picture: Callable[[str], Pictures]) -> None:
        self._lens, self._picture = lens, picture
        self._given = dict(decoders)
        self._shipped: dict[str, Decoder] = {}
        self._kept: OrderedDict[tuple[Any, ...], Tile] = OrderedDict()
        self._lock = threading.Lock()
        self.underway: Underway | None = None
        """The run under way."""

    def known(self, choice: Choice, layer: str) -> Tile | None:
        """What a layer told, or None where it was not asked yet."""
        with self._lock:
            return self._kept.get((choice.key, layer))

    def missing(self, choice: Choice) -> tuple[str, ...]:
        """The layers of the choice that were not asked yet."""
        return tuple(name for name in choice.layers if self.known(choice, name) is None)

    def forget(self, choice: Choice) -> None:
        """Lets what the layers of a choice told go, so that it is made anew."""
        with self._lock:
            for name in choice.layers:
                self._kept.pop((choice.key, name), None)

    def decode(self, choice: Choice, image: Any) -> Steps[None]:
        """Asks decoders; a layer without one, or whose decoder refuses, gets a note."""
        missing = self.missing(choice)
        for place, layer in enumerate(missing):
            decoder = self._decoder(layer)
            if decoder is None:
                note = f"No decoder for this layer. Train one: cv.train_decoder(lens, {layer!r}, images)"
                self._keep(choice, self._empty(choice, layer, note))
                continue
            try:
                work = invert.steps(self._lens, image, layer, decoders=decoder, **choice.settings)
                result = yield from work
                self._keep_all(choice, (layer,), result, note=_through(decoder))
            except ConvvizError as error:
                self._keep(choice, self._empty(choice, layer, str(error)))
            yield Step(place + 1, len(missing), label=layer)

    def descend(self, choice: Choice, image: Any, layers: Sequence[str], halt: threading.Event) -> Steps[None]:
        """Goes downhill for several layers side by side; ``halt`` ends it after the step under way, images and all.

        Where one of them cannot be inverted, each goes alone, and what is wrong is noted where it is.
        """
        try:
            yield from self._together(choice, image, tuple(layers), halt)
        except ConvvizError as error:
            if len(layers) == 1:
                self._keep(choice, self._empty(choice, layers[0], str(error)))
                return
            for layer in layers:
                yield from self.descend(choice, image, (layer,), halt)
        finally:
            self.underway = None

    def measured(self, choice: Choice, images: Pictures) -> dict[str, Any]:
        """The errors of images (S, H, W, 3) against the picture: {"pixel", "colour"}."""
        told = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
        picture = torch.from_numpy(self._picture(choice.image)).permute(2, 0, 1)[None].float() / 255
        return {
            name: tuple(error(told, picture).tolist())
            for name, error in (("pixel", pixel_error), ("colour", colour_error))
        }

    def others(self, choice: Choice, most: int) -> list[list[Tile]]:
        """What layers told of the present picture by other settings, the newest first."""
        with self._lock:
            tiles = [(key, tile) for (key, _), tile in reversed(self._kept.items()) if len(tile.images)]
        found: dict[tuple[Any, ...], list[Tile]] = {}
        for key, tile in tiles:
            if key[0] == choice.image and key != choice.key:
                found.setdefault(key, []).append(tile)
        return list(found.values())[:most]

    def owns(self, layer: str) -> bool:
        """Whether the decoder of a layer was handed over, rather than shipped."""
        return layer in self._given

    def _together(self, choice: Choice, image: Any, layers: tuple[str, ...], halt: threading.Event) -> Steps[None]:
        with closing(invert.steps(self._lens, image, layers, **choice.settings)) as work:
            while True:
                try:
                    step = next(work)
                except StopIteration as end:
                    self._keep_all(choice, layers, end.value)
                    return
                self.underway = Underway(layers, step)
                yield step
                if halt.is_set():
                    self._keep_stopped(choice, image, self.underway)
                    return

    def _keep_all(self, choice: Choice, layers: tuple[str, ...], result: Inversion, note: str = "") -> None:
        each = len(result.images) // len(layers)
        for place, layer in enumerate(layers):
            own = slice(place * each, (place + 1) * each)
            images = np.stack([pixels(one) for one in result.images[own]])
            losses = tuple(float(loss) for loss in result.losses[own])
            found = self.measured(choice, images) | {"chance": self._chances(choice, images)}
            note = result.stopped or note
            self._keep(choice, Tile(layer, choice.kind, choice.title, images, losses, **found, note=note))

    def _keep_stopped(self, choice: Choice, image: Any, underway: Underway) -> None:
        for layer in underway.layers:
            images = underway.images(layer)
            if images is None:
                continue
            losses = self._losses(choice, image, layer, images)
            found = self.measured(choice, images) | {"chance": self._chances(choice, images)}
            steps = underway.step.index
            self._keep(
                choice, Tile(layer, choice.kind, choice.title, images, losses, **found, steps=steps, note=BY_HAND)
            )

    @torch.inference_mode(mode=False)
    @torch.no_grad()
    def _losses(self, choice: Choice, image: Any, layer: str, images: Pictures) -> tuple[float, ...]:
        """The error of a layer's answer to each of its images, as `Inversion.losses` has it."""
        perturbation = Perturbation.parse(choice.perturbation) if choice.perturbation else None
        (code,) = codes_of(self._lens, one_picture(self._lens, image), [layer], perturbation, seed=choice.seed)
        return tuple(code.misfit(self._lens.record(self._seen(images), [layer])[layer]).tolist())

    def _chances(self, choice: Choice, images: Pictures) -> tuple[float, ...]:
        """How probable the network finds, in each image, the class it takes the photo for."""
        try:
            photo = class_probabilities(self._answers(self._picture(choice.image)[None]), self._lens.class_names)
            chances = class_probabilities(self._answers(images), self._lens.class_names)
        except UnsupportedModel:
            return ()
        return tuple(chances[:, int(photo[0].argmax())].tolist())

    @torch.inference_mode(mode=False)
    @torch.no_grad()
    def _answers(self, images: Pictures) -> torch.Tensor:
        return cached_answers(self._lens, self._seen(images))

    def _seen(self, images: Pictures) -> torch.Tensor:
        """Images (S, H, W, 3) as the network sees them."""
        space = Space.of(self._lens)
        shown = torch.from_numpy(images).permute(0, 3, 1, 2)[:, : space.channels].to(space.mean) / 255
        return space.prepared(space.of_pictures(shown))

    def _empty(self, choice: Choice, layer: str, note: str) -> Tile:
        return Tile(
            layer, choice.kind, choice.title, np.empty((0, *self._picture(choice.image).shape), np.uint8), note=note
        )

    def _keep(self, choice: Choice, tile: Tile) -> None:
        with self._lock:
            self._kept[choice.key, tile.layer] = tile
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)

    def _decoder(self, layer: str) -> Decoder | None:
        """The decoder of a layer that was handed over, else the one that ships; None where there is neither."""
        if layer in self._given:
            return self._given[layer]
        if layer not in self._shipped:
            try:
                self._shipped[layer] = Decoder.shipped(self._lens, layer)
            except (UnknownName, MissingFile):
                return None
        return self._shipped[layer]


def _through(decoder: Decoder) -> str:
    """What is to be known of a picture that another layer's decoder told."""
    return f"told by the decoder of {decoder.through}, as of what is not below 0" if decoder.through else ""


def by_layer(lens: Lens, decoders: Any) -> dict[str, Decoder]:
    """Decoders by the layer that each belongs to.

    Args:
        lens: the network.
        decoders: one, several, a mapping by layer, or None.

    Raises:
        BadType: something else.
        BadValue: one belongs to another network.
        UnknownName: one belongs to a layer that the network does not have.
    """
    several = [decoders] if isinstance(decoders, Decoder) else decoders or ()
    found = {}
    for each in several.values() if isinstance(several, Mapping) else several:
        if not isinstance(each, Decoder):
            raise BadType(f"decoders holds {type(each).__name__}. Accepted: what `train_decoder` gives, one per layer.")
        each.check(lens, lens.layers[each.layer].name)
        found[each.layer] = each
    return found
