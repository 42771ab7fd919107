"""The patches that excite a unit most and what in each did, searched for once and kept."""

from typing import Any

from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.unit import Unit
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.deconvnet.deconvnet import BackwardRule, Projection, deconvnet
from convviz_widgets.methods.deconvnet.top_images import TopImages, top_images
from convviz_widgets.widgets import picking
from convviz_widgets.widgets.album import Album
from convviz_widgets.widgets.picking import PATCH
from convviz_widgets.widgets.shades import shrunk, signal_codes

KEPT = 256  # units whose projections are held ready


class TopPatches:
    """For each layer the patches of all its units, and for each unit looked at its projections.

    Args:
        lens: the network.
        album: the pictures.
        pictures: the pictures as the network sees them.
    """

    def __init__(self, lens: Lens, album: Album, pictures: picking.Pictures) -> None:
        self.lens, self.album, self._pictures = lens, album, pictures
        self.best: dict[str, TopImages] = {}
        self._projected: dict[tuple[str, str], list[dict[str, Any]]] = {}

    def told(self, unit: Unit, rule: BackwardRule) -> dict[str, Any]:
        """{"unit", "rule", "patches", "projected"}; the patches are None while they are not known yet."""
        whole = unit.whole
        key = str(whole), rule
        patches = self._projected.get(key)
        projected = patches is not None
        best = self.best.get(whole.layer)
        if patches is None and best is not None:
            patches = picking.patches_of(best, whole.channel, self.album, self._pictures)
        return {"unit": str(whole), "rule": rule, "patches": patches, "projected": projected}

    def search(self, layer: str) -> Steps[None]:
        """One pass over the pictures, for all units of a layer."""
        if layer not in self.best:
            self.best[layer] = yield from top_images.steps(self.lens, self.album.images, layer)

    def project(self, unit: Unit, rule: BackwardRule) -> Steps[None]:
        """Carries the activation of each patch of a unit down to its pixels."""
        whole = unit.whole
        patches = self.told(whole, rule)["patches"] or []
        best, found = self.best[whole.layer], []
        boxes = (best.box[whole.channel, place] for place in range(best.box.shape[1]))
        indices = best.index[whole.channel]
        for place, (patch, box, index) in enumerate(zip(patches, boxes, indices, strict=False)):
            if patch["activation"] <= 0:  # nothing to carry down
                found.append({**patch, "signal": None})
                continue
            one = whole if not self.lens.layers[whole.layer].is_map else whole.at(*patch["position"])
            made: Projection = yield from deconvnet.steps(self.lens, self.album.images[int(index)], one, rule=rule)
            left, top, right, bottom = (int(edge) for edge in box)
            found.append({**patch, "signal": signal_codes(shrunk(made.signal[:, top:bottom, left:right], PATCH))})
            yield Step(place + 1, len(patches))
        while len(self._projected) >= KEPT:
            self._projected.pop(next(iter(self._projected)))
        self._projected[str(whole), rule] = found
