"""The sheet that patches and their projections are stored on."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from convviz_widgets.methods.deconvnet.patches import Pick
from convviz_widgets.methods.deconvnet.top_images import TopImages
from convviz_widgets.render.signal import reach_of, signal_picture

GREY = 128


class Sheet:
    """What is stored, filled in as it comes."""

    def __init__(self, best: TopImages, *, side: tuple[int, float]) -> None:
        self.best = best
        self.side, self.scale = side
        shape = (*best.index.shape, self.side, self.side, 3)
        self.tiles = np.full(shape, GREY, dtype=np.uint8)
        self.projections = np.full(shape, GREY, dtype=np.uint8)
        self.reach = np.zeros(best.index.shape, dtype=np.float32)

    def put(self, pick: Pick, signal: torch.Tensor) -> None:
        """What arrived at the pixels of a patch, (C, h, w)."""
        values = signal.float().cpu().numpy()
        reach = reach_of(values)
        self.reach[pick.unit, pick.rank] = reach
        self._paste(self.projections, pick, signal_picture(values, reach=reach))

    def put_patches(self, picks: Sequence[Pick], photo: npt.NDArray[np.uint8]) -> None:
        """The patches of a picture (H, W, 3)."""
        for pick in picks:
            left, top, right, bottom = self.best.box[pick.unit, pick.rank]
            self._paste(self.tiles, pick, photo[top:bottom, left:right])

    def _paste(self, sheet: npt.NDArray[np.uint8], pick: Pick, patch: npt.NDArray[np.uint8]) -> None:
        if self.scale < 1:
            height, width = (max(1, round(length * self.scale)) for length in patch.shape[:2])
            patch = np.asarray(Image.fromarray(patch).resize((width, height), Image.Resampling.BILINEAR))
        top, left = ((self.side - length) // 2 for length in patch.shape[:2])
        sheet[pick.unit, pick.rank, top : top + patch.shape[0], left : left + patch.shape[1]] = patch


def side_of(best: TopImages, tile: int) -> tuple[int, float]:
    """Side of the tiles, and what patches are scaled by to fit into it."""
    sides = np.stack([best.box[..., 2] - best.box[..., 0], best.box[..., 3] - best.box[..., 1]])
    largest = int(sides[:, best.index >= 0].max())
    return min(largest, tile), min(1.0, tile / largest)
