"""The sanity check against networks randomised by hand."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from convviz_widgets.core.errors import BadValue, UnknownName
from convviz_widgets.data.mini_broden import MiniBroden
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.saliency.randomization import (
    RandomizationCheck,
    randomise,
    randomization_check,
    rank_correlation,
)
from convviz_widgets.methods.saliency.saliency import saliency
from tests.networks import ALL, pictures


def opened(name: str) -> tuple[Lens, torch.Tensor]:
    network = ALL[name]
    return Lens(network.make(), input_size=network.shape[1:]), pictures(1, network.shape, seed=4)[0]


def drawing(place: int = 0) -> np.ndarray:
    return MiniBroden(count=20, seed=5)[place].image


def test_rank_correlation_by_hand() -> None:
    assert rank_correlation([1, 2, 3, 4], [10, 20, 25, 1000]) == 1
    assert rank_correlation([1, 2, 3, 4], [4, 3, 2, 1]) == -1
    assert rank_correlation([1, 2, 3], [1, 3, 2]) == pytest.approx(0.5)
    assert rank_correlation([0, 0, 1, 2], [0, 0, 1, 2]) == pytest.approx(1)
    # ranks 1.5 1.5 3 4 against 1 2 3 4
    assert rank_correlation([0, 0, 1, 2], [1, 2, 3, 4]) == pytest.approx(4.5 / np.sqrt(4.5 * 5))
    assert rank_correlation([1, 1, 1], [1, 2, 3]) == 0


def test_layers_are_randomised_from_the_scores_down() -> None:
    lens, image = opened("residual")
    found = randomization_check(lens, image, 2, seed=3)
    assert found.layers == ("fc", "skip", "conv3", "conv2", "conv1")
    twin, generator = copy.deepcopy(lens.module), torch.Generator().manual_seed(3)
    for place, name in enumerate(found.layers, start=1):
        randomise(twin.get_submodule(name), generator)
        wanted = saliency(Lens(twin, input_size=21), image, 2)
        np.testing.assert_allclose(found.maps[place], wanted.map, rtol=1e-5, atol=1e-9)
        assert found.similarity[place] == pytest.approx(rank_correlation(wanted.map, found.maps[0]), abs=1e-6)
    assert found.similarity[0] == 1
    assert np.array_equal(found.maps[0], saliency(lens, image, 2).map)


def test_the_network_itself_is_not_randomised() -> None:
    lens, image = opened("branching")
    before = copy.deepcopy(lens.module.state_dict())
    first = randomization_check(lens, image, 1)
    assert all(torch.equal(before[name], value) for name, value in lens.module.state_dict().items())
    assert randomization_check(lens, image, 1) == first
    assert randomization_check(lens, image, 1, seed=1) != first


def test_noise_has_the_mean_and_the_deviation_of_the_weights() -> None:
    layer = nn.Conv2d(30, 50, 5)
    with torch.no_grad():
        layer.weight.mul_(3).add_(0.2)
    before = layer.weight.clone()
    randomise(layer, torch.Generator().manual_seed(0))
    assert float(layer.weight.detach().mean()) == pytest.approx(float(before.detach().mean()), abs=0.01)
    assert float(layer.weight.detach().std()) == pytest.approx(float(before.detach().std()), rel=0.02)
    assert abs(np.corrcoef(before.detach().flatten(), layer.weight.detach().flatten())[0, 1]) < 0.02


def test_the_gradient_of_a_trained_network_passes() -> None:
    lens = Lens.load("mini")
    found = [randomization_check(lens, drawing(place)) for place in range(4)]
    assert all(each.passed for each in found)
    assert max(each.similarity[-1] for each in found) < 0.5
    assert "changes with the weights" in found[0].caption()


def test_only_layers_up_to_a_unit_are_randomised() -> None:
    lens, image = opened("residual")
    assert randomization_check(lens, image, "conv2:3").layers == ("conv2", "conv1")


def test_steps_tell_how_far_it_is() -> None:
    lens, image = opened("residual")
    seen = [step.index for step in randomization_check.steps(lens, image, 1) if step.total == 6]
    assert seen == [1, 2, 3, 4, 5, 6]


def test_it_is_kept_and_drawn(tmp_path: Path) -> None:
    lens, image = opened("branching")
    found = randomization_check(lens, image, 1)
    assert found.picture().ndim == 3
    assert "rank correlation" in found.caption()
    assert found.figure().data
    assert RandomizationCheck.load(found.save(tmp_path / "found")) == found


def test_wrong_arguments() -> None:
    lens, image = opened("residual")
    with pytest.raises(UnknownName):
        randomization_check(lens, image, variant="grad")
    with pytest.raises(BadValue, match="0 to 4"):
        randomization_check(lens, image, 9)
    with pytest.raises(BadValue, match="2 pictures"):
        randomization_check(lens, [image, image])
