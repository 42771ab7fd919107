"""Every form of picture comes in the same, and bad ones are named."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from convviz_widgets.core.errors import BadType, BadValue, MissingFile
from convviz_widgets.lens.images import decode, each_image
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.preprocess import Preprocess, ResizeCropNormalize

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def tensor(image: Any) -> torch.Tensor:
    return Preprocess(None, 3)(image)


def test_the_same_picture_in_every_form(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    wanted = torch.from_numpy(PIXELS.transpose(2, 0, 1).astype(np.float32) / 255)
    forms = [
        str(tmp_path / "a.png"),
        tmp_path / "a.png",
        Image.fromarray(PIXELS),
        Image.fromarray(PIXELS).convert("RGBA"),
        PIXELS,
        PIXELS.astype(np.float64) / 255,
        PIXELS.astype(np.uint16) * 257,
        wanted,
        torch.from_numpy(PIXELS).permute(2, 0, 1),
        SimpleNamespace(image=PIXELS),
    ]
    for form in forms:
        torch.testing.assert_close(tensor(form), wanted, rtol=0, atol=1e-6)


def test_exif_orientation_is_honoured(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    Image.fromarray(PIXELS).save(tmp_path / "turned.png", exif=exif)
    assert tensor(tmp_path / "turned.png").shape == (3, 30, 20)


def test_transparency_is_laid_over_white() -> None:
    clear = np.zeros((4, 4, 4), dtype=np.uint8)
    assert float(tensor(Image.fromarray(clear)).min()) == 1.0


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "YCbCr", "HSV"])
def test_other_colour_modes(mode: str) -> None:
    picture = Image.fromarray(PIXELS).convert(mode)
    assert isinstance(decode(picture), Image.Image)
    assert tensor(picture).shape == (3, 20, 30)


def test_sixteen_bits_are_scaled_and_not_clipped() -> None:
    deep = Image.fromarray((np.arange(20 * 30).reshape(20, 30) * 109).astype(np.uint16))
    found = Preprocess(None, 1)(deep)
    assert float(found.max()) == pytest.approx(599 * 109 / 65535, abs=0.003)


def test_grey_and_colour_are_turned_into_each_other() -> None:
    grey = Preprocess(None, 1)(PIXELS)
    assert grey.shape == (1, 20, 30)
    luma = torch.from_numpy(PIXELS.astype(np.float32) / 255) @ torch.tensor([0.299, 0.587, 0.114])
    torch.testing.assert_close(grey[0], luma, rtol=0, atol=0.005)
    as_tensor = Preprocess(None, 1)(torch.from_numpy(PIXELS).permute(2, 0, 1))
    torch.testing.assert_close(as_tensor, grey, rtol=0, atol=0.005)
    assert tensor(np.zeros((4, 4))).shape == (3, 4, 4)


def test_torchvisions_own_transform_is_met_to_the_pixel() -> None:
    from torchvision.models import SqueezeNet1_0_Weights

    theirs = SqueezeNet1_0_Weights.DEFAULT.transforms()
    picture = Image.fromarray(PIXELS).resize((320, 280))
    assert torch.equal(Preprocess(theirs, 3)(picture), theirs(picture))
    ours = ResizeCropNormalize(256, 224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert torch.equal(ours(picture), theirs(picture))


def test_the_picture_is_what_was_prepared() -> None:
    transform = ResizeCropNormalize(24, 16, (0.4, 0.5, 0.6), (0.2, 0.2, 0.3))
    lens = Lens(nn.Conv2d(3, 2, 3), preprocess=transform)
    assert lens.input_shape == (3, 16, 16)
    shown = lens.picture(PIXELS)
    assert shown.shape == (16, 16, 3)
    again = torch.from_numpy(shown.astype(np.float32) / 255).permute(2, 0, 1)
    torch.testing.assert_close(lens.preprocess.normalize(again[None])[0], lens.prepare(PIXELS)[0], rtol=0, atol=0.011)


def test_a_user_transform_gets_pillow_pictures() -> None:
    seen: list[Any] = []

    def transform(picture: Any) -> torch.Tensor:
        seen.append(picture)
        return torch.zeros(3, 8, 8)

    Preprocess(transform, 3)(PIXELS)
    Preprocess(transform, 3)(torch.rand(3, 9, 9))
    assert all(isinstance(each, Image.Image) for each in seen)
    with pytest.raises(BadValue, match=r"must give a tensor"):
        Preprocess(lambda picture: picture, 3)(PIXELS)


def test_without_preprocessing_tensors_pass_unchanged() -> None:
    x = torch.randn(3, 5, 5) * 7
    assert torch.equal(tensor(x), x)


def test_lists_batches_and_lazy_sequences() -> None:
    assert len(list(each_image([PIXELS, PIXELS]))) == 2
    assert len(list(each_image(np.stack([PIXELS] * 3)))) == 3
    assert len(list(each_image(torch.zeros(4, 3, 8, 8)))) == 4
    assert len(list(each_image(PIXELS))) == 1


BAD: dict[str, tuple[Any, type[Exception], str]] = {
    "missing": ("no/such.png", MissingFile, "no/such.png"),
    "nan": (np.full((4, 4, 3), np.nan), BadValue, "NaN"),
    "empty": (np.zeros((0, 4, 3), np.uint8), BadValue, "not a picture"),
    "channels first": (np.zeros((3, 40, 41), np.uint8), BadValue, "channels first"),
    "range": (np.full((4, 4, 3), 200.0), BadValue, "Divide by 255"),
    "integers": (torch.zeros(3, 4, 4, dtype=torch.int64), BadType, "uint8"),
    "flat": (np.zeros(7), BadValue, "not a picture"),
    "number": (7, BadType, "Accepted"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_pictures_are_refused_with_the_way_out(name: str) -> None:
    bad, kind, text = BAD[name]
    lens = Lens(nn.Conv2d(3, 2, 3), preprocess=ResizeCropNormalize(8, 8, (0.0,) * 3, (1.0,) * 3))
    with pytest.raises(kind, match=text):
        lens.prepare(bad)


def test_the_place_of_a_bad_picture_is_told(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    lens = Lens(nn.Conv2d(3, 2, 3))
    with pytest.raises(BadValue, match=r"Picture 1: .*broken\.png.*cannot be read"):
        lens.prepare([PIXELS, tmp_path / "broken.png"])
    with pytest.raises(BadValue, match="ImageFolder"):
        lens.prepare(tmp_path)


def test_a_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(BadValue, match="too large"):
        tensor(tmp_path / "large.png")
