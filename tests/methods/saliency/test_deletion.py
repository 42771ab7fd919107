"""Deletion and insertion on scores that hang on known pixels, and on the trained network."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from convviz_widgets.core.errors import BadValue, UnknownName
from convviz_widgets.data.mini_broden import MiniBroden
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.saliency.deletion import DeletionInsertion, blurred, deletion_insertion
from tests.networks import ALL, pictures, settle


def opened(name: str) -> tuple[Lens, torch.Tensor]:
    network = ALL[name]
    return Lens(network.make(), input_size=network.shape[1:]), pictures(1, network.shape, seed=4)[0]


def drawing(place: int = 0) -> np.ndarray:
    return MiniBroden(count=20, seed=5)[place].image


class OnePixel(nn.Module):
    """A score that hangs on one pixel alone, through a maximum-free chain."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.out = nn.Conv2d(3, 1, 1, bias=False), nn.Linear(36, 1, bias=False)
        with torch.no_grad():
            self.conv.weight.fill_(1)
            self.out.weight.zero_()
            self.out.weight[0, 2 * 6 + 3] = 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.conv(x).flatten(1))


def test_a_score_that_hangs_on_one_pixel_falls_and_rises_with_the_first_step() -> None:
    lens = Lens(OnePixel(), input_size=6)
    found = deletion_insertion(lens, pictures(1, (3, 6, 6))[0], "out:0", steps=36)
    np.testing.assert_allclose(found.shares, np.arange(37) / 36)
    np.testing.assert_allclose(found.deletion, [1] + [0] * 36, atol=1e-6)
    np.testing.assert_allclose(found.insertion[1:], 1, atol=1e-6)
    assert found.insertion[0] != pytest.approx(1, abs=0.01)
    assert found.areas["deletion"] == pytest.approx(1 / 72)
    assert found.areas["random_deletion"] > 0.1
    assert set(np.round(found.random_deletion, 5)) == {0, 1}


def test_the_ends_of_the_curves_are_the_probabilities_of_the_whole_pictures() -> None:
    lens, image = opened("residual")
    found = deletion_insertion(lens, image, 2, steps=5)

    def probability(x: torch.Tensor) -> float:
        return float(lens.module(x).detach().softmax(1)[0, 2])

    whole, empty, soft = image[None], torch.zeros_like(image[None]), blurred(image[None])
    for curve, ends in ((found.deletion, (whole, empty)), (found.insertion, (soft, whole))):
        assert curve[[0, -1]].tolist() == pytest.approx([probability(end) for end in ends], abs=1e-6)
    for curve, ends in ((found.random_deletion, (whole, empty)), (found.random_insertion, (soft, whole))):
        assert curve[[0, -1]].tolist() == pytest.approx([probability(end) for end in ends], abs=1e-6)


def test_on_a_trained_network_a_map_beats_a_random_order() -> None:
    lens = Lens.load("mini")
    areas = [deletion_insertion(lens, drawing(place), variant="grad-cam", steps=16).areas for place in range(6)]
    means = {name: np.mean([each[name] for each in areas]) for name in areas[0]}
    assert means["insertion"] > means["random_insertion"]


def test_blur_takes_the_detail_and_leaves_the_mean() -> None:
    picture = pictures(1, (3, 64, 48))
    soft = blurred(picture)
    assert float(soft.std()) < 0.2 * float(picture.std())
    torch.testing.assert_close(soft.mean((2, 3)), picture.mean((2, 3)), rtol=0.05, atol=0.02)


def test_small_networks_and_single_scores() -> None:
    net = settle(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1)))
    lens = Lens(net, input_size=8, class_names=["no", "yes"])
    no, yes = (deletion_insertion(lens, pictures(1, (3, 8, 8))[0], name, steps=3) for name in ("no", "yes"))
    np.testing.assert_allclose(no.deletion + yes.deletion, 1, atol=1e-6)


def test_it_is_kept_and_drawn(tmp_path: Path) -> None:
    lens, image = opened("branching")
    found = deletion_insertion(lens, image, 1, steps=4)
    assert "area under the curve" in found.caption()
    assert found.figure().data
    assert DeletionInsertion.load(found.save(tmp_path / "found")) == found


def test_wrong_arguments() -> None:
    lens, image = opened("residual")
    with pytest.raises(UnknownName):
        deletion_insertion(lens, image, variant="grad")
    with pytest.raises(BadValue, match="0 to 4"):
        deletion_insertion(lens, image, 9)
    with pytest.raises(BadValue, match="2 pictures"):
        deletion_insertion(lens, [image, image])
    with pytest.raises(BadValue, match="steps=1"):
        deletion_insertion(lens, image, steps=1)
