"""Garbled files, four channels, transforms of every kind: what comes in, or a clear refusal."""

import io
import random
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.transforms import v2

from convviz_widgets.core.errors import BadType, BadValue, ConvvizError, MissingFile
from convviz_widgets.lens.images import decode
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.preprocess import Preprocess, ResizeCropNormalize

PIXELS = np.random.default_rng(1).integers(0, 256, (24, 36, 3), dtype=np.uint8)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
@pytest.mark.filterwarnings("ignore")
def test_a_garbled_file_is_read_or_refused_by_name(form: str, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, form)
    chance, file, refused = random.Random(form), tmp_path / f"garbled.{form.lower()}", list[str]()
    for turn in range(60):
        content = bytearray(buffer.getvalue())
        if turn % 2:
            del content[chance.randrange(len(content)) :]
        else:
            for _ in range(4):
                content[chance.randrange(min(len(content), 200))] = chance.randrange(256)
        file.write_bytes(content)
        try:
            decode(file)
        except ConvvizError as error:
            refused.append(str(error))
    assert len(refused) > 10
    assert all("garbled." in text for text in refused)


def test_reading_leaves_the_filters_of_warnings_alone(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    before = list(warnings.filters)
    decode(tmp_path / "a.png")
    assert list(warnings.filters) == before


@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
def test_sixteen_bit_files_keep_their_range(mode: str, tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 24 * 36).reshape(24, 36).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png" if mode == "I;16" else tmp_path / "deep.tiff")
    file = next(tmp_path.iterdir())
    prepared = Preprocess(None, 1)(file)
    np.testing.assert_allclose(prepared[0].numpy(), values / 65535, atol=0.003)


def test_a_network_of_four_channels_sees_all_four() -> None:
    deep = np.random.default_rng(0).integers(0, 256, (8, 8, 4), dtype=np.uint8)
    wanted = torch.from_numpy(deep.transpose(2, 0, 1).astype(np.float32) / 255)
    assert torch.equal(Preprocess(None, 4)(deep), wanted)
    assert torch.equal(Preprocess(None, 4)(torch.from_numpy(deep).permute(2, 0, 1)), wanted)
    with pytest.raises(BadValue, match="takes 4 channels; this picture has 3"):
        Preprocess(None, 4)(PIXELS)
    over_white = Preprocess(None, 3)(deep)
    as_pillow = Preprocess(None, 3)(Image.fromarray(deep))
    assert torch.equal(over_white, as_pillow)


def test_bytes_come_in_alike_as_array_tensor_and_picture() -> None:
    transform = ResizeCropNormalize(16, 12, (0.4, 0.5, 0.6), (0.2, 0.2, 0.3))
    forms = [PIXELS, torch.from_numpy(PIXELS).permute(2, 0, 1), Image.fromarray(PIXELS), PIXELS[:, ::-1][:, ::-1]]
    prepared = [Preprocess(transform, 3)(form) for form in forms]
    assert all(torch.equal(each, prepared[0]) for each in prepared)


def test_big_endian_and_read_only_arrays_are_taken() -> None:
    big = (PIXELS.astype(np.float32) / 255).astype(">f4")
    big.flags.writeable = False
    torch.testing.assert_close(Preprocess(None, 3)(big), Preprocess(None, 3)(PIXELS))
    with pytest.raises(BadType, match="complex64"):
        decode(PIXELS.astype(np.complex64))


def test_a_transform_for_tensors_alone_gets_tensors() -> None:
    for transform in (
        v2.Normalize([0.5] * 3, [0.25] * 3),
        nn.Sequential(v2.Resize(12), v2.Normalize([0.5] * 3, [0.25] * 3)),
    ):
        prepare = Preprocess(transform, 3)
        resized = v2.functional.resize(torch.from_numpy(PIXELS / 255).permute(2, 0, 1).float(), [12])
        wanted = (resized if isinstance(transform, nn.Sequential) else Preprocess(None, 3)(PIXELS)) * 4 - 2
        torch.testing.assert_close(prepare(PIXELS), wanted, atol=0.02, rtol=0)
        assert prepare.mean == (0.5,) * 3


def test_a_failing_transform_is_told_with_its_own_words() -> None:
    def broken(picture: Any) -> torch.Tensor:
        raise ValueError("no such crop")

    with pytest.raises(BadValue, match=r"preprocess` failed on a picture of size \(36, 24\): ValueError: no such crop"):
        Preprocess(broken, 3)(PIXELS)
    assert Preprocess(lambda _: np.zeros((3, 5, 5)), 3)(PIXELS).shape == (3, 5, 5)
    with pytest.raises(BadValue, match="it gave 2"):
        Preprocess(lambda _: torch.zeros(2, 3, 5, 5), 3)(PIXELS)


def test_the_place_of_a_missing_file_is_told_in_a_list_and_not_for_one() -> None:
    lens = Lens(nn.Conv2d(3, 2, 3), input_size=8)
    with pytest.raises(MissingFile, match=r"Picture 1: There is no picture 'gone\.png'"):
        lens.prepare([PIXELS, "gone.png"])
    with pytest.raises(MissingFile, match=r"^There is no picture"):
        lens.prepare("gone.png")


def test_a_lazy_sequence_is_read_item_by_item() -> None:
    class Lazy:
        def __len__(self) -> int:
            return 3

        def __getitem__(self, index: int) -> np.ndarray:
            if index > 2:
                raise IndexError(index)
            return np.full((4, 4, 3), index * 10, np.uint8)

    batch = Lens(nn.Conv2d(3, 2, 3), input_size=4).prepare(Lazy())
    torch.testing.assert_close(batch[:, 0, 0, 0] * 255, torch.tensor([0.0, 10.0, 20.0]))


def test_one_value_that_is_not_finite_is_seen_and_large_ones_pass() -> None:
    for wrong in (float("nan"), float("inf"), -float("inf")):
        image = torch.zeros(3, 4, 5)
        image[1, 2, 3] = wrong
        with pytest.raises(BadValue, match="NaN or infinite"):
            decode(image, strict=False)
    opposite = torch.zeros(3, 4, 5)
    opposite[0, 0, 0], opposite[2, 3, 4] = float("inf"), -float("inf")
    with pytest.raises(BadValue, match="NaN or infinite"):
        decode(opposite, strict=False)
    large = torch.full((3, 4, 5), 3e38)  # their sum is infinite, they are not
    assert torch.equal(decode(large, strict=False), large)
