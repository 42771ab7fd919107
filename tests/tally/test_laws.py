"""The laws of every tally: any order, any partition, any number of workers, the same bits; and the right answer."""

import io
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convviz_widgets.core.errors import BadValue
from convviz_widgets.tally.moments import Moments
from convviz_widgets.tally.overlap import Overlap
from convviz_widgets.tally.quantile import Quantile
from convviz_widgets.tally.top_k import TopK

MAKERS: dict[str, Callable[[], Any]] = {"top": lambda: TopK(4), "quantile": Quantile, "moments": Moments}
UNITS = 3


def maps(count: int, seed: int) -> torch.Tensor:
    """Activations (N, K, h, w) with ties, zeros, and values of very different size."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(count, UNITS, 3, 2)) * 10.0 ** rng.integers(-20, 20, (count, UNITS, 1, 1))
    values[rng.random(values.shape) < 0.3] = 0.0
    return torch.from_numpy(np.round(values, 3).astype(np.float32))


def bits(tally: Any) -> dict[str, bytes]:
    return {name: np.asarray(array).tobytes() for name, array in tally.state().items()}


def through_a_file(tally: Any, make: Callable[[], Any]) -> Any:
    stream = io.BytesIO()
    np.savez(stream, **tally.state())
    stream.seek(0)
    again = make()
    again.restore(dict(np.load(stream, allow_pickle=False)))
    return again


@pytest.mark.parametrize("name", MAKERS)
@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(1, 14), seed=st.integers(0, 999), cuts=st.lists(st.integers(0, 14), max_size=4), data=st.data()
)
def test_every_partition_and_every_order_of_merging_gives_the_same_bits(
    name: str, count: int, seed: int, cuts: list[int], data: st.DataObject
) -> None:
    make, values = MAKERS[name], maps(count, seed)
    whole = make()
    whole.add(values, torch.arange(count))
    order = torch.tensor(data.draw(st.permutations(range(count))))
    edges = sorted({0, count, *(cut for cut in cuts if cut < count)})
    parts = []
    for start, end in itertools.pairwise(edges):
        part = make()
        part.add(values[order[start:end]], order[start:end])
        parts.append(through_a_file(part, make) if start % 2 else part)
    while len(parts) > 1:
        first = parts.pop(data.draw(st.integers(0, len(parts) - 1)))
        second = parts.pop(data.draw(st.integers(0, len(parts) - 1)))
        first.merge(second)
        parts.append(first)
    merged = make()
    merged.merge(make())  # an empty tally changes nothing
    merged.merge(parts[0])
    assert bits(merged) == bits(whole)


@settings(max_examples=30, deadline=None)
@given(count=st.integers(1, 12), seed=st.integers(0, 999))
def test_top_k_equals_a_search(count: int, seed: int) -> None:
    values = maps(count, seed)
    tally = TopK(4)
    tally.add(values, torch.arange(count))
    top = tally.value()
    for unit in range(UNITS):
        strongest = [(-float(values[n, unit].max()), n) for n in range(count)]
        wanted = [n for _, n in sorted(strongest)][:4]
        assert top.index[unit, : len(wanted)].tolist() == wanted
        assert (top.index[unit, len(wanted) :] == -1).all()
        assert np.isnan(top.activation[unit, len(wanted) :]).all()
        for place, n in enumerate(wanted):
            row, column = top.position[unit, place]
            assert float(values[n, unit, row, column]) == float(values[n, unit].max()) == top.activation[unit, place]
            earlier = values[n, unit].flatten()[: row * 2 + column]
            assert bool((earlier < values[n, unit].max()).all())


def test_quantiles_are_right_to_a_fifth_of_a_percent() -> None:
    rng = np.random.default_rng(0)
    values = torch.from_numpy(
        (rng.gamma(2.0, size=(400, UNITS, 5, 5)) * [[[[1.0]], [[100.0]], [[-3.0]]]]).astype(np.float32)
    )
    tally = Quantile()
    tally.add(values, torch.arange(400))
    flat = values.transpose(0, 1).flatten(1).numpy()
    for share in (0.005, 0.05, 0.5):
        found, k = tally.value(share), int(share * flat.shape[1])
        ordered = np.sort(flat, axis=1)
        below, above = ordered[:, -k - 1], ordered[:, -k]  # the true threshold lies between these two
        assert (found >= below - 0.002 * np.abs(below)).all()
        assert (found <= above + 0.002 * np.abs(above)).all()
        np.testing.assert_allclose((flat > tally.value(share)[:, None]).mean(1), share, rtol=0.12, atol=2e-4)


def test_quantiles_of_constant_and_silent_units() -> None:
    tally = Quantile()
    tally.add(torch.tensor([[0.0, 5.0]] * 10), torch.arange(10))
    assert tally.value(0.005)[0] == 0.0
    assert tally.value(0.005)[1] == pytest.approx(5.0, rel=2e-3)
    with pytest.raises(BadValue, match="between 0 and 1"):
        tally.value(1.5)


def test_quantile_memory_has_a_bound() -> None:
    tally = Quantile()
    sizes = []
    for seed in range(40):
        tally.add(torch.randn(64, 2, 4, 4, generator=torch.Generator().manual_seed(seed)), torch.arange(64))
        sizes.append(tally.state()["counts"].size)
    assert sizes[-1] - sizes[-11] < 0.1 * sizes[-1]


@settings(max_examples=30, deadline=None)
@given(count=st.integers(1, 12), seed=st.integers(0, 999))
def test_moments_are_correctly_rounded(count: int, seed: int) -> None:
    from fractions import Fraction

    values = maps(count, seed)
    tally = Moments()
    tally.add(values, torch.arange(count))
    found = tally.value()
    for unit in range(UNITS):
        numbers = [Fraction(each) for each in values[:, unit].flatten().double().tolist()]
        mean = sum(numbers) / len(numbers)
        variance = sum((each - mean) ** 2 for each in numbers) / len(numbers)
        assert found.mean[unit] == float(mean)
        assert found.variance[unit] == float(variance)
        assert found.minimum[unit] == float(min(numbers))
        assert found.maximum[unit] == float(max(numbers))
    assert found.count == values[:, 0].numel()


def plain_iou(masks: np.ndarray, labels: dict[str, np.ndarray], concepts: dict[int, str]) -> np.ndarray:
    found = np.zeros((masks.shape[1], len(concepts)))
    for k in range(masks.shape[1]):
        for column, (concept, category) in enumerate(sorted(concepts.items())):
            both = either = 0
            for n in range(len(masks)):
                if not labels[category][n].any():
                    continue
                there = labels[category][n] == concept
                both += (masks[n, k] & there).sum()
                either += (masks[n, k] | there).sum()
            found[k, column] = both / either if either else 0
    return found


def test_overlap_equals_a_plain_loop_to_the_integer_in_any_order() -> None:
    rng = np.random.default_rng(1)
    concepts = {1: "part", 2: "part", 5: "colour", 6: "colour", 9: "colour"}
    masks = rng.random((7, 4, 6, 5)) < 0.4
    labels = {
        "part": rng.choice([0, 1, 2], (7, 6, 5)) * (rng.random((7, 1, 1)) < 0.6),
        "colour": rng.choice([5, 6], (7, 6, 5)),
    }
    tensors = {name: torch.from_numpy(each) for name, each in labels.items()}
    whole, first, second = Overlap(concepts), Overlap(concepts), Overlap(concepts)
    whole.add(torch.from_numpy(masks), tensors)
    np.testing.assert_allclose(whole.value(), plain_iou(masks, labels, concepts), rtol=1e-12)
    first.add(torch.from_numpy(masks[:3]), {name: each[:3] for name, each in tensors.items()})
    second.add(torch.from_numpy(masks[3:]), {name: each[3:] for name, each in tensors.items()})
    second.merge(first)
    assert bits(through_a_file(second, lambda: Overlap(concepts))) == bits(whole)
    assert all(array.dtype == np.int64 for array in whole.counts())


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(1, 10),
    seed=st.integers(0, 999),
    cuts=st.lists(st.integers(0, 10), max_size=4),
    grouping=st.data(),
)
def test_overlaps_merge_in_any_order_and_grouping_and_resume_to_the_same_bits(
    count: int, seed: int, cuts: list[int], grouping: st.DataObject
) -> None:
    rng = np.random.default_rng(seed)
    concepts = {1: "part", 2: "part", 5: "colour", 6: "colour", 9: "colour"}
    masks = torch.from_numpy(rng.random((count, UNITS, 4, 3)) < 0.4)
    seen = rng.random((count, 1, 1, 1)) < 0.6  # pictures with no label of a category do not count for it
    labels = {
        "part": torch.from_numpy(rng.choice([0, 1, 2], (count, 2, 4, 3)) * seen),  # two labels per pixel
        "colour": torch.from_numpy(rng.choice([5, 6], (count, 1, 4, 3))),
    }

    def counted(places: Any, start: Overlap | None = None) -> Overlap:
        tally = Overlap(concepts) if start is None else start
        tally.add(masks[places], {name: each[places] for name, each in labels.items()})
        return tally

    whole = counted(torch.arange(count))
    order = torch.tensor(grouping.draw(st.permutations(range(count))))
    edges = sorted({0, count, *(cut for cut in cuts if cut < count)})
    spans = [order[start:end] for start, end in itertools.pairwise(edges)]
    resumed = Overlap(concepts)
    for span in spans:  # as if killed after each part and read from its checkpoint
        resumed = through_a_file(counted(span, resumed), lambda: Overlap(concepts))
    parts = [counted(span) for span in spans]
    while len(parts) > 1:
        first = parts.pop(grouping.draw(st.integers(0, len(parts) - 1)))
        second = parts.pop(grouping.draw(st.integers(0, len(parts) - 1)))
        one, other = (through_a_file(first, lambda: Overlap(concepts)) for _ in range(2))
        one.merge(second)
        commuted = through_a_file(second, lambda: Overlap(concepts))
        commuted.merge(other)
        assert bits(one) == bits(commuted)
        parts.append(one)
    merged = Overlap(concepts)
    merged.merge(Overlap(concepts))  # an empty one changes nothing
    merged.merge(parts[0])
    assert bits(merged) == bits(resumed) == bits(whole)
    np.testing.assert_allclose(
        whole.value(), plain_overlap(masks.numpy(), {name: each.numpy() for name, each in labels.items()}, concepts)
    )


def plain_overlap(masks: np.ndarray, labels: dict[str, np.ndarray], concepts: dict[int, str]) -> np.ndarray:
    """As `plain_iou`, for labels in several layers, (N, L, H, W)."""
    found = np.zeros((masks.shape[1], len(concepts)))
    for column, (concept, category) in enumerate(sorted(concepts.items())):
        known = labels[category].any((1, 2, 3))[:, None, None, None]
        there = (labels[category] == concept).any(1)[:, None] & known
        union = (masks & known | there).sum((0, 2, 3))
        shared = (masks & there).sum((0, 2, 3))
        found[:, column] = np.divide(shared, union, out=np.zeros(UNITS), where=union > 0)
    return found


def test_several_labels_per_pixel() -> None:
    overlap = Overlap({1: "part", 2: "part"})
    both = torch.tensor([[[[1, 0]], [[2, 2]]]])  # one image, two layers of labels, one row of two pixels
    overlap.add(torch.tensor([[[[True, False]]]]), {"part": both})
    assert overlap.value().tolist() == [[1.0, 0.5]]


def test_bad_counts_are_refused() -> None:
    overlap = Overlap({1: "part"})
    mask = torch.ones(1, 2, 2, 2, dtype=torch.bool)
    with pytest.raises(BadValue, match="not among the concepts"):
        overlap.add(mask, {"part": torch.full((1, 2, 2), 7)})
    with pytest.raises(BadValue, match="differ in size"):
        overlap.add(mask, {"part": torch.ones(1, 3, 2)})
    with pytest.raises(BadValue, match="not among the categories"):
        overlap.add(mask, {"scene": torch.ones(1, 2, 2)})
    for make in MAKERS.values():
        with pytest.raises(BadValue, match="NaN"):
            make().add(torch.full((1, 2, 2, 2), float("nan")), torch.arange(1))
        first, second = make(), make()
        first.add(torch.ones(1, 2), torch.arange(1))
        second.add(torch.ones(1, 3), torch.arange(1))
        with pytest.raises(BadValue, match="same layer"):
            first.merge(second)
