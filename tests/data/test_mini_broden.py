"""The drawings: the same whenever they are asked for, labelled truly, and varied independently."""

from collections import Counter

import numpy as np
import pytest

from convviz_widgets.core.errors import BadType, BadValue
from convviz_widgets.data.concepts import BY_CATEGORY, CONCEPTS, ID_OF
from convviz_widgets.data.mini_broden import Drawing, MiniBroden

LEAST = {"scene": 6, "object": 12, "part": 15, "material": 6, "texture": 8, "colour": 11}


@pytest.fixture(scope="module")
def samples() -> list[Drawing]:
    return list(MiniBroden(count=400, seed=5))


def test_a_drawing_is_the_same_in_any_order() -> None:
    images = MiniBroden(count=50, seed=3)
    backwards = [images[place].image for place in (7, 3, 0)]
    assert all(np.array_equal(images[place].image, each) for place, each in zip((7, 3, 0), backwards, strict=True))
    assert np.array_equal(images[3].image, MiniBroden(count=9, seed=3)[3].image)
    assert not np.array_equal(images[3].image, MiniBroden(count=9, seed=4)[3].image)
    assert not np.array_equal(images[3].image, images[4].image)


def test_a_batch_is_the_same_drawings_without_labels() -> None:
    images = MiniBroden(count=10, seed=3)
    pixels, targets = images.batch([4, 1])
    assert np.array_equal(pixels[0], images[4].image)
    assert targets.tolist() == [images[4].target, images[1].target]


def test_slices_and_places() -> None:
    images = MiniBroden(count=10, seed=3)
    assert len(images[2:8:2]) == 3
    assert np.array_equal(images[2:8:2][1].image, images[4].image)
    assert images[-1].index == 9
    assert images[2:8].digest != images.digest
    with pytest.raises(IndexError):
        images[10]
    with pytest.raises(BadType, match="whole number"):
        images["a"]  # type: ignore[call-overload]
    with pytest.raises(BadValue, match="count=0"):
        MiniBroden(count=0)
    with pytest.raises(BadType, match=r"2\.5"):
        MiniBroden(count=2.5)  # type: ignore[arg-type]


def test_there_are_enough_concepts_and_each_occurs(samples: list[Drawing]) -> None:
    seen = {int(each) for sample in samples for labels in sample.labels.values() for each in np.unique(labels)} - {0}
    for category, least in LEAST.items():
        assert len(BY_CATEGORY[category]) >= least
    assert seen == {concept.id for concept in CONCEPTS}


def test_labels_are_of_their_category(samples: list[Drawing]) -> None:
    category_of = {concept.id: concept.category for concept in CONCEPTS}
    for sample in samples[:60]:
        assert set(sample.labels) == set(BY_CATEGORY)
        for category, labels in sample.labels.items():
            assert labels.shape == sample.image.shape[:2]
            assert all(category_of[int(each)] == category for each in np.unique(labels) if each)
        assert (sample.labels["colour"] > 0).all()
        assert len(np.unique(sample.labels["scene"])) == 1


def test_the_target_is_the_largest_object(samples: list[Drawing]) -> None:
    right = 0
    for sample in samples:
        counts = Counter(sample.labels["object"][sample.labels["object"] > 0].tolist())
        name = MiniBroden.class_names[sample.target]
        right += counts.most_common(1)[0][0] == ID_OF["object", name]
    assert right >= 0.99 * len(samples)


def test_parts_lie_where_they_are_labelled_and_on_the_object(samples: list[Drawing]) -> None:
    assert np.mean([len(sample.parts) for sample in samples]) > 2
    for sample in samples:
        mine = ID_OF["object", MiniBroden.class_names[sample.target]]
        for part in sample.parts:
            assert sample.labels["part"][int(part.y), int(part.x)] == part.concept
            assert sample.labels["object"][int(part.y), int(part.x)] == mine
            assert part.radius > 0


def strength(table: np.ndarray) -> float:
    """Cramer's V of a contingency table: 0 for independent, 1 for one deciding the other."""
    table = table[table.sum(1) > 0][:, table.sum(0) > 0]
    expected = table.sum(1, keepdims=True) * table.sum(0, keepdims=True) / table.sum()
    chi2 = ((table - expected) ** 2 / expected).sum()
    return float(np.sqrt(chi2 / table.sum() / (min(table.shape) - 1)))


def test_scene_texture_and_colour_do_not_tell_the_object(samples: list[Drawing]) -> None:
    for category in ("scene", "texture"):
        names = BY_CATEGORY[category]
        table = np.zeros((len(MiniBroden.class_names), len(names)))
        for sample in samples:
            inside = sample.labels["object"] > 0
            labels = sample.labels[category][inside]
            found = Counter(labels[labels > 0].tolist())
            if found:
                table[sample.target, found.most_common(1)[0][0] - ID_OF[category, names[0]]] += 1
        chance = np.sqrt((len(names) - 1) * (len(table) - 1) / table.sum() / (min(table.shape) - 1))
        assert strength(table) < 1.35 * chance, category


def test_objects_move_and_change_size(samples: list[Drawing]) -> None:
    middles = np.array([np.argwhere(sample.labels["object"] > 0).mean(0) for sample in samples])
    sizes = np.array([(sample.labels["object"] > 0).mean() for sample in samples])
    assert (middles.std(0) > 6).all()
    assert sizes.max() > 3 * np.percentile(sizes, 5)
