"""The lens against plain forward passes, on every awkward network."""

import gc
import threading
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import convviz_widgets as cv
from convviz_widgets.core.errors import BadType, BadValue, UnknownName, UnsupportedModel
from convviz_widgets.lens.lens import Lens
from tests.known_networks import ALL, TwoWays, classifier, image, make, randomised, sequential


def open_lens(name: str, **options: Any) -> tuple[Lens, torch.Tensor]:
    module, shape = make(name)
    return Lens(module, input_size=shape[1:], **options), image(shape)


@contextmanager
def counting(module: nn.Module) -> Iterator[Counter[str]]:
    """How often each module runs."""
    calls: Counter[str] = Counter()
    handles = [
        each.register_forward_pre_hook(lambda *_, name=name: calls.update([name]))
        for name, each in module.named_modules()
    ]
    yield calls
    for handle in handles:
        handle.remove()


def plain(module: nn.Module, x: torch.Tensor, name: str, call: int) -> torch.Tensor:
    """What a module gives at its n-th call, copied before anything can write over it."""
    outputs: list[torch.Tensor] = []
    handle = module.get_submodule(name).register_forward_hook(lambda _m, _i, output: outputs.append(output.clone()))
    with torch.no_grad():
        module(x)
    handle.remove()
    return outputs[call - 1]


@pytest.mark.parametrize("name", ALL)
def test_activations_are_those_of_a_plain_forward_pass(name: str) -> None:
    lens, x = open_lens(name)
    modules = [layer for layer in lens.layers.values() if not layer.site.function]
    assert modules
    found = lens.activations([x, x * 0.5], [layer.name for layer in modules])
    for layer in modules:
        wanted = plain(lens.module, torch.stack([x, x * 0.5]), layer.site.owner, layer.site.call)
        torch.testing.assert_close(found[layer.name], wanted, rtol=1e-5, atol=1e-6)
        assert found[layer.name].shape[1:] == layer.shape


def test_functions_are_layers_too() -> None:
    lens, x = open_lens("spellings")
    functions = [layer.name for layer in lens.layers.values() if layer.site.function]
    assert functions == ["relu()", "relu()#2", "relu()#3", "clamp()"]
    found = lens.activations(x, functions)
    assert all(float(maps.min()) >= 0 for maps in found.values())
    with torch.no_grad():
        torch.testing.assert_close(found["clamp()"], lens.module(x[None]))


def test_an_in_place_relu_does_not_write_over_what_was_recorded() -> None:
    lens, x = open_lens("sequential")
    assert lens.layers["0"].overwritten
    assert float(lens.activations(x, "0").min()) < 0


def test_a_network_that_branches_is_still_recorded_right() -> None:
    lens = Lens(randomised(TwoWays), input_size=8)
    assert not lens.layers["conv"].overwritten
    assert float(lens.activations(torch.ones(3, 8, 8) * 0.9, "conv").min()) < 0


def test_the_forward_pass_stops_after_the_last_layer_wanted() -> None:
    lens, x = open_lens("sequential")
    assert len(lens.layers)
    with counting(lens.module) as calls:
        lens.activations(x, ["0", "2"])
    assert (calls["0"], calls["2"], calls["3"], calls["5"]) == (1, 1, 0, 0)


def test_one_forward_pass_serves_all_that_is_missing_and_a_second_look_costs_none() -> None:
    lens, x = open_lens("sequential")
    lens.activations(x, "0")
    with counting(lens.module) as calls:
        lens.activations([x, x * 0.5], ["0", "3", "5"])
        assert calls[""] == 1
        lens.activations([x, x * 0.5, x], ["5", "0"])
        lens.activations(x, "3")[0, 4]
    assert calls[""] == 1
    assert lens.cache.hits > 0


def test_training_in_place_makes_old_activations_unreachable() -> None:
    lens, x = open_lens("classifier")
    before, print_before = lens.activations(x, "0"), lens.fingerprint
    with torch.no_grad():
        lens.module[0].weight.mul_(2)
    after = lens.activations(x, "0")
    assert not torch.equal(before, after)
    assert lens.fingerprint != print_before
    assert len(lens.cache) == 1


def test_the_cache_keeps_to_its_budget() -> None:
    lens, x = open_lens("sequential", cache_bytes=40_000)
    for k in range(6):
        lens.activations(x * (1 - k / 10), ["0", "3"])
        assert lens.cache.bytes <= 40_000
    assert len(lens.cache) > 0


def test_equal_weights_have_equal_fingerprints_in_any_lens() -> None:
    assert Lens(randomised(classifier)).fingerprint == Lens(randomised(classifier)).fingerprint
    assert Lens(randomised(classifier, seed=1)).fingerprint != Lens(randomised(classifier)).fingerprint


