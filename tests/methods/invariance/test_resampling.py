"""The resampler is exact wherever no value between pixels is asked for, and bilinear in between."""

import numpy as np
import pytest
import torch
from torch import nn

from convviz_widgets.core.errors import BadType, BadValue, UnknownName
from convviz_widgets.lens.fills import filled
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.invariance.resampling import STAYS, TRANSFORMS, Course, checked_amounts, places, resampled
from tests.networks import pictures

SHAPES = [(3, 8, 8), (3, 9, 9), (1, 9, 7), (4, 6, 11)]


def lens_of(shape: tuple[int, ...]) -> Lens:
    return Lens(nn.Conv2d(shape[0], 2, 3), input_size=shape[1:])


def moved(picture: torch.Tensor, transform: str, amount: float, fill: str = "grey", **course: str) -> torch.Tensor:
    whole = Course(transform, (amount, STAYS[transform]), fill=fill, **course)
    return whole.frames(lens_of(tuple(picture.shape)), picture[None], [0])[0]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("fill", ["grey", "noise", "edge"])
def test_the_amount_that_leaves_a_picture_alone_gives_its_very_bits(shape, transform, fill) -> None:
    picture = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 10
    picture[0, 2, 3], picture[0, 4, 1] = -0.0, float("inf")
    result = moved(picture, transform, STAYS[transform], "grey" if fill == "noise" else fill)
    assert result.numpy().tobytes() == picture.numpy().tobytes()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("shift", [-20, -3, 1, 2, 5])
def test_whole_pixels_shift_exactly(shape, shift) -> None:
    picture = pictures(1, shape)[0]
    grey = filled(lens_of(shape), picture[None], "grey")[0]
    for direction, axis in (("vertical", 0), ("horizontal", 1)):
        wanted = grey.clone()
        side = shape[1 + axis]
        for place in range(side):
            if 0 <= place - shift < side:
                wanted.select(1 + axis, place).copy_(picture.select(1 + axis, place - shift))
        assert torch.equal(moved(picture, "translate", shift, direction=direction), wanted)


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 9, 9)])
@pytest.mark.parametrize("quarters", [-6, -1, 1, 2, 3, 4, 9])
def test_quarter_turns_are_exact(shape, quarters) -> None:
    picture = pictures(1, shape)[0]
    assert torch.equal(moved(picture, "rotate", 90 * quarters), torch.rot90(picture, quarters, (1, 2)))


def test_half_turns_of_an_oblong_picture_are_exact() -> None:
    picture = pictures(1, (3, 9, 6))[0]
    assert torch.equal(moved(picture, "rotate", 180), picture.flip(1, 2))


