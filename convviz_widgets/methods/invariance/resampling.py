"""Pictures shifted, turned and scaled, by one resampler that is exact wherever no value between pixels is asked for.

The moved picture y shows at place p what the picture x has at a place S(p), counted from the middle of both:

- translate by t: ``S(p) = p - t``, t pixels down or to the right;
- rotate by θ: ``S(p) = R(-θ) p``, θ degrees counterclockwise;
- scale by s: ``S(p) = p / s``.

Between pixels x is interpolated bilinearly, without smoothing beforehand; beyond its edge stands what fills.

Oracle: amounts that leave the picture alone give back its very bits; whole pixels shift it exactly; quarter turns of a
square picture are `torch.rot90`.
"""

from dataclasses import dataclass, field
from numbers import Real
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.core.errors import BadType, BadValue, UnknownName, unknown_name
from convviz_widgets.lens.fills import Fill, filled
from convviz_widgets.lens.lens import Lens

Transform = Literal["translate", "rotate", "scale"]
Direction = Literal["vertical", "horizontal"]
TRANSFORMS: tuple[Transform, ...] = get_args(Transform)
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)
UNITS: dict[Transform, str] = {"translate": "px", "rotate": "°", "scale": "x"}
STAYS: dict[Transform, float] = {"translate": 0.0, "rotate": 0.0, "scale": 1.0}
"""The amount of each transform that leaves a picture alone."""
SCALES = 0.05, 20.0  # accepted; beyond them a pixel, or nothing but one, is left
SNAP = 1e-9  # pixels: a place as near as that to a pixel is the pixel

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Course:
    """The amounts by which pictures are moved, one after another, and how.

    Example:
        >>> lens = Lens.load("mini")
        >>> course = Course("translate", (-8.0, 0.0, 8.0), fill="mean")
        >>> course.frames(lens, lens.prepare(torch.rand(3, 96, 96)), [0, 2]).shape
        torch.Size([2, 3, 96, 96])

    Args:
        transform: what is done.
        amounts: in rising order, with the one that leaves a picture alone among them.
        direction: of a translation: "vertical" (positive is down) or "horizontal" (positive is to the right).
        fill: what shows where the picture does not reach: as `filled` takes it, or "edge" for the nearest pixel.
        seed: of the noise.
    """

    transform: Transform
    amounts: tuple[float, ...]
    direction: Direction = "vertical"
    fill: Fill | Literal["edge"] | Any = field(default="grey", hash=False)
    seed: int = 0

    @property
    def still(self) -> int:
        """Place of the amount that leaves a picture alone."""
        return self.amounts.index(STAYS[self.transform])

    def outward(self) -> list[int]:
        """The places of all amounts, from the one that leaves a picture alone to those farthest from it."""
        return sorted(range(len(self.amounts)), key=lambda place: (abs(place - self.still), place))

    def frames(self, lens: Lens, prepared: torch.Tensor, places: list[int]) -> torch.Tensor:
        """One prepared picture (1, C, H, W) moved by the amounts at some places, (len(places), C, H, W).

        Raises:
            UnknownName: there is no fill of that name.
            BadValue: the picture to fill with has another size.
        """
        other = None if _is_edge(self.fill) else self._stand_in(lens, prepared)
        return torch.cat([self._moved(prepared, self.amounts[place], other) for place in places])

    def _stand_in(self, lens: Lens, prepared: torch.Tensor) -> torch.Tensor:
        try:
            return filled(lens, prepared, self.fill, seed=self.seed)
        except UnknownName as error:
            accepted = (*get_args(Fill), "edge")
            raise unknown_name("fill", self.fill, accepted, "Or hand over another picture.") from error

    def _moved(self, prepared: torch.Tensor, amount: float, other: torch.Tensor | None) -> torch.Tensor:
        height, width = int(prepared.shape[-2]), int(prepared.shape[-1])
        return resampled(prepared, *places(self.transform, amount, (height, width), self.direction), other)


def places(
    transform: Transform, amount: float, size: tuple[int, int], direction: Direction = "vertical"
) -> tuple[torch.Tensor, torch.Tensor]:
    """Which row and column of a picture each pixel of the moved one shows: two (H, W) float64.

    Example:
        >>> rows, columns = places("rotate", 90, (2, 2))
        >>> rows.tolist(), columns.tolist()
        ([[0.0, 1.0], [0.0, 1.0]], [[1.0, 1.0], [0.0, 0.0]])
    """
    middle = (size[0] - 1) / 2, (size[1] - 1) / 2
    rows, columns = (torch.arange(side, dtype=torch.float64) - at for side, at in zip(size, middle, strict=True))
    down, right = torch.meshgrid(rows, columns, indexing="ij")
    if transform == "translate":
        down, right = (down - amount, right) if direction == "vertical" else (down, right - amount)
    elif transform == "scale":
        down, right = down / amount, right / amount
    else:
        cosine, sine = _turn(amount)
        down, right = cosine * down + sine * right, cosine * right - sine * down
    return _snapped(down + middle[0]), _snapped(right + middle[1])


