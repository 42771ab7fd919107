"""What every labelled dataset has in common."""

import hashlib
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from convviz_widgets.core.errors import UnknownName
from convviz_widgets.data.broden import Broden
from convviz_widgets.data.labelled import LabelledImages, Labels, Sample, digest_of
from convviz_widgets.data.mini_broden import MiniBroden
from convviz_widgets.data.segmentation_folder import SegmentationFolder
from tests.data import miniature_broden as miniature
from tests.data.test_segmentation_folder import NAMES, fill


@pytest.fixture(params=["mini", "broden", "folder"])
def data(request: pytest.FixtureRequest, tmp_path: Path) -> LabelledImages[Sample]:
    if request.param == "mini":
        return MiniBroden(count=4)
    if request.param == "broden":
        return Broden(miniature.write(tmp_path / "broden"))
    return SegmentationFolder(**fill(tmp_path, *"abcd"), names=NAMES, ignore=3, colours=True, scenes="folder")


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


def test_a_dataset_travels_to_another_process(data: LabelledImages[Sample]) -> None:
    there = pickle.loads(pickle.dumps(data[1:]))
    assert there.digest == data[1:].digest
    assert there.concepts == data.concepts
    for here, sample in zip(data[1:], there, strict=True):
        assert sample.index == here.index
        assert all(np.array_equal(sample.labels[each], labels) for each, labels in here.labels.items())


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
