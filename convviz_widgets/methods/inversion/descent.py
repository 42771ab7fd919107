"""The way downhill: images that come to answer as the picture did, all layers and seeds side by side."""

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.core.errors import UnsupportedModel
from convviz_widgets.core.step import Step
from convviz_widgets.lens.canvas import penalties
from convviz_widgets.lens.canvas.gradient import level, peaks
from convviz_widgets.lens.canvas.parametrizations import Parametrization
from convviz_widgets.lens.canvas.space import bytes_of
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.inversion.codes import Code
from convviz_widgets.methods.inversion.settings import Recipe

MOMENTUM = 0.9


@dataclass(frozen=True)
class Descended:
    """Where a descent ended.

    Args:
        z: (N, C, H, W), the last images all of whose numbers are finite.
        trace: the misfit of each image at each step, (N,) each.
        remark: why it ended early; "" for nothing.
    """

    z: torch.Tensor
    trace: tuple[npt.NDArray[np.float32], ...]
    remark: str = ""


class Descent:
    """One descent of N images; each has a code of its own to come to.

    Images of one layer go through the network as one batch, which stops at that layer: none is carried further than
    its own layer, so that several layers cost no more than one after another.

    Args:
        lens: the network.
        codes: what is to be answered, one per layer.
        written: the images as numbers: all seeds of the first code, then all of the second, and so on.
        recipe: how to go, with the knobs.
        generator: draws the shifts.
    """

    def __init__(
        self,
        lens: Lens,
        codes: Sequence[Code],
        written: Parametrization,
        recipe: Recipe,
        generator: torch.Generator,
    ) -> None:
        self._lens, self._written, self._settings = lens, written, recipe.settings
        self._codes = [replace(code, answer=_laid_out(code.answer)) for code in codes]
        self._generator = generator
        size = float(self._settings.step_size or 0)
        self._optimiser: torch.optim.Optimizer = (
            torch.optim.Adam([written.leaf], lr=size)
            if recipe.descent == "adam"
            else torch.optim.SGD([written.leaf], lr=size, momentum=MOMENTUM)
        )

    def steps(self) -> Generator[Step, None, Descended]:
        """Yields a `Step` per step: the mean misfit, and the images (N, H, W, 3) uint8 as they were then."""
        trace: list[npt.NDArray[np.float32]] = []
        total = int(self._settings.steps or 1)
        good = self._image()
        for number in range(1, total + 1):
            z, misfits, finite = self._step((number - 1) / total)
            if not finite:
                size = self._settings.step_size
                return Descended(
                    good, tuple(trace), f"The image left the finite numbers; try step_size below {size:g}."
                )
            good = z
            trace.append(misfits.cpu().numpy())
            headline = float(trace[-1].mean())
            yield Step(number, total, headline, f"error {headline:.3g}", bytes_of(self._written.space, good))
        return Descended(self._image(), tuple(trace))

    @torch.inference_mode(mode=False)
    @torch.enable_grad()
    def _step(self, done: float) -> tuple[torch.Tensor, torch.Tensor, bool]:
        """The images before the step, their misfits (N,), and whether all is finite."""
        z = self._written.image()
        now = z.detach()
        misfits, gradient = self.slope(now)
        gradient = gradient + self._pull(now)
        finite = bool(misfits.isfinite().all() & peaks(gradient).isfinite().all())
        if finite:
            for group in self._optimiser.param_groups:
                group["lr"] = float(self._settings.step_size or 0) * (1 + math.cos(math.pi * done)) / 2
            self._optimiser.zero_grad()
            z.backward(level(gradient))  # type: ignore[no-untyped-call]
            self._optimiser.step()
            self._written.bound()
        return now, misfits, finite

    def slope(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The misfit of each image, (N,), and its gradient by the image, (N, C, H, W).

        Raises:
            UnsupportedModel: no gradient leads from a layer to the image.
        """
        shift = self._shift()
        space = self._written.space
        prepared = space.prepared(_moved(z, shift))
        each = len(z) // len(self._codes)
        misfits, gradients = [], []
        for code, part in zip(self._codes, torch.split(prepared, each), strict=True):
            seen = _laid_out(part).requires_grad_()
            misfit = code.misfit(self._lens.record(seen, [code.layer], grad=True)[code.layer])
            misfits.append(misfit.detach())
            gradients.append(_gradient(misfit, seen, self._lens, code.layer))
        gradient = torch.cat(gradients).float().contiguous() * space.unit  # laid out as the image is
        return torch.cat(misfits), _moved(gradient, (-shift[0], -shift[1]))

    def _shift(self) -> tuple[int, int]:
        reach = int(self._settings.jitter or 0)
        down, across = torch.randint(-reach, reach + 1, (2,), generator=self._generator).tolist()
        return down, across

    def _pull(self, z: torch.Tensor) -> torch.Tensor:
        """The gradient of the penalties, which are means over an image's numbers."""
        total, each = torch.zeros_like(z), 1 / z[0].numel()
        if self._settings.alpha_norm:
            total.add_(penalties.away_from_extremes(z), alpha=self._settings.alpha_norm * each)
        if self._settings.total_variation:
            total.add_(penalties.away_from_roughness(z), alpha=self._settings.total_variation * each)
        return total

    @torch.inference_mode(mode=False)
    @torch.no_grad()
    def _image(self) -> torch.Tensor:
        return self._written.image()


def _laid_out(maps: torch.Tensor) -> torch.Tensor:
    """Maps in the order in which convolutions are quickest, channels together: mixed orders would cost at each step."""
    return maps.contiguous(memory_format=torch.channels_last) if maps.ndim == 4 else maps


def _moved(z: torch.Tensor, shift: tuple[int, int]) -> torch.Tensor:
    return z if shift == (0, 0) else z.roll(shift, (-2, -1))


def _gradient(misfit: torch.Tensor, seen: torch.Tensor, lens: Lens, layer: str) -> torch.Tensor:
    found = None
    if misfit.requires_grad:
        (found,) = torch.autograd.grad(misfit.sum(), seen, allow_unused=True)
    if found is None:
        raise UnsupportedModel(
            f"No gradient leads from {layer} of {lens.name} to the image, so it cannot be inverted step by step. The "
            "network seems to detach, round or threshold on the way; ask for a layer before that, or train a decoder."
        )
    return found
