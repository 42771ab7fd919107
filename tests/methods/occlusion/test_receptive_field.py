"""The measured receptive field lies within the one by construction, and finds it where all of it counts."""

import numpy as np
import pytest
import torch
from torch import nn

from convviz_widgets.core.errors import BadValue
from convviz_widgets.lens.incremental.engine import Incremental
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.occlusion.receptive_field import (
    EmpiricalReceptiveField,
    discrepancies,
    empirical_receptive_field,
)
from tests.networks import ALL, pictures


def mean_of(side: int) -> Lens:
    conv = nn.Conv2d(3, 2, side, stride=2).eval()
    nn.init.ones_(conv.weight)
    return Lens(nn.Sequential(conv, nn.ReLU()), input_size=32)


def test_a_unit_that_weighs_all_it_sees_alike_has_its_full_size() -> None:
    result = empirical_receptive_field(mean_of(9), "0:1", pictures(6, (3, 32, 32)), size=1, stride=1)
    assert result.theoretical == (9, 9)
    assert result.size == pytest.approx(9, abs=0.6)
    seen = np.nan_to_num(result.map) > 1e-4 * np.nanmax(result.map)  # what is left is rounding
    rows, columns = np.nonzero(seen)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (27, 35, 27, 35)  # the middle is 31
    assert result.pictures == 6


def test_nothing_is_seen_beyond_the_receptive_field() -> None:
    lens = Lens(ALL["residual"].make(), input_size=21)
    size = 3
    result = empirical_receptive_field(lens, "conv3:2", pictures(3, (3, 21, 21)), size=size, stride=1)
    height, width = result.theoretical
    reach = (max(height, width) + 1) // 2 + size
    far = np.abs(np.indices(result.map.shape) - 20).max(0) > reach
    assert np.nanmax(np.where(far, result.map, np.nan), initial=0) <= 1e-5 * np.nanmax(result.map)
    assert 0 < result.size <= max(height, width) + 2 * size


def test_discrepancies_equal_a_plain_loop() -> None:
    network = ALL["branching"]
    lens, image = Lens(network.make(), input_size=33), pictures(1, network.shape)
    pixels = torch.full_like(image, 0.5)
    layer = "2.expand3"
    opened = Incremental(lens, image, [layer], scores=False)
    corners, found = discrepancies(opened, layer, (1, 4, 6), pixels, size=5, stride=4)
    clean = float(lens.record(image, [layer])[layer][0, 1, 4, 6])
    for (top, left), value in zip(corners, found, strict=True):
        hidden = image.clone()
        hidden[:, :, top : top + 5, left : left + 5] = 0.5
        assert value == pytest.approx(abs(float(lens.record(hidden, [layer])[layer][0, 1, 4, 6]) - clean), abs=1e-6)
    assert found.max() > 1e-3


def test_a_result_survives_a_file(tmp_path: object) -> None:
    result = empirical_receptive_field(mean_of(5), "0:0", pictures(1, (3, 32, 32)), size=5, stride=5)
    assert EmpiricalReceptiveField.load(result.save(tmp_path / "kept")) == result
    assert result.picture().shape == (63, 63, 3)
    assert result.figure().data


def test_what_cannot_be_used_is_refused() -> None:
    with pytest.raises(BadValue, match="do not fit"):
        empirical_receptive_field(mean_of(5), "0:0", pictures(1, (3, 32, 32)), size=33)
    with pytest.raises(BadValue, match="No picture"):
        empirical_receptive_field(mean_of(5), "0:0", [])
    with pytest.raises(BadValue, match="no feature map"):
        empirical_receptive_field(mean_of(5), "0:7", pictures(1, (3, 32, 32)))
