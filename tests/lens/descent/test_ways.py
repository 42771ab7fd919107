"""The way back along what one forward pass ran, against autograd; and where it is not to be gone."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convviz_widgets.lens.backward import WayBack, one_hot
from convviz_widgets.lens.descent.ways import Way, answers_and_trail, way_down
from convviz_widgets.lens.lens import Lens
from tests import known_networks
from tests.networks import ALL, pictures, settle

RULES = ("gradient", "deconvnet", "guided")
UNKNOWN = {
    "grouped": "1234",
    "reflected": "012",
    "local_response": "23",
    "instance_norm": "12",
    "transposed": "123",
}
"""Layers of networks whose operations no way is known for, beside the poolings to one place at the end."""


def lens_of(module: nn.Module, side: int = 24) -> Lens:
    return Lens(settle(module), input_size=side)


def assert_as_autograd(lens: Lens, prepared: torch.Tensor, layer: str, rule: str, way: Way) -> None:
    """At positions all over the map, alone and all in one go."""
    whole = WayBack(lens, prepared, layer, rule=rule)
    channels, height, width = whole.answers.shape[1:]
    rows, columns = sorted({0, height // 3, height // 2, height - 1}), sorted({0, width // 2, width - 1})
    strongest = whole.answers[0].argmax(0)
    neurons = [(number % channels, row, column) for number, row in enumerate(rows) for column in columns[:-1]]
    neurons += [(int(strongest[row, columns[-1]]), row, columns[-1]) for row in rows]
    wanted = torch.cat([whole.down(one_hot(whole.answers, neuron)) for neuron in neurons])
    assert wanted.any()
    together = way.down(neurons, rule).on(prepared)
    alone = torch.cat([way.down([neuron], rule).on(prepared) for neuron in neurons[:2]])
    for found, of in ((together, wanted), (alone, wanted[:2])):
        apart, largest = (found - of).abs().flatten(1).amax(1), of.abs().flatten(1).amax(1)
        assert bool((apart <= 1e-5 * largest).all())


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("name", ALL)
def test_it_equals_autograd_at_every_layer(name: str) -> None:
    lens, prepared = (
        Lens(settle(ALL[name].make()), input_size=ALL[name].shape[1:]),
        pictures(1, ALL[name].shape, seed=3),
    )
    left = set()
    for number, layer in enumerate(each for each in lens.layers.values() if each.is_map):
        way = way_down(lens, prepared, layer, RULES[number % 3])
        if way is None:
            left.add(layer.name)
        else:
            assert_as_autograd(lens, prepared, layer.name, RULES[number % 3], way)
    if name not in ("patched", "gated", "shuffled", "dynamic"):
        ends = {each.name for each in lens.layers.values() if "adaptive" in each.type_name.lower()}
        assert left - ends == set(UNKNOWN.get(name, ""))


@pytest.mark.parametrize("name", known_networks.ALL)
def test_on_networks_known_by_heart(name: str) -> None:
    case = known_networks.ALL[name]
    lens, prepared = Lens(settle(case.build()), input_size=case.shape[1:]), 2 * pictures(1, case.shape, seed=3) - 1
    for number, layer in enumerate(each for each in lens.layers.values() if each.is_map):
        way = way_down(lens, prepared, layer, RULES[number % 3])
        if way is not None:
            assert_as_autograd(lens, prepared, layer.name, RULES[number % 3], way)


class Applied(nn.Module):
    """A function between two convolutions."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.first, self.last, self.function = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3), function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.function(self.first(x)))


SPELLINGS = {
    "relu": F.relu,
    "in place": F.relu_,
    "relu6": lambda x: F.relu6(3 * x),
    "hardtanh": lambda x: F.hardtanh(x, 0, 0.3),
    "hardtanh, no ReLU": F.hardtanh,
    "threshold": lambda x: F.threshold(x, 0, 0),
    "threshold, no ReLU": lambda x: F.threshold(x, 0.1, 0.2),
    "clamp": lambda x: x.clamp(min=0),
    "clamp of zeros": lambda x: F.relu(x).clamp(min=0),
    "clamp, ceiling": lambda x: x.clamp(0, 0.2),
    "clamp, no ReLU": lambda x: x.clamp(-0.1, 0.2),
    "clip": lambda x: torch.clip(x, 0),
    "clamp_min": lambda x: x.clamp_min(0),
    "maximum": lambda x: torch.maximum(x, torch.zeros(())),
    "maximum of zeros": lambda x: torch.maximum(torch.zeros_like(x), x),
    "arithmetic": lambda x: x * (x > 0),
    "leaky": F.leaky_relu,
    "times itself": lambda x: x * x,
    "gate of its own": lambda x: x * torch.sigmoid(x),
    "constants": lambda x: 2 - 0.5 * x / 3,
    "a constant a channel": lambda x: x * torch.linspace(-1, 1, 4).view(4, 1, 1),
    "a constant a place": lambda x: x * torch.linspace(-1, 1, x.shape[-1]),
    "less twice": lambda x: torch.sub(x, F.relu(x), alpha=2),
    "parts": lambda x: torch.cat([x[:, 2:], F.relu(x[:, :2])], 1),
    "chunks": lambda x: torch.cat([F.relu(each) * number for number, each in enumerate(x.chunk(4, 1))], 1),
    "padded": lambda x: F.pad(x, (1, -2, 3, 0)),
    "bare norm": nn.BatchNorm2d(4, affine=False).eval(),
    "pooled": lambda x: F.max_pool2d(x, 3, 2, 1, 2),
    "pooled over the edge": lambda x: F.max_pool2d(x, 3, 2, ceil_mode=True),
    "averaged over the edge": lambda x: F.avg_pool2d(x, (3, 2), 2, 1, ceil_mode=True, count_include_pad=False),
    "averaged with the padding": lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True),
    "averaged by hand": lambda x: F.avg_pool2d(x, 3, 1, divisor_override=5),
    "averaged to a size": lambda x: F.adaptive_avg_pool2d(x, (8, 12)),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", SPELLINGS)
