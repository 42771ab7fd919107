"""ReLU rules against their formulas, for every spelling of a ReLU."""

import threading
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convviz_widgets.core.errors import UnknownName
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.rules import relu_rule
from tests.networks import ALL, pictures

SPELLINGS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "nn.ReLU": nn.ReLU(),
    "nn.ReLU in place": nn.ReLU(inplace=True),
    "nn.Threshold": nn.Threshold(0, 0),
    "nn.Hardtanh": nn.Hardtanh(0, 1e9),
    "F.relu": F.relu,
    "F.relu in place": lambda x: F.relu(x, inplace=True),
    "F.relu by name": lambda x: F.relu(input=x, inplace=True),
    "F.relu_": F.relu_,
    "F.threshold": lambda x: F.threshold(x, 0.0, 0.0),
    "torch.relu": torch.relu,
    "torch.relu_": torch.relu_,
    "x.relu": lambda x: x.relu(),
    "x.relu_": lambda x: x.relu_(),
    "x.clamp(min=0)": lambda x: x.clamp(min=0),
    "x.clamp(0)": lambda x: x.clamp(0),
    "x.clamp_": lambda x: x.clamp_(min=0.0),
    "x.clip": lambda x: x.clip(min=0),
    "x.clamp_min": lambda x: x.clamp_min(0),
    "x.clamp_min_": lambda x: x.clamp_min_(0),
    "torch.clamp": lambda x: torch.clamp(x, min=torch.tensor(0.0)),
    "torch.clamp_min": lambda x: torch.clamp_min(x, min=0),
    "torch.maximum": lambda x: torch.maximum(x, torch.zeros(())),
    "torch.max": lambda x: torch.max(torch.zeros_like(x), x),
    "the result thrown away": lambda x: (x.relu_(), x)[1],
}
RULES = {
    "gradient": lambda x, s: s * (x > 0),
    "deconvnet": lambda _x, s: s * (s > 0),
    "guided": lambda x, s: s * (x > 0) * (s > 0),
    "redirected": lambda x, s: s * (x > 0),
}


def values() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x, signal = (torch.randn(2, 3, 4, 4, generator=generator) for _ in range(2))
    x[0, 0, 0] = 0
    return x.requires_grad_(), signal


def through(spelling: Callable[[torch.Tensor], torch.Tensor], rule: str) -> tuple[torch.Tensor, torch.Tensor]:
    x, signal = values()
    with relu_rule(rule):
        y = spelling(x * 1)
    return y, torch.autograd.grad(y, x, signal)[0]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_follows_the_formula(spelling: str, rule: str) -> None:
    x, signal = values()
    y, passed = through(SPELLINGS[spelling], rule)
    assert torch.equal(y, x.clamp(min=0))
    assert torch.equal(passed, RULES[rule](x, signal))


@pytest.mark.parametrize("rule", ["deconvnet", "guided"])
def test_a_ceiling_keeps_the_values(rule: str) -> None:
    x = torch.tensor([-1.0, 3.0, 7.0], requires_grad=True)
    signal = torch.tensor([1.0, -1.0, 2.0])
    expected = {"deconvnet": [1.0, 0.0, 2.0], "guided": [0.0, 0.0, 0.0]}[rule]
    for spelling in (nn.ReLU6(), F.relu6, lambda v: v.clamp(0, 6), nn.ReLU6(inplace=True)):
        with relu_rule(rule):
            y = spelling(x * 1)
        assert y.tolist() == [0, 3, 6]
        assert torch.autograd.grad(y, x, signal)[0].tolist() == expected


def test_what_is_no_relu_is_left_alone() -> None:
    x, signal = values()
    for other in (
        lambda v: v.clamp(-1, 1),
        lambda v: v.clamp(max=0),
        lambda v: F.threshold(v, 0.5, 0.0),
        lambda v: torch.maximum(v, torch.ones(())),
        F.leaky_relu,
        torch.tanh,
    ):
        plain = torch.autograd.grad(other(x), x, signal)[0]
        with relu_rule("deconvnet"):
            y = other(x)
        assert torch.equal(torch.autograd.grad(y, x, signal)[0], plain)


def test_a_blocked_picture_is_redirected_and_the_others_are_not() -> None:
    x = torch.tensor([[-1.0, -2.0, -3.0], [1.0, -2.0, -3.0]], requires_grad=True)
    signal = torch.tensor([[1.0, -1.0, 0.5], [1.0, 1.0, 1.0]])
    with relu_rule("redirected"):
        y = x.relu()
    assert torch.autograd.grad(y, x, signal)[0].tolist() == [[1.0, 0.0, 0.5], [1.0, 0.0, 0.0]]


def test_the_inner_rule_holds_and_nothing_stays() -> None:
    x, signal = values()
    with relu_rule("deconvnet"):
        with relu_rule("guided"):
            inner = x.relu()
        outer = x.relu()
    with pytest.raises(ZeroDivisionError), relu_rule("deconvnet"):
        _ = 1 / 0
    after = x.relu()
    for y, rule in ((inner, "guided"), (outer, "deconvnet"), (after, "gradient")):
        assert torch.equal(torch.autograd.grad(y, x, signal)[0], RULES[rule](x, signal))


def test_other_threads_keep_their_gradient() -> None:
    x, signal = values()
    found = []
    with relu_rule("deconvnet"):
        thread = threading.Thread(target=lambda: found.append(x.relu()))
        thread.start()
        thread.join()
    assert torch.equal(torch.autograd.grad(found[0], x, signal)[0], signal * (x > 0))


def test_without_gradients_it_costs_nothing() -> None:
    x, _ = values()
    with torch.no_grad(), relu_rule("guided"):
        assert x.relu().grad_fn is None


@pytest.mark.parametrize("name", ["in_place", "residual", "branching", "functional", "dynamic", "dense"])
def test_the_gradient_rule_equals_autograd_through_a_lens(name: str) -> None:
    network = ALL[name]
    lens = Lens(network.make(), input_size=network.shape[1:])
    last = list(lens.layers)[-1]
    grads = []
    for rule in (None, "gradient"):
        x = pictures(2, network.shape).requires_grad_()
        if rule is None:
            y = lens.record(x, [last], grad=True)[last]
        else:
            with relu_rule(rule):
                y = lens.record(x, [last], grad=True)[last]
        grads.append(torch.autograd.grad(y.sum(), x)[0])
    assert grads[0].any()
    torch.testing.assert_close(grads[0], grads[1])


def test_a_wrong_rule_lists_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Nearest: 'guided'"), relu_rule("gided"):
        pass