def test_predictions_are_the_softmax_of_the_scores() -> None:
    lens, x = open_lens("classifier", class_names=["a", "b", "c", "d"])
    with torch.no_grad():
        scores = lens.module(x[None])[0]
    best = lens.predict(x, k=10)[0]
    assert [each.index for each in best] == scores.argsort(descending=True).tolist()
    assert [each.name for each in best] == ["abcd"[each.index] for each in best]
    np.testing.assert_allclose([each.probability for each in best], scores.softmax(0).sort(descending=True).values)
    assert best[0].score == pytest.approx(float(scores.max()))


def test_outputs_of_other_kinds_are_read() -> None:
    lens, x = open_lens("answering")
    with torch.no_grad():
        assert lens.predict(x, k=1)[0][0].index == int(lens.module(x[None])["logits"].argmax())
    single = Lens(nn.Sequential(nn.Flatten(), nn.Linear(12, 1)), input_size=2)
    assert 0 < single.predict(torch.zeros(3, 2, 2))[0][0].probability < 1
    certain = Lens(nn.Sequential(nn.Flatten(), nn.Linear(12, 3), nn.Softmax(1)), input_size=2)
    assert sum(each.probability for each in certain.predict(torch.zeros(3, 2, 2))[0]) == pytest.approx(1)


def test_gradients_reach_the_picture_and_not_the_weights() -> None:
    lens, x = open_lens("sequential")
    batch = lens.prepare(x).requires_grad_()
    lens.record(batch, ["3"], grad=True)["3"].sum().backward()
    assert batch.grad is not None
    assert float(batch.grad.abs().sum()) > 0
    assert all(weight.grad is None for weight in lens.module.parameters())


def test_the_input_size_is_found_by_trying() -> None:
    lens = Lens(make("one channel")[0])
    assert lens.input_shape == (1, 28, 28)
    with pytest.raises(UnsupportedModel, match="input_size="):
        _ = Lens(nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(7, 2))).layers


def test_wrong_names_list_the_nearest() -> None:
    lens, x = open_lens("residual")
    with pytest.raises(UnknownName, match="'conv2'"):
        lens.activations(x, "conv3")
    with pytest.raises(BadType, match=r"Lens\.load"):
        Lens("resnet18")  # type: ignore[arg-type]
    with pytest.raises(BadValue, match="empty"):
        lens.prepare([])
    with pytest.raises(BadValue, match="differ in size"):
        lens.activations([x, x[:, :10, :10]], "conv1")
    with pytest.raises(BadValue, match="k=0"):
        lens.predict(x, k=0)
    with pytest.raises(BadValue, match="takes 3 channels; this picture has 5"):
        lens.activations(torch.zeros(5, 17, 17), "conv1")
    with pytest.raises(UnsupportedModel, match="failed on an input of shape"):
        lens.record(torch.zeros(1, 5, 17, 17), ["conv1"])


def test_many_threads_see_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    lens, x = open_lens("residual", cache_bytes=0)
    wanted = lens.activations(x, ["conv2", "relu#2"])
    failures: list[object] = []

    def look() -> None:
        for _ in range(10):
            found = lens.activations(x, ["conv2", "relu#2"])
            failures.extend(name for name in wanted if not torch.equal(found[name], wanted[name]))

    threads = [threading.Thread(target=look) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_lens_does_not_keep_its_model_alive() -> None:
    module = randomised(sequential)
    lens = Lens(module, input_size=16)
    assert len(lens.layers)
    gone = weakref.ref(module)
    del module, lens
    gc.collect()
    assert gone() is None


def test_a_lens_on_another_device_leaves_the_module_where_it_is() -> None:
    module = randomised(classifier)
    lens = Lens(module, device="meta", input_size=8)
    assert lens.module is not module
    assert all(weight.device.type == "cpu" for weight in module.parameters())


def test_half_precision_networks_are_fed_in_half_precision() -> None:
    lens = Lens(randomised(classifier).to(torch.bfloat16), input_size=16)
    assert lens.activations(torch.rand(3, 16, 16), "0").dtype == torch.bfloat16


@pytest.mark.real
def test_the_real_network_knows_most_photos(real: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(real.torch_home))
    lens = cv.Lens.load("squeezenet1_0", device="cpu")
    right = 0
    for photo, best in zip(real.photos, lens.predict(real.photos), strict=True):
        name = photo.stem.split("_", 1)[1].lower()
        right += any(each.name.lower().replace(" ", "_").replace("'", "") == name.replace("'", "") for each in best)
    assert right >= 0.8 * len(real.photos)
