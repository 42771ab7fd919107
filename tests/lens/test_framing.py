"""Boxes from a picture into what the network sees, and back, held against the arithmetic of the transforms."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2
from torchvision.transforms._presets import ImageClassification
from torchvision.transforms.v2 import functional

from convviz_widgets.core.errors import UnsupportedModel
from convviz_widgets.lens.framing import Framing, framing_of, picture_size
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.preprocess import Preprocess, ResizeCropNormalize

SIZES = [(480, 640), (375, 500), (500, 333), (9, 31), (97, 31), (224, 224), (60, 80), (301, 299)]
TENSOR = (v2.PILToTensor(), v2.ConvertImageDtype())
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def classic(size: tuple[int, int], *, resize: int, crop: int) -> Framing:
    """What resizing the shorter side and cropping the middle does, by torchvision's arithmetic."""
    short = min(size)
    lengths = [resize if side == short else int(resize * side / short) for side in size]
    scale = tuple(after / before for after, before in zip(lengths, size, strict=True))
    shift = tuple(-float(round((length - crop) / 2)) for length in lengths)
    return Framing(size, (crop, crop), scale, shift)


def apart(one: Framing, other: Framing) -> float:
    """The largest distance, in pixels of the picture, between the parts of it that are seen (uncut)."""
    corners = [
        [(edge - each.shift[axis]) / each.scale[axis] for axis in (0, 1) for edge in (0, each.prepared[axis])]
        for each in (one, other)
    ]
    return float(np.abs(np.subtract(*corners)).max())


