"""How many pictures go through in one pass, and that nothing but the waiting depends on it."""

import numpy as np
import pytest
import torch

from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.saliency import target
from convviz_widgets.methods.saliency.deletion import deletion_insertion
from convviz_widgets.methods.saliency.localize import averaged_map, localize
from convviz_widgets.methods.saliency.saliency import saliency
from convviz_widgets.methods.saliency.target import find_target, per_pass
from tests.networks import ALL, pictures

SHAPE = ALL["residual"].shape


def opened() -> tuple[Lens, torch.Tensor]:
    return Lens(ALL["residual"].make(), input_size=SHAPE[1:]), pictures(1, SHAPE)[0]


def test_a_pass_takes_a_bounded_number_of_pixels() -> None:
    sizes = [(8, 8), (96, 96), (224, 224), (300, 400), (2000, 3000)]
    assert [per_pass(torch.empty(1, 3, *size, device="meta")) for size in sizes] == [16, 16, 2, 1, 1]


@pytest.mark.parametrize("variant", ["smoothgrad", "integrated"])
def test_the_mean_gradient_is_the_same_however_the_pictures_pass(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lens, image = opened()
    whole = saliency(lens, image, 2, variant=variant, samples=20)
    passes = []
    for together in (1, 3, 7):
        monkeypatch.setattr(target, "PIXELS", together * SHAPE[1] * SHAPE[2])
        steps = []
        parts = saliency(lens, image, 2, variant=variant, samples=20, progress=steps.append)
        np.testing.assert_allclose(parts.signal, whole.signal, rtol=1e-4, atol=1e-6 * np.abs(whole.signal).max())
        passes.append([each.index for each in steps])
    assert passes[0] == list(range(1, 21))
    assert passes[1] == [3, 6, 9, 12, 15, 18, 20]
    assert passes[2] == [7, 14, 20]


def test_ten_views_are_the_same_however_they_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    lens, image = opened()
    wanted = find_target(lens, image[None], 2)
    whole, found = averaged_map(lens, image[None], wanted), localize(lens, image, 2)
    monkeypatch.setattr(target, "PIXELS", 3 * SHAPE[1] * SHAPE[2])
    np.testing.assert_allclose(averaged_map(lens, image[None], wanted), whole, rtol=1e-4, atol=1e-7)
    steps = []
    assert localize(lens, image, 2, progress=steps.append).box == found.box
    assert [each.index for each in steps if each.label == "ten views"] == [3, 6, 9, 10]


def test_curves_are_the_same_however_the_pictures_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    lens, image = opened()
    whole = deletion_insertion(lens, image, 2, steps=9)
    monkeypatch.setattr(target, "PIXELS", 4 * SHAPE[1] * SHAPE[2])
    np.testing.assert_allclose(deletion_insertion(lens, image, 2, steps=9).deletion, whole.deletion, atol=1e-6)
