"""The lens and the top images on all networks of the zoo: what a plain forward pass gives, and the guest unharmed."""

import pytest
import torch

import convviz_widgets as cv
from convviz_widgets.lens.lens import Lens
from tests.networks import ALL, pictures


@pytest.mark.filterwarnings("ignore:Using padding='same'")  # torch's own word on even kernels, once per process
@pytest.mark.parametrize("name", ALL)
def test_activations_are_those_of_a_plain_forward_pass(name: str) -> None:
    module = ALL[name].make()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    lens = Lens(module, input_size=ALL[name].shape[1:])
    x = pictures(3, ALL[name].shape)
    layers = [layer for layer in lens.layers.values() if not layer.site.function]
    assert layers
    found = lens.activations(x, [layer.name for layer in layers])
    for layer in layers:
        outputs: list[torch.Tensor] = []
        hooked = module.get_submodule(layer.site.owner)
        handle = hooked.register_forward_hook(lambda _m, _i, output, kept=outputs: kept.append(output.clone()))
        with torch.no_grad():
            module(x.clone())
        handle.remove()
        torch.testing.assert_close(found[layer.name], outputs[layer.site.call - 1], rtol=1e-4, atol=1e-5)
    if name != "counter":  # which counts the plain forward passes of this test
        assert all(torch.equal(before[key], value) for key, value in module.state_dict().items())


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("name", ALL)
def test_top_images_equal_a_search(name: str) -> None:
    lens = Lens(ALL[name].make(), input_size=ALL[name].shape[1:])
    images = pictures(6, ALL[name].shape)
    layer = list(lens.layers)[-1]
    best = cv.top_images(lens, images, layer, k=3)
    peaks = lens.activations(images, layer).flatten(2).amax(2) if lens.layers[layer].is_map else None
    peaks = lens.activations(images, layer) if peaks is None else peaks
    wanted = peaks.sort(0, descending=True).values[:3].T
    torch.testing.assert_close(torch.from_numpy(best.activation.copy()), wanted, rtol=1e-4, atol=1e-5)
