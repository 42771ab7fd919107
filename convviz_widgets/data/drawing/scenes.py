"""Eight scenes to stand behind an object."""

from collections.abc import Callable

import numpy as np

from convviz_widgets.data.drawing.canvas import Canvas, Pen
from convviz_widgets.data.drawing.paint import (
    ROWS,
    SIDE,
    TERMS,
    TEXTURE_OF,
    Colour,
    Paint,
    darker,
    lighter,
    of_material,
    plain,
    soft_noise,
    textured,
    varied,
)

Generator = np.random.Generator


def draw_scene(canvas: Canvas, name: str, rng: Generator) -> None:
    """Fills the whole canvas with a scene."""
    SCENE_OF[name](Pen(canvas), rng)


def _sky(pen: Pen, rng: Generator, top: Colour, bottom: Colour) -> None:
    blend = (ROWS / SIDE)[..., None]
    pixels = (
        np.array(varied(top, rng, 0.03), dtype=np.float32) * (1 - blend)
        + np.array(varied(bottom, rng, 0.03), dtype=np.float32) * blend
    )
    pen.box(-1, -1, 1, 1, Paint(pixels.astype(np.float32)), outline=0)


def _ground(pen: Pen, rng: Generator, paint: Paint, horizon: float, roughness: float) -> None:
    """Everything below an uneven horizon."""
    x = np.linspace(-1, 1, 25)
    phases = rng.uniform(0, 2 * np.pi, 3)
    y = horizon + roughness * sum(np.sin((k + 1) * 2 * x + phase) / (k + 1) for k, phase in enumerate(phases))
    pen.polygon([*zip(x, y, strict=True), (1, 1), (-1, 1)], paint, outline=0)


def _cloud(pen: Pen, rng: Generator, colour: Colour) -> None:
    x, y, size = rng.uniform(-0.9, 0.9), rng.uniform(-0.9, -0.4), rng.uniform(0.1, 0.2)
    for _ in range(4):
        pen.ellipse(x + rng.uniform(-1, 1) * size, y, size, size * 0.6, colour, outline=0)


def _disc(pen: Pen, rng: Generator, colour: Colour, radius: float) -> None:
    pen.ellipse(rng.uniform(-0.85, 0.85), rng.uniform(-0.85, -0.5), radius, radius, colour, outline=0)


def _meadow(pen: Pen, rng: Generator) -> None:
    _sky(pen, rng, (0.45, 0.70, 0.95), (0.85, 0.93, 1.0))
    _disc(pen, rng, (1.0, 0.9, 0.5), 0.15)
    for _ in range(2):
        _cloud(pen, rng, (0.97, 0.98, 1.0))
    far = plain(varied((0.52, 0.72, 0.42), rng))
    _ground(pen, rng, far, rng.uniform(-0.05, 0.2), 0.12)
    _ground(pen, rng, of_material("grass", varied((0.40, 0.68, 0.28), rng), rng), rng.uniform(0.15, 0.4), 0.05)


def _beach(pen: Pen, rng: Generator) -> None:
    _sky(pen, rng, (0.40, 0.72, 0.95), (0.95, 0.93, 0.85))
    _disc(pen, rng, (1.0, 0.95, 0.7), 0.14)
    horizon = rng.uniform(-0.15, 0.1)
    pen.box(-1, horizon, 1, 1, of_material("water", varied((0.16, 0.55, 0.72), rng), rng), outline=0)
    _ground(pen, rng, of_material("sand", varied((0.93, 0.83, 0.60), rng), rng), horizon + rng.uniform(0.3, 0.5), 0.06)


def _street(pen: Pen, rng: Generator) -> None:
    _sky(pen, rng, (0.66, 0.76, 0.86), (0.9, 0.9, 0.88))
    left, horizon = -1.05, rng.uniform(0.25, 0.45)
    while left < 1:
        right, top = left + rng.uniform(0.3, 0.6), rng.uniform(-0.8, 0.0)
        wall = varied(lighter(TERMS[str(rng.choice(["brown", "grey", "orange", "red", "pink"]))], 0.35), rng)
        pen.box(left, top, right, horizon, of_material("brick", wall, rng) if rng.random() < 0.5 else plain(wall))
        for x in np.arange(left + 0.07, right - 0.1, 0.15):
            for y in np.arange(top + 0.08, horizon - 0.12, 0.2):
                pen.box(
                    x, y, x + 0.08, y + 0.11, (0.98, 0.93, 0.68) if rng.random() < 0.4 else (0.35, 0.42, 0.5), outline=0
                )
        left = right
    pen.box(-1, horizon, 1, 1, of_material("stone", varied((0.62, 0.62, 0.64), rng), rng), outline=0)


def _night(pen: Pen, rng: Generator) -> None:
    _sky(pen, rng, (0.05, 0.07, 0.20), (0.22, 0.20, 0.42))
    for _ in range(30):
        size = rng.uniform(0.006, 0.018)
        pen.ellipse(rng.uniform(-1, 1), rng.uniform(-1, 0.3), size, size, (1.0, 0.98, 0.85), outline=0)
    x, y = rng.uniform(-0.8, 0.8), rng.uniform(-0.85, -0.55)
    pen.ellipse(x, y, 0.16, 0.16, (0.98, 0.96, 0.82), outline=0)
    pen.ellipse(x + 0.07, y - 0.03, 0.13, 0.13, (0.08, 0.09, 0.24), outline=0)
    _ground(pen, rng, plain((0.10, 0.13, 0.24)), rng.uniform(0.1, 0.35), 0.2)
    _ground(pen, rng, of_material("grass", varied((0.12, 0.26, 0.24), rng, 0.02), rng), rng.uniform(0.4, 0.6), 0.05)


