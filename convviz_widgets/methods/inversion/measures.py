"""What each layer keeps of pictures, in numbers: curves by depth for each way to invert it.

For each way, each perturbation of the code and each layer, every picture is told again and held against itself: pixels,
colours, the place of its object, and the class that the network itself gives it.

Cost: that of all the inversions. A decoder takes one forward pass for each.
Oracle: a decoder that gives back the picture itself has no error, and one that gives a shifted picture has an error of
place of just the shift; errors grow with depth.
Source: Dosovitskiy & Brox 2016, "Inverting Visual Representations with Convolutional Networks"
(errors by layer, with perturbed codes too); Mahendran & Vedaldi 2015, section 5 (errors of the answers by layer).
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.core.errors import BadValue, unknown_name
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.technique import technique
from convviz_widgets.lens.backward import cached_answers
from convviz_widgets.lens.images import each_image
from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.prediction import class_probabilities
from convviz_widgets.methods.inversion import settings as knob
from convviz_widgets.methods.inversion.compare import colour_error, pixel_error, position_error
from convviz_widgets.methods.inversion.decoder import Decoder
from convviz_widgets.methods.inversion.invert import invert
from convviz_widgets.methods.inversion.perturb import Perturbation
from convviz_widgets.methods.inversion.result import Inversion
from convviz_widgets.render import charts
from convviz_widgets.render.result import Result

Floats = npt.NDArray[np.float64]
MEASURES = ("pixel_error", "colour_error", "position_error", "same_class", "answer_error")


@dataclass(frozen=True, eq=False, repr=False)
class InversionMeasures(Result):
    """Means over N pictures, for R ways to invert, P perturbations and L layers.

    Args:
        recipes: (R,) the ways.
        perturbations: (P,) as text; "none" for the code as it is.
        layers: (L,) in the order asked for.
        pixel_error: (R, P, L) mean absolute difference in [0, 1].
        colour_error: (R, P, L) the same of the colours without their brightness.
        position_error: (R, P, L) pixels; NaN where no masks were given.
        same_class: (R, P, L) share of pictures to which the network gives the same class again.
        answer_error: (R, P, L) error of the layer's answer to what was told, against the code it was told from.
        pixel_error_of_mean: of the mean of the pictures, to compare; 0 for a single one.
    """

    recipes: tuple[str, ...]
    perturbations: tuple[str, ...]
    layers: tuple[str, ...]
    pixel_error: Floats
    colour_error: Floats
    position_error: Floats
    same_class: Floats
    answer_error: Floats
    pixel_error_of_mean: float

    def curves(self, measure: str = "pixel_error") -> dict[str, Floats]:
        """One line per way and perturbation: its (L,) values by layer.

        Raises:
            UnknownName: there is no such measure.
        """
        if measure not in MEASURES:
            raise unknown_name("measure", measure, MEASURES)
        values = getattr(self, measure)
        return {
            recipe if name == "none" else f"{recipe}, {name}": values[row, column]
            for row, recipe in enumerate(self.recipes)
            for column, name in enumerate(self.perturbations)
        }

    def figure(self, measure: str = "pixel_error") -> Any:
        """A measure by layer."""
        unit = " (px)" if measure == "position_error" else ""
        title = f"What layers keep: {measure.replace('_', ' ')}"
        figure = charts.curve(self.curves(measure), title=title, x="layer", y=f"{measure.replace('_', ' ')}{unit}")
        figure.update_xaxes(tickvals=list(range(len(self.layers))), ticktext=list(self.layers), zeroline=False)
        figure.update_traces(mode="lines+markers")
        return figure


@technique
def inversion_measures(
    lens: Lens,
    images: Any,
    layers: Sequence[str | Layer],
    *,
    recipes: Sequence[str] = ("decoder", "mahendran"),
    perturbations: Sequence[str | Perturbation | None] = (None,),
    masks: Any = None,
    decoders: Decoder | Mapping[str, Decoder] | None = None,
    seed: int = 0,
    steps: knob.Count = None,
) -> Steps[InversionMeasures]:
    """Tells pictures again from each layer and measures what was kept.

    Example:
        >>> images = np.random.default_rng(0).random((2, 96, 96, 3))
        >>> measures = inversion_measures(Lens.load("mini"), images, ["relu1", "relu5"], recipes=["fourier"], steps=2)
        >>> measures.pixel_error.shape
        (1, 1, 2)

    Args:
        lens: the network.
        images: pictures.
        layers: names, in the order of depth, as the curves shall run.
        recipes: ways to invert; see `invert`.
        perturbations: what is done to each code first; None for nothing.
        masks: (N, H, W), other than 0 where each picture's object is, at the size that the network sees; for
            `position_error`.
        decoders: for the recipe "decoder"; those that ship by default.
        seed: of noise and of what is random in a perturbation.
        steps: of each descent; by default as many as the recipe's.

    Returns:
        An `InversionMeasures`.

    Raises:
        UnknownName, BadValue, BadType, UnsupportedModel: as `invert`; or not one mask per picture.

    Source:
        Dosovitskiy & Brox 2016.
    """
    pictures = list(each_image(images))
    names = tuple(lens.layers[each.name if isinstance(each, Layer) else each].name for each in layers)
    kinds = tuple(None if each is None else Perturbation.parse(each) for each in perturbations)
    places = _masks(masks, len(pictures))
    if not (pictures and names and recipes and kinds):
        raise BadValue("Nothing to measure. Accepted: at least one picture, layer, recipe and perturbation.")
    sums = {name: np.zeros((len(recipes), len(kinds), len(names))) for name in MEASURES}
    total, done = len(recipes) * len(kinds) * len(pictures), 0
    for row, recipe in enumerate(recipes):
        for column, kind in enumerate(kinds):
            for picture, place in zip(pictures, places, strict=True):
                extra = {"decoders": decoders} if recipe == "decoder" else {"steps": steps}
                work = invert.steps(
                    lens,
                    picture,
                    names,
                    recipe=recipe,
                    perturbation=kind,
                    seed=seed,
                    **extra,
                )
                told = yield from _within(work, done, total, recipe)
                for name, values in _measured(lens, picture, told, place).items():
                    sums[name][row, column] += values
                done += 1
    means = {name: each / len(pictures) for name, each in sums.items()}
    return InversionMeasures(
        recipes=tuple(recipes),
        perturbations=tuple("none" if each is None else str(each) for each in kinds),
        layers=names,
        pixel_error_of_mean=_of_mean(lens, pictures),
        **means,
        provenance=Provenance.of(
            "inversion_measures",
            fingerprint=lens.fingerprint,
            seed=seed,
            inputs=("lens", "images", *(["masks=masks"] if masks is not None else [])),
            layers=names,
            recipes=tuple(recipes),
            perturbations=tuple(None if each is None else str(each) for each in kinds),
            **({} if steps is None else {"steps": steps}),
        ),
    )


def _within(work: Steps[Inversion], done: int, total: int, label: str) -> Steps[Inversion]:
    """The steps of one inversion as steps of the whole."""
    with closing(work):
        while True:
            try:
                step = next(work)
            except StopIteration as end:
                told: Inversion = end.value
                return told
            yield Step(done + 1, total, step.headline, f"{label}, picture {done + 1} of {total}", step.preview)


def _measured(lens: Lens, picture: Any, told: Inversion, mask: torch.Tensor | None) -> dict[str, Floats]:
    """Each measure, (L,), of what layers told of one picture."""
    prepared = lens.prepare(picture).float()
    original = lens.preprocess.denormalize(prepared).clamp(0, 1)
    images = torch.from_numpy(told.images.copy()).permute(0, 3, 1, 2)[:, : original.shape[1]].to(original)
    again = lens.preprocess.normalize(images)
    chances, wanted = (class_probabilities(cached_answers(lens, each), lens.class_names) for each in (again, prepared))
    places = [np.nan if mask is None else position_error(each, original[0], mask.to(original)) for each in images]
    return {
        "pixel_error": pixel_error(images, original).cpu().double().numpy(),
        "colour_error": colour_error(images, original).cpu().double().numpy(),
        "position_error": np.array(places),
        "same_class": (chances.argmax(1) == wanted.argmax(1)).cpu().double().numpy(),
        "answer_error": told.losses.astype(np.float64),
    }


def _masks(masks: Any, count: int) -> list[torch.Tensor | None]:
    if masks is None:
        return [None] * count
    found: list[torch.Tensor | None] = [torch.as_tensor(np.asarray(each) != 0).float() for each in masks]
    if len(found) != count:
        raise BadValue(f"{len(found)} masks and {count} pictures were given. Accepted: one mask per picture.")
    return found


def _of_mean(lens: Lens, pictures: Sequence[Any]) -> float:
    """The pixel error of the mean picture."""
    every = torch.cat([lens.preprocess.denormalize(lens.prepare(each).float()).clamp(0, 1) for each in pictures])
    return float(pixel_error(every.mean(0, keepdim=True), every).mean())
