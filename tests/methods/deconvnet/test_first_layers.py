"""Two first layers side by side: findings that were planted show, and the shipped pair is told as it is."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from convviz_widgets.core.errors import BadValue
from convviz_widgets.data.mini_broden import MiniBroden
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.deconvnet.first_layers import FirstLayers, compare_first_layers

COUNT = 12


def waves(frequency: float, *, kernel: int, stride: int, dead: int = 0, name: str = "") -> Lens:
    """A network whose first filters are waves of about one frequency, in cycles per pixel; some of them zero."""
    generator = np.random.default_rng(0)
    places = np.arange(kernel)
    net = nn.Sequential(nn.Conv2d(3, COUNT, kernel, stride=stride), nn.ReLU(), nn.Conv2d(COUNT, 4, 1))
    with torch.no_grad():
        for place in range(COUNT):
            at = 2 * np.pi * frequency * generator.uniform(0.9, 1.1) * places + generator.uniform(0, 6)
            wave = (
                np.outer(np.ones(kernel), np.cos(at))
                * np.outer(np.hanning(kernel + 2), np.hanning(kernel + 2))[1:-1, 1:-1]
            )
            net[0].weight[place] = torch.from_numpy(wave).expand(3, -1, -1) * (place >= dead)
    return Lens(net, input_size=32, name=name)


def test_the_findings_show_where_they_were_planted() -> None:
    worse, better = waves(0.02, kernel=11, stride=4, dead=6, name="old"), waves(0.25, kernel=11, stride=1, name="new")
    found = compare_first_layers(waves(0.2, kernel=11, stride=4), waves(0.2, kernel=11, stride=2))
    assert found.shown["less aliasing"] == "yes"
    assert found.aliased[0] > 0.8 > 0.2 > found.aliased[1]
    found = compare_first_layers(worse, better)
    assert (found.shown["more middle frequencies"], found.shown["fewer dead filters"]) == ("yes", "yes")
    assert found.dead.tolist() == [0.5, 0]
    assert found.bands[0, 0] > 0.9
    assert found.bands[1, 1] > 0.9
    assert "1% of the energy lies in middle frequencies in old (11 x 11, stride 4)" in found.verdict[0]
    assert "50% of the filters are dead in old" in found.verdict[2]
    assert found.verdict[2].endswith("0% in new (11 x 11, stride 1): the finding shows.")


def test_turned_round_they_are_the_opposite() -> None:
    worse, better = waves(0.02, kernel=11, stride=4, dead=6), waves(0.25, kernel=7, stride=2)
    found = compare_first_layers(better, worse)
    assert found.shown["more middle frequencies"] == found.shown["fewer dead filters"] == "the opposite"
    assert "the opposite of the finding" in found.caption()


def test_of_two_alike_none_shows() -> None:
    lens = waves(0.2, kernel=7, stride=2)
    assert set(compare_first_layers(lens, lens).shown.values()) == {"no"}


def test_one_dead_filter_of_many_is_no_clear_difference() -> None:
    found = compare_first_layers(waves(0.2, kernel=7, stride=2, dead=1), waves(0.2, kernel=7, stride=2))
    assert found.dead[0] > 0
    assert found.shown["fewer dead filters"] == "no"


def test_filters_that_are_never_active_need_pictures() -> None:
    quiet = waves(0.2, kernel=7, stride=2)
    with torch.no_grad():
        quiet.module[0].bias.fill_(-1000)
    images = [np.full((32, 32, 3), 90, dtype=np.uint8)]
    other = waves(0.2, kernel=7, stride=2)
    assert compare_first_layers(quiet, other).dead.tolist() == [0, 0]
    found = compare_first_layers(quiet, other, images)
    assert found.dead[0] == 1
    assert found.pictures == 1


def test_of_the_shipped_pair_only_the_aliasing_shows() -> None:
    """As it was measured on the two networks trained alike: their middle frequencies are the same, and none is dead."""
    larger, smaller = (Lens.load(name, device="cpu") for name in ("mini-alexnet", "mini"))
    found = compare_first_layers(larger, smaller, MiniBroden(32, 3))
    assert found.names == ("mini-alexnet (11 x 11, stride 4)", "mini (7 x 7, stride 2)")
    assert found.shown == {"more middle frequencies": "no", "less aliasing": "yes", "fewer dead filters": "no"}
    assert np.allclose(found.bands[:, 1], (0.30, 0.315), atol=0.02)
    assert np.allclose(found.aliased, (0.82, 0.66), atol=0.02)
    assert found.dead.tolist() == [0, 0]


def test_it_is_kept_and_drawn(tmp_path: Path) -> None:
    found = compare_first_layers(
        waves(0.1, kernel=11, stride=4, name="old"), waves(0.1, kernel=7, stride=2, name="new")
    )
    assert FirstLayers.load(found.save(tmp_path / "found")) == found
    assert found.picture().ndim == 3
    assert [line.name for line in found.figure().data] == list(found.names)


def test_without_a_convolution_there_is_nothing_to_compare() -> None:
    plain = Lens(nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 4), nn.ReLU(), nn.Linear(4, 2)), input_size=8)
    with pytest.raises(BadValue, match="no convolution"):
        compare_first_layers(waves(0.2, kernel=7, stride=2), plain)
