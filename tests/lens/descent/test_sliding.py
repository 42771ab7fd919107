"""However many places a signal has, a convolution brings it down as torch's transposed one does."""

import pytest
import torch
from torch.nn import functional

from convviz_widgets.lens.descent.sliding import FEW, MANY, THIN, WIDE, brought_by

SIDES = (1, 3, 7, 13, 33)
FILTERS = {  # K, C of a group, side, stride, dilation, groups
    "plain": (8, 20, 3, (1, 1), (1, 1), 1),
    "stride and dilation": (8, 20, 3, (2, 1), (1, 2), 1),
    "groups": (8, 20, 3, (2, 2), (1, 1), 2),
    "of a picture": (8, 3, 7, (2, 2), (1, 1), 1),
    "of a picture, one by one": (8, 3, 3, (1, 1), (1, 1), 1),
    "of a grey picture": (8, 1, 5, (3, 3), (1, 1), 1),
}


def test_the_sides_meet_every_way() -> None:
    assert [sum(side**2 > most for side in SIDES) for most in (1, THIN, WIDE, MANY)] == [4, 3, 2, 1]
    assert sorted({after for _, after, *_ in FILTERS.values()} | {FEW}) == [1, 3, FEW, 20]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("filters", FILTERS.values(), ids=FILTERS)
def test_it_is_the_transposed_convolution(filters: tuple[int, int, int, tuple, tuple, int], side: int) -> None:
    before, after, length, stride, dilation, groups = filters
    drawn = torch.Generator().manual_seed(side)
    values = torch.randn(2, before, side, side + (side > 1), generator=drawn, dtype=torch.float64)
    weight = torch.randn(before, after, length, length, generator=drawn, dtype=torch.float64)
    found = brought_by(values, weight, stride, dilation, groups)
    wanted = functional.conv_transpose2d(values, weight, None, stride, 0, 0, groups, dilation)
    assert torch.allclose(found, wanted, rtol=1e-9, atol=1e-9)


def test_a_signal_of_one_place_in_one_channel() -> None:
    weight = torch.randn(8, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    values = torch.zeros(2, 8, 1, 1)
    values[0, 5], values[1, 2] = 3, -1
    found = brought_by(values, weight, (1, 1), (1, 1), 1)
    assert torch.equal(found, torch.stack([3 * weight[5], -weight[2]]))
