"""What the layer picker shows of a choice, computed without a widget: maps, one neuron, its patches, predictions."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from convviz_widgets.core.errors import BadValue, UnsupportedModel
from convviz_widgets.core.unit import Unit
from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.prediction import Prediction
from convviz_widgets.methods.deconvnet.top_images import TopImages, crop
from convviz_widgets.render.encode import jpeg, planes, png
from convviz_widgets.widgets.album import Album

PATCH = 96  # pixels, longest side of a patch on its way to the browser


@dataclass(frozen=True)
class Choice:
    """What is looked at.

    Args:
        image: its name in the album.
        layer: name of the layer.
        channel: of the unit; None for the strongest on this image.
        position: (row, column) of the single neuron, or None.
    """

    image: str
    layer: str
    channel: int | None = None
    position: tuple[int, int] | None = None

    def of(self, unit: Unit) -> "Choice":
        """The same image, another unit."""
        return replace(self, layer=unit.layer, channel=unit.channel, position=unit.position)

    @property
    def unit(self) -> Unit:
        """The unit, once its channel is known."""
        return Unit(self.layer, self.channel or 0, self.position)


def checked(lens: Lens, address: str | Unit) -> Unit:
    """The unit of an address, which the network has.

    Raises:
        UnknownName: no such layer; lists the nearest three.
        BadValue: the channel or position lies outside the layer.
    """
    unit = Unit.parse(address)
    layer = lens.layers[unit.layer]
    if unit.channel >= layer.channels:
        raise BadValue(f"{unit} does not exist: {layer.name} has the channels 0 to {layer.channels - 1}.")
    if unit.position is not None:
        height, width = layer.shape[1:] if layer.is_map else (1, 1)
        if unit.position[0] >= height or unit.position[1] >= width:
            raise BadValue(f"{unit} does not exist: the maps of {layer.name} have {height} rows and {width} columns.")
    return unit


class Pictures:
    """Pictures as the network sees them, the last few kept."""

    def __init__(self, lens: Lens, most: int = 64) -> None:
        self._lens, self._most = lens, most
        self._kept: OrderedDict[Any, npt.NDArray[np.uint8]] = OrderedDict()

    def get(self, key: Any, image: Any) -> npt.NDArray[np.uint8]:
        """The picture (H, W, 3) of an image known by this key."""
        if key not in self._kept:
            self._kept[key] = self._lens.picture(image)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]


def outline(lens: Lens) -> list[dict[str, Any]]:
    """The layers as the browser draws them."""
    return [
        {
            "name": layer.name,
            "kind": layer.kind,
            "type": layer.type_name,
            "shape": list(layer.shape),
            "field": _field(layer),
            "parents": list(layer.parents),
            "block": layer.block or "",
        }
        for layer in lens.layers.values()
    ]


def maps_of(layer: Layer, image: str, activations: npt.NDArray[np.float32]) -> dict[str, Any]:
    """All channels of a layer, one byte per value, with exact statistics.

    Args:
        layer: whose maps these are.
        image: the name of the picture they answer to.
        activations: (K, h, w).
    """
    codes, low, high = planes(activations)
    count, height, width = activations.shape
    silent = (activations <= 0).mean((1, 2), dtype=np.float32)
    return {
        "layer": layer.name,
        "image": image,
        "shape": [count, height, width],
        "codes": codes.tobytes(),
        "low": low.tobytes(),
        "high": high.tobytes(),
        "mean": activations.mean((1, 2), dtype=np.float32).tobytes(),
        "silent": silent.tobytes(),
    }


def neuron_of(choice: Choice, activations: npt.NDArray[np.float32], top: list[dict[str, Any]] | None) -> dict[str, Any]:
    """One channel with its exact values.

    Args:
        choice: which.
        activations: (K, h, w) of its layer.
        top: its patches, or None while they are not known yet.
    """
    values = np.ascontiguousarray(activations[choice.unit.channel], dtype=np.float32)
    return {
        "unit": str(choice.unit),
        "image": choice.image,
        "shape": list(values.shape),
        "values": values.tobytes(),
        "top": top,
    }


def photo_of(name: str, picture: npt.NDArray[np.uint8], predictions: Sequence[Prediction]) -> dict[str, Any]:
    """The photo as the network sees it, with what the network thinks it is."""
    return {
        "name": name,
        "size": list(picture.shape[:2]),
        "png": png(picture),
        "predictions": [
            {"index": each.index, "name": each.name, "probability": each.probability} for each in predictions
        ],
    }


def predictions_of(lens: Lens, image: Any) -> Sequence[Prediction]:
    """What the network thinks a picture is; nothing where it gives no class scores."""
    try:
        return lens.predict(image)[0]
    except UnsupportedModel:
        return ()


def patches_of(best: TopImages, channel: int, album: Album, pictures: Pictures) -> list[dict[str, Any]]:
    """The patches of one unit with where they come from."""
    found = []
    places = zip(*(each[channel] for each in (best.index, best.position, best.activation, best.box)), strict=True)
    for index, position, activation, box in places:
        if index < 0:
            continue
        name = album.name_of(int(index))
        patch = crop(pictures.get(int(index), album.images[int(index)]), box)
        found.append(
            {
                "image": name,
                "position": [int(each) for each in position],
                "activation": float(activation),
                "jpeg": jpeg(_shrunk(patch), quality=88),
            }
        )
    return found


def as_maps(activations: Any) -> npt.NDArray[np.float32]:
    """One picture's activations (1, K, h, w) or (1, K) as (K, h, w)."""
    array = activations[0].float().cpu().numpy()
    return np.asarray(array if array.ndim == 3 else array[:, None, None], dtype=np.float32)


def _field(layer: Layer) -> dict[str, Any] | None:
    field = layer.receptive_field
    if field is None or not layer.is_map:
        return None
    return {"size": list(field.size), "stride": list(field.stride), "start": list(field.start)}


def _shrunk(patch: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    step = max(1, -(-max(patch.shape[:2]) // PATCH))
    if step == 1:
        return patch
    height, width = (length // step for length in patch.shape[:2])
    cut = patch[: height * step, : width * step].reshape(height, step, width, step, 3)
    return np.asarray(cut.mean((1, 3)).round(), dtype=np.uint8)
