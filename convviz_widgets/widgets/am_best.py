"""The picture of a dataset that excites a unit most: the measure of what a synthesised one reaches."""

from typing import Any

from convviz_widgets.core.step import Steps
from convviz_widgets.core.unit import Unit
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.deconvnet.top_images import TopImages, top_images
from convviz_widgets.widgets import picking
from convviz_widgets.widgets.album import Album


class BestPhotos:
    """Finds, once per layer and a batch at a time, the picture that excites each unit most.

    All methods but `wanted` are for the worker's thread.

    Args:
        lens: the network.
        album: the pictures; none is allowed.
    """

    def __init__(self, lens: Lens, album: Album) -> None:
        self._lens, self._album = lens, album
        self._pictures = picking.Pictures(lens)
        self._found: dict[str, TopImages] = {}
        self._searches: dict[str, Steps[TopImages]] = {}
        self._failed: dict[str, str] = {}

    def missing(self, units: tuple[Unit | None, ...]) -> str:
        """The first layer of these units that is still to be searched, or ""."""
        if not len(self._album.images):
            return ""
        layers = (unit.layer for unit in units if unit is not None)
        return next((layer for layer in layers if layer not in self._found and layer not in self._failed), "")

    def advance(self, layer: str) -> bool:
        """Searches one more batch of pictures for a layer's units; says whether that was the last."""
        if layer not in self._searches:
            self._searches[layer] = top_images.steps(self._lens, self._album.images, layer, k=1)
        try:
            next(self._searches[layer])
        except StopIteration as end:
            self._found[layer] = end.value
        except Exception as error:  # noqa: BLE001 -- whatever the pictures raise: the run beside it goes on
            self._failed[layer] = str(error) or type(error).__name__
        else:
            return False
        del self._searches[layer]
        return True

    def told(self, units: tuple[Unit | None, ...]) -> list[dict[str, Any]]:
        """For each unit {"activation", "image", "jpeg", "of"}, {"waiting", "of"}, {"error"}, or {} without photos."""
        return [self._told(unit) for unit in units]

    def _told(self, unit: Unit | None) -> dict[str, Any]:
        if unit is None or not len(self._album.images):
            return {}
        if unit.layer in self._failed:
            return {"error": self._failed[unit.layer]}
        if unit.layer not in self._found:
            return {"waiting": True, "of": len(self._album.images)}
        best = picking.patches_of(self._found[unit.layer], unit.channel, self._album, self._pictures)
        return {**best[0], "of": len(self._album.images)} if best else {}
