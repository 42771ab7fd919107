"""Top images against a search through all activations, on every awkward network."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import convviz_widgets as cv
from convviz_widgets.core.errors import BadValue, UnknownName
from convviz_widgets.lens.lens import Lens
from tests.known_networks import ALL, image, make


def opened(name: str) -> tuple[Lens, list[torch.Tensor]]:
    module, shape = make(name)
    return Lens(module, input_size=shape[1:]), [image(shape, seed=seed) for seed in range(7)]


@pytest.mark.parametrize("name", ALL)
def test_it_equals_a_search(name: str) -> None:
    lens, images = opened(name)
    layer = list(lens.layers)[-1]
    best = cv.top_images(lens, images, layer, k=4)
    maps = lens.activations(images, layer)
    maps = maps.reshape(*maps.shape[:2], *(maps.shape[2:] if maps.ndim == 4 else (1, 1)))
    for k in range(maps.shape[1]):
        peaks = maps[:, k].flatten(1).max(1).values
        wanted = sorted(range(len(images)), key=lambda n: (-float(peaks[n]), n))[:4]
        np.testing.assert_allclose(best.activation[k], peaks[wanted], rtol=1e-5, atol=1e-6)
        for n, (row, column), value in zip(best.index[k], best.position[k], best.activation[k], strict=True):
            assert float(maps[n, k, row, column]) == pytest.approx(float(value), rel=1e-5, abs=1e-6)


def test_a_patch_is_the_receptive_field_of_its_neuron() -> None:
    lens, images = opened("sequential")
    best = cv.top_images(lens, images, "3", k=2)
    height, width = images[0].shape[1:]
    field = lens.layers["3"].receptive_field
    for k in range(len(best.box)):
        for position, box in zip(best.position[k], best.box[k], strict=True):
            wanted = field.box(tuple(position)).clipped(width=width, height=height)
            assert tuple(box) == wanted.as_tuple()
    patches = best.patches(lens, images, 0)
    left, top, right, bottom = best.box[0, 0]
    assert np.array_equal(patches[0], lens.picture(images[best.index[0, 0]])[top:bottom, left:right])


def test_fewer_pictures_than_places() -> None:
    lens, images = opened("residual")
    best = cv.top_images(lens, images[:2], "conv2", k=5)
    assert (best.index[:, 2:] == -1).all()
    assert np.isnan(best.activation[:, 2:]).all()
    assert len(best.patches(lens, images, 0)) == 2


def test_it_is_kept_and_drawn(tmp_path: Path) -> None:
    lens, images = opened("residual")
    best = cv.top_images(lens, images, "conv2", k=3)
    assert best.picture().ndim == 3
    assert "data:image/png;base64," in best._repr_html_()
    assert best.figure().data
    best.save(tmp_path / "best")
    assert type(best).load(tmp_path / "best") == best
    assert best.provenance.code() == "cv.top_images(lens, images, layer='conv2', k=3)"


def test_steps_tell_how_far_it_is() -> None:
    lens, images = opened("residual")
    steps = [step.index for step in cv.top_images.steps(lens, images * 10, "conv2")]
    assert steps == [32, 64, 70]
    seen: list[int] = []
    cv.top_images(lens, images, "conv2", progress=lambda step: seen.append(step.index))
    assert seen == [7]


def test_wrong_arguments() -> None:
    lens, images = opened("residual")
    with pytest.raises(BadValue, match="k=0"):
        cv.top_images(lens, images, "conv2", k=0)
    with pytest.raises(UnknownName):
        cv.top_images(lens, images, "conv9")


@pytest.mark.real
def test_fire_modules_of_the_real_network(real: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(real.torch_home))
    lens = cv.Lens.load("squeezenet1_0", device="cpu")
    for layer in ("features.4", "features.9"):
        best = cv.top_images(lens, real.photos[:48], layer)
        maps = lens.activations(real.photos[:48], layer).flatten(2).amax(2)
        wanted = maps.sort(0, descending=True).values[:9].T
        np.testing.assert_allclose(best.activation, wanted, rtol=1e-4, atol=1e-3)
        side = lens.layers[layer].receptive_field.size[0]
        assert all(max(patch.shape[:2]) <= side for patch in best.patches(lens, real.photos, 3))
