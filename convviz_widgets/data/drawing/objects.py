"""Fourteen objects, drawn from parts; body and accent wear any surface."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from convviz_widgets.data.drawing.canvas import Pen
from convviz_widgets.data.drawing.paint import Colour, Paint, darker, lighter

DARK: Colour = (0.16, 0.15, 0.18)
GLASS: Colour = (0.70, 0.86, 0.95)


@dataclass(frozen=True)
class Dress:
    """What an object wears: the paint of its body, two plain colours, and a source of small variations."""

    body: Paint
    accent: Colour
    detail: Colour
    rng: np.random.Generator


def draw_object(pen: Pen, name: str, dress: Dress) -> None:
    """Draws an object about the middle of the pen's coordinates."""
    OBJECT_OF[name](pen, dress)


def _face(pen: Pen, dress: Dress) -> None:
    skin = [(0.98, 0.84, 0.70), (0.88, 0.67, 0.50), (0.62, 0.42, 0.29), (0.42, 0.28, 0.20)][int(dress.rng.integers(4))]
    pen.ellipse(0, -0.15, 0.82, 0.85, dress.body, part="hair")
    for side in (-1, 1):
        pen.ellipse(side * 0.68, 0.1, 0.14, 0.2, skin, part="ear")
    pen.ellipse(0, 0.12, 0.66, 0.78, skin)
    for side in (-1, 1):
        pen.eye(side * 0.27, 0.0, 0.14, dress.accent)
        pen.line((side * 0.13, -0.22), (side * 0.4, -0.25), 0.06, darker(dress.detail))
    pen.polygon([(0, 0.02), (0.11, 0.32), (-0.11, 0.32)], darker(skin, 0.82), part="nose", outline=0.01)
    open_by = dress.rng.uniform(0.04, 0.14)
    pen.ellipse(0, 0.55, 0.26, open_by, (0.78, 0.25, 0.28), part="mouth")


def _cat(pen: Pen, dress: Dress) -> None:
    for side in (-1, 1):
        pen.polygon([(side * 0.25, -0.5), (side * 0.72, -0.98), (side * 0.78, -0.2)], dress.body, part="ear")
        pen.polygon(
            [(side * 0.4, -0.52), (side * 0.66, -0.8), (side * 0.69, -0.35)],
            lighter(dress.accent, 0.5),
            part="ear",
            outline=0,
            noted=False,
        )
    pen.ellipse(0, 0.12, 0.85, 0.72, dress.body)
    for side in (-1, 1):
        pen.eye(side * 0.36, -0.05, 0.18, dress.detail)
    pen.ellipse(0, 0.42, 0.34, 0.24, (0.97, 0.95, 0.92))
    pen.polygon([(-0.12, 0.26), (0.12, 0.26), (0, 0.4)], (0.93, 0.5, 0.55), part="nose", outline=0.01)
    pen.polygon([(-0.16, 0.48), (0.16, 0.48), (0, 0.6)], (0.72, 0.25, 0.3), part="mouth", outline=0.01)
    for side in (-1, 1):
        for lift in (0.3, 0.42, 0.54):
            pen.line((side * 0.3, 0.42), (side * 0.98, lift), 0.025, DARK)


def _owl(pen: Pen, dress: Dress) -> None:
    for side in (-1, 1):
        pen.polygon([(side * 0.2, -0.8), (side * 0.55, -1.0), (side * 0.6, -0.55)], dress.body, part="ear")
    pen.ellipse(0, 0.2, 0.66, 0.8, dress.body)
    pen.ellipse(0, 0.42, 0.4, 0.48, lighter(dress.accent, 0.6), outline=0.015)
    pen.ellipse(0, -0.48, 0.62, 0.45, dress.body)
    for side in (-1, 1):
        pen.ellipse(side * 0.68, 0.28, 0.2, 0.55, dress.accent, part="wing")
        pen.ellipse(side * 0.28, -0.45, 0.28, 0.28, (0.98, 0.95, 0.86))
        pen.eye(side * 0.28, -0.45, 0.2, dress.detail)
    pen.polygon([(-0.13, -0.34), (0.13, -0.34), (0, -0.08)], (0.96, 0.66, 0.15), part="beak")


