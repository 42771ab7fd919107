"""What every labelled dataset has in common."""

import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest

from convviz_widgets.core.errors import UnknownName
from convviz_widgets.data.broden import Broden
from convviz_widgets.data.labelled import LabelledImages, Labels, Sample, digest_of
from convviz_widgets.data.mini_broden import MiniBroden
from tests.data import miniature_broden as miniature


@pytest.fixture(params=["mini", "broden"])
def data(request: pytest.FixtureRequest, tmp_path: Path) -> LabelledImages[Sample]:
    return MiniBroden(count=4) if request.param == "mini" else Broden(miniature.write(tmp_path / "broden"))


def test_the_protocol_holds(data: LabelledImages[Sample]) -> None:
    assert [concept.id for concept in data.concepts] == list(range(1, len(data.concepts) + 1))
    assert {concept.category for concept in data.concepts} <= set(data.categories)
    for index, sample in enumerate(data):
        assert sample.index == index
        for category, labels in sample.labels.items():
            assert labels.dtype.kind == "i"
            assert labels.ndim in (2, 3)
            assert {data.concepts[int(each) - 1].category for each in np.unique(labels) if each} <= {category}


def test_slices_of_slices_are_the_same_pictures(data: LabelledImages[Sample]) -> None:
    assert [sample.index for sample in data[1:][1:]] == [2, 3]
    assert data[1:][1:].digest == data[2:].digest
    assert data[::-1].digest != data.digest
    assert len(data[4:]) == 0


def test_a_map_is_read_once_and_only_when_asked() -> None:
    asked = []

    def read(category: str) -> np.ndarray:
        asked.append(category)
        return np.zeros((2, 2), np.int32)

    labels = Labels(("object", "scene"), read)
    assert "scene" in labels
    assert list(labels) == ["object", "scene"]
    assert asked == []
    assert labels["scene"] is labels["scene"]
    assert asked == ["scene"]
    with pytest.raises(UnknownName, match="'part'"):
        labels["part"]


def test_a_digest_tells_kind_contents_and_choice_apart() -> None:
    whole = digest_of("a", b"x", range(4))
    assert whole == digest_of("a", b"x", np.arange(4))
    assert (
        len({whole, digest_of("b", b"x", range(4)), digest_of("a", b"y", range(4)), digest_of("a", b"x", range(3))})
        == 4
    )
    by_hand = hashlib.sha256(hashlib.sha256(b"x").digest() + struct.pack("<2q", 0, 1)).hexdigest()
    assert digest_of("a", b"x", range(2)) == f"a-{by_hand[:32]}"
