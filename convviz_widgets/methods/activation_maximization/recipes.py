"""The published ways, by name: each is a choice on every axis, and a value for every knob.

The papers' step counts, rates and weights belong to their networks' scales; here they are carried over to the units of
`settings`, with the named values (percentiles, blurs, α = 6, rates of Adam, transforms) as published.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from convviz_widgets.core.errors import unknown_name
from convviz_widgets.methods.activation_maximization.settings import Settings

ParametrizationName = Literal["pixels", "fourier", "phase", "code"]
PARAMETRIZATIONS: tuple[ParametrizationName, ...] = ("pixels", "fourier", "phase", "code")


@dataclass(frozen=True)
class Recipe:
    """A named way to grow an image.

    Args:
        name: what it is called.
        summary: what it is known for, in one sentence without a full stop.
        source: author and year.
        parametrization: how the image is written down.
        ascent: "plain" gradient steps, "momentum" (0.9), or "adam".
        start: what the image starts from: "noise", or "grey", the mean image.
        settings: a value for every knob.
    """

    name: str
    summary: str
    source: str
    parametrization: ParametrizationName
    ascent: Literal["plain", "momentum", "adam"]
    start: Literal["noise", "grey"]
    settings: Settings

    @property
    def knobs(self) -> dict[str, float | None]:
        """Name to value of every knob; None for ``size`` means what the network takes."""
        return asdict(self.settings)


def _yosinski(name: str, summary: str, settings: Settings) -> Recipe:
    return Recipe(f"yosinski-{name}", summary, "Yosinski 2015, table 1", "pixels", "plain", "noise", settings)


_ALL = (
    Recipe(
        "erhan",
        "Plain ascent inside a norm ball: where it began",
        "Erhan 2009, section 3",
        "pixels",
        "plain",
        "noise",
        Settings(steps=128, step_size=0.2, norm_ball=1.0),
    ),
    Recipe(
        "simonyan",
        "From the mean image, with an L2 penalty",
        "Simonyan 2013, section 2",
        "pixels",
        "momentum",
        "grey",
        Settings(steps=128, step_size=0.1, l2=0.3),
    ),
    _yosinski(
        "low-frequency",
        "Blur and clipping: large soft shapes",
        Settings(steps=200, step_size=0.2, blur=0.5, blur_every=4, norm_percentile=50),
    ),
    _yosinski(
        "high-frequency",
        "Strong decay: fine detail on grey",
        Settings(steps=200, step_size=0.5, decay=0.3, norm_percentile=20),
    ),
    _yosinski(
        "dense",
        "Nearly no decay, strong blur: the whole image filled",
        Settings(steps=200, step_size=0.2, decay=1e-4, blur=1.0, blur_every=4),
    ),
    _yosinski(
        "sparse",
        "Only what contributes most: outlines",
        Settings(steps=200, step_size=0.2, blur=0.5, blur_every=4, contribution_percentile=90),
    ),
    Recipe(
        "mahendran",
        "Total variation, bounded intensity and jitter: smooth as a photo",
        "Mahendran & Vedaldi 2016, section 3",
        "pixels",
        "momentum",
        "noise",
        Settings(steps=256, step_size=0.03, total_variation=0.15, alpha_norm=0.5, jitter=4),
    ),
    Recipe(
        "olah",
        "Decorrelated frequencies and random views: today's usual way",
        "Olah, Mordvintsev & Schubert 2017",
        "fourier",
        "adam",
        "noise",
        Settings(steps=256, step_size=0.05, jitter=8, pad=12, scale=0.1, rotate=10),
    ),
    Recipe(
        "maco",
        "Only phases change, magnitudes stay natural: holds for deep networks",
        "Fel 2023, section 3",
        "phase",
        "adam",
        "noise",
        Settings(steps=256, step_size=0.1, jitter=4, crop=0.3),
    ),
    Recipe(
        "dgn-am",
        "The code of a generator is optimised: images like those it was trained on",
        "Nguyen 2016, section 3",
        "code",
        "adam",
        "noise",
        Settings(steps=100, step_size=0.1, code_range=0.5),
    ),
)
RECIPES: Mapping[str, Recipe] = {recipe.name: recipe for recipe in _ALL}
"""The recipes by name."""


def recipe_of(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        UnknownName: lists the nearest.
    """
    if name not in RECIPES:
        raise unknown_name("recipe", name, RECIPES)
    return RECIPES[name]