def _robot(pen: Pen, dress: Dress) -> None:
    pen.line((0, -0.62), (0, -0.9), 0.07, DARK, part="antenna")
    pen.ellipse(0, -0.92, 0.1, 0.1, dress.detail, part="antenna", noted=False)
    for side in (-1, 1):
        pen.box(side * 0.62 - 0.1, 0.12, side * 0.62 + 0.1, 0.72, dress.accent)
        pen.box(side * 0.28 - 0.15, 0.78, side * 0.28 + 0.15, 1.0, darker(dress.accent, 0.7))
        pen.ellipse(side * 0.62, -0.28, 0.12, 0.16, dress.accent, part="ear")
    pen.box(-0.5, 0.05, 0.5, 0.8, dress.body)
    pen.box(-0.58, -0.65, 0.58, 0.02, dress.body)
    for side in (-1, 1):
        pen.eye(side * 0.27, -0.38, 0.16, dress.detail)
    pen.box(-0.3, -0.14, 0.3, -0.03, DARK, part="mouth", outline=0)
    for x in (-0.18, 0.0, 0.18):
        pen.line((x, -0.14), (x, -0.03), 0.03, (0.9, 0.9, 0.9), part="mouth")
    pen.ellipse(0, 0.36, 0.15, 0.15, lighter(dress.detail, 0.3))


def _wheel(pen: Pen, x: float, y: float, radius: float) -> None:
    pen.ellipse(x, y, radius, radius, DARK, part="wheel")
    pen.ellipse(x, y, radius * 0.5, radius * 0.5, (0.78, 0.79, 0.82), part="wheel", noted=False)
    pen.ellipse(x, y, radius * 0.16, radius * 0.16, DARK, part="wheel", noted=False)


def _car(pen: Pen, dress: Dress) -> None:
    pen.polygon([(-0.55, -0.1), (-0.32, -0.5), (0.3, -0.5), (0.62, -0.1)], dress.body, part="roof")
    pen.polygon([(-0.42, -0.1), (-0.26, -0.41), (-0.03, -0.41), (-0.03, -0.1)], GLASS, part="window")
    pen.polygon([(0.05, -0.1), (0.05, -0.41), (0.26, -0.41), (0.46, -0.1)], GLASS, part="window")
    pen.polygon([(-1, 0.02), (-0.9, -0.12), (0.75, -0.12), (1, 0.06), (1, 0.38), (-1, 0.38)], dress.body)
    pen.box(-0.2, -0.04, 0.36, 0.3, dress.accent, part="door", outline=0.02)
    pen.ellipse(0.93, 0.12, 0.07, 0.09, (1.0, 0.95, 0.6))
    for x in (-0.55, 0.58):
        _wheel(pen, x, 0.4, 0.25)


def _bus(pen: Pen, dress: Dress) -> None:
    pen.box(-1, -0.68, 1, 0.5, dress.body)
    pen.box(-1, -0.78, 1, -0.64, dress.accent, part="roof")
    for x in (-0.86, -0.44, -0.02):
        pen.box(x, -0.48, x + 0.34, -0.08, GLASS, part="window")
    pen.box(0.5, -0.5, 0.88, 0.44, lighter(dress.accent, 0.4), part="door")
    pen.line((0.69, -0.5), (0.69, 0.44), 0.03, DARK, part=None)
    pen.box(-1, 0.1, 0.42, 0.2, dress.detail, outline=0)
    for x in (-0.58, 0.3):
        _wheel(pen, x, 0.52, 0.23)


