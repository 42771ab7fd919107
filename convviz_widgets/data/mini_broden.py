"""Drawn images with pixel labels in six categories, without end.

A stand-in for Broden (Bau et al. 2017) that needs no download: the same six categories, on pictures whose object,
scene, pose, colours, texture and material are drawn independently of each other, so that what a unit detects can be
told apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import index as as_index

import numpy as np
import numpy.typing as npt

from convviz_widgets.core.errors import BadType, BadValue
from convviz_widgets.data.boxes import ClassBox
from convviz_widgets.data.colours import colour_terms
from convviz_widgets.data.concepts import CATEGORIES, CONCEPTS, ID_OF, MATERIALS, OBJECTS, SCENES, TEXTURES
from convviz_widgets.data.drawing.canvas import OUT, Canvas, Part, Pen
from convviz_widgets.data.drawing.objects import Dress, draw_object
from convviz_widgets.data.drawing.paint import SIDE, TERMS, Colour, Paint, of_material, plain, textured, varied
from convviz_widgets.data.drawing.scenes import draw_scene
from convviz_widgets.data.labelled import LabelledImages, Sample

VERSION = 1  # of the drawings: the same (seed, index) gives the same pixels as long as this stays
_FIRST_COLOUR = ID_OF["colour", "black"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Drawing(Sample):
    """One drawing.

    Args:
        image: (96, 96, 3) uint8.
        labels: per category a map (96, 96) of concept ids, 0 where there is none; a scene covers the whole map.
        target: index of the main object in ``MiniBroden.class_names``.
        parts: where the parts of the main object are, as far as they can be seen.
    """

    image: npt.NDArray[np.uint8]
    labels: dict[str, npt.NDArray[np.int16]] = field(repr=False)
    target: int
    parts: tuple[Part, ...] = field(repr=False)

    @property
    def boxes(self) -> tuple[ClassBox, ...]:
        """The box of the main object's class; none where nothing of it can be seen or labels were not drawn."""
        inside = self.labels.get("object", np.zeros((0, 0))) == ID_OF["object", OBJECTS[self.target]]
        rows, columns = np.nonzero(inside)
        if not len(rows):
            return ()
        edges = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        return (ClassBox(OBJECTS[self.target], *(float(edge) for edge in edges)),)


class MiniBroden(LabelledImages[Drawing]):
    """A sequence of drawings, each made when it is asked for and the same whenever it is.

    Example:
        >>> images = MiniBroden(count=300, seed=1)
        >>> images[7].image.shape, images.class_names[images[7].target] in images.class_names
        ((96, 96, 3), True)

    Args:
        count: how many; any number costs the same.
        seed: drawings of different seeds differ, so that one seed can train and another test.

    Raises:
        BadValue: count or seed below 0, or count 0.
    """

    class_names = OBJECTS
    categories = CATEGORIES
    concepts = CONCEPTS
    empty_maps = True  # not every drawing has a texture
    size = OUT
    _places: range

    def __init__(self, count: int = 1000, seed: int = 0) -> None:
        if isinstance(count, bool) or not isinstance(count, int) or not isinstance(seed, int):
            raise BadType(f"MiniBroden takes whole numbers; given: count={count!r}, seed={seed!r}.")
        if count < 1 or seed < 0:
            raise BadValue(f"MiniBroden needs count >= 1 and seed >= 0; given: count={count}, seed={seed}.")
        self.seed = seed
        self._places = range(count)

    @property
    def digest(self) -> str:
        """Names these very drawings: version of the generator, seed, and which ones."""
        where = self._places
        return f"mini-broden-{VERSION}-seed{self.seed}-{where.start}:{where.stop}:{where.step}"

    def _sample(self, place: int) -> Drawing:
        return _draw(self.seed, place, labelled=True)

    def batch(self, indices: Sequence[int]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """Images (N, 96, 96, 3) uint8 and targets (N,) without the label maps, which takes half the time."""
        samples = [_draw(self.seed, self._places[as_index(each)], labelled=False) for each in indices]
        return np.stack([each.image for each in samples]), np.array([each.target for each in samples], dtype=np.int64)

    def __repr__(self) -> str:
        return f"MiniBroden({len(self)} drawings, seed {self.seed}, {len(CONCEPTS)} concepts)"


def _draw(seed: int, index: int, *, labelled: bool) -> Drawing:
    rng = np.random.Generator(np.random.PCG64([VERSION, seed, index]))
    target, scene = int(rng.integers(len(OBJECTS))), int(rng.integers(len(SCENES)))
    canvas = Canvas(labelled=labelled)
    draw_scene(canvas, SCENES[scene], rng)
    if rng.random() < 0.3:
        other = OBJECTS[int(rng.integers(len(OBJECTS)))]
        draw_object(_pen(canvas, other, rng, size=(16, 24), reach=72, main=False), other, _dress(rng))
    name = OBJECTS[target]
    draw_object(_pen(canvas, name, rng, size=(44, 76), reach=30, main=True), name, _dress(rng))
    image = _lit(canvas.picture(), rng)
    if not labelled:
        return Drawing(image=image, labels={}, index=index, target=target, parts=())
    labels = canvas.label_maps()
    labels["scene"] = np.full((OUT, OUT), ID_OF["scene", SCENES[scene]], dtype=np.int16)
    labels["colour"] = colour_terms(image).astype(np.int16) + np.int16(_FIRST_COLOUR)
    parts = tuple(part for part in canvas.parts if _is_seen(part, labels["part"]))
    ordered = {category: labels[category] for category in CATEGORIES}
    return Drawing(image=image, labels=ordered, index=index, target=target, parts=parts)


def _pen(
    canvas: Canvas, name: str, rng: np.random.Generator, *, size: tuple[int, int], reach: float, main: bool
) -> Pen:
    x, y = SIDE / 2 + rng.uniform(-reach, reach, 2)
    return Pen(
        canvas,
        name=name,
        centre=(float(x), float(y)),
        scale=float(rng.uniform(*size)),
        angle=float(rng.uniform(-0.4, 0.4)),
        flip=bool(rng.random() < 0.5),
        parts_known=main,
    )


def _dress(rng: np.random.Generator) -> Dress:
    first, second, third, fourth = (_colour(rng) for _ in range(4))
    return Dress(_body(first, second, rng), accent=third, detail=fourth, rng=rng)


def _body(first: Colour, second: Colour, rng: np.random.Generator) -> Paint:
    kind = rng.random()
    if kind < 0.35:
        return plain(first)
    if kind < 0.6:
        return of_material(str(rng.choice(MATERIALS)), first, rng)
    return textured(str(rng.choice(TEXTURES)), (first, second), rng)


def _colour(rng: np.random.Generator) -> Colour:
    return varied(TERMS[str(rng.choice(list(TERMS)))], rng)


def _lit(image: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """A little brighter or darker, with a trace of grain."""
    grain = rng.normal(0, 2.0, image.shape).astype(np.float32)
    lit: npt.NDArray[np.uint8] = np.clip(image * np.float32(rng.uniform(0.9, 1.06)) + grain, 0, 255).astype(np.uint8)
    return lit


def _is_seen(part: Part, labels: npt.NDArray[np.int16]) -> bool:
    x, y = int(part.x), int(part.y)
    return 0 <= x < OUT and 0 <= y < OUT and labels[y, x] == part.concept
