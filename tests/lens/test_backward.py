"""The way back against plain autograd, on every network; and parts of pictures against whole ones."""

import pytest
import torch
from torch import nn
from torchvision import models

from convviz_widgets.core.errors import BadValue, UnknownName
from convviz_widgets.lens.backward import WayBack, one_hot, project, smooth_activations
from convviz_widgets.lens.lens import Lens
from tests.networks import ALL, pictures, settle

RULES = ("gradient", "deconvnet", "guided")
FAMILIES = {
    **dict.fromkeys(("alexnet", "vgg11", "squeezenet1_0", "resnet18", "googlenet", "densenet121"), 64),
    **dict.fromkeys(("mobilenet_v2", "mobilenet_v3_small", "shufflenet_v2_x0_5", "mnasnet0_5"), 64),
    **dict.fromkeys(("efficientnet_b0", "regnet_y_400mf", "convnext_tiny"), 64),
}


def opened(name: str) -> tuple[Lens, torch.Tensor]:
    network = ALL[name]
    return Lens(network.make(), input_size=network.shape[1:]), pictures(1, network.shape, seed=3)


def by_autograd(lens: Lens, prepared: torch.Tensor, owner: str, signals: torch.Tensor) -> torch.Tensor:
    """The gradient with respect to the picture of the first call of a module, by a hook and torch alone."""
    x = prepared.clone().requires_grad_()
    seen: list[torch.Tensor] = []
    module = lens.module.get_submodule(owner)
    handle = module.register_forward_hook(lambda _m, _i, output: seen.append(output.clone()))
    lens.module.eval()(x * 1)
    handle.remove()
    return torch.autograd.grad(seen[0], x, signals)[0]


def random_like(answers: torch.Tensor) -> torch.Tensor:
    return torch.randn(answers.shape, generator=torch.Generator().manual_seed(1))


def assert_equal(found: torch.Tensor, wanted: torch.Tensor, tolerance: float = 1e-5) -> None:
    assert wanted.any()
    assert float((found - wanted).abs().max()) <= tolerance * float(wanted.abs().max())


@pytest.mark.filterwarnings("ignore:Using padding='same'")  # torch's own word on even kernels, once per process
@pytest.mark.parametrize("name", ALL)
def test_the_gradient_rule_equals_autograd_at_every_layer(name: str) -> None:
    lens, prepared = opened(name)
    layers = [each for each in lens.layers.values() if not each.site.function and each.site.call == 1]
    assert layers
    for layer in layers:
        way = WayBack(lens, prepared, layer)
        signals = random_like(way.answers)
        assert_equal(way.down(signals), by_autograd(lens, prepared, layer.site.owner, signals))


@pytest.mark.parametrize("name", FAMILIES)
def test_the_gradient_rule_equals_autograd_on_published_families(name: str) -> None:
    options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    module = settle(getattr(models, name)(weights=None, **options))
    lens = Lens(module, input_size=FAMILIES[name])
    prepared = pictures(1, (3, FAMILIES[name], FAMILIES[name]))
    wanted = [each for each in lens.layers.values() if not each.site.function and each.site.call == 1]
    for layer in (wanted[len(wanted) // 3], wanted[-1]):
        way = WayBack(lens, prepared, layer)
        signals = random_like(way.answers)
        assert_equal(way.down(signals), by_autograd(lens, prepared, layer.site.owner, signals))


def test_without_a_layer_it_starts_at_the_class_scores() -> None:
    lens, prepared = opened("dict_output")
    x = prepared.clone().requires_grad_()
    scores = lens.module(x)["logits"]
    wanted = torch.autograd.grad(scores[0, 2], x)[0]
    way = WayBack(lens, prepared)
    torch.testing.assert_close(way.answers, scores.detach())
    assert_equal(way.down(one_hot(way.answers, (2,))), wanted)


@pytest.mark.parametrize("rule", RULES)
def test_signals_go_down_picture_by_picture_and_one_after_another(rule: str) -> None:
    lens, _ = opened("residual")
    prepared = pictures(3, ALL["residual"].shape)
    way = WayBack(lens, prepared, "conv3", rule=rule)
    signals = random_like(way.answers)
    together = way.down(signals)
    assert torch.equal(way.down(signals), together)
    for place in range(3):
        alone = project(lens, prepared[place : place + 1], signals[place : place + 1], "conv3", rule=rule)
        assert_equal(alone[0], together[place])


@pytest.mark.parametrize("rule", RULES)
def test_all_rules_scale_with_what_is_sent_down(rule: str) -> None:
    lens, prepared = opened("branching")
    way = WayBack(lens, prepared, "2", rule=rule)
    signals = random_like(way.answers)
    assert_equal(way.down(3 * signals), 3 * way.down(signals))


def test_it_works_where_gradients_are_switched_off() -> None:
    lens, prepared = opened("residual")
    wanted = project(lens, prepared, torch.ones_like(lens.record(prepared, ["conv3"])["conv3"]), "conv3")
    for context in (torch.no_grad, torch.inference_mode):
        with context():
            signals = torch.ones_like(lens.record(prepared.clone(), ["conv3"])["conv3"])
            found = project(lens, prepared.clone(), signals, "conv3")
        assert_equal(found.clone(), wanted)


def test_a_layer_that_nothing_of_the_picture_reaches() -> None:
    class Deaf(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.other = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 2, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(x).sum() + self.other(x.detach())

    lens = Lens(settle(Deaf()), input_size=8)
    way = WayBack(lens, pictures(1, (3, 8, 8)), "other")
    assert not way.down(torch.ones_like(way.answers)).any()


def test_the_guest_and_the_picture_are_left_alone() -> None:
    lens, prepared = opened("writes_input")
    before = prepared.clone()
    lens.module.train()
    way = WayBack(lens, prepared, "conv", rule="guided")
    way.down(torch.ones_like(way.answers), last=True)
    assert torch.equal(prepared, before)
    assert lens.module.training
    assert all(weight.requires_grad and weight.grad is None for weight in lens.module.parameters())


def test_activations_on_the_way() -> None:
    lens, _ = opened("grouped")
    assert smooth_activations(lens, lens.layers["3"]) == ([], 1)
    assert smooth_activations(lens, lens.layers["4"]) == (["Hardswish"], 1)
    assert smooth_activations(opened("functional")[0], opened("functional")[0].layers["conv3"]) == ([], 2)


def test_wrong_arguments() -> None:
    lens, prepared = opened("residual")
    with pytest.raises(UnknownName):
        WayBack(lens, prepared, "conv9")
    with pytest.raises(UnknownName, match="Nearest: 'guided'"):
        WayBack(lens, prepared, "conv3", rule="gided")
    with pytest.raises(BadValue, match=r"\(1, 8, 11, 11\)"):
        project(lens, prepared, torch.ones(1, 8, 3, 3), "conv3")