def _room(pen: Pen, rng: Generator) -> None:
    wall = varied(lighter(TERMS[str(rng.choice(list(TERMS)))], 0.62), rng)
    paper = textured(str(rng.choice(list(TEXTURE_OF))), (wall, lighter(wall, 0.35)), rng)
    pen.box(-1, -1, 1, 1, paper if rng.random() < 0.5 else plain(wall), outline=0)
    floor = rng.uniform(0.3, 0.55)
    pen.box(-1, floor, 1, 1, of_material("wood", varied((0.66, 0.45, 0.26), rng), rng), outline=0)
    pen.box(-1, floor - 0.05, 1, floor, (0.95, 0.94, 0.9), outline=0)
    if rng.random() < 0.6:
        x = rng.uniform(-0.7, 0.3)
        pen.box(x, -0.8, x + 0.5, -0.25, (0.72, 0.87, 0.96), outline=0.05)
        pen.line((x + 0.25, -0.8), (x + 0.25, -0.25), 0.04, (0.93, 0.92, 0.9))
    if rng.random() < 0.5:
        rug = varied(TERMS[str(rng.choice(list(TERMS)))], rng)
        pen.ellipse(rng.uniform(-0.3, 0.3), floor + 0.3, 0.75, 0.17, of_material("fabric", rug, rng))


def _mountain(pen: Pen, rng: Generator) -> None:
    _sky(pen, rng, (0.55, 0.72, 0.90), (0.92, 0.94, 0.97))
    for _ in range(3):
        x, top, width = rng.uniform(-0.9, 0.9), rng.uniform(-0.8, -0.2), rng.uniform(0.5, 0.9)
        pen.polygon(
            [(x - width, 0.6), (x, top), (x + width, 0.6)],
            of_material("stone", varied((0.50, 0.52, 0.60), rng), rng),
            outline=0,
        )
        cap = [(x - width * 0.3, top + 0.3 * (0.6 - top)), (x, top), (x + width * 0.3, top + 0.3 * (0.6 - top))]
        pen.polygon(
            [*cap, (x + 0.04, top + 0.2 * (0.6 - top)), (x - 0.05, top + 0.36 * (0.6 - top))],
            (0.97, 0.98, 1.0),
            outline=0,
        )
    _ground(pen, rng, of_material("snow", (0.92, 0.95, 0.99), rng), rng.uniform(0.25, 0.5), 0.08)


def _underwater(pen: Pen, rng: Generator) -> None:
    _sky(pen, rng, (0.25, 0.68, 0.80), (0.05, 0.25, 0.48))
    rays = soft_noise(rng, 2, 14)[..., None] * np.float32(0.12) * (1 - ROWS / SIDE)[..., None]
    surface = of_material("water", (0.16, 0.52, 0.72), rng)
    pen.box(-1, -1, 1, 1, Paint(np.clip(surface.pixels * 0.9 + rays, 0, 1), material="water"), outline=0)
    for _ in range(int(rng.integers(3, 8))):
        size, x, y = rng.uniform(0.02, 0.06), rng.uniform(-1, 1), rng.uniform(-0.9, 0.5)
        pen.ellipse(x, y, size, size, (0.75, 0.92, 0.97), outline=0.012)
    _ground(pen, rng, of_material("sand", varied((0.72, 0.68, 0.52), rng), rng), rng.uniform(0.55, 0.75), 0.06)
    for x in rng.uniform(-1, 1, int(rng.integers(2, 5))):
        weed = [(x + 0.05 * np.sin(9 * t), 0.95 - 0.7 * t) for t in np.linspace(0, 1, 9)]
        back = [(px + 0.05 * (1 - k / 9), py) for k, (px, py) in reversed(list(enumerate(weed)))]
        pen.polygon([*weed, *back], varied((0.12, 0.45, 0.34), rng), outline=0)


def _desert(pen: Pen, rng: Generator) -> None:
    _sky(pen, rng, (0.96, 0.68, 0.42), (1.0, 0.90, 0.68))
    _disc(pen, rng, (1.0, 0.97, 0.82), 0.17)
    for depth, level in enumerate((0.0, 0.2, 0.42)):
        dune = varied((0.88 - 0.05 * depth, 0.64 - 0.03 * depth, 0.36), rng, 0.03)
        _ground(pen, rng, of_material("sand", dune, rng), level + rng.uniform(-0.05, 0.1), 0.13)
    x = rng.uniform(-0.9, 0.9)
    cactus = varied((0.30, 0.52, 0.30), rng)
    pen.line((x, 0.45), (x, -0.1), 0.1, cactus)
    pen.line((x, 0.2), (x + 0.15, 0.2), 0.07, darker(cactus, 0.9))
    pen.line((x + 0.15, 0.235), (x + 0.15, 0.02), 0.07, darker(cactus, 0.9))


SCENE_OF: dict[str, Callable[[Pen, Generator], None]] = {
    "meadow": _meadow,
    "beach": _beach,
    "street": _street,
    "night": _night,
    "room": _room,
    "mountain": _mountain,
    "underwater": _underwater,
    "desert": _desert,
}
