"""Pictures of a labelled dataset for a concept browser: a unit's mask and a concept's label on each."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from convviz_widgets.core.errors import BadValue
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.unit import Unit
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.dissection.report import Dissection
from convviz_widgets.methods.dissection.samples import Samples
from convviz_widgets.render.encode import jpeg

SIDE = 160  # pixels, longest side of a picture on its way to the browser
READ = 400  # pictures looked through at most for those that show a concept
SHOWN = 6  # pictures of a concept
LEAST = 0.005  # share of a picture's pixels with a concept, else it does not count as shown
KEPT = 128  # units and concepts whose pictures are held ready
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Shot:
    """One picture.

    Args:
        place: in the dataset.
        name: for people.
        picture: (H, W, 3) uint8, as the network sees it.
        mask: (H, W) where the unit reaches its threshold.
        label: (H, W) where the concept is labelled; nowhere if there is no concept.
        activation: the unit's largest on it; NaN where it is not known.
    """

    place: int
    name: str
    picture: npt.NDArray[np.uint8]
    mask: Mask
    label: Mask
    activation: float = float("nan")

    @property
    def iou(self) -> float:
        """Of mask and label, on this picture alone."""
        union = int((self.mask | self.label).sum())
        return int((self.mask & self.label).sum()) / union if union else 0.0

    def told(self) -> dict[str, Any]:
        """For the browser, at most `SIDE` pixels a side: masks hold one bit per pixel, row by row."""
        step = max(1, -(-max(self.picture.shape[:2]) // SIDE))
        height, width = (max(1, length // step) for length in self.picture.shape[:2])
        small = Image.fromarray(self.picture).resize((width, height), Image.Resampling.BOX)
        return {
            "name": self.name,
            "size": [height, width],
            "jpeg": jpeg(np.asarray(small), quality=88),
            "mask": packed(self.mask, height, width),
            "label": packed(self.label, height, width),
            "shares": [round(float(each.mean()), 4) for each in (self.mask, self.label)],
            "iou": round(self.iou, 4),
            "activation": None if np.isnan(self.activation) else self.activation,
        }


def packed(mask: Mask, height: int, width: int) -> bytes:
    """A mask (H, W) at another size, eight pixels a byte."""
    rows = (np.arange(height) + 0.5) * mask.shape[0] / height
    columns = (np.arange(width) + 0.5) * mask.shape[1] / width
    return np.packbits(mask[rows.astype(int)[:, None], columns.astype(int)]).tobytes()


class Gallery:
    """The pictures of units and concepts, made once and kept. Its methods are for one thread at a time.

    Args:
        lens: the network of the report.
        report: the report.
        dataset: what it was made from.

    Raises:
        BadType, BadValue: a dataset without labels, or with other concepts or fewer pictures than the report has.
    """

    def __init__(self, lens: Lens, report: Dissection, dataset: Any) -> None:
        self.lens, self.report, self.dataset = lens, report, dataset
        self._samples = Samples(lens, dataset, density=report.density)
        concepts = [(each.id, str(each.name), str(each.category)) for each in self._samples.concepts]
        if concepts != [tuple(each) for each in report.concepts]:
            raise BadValue(
                f"The dataset has {len(concepts)} concepts that are not the {len(report.concepts)} of the report. "
                "Accepted: the dataset that was dissected, or None to browse without pictures."
            )
        last = max(int(each.max()) for each in report.top_index.values())
        if last >= len(dataset):
            raise BadValue(
                f"The dataset has {len(dataset)} pictures, and the report speaks of picture {last}. Accepted: the "
                "dataset that was dissected, or None to browse without pictures."
            )
        self._kept: OrderedDict[str, list[Shot]] = OrderedDict()

    def kept(self, key: str) -> list[Shot] | None:
        """The pictures of a unit or a concept, if they have been made."""
        return self._kept.get(key)

    def of_unit(self, unit: Unit) -> Steps[list[Shot]]:
        """The pictures that excite a unit most, with its mask, and the label of its best concept."""
        layer = self.report.layers[unit.layer]
        column = int(layer.iou[unit.channel].argmax()) if layer.best[unit.channel] else -1
        places = [int(each) for each in layer.top_index[unit.channel] if each >= 0]
        shots = []
        for rank, place in enumerate(places):
            shots.append(self.shot(place, unit, column, float(layer.top_activation[unit.channel, rank])))
            yield Step(rank + 1, len(places), label=f"pictures of {unit}")
        return self._keep(str(unit), shots)

    def of_concept(self, key: str, column: int, unit: Unit) -> Steps[list[Shot]]:
        """Pictures that show a concept, the first that do, with the mask of a unit."""
        layer = self.report.layers[unit.layer]
        best = [int(each) for each in layer.top_index[unit.channel] if each >= 0]
        places = list(dict.fromkeys([*best, *range(len(self.dataset))]))[:READ]
        shots: list[Shot] = []
        for number, place in enumerate(places):
            shot = self.shot(place, unit, column)
            if shot.label.mean() >= LEAST:
                shots.append(shot)
            yield Step(number + 1, len(places), label=f"looking for pictures with {key}")
            if len(shots) == SHOWN:
                break
        return self._keep(key, shots)

    def shot(self, place: int, unit: Unit, column: int, activation: float = float("nan")) -> Shot:
        """One picture with the mask of a unit, and the label of the concept in a column (-1 for none)."""
        sample = self.dataset[place]
        picture = self.lens.picture(sample.image)
        size = picture.shape[:2]
        mask = self.report.masks(self.lens, sample.image, unit.layer, unit.channel)[0]
        label = np.zeros(size, dtype=bool)
        if column >= 0:
            labelled = self._samples.read(sample)[1]
            grid = (labelled.columns == column + 1).any(axis=1).reshape(labelled.grid)
            rows, columns = ((np.arange(size[axis]) + 0.5) * grid.shape[axis] / size[axis] for axis in (0, 1))
            label = grid[rows.astype(int)[:, None], columns.astype(int)]
        return Shot(place, str(getattr(sample, "name", "") or f"picture {place}"), picture, mask, label, activation)

    def _keep(self, key: str, shots: list[Shot]) -> list[Shot]:
        self._kept[key] = shots
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return shots
