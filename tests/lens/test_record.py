"""Recording on every awkward network, against plain forward passes; and the guest's state afterwards."""

import copy
import random
import threading
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from convviz_widgets.core.errors import BadValue, UnsupportedModel
from convviz_widgets.lens.lens import Lens
from tests.networks import ALL, Failing, noisy, pictures, settle


def opened(name: str, **options: Any) -> tuple[Lens, torch.Tensor]:
    return Lens(ALL[name].make(), input_size=ALL[name].shape[1:], **options), pictures(3, ALL[name].shape)


def plain_outputs(module: nn.Module, x: torch.Tensor) -> dict[str, list[torch.Tensor]]:
    """What every module gives at each call, copied before anything can write over it."""
    found: dict[str, list[torch.Tensor]] = {}

    def keep(name: str, output: Any) -> None:
        if isinstance(output, torch.Tensor):
            found.setdefault(name, []).append(output.clone())

    module = copy.deepcopy(module)
    for name, each in module.named_modules():
        each.register_forward_hook(lambda _m, _i, output, name=name: keep(name, output))
    with torch.no_grad():
        module(x.clone())
    return found


@pytest.mark.parametrize("name", ALL)
def test_each_layer_gives_what_a_plain_hook_sees(name: str) -> None:
    lens, x = opened(name)
    wanted = plain_outputs(lens.module, x)
    modules = [layer for layer in lens.layers.values() if not layer.site.function]
    found = lens.record(x, [layer.name for layer in modules])
    for layer in modules:
        torch.testing.assert_close(found[layer.name], wanted[layer.site.owner][layer.site.call - 1])
        alone = lens.activations(x, layer)
        torch.testing.assert_close(alone, found[layer.name], rtol=1e-4, atol=1e-5)


def test_functions_give_what_they_gave_inside() -> None:
    lens, x = opened("functional")
    wanted = plain_outputs(lens.module, x)
    found = lens.activations(x, [layer.name for layer in lens.layers.values()])
    torch.testing.assert_close(found["relu()"], wanted["conv1"][0].relu())
    torch.testing.assert_close(found["max_pool2d()"], nn.functional.max_pool2d(wanted["conv1"][0].relu(), 2))
    torch.testing.assert_close(found["clamp()"], wanted["conv2"][0].relu())
    torch.testing.assert_close(found["relu()#2"], wanted["conv3"][0].relu())
    assert float(found["conv3"].min()) < 0  # the ReLU after it writes over it


def test_a_network_that_branches_runs_again_if_something_was_overwritten() -> None:
    lens, x = opened("dynamic")
    bright = x * 0.2 + 0.8
    assert lens.layers["conv"].parents == ()
    found = lens.record(bright, ["conv", "out.0"])
    torch.testing.assert_close(found["conv"], plain_outputs(lens.module, bright)["conv"][0])
    with pytest.raises(UnsupportedModel, match=r"'extra'.*branch on its input"):
        lens.record(bright, ["extra"])


@pytest.mark.parametrize("name", ["writes_input", "in_place"])
def test_what_is_given_is_not_written_over(name: str) -> None:
    lens, x = opened(name)
    before = x.clone()
    lens.record(x, list(lens.layers))
    lens.activations(x, list(lens.layers))
    lens.predict(x)
    assert torch.equal(x, before)
    batch = x.clone().requires_grad_()
    lens.record(batch, [next(iter(lens.layers))], grad=True)[next(iter(lens.layers))].sum().backward()
    assert batch.grad is not None


def test_an_early_layer_runs_no_later_module_also_by_function() -> None:
    for name, layer, later in (("residual", "relu", "conv2"), ("functional", "max_pool2d()", "conv2")):
        lens, x = opened(name)
        assert len(lens.layers)
        ran: list[int] = []
        lens.module.get_submodule(later).register_forward_pre_hook(lambda *_, ran=ran: ran.append(1))
        lens.activations(x, layer)
        assert ran == []
        lens.activations(x, later)
        assert ran == [1]


