"""Projections of the strongest patches: each equals that of its neuron alone."""

from pathlib import Path

import numpy as np
import pytest
import torch

from convviz_widgets.core.errors import BadValue, UnknownName
from convviz_widgets.data.mini_broden import MiniBroden
from convviz_widgets.lens import many_signals as module
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.many_signals import part_signals, round_signals
from convviz_widgets.methods.deconvnet.deconvnet import deconvnet
from convviz_widgets.methods.deconvnet.projections import TopProjections, top_projections
from convviz_widgets.methods.deconvnet.top_images import top_images
from convviz_widgets.render.signal import reach_of, signal_picture
from tests.networks import ALL, pictures

RULES = ("gradient", "deconvnet", "guided")


def opened(name: str, count: int = 7) -> tuple[Lens, list[torch.Tensor]]:
    network = ALL[name]
    return Lens(network.make(), input_size=network.shape[1:]), list(pictures(count, network.shape, seed=6))


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize(
    "name", sorted(ALL.keys() - {"dynamic"})
)  # whose answers depend on the other pictures of a batch
def test_each_projection_is_that_of_its_neuron(name: str) -> None:
    lens, images = opened(name)
    seen = 0
    layers = [each.name for each in lens.layers.values()]
    for layer in (layers[0], layers[len(layers) // 2], layers[-1]):
        found = top_projections(lens, images, layer, k=3, rule="guided", tile=64)
        for unit, rank in np.argwhere(found.index >= 0)[::2].tolist():
            row, column = found.position[unit, rank]
            is_map, activation = lens.layers[layer].is_map, found.activation[unit, rank]
            left, top, right, bottom = found.box[unit, rank]
            if is_map and activation <= 0:
                assert found.reach[unit, rank] == 0
                assert (found.projections[unit, rank] == 128).all()
                continue
            address = f"{layer}:{unit}@{row},{column}" if is_map else f"{layer}:{unit}"
            alone = deconvnet(lens, images[found.index[unit, rank]], address, rule="guided")
            part = alone.signal[:, top:bottom, left:right]
            assert found.reach[unit, rank] == pytest.approx(reach_of(part), rel=1e-4, abs=1e-7)
            shown = _inner(found.projections[unit, rank], part.shape[1:])
            wanted = signal_picture(part, reach=reach_of(part))
            assert np.abs(shown.astype(int) - wanted).max() <= 1
            photo = lens.picture(images[found.index[unit, rank]])[top:bottom, left:right]
            assert np.array_equal(_inner(found.tiles[unit, rank], part.shape[1:]), photo)
            seen += bool(part.any())
    assert seen


def _inner(tile: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """What was put in the middle of a tile."""
    top, left = ((whole - length) // 2 for whole, length in zip(tile.shape, shape, strict=False))
    return tile[top : top + shape[0], left : left + shape[1]]


@pytest.mark.parametrize("rule", RULES)
def test_parts_and_whole_pictures_give_the_same(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lens, images = opened("branching", count=12)
    parts = top_projections(lens, images, "2", k=4, rule=rule)
    monkeypatch.setattr(module, "SMALL", 0.0)
    whole = top_projections(lens, images, "2", k=4, rule=rule)
    np.testing.assert_allclose(parts.reach, whole.reach, rtol=1e-4)
    assert np.abs(parts.projections.astype(int) - whole.projections).max() <= 1
    assert (parts.projections != 128).any()


def test_the_patches_are_those_of_the_top_images() -> None:
    lens, images = opened("residual")
    found, wanted = top_projections(lens, images, "conv3", k=3), top_images(lens, images, "conv3", k=3)
    for name in ("index", "position", "activation", "box", "samples"):
        assert np.array_equal(getattr(found, name), getattr(wanted, name))
    assert np.array_equal(found.patches(lens, images, 1)[0], wanted.patches(lens, images, 1)[0])


def test_few_passes_serve_all_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer's patches cost one pass over the pictures, and forwards of batches of parts or of pictures."""
    lens = Lens.load("mini")
    images = [sample.image for sample in MiniBroden(count=40, seed=3)]
    counted: list[int] = []
    handle = lens.module.register_forward_pre_hook(lambda _m, inputs: counted.append(len(inputs[0])))
    assert len(lens.layers)
    counted.clear()
    found = top_projections(lens, images, "relu3", k=9)
    patches = int((found.reach > 0).sum())
    assert patches > 500
    assert len(counted) < 2 + patches / 20
    counted.clear()
    found = top_projections(lens, images, "relu5", k=9)
    assert sum(counted) <= 2 * len(images)
    handle.remove()


def test_where_a_part_answers_otherwise_the_whole_picture_is_run() -> None:
    lens, images = opened("dynamic")
    dark = [image * 0.98 for image in images]
    dark[0] = dark[0] + torch.linspace(-0.3, 0.3, 12)  # whose parts lie on both sides of where the network branches
    found = top_projections(lens, dark, "conv", k=2)
    wanted = deconvnet(lens, dark[found.index[1, 0]], f"conv:1@{found.position[1, 0, 0]},{found.position[1, 0, 1]}")
    assert found.reach[1, 0] == pytest.approx(reach_of(wanted.signal), rel=1e-4)


def test_a_part_whose_answer_is_another_gives_nothing() -> None:
    lens, images = opened("sequential")
    layer = lens.layers["0"]
    part = lens.prepare(images[0])[..., :9, :9]
    right = float(lens.record(part, ["0"])["0"][0, 2, 1, 1])
    found = part_signals(
        lens, part.repeat(3, 1, 1, 1), layer, [(2, 1, 1), (2, 1, 1), (2, 8, 8)], [right, right + 1, 0], rule="gradient"
    )
    assert found[0] is not None
    assert found[1:] == [None, None]


def test_rounds_take_pictures_with_several_neurons_and_with_none() -> None:
    lens, images = opened("residual")
    batch = lens.prepare(images[:3])
    neurons = [[(0, 1, 1), (3, 2, 2)], [], [(5, 0, 9)]]
    found = [
        each
        for arrived in round_signals(lens, batch, lens.layers["conv1"], neurons, rule="gradient")
        for each in arrived
    ]
    assert [(place, number) for place, number, _ in found] == [(0, 0), (2, 0), (0, 1)]
    for place, number, signal in found:
        channel, row, column = neurons[place][number]
        alone = deconvnet(lens, images[place], f"conv1:{channel}@{row},{column}", rule="gradient")
        np.testing.assert_allclose(signal.numpy(), alone.signal, atol=1e-6)
    assert list(round_signals(lens, batch, lens.layers["conv1"], [[], [], []], rule="gradient")) == []


def test_it_is_kept_on_disk_and_answered_from_there(tmp_path: Path) -> None:
    lens, images = opened("residual")
    first = top_projections(lens, images, "conv3", k=3, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    forwards: list[int] = []
    handle = lens.module.register_forward_pre_hook(lambda *_: forwards.append(1))
    assert top_projections(lens, images, "conv3", k=3, cache=tmp_path) == first
    assert forwards == []
    handle.remove()
    others = [
        top_projections(lens, images[:6], "conv3", k=3, cache=tmp_path),
        top_projections(lens, images, "conv3", k=2, cache=tmp_path),
        top_projections(lens, images, "conv3", k=3, rule="guided", cache=tmp_path),
    ]
    assert len(list(tmp_path.iterdir())) == 4
    assert all(other != first for other in others)
    damaged = next(folder for folder in tmp_path.iterdir() if TopProjections.load(folder) == first)
    (damaged / "arrays.npz").write_bytes(b"cut off")
    assert top_projections(lens, images, "conv3", k=3, cache=tmp_path) == first
    assert TopProjections.load(damaged) == first


def test_pictures_of_several_sizes_and_fewer_than_places() -> None:
    lens, images = opened("branching", count=3)
    images[1] = pictures(1, (3, 47, 41))[0]
    found = top_projections(lens, images, "4", k=5)
    assert (found.reach[:, 3:] == 0).all()
    assert (found.tiles[:, 3:] == 128).all()
    assert (found.reach > 0).any()


def test_large_patches_are_scaled_down() -> None:
    lens, images = opened("residual")
    found = top_projections(lens, images, "fc", k=2, tile=8)
    assert found.tiles.shape == found.projections.shape == (5, 2, 8, 8, 3)
    assert (found.projections != 128).any()


def test_it_is_drawn() -> None:
    lens, images = opened("residual")
    found = top_projections(lens, images, "conv3", k=3)
    assert found.picture().ndim == 3
    assert found.figure().data
    assert found.provenance.code() == (
        "cv.top_projections(lens, images, layer='conv3', k=3, rule='deconvnet', tile=64)"
    )


def test_wrong_arguments() -> None:
    lens, images = opened("residual")
    for wrong in ({"k": 0}, {"tile": 4}):
        with pytest.raises(BadValue):
            top_projections(lens, images, "conv3", **wrong)
    with pytest.raises(UnknownName):
        top_projections(lens, images, "conv9")
    with pytest.raises(UnknownName, match="rule"):
        top_projections(lens, images, "conv3", rule="redirected")