def letterbox(side: int, *, resample: Image.Resampling = Image.Resampling.BILINEAR) -> Callable[[Any], torch.Tensor]:
    """The whole picture, its longer side brought to a length, on grey."""

    def transform(image: Image.Image) -> torch.Tensor:
        scale = side / max(image.size)
        small = image.resize([max(1, round(length * scale)) for length in image.size], resample)
        whole = Image.new("RGB", (side, side), (114, 114, 114))
        whole.paste(small, ((side - small.width) // 2, (side - small.height) // 2))
        return functional.to_dtype(functional.pil_to_tensor(whole), torch.float32, scale=True)

    return transform


@pytest.mark.parametrize("size", SIZES)
def test_the_classic_transform_follows_its_arithmetic(size: tuple[int, int]) -> None:
    for resize, crop in ((256, 224), (96, 96), (40, 33)):
        transform = ResizeCropNormalize(resize, crop, tuple(MEAN), tuple(STD))
        found, wanted = framing_of(Preprocess(transform, 3), size), classic(size, resize=resize, crop=crop)
        assert found.prepared == (crop, crop)
        assert apart(found, wanted) < 0.01 * max(1.0, min(size) / resize)


@pytest.mark.parametrize("size", [(480, 640), (333, 500)])
def test_torchvisions_preset_follows_the_same_arithmetic(size: tuple[int, int]) -> None:
    transform = ImageClassification(crop_size=224, resize_size=256, mean=MEAN, std=STD)
    assert apart(framing_of(Preprocess(transform, 3), size), classic(size, resize=256, crop=224)) < 0.02


@pytest.mark.parametrize("size", [(480, 640), (500, 333), (1200, 1601), (97, 31)])
def test_pictures_of_256_levels_are_placed_to_a_fraction_of_a_pixel(size: tuple[int, int]) -> None:
    interpolations = (v2.InterpolationMode.BILINEAR, v2.InterpolationMode.BICUBIC, v2.InterpolationMode.NEAREST)
    for interpolation in interpolations:
        steps = [v2.Resize(128, interpolation), v2.CenterCrop(112), *TENSOR]
        found = framing_of(Preprocess(v2.Compose([*steps, v2.Normalize(MEAN, STD)]), 3), size)
        wanted = classic(size, resize=128, crop=112)
        pixel = min(size) / 128
        rough = 0.6 if interpolation is v2.InterpolationMode.NEAREST else 0.1
        assert apart(found, wanted) < rough * max(1.0, pixel), (interpolation, apart(found, wanted))


@pytest.mark.parametrize("size", [(480, 640), (640, 427), (33, 50), (1000, 200)])
def test_a_letterbox_shows_the_whole_picture(size: tuple[int, int]) -> None:
    found = framing_of(Preprocess(letterbox(160), 3), size)
    height, width = size
    scale = 160 / max(size)
    inner = [max(1, round(length * scale)) for length in size]
    wanted = [(160 - inner[0]) // 2, (160 - inner[1]) // 2]
    left, top, right, bottom = found.into((0, 0, width, height))
    assert np.allclose([left, top], wanted[::-1], atol=0.3)
    assert np.allclose([right - left, bottom - top], inner[::-1], atol=0.4)
    assert np.allclose(found.seen, (0, 0, width, height), atol=0.5 / scale)


def test_stretching_mirroring_and_padding() -> None:
    stretched = framing_of(Preprocess(v2.Compose([v2.Resize((64, 64)), *TENSOR]), 3), (100, 300))
    assert np.allclose(stretched.scale, (0.64, 64 / 300), rtol=5e-3)
    mirrored = framing_of(Preprocess(v2.Compose([v2.RandomHorizontalFlip(1.0), *TENSOR]), 3), (40, 60))
    assert np.allclose(mirrored.into((0, 0, 20, 10)), (40, 0, 60, 10), atol=0.3)
    assert np.allclose(mirrored.back((40, 0, 60, 10)), (0, 0, 20, 10), atol=0.3)
    padded = framing_of(Preprocess(v2.Compose([v2.Pad([3, 5]), *TENSOR]), 3), (40, 60))
    assert np.allclose(padded.into((0, 0, 60, 40)), (3, 5, 63, 45), atol=0.3)


def test_without_a_transform_nothing_moves() -> None:
    found = framing_of(Preprocess(None, 3), (7, 9))
    assert found == Framing((7, 9), (7, 9), (1.0, 1.0), (0.0, 0.0))


def test_a_box_goes_there_and_back() -> None:
    framing = framing_of(Preprocess(ResizeCropNormalize(256, 224, tuple(MEAN), tuple(STD)), 3), (375, 500))
    box = (130.0, 60.0, 301.5, 222.25)
    assert np.allclose(framing.back(framing.into(box)), box)
    assert np.allclose(framing.back((-500, -500, 1000, 1000)), (0, 0, 500, 375))  # cut off at the picture's edges
    assert framing.into((0, 0, 500, 375))[0] < 0  # what is cropped away lies outside


def test_a_square_lands_where_its_box_does() -> None:
    lens = Lens.load("mini")
    picture = np.full((150, 211, 3), 30, dtype=np.uint8)
    picture[40:90, 70:160] = 230
    framing = framing_of(lens.preprocess, picture.shape[:2])
    left, top, right, bottom = framing.into((70, 40, 160, 90))
    rows, columns = np.nonzero(lens.picture(picture)[:, :, 0] > 130)
    assert abs(columns.min() - left) <= 0.6
    assert abs(rows.min() - top) <= 0.6
    assert abs(columns.max() + 1 - right) <= 0.6
    assert abs(rows.max() + 1 - bottom) <= 0.6


def test_one_channel() -> None:
    transform = v2.Compose([v2.Resize((20, 20)), *TENSOR, v2.Normalize([0.5], [-0.5])])
    assert np.allclose(framing_of(Preprocess(transform, 1), (40, 80)).scale, (0.5, 0.25), rtol=0.01)


@pytest.mark.parametrize(
    ("transform", "why"),
    [
        (v2.Compose([v2.RandomRotation((30, 30)), *TENSOR]), "stay straight"),
        (v2.Compose([v2.RandomCrop(24), *TENSOR]), "different ways"),
        (lambda _: torch.zeros(3, 8, 8), "alike"),
        (lambda image: functional.pil_to_tensor(image).float()[:, ::2, ::2].permute(0, 2, 1), "stay straight"),
    ],
)
def test_what_cannot_be_followed_is_told(transform: Any, why: str) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        with pytest.raises(UnsupportedModel, match=why):
            framing_of(Preprocess(transform, 3), (60, 90))


def test_of_a_line_of_pixels_too_little_is_seen() -> None:
    with pytest.raises(UnsupportedModel, match="too little"):
        framing_of(Preprocess(v2.Compose([v2.Resize((20, 20)), *TENSOR]), 3), (1, 7))


def test_the_size_of_a_picture() -> None:
    assert picture_size(Image.new("RGB", (7, 5))) == (5, 7)
    assert picture_size(torch.zeros(3, 5, 7)) == (5, 7)


def test_labels_go_where_their_pixels_go() -> None:
    lens = Lens.load("mini")
    maps = np.zeros((2, 150, 211), dtype=np.int16)
    maps[0, 40:90, 70:160], maps[1, :75] = 7, 3
    picture = np.where(maps[0, :, :, None] > 0, 230, 30).repeat(3, axis=2).astype(np.uint8)
    framing = framing_of(lens.preprocess, picture.shape[:2])
    seen = framing.labels(maps, framing.prepared)
    assert ((seen[0] == 7) != (lens.picture(picture)[:, :, 0] > 130)).mean() < 0.01
    assert (seen[1, :48] == 3).all()
    assert (seen[1, 48:] == 0).all()
    half = framing.labels(maps[:, ::2, ::2], (48, 48))  # maps and grids of any size
    assert (half != seen[:, ::2, ::2]).mean() < 0.03


def test_mirrored_labels_and_labels_outside_the_picture() -> None:
    maps = np.arange(1, 13, dtype=np.uint8).reshape(3, 4)
    mirrored = Framing((3, 4), (3, 4), scale=(1.0, -1.0), shift=(0.0, 4.0))
    assert np.array_equal(mirrored.labels(maps, (3, 4)), maps[:, ::-1])
    padded = Framing((3, 4), (5, 4), scale=(1.0, 1.0), shift=(1.0, 0.0))
    assert np.array_equal(padded.labels(maps, (5, 4)), np.pad(maps, ((1, 1), (0, 0))))
