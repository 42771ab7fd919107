"""How much of a picture can go before its class does.

The picture is cut into segments of like colour. Again and again the segment is hidden without which the class score
``S_c`` stays highest, as long as c is still the most probable class. What is left is the minimal image.

The segments come from k-means over colour and place, started on a grid and searched near each centre only.

Cost: with n segments at most n(n + 1)/2 looks, each the part of a forward pass that the segment's box can reach.
Oracle: equals a plain greedy search by full forwards.
Source: Zhou, Khosla, Lapedriza, Oliva & Torralba 2015, "Object Detectors Emerge in Deep Scene CNNs", section 3.1;
Achanta et al. 2012, "SLIC Superpixels Compared to State-of-the-Art Superpixel Methods", section 4 (the segments).
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.core.knob import Knob
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.technique import technique
from convviz_widgets.lens.classes import chosen_class
from convviz_widgets.lens.fills import Fill, filled
from convviz_widgets.lens.incremental.engine import Incremental
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.prediction import class_probabilities
from convviz_widgets.lens.single import one_picture
from convviz_widgets.render import charts, grid
from convviz_widgets.render.result import Result

SEGMENTS = Knob(2, 256, scale="log", help="about how many segments")
COLOUR = 0.1  # a difference in colour, of 0 to 1, that weighs as much as the distance between two centres
ROUNDS = 8  # of k-means
FRAMES = 12  # of the still picture

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False, repr=False)
class MinimalImage(Result):
    """A picture that loses one segment after another.

    Args:
        target: the class's name.
        segments: (H, W) number of each pixel's segment.
        order: (n,) the segments in the order in which they were hidden.
        scores: (n + 1,) the class score before the first and after each.
        probability: (n + 1,) the class's probability.
        photo: (H, W, 3) uint8, the picture as the network sees it.
        hidden: (H, W, 3) uint8, what was put in place of its pixels.
    """

    target: str
    segments: Ints
    order: Ints
    scores: npt.NDArray[np.float64]
    probability: npt.NDArray[np.float64]
    photo: npt.NDArray[np.uint8]
    hidden: npt.NDArray[np.uint8]

    @property
    def sequence(self) -> npt.NDArray[np.uint8]:
        """(n + 1, H, W, 3) uint8: the whole picture first, the minimal image last."""
        return np.stack([self.after(count) for count in range(len(self.order) + 1)])

    def picture(self) -> npt.NDArray[np.uint8]:
        """Some of the sequence, with the class's probability."""
        shown = np.unique(np.linspace(0, len(self.order), FRAMES).round().astype(int))
        return grid.montage(
            [self.after(int(count)) for count in shown],
            captions=[f"{self.probability[count]:.2f}" for count in shown],
        )

    def caption(self) -> str:
        """How much is left."""
        left = 1 - np.isin(self.segments, self.order).mean()
        return f"{self.target}: {left:.0%} of the picture are enough (probability {self.probability[-1]:.2f})"

    def figure(self) -> Any:
        """The probability as segments go."""
        return charts.curve({"probability": self.probability}, title=self.target, x="segments hidden", y="probability")

    def after(self, count: int) -> npt.NDArray[np.uint8]:
        """The picture (H, W, 3) without the first so many segments of the order."""
        gone = np.isin(self.segments, self.order[:count])[..., None]
        return np.asarray(np.where(gone, self.hidden, self.photo), dtype=np.uint8)