def _house(pen: Pen, dress: Dress) -> None:
    pen.box(0.35, -0.9, 0.58, -0.35, darker(dress.detail, 0.8), part="chimney")
    pen.box(-0.72, -0.2, 0.72, 0.9, dress.body)
    pen.polygon([(-0.95, -0.15), (0, -0.95), (0.95, -0.15)], dress.accent, part="roof")
    pen.box(-0.18, 0.32, 0.2, 0.9, dress.detail, part="door")
    pen.ellipse(0.12, 0.62, 0.03, 0.03, (0.95, 0.85, 0.3), part="door", outline=0, noted=False)
    for x in (-0.58, 0.32):
        pen.box(x, 0.0, x + 0.28, 0.28, GLASS, part="window")
        pen.line((x + 0.14, 0.0), (x + 0.14, 0.28), 0.03, (0.95, 0.95, 0.95), part="window")


def _boat(pen: Pen, dress: Dress) -> None:
    pen.line((0.02, 0.4), (0.02, -0.95), 0.06, (0.45, 0.3, 0.18))
    pen.polygon([(-0.05, -0.9), (-0.05, 0.28), (-0.75, 0.28)], dress.body, part="sail")
    pen.polygon([(0.1, -0.75), (0.1, 0.28), (0.68, 0.28)], lighter(dress.detail, 0.4), part="sail")
    pen.polygon([(-0.95, 0.38), (0.95, 0.38), (0.6, 0.85), (-0.65, 0.85)], dress.accent, part="hull")
    pen.box(-0.86, 0.38, 0.86, 0.48, lighter(dress.accent, 0.5), part="hull", outline=0, noted=False)
    for x in (-0.35, 0.0, 0.35):
        pen.ellipse(x, 0.62, 0.07, 0.07, GLASS, part="window")


def _tree(pen: Pen, dress: Dress) -> None:
    pen.polygon([(-0.14, 0.1), (0.14, 0.1), (0.22, 1), (-0.22, 1)], (0.47, 0.31, 0.18), part="trunk")
    pen.line((0.05, 0.4), (0.4, 0.1), 0.1, (0.47, 0.31, 0.18), part=None)
    for x, y, radius in (
        (-0.42, -0.05, 0.42),
        (0.42, -0.05, 0.42),
        (0, -0.1, 0.5),
        (-0.22, -0.5, 0.42),
        (0.24, -0.5, 0.42),
    ):
        pen.ellipse(x, y, radius, radius, dress.body, part="crown", noted=(x == 0))
    for _ in range(5):
        x, y = dress.rng.uniform(-0.5, 0.5), dress.rng.uniform(-0.7, 0.1)
        pen.ellipse(x, y, 0.08, 0.08, dress.detail, outline=0.015)


def _flower(pen: Pen, dress: Dress) -> None:
    pen.line((0, 0), (0, 1), 0.09, (0.25, 0.55, 0.25), part="stem")
    for side, y in ((-1, 0.72), (1, 0.55)):
        tip = [(0, y), (side * 0.3, y - 0.25), (side * 0.55, y - 0.12), (side * 0.3, y + 0.05)]
        pen.polygon(tip, (0.3, 0.62, 0.3), part="leaf")
    petals = int(dress.rng.integers(6, 9))
    for angle in np.linspace(0, 2 * np.pi, petals, endpoint=False):
        x, y = 0.42 * np.cos(angle), 0.42 * np.sin(angle) - 0.35
        pen.ellipse(x, y, 0.25, 0.25, dress.body, part="petal")
    pen.ellipse(0, -0.35, 0.27, 0.27, dress.detail)


