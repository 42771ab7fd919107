"""How early layers settle: cosines that can be worked out by hand."""

import numpy as np
import pytest

from convviz_widgets.methods.deconvnet.settling import Settling, cosines, settling_of

EPOCHS = np.array([1, 2, 5, 10])


def turned(*degrees: float) -> np.ndarray:
    """(E, 1, 2) codes of vectors at these angles."""
    angles = np.deg2rad(degrees)
    return np.rint(100 * np.stack([np.cos(angles), np.sin(angles)], -1))[:, None].astype(np.int8)


def found(*degrees: float, strongest: tuple[int, ...] = (4, 4, 4, 4)) -> Settling:
    return settling_of(EPOCHS, turned(*degrees), np.array(strongest)[:, None])


def test_cosines_are_those_of_the_angles() -> None:
    each = found(90, 60, 20, 0)
    np.testing.assert_allclose(each.to_last, np.cos(np.deg2rad([90, 60, 20, 0])), atol=0.01)
    np.testing.assert_allclose(each.between, np.cos(np.deg2rad([30, 40, 20])), atol=0.01)


@pytest.mark.parametrize(
    ("degrees", "epoch"),
    [((90, 60, 20, 0), 5), ((10, 10, 10, 0), 1), ((10, 80, 10, 0), 5), ((90, 90, 90, 0), None), ((0, 0, 90, 0), None)],
)
def test_settled_is_from_where_it_stays(degrees: tuple[float, ...], epoch: int | None) -> None:
    assert found(*degrees).settled() == epoch


def test_a_threshold_of_ones_own() -> None:
    assert found(90, 50, 20, 0).settled(0.5) == 2
    assert "not before the end" in repr(found(90, 90, 90, 0))
    assert "epoch 5" in repr(found(90, 60, 20, 0))


def test_the_size_of_a_signal_does_not_matter() -> None:
    small = turned(90, 60, 20, 0) // 2
    np.testing.assert_allclose(
        settling_of(EPOCHS, small, np.zeros((4, 1))).to_last, found(90, 60, 20, 0).to_last, atol=0.03
    )


def test_units_that_send_nothing_down() -> None:
    signal = np.zeros((3, 3, 2), dtype=np.int8)
    signal[:, 0] = 5  # never changes
    signal[1:, 1] = 7  # comes to life
    each = settling_of(EPOCHS[:3], signal, np.zeros((3, 3)))  # the third stays dead
    np.testing.assert_allclose(each.units_to_last, [[1, 1, 1], [0, 1, 1], [np.nan] * 3])
    np.testing.assert_allclose(each.to_last, [0.5, 1, 1])
    np.testing.assert_allclose(each.between, [0.5, 1])
    dead = settling_of(EPOCHS[:3], signal[:, 2:], np.zeros((3, 1)))
    assert np.isnan(dead.to_last).all()
    assert dead.settled() is None


def test_jumps_are_counted() -> None:
    assert found(0, 0, 0, 0, strongest=(4, 4, 7, 7)).jumped.tolist() == [0, 1, 0]


def test_units_that_stay_on_their_picture_are_told_apart() -> None:
    signal = np.concatenate([turned(60, 60, 60, 0), turned(90, 30, 0, 0)], axis=1)
    each = settling_of(EPOCHS, signal, np.array([[1, 8], [1, 9], [2, 9], [2, 9]]))
    assert each.same.tolist() == [[False, False, True, True], [False, True, True, True]]
    np.testing.assert_allclose(each.stayed, [np.nan, np.cos(np.deg2rad(30)), 0.75, 1], atol=0.01)


def test_cosines_of_random_vectors() -> None:
    one, other = np.random.default_rng(0).normal(size=(2, 5, 40))
    wanted = [np.dot(a, b) / np.sqrt(np.dot(a, a) * np.dot(b, b)) for a, b in zip(one, other, strict=True)]
    np.testing.assert_allclose(cosines(one, other), wanted)


def test_one_snapshot_has_nothing_to_be_compared_with() -> None:
    each = settling_of(EPOCHS[:1], turned(30), np.zeros((1, 1)))
    np.testing.assert_allclose(each.to_last, [1])
    assert each.between.shape == (0,)
    assert each.settled() is None
