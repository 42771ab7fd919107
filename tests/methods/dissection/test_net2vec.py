"""Net2Vec: the union of two planted units needs both; what one unit is, that unit alone is."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convviz_widgets.core.errors import BadValue, UnknownName
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.dissection.dissect import dissect
from convviz_widgets.methods.dissection.net2vec import concept_vectors, net2vec
from convviz_widgets.methods.dissection.vectors import Net2Vec
from tests.methods.dissection.worlds import SIDE, Planted, Warm


@pytest.fixture(scope="module")
def lens() -> Lens:
    return Lens(Planted(), input_size=SIDE)


@pytest.fixture(scope="module")
def warm(lens: Lens) -> Net2Vec:
    return net2vec(lens, Warm(), "conv", "warm", units=[1, 2, 5], steps=80)


def test_the_union_of_two_units_needs_both(warm: Net2Vec) -> None:
    assert warm.iou == 1.0
    assert warm.best_single_iou < 0.8
    assert warm.best_single in (0, 1)
    assert set(np.argsort(-warm.weights)[:2]) == {0, 1}
    assert warm.iou_by_units.tolist()[1:] == [1.0, 1.0]
    assert warm.iou_by_units[0] < 0.8
    assert warm.loss[-1] < 0.3 * warm.loss[0]
    assert warm.pictures == (26, 11)  # of 40, those that have any


def test_what_one_unit_is_needs_no_other(lens: Lens) -> None:
    blue = net2vec(lens, Warm(), "conv", "blue", steps=100, units=[1])
    assert (blue.best_single, blue.best_single_iou, blue.iou, blue.iou_by_units.tolist()) == (2, 1.0, 1.0, [1.0])


def test_the_same_seed_gives_the_same_bits_and_a_report_spares_a_pass(lens: Lens, warm: Net2Vec) -> None:
    assert net2vec(lens, Warm(), "conv", "warm", units=[1, 2, 5], steps=80) == warm
    report = dissect(lens, Warm(), "conv")
    data = Warm()
    again = net2vec(lens, data, "conv", "warm", units=[1, 2, 5], steps=80, report=report)
    assert again == warm
    assert len(data.read) == len(data) + 1
    other = net2vec(lens, Warm(), "conv", "warm", units=[1, 2, 5], steps=80, seed=1)
    assert other.weights.tolist() != warm.weights.tolist()
    assert other.iou == 1.0


def test_its_mask_is_what_was_scored(lens: Lens, warm: Net2Vec) -> None:
    data = Warm()
    for place in range(6):
        sample = data[place]
        assert (warm.mask(lens, sample.image) == (sample.labels["kind"] > 0)).all()


def test_classification_tells_whether_a_concept_is_there(lens: Lens) -> None:
    found = net2vec(lens, Warm(60), "conv", "red", task="classification", steps=200, units=[1])
    assert found.best_single == 0
    assert found.iou > 0.9
    assert found.best_single_iou > 0.9
    data = Warm(60)
    right = [found.map(lens, data[n].image)[0, 0] >= found.cut for n in range(60)]
    assert np.mean(np.array(right) == [(data[n].labels["colour"] == 2).any() for n in range(60)]) > 0.9


def test_vectors_are_compared_and_added(lens: Lens, warm: Net2Vec, tmp_path: Path) -> None:
    vectors = concept_vectors(lens, Warm(), "conv", ["red", "green", "blue", 11], steps=80)
    assert vectors.arithmetic(plus=["red", "green"])[0][0] == "kind: warm"
    assert vectors.arithmetic(plus=["warm"], minus=["red"])[0][0] == "colour: green"
    assert {name for name, _ in vectors.neighbours("warm", 2)} == {"colour: red", "colour: green"}
    np.testing.assert_allclose(np.diag(vectors.similarity()), 1.0, rtol=1e-6)
    np.testing.assert_allclose(vectors["warm"].iou, warm.iou)
    assert type(vectors).load(vectors.save(tmp_path / "vectors")) == vectors
    assert vectors.figure().data[0].x[0] == vectors.iou.max()
    assert warm.figure().data[0].y.tolist() == warm.iou_by_units.tolist()
    with pytest.raises(UnknownName, match="vector"):
        vectors["left"]
    with pytest.raises(BadValue, match="No concept"):
        vectors.arithmetic([])


def test_wrong_arguments(lens: Lens) -> None:
    def call(**changes: Any) -> None:
        given: dict[str, Any] = {"concept": "warm", "steps": 2, **changes}
        net2vec(lens, Warm(20), "conv", **given)

    with pytest.raises(UnknownName, match="task"):
        call(task="detection")
    with pytest.raises(UnknownName, match="concept"):
        call(concept="cold")
    with pytest.raises(BadValue, match="units="):
        call(units=[9])
    with pytest.raises(BadValue, match="steps"):
        call(steps=0)
    report = dissect(Lens(Planted(), input_size=SIDE), Warm(20), "last", quantile=0.05)
    with pytest.raises(BadValue, match="no layer conv"):
        call(report=report)

    class Rare(Warm):
        def __getitem__(self, place: int) -> Any:
            sample = super().__getitem__(place)
            sample.labels["kind"][sample.labels["kind"] > 0] = 11 * (place == 3)
            return sample

    with pytest.raises(BadValue, match="none has warm"):
        net2vec(lens, Rare(20), "conv", "warm", steps=2)
