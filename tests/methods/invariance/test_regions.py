"""Regions as people give them; parts read off label maps; other places of the same shape."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from convviz_widgets.core.errors import BadType, BadValue, UnknownName
from convviz_widgets.core.region import Box
from convviz_widgets.data.concepts import ID_OF
from convviz_widgets.data.mini_broden import MiniBroden
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.preprocess import Preprocess, ResizeCropNormalize
from convviz_widgets.methods.invariance.regions import by_part, elsewhere, part_regions
from tests.known_networks import make


def plain_lens(size: int = 96) -> Lens:
    return Lens(make("residual")[0], input_size=size)


def test_every_form_of_a_region() -> None:
    mask = np.zeros((4, 6))
    mask[1:3, 2:5] = 1
    painted = (mask * 255).astype(np.uint8)
    given = {"a": [Box(2, 1, 5, 3), mask], "b": [painted.tobytes(), mask.astype(bool)], "c": Box(2, 1, 5, 3)}
    found = by_part(given, 2, (4, 6))
    assert list(found) == ["a", "b", "c"]
    assert all(np.array_equal(each, painted) for masks in found.values() for each in masks)
    single = by_part([mask, None, Box(-3, -3, 1, 1)], 3, (4, 6))["part"]
    assert single[1] is None
    assert single[2].sum() == 255
    assert by_part(np.stack([painted, painted]), 2, (4, 6))["part"][1].shape == (4, 6)


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({"eye": [Box(0, 0, 2, 2)]}, BadValue, "'eye' has 1 regions for 2 pictures"),
        ({"eye": [Box(0, 0, 2, 2), Box(6, 0, 9, 9)]}, BadValue, "'eye', picture 1 misses the picture"),
        ({"eye": [Box(2, 2, 2, 4), Box(0, 0, 2, 2)]}, BadValue, "picture 0 misses"),
        ({"eye": [np.zeros((4, 6)), Box(0, 0, 2, 2)]}, BadValue, "covers nothing"),
        ({"eye": [np.zeros((5, 6)), Box(0, 0, 2, 2)]}, BadValue, r"picture 0: A mask of shape \(5, 6\)"),
        ({"eye": [Box(0, 0, 2, 2), None]}, BadValue, "known on 1 of 2 pictures"),
        ({"eye": b"1234"}, BadType, "one region per picture"),
        ({"eye": 3}, BadType, "one region per picture"),
        ({}, BadValue, "No regions"),
    ],
)
def test_regions_that_cannot_be(given, error, text) -> None:
    with pytest.raises(error, match=text):
        by_part(given, 2, (4, 6))


def test_elsewhere_is_the_same_shape_whole_at_every_other_place() -> None:
    mask = np.zeros((5, 6), np.uint8)
    mask[1, 2], mask[2, 3], mask[2, 2] = 255, 128, 7
    moved = elsewhere(mask, 600, np.random.default_rng(0))
    found = {each.tobytes() for each in moved}
    assert mask.tobytes() not in found
    assert len(found) == 4 * 5 - 1
    once = elsewhere(mask, 19, np.random.default_rng(1))
    assert len({each.tobytes() for each in once}) == 19
    for each in moved[:20]:
        rows, columns = np.nonzero(each)
        part = each[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert np.array_equal(part, mask[1:3, 2:4])
    with pytest.raises(BadValue, match="no other place"):
        elsewhere(np.full((3, 3), 255, np.uint8), 2, np.random.default_rng(0))


def test_known_parts_of_the_drawings() -> None:
    data = MiniBroden(200, seed=3)
    found = part_regions(plain_lens(), data, ["eye", "mouth"], within="face", count=2)
    assert len(found.images) == len(found.places) == 2
    for number, place in enumerate(found.places):
        sample = data[place]
        face = sample.labels["object"] == ID_OF["object", "face"]
        for part in ("eye", "mouth"):
            wanted = (sample.labels["part"] == ID_OF["part", part]) & face
            mask = found.regions[part][number]
            assert np.array_equal(mask > 0, wanted)
            assert wanted.sum() >= 9
        assert np.array_equal(found.images[number], sample.image)


def test_labels_follow_the_picture_through_its_preparation() -> None:
    lens = Lens(
        make("residual")[0],
        preprocess=Preprocess(ResizeCropNormalize(20, 16, (0.5,) * 3, (0.5,) * 3), 3),
        input_size=16,
    )
    pixels = np.zeros((40, 40, 3), np.uint8)
    labels = np.zeros((40, 40), np.int64)
    pixels[10:20, 22:34], labels[10:20, 22:34] = 255, 7
    sample = SimpleNamespace(image=Image.fromarray(pixels), labels={"part": labels})
    concepts = (SimpleNamespace(id=7, name="patch", category="part"),)

    class Data(list):
        pass

    data = Data([sample, sample])
    data.concepts = concepts
    mask = part_regions(lens, data, "patch", count=2).regions["patch"][0]
    bright = lens.prepare(sample.image)[0].mean(0) > 0
    assert torch.equal(torch.from_numpy(mask > 0), bright)
    labels[10, 22] = 0
    boxed = part_regions(lens, data, "patch", count=2, shape="box").regions["patch"][0]
    assert np.array_equal(boxed, mask)
    labels[10, 22] = 7
    layered = SimpleNamespace(image=sample.image, labels={"part": np.stack([labels * 0, labels])})
    both = Data([layered, layered])
    both.concepts = concepts
    assert np.array_equal(part_regions(lens, both, "patch", count=2).regions["patch"][0], mask)


def test_parts_that_cannot_be_found() -> None:
    data, lens = MiniBroden(5, seed=3), plain_lens()
    with pytest.raises(UnknownName, match="Nearest: 'ear'"):
        part_regions(lens, data, "eear")
    with pytest.raises(BadValue, match="0 of 5 pictures show sail on 'face'"):
        part_regions(lens, data, "sail", within="face")
    with pytest.raises(BadType, match="no concepts"):
        part_regions(lens, [1, 2], "eye")
    with pytest.raises(BadValue, match="No part"):
        part_regions(lens, data, [])
    with pytest.raises(UnknownName, match="mask"):
        part_regions(lens, data, "eye", shape="round")  # type: ignore[arg-type]
    with pytest.raises(BadValue, match="2 to"):
        part_regions(lens, data, "eye", count=1)
