"""What inversion gives back."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from convviz_widgets.core.errors import unknown_name
from convviz_widgets.render import charts, grid
from convviz_widgets.render.result import Result

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False, repr=False)
class Inversion(Result):
    """N images told from layers' answers, beside the picture that these were answers to.

    Args:
        layers: (N) the layer of each image; those of one layer, from several seeds, stand side by side.
        seeds: (N) the seed that each image started from.
        images: (N, H, W, 3) float32 in [0, 1].
        losses: (N,) float32, ``|A - A0|**2 / |A0|**2`` of what each image is answered and what was to be.
        traces: (steps, N) float32, the same at each step, under the shift of that step; (0, N) where none were taken.
        original: (H, W, 3) float32 in [0, 1], the picture as the network saw it.
        stopped: why the descent ended early; "" for nothing.
    """

    layers: tuple[str, ...]
    seeds: tuple[int, ...]
    images: Floats
    losses: Floats
    traces: Floats
    original: Floats
    stopped: str

    @property
    def image(self) -> Floats:
        """(H, W, 3), the first image."""
        first: Floats = self.images[0]
        return first

    @property
    def loss(self) -> float:
        """Of the first image."""
        return float(self.losses[0])

    @property
    def trace(self) -> Floats:
        """(steps,), the first image's."""
        first: Floats = self.traces[:, 0]
        return first

    @property
    def errors(self) -> Floats:
        """(N,) mean absolute difference of each image from the picture, in [0, 1]."""
        found: Floats = np.abs(self.images - self.original).mean((1, 2, 3))
        return found

    def of(self, layer: str) -> Floats:
        """The images of one layer, (seeds, H, W, 3).

        Raises:
            UnknownName: it was not inverted.
        """
        places = [place for place, each in enumerate(self.layers) if each == layer]
        if not places:
            raise unknown_name("inverted layer", layer, dict.fromkeys(self.layers))
        found: Floats = self.images[places]
        return found

    def spread(self, layer: str) -> Floats:
        """What the layer leaves open: (H, W), standard deviation over the seeds, mean over the colours.

        Raises:
            UnknownName: it was not inverted.
        """
        found: Floats = self.of(layer).std(0).mean(2)
        return found

    def picture(self) -> npt.NDArray[np.uint8]:
        """The picture and the images, each with its layer and its error; a row for each layer where seeds differ."""
        told = [f"{name} {loss:.2g}" for name, loss in zip(self.layers, self.losses, strict=True)]
        seeds = len(self.images) // len(dict.fromkeys(self.layers))
        if seeds == 1:
            return grid.montage([self.original, *self.images], captions=["picture", *told])
        rows = range(0, len(told), seeds)
        images = [each for row in rows for each in (self.original, *self.images[row : row + seeds])]
        captions = [each for row in rows for each in ("picture", *told[row : row + seeds])]
        return grid.montage(images, columns=seeds + 1, captions=captions)

    def caption(self) -> str:
        """The layers and their errors in words."""
        told = ", ".join(f"{name} {loss:.2g}" for name, loss in zip(self.layers, self.losses, strict=True))
        return f"A picture told again from what layers answered to it; error of each: {told}"

    def figure(self) -> Any:
        """The errors by step, or of each image where no steps were taken."""
        names = [f"{name}, seed {seed}" for name, seed in zip(self.layers, self.seeds, strict=True)]
        if not len(self.traces):
            return charts.bars(names, self.losses, title="Inversion", unit="error of the answer")
        lines = {name: self.traces[:, place] for place, name in enumerate(names)}
        figure = charts.curve(lines, title="Inversion", x="step", y="error of the answer")
        figure.update_yaxes(type="log")
        return figure
