"""Saliency maps against autograd, completeness, a plain Grad-CAM, and drawings whose objects are known."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convviz_widgets.core.errors import BadType, BadValue, UnknownName, UnsupportedModel
from convviz_widgets.core.unit import Unit
from convviz_widgets.data.concepts import ID_OF
from convviz_widgets.data.mini_broden import MiniBroden
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.deconvnet.deconvnet import deconvnet
from convviz_widgets.methods.saliency.saliency import Saliency, saliency
from tests.networks import ALL, pictures, settle

VARIANTS = ("gradient", "smoothgrad", "integrated", "grad-cam", "guided", "deconvnet")


def opened(name: str, **options: object) -> tuple[Lens, torch.Tensor]:
    network = ALL[name]
    return Lens(network.make(), input_size=network.shape[1:], **options), pictures(1, network.shape, seed=4)[0]


def scores_of(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    output = module(x * 1)
    output = output["logits"] if isinstance(output, dict) else output
    return output[0] if isinstance(output, tuple) else output


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("name", ALL)
def test_the_gradient_is_that_of_autograd(name: str) -> None:
    lens, image = opened(name)
    x = image[None].clone().requires_grad_()
    wanted = torch.autograd.grad(scores_of(lens.module, x)[0, 3], x)[0][0]
    found = saliency(lens, image, 3)
    assert wanted.any()
    rounding = 1e-6 * float(wanted.abs().max())
    assert np.allclose(found.signal, wanted.numpy(), rtol=0, atol=rounding)
    assert np.array_equal(found.map, np.abs(found.signal).max(0))
    assert np.array_equal(found.signed, found.signal.sum(0))
    assert found.score == float(scores_of(lens.module, image[None])[0, 3].detach())


def test_the_most_probable_class_is_meant_unless_one_is_named() -> None:
    lens, image = opened("residual", class_names=["a", "b", "c", "d:1", "e"])
    best = int(scores_of(lens.module, image[None]).argmax())
    assert saliency(lens, image).target == "abcde"[best] if best != 3 else "d:1"
    assert saliency(lens, image).provenance.settings["unit"] == best
    assert saliency(lens, image, "d:1") == saliency(lens, image, 3)
    assert np.array_equal(saliency(lens, image, "fc:3").map, saliency(lens, image, 3).map)


def test_of_two_classes_with_one_score_the_first_is_its_opposite() -> None:
    net = settle(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1)))
    lens, image = Lens(net, input_size=8, class_names=["no", "yes"]), pictures(1, (3, 8, 8))[0]
    no, yes = saliency(lens, image, "no"), saliency(lens, image, "yes")
    assert yes.signal.any()
    assert np.array_equal(no.signal, -yes.signal)
    assert no.score == -yes.score


def test_of_a_unit_it_is_the_gradient_of_its_strongest_neuron() -> None:
    lens, image = opened("branching")
    channel = int(lens.activations(image, "2")[0].flatten(1).amax(1).argmax())
    wanted = deconvnet(lens, image, f"2:{channel}", rule="gradient")
    found = saliency(lens, image, Unit("2", channel))
    assert found.target == wanted.unit
    np.testing.assert_allclose(found.signal, wanted.signal, atol=1e-6)
    assert found.score == pytest.approx(wanted.activation)


@pytest.mark.parametrize("rule", ["guided", "deconvnet"])
def test_the_other_rules_are_those_of_the_way_back(rule: str) -> None:
    lens, image = opened("residual")
    found = saliency(lens, image, 1, variant=rule)
    assert np.array_equal(found.signal, deconvnet(lens, image, "fc:1", rule=rule).signal)


@pytest.mark.parametrize("name", ["sequential", "residual", "branching", "dilated", "gated"])
@pytest.mark.parametrize("baseline", ["black", "mean"])
def test_integrated_gradients_are_complete(name: str, baseline: str) -> None:
    lens, image = opened(name)
    found = saliency(lens, image, 2, variant="integrated", samples=300, baseline=baseline)
    start = scores_of(lens.module, torch.zeros_like(image[None]))[0, 2]
    assert found.baseline_score == pytest.approx(float(start.detach()), abs=1e-6)
    difference = found.score - found.baseline_score
    assert abs(difference) > 1e-3
    assert float(found.signed.sum()) == pytest.approx(difference, rel=0.02, abs=1e-4)
    assert found.signal.sum() == pytest.approx(float(found.signed.sum()), rel=1e-3)


def test_the_black_baseline_is_black_to_the_eye() -> None:
    lens = Lens.load("mini")
    image = MiniBroden(count=1)[0].image
    found = saliency(lens, image, 2, variant="integrated", samples=2)
    black = np.zeros_like(image)
    assert found.baseline_score == pytest.approx(saliency(lens, black, 2).score, rel=1e-4)


def test_integrated_gradients_of_a_linear_network_are_weight_times_change() -> None:
    net = settle(nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(2 * 36, 4)))
    lens, image = Lens(net, input_size=8), pictures(1, (3, 8, 8))[0]
    found = saliency(lens, image, 1, variant="integrated", samples=1)
    np.testing.assert_allclose(found.signal, image.numpy() * saliency(lens, image, 1).signal, atol=1e-6)


def test_smoothgrad_is_the_mean_over_noisy_copies() -> None:
    lens, image = opened("residual")
    found = saliency(lens, image, 1, variant="smoothgrad", samples=20, noise=0.3, seed=7)
    generator = torch.Generator().manual_seed(7)
    reach, total = 0.3 * (image.max() - image.min()), torch.zeros_like(image)
    for _ in range(20):
        x = (image + reach * torch.randn((1, *image.shape), generator=generator)[0])[None].requires_grad_()
        total += torch.autograd.grad(lens.module(x)[0, 1], x)[0][0] / 20
    np.testing.assert_allclose(found.signal, total.numpy(), atol=1e-6)
    assert saliency(lens, image, 1, variant="smoothgrad", samples=20, noise=0.3, seed=7) == found
    assert saliency(lens, image, 1, variant="smoothgrad", samples=20, noise=0.3, seed=8) != found
    still = saliency(lens, image, 1, variant="smoothgrad", samples=3, noise=0)
    np.testing.assert_allclose(still.signal, saliency(lens, image, 1).signal, atol=1e-6)


def plain_grad_cam(module: nn.Module, owner: str, image: torch.Tensor, index: int) -> torch.Tensor:
    """Grad-CAM by its formula: (H, W), before the positive part."""
    kept: list[torch.Tensor] = []
    handle = module.get_submodule(owner).register_forward_hook(lambda _m, _i, output: kept.append(output))
    score = scores_of(module, image[None].clone().requires_grad_())[0, index]
    handle.remove()
    gradient = torch.autograd.grad(score, kept[0])[0]
    weights = gradient.flatten(2).mean(2)[0]
    coarse = sum(weight * channel for weight, channel in zip(weights, kept[0][0], strict=True))
    return F.interpolate(coarse[None, None].detach(), image.shape[1:], mode="bilinear")[0, 0]


@pytest.mark.parametrize(
    ("name", "layer", "index"),
    [
        ("sequential", "4", 1),
        ("sequential", "2", 0),
        ("branching", "4", 3),
        ("gated", "after", 2),
        ("dense", "first", 1),
    ],
)
def test_grad_cam_equals_a_plain_twin(name: str, layer: str, index: int) -> None:
    lens, image = opened(name)
    wanted = plain_grad_cam(lens.module, layer, image, index)
    found = saliency(lens, image, index, variant="grad-cam", layer=layer)
    assert wanted.any()
    np.testing.assert_allclose(found.signed, wanted.numpy(), atol=1e-6)
    assert np.array_equal(found.map, np.maximum(found.signed, 0))
    assert found.signal.shape == lens.activations(image, layer)[0, :1].shape


def test_grad_cam_takes_the_last_maps_by_itself() -> None:
    for name, layer in (("sequential", "4"), ("branching", "4"), ("gated", "after")):
        lens, image = opened(name)
        given = saliency(lens, image, 1, variant="grad-cam", layer=layer)
        assert np.array_equal(saliency(lens, image, 1, variant="grad-cam").map, given.map)
    lens = Lens.load("mini")
    image = MiniBroden(count=1)[0].image
    relu5 = saliency(lens, image, 1, variant="grad-cam", layer="relu5")
    assert np.array_equal(saliency(lens, image, 1, variant="grad-cam").map, relu5.map)


def test_grad_cam_where_it_cannot_be() -> None:
    lens, image = opened("in_place")
    with pytest.raises(UnsupportedModel, match="writes over"):
        saliency(lens, image, 1, variant="grad-cam", layer="0")
    with pytest.raises(BadValue, match="gives a vector"):
        saliency(lens, image, 1, variant="grad-cam", layer="7")
    with pytest.raises(BadValue, match="No layer of maps"):
        saliency(lens, image, "0:1", variant="grad-cam")


@pytest.mark.parametrize("variant", ["gradient", "smoothgrad", "grad-cam", "integrated"])
def test_the_strongest_pixel_lies_on_the_object(variant: str) -> None:
    """The pointing game (Zhang et al. 2016, section 4.1) on drawings whose masks are known."""
    lens, hits, chance = Lens.load("mini"), [], []
    images = MiniBroden(count=60, seed=5)
    for sample in images:
        inside = sample.labels["object"] == ID_OF["object", images.class_names[sample.target]]
        found = saliency(lens, sample.image, sample.target, variant=variant, samples=8)
        row, column = divmod(int(found.map.argmax()), found.map.shape[1])
        hits.append(inside[row, column])
        chance.append(inside.mean())
    assert np.mean(hits) > np.mean(chance) + 0.5  # 0.97 and 0.21 with the gradient


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_is_kept_and_drawn(variant: str, tmp_path: Path) -> None:
    lens, image = opened("branching")
    found = saliency(lens, image, 2, variant=variant, samples=3)
    assert found.map.shape == found.signed.shape == (33, 33)
    assert (found.map >= 0).all()
    assert found.picture().shape == (33, 33, 3)
    assert found.figure().data
    found.save(tmp_path / "found")
    assert Saliency.load(tmp_path / "found") == found
    assert f"variant='{variant}'" in found.provenance.code()


def test_steps_tell_how_far_it_is() -> None:
    lens, image = opened("residual")
    seen: list[int] = []
    saliency(lens, image, 1, variant="integrated", samples=40, progress=lambda step: seen.append(step.index))
    assert seen == [16, 32, 40]


def test_wrong_arguments() -> None:
    lens, image = opened("residual", class_names=["cat", "dog"])
    for unit, said in ((5, "0 to 4"), (-1, "0 to 4"), ("fc:5", "no unit 5"), ("conv1:0@21,0", "up to 20,20")):
        with pytest.raises(BadValue, match=said):
            saliency(lens, image, unit)
    with pytest.raises(UnknownName, match="Nearest: 'dog'"):
        saliency(lens, image, "dgo")
    with pytest.raises(BadType, match="bool"):
        saliency(lens, image, True)
    with pytest.raises(BadValue, match="2 pictures"):
        saliency(lens, [image, image])
    with pytest.raises(BadValue, match="samples=0"):
        saliency(lens, image, variant="smoothgrad", samples=0)
    with pytest.raises(BadValue, match="noise=2"):
        saliency(lens, image, noise=2)
    for wrong in ({"variant": "gradcam"}, {"baseline": "white"}, {"variant": "grad-cam", "layer": "conv9"}):
        with pytest.raises(UnknownName):
            saliency(lens, image, **wrong)
