"""Several units at once against one after another."""

import numpy as np
import pytest
import torch

from convviz_widgets.core.errors import BadType, BadValue, UnknownName
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.deconvnet.deconvnet import deconvnet
from convviz_widgets.methods.deconvnet.unit_projections import UnitProjections, unit_projections
from tests.networks import ALL, pictures


def active(lens: Lens, prepared: torch.Tensor) -> list[str]:
    """A few units of the first and the last maps, and of what comes behind, that have something to send down."""
    maps = [layer for layer in lens.layers.values() if layer.is_map and layer.kind == "activation"]
    vectors = [layer for layer in lens.layers.values() if not layer.is_map and len(layer.shape) == 1]
    units = []
    for layer in [*maps[:1], *maps[-1:], *vectors[-1:]]:
        answers = lens.activations(prepared, [layer.name])[layer.name][0].flatten(1 if layer.is_map else 0)
        strongest = answers.amax(1) if layer.is_map else answers
        units += [f"{layer.name}:{int(k)}" for k in strongest.argsort(descending=True)[:3] if strongest[k] > 0]
    return list(dict.fromkeys(units))


@pytest.mark.parametrize("rule", ["gradient", "deconvnet", "guided"])
@pytest.mark.parametrize("name", sorted(ALL))
def test_each_is_what_deconvnet_gives(name: str, rule: str) -> None:
    network = ALL[name]
    lens, image = Lens(network.make(), input_size=network.shape[1:]), pictures(1, network.shape)[0]
    units = active(lens, lens.prepare(image))
    if not units:
        pytest.skip("no unit of this network is active behind an activation")
    found = unit_projections(lens, image, units, rule=rule)
    for place, unit in enumerate(units):
        alone = deconvnet(lens, image, unit, rule=rule)
        scale = np.abs(alone.signal).max()
        assert np.abs(found.signal[place] - alone.signal).max() <= 1e-4 * scale
        assert (found.units[place], tuple(found.box[place])) == (alone.unit, alone.box)
        assert found.activation[place] == np.float32(alone.activation)


def test_what_is_not_there_is_told() -> None:
    lens, image = Lens.load("mini", device="cpu"), np.zeros((96, 96, 3), np.uint8)
    with pytest.raises(BadType, match="deconvnet takes one"):
        unit_projections(lens, image, "relu2:1")
    with pytest.raises(BadValue, match="No unit"):
        unit_projections(lens, image, [])
    with pytest.raises(UnknownName, match="relu2"):
        unit_projections(lens, image, ["relu22:1"])


def test_it_is_saved_and_drawn(tmp_path: object) -> None:
    lens = Lens.load("mini", device="cpu")
    image = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    found = unit_projections(lens, image, ["relu2:28", "relu1:3"])
    assert UnitProjections.load(found.save(f"{tmp_path}/kept")) == found
    assert found.picture().shape[1] > 3 * 96
    assert "2 units" in found.figure().layout.title.text