def test_a_network_that_catches_all_errors_can_still_be_stopped() -> None:
    class Stubborn(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 2, 3), nn.Conv2d(3, 2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            try:
                return self.first(x)
            except Exception:  # noqa: BLE001 -- such networks exist
                return self.second(x)

    lens = Lens(settle(Stubborn()), input_size=8)
    x = pictures(1, (3, 8, 8))
    torch.testing.assert_close(lens.activations(x, "first"), lens.module.first(x).detach())


def test_buffers_that_a_forward_changes_are_put_back_and_do_not_empty_the_cache() -> None:
    lens, x = opened("counter")
    module: Any = lens.module
    objects = {name: id(buffer) for name, buffer in module._buffers.items()}
    lens.activations(x, "conv")
    lens.predict(x)
    assert (float(module.seen), int(module.steps), module.scale) == (0, 0, None)
    assert {name: id(buffer) for name, buffer in module._buffers.items()} == objects
    misses = lens.cache.misses
    lens.activations(x, "conv")
    assert lens.cache.misses == misses
    assert lens.fingerprint == Lens(ALL["counter"].make(), input_size=12).fingerprint


def test_a_buffer_changed_by_its_owner_is_noticed() -> None:
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)
            self.register_buffer("mask", torch.ones(4, 1, 1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.relu(self.conv(x) * self.mask)

    lens = Lens(settle(Masked()), input_size=8)
    x, before = pictures(1, (3, 8, 8)), lens.fingerprint
    assert float(lens.activations(x, "relu()").sum()) > 0
    lens.module.mask.zero_()
    assert float(lens.activations(x, "relu()").sum()) == 0
    assert lens.fingerprint != before


def test_a_network_in_training_is_seen_as_it_predicts() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.9), nn.ReLU())
    settle(module)
    x = pictures(2, (3, 8, 8))
    wanted, mean = plain_outputs(module, x), module[1].running_mean.clone()
    module.train()
    lens = Lens(module, input_size=8)
    for name in ("1", "3"):
        torch.testing.assert_close(lens.activations(x, name), wanted[name][0])
    assert all(each.training for each in module.modules())
    assert torch.equal(module[1].running_mean, mean)


def test_random_states_are_put_back_where_the_network_draws() -> None:
    lens = Lens(noisy(), input_size=12)
    x = pictures(2, (3, 12, 12))
    before = torch.get_rng_state(), random.getstate(), str(np.random.get_state())  # noqa: NPY002
    lens.activations(x, "conv")
    lens.record(x, ["conv"])
    after = torch.get_rng_state(), random.getstate(), str(np.random.get_state())  # noqa: NPY002
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]


def test_another_thread_that_draws_meanwhile_does_not_draw_twice() -> None:
    lens, x = opened("sequential", cache_bytes=0)
    drawn: list[float] = []

    def draw_elsewhere(*_: object) -> None:
        thread = threading.Thread(target=lambda: drawn.append(float(torch.rand(()))))
        thread.start()
        thread.join()

    assert len(lens.layers)
    lens.module[0].register_forward_hook(draw_elsewhere)
    for _ in range(4):
        lens.activations(x, "3")
    assert len(set(drawn)) == 4


ERRORS = [RuntimeError("broken on purpose"), KeyboardInterrupt(), MemoryError(), SystemExit(1)]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("call", ["activations", "record", "predict", "layers", "input_shape"])
def test_the_guest_leaves_as_it_came_when_its_forward_fails(call: str, error: BaseException) -> None:
    module: Any = settle(Failing())
    module.train()
    module.conv2.eval()
    module.conv1.weight.requires_grad_(False)
    lens, x = Lens(module, input_size=12), pictures(2, (3, 12, 12))
    if call in ("activations", "record", "predict"):
        assert len(lens.layers)

    def state() -> object:
        hooks = [(len(each._forward_hooks), len(each._forward_pre_hooks)) for each in module.modules()]
        modes = [each.training for each in module.modules()]
        return hooks, modes, [(each.requires_grad, each._version, each.grad) for each in module.parameters()]

    before = state()
    module.error = error
    uses = {
        "activations": lambda: lens.activations(x, "conv2"),
        "record": lambda: lens.record(x, ["conv1", "conv2"], grad=True),
        "predict": lambda: lens.predict(x),
        "layers": lambda: lens.layers,
        "input_shape": lambda: lens.input_shape,
    }
    with pytest.raises(BaseException) as caught:  # noqa: PT011 -- which one is checked below
        uses[call]()
    assert not isinstance(caught.value, AssertionError)
    if isinstance(error, RuntimeError):
        assert isinstance(caught.value, UnsupportedModel)
        assert "input_size=" in str(caught.value)
    assert state() == before
    module.error = None
    assert lens.activations(x, "conv2").shape == (2, 4, 8, 8)
    assert state() == before