def test_each_operation_and_each_spelling(name: str, rule: str) -> None:
    lens = lens_of(Applied(SPELLINGS[name]))
    prepared = pictures(1, (3, 24, 24), seed=4)
    way = way_down(lens, prepared, lens.layers["last"], rule)
    if way is None:  # element by element with a tensor that is no map, or taken apart by a view
        assert name in ("a constant a place", "maximum of zeros", "arithmetic", "parts")
    else:
        assert_as_autograd(lens, prepared, "last", rule, way)


def test_of_equal_values_the_same_goes_on() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.MaxPool2d(3, 2, 1), nn.MaxPool2d(3, 1), nn.Conv2d(4, 4, 3))
    lens = lens_of(net)
    prepared = pictures(1, (3, 24, 24)).round()
    prepared[..., :12] = 0
    way = way_down(lens, prepared, lens.layers["3"], "deconvnet")
    assert way is not None
    assert_as_autograd(lens, prepared, "3", "deconvnet", way)


class Straight(torch.autograd.Function):
    @staticmethod
    def forward(_ctx: object, x: torch.Tensor) -> torch.Tensor:
        return x.sign()

    @staticmethod
    def backward(_ctx: object, signal: torch.Tensor) -> torch.Tensor:
        return signal


def without_gradient(x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        half = F.relu(x)
    return half + x


@pytest.mark.parametrize("function", [Straight.apply, without_gradient, lambda x: F.relu(x.detach()) + x])
def test_gradients_that_are_not_those_of_the_operations_are_left_to_autograd(function: Callable[..., object]) -> None:
    lens = lens_of(Applied(function))
    assert way_down(lens, pictures(1, (3, 24, 24)), lens.layers["last"], "gradient") is None
    assert way_down(lens, pictures(1, (3, 24, 24)), lens.layers["first"], "gradient") is not None


def test_where_a_relu_is_hidden_the_gradient_alone_goes_down() -> None:
    lens = lens_of(Applied(lambda x: F.lp_pool2d(x, 2, 2)))  # which puts one after its absolute value
    prepared = pictures(1, (3, 24, 24))
    way = way_down(lens, prepared, lens.layers["last"], "gradient")
    assert way is not None
    assert_as_autograd(lens, prepared, "last", "gradient", way)
    assert way_down(lens, prepared, lens.layers["last"], "guided") is None


def test_other_weights_are_another_way() -> None:
    lens, prepared = lens_of(Applied(F.relu)), pictures(1, (3, 24, 24))
    layer = lens.layers["last"]
    assert way_down(lens, prepared, layer, "guided") is not None
    with torch.no_grad():
        lens.module.first.weight.mul_(-1)
    way = way_down(lens, prepared, layer, "guided")
    assert way is not None
    assert_as_autograd(lens, prepared, "last", "guided", way)


def test_what_is_kept_lies_in_the_cache_and_what_finds_no_room_is_made_again() -> None:
    lens, prepared = lens_of(Applied(F.relu)), pictures(1, (3, 24, 24))
    layer = lens.layers["last"]
    way_down(lens, prepared, layer, "gradient", kept=False)
    assert lens.cache.bytes == 0
    way_down(lens, prepared, layer, "gradient")
    assert lens.cache.bytes == 4 * 24 * 24 + 4 * 4 * 22 * 22  # where the ReLU was open, a byte each, and the answers
    none = Lens(lens.module, input_size=24, cache_bytes=0)
    for _ in range(2):
        way = way_down(none, prepared, none.layers["last"], "gradient")
        assert way is not None
        assert_as_autograd(none, prepared, "last", "gradient", way)


def test_one_pass_serves_answers_and_signals_once_the_way_is_known() -> None:
    lens, prepared = lens_of(Applied(F.relu)), pictures(3, (3, 24, 24))
    layer, passes = lens.layers["last"], []
    way_down(lens, prepared[:1], layer, "gradient")
    lens.module.register_forward_pre_hook(lambda *_: passes.append("by the module"))
    answers = answers_and_trail(lens, prepared[1:2], layer)
    assert not passes
    assert lens.cache.entries == 4  # of two pictures
    assert way_down(lens, prepared[1:2], layer, "guided") is not None
    assert lens.cache.entries == 4
    assert torch.allclose(answers, lens.record(prepared[1:2], ["last"])["last"], rtol=1e-5, atol=1e-5)


def test_it_works_in_inference_mode_and_leaves_the_picture_alone() -> None:
    lens = lens_of(Applied(F.silu))
    with torch.inference_mode():
        prepared = pictures(1, (3, 24, 24))
        before = prepared.clone()
        way = way_down(lens, prepared, lens.layers["last"], "gradient")
        assert way is not None
        found = way.down([(1, 9, 9)], "gradient").on(prepared)
    assert torch.equal(prepared, before)
    prepared = before.clone()
    assert_as_autograd(lens, prepared, "last", "gradient", way)
    assert found.any()
