"""Rotation: parts of a turn add up, and a turned basis is what a convolution behind the layer would give."""

import numpy as np
import pytest
import torch
from torch import nn

from convviz_widgets.core.errors import BadValue
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.dissection.dissect import dissect
from convviz_widgets.methods.dissection.rotation import power, random_rotation, rotation
from tests.methods.dissection.worlds import SIDE, Planted, Tiles


@pytest.mark.parametrize("size", [2, 5, 64])
def test_parts_of_a_rotation_add_up(size: int) -> None:
    turn = random_rotation(size, seed=size)
    np.testing.assert_allclose(turn @ turn.T, np.eye(size), atol=1e-9)
    assert np.linalg.det(turn) == pytest.approx(1.0)
    np.testing.assert_allclose(power(turn, 1.0), turn, atol=1e-8)
    np.testing.assert_allclose(power(turn, 0.0), np.eye(size), atol=1e-8)
    np.testing.assert_allclose(power(turn, 0.3) @ power(turn, 0.45), power(turn, 0.75), atol=1e-8)
    np.testing.assert_allclose(power(turn, 0.3).T @ power(turn, 0.3), np.eye(size), atol=1e-8)


def test_it_is_the_dissection_of_a_network_that_turns() -> None:
    module = Planted().double()  # so that flat places stay flat: rounding would decide which of them reach a threshold
    found = rotation(Lens(module, input_size=SIDE), Tiles(), "conv", steps=(0, 0.5, 1), seed=3)
    behind = nn.Conv2d(5, 5, 1, bias=False).double()
    for place, step in enumerate((0, 0.5, 1)):
        with torch.no_grad():
            behind.weight.copy_(torch.from_numpy(power(random_rotation(5, 3), step))[:, :, None, None])
        turned = Lens(nn.Sequential(module.conv, behind), input_size=SIDE)
        report = dissect(turned, Tiles(), "1").layers["1"]
        if step:  # at 0 units have steps for activations, where rounding may decide
            np.testing.assert_allclose(found.best_iou[place], report.best_iou, atol=0.02)
        else:
            assert found.best_iou[0, :3].tolist() == [1.0, 1.0, 1.0]
    assert found.by_unit[0].tolist() == [3, 0]
    assert found.detectors[0] == 3
    assert found.figure().data[0].y.tolist() == found.by_unit.sum(1).tolist()
    assert "at rotation 0, " in found.caption()


def test_wrong_steps() -> None:
    lens = Lens(Planted(), input_size=SIDE)
    for steps in ((), (0.5, 2.0), (0.5, 0.5)):
        with pytest.raises(BadValue, match="no rotations"):
            rotation(lens, Tiles(4), "conv", steps=steps)
