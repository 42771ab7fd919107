"""What is laid over a photo: mixed in float, placed to the pixel."""

import numpy as np
import pytest

from convviz_widgets.core.errors import BadValue
from convviz_widgets.core.region import Box
from convviz_widgets.render import colormap, overlay

PHOTO = np.random.default_rng(1).integers(0, 256, (12, 16, 3)).astype(np.uint8)


@pytest.mark.parametrize("alpha", [0, 0.25, 0.5, 1])
def test_photo_and_colour_are_mixed_without_wrapping(alpha):
    heat = np.random.default_rng(2).random((12, 16))
    colours = colormap.apply(heat, "turbo").astype(np.float64)
    expected = PHOTO.astype(np.float64) * (1 - alpha) + colours * alpha
    mixed = overlay.heat_map(PHOTO, heat, name="turbo", alpha=alpha, fade=False)
    assert mixed.dtype == np.uint8
    assert np.abs(mixed - expected).max() <= 1


def test_bright_on_bright_stays_bright():
    white = np.full((4, 4, 3), 255, np.uint8)
    assert overlay.heat_map(white, np.ones((4, 4)), name="gray", low=0, high=1, alpha=0.5).min() == 255


def test_a_fading_cover_leaves_the_photo_where_the_map_is_low():
    heat = np.zeros((12, 16))
    heat[3, 4] = 1
    mixed = overlay.heat_map(PHOTO, heat, name="gray", alpha=1)
    assert mixed[3, 4].tolist() == [255] * 3
    mixed[3, 4] = PHOTO[3, 4]
    assert np.array_equal(mixed, PHOTO)


def test_a_small_map_lies_over_the_part_it_was_made_from():
    black = np.zeros((40, 60, 3), np.uint8)
    mixed = overlay.heat_map(black, [[0, 0, 1], [0, 0, 0]], name="gray", alpha=1)
    row, column = np.unravel_index(mixed[..., 0].argmax(), (40, 60))
    assert (row <= 10, column >= 50) == (True, True)
    assert mixed[:, :20].max() == 0
    assert mixed[10, 50, 0] > 240  # the middle of that cell


def test_the_photo_shows_where_the_map_has_no_value():
    heat = np.full((12, 16), 0.5)
    heat[:, 8:] = np.nan
    mixed = overlay.heat_map(PHOTO, heat, fade=False, alpha=1)
    assert np.array_equal(mixed[:, 8:], PHOTO[:, 8:])
    assert (mixed[:, :8] == mixed[0, 0]).all()
    assert np.array_equal(overlay.heat_map(PHOTO, np.full((3, 3), np.nan)), PHOTO)


def test_beside_a_hole_the_cover_thins_and_the_colour_stays():
    black = np.zeros((8, 16, 3), np.uint8)
    mixed = overlay.heat_map(black, [[1, np.nan]], name="gray", low=0, high=1, alpha=1, fade=False)
    cover = overlay.resize([[1, 0]], 8, 16)
    assert 0.2 < cover[0, 7] < 0.8
    assert np.abs(mixed[..., 0] - cover * 255).max() <= 1


def test_grey_and_transparent_photos():
    grey = PHOTO[..., 0]
    assert np.array_equal(overlay.heat_map(grey, np.zeros((2, 2)), alpha=0), grey[..., None].repeat(3, axis=2))
    clear = np.dstack([PHOTO, np.zeros((12, 16), np.uint8)])
    assert (overlay.heat_map(clear, np.zeros((2, 2)), alpha=0) == 255).all()


@pytest.mark.parametrize(
    ("values", "alpha"), [(np.zeros(3), 0.5), (np.zeros((2, 0)), 0.5), (np.eye(2), 1.5), (np.eye(2), np.nan)]
)
def test_what_cannot_be_laid_over_is_refused(values, alpha):
    with pytest.raises(BadValue, match="Accepted"):
        overlay.heat_map(PHOTO, values, alpha=alpha)


def test_a_box_is_outlined_on_its_own_pixels():
    drawn = overlay.boxes(PHOTO, [Box(3, 2, 12, 10)], colour=(255, 0, 0), width=1)
    inside = np.zeros((12, 16), bool)
    inside[2:10, 3:12] = True
    line = inside.copy()
    line[3:9, 4:11] = False
    halo = inside & ~line
    halo[4:8, 5:10] = False
    assert (drawn[line] == (255, 0, 0)).all()
    assert (drawn[halo] == 0).all()
    assert np.array_equal(drawn[~line & ~halo], PHOTO[~line & ~halo])


def test_boxes_beyond_the_photo_are_cut_and_tuples_are_boxes():
    drawn = overlay.boxes(PHOTO, [(-5, -5, 4, 4), np.array([14, 0, 99, 99])], colour=(1, 2, 3), width=1)
    assert (drawn[:4, 3] == (1, 2, 3)).all()
    assert (drawn[0, :4] == (1, 2, 3)).all()
    assert (drawn[:, 14:] == (1, 2, 3)).all()
    assert np.array_equal(overlay.boxes(PHOTO, [(20, 0, 30, 5), (3, 3, 3, 9)]), PHOTO)


def test_a_mask_keeps_the_inside_and_darkens_the_outside():
    inside = np.zeros((12, 16), bool)
    inside[4:9, 5:12] = True
    lit = overlay.mask(PHOTO, inside, colour=(255, 0, 0))
    border = inside.copy()
    border[5:8, 6:11] = False
    assert np.array_equal(lit[inside & ~border], PHOTO[inside & ~border])
    assert (lit[border] == (255, 0, 0)).all()
    assert lit[~inside].mean() < 0.7 * PHOTO[~inside].mean()


def test_a_mask_of_everything_has_no_border_and_a_small_one_is_enlarged():
    assert np.array_equal(overlay.mask(PHOTO, np.ones((3, 4))), PHOTO)
    lit = overlay.mask(np.full((8, 8), 1.0), np.array([[True, False], [True, False]]), dim=1)
    assert (lit[:, :3] == 255).all()
    assert (lit[:, 4:] < 255).all()
