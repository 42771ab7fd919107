"""Grids of pictures: every pixel in its place, captions within their cells."""

import numpy as np
import pytest

from convviz_widgets.core.errors import BadValue
from convviz_widgets.render import grid


def tile(value, height=3, width=4):
    return np.full((height, width, 3), value, np.uint8)


def test_pictures_stand_row_by_row_with_space_around():
    sheet = grid.montage([tile(10), tile(20), tile(30)], columns=2, pad=1, background=(1, 2, 3))
    expected = np.empty((9, 11, 3), np.uint8)
    expected[:] = (1, 2, 3)
    expected[1:4, 1:5], expected[1:4, 6:10], expected[5:8, 1:5] = 10, 20, 30
    assert np.array_equal(sheet, expected)


def test_smaller_pictures_stand_in_the_middle_and_all_kinds_mix():
    sheet = grid.montage([np.ones((1, 2)), np.full((5, 6), 7, np.uint8)], columns=1, pad=0, background=(0, 0, 0))
    assert sheet.shape == (10, 6, 3)
    assert np.argwhere(sheet[:5, :, 0] == 255).tolist() == [[2, 2], [2, 3]]


def test_scale_makes_squares_of_pixels():
    small = np.random.default_rng(0).integers(0, 256, (2, 3)).astype(np.uint8)
    sheet = grid.montage([small], pad=0, scale=3)
    assert np.array_equal(sheet[..., 0], np.kron(small, np.ones((3, 3), np.uint8)))


def test_columns_by_default_make_about_a_square():
    assert grid.montage([tile(0, 4, 4)] * 9, pad=0).shape == (12, 12, 3)
    assert grid.montage([tile(0, 4, 4)] * 10, pad=0).shape == (12, 16, 3)


@pytest.mark.parametrize("background", [(255, 255, 255), (20, 20, 20)])
def test_captions_stay_below_their_picture_and_stand_out(background):
    names = ["one", "a name far too long for so narrow a cell", ""]
    tiles = [tile(90, 20, 40)] * 3
    sheet = grid.montage(tiles, columns=3, pad=4, background=background, captions=names)
    bare = grid.montage(tiles, columns=3, pad=4, background=background)
    assert np.array_equal(sheet[:24], bare[:24])
    changed = (sheet[24:] != background).any(axis=2)
    across = changed.any(axis=0)
    assert across[4:44].any()
    assert across[48:88].any()
    assert not across[[*range(4), *range(44, 48), *range(88, 136)]].any()
    assert np.abs(sheet[24:].astype(int) - background).max() > 150


def test_words_of_a_caption_stand_apart():
    sheet = grid.montage([np.zeros((4, 60))], captions=["pool2 0.5"])
    inked = np.flatnonzero((sheet[6:] != 255).any(axis=(0, 2)))
    gaps = np.diff(inked) - 1
    assert sorted(gaps)[-1] >= 3
    assert sorted(gaps)[-2] <= 2


def test_long_text_is_cut_with_an_ellipsis_and_lines_become_spaces():
    assert grid.shortened("cat\n dog", 1000) == "cat dog"
    short = grid.shortened("a rather long caption", 60)
    assert short.endswith("…")
    assert "a rather long caption".startswith(short[:-1])
    assert grid.shortened("W", 1) == ""


@pytest.mark.parametrize(
    ("images", "settings"),
    [
        ([], {}),
        ([tile(0)], {"columns": 0}),
        ([tile(0)], {"pad": -1}),
        ([tile(0)], {"scale": 0}),
        ([tile(0)], {"captions": ["a", "b"]}),
    ],
)
def test_what_makes_no_grid_is_refused(images, settings):
    with pytest.raises(BadValue, match="Accepted"):
        grid.montage(images, **settings)
