"""The measures of what layers keep, on decoders whose errors are known, and their curves by depth."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import convviz_widgets as cv
from convviz_widgets.core.errors import BadValue, UnknownName
from convviz_widgets.data.mini_broden import MiniBroden
from convviz_widgets.methods.inversion.compare import colour_error, pixel_error, position_error
from convviz_widgets.methods.inversion.decoder import Decoder
from convviz_widgets.methods.inversion.measures import InversionMeasures, inversion_measures
from convviz_widgets.nets.upconvnet import UpconvNet

SIDE, RIM = 96, 7  # pixels; and how much of an object's surroundings is looked for with it


@pytest.fixture(scope="module")
def samples() -> list:
    return list(MiniBroden(4, seed=3))


@pytest.fixture(scope="module")
def masks(samples: list) -> list[np.ndarray]:
    return [sample.labels["object"] > 0 for sample in samples]


@pytest.fixture(scope="module")
def mini() -> cv.Lens:
    return cv.Lens.load("mini", device="cpu")


def tensor(sample) -> torch.Tensor:  # type: ignore[no-untyped-def]
    return torch.from_numpy(sample.image).permute(2, 0, 1).float() / 255


@settings(max_examples=12, deadline=None)
@given(down=st.integers(-20, 20), across=st.integers(-20, 20), index=st.integers(0, 3))
def test_a_shifted_object_is_told_as_far_off_as_it_was_shifted(down: int, across: int, index: int) -> None:
    sample = MiniBroden(4, seed=3)[index]
    picture = tensor(sample)
    moved = picture.roll((down, across), (1, 2))
    mask = torch.from_numpy(sample.labels["object"] > 0)
    error = position_error(moved, picture, mask)
    rows, columns = np.nonzero(sample.labels["object"])
    spans = ((rows, down), (columns, across))
    if all(at.min() + min(by, 0) >= RIM and at.max() + max(by, 0) < SIDE - RIM for at, by in spans):
        assert error == pytest.approx(math.hypot(down, across), abs=0.01)
    assert position_error(picture * 0.4 + 0.3, picture, mask) == 0, "contrast and brightness do not move it"


def test_a_grey_picture_tells_a_place_by_chance_alone(samples: list) -> None:
    picture, mask = tensor(samples[0]), torch.from_numpy(samples[0].labels["object"] > 0)
    grey = position_error(torch.full_like(picture, 0.5), picture, mask)
    side = np.arange(-24, 25)
    assert grey == pytest.approx(np.hypot(*np.meshgrid(side, side)).mean(), rel=1e-4)
    with pytest.raises(BadValue, match="0 pixels"):
        position_error(picture, picture, torch.zeros(SIDE, SIDE))
    with pytest.raises(BadValue, match=r"\(3, 3\)"):
        position_error(picture, picture, torch.ones(3, 3))


def test_pixel_and_colour_errors_are_their_formulas() -> None:
    picture = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    brighter = picture + 0.1
    assert torch.allclose(pixel_error(brighter, picture), torch.tensor([0.1, 0.1]), atol=1e-6)
    assert torch.allclose(colour_error(brighter, picture), torch.zeros(2), atol=1e-6)
    grey = picture.mean(1, keepdim=True).expand_as(picture)
    assert bool((colour_error(grey, picture) > 0.05).all())
    redder = picture + torch.tensor([0.2, 0.0, 0.0]).view(3, 1, 1)
    luma = 0.299 * 0.2
    assert torch.allclose(colour_error(redder, picture), torch.full((2,), (0.2 - luma + 2 * luma) / 3), atol=1e-6)
    assert torch.equal(colour_error(picture[:, :1], brighter[:, :1]), torch.zeros(2))


class Told(nn.Module):
    """A decoder that is handed the pictures in the order in which they are asked for, and shifts them."""

    def __init__(self, pictures: torch.Tensor, shift: tuple[int, int]) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(1))
        self.pictures, self.shift, self.asked = pictures, shift, 0

    def forward(self, _: torch.Tensor) -> torch.Tensor:
        picture = self.pictures[self.asked % len(self.pictures)][None]
        self.asked += 1
        return picture.roll(self.shift, (2, 3))


def decoder(pictures: torch.Tensor, layer: str, shift: tuple[int, int] = (0, 0)) -> Decoder:
    return Decoder(Told(pictures, shift), layer)  # type: ignore[arg-type]


def test_a_perfect_decoder_has_no_error_and_a_shifted_one_that_of_its_shift(
    mini: cv.Lens, samples: list, masks: list[np.ndarray]
) -> None:
    pictures = torch.stack([tensor(sample) for sample in samples])
    decoders = {"relu1": decoder(pictures, "relu1"), "relu5": decoder(pictures, "relu5", (3, -4))}
    found = inversion_measures(mini, samples, ["relu1", "relu5"], recipes=["decoder"], masks=masks, decoders=decoders)
    assert found.pixel_error.shape == (1, 1, 2)
    assert float(found.pixel_error[0, 0, 0]) < 1e-5
    assert found.position_error[0, 0].tolist() == pytest.approx([0, 5], abs=0.6)
    assert found.same_class[0, 0, 0] == 1
    assert float(found.answer_error[0, 0, 0]) < 1e-6
    assert float(found.pixel_error[0, 0, 1]) > 0.01
    of_mean = (pictures.mean(0) - pictures).abs().mean()
    assert found.pixel_error_of_mean == pytest.approx(float(of_mean), rel=1e-3)


def test_errors_grow_with_depth_and_with_the_loss_of_maps(mini: cv.Lens, samples: list, tmp_path: Path) -> None:
    found = inversion_measures(
        mini, samples[:1], ["relu1", "pool2", "pool5"], recipes=["mahendran"], perturbations=[None, "top:20"], steps=25
    )
    assert bool((np.diff(found.pixel_error[0, 0]) > 0).all())
    assert bool((found.pixel_error[0, 1, :2] > found.pixel_error[0, 0, :2]).all())
    assert np.isnan(found.position_error).all()
    assert list(found.curves("pixel_error")) == ["mahendran", "mahendran, top:20"]
    assert [trace.name for trace in found.figure("same_class").data] == ["mahendran", "mahendran, top:20"]
    assert found.figure("same_class").layout.xaxis.zeroline is False  # layers are no numbers: the first is no zero
    assert InversionMeasures.load(found.save(tmp_path / "measures")) == found
    with pytest.raises(UnknownName, match="'pixel_error'"):
        found.curves("pixels")


def test_what_is_wrong_is_told(mini: cv.Lens, samples: list, masks: list[np.ndarray]) -> None:
    with pytest.raises(BadValue, match="3 masks and 4 pictures"):
        inversion_measures(mini, samples, ["relu1"], recipes=["mahendran"], masks=masks[:3], steps=1)
    with pytest.raises(BadValue, match="Nothing to measure"):
        inversion_measures(mini, samples, [], recipes=["mahendran"], steps=1)
    untrained = Decoder(UpconvNet((3,), (3, SIDE, SIDE)).eval(), "relu1")
    with pytest.raises(BadValue, match=r"\(N, 3\)"):
        inversion_measures(mini, samples, ["relu1"], recipes=["decoder"], decoders=untrained)
