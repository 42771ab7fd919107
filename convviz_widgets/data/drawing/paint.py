"""Surfaces: ten textures of two colours and nine materials, each a function of the place on the canvas."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

SIDE = 192  # drawn at twice the size of the picture
Field = npt.NDArray[np.float32]
Colour = tuple[float, float, float]
ROWS, COLUMNS = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)

TERMS: dict[str, Colour] = {
    "black": (0.13, 0.13, 0.16),
    "blue": (0.18, 0.40, 0.82),
    "brown": (0.50, 0.31, 0.16),
    "green": (0.22, 0.60, 0.28),
    "grey": (0.52, 0.54, 0.56),
    "orange": (0.95, 0.53, 0.13),
    "pink": (0.95, 0.58, 0.72),
    "purple": (0.52, 0.27, 0.72),
    "red": (0.82, 0.16, 0.16),
    "white": (0.95, 0.95, 0.94),
    "yellow": (0.96, 0.83, 0.16),
}


@dataclass(frozen=True)
class Paint:
    """A surface: its pixels over the whole canvas (SIDE, SIDE, 3) in [0, 1], and what it is labelled as."""

    pixels: Field
    texture: str | None = None
    material: str | None = None
    edge: Colour = (0.2, 0.2, 0.2)


def plain(colour: Colour, *, shade: float = 0.12) -> Paint:
    """One colour, a little darker towards the bottom."""
    light = 1 + shade * (0.5 - ROWS[:, :1] / SIDE)
    return Paint(np.broadcast_to(_tint(colour, light), (SIDE, SIDE, 3)), edge=darker(colour))


def textured(name: str, colours: tuple[Colour, Colour], rng: np.random.Generator) -> Paint:
    """A pattern of two colours at a random angle, period and phase."""
    period, angle = rng.uniform(11, 22), rng.uniform(0, np.pi)
    row, column = ROWS - rng.uniform(0, SIDE), COLUMNS - rng.uniform(0, SIDE)
    along = (column * np.cos(angle) + row * np.sin(angle)) / period
    across = (row * np.cos(angle) - column * np.sin(angle)) / period
    if name == "ringed":
        along, across = (COLUMNS - rng.uniform(40, 152)) / period, (ROWS - rng.uniform(40, 152)) / period
    blend = np.clip(TEXTURE_OF[name](along, across, rng), 0, 1)[..., None]
    first, second = (np.asarray(each, dtype=np.float32) for each in colours)
    return Paint((first * (1 - blend) + second * blend).astype(np.float32), texture=name, edge=darker(colours[0]))


def of_material(name: str, colour: Colour, rng: np.random.Generator) -> Paint:
    """A material in a colour of choice; its structure, not its colour, is what it is known by."""
    light = MATERIAL_OF[name](rng)
    return Paint(_tint(colour, light), material=name, edge=darker(colour))


def darker(colour: Colour, by: float = 0.5) -> Colour:
    """The same hue with less light."""
    red, green, blue = (channel * by for channel in colour)
    return red, green, blue


def lighter(colour: Colour, by: float = 0.5) -> Colour:
    """The same hue nearer to white."""
    red, green, blue = (channel + (1 - channel) * by for channel in colour)
    return red, green, blue


def varied(colour: Colour, rng: np.random.Generator, by: float = 0.05) -> Colour:
    """A shade of the same colour."""
    red, green, blue = np.clip(np.asarray(colour) * rng.uniform(0.88, 1.1) + rng.uniform(-by, by, 3), 0, 1)
    return float(red), float(green), float(blue)


def soft_noise(rng: np.random.Generator, rows: int, columns: int) -> Field:
    """Smooth noise in [0, 1] with about this many bumps along each axis."""
    coarse = rng.random((rows + 1, columns + 1), dtype=np.float32)
    y, x = np.linspace(0, rows, SIDE, dtype=np.float32), np.linspace(0, columns, SIDE, dtype=np.float32)
    top, left = np.minimum(y.astype(int), rows - 1), np.minimum(x.astype(int), columns - 1)
    down, right = _smooth(y - top)[:, None], _smooth(x - left)[None, :]
    upper = coarse[top][:, left] * (1 - right) + coarse[top][:, left + 1] * right
    lower = coarse[top + 1][:, left] * (1 - right) + coarse[top + 1][:, left + 1] * right
    return np.asarray(upper * (1 - down) + lower * down, dtype=np.float32)


def _smooth(t: Field) -> Field:
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


def _tint(colour: Colour, light: Field) -> Field:
    return np.asarray(np.clip(np.asarray(colour, dtype=np.float32) * light[..., None], 0, 1), dtype=np.float32)


def _ramp(values: npt.NDArray[Any], sharpness: float = 7) -> Field:
    """A step at 0 with soft flanks, so that patterns do not alias."""
    return np.asarray(np.clip(values * sharpness + 0.5, 0, 1), dtype=np.float32)


def _cell(values: npt.NDArray[Any]) -> Field:
    """Place within the period, from -0.5 to 0.5."""
    return np.asarray(values - np.floor(values) - 0.5, dtype=np.float32)


Pattern = Callable[[Field, Field, np.random.Generator], Field]


def _striped(u: Field, v: Field, rng: np.random.Generator) -> Field:
    return _ramp(0.25 - np.abs(_cell(u)))


def _dotted(u: Field, v: Field, rng: np.random.Generator) -> Field:
    return _ramp(0.3 - np.hypot(_cell(u), _cell(v)))


def _chequered(u: Field, v: Field, rng: np.random.Generator) -> Field:
    return _ramp(np.sin(np.pi * u) * np.sin(np.pi * v) / 2, 9)


def _zigzag(u: Field, v: Field, rng: np.random.Generator) -> Field:
    return _ramp(0.25 - np.abs(_cell(u + 1.6 * np.abs(_cell(v / 1.6)))))


def _gridded(u: Field, v: Field, rng: np.random.Generator) -> Field:
    return _ramp(np.maximum(np.abs(_cell(u)), np.abs(_cell(v))) - 0.36)


def _wavy(u: Field, v: Field, rng: np.random.Generator) -> Field:
    return _ramp(0.24 - np.abs(_cell(u + 0.32 * np.sin(2 * np.pi * v / 1.7))))


def _ringed(u: Field, v: Field, rng: np.random.Generator) -> Field:
    return _ramp(0.25 - np.abs(_cell(np.hypot(u, v))))


def _crosshatched(u: Field, v: Field, rng: np.random.Generator) -> Field:
    u, v = (u + v) * 0.9, (u - v) * 0.9
    return _ramp(np.maximum(0.1 - np.abs(_cell(u)), 0.1 - np.abs(_cell(v))), 9)


def _speckled(u: Field, v: Field, rng: np.random.Generator) -> Field:
    return _ramp(soft_noise(rng, 44, 44) - 0.66, 9)


def _scaly(u: Field, v: Field, rng: np.random.Generator) -> Field:
    shifted = u + 0.5 * (np.floor(v) % 2)
    return _ramp(np.hypot(_cell(shifted), v - np.floor(v)) - 0.52)


TEXTURE_OF: dict[str, Pattern] = {
    "striped": _striped,
    "dotted": _dotted,
    "chequered": _chequered,
    "zigzag": _zigzag,
    "gridded": _gridded,
    "wavy": _wavy,
    "ringed": _ringed,
    "crosshatched": _crosshatched,
    "speckled": _speckled,
    "scaly": _scaly,
}


def _wood(rng: np.random.Generator) -> Field:
    grain = soft_noise(rng, 24, 3)
    return 0.75 + 0.4 * np.abs(_cell(grain * 3.2 + ROWS / 90)) + 0.12 * soft_noise(rng, 90, 5)


def _brick(rng: np.random.Generator) -> Field:
    height, width = 13.0, 28.0
    course = np.floor(ROWS / height)
    column = COLUMNS / width + 0.5 * (course % 2)
    shade = (np.sin(course * 12.9 + np.floor(column) * 78.2 + rng.uniform(0, 9)) * 43758.5) % 1
    mortar = np.maximum(np.abs(_cell(ROWS / height)) * height - height / 2 + 1.6, 0)
    joint = np.maximum(mortar, np.maximum(np.abs(_cell(column)) * width - width / 2 + 1.6, 0)) > 0
    return np.where(joint, 1.3, 0.78 + 0.25 * shade).astype(np.float32)


def _stone(rng: np.random.Generator) -> Field:
    """Voronoi cells: the joints lie where the nearest two centres are about equally far."""
    size, cells = 26, SIDE // 26 + 2
    grid = np.arange(-1, cells) * size
    rows, columns = (grid + rng.uniform(0.15, 0.85, (len(grid), len(grid))) * size for _ in "yx")
    rows += grid[:, None] - grid
    home_row, home_column = (ROWS // size).astype(int) + 1, (COLUMNS // size).astype(int) + 1
    around = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    distances = [
        np.hypot(
            ROWS - rows[home_row + down, home_column + right], COLUMNS - columns[home_row + down, home_column + right]
        )
        for down, right in around
    ]
    nearest, second = np.partition(np.stack(distances), 1, axis=0)[:2]
    return np.where(second - nearest < 3.2, 0.55, 0.85 + 0.2 * soft_noise(rng, 9, 9)).astype(np.float32)


def _metal(rng: np.random.Generator) -> Field:
    sheen = 0.8 + 0.35 * np.exp(-(((COLUMNS + ROWS * 0.5) % 90 - 45) ** 2) / 160)
    return np.asarray(sheen + 0.1 * (soft_noise(rng, 3, 120) - 0.5), dtype=np.float32)


def _grass(rng: np.random.Generator) -> Field:
    return 0.62 + 0.7 * soft_noise(rng, 26, 95) * soft_noise(rng, 12, 60) + 0.25 * soft_noise(rng, 60, 96)


def _water(rng: np.random.Generator) -> Field:
    ripple = np.sin(ROWS / 3.6 + 2.2 * np.sin(COLUMNS / 17 + rng.uniform(0, 6)) + 2 * soft_noise(rng, 12, 5))
    return np.asarray(0.92 + 0.16 * ripple, dtype=np.float32)


def _sand(rng: np.random.Generator) -> Field:
    grain = rng.random((SIDE, SIDE), dtype=np.float32)
    return np.asarray(0.86 + 0.26 * grain * soft_noise(rng, 40, 40) + 0.1 * soft_noise(rng, 6, 3), dtype=np.float32)


def _fabric(rng: np.random.Generator) -> Field:
    over = np.sin(np.pi * ROWS / 4) * np.sin(np.pi * COLUMNS / 4)
    return np.asarray(0.92 + 0.2 * over + 0.12 * (soft_noise(rng, 5, 5) - 0.5), dtype=np.float32)


def _snow(rng: np.random.Generator) -> Field:
    sparkle = rng.random((SIDE, SIDE), dtype=np.float32) > 0.985
    return np.asarray(0.9 + 0.14 * soft_noise(rng, 8, 6) + 0.2 * sparkle, dtype=np.float32)


MATERIAL_OF: dict[str, Callable[[np.random.Generator], Field]] = {
    "wood": _wood,
    "brick": _brick,
    "stone": _stone,
    "metal": _metal,
    "grass": _grass,
    "water": _water,
    "sand": _sand,
    "fabric": _fabric,
    "snow": _snow,
}
