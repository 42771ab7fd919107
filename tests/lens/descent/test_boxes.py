"""Boxes of signals against the same signals on whole maps."""

import pytest
import torch

from convviz_widgets.lens.descent.boxes import Boxes, windows

HEIGHT, WIDTH = 7, 9
CORNERS = [((0, 0), (4, 6)), ((2, 3), (2, 3)), ((-1, 4), (-1, 5)), ((-2, -1), (5, 7)), ((-2, 0), (-1, -2))]


def boxes(corners: tuple[tuple[int, int], ...], size: tuple[int, int] = (3, 4), seed: int = 0) -> Boxes:
    return Boxes(torch.randn(len(corners), 2, *size, generator=torch.Generator().manual_seed(seed)), corners)


def on_wide(found: Boxes) -> torch.Tensor:
    """On maps with a wide margin all around, of which nothing is cut."""
    margin = 8
    whole = torch.zeros(len(found.corners), 2, HEIGHT + 2 * margin, WIDTH + 2 * margin)
    for each, (row, column), values in zip(whole, found.corners, found.values, strict=True):
        top, left = row + margin, column + margin
        each[:, top : top + found.size[0], left : left + found.size[1]] = values
    return whole


def on_map(found: Boxes) -> torch.Tensor:
    return on_wide(found)[..., 8 : 8 + HEIGHT, 8 : 8 + WIDTH]


@pytest.mark.parametrize("corners", CORNERS)
def test_inside_nothing_is_left_outside_and_all_is_kept_within(corners: tuple[tuple[int, int], ...]) -> None:
    before = boxes(corners)
    found = before.inside(HEIGHT, WIDTH)
    torch.testing.assert_close(on_map(found), on_map(before))
    assert float(on_wide(found).abs().sum()) == pytest.approx(float(on_map(before).abs().sum()), rel=1e-5)
    torch.testing.assert_close(found.on(torch.ones(1, 2, HEIGHT, WIDTH)), on_map(before))


def test_inside_of_one_map_a_box_is_cut_to_it() -> None:
    assert boxes(((-2, 7),)).inside(HEIGHT, WIDTH).size == (1, 2)
    assert boxes(((-2, -3),), (20, 20)).inside(HEIGHT, WIDTH).size == (HEIGHT, WIDTH)


@pytest.mark.parametrize("corners", CORNERS)
@pytest.mark.parametrize("others", [((0, 0), (4, 6)), ((1, -1), (4, 2))])
def test_a_sum_holds_both(corners: tuple[tuple[int, int], ...], others: tuple[tuple[int, int], ...]) -> None:
    first, second = boxes(corners), boxes(others, (2, 5), seed=1)
    torch.testing.assert_close(on_wide(first.plus(second)), on_wide(first) + on_wide(second))


@pytest.mark.parametrize("corners", [*CORNERS, ((-9, 0), (0, 20))])
def test_windows_of_maps_are_zero_beyond_their_edges(corners: tuple[tuple[int, int], ...]) -> None:
    maps = torch.rand(2, 3, HEIGHT, WIDTH) + 1
    wide = torch.nn.functional.pad(maps, (30, 30, 30, 30))
    found = windows(maps, corners, (3, 4))
    for each, whole, (row, column) in zip(found, wide, corners, strict=True):
        assert torch.equal(each, whole[:, row + 30 : row + 33, column + 30 : column + 34])
