"""Localisation on pictures whose object is known, and its parts one by one."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from convviz_widgets.core.errors import BadValue
from convviz_widgets.core.region import Box
from convviz_widgets.data.concepts import ID_OF
from convviz_widgets.data.mini_broden import MiniBroden
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.saliency.localize import (
    Localization,
    averaged_map,
    cut_out,
    largest_part,
    localize,
    overlap,
    seeds_of,
)
from convviz_widgets.methods.saliency.saliency import saliency
from convviz_widgets.methods.saliency.target import find_target
from tests.networks import ALL, pictures


class Redness(nn.Module):
    """How red a picture is, where it is red: its gradient lies on the red things alone."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 1)
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([1.0, -1, -1]).view(1, 3, 1, 1))
            self.conv.bias.fill_(-0.3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.conv(x).relu().sum((2, 3)), x.new_zeros(len(x), 1)], 1)


def red_square(side: int = 40) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    """A red square on a blue ground, both a little uneven; and its box."""
    picture = np.random.default_rng(0).normal((0.1, 0.2, 0.7), 0.02, (side, side, 3))
    picture[8:20, 22:36] = np.random.default_rng(1).normal((0.9, 0.1, 0.1), 0.02, (12, 14, 3))
    return np.clip(picture, 0, 1), (22, 8, 36, 20)


def test_a_coloured_square_is_cut_out() -> None:
    picture, box = red_square()
    found = localize(Lens(Redness(), input_size=40), picture, 0)
    wanted = np.zeros((40, 40), dtype=bool)
    wanted[8:20, 22:36] = True
    assert found.box == box
    assert np.array_equal(found.mask, wanted)
    assert (found.seeds[wanted] >= 0).all()


def test_colours_spread_from_a_few_seeds() -> None:
    picture, _ = red_square()
    photo, seeds = (picture * 255).astype(np.uint8), np.zeros((40, 40), dtype=np.int8)
    seeds[12:15, 26:29], seeds[30:34, 4:9] = 1, -1
    mask = cut_out(photo, seeds, ties=30)
    assert mask[8:20, 22:36].all()
    assert mask.sum() == 12 * 14


def test_on_drawings_the_box_meets_the_object() -> None:
    lens, images = Lens.load("mini"), MiniBroden(count=30, seed=9)
    found, centre = [], []
    for sample in images:
        inside = sample.labels["object"] == ID_OF["object", images.class_names[sample.target]]
        rows, columns = np.nonzero(inside)
        truth = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        found.append(overlap(localize(lens, sample.image, sample.target).box, truth))
        centre.append(overlap((16, 16, 80, 80), truth))
    assert np.mean(found) > np.mean(centre) + 0.05
    assert np.mean(np.array(found) >= 0.5) > 0.65


def test_the_map_is_the_mean_over_ten_views() -> None:
    lens, image = Lens(ALL["residual"].make(), input_size=21), pictures(1, ALL["residual"].shape)[0]
    target = find_target(lens, image[None], 2)
    large = nn.functional.interpolate(image[None], size=(24, 24), mode="bilinear")[0]
    total, times = np.zeros((24, 24)), np.zeros((24, 24))
    for top, left in ((0, 0), (0, 3), (3, 0), (3, 3), (1, 1)):
        view = large[:, top : top + 21, left : left + 21]
        part = slice(top, top + 21), slice(left, left + 21)
        total[part] += saliency(lens, view, 2).map + saliency(lens, view.flip(-1), 2).map[:, ::-1]
        times[part] += 2
    mean = torch.from_numpy(total / times)[None, None]
    wanted = nn.functional.interpolate(mean, size=(21, 21), mode="bilinear")[0, 0].numpy()
    np.testing.assert_allclose(averaged_map(lens, image[None], target), wanted, rtol=1e-4, atol=1e-7)


def test_seeds_are_percentiles() -> None:
    values = np.arange(100, dtype=np.float32).reshape(10, 10)
    seeds = seeds_of(values, above=95, below=30)
    assert (seeds == 1).sum() == 5
    assert (seeds == -1).sum() == 30
    assert seeds.ravel()[[0, 29, 30, 94, 95]].tolist() == [-1, -1, 0, 0, 1]
    flat = seeds_of(np.ones((4, 4), dtype=np.float32), above=95, below=30)
    assert {1, -1} <= set(flat.ravel())


def test_the_largest_part_hangs_together_however_it_winds() -> None:
    winding = np.array(
        [
            [1, 1, 1, 1, 1, 1, 1],
            [0, 0, 0, 0, 0, 0, 1],
            [1, 1, 1, 1, 1, 0, 1],
            [1, 0, 0, 0, 1, 0, 1],
            [1, 0, 1, 1, 1, 0, 1],
            [1, 0, 0, 0, 0, 0, 1],
            [1, 1, 1, 1, 1, 1, 1],
        ],
        dtype=bool,
    )
    values = np.zeros(winding.shape, dtype=np.float32)
    assert np.array_equal(largest_part(winding, values), winding)
    parts = np.array([[1, 1, 0, 1], [0, 0, 1, 1], [1, 0, 0, 1]], dtype=bool)
    wanted = np.array([[0, 0, 0, 1], [0, 0, 1, 1], [0, 0, 0, 1]], dtype=bool)
    assert np.array_equal(largest_part(parts, values[:3, :4]), wanted)
    values[2, 3] = 1
    assert np.argwhere(largest_part(np.zeros_like(winding), values)).tolist() == [[2, 3]]


def test_overlap_by_hand() -> None:
    assert overlap((0, 0, 2, 2), (0, 0, 2, 2)) == 1
    assert overlap(Box(0, 0, 2, 2), (1, 1, 3, 3)) == pytest.approx(1 / 7)
    assert overlap((0, 0, 2, 2), (2, 0, 4, 2)) == 0
    assert overlap((1, 1, 1, 1), (1, 1, 1, 1)) == 0


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("name", sorted(ALL.keys() - {"dynamic"}))
def test_every_network_is_taken(name: str) -> None:
    lens, image = Lens(ALL[name].make(), input_size=ALL[name].shape[1:]), pictures(1, ALL[name].shape)[0]
    found = localize(lens, image, 1)
    left, top, right, bottom = found.box
    assert found.mask[top:bottom, left:right].any()
    assert found.mask.sum() == found.mask[top:bottom, left:right].sum()


def test_it_is_kept_and_drawn(tmp_path: Path) -> None:
    picture, _ = red_square()
    found = localize(Lens(Redness(), input_size=40, class_names=["red", "none"]), picture, "red")
    assert found.picture().ndim == 3
    assert found.figure().data
    assert found.caption() == "red: columns 22 to 35, rows 8 to 19"
    assert Localization.load(found.save(tmp_path / "found")) == found


def test_wrong_arguments() -> None:
    lens, image = Lens(ALL["residual"].make(), input_size=21), pictures(1, ALL["residual"].shape)[0]
    for wrong, said in (
        ({"above": 20.0}, "less than above"),
        ({"above": 101.0}, "above=101"),
        ({"ties": -1.0}, "ties"),
    ):
        with pytest.raises(BadValue, match=said):
            localize(lens, image, 1, **wrong)