@technique
def minimal_image(
    lens: Lens,
    image: Any,
    target: int | str | None = None,
    *,
    segments: Annotated[int, SEGMENTS] = 36,
    fill: Fill | Any = "grey",
    seed: int = 0,
) -> Steps[MinimalImage]:
    """The least of a picture that a network still takes for the same class.

    Example:
        >>> image = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
        >>> minimal_image(Lens.load("mini"), image, segments=4).sequence.shape[1:]
        (96, 96, 3)

    Args:
        lens: the network.
        image: one picture.
        target: a class by index or name; None for the most probable one. One that is not the most probable loses
            nothing: its sequence is the picture alone.
        segments: about how many.
        fill: what hidden segments show: "grey", "mean", "blur", "noise", or another picture of the same size.
        seed: of the noise.

    Returns:
        A `MinimalImage`.

    Raises:
        BadValue: there is no such class.
        UnknownName: a wrong class name or fill.
        UnsupportedModel: the network gives no class scores.

    Source:
        Zhou, Khosla, Lapedriza, Oliva & Torralba 2015, section 3.1.
    """
    SEGMENTS.check("segments", segments)
    current = one_picture(lens, image)
    photo, pixels = lens.preprocess.picture(current[0]), filled(lens, current, fill, seed=seed)
    labels = segmented(photo, segments)
    left, order = list(range(int(labels.max()) + 1)), []
    opened = Incremental(lens, current)
    wanted = chosen_class(lens, class_probabilities(opened.clean[""], lens.class_names)[0], target)
    scores, chances, best = _judged(lens, opened.clean[""], wanted)
    told = [(float(scores[0]), float(chances[0]))]
    while left and bool(best[0]):
        scores, chances, best = _judged(lens, _without(opened, pixels, labels, left), wanted)
        place = int(np.where(best, scores, -np.inf).argmax())
        best = best[place : place + 1]
        if best[0]:
            told.append((float(scores[place]), float(chances[place])))
            order.append(left.pop(place))
            gone = torch.from_numpy(labels == order[-1]).to(current.device)
            current = torch.where(gone, pixels, current)
            opened = Incremental(lens, current, like=opened)
        yield Step(len(order), int(labels.max()) + 1, headline=told[-1][1], label="segments hidden")
    return MinimalImage(
        target=lens.class_name(wanted),
        segments=labels,
        order=np.array(order, dtype=np.int64),
        scores=np.array([score for score, _ in told]),
        probability=np.array([chance for _, chance in told]),
        photo=photo,
        hidden=lens.preprocess.picture(pixels[0]),
        provenance=Provenance.of(
            "minimal_image",
            fingerprint=lens.fingerprint,
            inputs=("lens", "image"),
            target=wanted,
            segments=segments,
            fill=fill if isinstance(fill, str) else "another picture",
            seed=seed if isinstance(fill, str) and fill == "noise" else None,
        ),
    )


def segmented(photo: npt.NDArray[np.uint8], count: int) -> Ints:
    """About so many segments of a picture (H, W, 3): their numbers, from 0, (H, W)."""
    height, width = photo.shape[:2]
    rows = max(1, round(np.sqrt(count * height / width)))
    columns = max(1, round(count / rows))
    y, x = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    step = np.array([height / rows, width / columns])
    features = np.concatenate([np.stack([y, x], -1) / step, photo / 255 / COLOUR], -1)
    labels = (y * rows // height) * columns + x * columns // width
    for _ in range(ROUNDS):
        nearest = np.full((height, width), np.inf)
        moved = labels.copy()
        for number in np.unique(labels):
            centre = features[labels == number].mean(0)
            low = np.clip(np.floor((centre[:2] - 1) * step), 0, None).astype(int)
            high = np.ceil((centre[:2] + 1) * step).astype(int) + 1
            part = (slice(low[0], high[0]), slice(low[1], high[1]))
            distance = ((features[part] - centre) ** 2).sum(-1)
            closer = distance < nearest[part]
            nearest[part][closer] = distance[closer]
            moved[part][closer] = number
        labels = moved
    return np.unique(labels, return_inverse=True)[1].reshape(height, width).astype(np.int64)


def _without(opened: Incremental, pixels: torch.Tensor, labels: Ints, left: list[int]) -> torch.Tensor:
    """The class scores without each of the segments that are left, (n, classes)."""
    boxes = [[(axis.min(), axis.max() + 1) for axis in np.nonzero(labels == number)] for number in left]
    spans = np.array(boxes)
    high, wide = (spans[..., 1] - spans[..., 0]).max(0)
    tops = np.minimum(spans[:, 0, 0], labels.shape[0] - high)
    lefts = np.minimum(spans[:, 1, 0], labels.shape[1] - wide)
    found, room = [], opened.room()
    for start in range(0, len(left), room):
        windows = []
        for number, y, x in zip(left[start : start + room], tops[start:], lefts[start:], strict=False):
            part = (slice(y, y + high), slice(x, x + wide))
            gone = torch.from_numpy(labels[part] == number).to(pixels.device)
            windows.append(torch.where(gone, pixels[(..., *part)], opened.prepared[(..., *part)]))
        places = (tops[start : start + room], lefts[start : start + room])
        found.append(opened.answers(*places, torch.cat(windows))[""])
    return torch.cat(found)


def _judged(lens: Lens, answers: torch.Tensor, wanted: int) -> tuple[Any, Any, Any]:
    """Of each picture the class score, its probability, and whether no class is more probable."""
    chances = class_probabilities(answers, lens.class_names)
    scores = answers.flatten(1)
    if scores.shape[1] < chances.shape[1]:  # one score for two classes
        scores = torch.cat([-scores, scores], 1)
    best = chances.argmax(1) == wanted
    return scores[:, wanted].cpu().numpy(), chances[:, wanted].cpu().numpy(), best.cpu().numpy()
