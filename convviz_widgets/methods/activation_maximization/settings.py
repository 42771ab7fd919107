"""The knobs of activation maximization: what each does, in which range, and all of them together.

Lengths of steps, weights and norms are in units of the picture's standard deviation, as the network's normalisation
gives it, and the gradient of the objective is brought to a root mean square of 1 per picture. So one setting serves
layers and networks whose activations differ by orders of magnitude.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any

from convviz_widgets.core.knob import Knob, field_knobs, set_to

Count = Annotated[int | None, Knob(1, 4096, "log", help="how often the image is changed")]
Side = Annotated[int | None, Knob(16, 1024, "log", "px", help="side of the image; not given: what the network takes")]
StepSize = Annotated[float | None, Knob(1e-3, 10, "log", help="how far each step goes")]
L2 = Annotated[float | None, Knob(0, 1, help="penalty on the squared image: pulls towards the mean grey")]
Decay = Annotated[float | None, Knob(0, 0.9, help="share of the image lost after each step")]
Blur = Annotated[float | None, Knob(0, 4, unit="px", help="standard deviation of the blur: removes fine noise")]
BlurEvery = Annotated[int | None, Knob(1, 64, "log", "steps", help="steps from one blur to the next")]
NormPercentile = Annotated[
    float | None, Knob(0, 99, unit="%", help="share of pixels, those of smallest norm, that are set to grey")
]
ContributionPercentile = Annotated[
    float | None, Knob(0, 99, unit="%", help="share of pixels, those that contribute least, that are set to grey")
]
TotalVariation = Annotated[float | None, Knob(0, 2, help="penalty on differences of neighbours: makes smooth areas")]
AlphaNorm = Annotated[float | None, Knob(0, 2, help="penalty on extreme values (6-norm): keeps the contrast in bounds")]
NormBall = Annotated[
    float | None, Knob(0, 4, help="largest root mean square of the image, which is scaled back to it; 0: no bound")
]
Jitter = Annotated[int | None, Knob(0, 64, unit="px", help="random shift before each step")]
Pad = Annotated[int | None, Knob(0, 64, unit="px", help="grey frame that shifts and turns may bring into view")]
Scale = Annotated[float | None, Knob(0, 0.5, help="random change of size before each step, as a share")]
Rotate = Annotated[float | None, Knob(0, 45, unit="degrees", help="random turn before each step")]
Crop = Annotated[float | None, Knob(0, 0.9, help="random cut before each step: the largest share of the side left out")]
CodeRange = Annotated[
    float | None,
    Knob(0.1, 1, help="share of the range of real codes that a generator's code may use: less stays typical"),
]
DiversityWeight = Annotated[
    float | None, Knob(0, 4, help="how strongly the images of one unit push each other apart, against the objective")
]


@dataclass(frozen=True)
class Settings:
    """A value for every knob. What is 0 is off.

    Example:
        >>> Settings(jitter=8).with_changes({"blur": 1.0}).blur
        1.0
    """

    steps: Count = 256
    size: Side = None
    step_size: StepSize = 0.05
    l2: L2 = 0.0
    decay: Decay = 0.0
    blur: Blur = 0.0
    blur_every: BlurEvery = 4
    norm_percentile: NormPercentile = 0.0
    contribution_percentile: ContributionPercentile = 0.0
    total_variation: TotalVariation = 0.0
    alpha_norm: AlphaNorm = 0.0
    norm_ball: NormBall = 0.0
    jitter: Jitter = 0
    pad: Pad = 0
    scale: Scale = 0.0
    rotate: Rotate = 0.0
    crop: Crop = 0.0
    code_range: CodeRange = 1.0
    diversity: DiversityWeight = 0.0

    def with_changes(self, changes: Mapping[str, Any]) -> "Settings":
        """These settings with other values for some knobs; None leaves a knob as it is.

        Raises:
            BadValue, BadType: a value out of its range, or not a number.
        """
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        for name, value in changes.items():
            if value is not None:
                values[name] = set_to(name, value, KNOBS)
        return Settings(**values)


KNOBS: Mapping[str, tuple[type, Knob]] = field_knobs(Settings)
"""Name to the type (int or float) and the range of each knob."""
