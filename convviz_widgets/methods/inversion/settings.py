"""The knobs of inversion, and the named recipes that set them.

Lengths and weights are in units of the picture's standard deviation, as the network's normalisation gives it; the
penalties are means over the image's numbers and stand beside an error that is 1 for an image that answers nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, Literal

from convviz_widgets.core.errors import BadValue, unknown_name
from convviz_widgets.core.knob import Knob, field_knobs, set_to

Count = Annotated[int | None, Knob(1, 4096, "log", help="how often the image is changed")]
StepSize = Annotated[float | None, Knob(1e-3, 1, "log", help="how far the first steps go; they shrink towards the end")]
TotalVariation = Annotated[
    float | None, Knob(0, 10, help="penalty on differences of neighbours (2-norm): makes smooth areas")
]
AlphaNorm = Annotated[float | None, Knob(0, 1, help="penalty on extreme values (6-norm): keeps the contrast in bounds")]
Jitter = Annotated[int | None, Knob(0, 16, unit="px", help="random shift before each step")]

Descent = Literal["momentum", "adam"]
DESCENTS: tuple[Descent, ...] = ("momentum", "adam")


@dataclass(frozen=True)
class Settings:
    """A value for every knob. What is 0 is off."""

    steps: Count = 200
    step_size: StepSize = 0.05
    total_variation: TotalVariation = 0.0
    alpha_norm: AlphaNorm = 0.0
    jitter: Jitter = 0


@dataclass(frozen=True)
class Recipe:
    """A named way to tell a picture from a layer's answer.

    Args:
        name: what it is called.
        summary: what it is known for, in one sentence without a full stop.
        source: author and year.
        parametrization: how the image is written down; "decoder" where none is optimised.
        descent: how it goes downhill.
        settings: a value for every knob.
    """

    name: str
    summary: str
    source: str
    parametrization: Literal["pixels", "fourier", "decoder"]
    descent: Descent
    settings: Settings

    @property
    def knobs(self) -> dict[str, float | None]:
        """Name to value of every knob; none where nothing is optimised."""
        if self.parametrization == "decoder":
            return {}
        return {each.name: getattr(self.settings, each.name) for each in fields(self.settings)}


_ALL = (
    Recipe(
        "mahendran",
        "Downhill from noise, held back by total variation and bounded intensity",
        "Mahendran & Vedaldi 2015, section 2",
        "pixels",
        "momentum",
        Settings(steps=200, step_size=0.03, total_variation=0.3, alpha_norm=0.02),
    ),
    Recipe(
        "fourier",
        "The same in decorrelated frequencies and colours, by Adam: large shapes first",
        "Mahendran & Vedaldi 2015; Olah, Mordvintsev & Schubert 2017",
        "fourier",
        "adam",
        Settings(steps=200, step_size=0.15, total_variation=0.3),
    ),
    Recipe(
        "decoder",
        "A trained decoder tells the mean of all pictures with this answer, at once",
        "Dosovitskiy & Brox 2016",
        "decoder",
        "adam",
        Settings(),
    ),
)
RECIPES: Mapping[str, Recipe] = {recipe.name: recipe for recipe in _ALL}
"""The recipes by name."""


def chosen(recipe: str, descent: str | None, changes: Mapping[str, Any]) -> Recipe:
    """The recipe of that name, with what was chosen otherwise.

    Raises:
        UnknownName: a wrong recipe or descent; lists the nearest.
        BadValue: a knob out of range, or given for a decoder, which has none.
        BadType: a knob that is not a number.
    """
    if recipe not in RECIPES:
        raise unknown_name("recipe", recipe, RECIPES)
    found = RECIPES[recipe]
    given = dict(changes) if descent is None else {"descent": descent, **changes}
    if found.parametrization == "decoder" and given:
        raise BadValue(
            f"{', '.join(given)} cannot be set for the recipe 'decoder': nothing is optimised. Leave it out, or take "
            "the recipe 'mahendran' or 'fourier'."
        )
    if descent is not None and descent not in DESCENTS:
        raise unknown_name("descent", descent, DESCENTS)
    settings = replace(found.settings, **{name: set_to(name, value, KNOBS) for name, value in changes.items()})
    return replace(found, settings=settings, descent=descent or found.descent)


KNOBS: Mapping[str, tuple[type, Knob]] = field_knobs(Settings)
"""Name to the type (int or float) and the range of each knob."""
