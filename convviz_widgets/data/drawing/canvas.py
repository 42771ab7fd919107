"""A canvas that labels what is drawn on it, and a pen that draws in an object's own coordinates."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from convviz_widgets.data.concepts import ID_OF
from convviz_widgets.data.drawing.paint import SIDE, Colour, Paint, darker, plain

Points = Sequence[tuple[float, float]]
OUT = SIDE // 2  # side of the finished picture
_CIRCLE = [(np.cos(t), np.sin(t)) for t in np.linspace(0, 2 * np.pi, 32, endpoint=False)]
PIXEL_CATEGORIES = ("object", "part", "material", "texture")


@dataclass(frozen=True)
class Part:
    """Where a part of the main object is.

    Args:
        concept: id of the part's concept.
        x, y: column and row of its middle, in pixels of the picture.
        radius: of the circle that has its area, in pixels.
    """

    concept: int
    x: float
    y: float
    radius: float


class Canvas:
    """Pixels and label maps, drawn at twice the size."""

    def __init__(self, *, labelled: bool = True) -> None:
        self.pixels = np.zeros((SIDE, SIDE, 3), dtype=np.float32)
        self.labelled = labelled
        self.labels = {category: np.zeros((SIDE, SIDE), dtype=np.int16) for category in PIXEL_CATEGORIES}
        self.parts: list[Part] = []

    def lay(self, mask: Image.Image, paint: Paint, *, object_name: str | None, part: str | None) -> None:
        """Puts paint where the mask is set, and labels the pixels."""
        box = mask.getbbox()
        if box is None:
            return
        inside = np.s_[box[1] : box[3], box[0] : box[2]]
        weight = (np.asarray(mask.crop(box)) > 0)[..., None]
        self.pixels[inside] = np.where(weight, paint.pixels[inside], self.pixels[inside])
        if self.labelled:
            self._label(inside, weight[..., 0], paint, object_name=object_name, part=part)

    def _label(
        self,
        inside: tuple[slice, ...],
        mask: npt.NDArray[np.bool_],
        paint: Paint,
        *,
        object_name: str | None,
        part: str | None,
    ) -> None:
        named = {"object": object_name, "part": part, "material": paint.material, "texture": paint.texture}
        for category, name in named.items():
            self.labels[category][inside][mask] = ID_OF[category, name] if name else 0

    def note_part(self, name: str, points: Points) -> None:
        """Remembers where a part is, from its outline."""
        x, y = np.asarray(points, dtype=np.float64).T / 2
        area = abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))) / 2
        self.parts.append(Part(ID_OF["part", name], float(x.mean()), float(y.mean()), float(np.sqrt(area / np.pi))))

    def picture(self) -> npt.NDArray[np.uint8]:
        """The finished picture (OUT, OUT, 3), each pixel the mean of four."""
        fine = self.pixels.reshape(OUT, 2, OUT, 2, 3).mean((1, 3))
        return np.asarray(fine * 255 + 0.5, dtype=np.float32).astype(np.uint8)

    def label_maps(self) -> dict[str, npt.NDArray[np.int16]]:
        """The finished label maps (OUT, OUT) by category."""
        return {category: labels[::2, ::2].copy() for category, labels in self.labels.items()}


class Pen:
    """Draws in coordinates from -1 to 1 (x to the right, y down), turned, scaled and flipped onto the canvas.

    Args:
        canvas: what it draws on.
        name: the object's name, or None for what belongs to the scene.
        centre: (x, y) in canvas pixels.
        scale: canvas pixels per unit.
        angle: clockwise, in radians.
        flip: whether left and right are exchanged.
        parts_known: whether the positions of parts are noted.
    """

    def __init__(
        self,
        canvas: Canvas,
        *,
        name: str | None = None,
        centre: tuple[float, float] = (SIDE / 2, SIDE / 2),
        scale: float = SIDE / 2,
        angle: float = 0.0,
        flip: bool = False,
        parts_known: bool = False,
    ) -> None:
        self._canvas, self._name, self._parts_known = canvas, name, parts_known
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        self._turn = turn @ np.diag([-1.0 if flip else 1.0, 1.0])
        self._centre, self._scale = np.asarray(centre), scale

    def polygon(
        self,
        points: Points,
        paint: Paint | Colour,
        *,
        part: str | None = None,
        outline: float = 0.03,
        noted: bool = True,
    ) -> None:
        """Fills an outline; ``noted`` says whether it counts as a part of its own, not as a detail of one."""
        surface = paint if isinstance(paint, Paint) else plain(paint)
        placed = [(float(x), float(y)) for x, y in np.asarray(points) @ self._turn.T + self._centre]
        width = max(1, round(outline * self._scale)) if outline else 0
        if width:
            rim = Paint(
                np.broadcast_to(np.array(surface.edge, dtype=np.float32), surface.pixels.shape),
                surface.texture,
                surface.material,
            )
            self._canvas.lay(_mask(placed, width), rim, object_name=self._name, part=part)
        self._canvas.lay(_mask(placed, 0), surface, object_name=self._name, part=part)
        if part is not None and noted and self._parts_known:
            self._canvas.note_part(part, placed)

    def ellipse(
        self,
        x: float,
        y: float,
        rx: float,
        ry: float,
        paint: Paint | Colour,
        *,
        part: str | None = None,
        outline: float = 0.03,
        noted: bool = True,
    ) -> None:
        """Fills an ellipse around (x, y)."""
        self.polygon([(x + rx * c, y + ry * s) for c, s in _CIRCLE], paint, part=part, outline=outline, noted=noted)

    def box(
        self,
        left: float,
        top: float,
        right: float,
        bottom: float,
        paint: Paint | Colour,
        *,
        part: str | None = None,
        outline: float = 0.03,
        noted: bool = True,
    ) -> None:
        """Fills a rectangle."""
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        self.polygon(corners, paint, part=part, outline=outline, noted=noted)

    def line(
        self,
        start: tuple[float, float],
        end: tuple[float, float],
        width: float,
        colour: Colour,
        *,
        part: str | None = None,
    ) -> None:
        """Draws a straight bar."""
        (x0, y0), (x1, y1) = start, end
        length = max(float(np.hypot(x1 - x0, y1 - y0)), 1e-6)
        dx, dy = -(y1 - y0) / length * width / 2, (x1 - x0) / length * width / 2
        self.polygon(
            [(x0 + dx, y0 + dy), (x1 + dx, y1 + dy), (x1 - dx, y1 - dy), (x0 - dx, y0 - dy)],
            colour,
            part=part,
            outline=0,
        )

    def eye(self, x: float, y: float, size: float, iris: Colour) -> None:
        """An eye: white, iris, pupil, glint."""
        self.ellipse(x, y, size, size, (0.97, 0.97, 0.97), part="eye")
        for dx, dy, radius, colour in (
            (0.0, 0.0, 0.62, iris),
            (0.0, 0.0, 0.34, darker(iris, 0.15)),
            (-0.25, -0.28, 0.16, (1.0, 1.0, 1.0)),
        ):
            r = size * radius
            self.ellipse(x + size * dx, y + size * dy, r, r, colour, part="eye", outline=0, noted=False)


def _mask(points: Points, width: int) -> Image.Image:
    mask = Image.new("1", (SIDE, SIDE))
    draw = ImageDraw.Draw(mask)
    draw.polygon(list(points), fill=1)
    if width:
        draw.line([*points, points[0]], fill=1, width=width, joint="curve")
    return mask