def resampled(
    prepared: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, other: torch.Tensor | None = None
) -> torch.Tensor:
    """A picture (1, C, H, W) seen at places between its pixels, (1, C, h, w).

    Args:
        prepared: the picture.
        rows: (h, w), where to look; a whole number is a pixel.
        columns: (h, w), the same.
        other: (1, C, h, w), what shows beyond the picture's edge; None for the nearest pixel.
    """
    height, width = prepared.shape[-2:]
    if other is None:
        rows, columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    top, left = rows.floor(), columns.floor()
    below, beside = (
        (each - low).to(prepared.dtype).to(prepared.device) for each, low in ((rows, top), (columns, left))
    )

    pixels = prepared[0].flatten(1)

    def corner(down: int, right: int) -> torch.Tensor:
        at = (top + down).long(), (left + right).long()
        inside = (at[0] >= 0) & (at[0] < height) & (at[1] >= 0) & (at[1] < width)
        index = at[0].clamp(0, height - 1) * width + at[1].clamp(0, width - 1)
        seen = pixels.index_select(1, index.flatten().to(prepared.device)).view(1, -1, *index.shape)
        return seen if other is None else torch.where(inside.to(prepared.device), seen, other)

    above = _between(corner(0, 0), corner(0, 1), beside)
    return _between(above, _between(corner(1, 0), corner(1, 1), beside), below)


def checked_amounts(
    transform: Any, reach: Any, steps: int, size: tuple[int, int], direction: Any = "vertical"
) -> tuple[float, ...]:
    """The amounts of a course: those given, or so many from the first to the last of a range.

    Example:
        >>> checked_amounts("scale", (0.5, 2), 4, (96, 96))
        (0.5, 1.0, 1.5, 2.0)

    Args:
        transform: one of `TRANSFORMS`.
        reach: (low, high), or three amounts or more; None for what is usual.
        steps: how many amounts a range is given; translations stand at whole pixels, so that there may be fewer.
        size: (H, W) of the pictures.
        direction: of a translation.

    Returns:
        Amounts in rising order; the one that leaves a picture alone is put among those of a range.

    Raises:
        UnknownName: no such transform or direction.
        BadType: the amounts are no numbers.
        BadValue: the amount that leaves a picture alone lies outside, or an amount is none that can be applied.
    """
    if transform not in TRANSFORMS:
        raise unknown_name("transform", transform, TRANSFORMS, f"Accepted: {', '.join(TRANSFORMS)}.")
    if direction not in DIRECTIONS:
        raise unknown_name("direction", direction, DIRECTIONS, f"Accepted: {', '.join(DIRECTIONS)}.")
    side = size[0] if direction == "vertical" else size[1]
    quarter = float(max(1, side // 4))
    usual = {"translate": (-quarter, quarter), "rotate": (-180.0, 180.0), "scale": (0.6, 1.8)}
    given = _numbers(usual[transform] if reach is None else reach)
    stays = STAYS[transform]
    low, high = min(given), max(given)
    if low == high or not low <= stays <= high or (len(given) > 2 and stays not in given):
        raise BadValue(
            f"range={tuple(given)} does not hold {stays:g}, which leaves a picture alone: what others are compared "
            f"with. Accepted for {transform!r}: (low, high) with low <= {stays:g} <= high and low < high, or three "
            f"amounts or more with {stays:g} among them."
        )
    bounds = {"translate": (-side, side), "rotate": (-3600, 3600), "scale": SCALES}[transform]
    if low < bounds[0] or high > bounds[1]:
        raise BadValue(
            f"range={tuple(given)} goes too far for {transform!r}. Accepted here: amounts from {bounds[0]:g} to "
            f"{bounds[1]:g} {UNITS[transform]}."
        )
    if len(given) > 2:
        return tuple(sorted(set(given)))
    spread = np.linspace(low, high, steps)
    spread = np.round(spread) if transform == "translate" else np.round(spread, 6)
    return tuple(sorted({float(each) for each in spread if low <= each <= high} | {stays}))


def _numbers(reach: Any) -> list[float]:
    try:
        given = list(reach)
    except TypeError:
        given = []
    if len(given) < 2 or not all(isinstance(each, Real) and np.isfinite(float(each)) for each in given):
        raise BadType(
            f"range={reach!r} is no range of amounts. Accepted: (low, high), or three finite numbers or more."
        )
    return [float(each) for each in given]


def _turn(degrees: float) -> tuple[float, float]:
    """Cosine and sine, exact for quarter turns."""
    quarters, rest = divmod(degrees, 90)
    if rest == 0:
        return ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[int(quarters) % 4]
    angle = np.deg2rad(degrees)
    return float(np.cos(angle)), float(np.sin(angle))


def _snapped(at: torch.Tensor) -> torch.Tensor:
    whole = at.round()
    return torch.where((at - whole).abs() <= SNAP, whole, at)


def _between(one: torch.Tensor, other: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """From one value to another; at 0 the very bits of the first, whatever the other is."""
    return torch.where(share == 0, one, (1 - share) * one + share * other)


def _is_edge(fill: Any) -> bool:
    return isinstance(fill, str) and fill == "edge"
