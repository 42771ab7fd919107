"""Whether the pixels that a saliency map holds for important are: the score while they are removed, or put in, first.

Pixels are removed (set to zero as the network sees them, the mean colour for most), or put into a blurred copy, in the
order of the map, while the probability of the class is watched. A good map makes it fall early and rise early: a small
area under the first curve, a large one under the second. Beside them stand the curves of a random order.

Cost: one map, and one forward pass for each step of four curves.
Oracle: a score that hangs on one pixel falls, and rises, with the first step.
Source: Petsiuk, Das & Saenko 2018, "RISE", section 4.2.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import torch
from torchvision.transforms.functional import gaussian_blur

from convviz_widgets.core.knob import Knob
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.technique import technique
from convviz_widgets.core.unit import Unit
from convviz_widgets.lens.backward import cached_answers
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.prediction import class_probabilities
from convviz_widgets.lens.single import one_picture
from convviz_widgets.methods.saliency.saliency import Asked, Variant, attribute, drawn
from convviz_widgets.methods.saliency.target import Target, find_target, per_pass
from convviz_widgets.render import charts
from convviz_widgets.render.result import Result

STEPS = Knob(2, 1000, scale="log", help="steps of the curves")
BLUR = 1 / 20  # of the longer side: deviation of the blur that insertion starts from; at least 1 pixel

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class DeletionInsertion(Result):
    """The score while pixels are removed from a picture, or put into a blurred one, the most salient first.

    Args:
        target: the class's name, or the unit's address.
        shares: (n,) shares of the pixels changed, from 0 to 1.
        deletion, insertion: (n,) the probability of the class, or the unit's activation relative to the picture's.
        random_deletion, random_insertion: (n,) the same in a random order.
    """

    target: str
    shares: Floats
    deletion: Floats
    insertion: Floats
    random_deletion: Floats
    random_insertion: Floats

    @property
    def areas(self) -> dict[str, float]:
        """The areas under the four curves: small is good for deletion, large for insertion."""
        names = ("deletion", "insertion", "random_deletion", "random_insertion")
        curves = {name: getattr(self, name) for name in names}
        widths = np.diff(self.shares)
        return {name: float(((curve[1:] + curve[:-1]) / 2 * widths).sum()) for name, curve in curves.items()}

    def caption(self) -> str:
        """The areas, in words."""
        told = ", ".join(f"{name.replace('_', ' ')} {area:.3f}" for name, area in self.areas.items())
        return f"{self.target}: area under the curve of {told}"

    def figure(self) -> Any:
        """The four curves."""
        lines = {
            "deletion": self.deletion,
            "insertion": self.insertion,
            "deletion, random order": self.random_deletion,
            "insertion, random order": self.random_insertion,
        }
        return charts.curve(lines, places=self.shares, title=self.target, x="share of the pixels", y="score")


@technique
def deletion_insertion(
    lens: Lens,
    image: Any,
    unit: int | str | Unit | None = None,
    *,
    variant: Variant = "gradient",
    steps: Annotated[int, STEPS] = 32,
    seed: int = 0,
) -> Steps[DeletionInsertion]:
    """The score of a picture while the pixels that a map holds for important are removed, or put in, first.

    Example:
        >>> image = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
        >>> deletion_insertion(Lens.load("mini"), image, steps=4).deletion.shape
        (5,)

    Args:
        lens: the network.
        image: one picture.
        unit: a class by index or name, a unit's address, or None for the most probable class.
        variant: which map; see `saliency`.
        steps: number of steps of the curves.
        seed: of the random order.

    Returns:
        A `DeletionInsertion`.

    Raises:
        BadValue, UnknownName: as `saliency`.

    Source:
        Petsiuk, Das & Saenko 2018, section 4.2.
    """
    STEPS.check("steps", steps)
    asked = Asked(variant).checked()
    prepared = one_picture(lens, image)
    target = find_target(lens, prepared, unit)
    signal, _ = yield from attribute(lens, prepared, target, asked)
    shown, _ = drawn(signal, asked, size=tuple(prepared.shape[-2:]))
    salient = torch.from_numpy(shown).flatten().argsort(descending=True, stable=True)
    chance = torch.randperm(len(salient), generator=torch.Generator().manual_seed(seed))
    empty, soft = torch.zeros_like(prepared), blurred(prepared)
    curves = []
    for order in (salient, chance):
        for before, after in ((prepared, empty), (soft, prepared)):
            curves.append((yield from _curve(lens, target, before, after, order, steps=steps)))
    scale = 1.0 if target.layer is None else float(target.of(cached_answers(lens, prepared, target.layer))) or 1.0
    deletion, insertion, random_deletion, random_insertion = (curve / scale for curve in curves)
    return DeletionInsertion(
        target=target.name,
        shares=np.linspace(0, 1, steps + 1),
        deletion=deletion,
        insertion=insertion,
        random_deletion=random_deletion,
        random_insertion=random_insertion,
        provenance=Provenance.of(
            "deletion_insertion",
            fingerprint=lens.fingerprint,
            inputs=("lens", "image"),
            unit=target.address,
            variant=variant,
            steps=steps,
            seed=seed,
        ),
    )


def blurred(prepared: torch.Tensor) -> torch.Tensor:
    """Pictures (N, C, H, W) in which no detail is left."""
    deviation = max(1.0, max(prepared.shape[-2:]) * BLUR)
    sides = [min(2 * int(3 * deviation) + 1, 2 * ((side - 1) // 2) + 1) for side in prepared.shape[-2:]]
    blurry: torch.Tensor = gaussian_blur(prepared, sides[::-1], [deviation, deviation])
    return blurry


def _curve(
    lens: Lens, target: Target, before: torch.Tensor, after: torch.Tensor, order: torch.Tensor, *, steps: int
) -> Steps[Floats]:
    """The score while pixels go over from one picture (1, C, H, W) to another, in an order of places."""
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    place = place.view(before.shape[-2:]).to(before.device)
    counts = torch.linspace(0, len(order), steps + 1).round().long().tolist()
    scores: list[float] = []
    size = per_pass(before)
    for start in range(0, len(counts), size):
        part = counts[start : start + size]
        mixed = torch.cat([torch.where(place < count, after, before) for count in part])
        scores += _strength(lens, mixed, target)
        yield Step(len(scores), len(counts), headline=scores[-1], label=target.name)
    return np.array(scores)


def _strength(lens: Lens, prepared: torch.Tensor, target: Target) -> list[float]:
    """The probability of a class, or the activation of a unit, for each picture."""
    answers = cached_answers(lens, prepared, target.layer)
    if target.layer is not None:
        return [float(value) for value in target.of(answers)]
    chances: list[float] = class_probabilities(answers, lens.class_names)[:, int(target.address)].tolist()
    return chances