def test_layers_and_predictions_asked_for_at_once_do_not_wait_for_each_other() -> None:
    for _ in range(20):
        lens, x = opened("residual")
        start = threading.Barrier(2)
        uses = (lambda lens=lens, x=x: lens.predict(x), lambda lens=lens: lens.layers)

        def run(use: Any, start: threading.Barrier = start) -> None:
            start.wait()
            use()

        threads = [threading.Thread(target=run, args=(use,), daemon=True) for use in uses]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert not any(thread.is_alive() for thread in threads)


def test_what_is_no_batch_is_refused() -> None:
    lens, x = opened("sequential")
    for bad in (x[0], x[:0], x.numpy()):
        with pytest.raises(BadValue, match=r"\(N, C, H, W\).*lens\.prepare"):
            lens.record(bad, ["0"])  # type: ignore[arg-type]
    assert lens.record(x, []) == {}
    with pytest.raises(BadValue, match="input_size"):
        Lens(lens.module, input_size=(3, 32, 32))  # type: ignore[arg-type]


def test_a_view_into_a_larger_tensor_is_kept_at_its_own_size() -> None:
    class Halves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.take = nn.Conv2d(3, 64, 3), Take()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.relu(self.take(self.conv(x)))

    class Take(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:, :2]

    lens = Lens(settle(Halves()), input_size=8)
    lens.activations(pictures(1, (3, 8, 8)), "take")
    held = [each.untyped_storage().nbytes() for each in lens.cache._entries.values()]
    assert held == [2 * 6 * 6 * 4] == [lens.cache.bytes]


def test_the_lens_shows_itself_also_when_the_network_cannot_run() -> None:
    lens = Lens(ALL["residual"].make(), input_size=21, name="<b>net</b>")
    assert "relu#3" in lens._repr_html_()
    assert "<b>net</b>" not in lens._repr_html_()
    module = settle(Failing())
    module.error = ValueError("broken on purpose")  # type: ignore[assignment]
    assert "broken on purpose" in repr(Lens(module, input_size=12))


def test_a_compiled_network_is_looked_at_inside() -> None:
    module = ALL["sequential"].make()
    lens, x = Lens(torch.compile(module, backend="eager"), input_size=31), pictures(1, (3, 31, 31))  # type: ignore[arg-type]
    assert lens.module is module
    assert lens.activations(x, "0").shape == (1, 6, 15, 15)


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_a_script_is_refused_with_the_way_out() -> None:
    script = torch.jit.trace(ALL["sequential"].make(), pictures(1, (3, 31, 31)))
    with pytest.raises(UnsupportedModel, match=r"TorchScript.*load_state_dict"):
        Lens(script)


def test_lazy_layers_are_not_filled_in_by_looking() -> None:
    with pytest.raises(UnsupportedModel, match="Run it once"):
        Lens(nn.Sequential(nn.LazyConv2d(4, 3)), input_size=8)


def test_the_block_of_code_around_leaves_no_mark_in_the_cache() -> None:
    lens, x = opened("sequential")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert lens.activations(x, "0").dtype == torch.float32
    with torch.inference_mode():
        inside = lens.activations(x, "3")
    assert not inside.is_inference()
    assert not any(each.is_inference() or each.requires_grad for each in lens.cache._entries.values())
    with torch.inference_mode():
        module = ALL["sequential"].make()
    torch.testing.assert_close(Lens(module, input_size=31).activations(x, "3"), inside)


def test_a_dense_network_tells_its_channels_by_its_length() -> None:
    assert Lens(nn.Sequential(nn.Flatten(), nn.Linear(784, 10))).input_shape == (1, 28, 28)
    assert Lens(nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))).input_shape == (3, 32, 32)


def test_a_copy_of_the_picture_into_a_new_batch_still_comes_from_the_picture() -> None:
    class Batches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            batch = x.new_zeros(x.shape)
            batch[:, :].copy_(x)
            return self.conv(batch)

    assert list(Lens(settle(Batches()), input_size=8).layers) == ["conv"]