def plain(picture: np.ndarray, rows: np.ndarray, columns: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Bilinear, pixel by pixel, in plain Python; beyond the edge the other picture."""

    def at(row: int, column: int, y: int, x: int) -> np.ndarray:
        inside = 0 <= row < picture.shape[1] and 0 <= column < picture.shape[2]
        return picture[:, row, column] if inside else other[:, y, x]

    result = np.zeros_like(picture)
    for y in range(picture.shape[1]):
        for x in range(picture.shape[2]):
            top, left = int(np.floor(rows[y, x])), int(np.floor(columns[y, x]))
            down, right = rows[y, x] - top, columns[y, x] - left
            above = (1 - right) * at(top, left, y, x) + right * at(top, left + 1, y, x)
            below = (1 - right) * at(top + 1, left, y, x) + right * at(top + 1, left + 1, y, x)
            result[:, y, x] = (1 - down) * above + down * below
    return result


@pytest.mark.parametrize(
    ("transform", "amount"), [("rotate", 33.0), ("scale", 1.37), ("scale", 0.6), ("translate", 1.25)]
)
def test_between_pixels_it_is_bilinear(transform, amount) -> None:
    picture, other = pictures(2, (2, 9, 7)).double().numpy()
    y, x = np.mgrid[:9, :7] - np.array([4.0, 3.0])[:, None, None]
    angle = np.deg2rad(amount)
    rows, columns = {
        "translate": (y - amount, x),
        "scale": (y / amount, x / amount),
        "rotate": (np.cos(angle) * y + np.sin(angle) * x, np.cos(angle) * x - np.sin(angle) * y),
    }[transform]
    wanted = plain(picture, rows + 4, columns + 3, other)
    found = resampled(torch.tensor(picture)[None], *places(transform, amount, (9, 7)), torch.tensor(other)[None])
    assert found[0].numpy() == pytest.approx(wanted, abs=1e-9)
    assert np.abs(wanted - picture).max() > 0.1


def test_a_turn_is_counterclockwise_and_a_shift_is_down() -> None:
    picture = torch.zeros(1, 9, 9)
    picture[0, 4, 8] = 1  # on the right
    assert moved(picture, "rotate", 90)[0, 0, 4] == 1  # on top
    assert moved(picture, "translate", 3)[0, 7, 8] == 1
    assert moved(picture, "translate", -3, direction="horizontal")[0, 4, 5] == 1
    picture = torch.zeros(1, 9, 9)
    picture[0, 4, 6] = 1
    assert moved(picture, "scale", 2)[0, 4, 8] == 1


def test_the_nearest_pixel_fills() -> None:
    picture = pictures(1, (3, 8, 8))[0]
    result = moved(picture, "translate", 3, "edge")
    assert torch.equal(result[:, :4], picture[:, :1].expand(-1, 4, -1))


def test_the_amounts_of_a_range() -> None:
    assert checked_amounts("translate", None, 5, (40, 8)) == (-10.0, -5.0, 0.0, 5.0, 10.0)
    assert checked_amounts("translate", None, 5, (40, 8), "horizontal") == (-2.0, -1.0, 0.0, 1.0, 2.0)
    assert checked_amounts("translate", (-1, 2), 9, (40, 8)) == (-1.0, 0.0, 1.0, 2.0)
    assert checked_amounts("rotate", (-90, 20), 3, (8, 8)) == (-90.0, -35.0, 0.0, 20.0)
    assert checked_amounts("scale", [2, 1, 0.5, 1], 25, (8, 8)) == (0.5, 1.0, 2.0)
    assert checked_amounts("scale", (1, 1.8), 2, (8, 8)) == (1.0, 1.8)
    usual = [checked_amounts(each, None, 25, (96, 96)) for each in TRANSFORMS]
    assert [len(each) for each in usual] == [25, 25, 25]
    assert [(each[0], each[-1]) for each in usual] == [(-24.0, 24.0), (-180.0, 180.0), (0.6, 1.8)]


@pytest.mark.parametrize(
    ("transform", "reach", "error", "text"),
    [
        ("shear", None, UnknownName, "translate, rotate, scale"),
        ("translate", (2, 9), BadValue, "does not hold 0"),
        ("scale", (-1, 0.5), BadValue, "does not hold 1"),
        ("rotate", (-10, 5, 10), BadValue, "with 0 among them"),
        ("rotate", (0, 0), BadValue, "low < high"),
        ("scale", (0, 2), BadValue, "goes too far"),
        ("translate", (-100, 0), BadValue, "goes too far"),
        ("rotate", (0, float("nan")), BadType, "no range"),
        ("rotate", 45, BadType, "no range"),
        ("rotate", ("0", "9"), BadType, "no range"),
        ("rotate", (0,), BadType, "no range"),
    ],
)
def test_amounts_that_cannot_be(transform, reach, error, text) -> None:
    with pytest.raises(error, match=text):
        checked_amounts(transform, reach, 5, (40, 40))


def test_a_wrong_direction_and_a_wrong_fill() -> None:
    with pytest.raises(UnknownName, match="vertical, horizontal"):
        checked_amounts("translate", None, 5, (40, 40), "sideways")
    with pytest.raises(UnknownName, match="'edge'"):
        moved(pictures(1, (3, 8, 8))[0], "rotate", 5, "edgy")


def test_the_course_goes_outward() -> None:
    course = Course("scale", (0.5, 0.75, 1.0, 1.5))
    assert course.still == 2
    assert course.outward() == [2, 1, 3, 0]
