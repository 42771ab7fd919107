"""Distances counted by hand; p-values of worlds whose answer is known."""

from itertools import product

import numpy as np
import pytest

from convviz_widgets.core.errors import BadValue
from convviz_widgets.methods.invariance.permutation import EXACT, hamming, p_value, pairs_mean


def test_hamming_equals_a_plain_count() -> None:
    signs = np.random.default_rng(0).integers(-1, 2, (5, 70_001)).astype(np.int8)  # longer than a chunk
    wanted = [[(one != other).mean() for other in signs] for one in signs]
    assert hamming(signs) == pytest.approx(np.array(wanted), abs=1e-12)
    told = [[(one != other)[(one != 0) | (other != 0)].mean() for other in signs] for one in signs]
    assert hamming(signs, "ignore") == pytest.approx(np.array(told), abs=1e-12)


def test_zero_differs_from_both_signs() -> None:
    assert hamming(np.array([[0], [1], [-1], [0]], np.int8)).tolist() == [
        [0, 1, 1, 0],
        [1, 0, 1, 1],
        [1, 1, 0, 1],
        [0, 1, 1, 0],
    ]
    assert hamming(np.array([[0, 0], [0, 0], [0, 1]], np.int8), "ignore").tolist() == [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
    with pytest.raises(BadValue, match="Vectors without features"):
        hamming(np.zeros((2, 0), np.int8))


def symmetric(count: int, choices: int, seed: int) -> np.ndarray:
    points = np.random.default_rng(seed).random((count * choices, 3))
    apart = np.abs(points[:, None] - points[None]).mean(-1)
    return apart.reshape(count, choices, count, choices)


def test_the_exact_p_value_equals_plain_counting() -> None:
    distances = symmetric(3, 4, 1)

    def mean(chosen: tuple[int, ...]) -> float:
        return float(np.mean([distances[i, chosen[i], j, chosen[j]] for i in range(3) for j in range(i)]))

    wanted = np.mean([mean(each) <= mean((0, 0, 0)) + 1e-12 for each in product(range(4), repeat=3)])
    found, exact = p_value(distances, np.random.default_rng(0))
    assert exact
    assert found == pytest.approx(wanted)
    assert 0 < found < 1
    assert pairs_mean(distances, np.array([[1, 2, 3]])) == pytest.approx([mean((1, 2, 3))])


def test_equal_occluders_are_not_told_apart() -> None:
    assert p_value(np.zeros((3, 5, 3, 5)), np.random.default_rng(0)) == (1.0, True)


def test_the_least_p_value_is_one_assignment() -> None:
    distances = np.ones((3, 5, 3, 5))
    distances[:, 0, :, 0] = 0
    assert p_value(distances, np.random.default_rng(0)) == (pytest.approx(1 / 125), True)


def test_of_many_assignments_some_are_drawn_and_the_real_one_counts() -> None:
    count, choices = 6, 8
    assert choices**count > EXACT
    distances = np.ones((count, choices, count, choices))
    distances[:, 0, :, 0] = 0
    found, exact = p_value(distances, np.random.default_rng(0))
    assert not exact
    assert 0 < found < 0.001


def test_under_the_null_hypothesis_small_p_values_are_as_rare_as_they_say() -> None:
    found = [p_value(symmetric(3, 6, seed), np.random.default_rng(0))[0] for seed in range(400)]
    assert np.mean(np.array(found) <= 0.1) == pytest.approx(0.1, abs=0.05)
    assert np.mean(found) == pytest.approx(0.5, abs=0.06)
