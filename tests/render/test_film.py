"""Films: what goes in comes out, with its provenance."""

import io

import numpy as np
import pytest
from PIL import Image, ImageSequence

from convviz_widgets.core.errors import BadValue
from convviz_widgets.render.film import apng, gif, thinned

FRAMES = np.random.default_rng(0).integers(0, 256, (5, 24, 30, 3), dtype=np.uint8)


def read(data: bytes) -> tuple[Image.Image, list[np.ndarray], list[float]]:
    film = Image.open(io.BytesIO(data))
    pictures, times = [], []
    for frame in ImageSequence.Iterator(film):
        frame.load()
        times.append(frame.info["duration"])
        pictures.append(np.asarray(frame.convert("RGB")))
    return film, pictures, times


def test_an_animated_png_keeps_every_pixel_time_and_text() -> None:
    film, pictures, times = read(apng(FRAMES, rate=10, hold=2, text={"convviz_widgets": "π" * 2000, "code": "cv"}))
    assert np.array_equal(np.stack(pictures), FRAMES)
    assert times == [100, 100, 100, 100, 2100]
    assert film.text == {"convviz_widgets": "π" * 2000, "code": "cv"}
    assert film.info["loop"] == 0


def test_a_gif_keeps_the_pictures_up_to_its_palette_and_a_comment() -> None:
    ramps = np.zeros((4, 32, 32, 3), np.uint8)
    for step in range(4):
        ramps[step, ..., 0] = np.linspace(0, 255, 32)
        ramps[step, ..., 1] = np.linspace(0, 255, 32)[:, None] * step / 3
    film, pictures, times = read(gif(ramps, rate=20, hold=1, comment="cv.made(lens)" * 40))
    assert times == [50, 50, 50, 1050]
    assert film.info["comment"] == b"cv.made(lens)" * 40
    assert film.info["loop"] == 0
    assert np.abs(np.stack(pictures).astype(int) - ramps).mean() < 8


def test_floats_and_masks_are_pictures_too() -> None:
    _, pictures, _ = read(apng(FRAMES / 255.0))
    assert np.array_equal(np.stack(pictures), FRAMES)
    _, (first, last), _ = read(apng([np.zeros((4, 4), bool), np.ones((4, 4), bool)]))
    assert (first.max(), last.min()) == (0, 255)


def test_a_film_of_one_picture() -> None:
    for made in (gif, apng):
        _, pictures, _ = _read_still(made(FRAMES[:1]))
        assert pictures[0].shape == (24, 30, 3)


def _read_still(data: bytes) -> tuple[Image.Image, list[np.ndarray], list[float]]:
    still = Image.open(io.BytesIO(data))
    return still, [np.asarray(still.convert("RGB"))], []


def test_what_is_no_film_is_refused() -> None:
    for made in (gif, apng):
        with pytest.raises(BadValue, match="1 to 4000 pictures"):
            made([])
        with pytest.raises(BadValue, match="24x30 and 30x24"):
            made([FRAMES[0], FRAMES[0].swapaxes(0, 1)])
        with pytest.raises(BadValue, match="rate"):
            made(FRAMES, rate=0.5)
        with pytest.raises(BadValue, match="hold"):
            made(FRAMES, hold=-1)
        with pytest.raises(BadValue, match="picture"):
            made(FRAMES / 10.0)


def test_thinning_keeps_the_first_and_even_gaps() -> None:
    assert thinned(list(range(100)), 30) == list(range(0, 100, 4))
    assert thinned([1, 2], 2) == [1, 2]
    assert thinned([1, 2], 0) == [1]
