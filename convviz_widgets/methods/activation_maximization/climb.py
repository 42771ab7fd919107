"""The climb: step by step, from a start, to an image that a unit answers to as strongly as it can."""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.core.step import Step
from convviz_widgets.lens.canvas.gradient import level, peaks
from convviz_widgets.lens.canvas.parametrizations import Parametrization
from convviz_widgets.lens.canvas.space import bytes_of
from convviz_widgets.methods.activation_maximization import regularizers, transforms
from convviz_widgets.methods.activation_maximization.goals import Goals
from convviz_widgets.methods.activation_maximization.recipes import Recipe
from convviz_widgets.methods.activation_maximization.settings import Settings

MOMENTUM = 0.9
SILENT = (
    "At least one unit gave no gradient to climb: it answers to nothing near its image. Try another seed, a `start` on "
    "which it is active (`top_images` finds them), or the layer before its ReLU."
)


@dataclass(frozen=True)
class Climbed:
    """Where a climb ended.

    Args:
        z: (N, C, H, W), the last image all of whose numbers are finite.
        trace: value of each objective at each step, under the step's view, (N,) each.
        broken: whether it ended early.
        remark: why it ended early, or what else a person should know of it; "" for nothing.
    """

    z: torch.Tensor
    trace: tuple[npt.NDArray[np.float32], ...]
    broken: bool = False
    remark: str = ""


@dataclass(frozen=True)
class Slope:
    """One step's evaluation: the image, the objectives' values, and the gradient by the image, of RMS 1.

    ``finite`` and ``silent`` tell whether all of it is finite, and whether an image has no gradient at all.
    """

    z: torch.Tensor
    values: torch.Tensor
    gradient: torch.Tensor
    finite: bool
    silent: bool


@dataclass(frozen=True)
class Frame:
    """What stays: where the mask (H, W) is 0, the image is ``behind`` (N, C, H, W)."""

    behind: torch.Tensor
    mask: torch.Tensor

    def of(self, z: torch.Tensor) -> torch.Tensor:
        """The image with what stays."""
        return self.behind + self.mask * (z - self.behind)


class Climb:
    """One climb on images of one size.

    Args:
        goals: what is climbed.
        written: the image as numbers.
        recipe: how to go, with the knobs.
        generator: draws the views.
        frame: what stays as it is, or None.
    """

    def __init__(
        self,
        goals: Goals,
        written: Parametrization,
        recipe: Recipe,
        generator: torch.Generator,
        frame: Frame | None = None,
    ) -> None:
        self._goals, self._written, self._settings, self._frame = goals, written, recipe.settings, frame
        self._generator = generator
        size = float(recipe.settings.step_size or 0)
        self._optimiser: torch.optim.Optimizer = (
            torch.optim.Adam([written.leaf], lr=size)
            if recipe.ascent == "adam"
            else torch.optim.SGD([written.leaf], lr=size, momentum=MOMENTUM if recipe.ascent == "momentum" else 0)
        )

    def steps(self, *, done: int = 0, total: int | None = None) -> Generator[Step, None, Climbed]:
        """Yields a `Step` per step: the mean of the objectives, and the images (N, H, W, 3) uint8 as they were then.

        Args:
            done: steps of earlier climbs, for the count.
            total: steps of all climbs.
        """
        trace: list[npt.NDArray[np.float32]] = []
        count = int(self._settings.steps or 1)
        good = self._image()
        for number in range(1, count + 1):
            slope = self._step(number)
            if not slope.finite:
                return Climbed(good, tuple(trace), broken=True, remark=why_not_finite(slope, self._settings))
            good = slope.z
            trace.append(slope.values.float().cpu().numpy())
            headline = float(trace[-1].mean())
            preview = bytes_of(self._written.space, good)
            yield Step(done + number, total or count, headline, f"activation {headline:.3g}", preview)
        last = self._image()
        good = last if bool(last.isfinite().all()) else good
        return Climbed(good, tuple(trace), remark=SILENT if slope.silent else "")

    @torch.inference_mode(mode=False)
    @torch.enable_grad()
    def _step(self, number: int) -> Slope:
        z = self._written.image()
        z = z if self._frame is None else self._frame.of(z)
        slope = self._slope(z.detach().requires_grad_())
        if slope.finite:
            uphill = slope.gradient - regularizers.pull(slope.z, self._settings)
            self._optimiser.zero_grad()
            z.backward(-uphill)  # type: ignore[no-untyped-call]
            self._optimiser.step()
            self._correct(slope.gradient, number)
        return slope

    def _slope(self, z: torch.Tensor) -> Slope:
        view = transforms.draw(self._settings, (z.shape[-2], z.shape[-1]), self._generator)
        shown = transforms.seen(z, view, int(self._settings.pad or 0))
        prepared = self._written.space.prepared(shown).contiguous(memory_format=torch.channels_last)
        values, at_view = self._goals.slope(prepared)
        (gradient,) = torch.autograd.grad(prepared, z, at_view)
        largest = peaks(gradient)
        finite = bool(largest.isfinite().all() & values.isfinite().all())
        return Slope(z.detach(), values, level(gradient), finite, silent=bool((largest == 0).any()))

    @torch.no_grad()
    def _correct(self, gradient: torch.Tensor, number: int) -> None:
        if regularizers.corrects(self._settings):
            z = self._written.image()
            self._written.put(regularizers.corrected(z, gradient, self._settings, step=number))
        self._written.bound()

    @torch.inference_mode(mode=False)
    @torch.no_grad()
    def _image(self) -> torch.Tensor:
        z = self._written.image()
        return z if self._frame is None else self._frame.of(z)


def why_not_finite(slope: Slope, settings: Settings) -> str:
    """In words, what probably made the numbers leave the finite ones."""
    if not bool(slope.z.isfinite().all()):
        pulls = {name: getattr(settings, name) for name in ("alpha_norm", "total_variation", "l2")}
        strongest = max(pulls, key=lambda name: pulls[name])
        knob = strongest if pulls[strongest] * (settings.step_size or 0) > 1 else "step_size"
        return f"The image is not finite any more. Likely cause: {knob}={getattr(settings, knob):g}; try a tenth of it."
    reason = "in half precision such values overflow easily; " if slope.values.dtype == torch.float16 else ""
    return (
        "The objective is not finite although the image is. Likely cause: the weights, or the objective's own factors; "
        f"{reason}or step_size={settings.step_size:g}, which leads to images that the network cannot take."
    )
