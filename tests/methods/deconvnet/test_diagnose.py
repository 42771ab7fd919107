"""The diagnosis of filters made for it: waves of known frequency, dead and loud filters, strides."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import convviz_widgets as cv
from convviz_widgets.core.errors import BadValue, UnknownName
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.deconvnet.diagnose import Diagnosis, clipped, diagnose, spectra
from tests.networks import ALL, pictures, settle

SIDE = 16


def wave(down: float, across: float) -> np.ndarray:
    """A filter (1, side, side) of one frequency, in cycles per pixel."""
    row, column = np.mgrid[:SIDE, :SIDE]
    return np.cos(2 * np.pi * (down * row + across * column))[None]


@pytest.mark.parametrize(
    ("down", "across", "band"),
    [
        (0, 0, 0),
        (1 / 16, 0, 0),
        (0.25, 0, 1),
        (0, 0.25, 1),
        (0.15, 0.15, 1),
        (0.45, 0, 2),
        (0.5, 0.5, 2),
        (0.3, 0.3, 2),
    ],
)
def test_a_wave_falls_into_its_band(down: float, across: float, band: int) -> None:
    bands, _, spectrum = spectra(wave(down, across)[None], (1, 1))
    assert bands[0, band] > 0.85
    assert bands.sum() == pytest.approx(1)
    assert spectrum.sum() == pytest.approx(1)
    assert spectrum.argmax() == pytest.approx(min(np.hypot(down, across) / 0.5, 1) * 32, abs=1.5)


@pytest.mark.parametrize(
    ("frequency", "stride", "aliased"),
    [(0.2, 2, False), (0.3, 2, True), (0.06, 4, False), (0.2, 4, True), (0.45, 1, False)],
)
def test_a_wave_beyond_the_limit_of_the_stride_aliases(frequency: float, stride: int, aliased: bool) -> None:
    for filters in (wave(frequency, 0), wave(0, frequency)):
        share = spectra(filters[None], (stride, stride))[1][0]
        assert (share > 0.85) if aliased else (share < 0.15)
    assert spectra(wave(frequency, 0)[None], (1, stride))[1][0] < 0.15


def test_a_white_filter_fills_all_frequencies_evenly() -> None:
    point = np.zeros((1, 1, 5, 5))
    point[0, 0, 2, 2] = 3
    bands, aliased, _ = spectra(point, (2, 2))
    ring = np.pi / 4 * np.array([1 / 9, 3 / 9])  # of the square of all frequencies
    np.testing.assert_allclose(bands[0], [*ring, 1 - ring.sum()], atol=0.03)
    assert aliased[0] == pytest.approx(1 - (33 / 64) ** 2)


def network(filters: np.ndarray, stride: int = 1, bias: float = 0.0) -> nn.Module:
    net = nn.Sequential(nn.Conv2d(filters.shape[1], len(filters), filters.shape[2], stride), nn.ReLU(inplace=True))
    with torch.no_grad():
        net[0].weight.copy_(torch.from_numpy(filters))
        net[0].bias.fill_(bias)
    return net


def sound(count: int = 8, seed: int = 0) -> np.ndarray:
    """Filters (K, 3, 16, 16) that nothing ails: smooth waves up to the middle frequencies, of like strength."""
    generator = np.random.default_rng(seed)
    angles, reach = generator.uniform(0, np.pi, count), np.linspace(0.02, 0.24, count)
    waves = [wave(r * np.sin(a), r * np.cos(a)) for a, r in zip(angles, reach, strict=True)]
    return 0.05 * np.stack(waves).repeat(3, axis=1)


def test_sound_filters_get_a_clean_bill() -> None:
    found = diagnose(Lens(network(sound()), input_size=32))
    assert not found.dead.any()
    assert not found.loud.any()
    assert not found.above_radius.any()
    assert "Nothing ails" in found.verdict[0]
    assert len(found.verdict) == 1


def test_dead_and_loud_filters_are_found() -> None:
    filters = sound()
    filters[2], filters[3] = 0, filters[3] * 1e-4
    filters[5] *= 10
    found = diagnose(Lens(network(filters), input_size=32))
    assert np.flatnonzero(found.flat).tolist() == [2, 3]
    assert np.flatnonzero(found.loud).tolist() == [5]
    assert np.flatnonzero(found.above_radius).tolist() == [5]
    assert np.isnan(found.bands[2]).all()
    np.testing.assert_allclose(found.rms, np.sqrt((filters**2).mean((1, 2, 3))), rtol=1e-6)
    assert any("2 of 8 filters are dead" in line for line in found.verdict)
    assert any("1 of 8 filters are more than 3 times" in line for line in found.verdict)


def test_a_layer_of_zeros_is_dead_and_drawn() -> None:
    found = diagnose(Lens(network(np.zeros((3, 3, 5, 5)), stride=2), input_size=32))
    assert found.flat.all()
    assert found.verdict[0].startswith("3 of 3 filters are dead")
    assert (found.filters == 128).all()
    assert found.picture().ndim == 3


def test_filters_that_no_picture_excites_are_silent() -> None:
    net = settle(nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(inplace=True)))
    with torch.no_grad():
        net[1].bias.fill_(5)
        net[1].bias[4] = -100
    found = diagnose(Lens(net, input_size=16), pictures(5, (3, 16, 16)))
    assert np.flatnonzero(found.silent).tolist() == [4]
    assert found.pictures == 5
    assert "1 of 6 filters are dead (flat, or never active on 5 pictures)" in found.verdict[0]


def test_a_large_stride_is_told_with_a_smaller_one() -> None:
    filters = np.stack([wave(0.2 + place / 40, 0) for place in range(4)])
    found = diagnose(Lens(network(filters, stride=4), input_size=64))
    assert found.limit == (0.125, 0.125)
    assert any("use a smaller stride (2)" in line for line in found.verdict)
    assert not any("stride" in line for line in diagnose(Lens(network(filters), input_size=64)).verdict[1:])


def test_filters_without_middle_frequencies_are_told() -> None:
    found = diagnose(Lens(network(np.stack([wave(0, 0), wave(0.5, 0.5), wave(0.02, 0)])), input_size=64))
    assert any("Middle frequencies hold" in line for line in found.verdict)


def test_clipped_scales_down_what_exceeds_the_radius_alone() -> None:
    filters = torch.randn(5, 3, 7, 7, generator=torch.Generator().manual_seed(0)) * torch.tensor(
        [0.01, 0.05, 0.5, 2.0, 0.0]
    ).view(5, 1, 1, 1)
    found = clipped(filters)
    rms = found.square().mean((1, 2, 3)).sqrt()
    torch.testing.assert_close(rms[2:4], torch.full((2,), 0.1))
    assert torch.equal(found[[0, 1, 4]], filters[[0, 1, 4]])
    torch.testing.assert_close(
        nn.functional.cosine_similarity(found[2].flatten(), filters[2].flatten(), 0), torch.tensor(1.0)
    )


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("name", ALL)
def test_it_takes_every_network(name: str) -> None:
    lens = Lens(ALL[name].make(), input_size=ALL[name].shape[1:])
    found = diagnose(lens, pictures(3, ALL[name].shape))
    convolution = next(each for each in lens.module.modules() if isinstance(each, nn.Conv2d))
    assert found.filters.shape == (convolution.out_channels, *convolution.kernel_size, 3)
    np.testing.assert_allclose(found.bands.sum(1), 1)
    assert found.verdict


def test_another_layer_can_be_named_and_others_not() -> None:
    lens = Lens(ALL["residual"].make(), input_size=21)
    assert diagnose(lens, layer="conv2").layer == "conv2"
    with pytest.raises(BadValue, match="bn1 is a BatchNorm2d"):
        diagnose(lens, layer="bn1")
    with pytest.raises(UnknownName):
        diagnose(lens, layer="conv9")
    with pytest.raises(BadValue, match="no convolution"):
        diagnose(Lens(nn.Sequential(nn.Flatten(), nn.Linear(12, 3)), input_size=2))


def test_it_is_kept_and_drawn(tmp_path: Path) -> None:
    found = diagnose(Lens(network(sound(), stride=2), input_size=32))
    assert found.picture().ndim == 3
    assert found.figure().data
    assert "Nothing ails" in found.caption()
    found.save(tmp_path / "found")
    assert Diagnosis.load(tmp_path / "found") == found
    assert found.provenance.code() == "cv.diagnose(lens, layer='0')"


@pytest.mark.real
def test_the_real_network_has_nothing_to_mend_and_covers_all_bands(real: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(real.torch_home))
    found = diagnose(cv.Lens.load("squeezenet1_0", device="cpu"), real.photos[:20])
    assert found.filters.shape == (96, 7, 7, 3)
    assert found.bands.mean(0).min() > 0.02
    assert "Nothing ails" in found.verdict[0]
