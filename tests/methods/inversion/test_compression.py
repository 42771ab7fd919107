"""Importance of maps and compression: against decoders that use known maps, and forwards with a hook that silences."""

import numpy as np
import pytest
import torch
from torch import nn

import convviz_widgets as cv
from convviz_widgets.core.errors import BadValue
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.data.mini_broden import MiniBroden
from convviz_widgets.methods.inversion.compression import RANKINGS, MapImportance, compress, map_importance
from convviz_widgets.methods.inversion.decoder import Decoder
from tests.networks import settle

LAYER = "1"


def network() -> nn.Module:
    return settle(
        nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    )


@pytest.fixture
def lens() -> cv.Lens:
    return cv.Lens(network(), input_size=12)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(5, 3, 12, 12, generator=torch.Generator().manual_seed(0))


class Reads(nn.Module):
    """Tells the brightness from the mean of two maps; one counts double."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(1))

    def forward(self, activations: torch.Tensor) -> torch.Tensor:
        told = 2 * activations[:, 4].mean((1, 2)) + activations[:, 1].mean((1, 2))
        return told.view(-1, 1, 1, 1).expand(-1, 3, 12, 12) * 0.3


def test_the_maps_that_a_decoder_uses_are_important_and_no_others(lens: cv.Lens, images: torch.Tensor) -> None:
    decoder = Decoder(Reads(), LAYER)  # type: ignore[arg-type]
    found = map_importance(lens, images, LAYER, decoder=decoder)
    answers = lens.activations(images, LAYER)
    whole = (decoder.decode(answers) - images).square().mean()
    assert found.error == pytest.approx(float(whole), rel=1e-5)
    for channel in range(6):
        without = answers.clone()
        without[:, channel] = 0
        growth = (decoder.decode(without) - images).square().mean() - whole
        assert found.importance[channel] == pytest.approx(float(growth), abs=1e-6)
    assert [float(found.importance[channel]) for channel in (0, 2, 3, 5)] == [0] * 4
    assert set(np.nonzero(found.importance)[0]) == {1, 4}
    assert np.allclose(found.norms, answers.flatten(2).norm(dim=2).mean(0), rtol=1e-5)
    assert found.ranking()[0][0] == f"{LAYER}:{int(found.importance.argmax())}"
    assert len(found.figure().data) == 1


def importance_of(values: np.ndarray, norms: np.ndarray) -> MapImportance:
    units = tuple(f"{LAYER}:{channel}" for channel in range(len(values)))
    return MapImportance(units, values, norms, 0.1, provenance=Provenance("map_importance"))


def test_the_accuracy_is_that_of_forwards_with_silenced_maps(lens: cv.Lens, images: torch.Tensor) -> None:
    order, norms = np.array([3.0, 9, 1, 5, 0, 7]), np.array([5.0, 1, 9, 2, 4, 3])
    module = network()
    labels = module(images).argmax(1).tolist()
    labels[0] = (labels[0] + 1) % 8
    found = compress(lens, images, labels, LAYER, importance=importance_of(order, norms), shares=[1, 0.5, 0.2])
    assert found.rankings == RANKINGS
    assert found.kept == (6, 3, 1)
    assert found.clean_accuracy == pytest.approx(4 / 5)
    assert found.accuracy[:, 0].tolist() == pytest.approx([4 / 5] * 3)
    for row, worth in enumerate((order, norms)):
        for column, kept in enumerate(found.kept):
            silent = np.argsort(-worth)[kept:].copy()

            def hook(_m: nn.Module, _i: object, output: torch.Tensor, silent: np.ndarray = silent) -> torch.Tensor:
                output = output.clone()
                output[:, torch.from_numpy(silent)] = 0
                return output

            handle = module[1].register_forward_hook(hook)
            right = (module(images).argmax(1) == torch.tensor(labels)).float().mean()
            handle.remove()
            assert found.accuracy[row, column] == pytest.approx(float(right)), (row, kept)
    assert "with 3 maps kept" in found.caption()
    assert [trace.name for trace in found.figure().data] == list(RANKINGS)


def test_random_rankings_follow_the_seed(lens: cv.Lens, images: torch.Tensor) -> None:
    given = importance_of(np.arange(6.0), np.arange(6.0))
    labels = network()(images).argmax(1).tolist()
    runs = [compress(lens, images, labels, LAYER, importance=given, shares=[0.5], seed=seed) for seed in (1, 1)]
    assert runs[0] == runs[1]
    assert runs[0].accuracy[0] == runs[0].accuracy[1], "the same order keeps the same maps"


def test_what_is_wrong_is_told(lens: cv.Lens, images: torch.Tensor) -> None:
    given = importance_of(np.arange(6.0), np.arange(6.0))
    with pytest.raises(BadValue, match="5 pictures and 2 labels"):
        compress(lens, images, [0, 1], LAYER, importance=given)
    with pytest.raises(BadValue, match="above 0 and up to 1"):
        compress(lens, images, [0] * 5, LAYER, importance=given, shares=[0.5, 0])
    with pytest.raises(BadValue, match="importance is of '1'; given: '0'"):
        compress(lens, images, [0] * 5, "0", importance=given)
    with pytest.raises(BadValue, match="list is empty"):
        map_importance(lens, [], LAYER, decoder=Decoder(Reads(), LAYER))  # type: ignore[arg-type]


def test_on_the_mini_net_what_reconstruction_ranks_is_worth_more_than_chance() -> None:
    lens = cv.Lens.load("mini", device="cpu")
    samples = list(MiniBroden(24, seed=5))
    found = compress(lens, samples, [sample.target for sample in samples], "relu5", shares=[1, 0.5])
    assert found.clean_accuracy > 0.8
    assert found.accuracy[:, 0].tolist() == pytest.approx([found.clean_accuracy] * 3)
    assert found.accuracy[0, 1] >= found.accuracy[2, 1] - 0.1
