"""Fills: their colours, their statistics, their seed."""

import pytest
import torch

from convviz_widgets.lens.fills import filled
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.preprocess import ResizeCropNormalize
from tests.networks import ALL, pictures


def lens() -> Lens:
    transform = ResizeCropNormalize(31, 31, (0.5, 0.4, 0.3), (0.2, 0.25, 0.5))
    return Lens(ALL["sequential"].make(), preprocess=transform)


def test_grey_is_half_way_as_a_person_sees_it() -> None:
    grey = filled(lens(), pictures(1, (3, 31, 31)), "grey")
    assert grey[0, :, 3, 4].tolist() == pytest.approx([0.0, 0.4, 0.4], abs=1e-6)
    assert float(grey.std((2, 3)).max()) == 0


def test_mean_blur_and_noise_keep_the_mean() -> None:
    image = pictures(1, (3, 31, 31))
    wanted = image.mean((2, 3))
    for fill in ("mean", "blur", "noise"):
        assert torch.allclose(filled(lens(), image, fill).mean((2, 3)), wanted, atol=0.05)
    assert float(filled(lens(), image, "blur").std()) < 0.3 * float(image.std())
    assert float(filled(lens(), image, "noise").std()) > 0.7 * float(image.std())


def test_noise_hangs_on_its_seed_alone() -> None:
    image = pictures(1, (3, 31, 31))
    first, again, other = (filled(lens(), image, "noise", seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
