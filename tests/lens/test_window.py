"""Which part of a picture a neuron needs."""

import pytest
from torch import nn

from convviz_widgets.core.region import Box
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.window import Window, is_chain, window_of
from tests.networks import ALL, settle


def opened(name: str) -> Lens:
    return Lens(ALL[name].make(), input_size=ALL[name].shape[1:])


def test_a_neuron_in_the_middle_needs_a_part_only() -> None:
    lens = opened("branching")
    window = window_of(lens, lens.layers["2.squeeze"], (20, 30), (129, 129))
    assert window is not None
    assert window.box == Box(60, 40, 63, 43)
    assert window.position == (0, 0)
    assert not window.padded
    assert window_of(lens, lens.layers["2.squeeze"], (0, 63), (129, 129)).box == Box(126, 0, 129, 3)
    assert window_of(lens, lens.layers["5"], (0, 0), (129, 129)) is None


def test_beside_joins_a_part_begins_where_all_grids_meet() -> None:
    lens = opened("residual")
    place = lens.layers["relu#3"]
    field = place.receptive_field.box((5, 8))
    window = window_of(lens, place, (5, 8), (43, 43))
    assert window is not None
    assert window.padded
    assert (window.box.left % 2, window.box.top % 2) == (0, 0)
    assert window.box.left <= field.left
    assert window.box.top <= field.top
    assert (window.box.right, window.box.bottom) == (field.right, field.bottom)
    assert window.position == (5 - window.box.top // 2, 8 - window.box.left // 2)


def test_at_the_edges_parts_keep_their_size_and_grid() -> None:
    lens = opened("residual")
    place = lens.layers["relu#3"]
    found = [window_of(lens, place, (row, column), (43, 43)) for row in range(22) for column in range(22)]
    sizes = {(each.box.height, each.box.width) for each in found}
    assert len(sizes) <= 9
    for each in found:
        assert (each.box.left % 2, each.box.top % 2) == (0, 0)
        assert each.box == each.box.clipped(width=43, height=43)


def test_no_part_is_known_where_the_field_has_no_bound_or_the_pool_depends_on_the_size() -> None:
    assert window_of(opened("gated"), opened("gated").layers["after"], (2, 2), (12, 12)) is None
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.AdaptiveAvgPool2d(4), nn.Conv2d(4, 4, 1))
    lens = Lens(settle(net), input_size=16)
    assert lens.layers["2"].receptive_field is not None
    assert window_of(lens, lens.layers["2"], (1, 1), (16, 16)) is None


@pytest.mark.parametrize(
    ("name", "layer", "chained"),
    [
        ("sequential", "4", True),
        ("residual", "bn1", True),
        ("residual", "conv3", True),
        ("residual", "relu#3", False),
        ("branching", "1", True),
        ("branching", "2", False),
        ("functional", "conv3", True),
        ("dense", "layers.1", False),
    ],
)
def test_chains_are_told_from_joins(name: str, layer: str, chained: bool) -> None:
    lens = opened(name)
    assert is_chain(lens, lens.layers[layer]) == chained


def test_a_window_pads_unless_it_says_otherwise() -> None:
    assert Window(Box(0, 0, 1, 1), (0, 0)).padded
