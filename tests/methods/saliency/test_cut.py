"""Minimum cuts against a search through all masks, and against max-flow where a library for it is at hand."""

from itertools import product

import numpy as np
import pytest

from convviz_widgets.methods.saliency.cut import NEIGHBOURS, energy, minimum_cut


def problem(height: int, width: int, seed: int) -> tuple[np.ndarray, list[np.ndarray]]:
    generator = np.random.default_rng(seed)
    return generator.normal(0, 1, (height, width)), [generator.exponential(0.4, (height, width)) for _ in NEIGHBOURS]


def by_definition(mask: np.ndarray, costs: np.ndarray, weights: list[np.ndarray]) -> float:
    """The energy, pixel by pixel."""
    total = float(costs[mask].sum())
    height, width = mask.shape
    for (down, across), weight in zip(NEIGHBOURS, weights, strict=True):
        for row, column in product(range(height), range(width)):
            if 0 <= row + down < height and 0 <= column + across < width:
                total += weight[row, column] * (mask[row, column] != mask[row + down, column + across])
    return total


@pytest.mark.parametrize("seed", range(12))
def test_it_is_the_best_of_all_masks(seed: int) -> None:
    height, width = ((3, 4), (4, 3), (1, 7), (2, 5))[seed % 4]
    costs, weights = problem(height, width, seed)
    least = min(
        by_definition(np.array(bits).reshape(height, width), costs, weights)
        for bits in product((False, True), repeat=height * width)
    )
    mask = minimum_cut(costs, weights)
    assert by_definition(mask, costs, weights) == pytest.approx(least, abs=1e-6)
    assert energy(mask, costs, weights) == pytest.approx(least, abs=1e-6)


@pytest.mark.parametrize("strength", [0.1, 1.0, 5.0])
def test_it_equals_max_flow(strength: float) -> None:
    maxflow = pytest.importorskip("maxflow")
    costs, weights = problem(40, 50, 3)
    weights = [strength * weight for weight in weights]
    graph = maxflow.Graph[float]()
    nodes = graph.add_grid_nodes(costs.shape)
    for (down, across), weight in zip(NEIGHBOURS, weights, strict=True):
        structure = np.zeros((3, 3))
        structure[1 + down, 1 + across] = 1
        graph.add_grid_edges(nodes, weights=weight, structure=structure, symmetric=True)
    graph.add_grid_tedges(nodes, np.maximum(costs, 0), np.maximum(-costs, 0))
    graph.maxflow()
    exact = graph.get_grid_segments(nodes)
    least = min(energy(exact, costs, weights), energy(~exact, costs, weights))
    assert energy(minimum_cut(costs, weights), costs, weights) == pytest.approx(least, rel=1e-6, abs=1e-6)


def test_without_ties_each_pixel_decides_alone_and_with_strong_ones_all_together() -> None:
    costs, weights = problem(9, 8, 5)
    assert np.array_equal(minimum_cut(costs, [0 * weight for weight in weights]), costs < 0)
    for bias in (-0.5, 0.5):
        together = minimum_cut(costs - costs.mean() + bias, [weight + 100 for weight in weights])
        assert together.all() == (bias < 0)
        assert together.any() == (bias < 0)
