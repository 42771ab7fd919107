"""The patches that excite a unit most and what in each did, searched for once and kept."""

from typing import Any

from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.unit import Unit
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.deconvnet.deconvnet import BackwardRule
from convviz_widgets.methods.deconvnet.patches import carried
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
        best: what was found before, by layer; what is found is put in.
    """

    def __init__(
        self, lens: Lens, album: Album, pictures: picking.Pictures, best: dict[str, TopImages] | None = None
    ) -> None:
        self.lens, self.album, self._pictures = lens, album, pictures
        self.best = {} if best is None else best
        self._kept: dict[tuple[str, str], list[dict[str, Any]]] = {}

    def told(self, unit: Unit, rule: BackwardRule) -> dict[str, Any]:
        """{"unit", "rule", "patches"}; the patches are None while they are not known yet.

        Each is told as by `picking.patches_of`, with a "signal" as of `signal_codes`, or None where none goes down.
        """
        none: list[dict[str, Any]] | None = None if len(self.album.images) else []
        return {"unit": str(unit.whole), "rule": rule, "patches": self._kept.get((str(unit.whole), rule), none)}

    def search(self, layer: str) -> Steps[None]:
        """One pass over the pictures, for all units of a layer."""
        if layer not in self.best:
            self.best[layer] = yield from top_images.steps(self.lens, self.album.images, layer)

    def project(self, unit: Unit, rule: BackwardRule) -> Steps[None]:
        """Carries the activation of each patch of a unit down to its pixels."""
        whole, best = unit.whole, self.best[unit.layer]
        layer, images = self.lens.layers[whole.layer], self.album.images
        indices = [int(index) for index in best.index[whole.channel] if index >= 0]
        for index in indices:
            self._pictures.get(index, images[index])
        signals: list[dict[str, Any] | None] = [None] * len(indices)
        patches_of_unit = carried(self.lens, images, layer, best, [whole.channel], rule=rule)
        for done, (pick, signal) in enumerate(patches_of_unit, 1):
            if signal is not None and pick.activation > 0:
                signals[pick.rank] = signal_codes(shrunk(signal.float().cpu().numpy(), PATCH))
            yield Step(done, len(indices))
        patches = picking.patches_of(best, whole.channel, self.album, self._pictures)
        found = [{**patch, "signal": signal} for patch, signal in zip(patches, signals, strict=True)]
        while len(self._kept) >= KEPT:
            self._kept.pop(next(iter(self._kept)))
        self._kept[str(whole), rule] = found
