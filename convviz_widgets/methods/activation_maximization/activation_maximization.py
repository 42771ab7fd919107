"""Images that a unit answers to as strongly as it can.

Ascends an objective of the activations on the image, the weights fixed: ``x* = argmax f(A(x)) - penalties(x)``. Four
axes are chosen apart from each other: the objective (`objectives`), how the image is written down (`parametrizations`),
what keeps it from noise (`regularizers`), and the random views it must hold under (`transforms`); named recipes
(`recipes`) choose on all of them.

Cost: one forward pass that stops at the layer and one backward pass per step, for all images together.
Oracles: the final activation exceeds the largest one in the dataset; the optimum of a linear layer in a norm ball is
its filter; the same seed gives the same image.
Source: Erhan, Bengio, Courville & Vincent 2009, "Visualizing Higher-Layer Features of a Deep Network", section 3; for
the recipes see there.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from torch import nn

from convviz_widgets.core.errors import BadValue, unknown_name
from convviz_widgets.core.knob import whole
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.core.step import Steps
from convviz_widgets.core.technique import technique
from convviz_widgets.core.unit import Unit
from convviz_widgets.lens.canvas.space import rgb
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.activation_maximization import settings as knob
from convviz_widgets.methods.activation_maximization.goals import Goals
from convviz_widgets.methods.activation_maximization.growth import Growth
from convviz_widgets.methods.activation_maximization.notation import as_objective, as_text
from convviz_widgets.methods.activation_maximization.objectives import Objective
from convviz_widgets.methods.activation_maximization.recipes import PARAMETRIZATIONS, Recipe, recipe_of
from convviz_widgets.methods.activation_maximization.result import Maximized

Wanted = str | Unit | Objective


@technique
def activation_maximization(
    lens: Lens,
    objective: Wanted | Sequence[Wanted],
    *,
    recipe: str = "olah",
    parametrization: str | None = None,
    seed: int = 0,
    start: Any = None,
    mask: Any = None,
    octaves: int = 1,
    generator: nn.Module | None = None,
    steps: knob.Count = None,
    size: knob.Side = None,
    step_size: knob.StepSize = None,
    l2: knob.L2 = None,
    decay: knob.Decay = None,
    blur: knob.Blur = None,
    blur_every: knob.BlurEvery = None,
    norm_percentile: knob.NormPercentile = None,
    contribution_percentile: knob.ContributionPercentile = None,
    total_variation: knob.TotalVariation = None,
    alpha_norm: knob.AlphaNorm = None,
    norm_ball: knob.NormBall = None,
    jitter: knob.Jitter = None,
    pad: knob.Pad = None,
    scale: knob.Scale = None,
    rotate: knob.Rotate = None,
    crop: knob.Crop = None,
    code_range: knob.CodeRange = None,
    diversity: knob.DiversityWeight = None,
) -> Steps[Maximized]:
    """Grows the image that a unit answers to most, from noise or from an image that is given.

    Example:
        >>> grown = activation_maximization(Lens.load("mini"), "relu5:3", steps=8)
        >>> grown.image.shape
        (96, 96, 3)

    Args:
        lens: the network.
        objective: a unit (``"relu5:3"`` is the channel, ``"relu5:3@2,2"`` a neuron), an objective such as
            ``ClassScore(3)``, the text of one (``"Channel('relu5:3') - 0.5 * Channel('relu5:4')"``), or a list of
            these: one image each, grown together. An objective that occurs twice gives two facets; see ``diversity``.
        recipe: name of a published way, which sets every knob that is not given.
        parametrization: "pixels", "fourier", "phase" or "code", in place of the recipe's.
        seed: of the starting noise and the random views; the same seed gives the same image.
        start: image or images to start from, in any form a lens takes.
        mask: (H, W) in [0, 1], 1 where the image may change; elsewhere it stays as ``start``, or grey.
        octaves: sizes to grow through, each 1.4 times the one before, as in DeepDream; for layers that take any size.
        generator: module from codes to pictures, for the parametrization "code"; the built-in network has its own.
        steps: how often the image is changed, in each octave.
        size: side in pixels; by default what the network takes.
        step_size: how far each step goes; lengths here and below in standard deviations of the picture.
        l2: penalty on the squared image.
        decay: share of the image lost after each step.
        blur: standard deviation of the blur, in pixels.
        blur_every: steps from one blur to the next.
        norm_percentile: share of pixels, those of smallest norm, that are set to grey, in percent.
        contribution_percentile: share of pixels, those that contribute least, that are set to grey, in percent.
        total_variation: penalty on differences of neighbours.
        alpha_norm: penalty on extreme values.
        norm_ball: largest root mean square of the image.
        jitter: random shift before each step, in pixels.
        pad: grey frame that shifts and turns may bring into view, in pixels.
        scale: random change of size before each step, as a share.
        rotate: random turn before each step, in degrees.
        crop: the largest share of the side that a random cut leaves out.
        code_range: share of the range of real codes that a generator's code may use.
        diversity: how strongly images of one unit push each other apart.

    Returns:
        A `Maximized`; the iterator's steps carry the images so far, (N, H, W, 3) uint8, as ``preview``.

    Raises:
        UnknownName: a wrong layer, class or recipe; lists the nearest.
        BadValue, BadType: a knob out of range, a unit that is not there, an objective that is none.
        UnsupportedModel: no gradient leads to the image, or the network does not take images of this size.

    Source:
        Erhan 2009, section 3; Simonyan 2013, section 2; Yosinski 2015, section 3; Mahendran & Vedaldi 2016;
        Olah, Mordvintsev & Schubert 2017; Nguyen 2016; Fel 2023.
    """
    given = {name: value for name, value in locals().items() if name in knob.KNOBS and value is not None}
    chosen = _chosen(recipe, parametrization, given)
    objectives = _objectives(objective)
    growth = Growth(
        Goals(lens, tuple(each.resolved(lens) for each in objectives), float(chosen.settings.diversity or 0)),
        chosen,
        seed=whole("seed", seed, 0, 2**32),
        start=start,
        mask=mask,
        octaves=whole("octaves", octaves, 1, 8),
        generator=generator,
    )
    climbed = yield from growth.steps()
    objects = {"start": start, "mask": mask, "generator": generator}
    axes = {"parametrization": parametrization, "octaves": octaves if octaves > 1 else None}
    texts = tuple(as_text(each) for each in objectives)
    return Maximized(
        objectives=texts,
        images=rgb(growth.space.pictures(climbed.z)),
        activations=growth.goals.reached(growth.space.prepared(climbed.z)).float().cpu().numpy(),
        traces=np.array(climbed.trace, dtype=np.float32).reshape(-1, len(texts)),
        stopped=climbed.remark,
        provenance=Provenance.of(
            "activation_maximization",
            fingerprint=lens.fingerprint,
            seed=seed,
            inputs=("lens", *(f"{name}={name}" for name, each in objects.items() if each is not None)),
            objective=texts if _is_several(objective) else texts[0],
            recipe=recipe,
            **{name: value for name, value in axes.items() if value is not None},
            **given,
        ),
    )


def _chosen(recipe: str, parametrization: str | None, changes: dict[str, Any]) -> Recipe:
    """The recipe, with what was chosen otherwise."""
    chosen = recipe_of(recipe)
    chosen = replace(chosen, settings=chosen.settings.with_changes(changes))
    if parametrization is None or parametrization == chosen.parametrization:
        return chosen
    if parametrization not in PARAMETRIZATIONS:
        raise unknown_name("parametrization", parametrization, PARAMETRIZATIONS)
    return replace(
        chosen, parametrization=parametrization, ascent="momentum" if parametrization == "pixels" else "adam"
    )


def _objectives(given: Wanted | Sequence[Wanted]) -> tuple[Objective, ...]:
    several = given if _is_several(given) else (given,)
    objectives = tuple(as_objective(each) for each in several)  # type: ignore[union-attr, arg-type]
    if not objectives:
        raise BadValue("No objective was given: the list is empty. Accepted: at least one, such as 'relu5:3'.")
    return objectives


def _is_several(given: Any) -> bool:
    return isinstance(given, Sequence) and not isinstance(given, str)
