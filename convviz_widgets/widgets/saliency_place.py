"""Where the class of a saliency viewer is: the map over ten views kept, cut anew for other percentiles."""

from typing import Any

import numpy as np
import numpy.typing as npt

from convviz_widgets.core.errors import BadValue
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.single import one_picture
from convviz_widgets.methods.saliency.cut import largest_part
from convviz_widgets.methods.saliency.localize import PERCENT, TIES, averaged_map_steps, cut_out, seeds_of
from convviz_widgets.methods.saliency.target import find_target

USUAL_TIES = 30.0  # as of `localize`
KEPT = 32  # maps held ready


class Places:
    """The localisation of classes, as `localize` finds it.

    Args:
        lens: the network.
    """

    def __init__(self, lens: Lens) -> None:
        self.lens = lens
        self._maps: dict[tuple[str, Any], tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]] = {}

    def found(self, name: str, image: Any, target: Any, *, above: float, below: float) -> Steps[dict[str, Any]]:
        """{"image", "target", "above", "below", "shape", "box", "mask": H x W bytes, "share" of the picture}.

        Args:
            name: of the picture in its album.
            image: the picture.
            target: as `localize` takes it.
            above: percentile of the map beyond which pixels are seeds of the object.
            below: percentile below which they are seeds of the ground.
        """
        checked(above, below)
        if (name, target) not in self._maps:
            prepared = one_picture(self.lens, image)
            mean = yield from averaged_map_steps(self.lens, prepared, find_target(self.lens, prepared, target))
            while len(self._maps) >= KEPT:
                self._maps.pop(next(iter(self._maps)))
            self._maps[name, target] = mean, self.lens.preprocess.picture(prepared[0])
        mean, photo = self._maps[name, target]
        ties = TIES.check("ties", USUAL_TIES)
        whole = cut_out(photo, seeds_of(mean, above=above, below=below), ties=ties)
        mask = largest_part(whole, mean)
        rows, columns = np.nonzero(mask)
        box = [int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1]
        yield Step(1, 1, label="cut")
        return {
            "image": name,
            "target": target,
            "above": above,
            "below": below,
            "shape": list(mask.shape),
            "box": box,
            "mask": mask.astype(np.uint8).tobytes(),
            "share": float(mask.mean()),
        }


def checked(above: float, below: float) -> None:
    """Refuses percentiles that cannot be used.

    Raises:
        BadValue: out of range, or of the ground above that of the object.
    """
    for name, value in (("above", above), ("below", below)):
        PERCENT.check(name, value)
    if below >= above:
        raise BadValue(f"below={below:g} must be less than above={above:g}, or a pixel would be object and ground.")
