"""Colour models on colours drawn from known mixtures."""

import numpy as np
import pytest

from convviz_widgets.methods.saliency.colours import fitted, log_density


def drawn(count: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Colours from two blobs, a third of them from the first; and the true log densities."""
    generator = np.random.default_rng(seed)
    first = generator.random(count) < 1 / 3
    means, spreads = np.array([[0.2, 0.3, 0.4], [0.7, 0.6, 0.2]]), (0.04, 0.1)
    colours = np.where(
        first[:, None],
        generator.normal(means[0], spreads[0], (count, 3)),
        generator.normal(means[1], spreads[1], (count, 3)),
    )
    parts = [
        share * np.exp(-((colours - mean) ** 2).sum(1) / (2 * spread**2)) / (2 * np.pi * spread**2) ** 1.5
        for share, mean, spread in zip((1 / 3, 2 / 3), means, spreads, strict=True)
    ]
    return colours, np.log(sum(parts))


def test_the_density_is_that_of_the_mixture() -> None:
    colours, wanted = drawn()
    found = log_density(fitted(colours), colours)
    assert found.mean() == pytest.approx(wanted.mean(), abs=0.1)
    assert np.corrcoef(found, wanted)[0, 1] > 0.95


def test_it_is_a_density() -> None:
    model = fitted(drawn()[0])
    side = np.linspace(-0.5, 1.5, 60)
    places = np.stack(np.meshgrid(side, side, side), axis=-1).reshape(-1, 3)
    assert np.exp(log_density(model, places)).sum() * (side[1] - side[0]) ** 3 == pytest.approx(1, abs=0.02)
    assert np.exp(model.shares).sum() == pytest.approx(1)


def test_few_or_equal_colours_do_not_break_it() -> None:
    for colours in (np.full((50, 3), 0.5), np.array([[0.1, 0.2, 0.3]]), np.array([[0.0, 0, 0], [1, 1, 1]])):
        model = fitted(colours)
        assert np.isfinite(log_density(model, np.array([[0.5, 0.5, 0.5], [0.0, 1, 0]]))).all()
        assert log_density(model, colours[:1])[0] > log_density(model, np.array([[0.9, 0.0, 0.9]]))[0]
