"""All of a growth: from its start, through its octaves, to the last image."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import nn

from convviz_widgets.core.step import Steps
from convviz_widgets.lens.canvas.space import Space
from convviz_widgets.lens.canvas.start import Size, images, resized
from convviz_widgets.methods.activation_maximization import beginning
from convviz_widgets.methods.activation_maximization.climb import Climb, Climbed, Frame
from convviz_widgets.methods.activation_maximization.goals import Goals, numbered
from convviz_widgets.methods.activation_maximization.recipes import Recipe

OCTAVE = 1.4  # ratio of sizes from one octave to the next (Mordvintsev 2015)


@dataclass(frozen=True)
class Growth:
    """What is to be grown, and how.

    Args:
        goals: one objective per image.
        recipe: with the settings as they shall be.
        seed: of noise and views.
        start: image or images to start from, or None.
        mask: (H, W), 1 where the image may change, or None.
        octaves: number of sizes.
        generator: from codes to pictures, or None.
    """

    goals: Goals
    recipe: Recipe
    seed: int
    start: Any = None
    mask: Any = None
    octaves: int = 1
    generator: nn.Module | None = None

    @cached_property
    def space(self) -> Space:
        """In which the images are grown."""
        return Space.of(self.goals.lens)

    def steps(self) -> Steps[Climbed]:
        """One `Step` after another, then where the climb ended; all traces joined."""
        draws = torch.Generator().manual_seed(self.seed)
        sizes = self._sizes()
        settings = self.recipe.settings
        total = len(sizes) * int(settings.steps or 1)
        z: torch.Tensor | None = None
        traces: list[Any] = []
        for size in sizes:
            start = self._start(size)
            begun = start if z is None else self._continued(z, start, size)
            climb = Climb(self.goals, self._written(begun, size), self.recipe, draws, self._frame(start, size))
            climbed = yield from climb.steps(done=len(traces), total=total)
            z = climbed.z
            traces += climbed.trace
            if climbed.broken:
                break
        return replace(climbed, trace=tuple(traces))

    def _sizes(self) -> list[Size]:
        """(H, W) of each octave, the last one as wanted."""
        lens, side = self.goals.lens, self.recipe.settings.size
        height, width = lens.input_shape[1:] if side is None else (side, side)
        shrunk = [OCTAVE ** (self.octaves - 1 - octave) for octave in range(self.octaves)]
        return [(max(1, round(height / ratio)), max(1, round(width / ratio))) for ratio in shrunk]

    def _start(self, size: Size) -> torch.Tensor | None:
        if self.start is None:
            return None
        count = len(self.goals.objectives)
        return images(self.goals.lens, self.space, self.start, count, size, name="start")

    def _continued(self, z: torch.Tensor, start: torch.Tensor | None, size: Size) -> torch.Tensor:
        """The image of the last octave in this size, with the detail of the start that was too fine for it."""
        if start is None:
            return resized(z, size)
        coarse = resized(start, (z.shape[-2], z.shape[-1]))
        return start + resized(z - coarse, size)

    def _frame(self, start: torch.Tensor | None, size: Size) -> Frame | None:
        if self.mask is None:
            return None
        like = self.space.mean
        behind = start if start is not None else torch.zeros(1, len(like), *size).to(like)
        return Frame(behind, beginning.mask_of(self.mask, size, like))

    def _written(self, z: torch.Tensor | None, size: Size) -> Any:
        return beginning.write(
            self.recipe,
            self.space,
            self.goals.lens,
            z=z,
            size=size,
            seed=self.seed,
            numbers=numbered(self.goals.objectives),
            generator=self.generator,
        )
