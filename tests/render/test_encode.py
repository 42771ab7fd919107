"""Pictures come back bit for bit; maps come back within half a level, whatever is in them."""

import base64
import io
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from convviz_widgets.core.errors import BadValue
from convviz_widgets.render import encode

SHAPES = [(5, 7), (5, 7, 3), (5, 7, 4), (1, 1)]


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_png_keeps_every_bit_and_its_text(shape):
    picture = noise(*shape)
    data = encode.png(picture, text={"made by": "ünï ✓ " * 400, "short": "x"})
    assert np.array_equal(encode.read(data), picture)
    with Image.open(io.BytesIO(data)) as file:
        assert file.text == {"made by": "ünï ✓ " * 400, "short": "x"}


def test_a_view_of_any_strides_is_encoded_as_it_looks():
    picture = noise(6, 8, 3)
    for view in (picture[::-1, ::2], picture.transpose(1, 0, 2), picture[..., ::-1]):
        assert np.array_equal(encode.read(encode.png(view)), view)


def test_floats_are_rounded_to_the_nearest_level_and_masks_are_black_and_white():
    levels = np.arange(256) / 255
    assert np.array_equal(encode.pixels(levels[None].astype(np.float32))[0], np.arange(256))
    assert encode.pixels(np.array([[0.4999 / 255, 0.5001 / 255, 1.0005, -0.0005]])).tolist() == [[0, 1, 255, 0]]
    assert encode.pixels(np.array([[True, False]])).tolist() == [[255, 0]]


@pytest.mark.parametrize(
    ("image", "told"),
    [
        (np.zeros((3, 8, 9)), "moveaxis"),
        (np.zeros(4), "shape"),
        (np.zeros((0, 4)), "none of them 0"),
        (np.zeros((2, 2), np.int64), "int64"),
        (np.full((2, 2), 255.0), "Divide by 255"),
        (np.full((2, 2), -0.5), "np.clip"),
        (np.array([[0.0, np.nan]]), "finite"),
        (np.array([[0.0, np.inf]]), "finite"),
    ],
)
def test_what_is_no_picture_is_refused_with_the_way_out(image, told):
    with pytest.raises(BadValue, match=told):
        encode.png(image)


def test_jpeg_is_small_and_near():
    y, x = np.mgrid[:96, :96] / 95
    picture = np.stack([x, y, (x + y) / 2], axis=2)
    data = encode.jpeg(picture)
    assert len(data) < len(encode.png(noise(96, 96, 3))) / 5
    assert np.abs(encode.read(data) / 255 - picture).max() < 0.05
    assert len(encode.jpeg(picture, quality=30)) < len(data)
    with pytest.raises(BadValue, match="transparency"):
        encode.jpeg(noise(4, 4, 4))
    with pytest.raises(BadValue, match="quality=0"):
        encode.jpeg(picture, quality=0)


def test_a_data_uri_holds_the_bytes():
    head, _, body = encode.data_uri(b"\x00\xff", "image/jpeg").partition(",")
    assert head == "data:image/jpeg;base64"
    assert base64.b64decode(body) == b"\x00\xff"


FLOATS = st.floats(width=32, allow_nan=True, allow_infinity=True)


@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=3, max_dims=3, max_side=4), elements=FLOATS))
def test_planes_are_within_half_a_level_and_exact_at_both_ends(maps):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        codes, low, high = encoded = encode.planes(maps)
        back = encode.decode(encoded)
    assert (codes.dtype, low.dtype, high.dtype) == (np.uint8, np.float32, np.float32)
    assert np.array_equal(encode.broken(maps), (~np.isfinite(maps)).sum(axis=(1, 2)))
    for plane, code, first, last, again in zip(maps, codes, low, high, back, strict=True):
        finite = np.isfinite(plane)
        assert not code[np.isnan(plane) | (plane == -np.inf)].any()
        if not finite.any():
            assert np.isnan([first, last]).all()
            continue
        assert (first, last) == (plane[finite].min(), plane[finite].max())
        span = float(last) - float(first)
        rounding = span * 1e-5 + np.spacing(np.abs(plane[finite].astype(np.float64))) * 2**29
        error = np.abs(plane[finite].astype(np.float64) - again[finite].astype(np.float64))
        assert (error <= span / 510 + rounding).all()
        assert np.array_equal(again[plane == first], plane[plane == first])
        assert np.array_equal(again[plane == last], plane[plane == last])
        if first < last:
            assert (code[plane == np.inf] == 255).all()
            assert (code[plane == last] == 255).all()


def test_each_plane_has_its_own_range_and_a_constant_one_is_zero():
    maps = np.stack([np.linspace(-1, 1, 256).reshape(16, 16), np.full((16, 16), 7.5), np.eye(16) * 1e6])
    codes, low, high = encode.planes(maps)
    assert np.array_equal(codes[0].ravel(), np.arange(256))
    assert (low.tolist(), high.tolist()) == ([-1, 7.5, 0], [1, 7.5, 1e6])
    assert not codes[1].any()
    assert np.array_equal(codes[2], np.eye(16) * 255)
    assert np.array_equal(encode.decode((codes, low, high))[1], maps[1])


def test_planes_of_every_type_and_none():
    maps = np.arange(12).reshape(1, 3, 4)
    expected = encode.planes(maps.astype(np.float32)).codes
    for kind in (np.float16, np.float64, np.int64, np.uint8):
        assert np.array_equal(encode.planes(maps.astype(kind)).codes, expected)
    assert np.array_equal(encode.planes(maps.transpose(0, 2, 1)).codes, expected.transpose(0, 2, 1))
    assert encode.planes(np.zeros((0, 3, 4))).codes.shape == (0, 3, 4)
    assert encode.planes(np.array([[[1e300, 0.0, -1e300]]])).codes.tolist() == [[[0, 0, 0]]]  # one finite value


@pytest.mark.parametrize("shape", [(3, 4), (1, 0, 4), (1, 2, 3, 4)])
def test_maps_of_another_shape_are_refused(shape):
    with pytest.raises(BadValue, match="Accepted"):
        encode.planes(np.zeros(shape))
