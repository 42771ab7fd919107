"""Names and thumbnails of pictures."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convviz_widgets.core.errors import BadType, UnknownName
from convviz_widgets.widgets.album import THUMBNAIL, Album, _small

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 90, 3), dtype=np.uint8)


def test_names_are_unique(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        Image.fromarray(PIXELS).save(tmp_path / folder / "cat.png")
    album = Album([tmp_path / "a" / "cat.png", str(tmp_path / "b" / "cat.png"), PIXELS])
    assert list(album) == ["cat.png", "cat.png (2)", "image 2"]
    assert album.add("cat.png", PIXELS) == "cat.png (3)"
    assert next(iter(album)) == "cat.png (3)"
    assert album.name_of(1) == "cat.png (2)"
    with pytest.raises(UnknownName, match=r"'cat\.png'"):
        album["cat.pn"]


def test_a_sequence_is_not_read_for_its_names() -> None:
    class Drawn:
        def __len__(self) -> int:
            return 5000

        def __getitem__(self, place: int) -> np.ndarray:
            if place:
                raise AssertionError("read without need")
            return PIXELS

    assert len(Album(Drawn())) == 5000


@pytest.mark.parametrize(
    "image",
    [
        PIXELS,
        PIXELS / 255,
        PIXELS[:, :, 0],
        Image.fromarray(PIXELS),
        torch.from_numpy(PIXELS).permute(2, 0, 1),
        torch.randn(1, 9, 9),
    ],
)
def test_thumbnails_of_every_form(image: object) -> None:
    thumbnail = Image.open(BytesIO(Album([image]).thumbnail("image 0")))
    assert max(thumbnail.size) <= max(THUMBNAIL, 9)


def test_single_pictures_and_nonsense() -> None:
    assert len(Album(PIXELS)) == 1
    assert len(Album([])) == 0
    with pytest.raises(BadType, match="int"):
        Album(7)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_thumbnails_of_pictures_that_are_no_numbers(bad: float) -> None:
    broken = np.full((8, 8, 3), 0.5, np.float32)
    broken[2, 3] = bad
    small = _small(broken)
    assert small[2, 3].tolist() == [0, 0, 0]
    assert set(np.delete(small.reshape(-1, 3), 2 * 8 + 3, 0).ravel()) == {128}
