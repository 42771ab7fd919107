"""Which pixels a class score depends on, by six ways of asking.

With the score S_c(x) before the softmax of a prepared picture x, the map shows ``M_ij = max over channels of |s_ij|``,
where the signal s, (C, H, W), is

- ``gradient``: ``dS_c/dx`` (Simonyan 2013, section 3.1);
- ``deconvnet``, ``guided``: the same way back with another rule for ReLU (Zeiler & Fergus 2013; Springenberg 2014);
- ``smoothgrad``: its mean over copies of x with Gaussian noise (Smilkov 2017, section 3);
- ``integrated``: ``(x - x') * mean of dS_c/dx on the way from a baseline x' to x``; sums to ``S_c(x) - S_c(x')``
  (Sundararajan 2017, section 3);
- ``grad-cam``: ``sum over k of a_k A_k`` with the maps A_k of a late layer and a_k the mean over positions of
  ``dS_c/dA_k``, enlarged bilinearly; the map shows its positive part (Selvaraju 2017, section 3).

Cost: one forward and backward pass; with ``samples``, one for each.
Oracle: equals autograd but for rounding; integrated gradients sum to the difference of the scores; Grad-CAM equals a
plain twin; on drawings with known masks the strongest pixel lies on the object far more often than chance has it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any, Literal, Self, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import interpolate

from convviz_widgets.core.errors import BadValue, unknown_name
from convviz_widgets.core.knob import Knob
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.technique import technique
from convviz_widgets.core.unit import Unit
from convviz_widgets.lens.backward import cached_answers, gradient_at
from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.single import one_picture
from convviz_widgets.methods.saliency.target import Target, find_target, gradients, per_pass
from convviz_widgets.render import charts, overlay
from convviz_widgets.render.result import Result

Variant = Literal["gradient", "smoothgrad", "integrated", "grad-cam", "guided", "deconvnet"]
Baseline = Literal["black", "mean"]
SAMPLES = Knob(1, 1000, scale="log", help="noisy copies, or steps from the baseline to the picture")
NOISE = Knob(0, 1, help="standard deviation of the noise, as a share of the picture's range")


@dataclass(frozen=True, eq=False, repr=False)
class Saliency(Result):
    """Which pixels a score depends on.

    Args:
        target: the class's name, or the unit's address.
        map: (H, W) float32, not negative: how much a pixel matters.
        signed: (H, W) float32: for or against, summed over channels.
        signal: (C, H, W) float32 with its sign, channel by channel; for grad-cam (1, h, w), before it is enlarged.
        score: of the picture.
        baseline_score: of the baseline, for integrated gradients; NaN for the others.
        photo: (H, W, 3) uint8, the picture as the network sees it.
    """

    target: str
    map: npt.NDArray[np.float32]
    signed: npt.NDArray[np.float32]
    signal: npt.NDArray[np.float32]
    score: float
    baseline_score: float
    photo: npt.NDArray[np.uint8]

    def picture(self) -> npt.NDArray[np.uint8]:
        """The map laid over the picture."""
        return overlay.heat_map(self.photo, self.map, high=peak(self.map))

    def caption(self) -> str:
        """What is shown, with the score."""
        return f"{super().caption()}; {self.target}, score {self.score:.4g}"

    def figure(self) -> Any:
        """The map."""
        return charts.heat_map(self.map, name="inferno", high=peak(self.map), title=f"{self.target}", unit="saliency")


@technique
def saliency(
    lens: Lens,
    image: Any,
    unit: int | str | Unit | None = None,
    *,
    variant: Variant = "gradient",
    samples: Annotated[int, SAMPLES] = 32,
    noise: Annotated[float, NOISE] = 0.15,
    baseline: Baseline = "black",
    layer: str | None = None,
    seed: int = 0,
) -> Steps[Saliency]:
    """Which pixels of a picture a class score depends on.

    Example:
        >>> image = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
        >>> saliency(Lens.load("mini"), image).map.shape
        (96, 96)

    Args:
        lens: the network.
        image: one picture.
        unit: a class by index or name, a unit's address, or None for the most probable class.
        variant: how the network is asked.
        samples: noisy copies (smoothgrad), or steps from the baseline (integrated).
        noise: standard deviation of the noise (smoothgrad), as a share of the picture's range.
        baseline: where integrated gradients start: a black picture, or one of the mean colour.
        layer: whose maps grad-cam weighs; default: the last maps before the scores.
        seed: of the noise.

    Returns:
        A `Saliency`.

    Raises:
        BadValue: no such class or unit, or a setting out of range.
        UnknownName: a wrong class name, layer or variant.

    Source:
        Simonyan, Vedaldi & Zisserman 2013, section 3.1; Smilkov et al. 2017; Sundararajan, Taly & Yan 2017; Selvaraju
        et al. 2017.
    """
    asked = Asked(variant, samples=samples, noise=noise, baseline=baseline, layer=layer, seed=seed).checked()
    prepared = one_picture(lens, image)
    target = find_target(lens, prepared, unit)
    signal, baseline_score = yield from attribute(lens, prepared, target, asked)
    map_, signed = drawn(signal, asked, size=tuple(prepared.shape[-2:]))
    return Saliency(
        target=target.name,
        map=map_,
        signed=signed,
        signal=signal.float().cpu().numpy(),
        score=float(target.of(cached_answers(lens, prepared, target.layer))),
        baseline_score=baseline_score,
        photo=lens.preprocess.picture(prepared[0]),
        provenance=Provenance.of(
            "saliency",
            fingerprint=lens.fingerprint,
            inputs=("lens", "image"),
            unit=target.address,
            variant=variant,
            samples=samples,
            noise=noise,
            baseline=baseline,
            layer=layer,
            seed=seed if variant == "smoothgrad" else None,
        ),
    )


@dataclass(frozen=True)
class Asked:
    """How the network is asked; see `saliency`."""

    variant: Variant
    samples: int = 32
    noise: float = 0.15
    baseline: Baseline = "black"
    layer: str | None = None
    seed: int = 0

    def checked(self) -> Self:
        """Itself, if all of it can be used."""
        for name, accepted in (("variant", get_args(Variant)), ("baseline", get_args(Baseline))):
            if getattr(self, name) not in accepted:
                raise unknown_name(name, getattr(self, name), accepted)
        SAMPLES.check("samples", self.samples)
        NOISE.check("noise", self.noise)
        return self


def attribute(lens: Lens, prepared: torch.Tensor, target: Target, asked: Asked) -> Steps[tuple[torch.Tensor, float]]:
    """The signal (C, H, W), or (1, h, w) of grad-cam, and the score of the baseline (NaN where there is none).

    Args:
        lens: the network.
        prepared: (1, C, H, W).
        target: what the signal is of.
        asked: how.
    """
    if asked.variant == "grad-cam":
        signal = grad_cam(lens, prepared, target, asked.layer)
        yield Step(1, 1, label=target.name)
    elif asked.variant == "smoothgrad":
        signal = yield from _mean_gradient(lens, _noisy(prepared, asked), target, asked.samples)
    elif asked.variant == "integrated":
        start = torch.zeros_like(prepared)
        start = lens.preprocess.normalize(start) if asked.baseline == "black" else start
        mean = yield from _mean_gradient(lens, _between(start, prepared, asked.samples), target, asked.samples)
        return (prepared[0] - start[0]) * mean, float(gradients(lens, start, target)[1])
    else:
        signal = gradients(lens, prepared, target, rule=asked.variant)[0][0]
        yield Step(1, 1, label=target.name)
    return signal, float("nan")


def drawn(
    signal: torch.Tensor, asked: Asked, *, size: tuple[int, ...]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """What is shown of a signal: how much each pixel matters, and for or against, both (H, W)."""
    values = signal.detach().float().cpu()
    if asked.variant == "grad-cam":
        wide = interpolate(values[None], size=size, mode="bilinear", align_corners=False)[0, 0]
        return wide.clamp(min=0).numpy(), wide.numpy()
    return values.abs().amax(0).numpy(), values.sum(0).numpy()


def grad_cam(lens: Lens, prepared: torch.Tensor, target: Target, layer: str | None = None) -> torch.Tensor:
    """The maps of a layer, each weighed by how much the target depends on it, summed: (1, h, w)."""
    place = lens.layers[layer] if layer is not None else last_maps(lens, target)
    if not place.is_map:
        raise BadValue(f"{place.name} gives a vector. Accepted for grad-cam: a layer of maps.")
    signals = target.signals(cached_answers(lens, prepared, target.layer))
    answers, gradient = gradient_at(lens, prepared, place, signals, target.layer)
    return (answers * gradient.mean((2, 3), keepdim=True)).sum(1)


def last_maps(lens: Lens, target: Target) -> Layer:
    """The last layer of maps before a target; not one whose maps are class scores already, if there is another.

    Raises:
        BadValue: there is none.
    """
    layers = [each for each in lens.layers.values() if target.layer is None or each.index < target.layer.index]
    maps = [each for each in layers if each.is_map and min(each.shape[1:]) > 1 and not each.overwritten]
    wanted = [each for each in maps if each.kind in ("activation", "convolution", "normalisation", "block")]
    scores = list(lens.layers.values())[-1].channels
    found = [each for each in wanted if each.channels != scores] or wanted or maps
    if not found:
        raise BadValue(f"No layer of maps lies before {target.name}, so grad-cam has nothing to weigh.")
    return found[-1]


def peak(values: npt.NDArray[np.float32]) -> float | None:
    """The value of the brightest colour: the 99.5th percentile, so that a few peaks do not leave the rest dark."""
    high = float(np.quantile(values, 0.995))
    return high if high > 0 else None


def _mean_gradient(lens: Lens, pictures: Iterator[torch.Tensor], target: Target, count: int) -> Steps[torch.Tensor]:
    """The mean gradient over pictures, (C, H, W), summed one by one, so that the sum is the same however they pass."""
    total: torch.Tensor | None = None
    done = 0
    for first in pictures:
        batch = [first, *islice(pictures, per_pass(first) - 1)]
        for found in gradients(lens, torch.cat(batch), target)[0]:
            total = found.clone() if total is None else total.add_(found)
        done += len(batch)
        yield Step(done, count, label=target.name)
    if total is None:
        raise BadValue("There is no picture to take a gradient at.")
    return total / count


def _noisy(prepared: torch.Tensor, asked: Asked) -> Iterator[torch.Tensor]:
    """Copies with Gaussian noise, whose deviation is a share of the picture's range."""
    generator = torch.Generator().manual_seed(asked.seed)
    reach = (prepared.max() - prepared.min()) * asked.noise
    for _ in range(asked.samples):
        drawn_noise = torch.randn(prepared.shape, generator=generator)
        yield prepared + reach * drawn_noise.to(prepared.device, prepared.dtype)


def _between(start: torch.Tensor, end: torch.Tensor, count: int) -> Iterator[torch.Tensor]:
    """Pictures on the straight line from one to another, in the middles of equal intervals."""
    for place in range(count):
        yield start + (place + 0.5) / count * (end - start)
