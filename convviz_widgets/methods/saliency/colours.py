"""A model of the colours of a region: a mixture of Gaussians, fitted by expectation maximization."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
COMPONENTS, ROUNDS = 5, 15
FLOOR = 1e-3  # added to the variances: colours lie in [0, 1] and regions of one colour have none


class ColourModel(NamedTuple):
    """A mixture of n Gaussians.

    Args:
        shares: (n,) logarithms of their shares.
        means: (n, 3).
        precisions: (n, 3, 3) inverse covariances.
        halves: (n,) half the logarithms of the covariances' determinants.
    """

    shares: Floats
    means: Floats
    precisions: Floats
    halves: Floats


def fitted(colours: Floats) -> ColourModel:
    """The model of colours (n, 3) in [0, 1]; the same for the same colours.

    It starts from equal parts along the direction in which the colours vary most.
    """
    centred = colours - colours.mean(axis=0)
    direction = np.linalg.eigh(centred.T @ centred)[1][:, -1]
    order = np.argsort(centred @ direction, kind="stable")
    belongs = np.zeros((len(colours), COMPONENTS))
    for number, part in enumerate(np.array_split(order, COMPONENTS)):
        belongs[part, number] = 1
    model = _maximized(colours, belongs)
    for _ in range(ROUNDS):
        logs = _joint(model, colours)
        belongs = np.exp(logs - _log_sum(logs)[:, None])
        model = _maximized(colours, belongs)
    return model


def log_density(model: ColourModel, colours: Floats) -> Floats:
    """Logarithm of the density at colours (n, 3), (n,)."""
    return _log_sum(_joint(model, colours))


def _maximized(colours: Floats, belongs: Floats) -> ColourModel:
    counts = belongs.sum(axis=0) + 1e-9
    means = belongs.T @ colours / counts[:, None]
    away = colours[:, None] - means
    spread = np.einsum("nk,nki,nkj->kij", belongs, away, away) / counts[:, None, None] + FLOOR * np.eye(3)
    return ColourModel(np.log(counts / counts.sum()), means, np.linalg.inv(spread), 0.5 * np.linalg.slogdet(spread)[1])


def _joint(model: ColourModel, colours: Floats) -> Floats:
    away = colours[:, None] - model.means
    distance: Floats = np.einsum("nki,kij,nkj->nk", away, model.precisions, away)
    joint: Floats = model.shares - model.halves - 1.5 * np.log(2 * np.pi) - distance / 2
    return joint


def _log_sum(logs: Floats) -> Floats:
    highest = logs.max(axis=1)
    total: Floats = highest + np.log(np.exp(logs - highest[:, None]).sum(axis=1))
    return total
