"""What activation maximization gives back."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from convviz_widgets.render import charts, grid
from convviz_widgets.render.result import Result


@dataclass(frozen=True, eq=False, repr=False)
class Maximized(Result):
    """N images and what they reach.

    Args:
        objectives: (N) what each image was grown for, as text.
        images: (N, H, W, 3) float32 in [0, 1].
        activations: (N,) float32, what each image's unit answers at its strongest position to the image as it stands,
            to be held beside ``top_images(...).activation``; where the objective has no unit, its value.
        traces: (steps, N) float32, the objectives at each step, under the random view of that step.
        stopped: why the climb ended early, or what else to know of it; "" for nothing.
    """

    objectives: tuple[str, ...]
    images: npt.NDArray[np.float32]
    activations: npt.NDArray[np.float32]
    traces: npt.NDArray[np.float32]
    stopped: str

    @property
    def image(self) -> npt.NDArray[np.float32]:
        """(H, W, 3), the first image."""
        first: npt.NDArray[np.float32] = self.images[0]
        return first

    @property
    def activation(self) -> float:
        """What the first image reaches."""
        return float(self.activations[0])

    @property
    def trace(self) -> npt.NDArray[np.float32]:
        """(steps,), the first image's."""
        first: npt.NDArray[np.float32] = self.traces[:, 0]
        return first

    def picture(self) -> npt.NDArray[np.uint8]:
        """The images in a grid, each with its objective and what it reaches."""
        told = [f"{name} {value:.3g}" for name, value in zip(self.objectives, self.activations, strict=True)]
        return grid.montage(list(self.images), captions=told)

    def figure(self) -> Any:
        """The objectives by step."""
        lines = {f"{place + 1}: {name}": self.traces[:, place] for place, name in enumerate(self.objectives)}
        return charts.curve(lines, title="Activation maximization", x="step", y="objective")