def _fish(pen: Pen, dress: Dress) -> None:
    pen.polygon([(-0.5, 0), (-1, -0.5), (-0.85, 0), (-1, 0.5)], dress.accent, part="tail")
    pen.polygon([(-0.3, -0.35), (0.05, -0.85), (0.4, -0.35)], dress.accent, part="fin")
    pen.polygon([(-0.1, 0.4), (0.0, 0.8), (0.3, 0.38)], dress.accent, part="fin")
    pen.ellipse(0.12, 0, 0.8, 0.5, dress.body)
    pen.polygon([(0.1, 0.02), (-0.2, 0.22), (0.05, 0.28)], dress.accent, part="fin")
    pen.eye(0.55, -0.12, 0.14, dress.detail)
    pen.ellipse(0.84, 0.14, 0.1, 0.06, (0.85, 0.35, 0.38), part="mouth")


def _clock(pen: Pen, dress: Dress) -> None:
    for side in (-1, 1):
        pen.line((side * 0.4, 0.7), (side * 0.6, 0.98), 0.14, darker(dress.accent, 0.6))
        pen.ellipse(side * 0.5, -0.78, 0.26, 0.2, dress.accent)
    pen.ellipse(0, 0, 0.85, 0.85, dress.body)
    pen.ellipse(0, 0, 0.64, 0.64, (0.98, 0.97, 0.92), part="dial")
    for angle in np.linspace(0, 2 * np.pi, 12, endpoint=False):
        pen.ellipse(0.54 * np.cos(angle), 0.54 * np.sin(angle), 0.04, 0.04, DARK, part="dial", outline=0, noted=False)
    for length, width in ((0.34, 0.09), (0.5, 0.06)):
        angle = dress.rng.uniform(0, 2 * np.pi)
        pen.line(
            (0, 0), (length * np.cos(angle), length * np.sin(angle)), width, darker(dress.detail, 0.7), part="hand"
        )
    pen.ellipse(0, 0, 0.06, 0.06, DARK, outline=0)


def _balloon(pen: Pen, dress: Dress) -> None:
    for x in (-0.3, 0.3):
        pen.line((x * 1.2, 0.25), (x * 0.8, 0.72), 0.035, (0.35, 0.28, 0.2))
    pen.ellipse(0, -0.28, 0.72, 0.72, dress.body)
    pen.polygon([(-0.5, 0.2), (0.5, 0.2), (0.26, 0.45), (-0.26, 0.45)], dress.accent)
    pen.ellipse(-0.28, -0.55, 0.12, 0.18, (1.0, 1.0, 1.0), outline=0)
    pen.box(-0.28, 0.7, 0.28, 1.0, (0.66, 0.45, 0.24), part="basket")
    pen.line((-0.28, 0.78), (0.28, 0.78), 0.06, dress.detail, part="basket")


def _butterfly(pen: Pen, dress: Dress) -> None:
    for side in (-1, 1):
        pen.line((side * 0.03, -0.5), (side * 0.28, -0.95), 0.04, DARK, part="antenna")
        pen.ellipse(side * 0.46, 0.42, 0.36, 0.4, dress.body, part="wing")
        pen.ellipse(side * 0.54, -0.3, 0.48, 0.46, dress.body, part="wing")
        pen.ellipse(side * 0.58, -0.3, 0.17, 0.17, dress.accent, part="wing", outline=0.015, noted=False)
        pen.ellipse(side * 0.46, 0.45, 0.12, 0.12, dress.detail, part="wing", outline=0.015, noted=False)
    pen.ellipse(0, 0.05, 0.1, 0.62, darker(dress.accent, 0.45))
    pen.ellipse(0, -0.52, 0.13, 0.13, darker(dress.accent, 0.45))
    for side in (-1, 1):
        pen.eye(side * 0.08, -0.56, 0.06, dress.detail)


OBJECT_OF: dict[str, Callable[[Pen, Dress], None]] = {
    "face": _face,
    "cat": _cat,
    "owl": _owl,
    "robot": _robot,
    "car": _car,
    "bus": _bus,
    "house": _house,
    "boat": _boat,
    "tree": _tree,
    "flower": _flower,
    "fish": _fish,
    "clock": _clock,
    "balloon": _balloon,
    "butterfly": _butterfly,
}
