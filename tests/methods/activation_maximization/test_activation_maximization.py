"""Activation maximization against its oracles, on trained and on awkward networks."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

import convviz_widgets as cv
from convviz_widgets.core.errors import BadType, BadValue, UnknownName, UnsupportedModel
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.activation_maximization.climb import Climb
from convviz_widgets.methods.activation_maximization.objectives import Channel, ClassProbability, ClassScore, WholeLayer
from convviz_widgets.methods.activation_maximization.recipes import RECIPES
from tests.networks import ALL, pictures, settle

CLIMBED = sorted(set(ALL) - {"failing"})
FAMILIES = (
    *(
        "alexnet",
        "vgg11",
        "squeezenet1_0",
        "resnet18",
        "googlenet",
        "densenet121",
        "mobilenet_v2",
        "mobilenet_v3_small",
    ),
    *("shufflenet_v2_x0_5", "mnasnet0_5", "efficientnet_b0", "regnet_y_400mf", "convnext_tiny", "inception_v3"),
)
INITIAL = {name: {"init_weights": False} for name in ("googlenet", "inception_v3")}
GROWING = [name for name, recipe in RECIPES.items() if recipe.parametrization != "code"]


@pytest.fixture(scope="module")
def mini() -> Lens:
    return Lens.load("mini", device="cpu")


def opened(name: str) -> Lens:
    network = ALL[name]
    return Lens(network.make(), input_size=network.shape[1:])


def small(*layers: nn.Module, size: int = 16) -> Lens:
    return Lens(settle(nn.Sequential(*layers)), input_size=size)


def test_the_optimum_of_a_filter_in_a_norm_ball_is_the_filter() -> None:
    for groups, dilation in ((1, 1), (3, 1), (1, 2)):
        conv = settle(nn.Conv2d(3, 6, 5, groups=groups, dilation=dilation))
        side = 4 * dilation + 1
        lens = Lens(nn.Sequential(conv), input_size=side)
        grown = cv.activation_maximization(lens, [f"0:{k}@0,0" for k in range(6)], recipe="erhan", norm_ball=0.3)
        for k, image in enumerate(grown.images):
            weight = torch.zeros(3, side, side)
            inside = range(3) if groups == 1 else [k // 2]
            weight[inside, ::dilation, ::dilation] = conv.weight[k].detach()
            z = torch.tensor(image).permute(2, 0, 1) - 0.5
            assert float(torch.cosine_similarity(z.flatten(), weight.flatten(), dim=0)) > 0.999


@pytest.mark.parametrize("name", CLIMBED)
def test_the_objective_rises_on_every_network(name: str) -> None:
    lens = opened(name)
    seen = [layer for layer in lens.layers.values() if layer.is_map and layer.channels > 1]
    for layer, recipe in ((seen[0], "olah"), (seen[-1], "yosinski-dense")):
        maps = lens.activations(pictures(4, ALL[name].shape), layer.name)
        liveliest = int(maps.transpose(0, 1).flatten(1).amax(1).argmax())
        grown = cv.activation_maximization(lens, f"{layer.name}:{liveliest}", recipe=recipe, steps=20)
        assert grown.trace[-3:].mean() > grown.trace[:3].mean(), (layer.name, recipe, grown.stopped)


@pytest.mark.parametrize("name", FAMILIES)
def test_it_climbs_on_every_family_of_torchvision(name: str) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        lens = Lens(torchvision.models.get_model(name, weights=None, **INITIAL.get(name, {})), input_size=80)
    maps = [layer for layer in lens.layers.values() if layer.is_map and layer.shape[1] > 3]
    middle = maps[len(maps) // 2]
    unit = int(lens.activations(pictures(1, (3, 80, 80)), middle.name)[0].flatten(1).amax(1).argmax())
    grown = cv.activation_maximization(lens, f"{middle.name}:{unit}", recipe="simonyan", steps=3)
    assert grown.trace[-1] > grown.trace[0]


@pytest.mark.parametrize("recipe", GROWING)
def test_every_recipe_makes_a_unit_answer_and_gives_pictures(recipe: str, mini: Lens) -> None:
    grown = cv.activation_maximization(mini, ["relu3:5", "relu3:9"], recipe=recipe, steps=40, size=48)
    assert grown.images.shape == (2, 48, 48, 3)
    assert grown.images.dtype == np.float32
    assert 0 <= grown.images.min() < grown.images.max() <= 1
    assert grown.traces.shape == (40, 2)
    assert (grown.traces[-5:].mean(0) > grown.traces[:5].mean(0)).all()


def test_grown_images_beat_the_dataset(mini: Lens) -> None:
    images = [sample.image for sample in cv.MiniBroden(120, seed=11)]
    best = cv.top_images(mini, images, "relu5", k=1).activation[:, 0]
    alive = np.flatnonzero(best > 5)[:4]
    grown = cv.activation_maximization(mini, [f"relu5:{k}" for k in alive], steps=48)
    assert (grown.activations > best[alive]).mean() >= 0.95


def test_the_activation_is_what_the_lens_answers_to_the_image(mini: Lens) -> None:
    grown = cv.activation_maximization(mini, ["relu4:3", "relu4:3@2,5", ClassScore(4)], steps=5)
    maps = mini.record(mini.preprocess.normalize(torch.tensor(grown.images).permute(0, 3, 1, 2)), ["relu4", "fc8"])
    expected = [maps["relu4"][0, 3].max(), maps["relu4"][1, 3, 2, 5], maps["fc8"][2, 4]]
    np.testing.assert_allclose(grown.activations, expected, rtol=1e-4)


def test_the_same_seed_gives_the_same_image_alone_or_in_company(mini: Lens) -> None:
    one = cv.activation_maximization(mini, "relu2:7", steps=6, seed=3)
    again = cv.activation_maximization(mini, "relu2:7", steps=6, seed=3)
    assert one == again
    several = cv.activation_maximization(mini, ["relu2:1", "relu2:7"], steps=6, seed=3)
    np.testing.assert_allclose(several.images[1], one.image, atol=2e-3)
    assert not np.allclose(cv.activation_maximization(mini, "relu2:7", steps=6, seed=4).image, one.image, atol=0.02)


def test_its_code_makes_it_again(mini: Lens, tmp_path: Path) -> None:
    grown = cv.activation_maximization(
        mini, Channel("relu2:7") - 0.5 * WholeLayer("relu1"), recipe="mahendran", steps=4, jitter=2
    )
    again = eval(grown.provenance.code(), {"cv": cv, "lens": mini})
    assert again == grown
    several = cv.activation_maximization(mini, ["relu2:1", ClassScore(2)], steps=2, octaves=1, parametrization="phase")
    assert eval(several.provenance.code(), {"cv": cv, "lens": mini}) == several
    assert type(grown).load(grown.save(tmp_path / "grown")) == grown


def test_the_forward_pass_stops_at_the_layer(mini: Lens) -> None:
    assert len(mini.layers)
    ran: list[str] = []
    handles = [
        module.register_forward_pre_hook(lambda *_, name=name: ran.append(name))
        for name, module in mini.module.named_children()
    ]
    cv.activation_maximization(mini, "conv2:1", steps=3)
    for handle in handles:
        handle.remove()
    assert "conv2" in ran
    assert "relu2" not in ran
    assert ran.count("conv1") == 4  # three steps, and the answer to the last image


@pytest.mark.parametrize("size", [28, 61, 160, 512])
def test_sizes_from_28_to_512(size: int) -> None:
    lens = small(nn.Conv2d(1, 4, 5, stride=2), nn.ReLU(), nn.Conv2d(4, 4, 3), size=28)
    grown = cv.activation_maximization(lens, "2:1", size=size, steps=3)
    assert grown.image.shape == (size, size, 3)
    assert (grown.image[..., 0] == grown.image[..., 1]).all()  # one channel is shown in grey


def test_half_precision_networks_are_climbed() -> None:
    lens = Lens(settle(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())).to(torch.bfloat16), input_size=16)
    grown = cv.activation_maximization(lens, "0:1", steps=20)
    assert grown.trace[-3:].mean() > grown.trace[:3].mean()


def test_closed_relus_are_opened() -> None:
    lens = small(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU())
    with torch.no_grad():
        for conv in (lens.module[0], lens.module[2]):
            conv.bias.fill_(-0.5)
    grown = cv.activation_maximization(lens, "3:1", recipe="simonyan", steps=60)
    assert grown.trace[0] == 0
    assert grown.trace[-1] > 0


def test_a_unit_that_cannot_answer_is_told() -> None:
    lens = small(nn.Conv2d(3, 4, 3), nn.ReLU())
    with torch.no_grad():
        lens.module[0].weight[2] = 0
        lens.module[0].bias[2] = -1
    grown = cv.activation_maximization(lens, ["1:2", "1:1"], steps=20)
    assert "gave no gradient" in grown.stopped
    assert grown.activations[0] == 0
    assert grown.activations[1] > 0


def test_the_probability_rises_without_its_score(mini: Lens) -> None:
    """Why P_c fails: it is content to push the other classes down."""
    score, probability = (
        cv.activation_maximization(mini, goal(2), recipe="simonyan", steps=40)
        for goal in (ClassScore, ClassProbability)
    )
    assert probability.trace.max() > 0.99  # from there its gradient is all but rounding, and steps go anywhere
    assert score.activation > probability.activation


def test_several_facets_differ_the_more_with_diversity(mini: Lens) -> None:
    def likeness(diversity: float) -> float:
        grown = cv.activation_maximization(mini, ["relu3:3"] * 3, steps=24, diversity=diversity)
        maps = mini.record(mini.preprocess.normalize(torch.tensor(grown.images).permute(0, 3, 1, 2)), ["relu3"])
        flat = maps["relu3"].flatten(2)
        gram = nn.functional.normalize((flat @ flat.transpose(1, 2)).flatten(1), dim=1)
        return float((gram @ gram.T).fill_diagonal_(0).mean())

    assert likeness(2.0) < likeness(0.0)


def test_a_mask_and_a_start_hold(mini: Lens) -> None:
    start = np.random.default_rng(0).random((96, 96, 3), dtype=np.float32)
    mask = np.zeros((96, 96), dtype=np.float32)
    mask[20:60, 30:80] = 1
    for recipe in ("olah", "mahendran"):
        grown = cv.activation_maximization(mini, "relu3:5", recipe=recipe, steps=4, start=start, mask=mask)
        np.testing.assert_allclose(grown.image[mask == 0], start[mask == 0], atol=1e-5)
        assert np.abs(grown.image - start)[mask == 1].max() > 0.02
    untouched = cv.activation_maximization(mini, "relu3:5", steps=1, step_size=1e-3, start=start)
    np.testing.assert_allclose(untouched.image, start, atol=0.03)


def test_a_growth_goes_on_from_its_own_image(mini: Lens) -> None:
    first = cv.activation_maximization(mini, ["relu3:5", "relu3:6"], steps=30)
    further = cv.activation_maximization(mini, ["relu3:5", "relu3:6"], steps=2, step_size=1e-3, start=first.images)
    np.testing.assert_allclose(further.images, first.images, atol=0.03)
    with pytest.raises(BadValue, match="2 images for 3 objectives"):
        cv.activation_maximization(mini, ["relu3:5"] * 3, steps=1, start=first.images)


def test_octaves_grow_through_sizes(mini: Lens, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    real = Climb.__init__

    def spy(self: Climb, goals: Any, written: Any, *rest: Any) -> None:
        sizes.append(tuple(written.image().shape[-2:]))
        real(self, goals, written, *rest)

    monkeypatch.setattr(Climb, "__init__", spy)
    photo = cv.MiniBroden(1, seed=1)[0].image
    steps = cv.activation_maximization.steps(
        mini, WholeLayer("relu3"), recipe="mahendran", octaves=3, steps=2, start=photo
    )
    seen = []
    try:
        while True:
            seen.append(next(steps))
    except StopIteration as end:
        grown = end.value
    assert sizes == [(49, 49), (69, 69), (96, 96)]
    assert [(step.index, step.total) for step in seen] == [(number, 6) for number in range(1, 7)]
    assert seen[0].preview.shape == (1, 49, 49, 3)
    assert grown.traces.shape == (6, 1)


def test_not_a_number_stops_and_keeps_the_last_good_image() -> None:
    lens = small(nn.Conv2d(3, 4, 3), nn.ReLU())
    count = 0

    def spoil(_module: Any, _given: Any, out: torch.Tensor) -> torch.Tensor:
        nonlocal count
        count += 1
        return out * float("nan") if count > 4 else out

    assert len(lens.layers)
    handle = lens.module[0].register_forward_hook(spoil)
    grown = cv.activation_maximization(lens, "1:1", steps=9)
    handle.remove()
    assert grown.traces.shape == (4, 1)
    assert np.isfinite(grown.images).all()
    assert "objective is not finite" in grown.stopped
    assert "step_size" in grown.stopped


class Detached(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu = nn.Conv2d(3, 4, 3), nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(self.conv(x).detach())


def test_bad_input_is_told_with_the_way_on(mini: Lens) -> None:
    am = cv.activation_maximization
    for error, match, objective, given in (
        (UnknownName, "Nearest: 'relu5'", "relu55:1", {}),
        (BadValue, "no channel 64. Accepted: 0 to 63", "relu5:64", {}),
        (BadValue, "no neuron relu5:1@99,0", "relu5:1@99,0", {"steps": 1}),
        (BadValue, "no position", "fc7:1@0,0", {}),
        (UnknownName, "Nearest", ClassScore("hous"), {}),
        (BadValue, "no class 99", ClassScore(99), {}),
        (UnknownName, "recipe", "relu5:1", {"recipe": "ola"}),
        (UnknownName, "parametrization", "relu5:1", {"parametrization": "pixel"}),
        (BadValue, "steps=0", "relu5:1", {"steps": 0}),
        (BadType, "steps='many'", "relu5:1", {"steps": "many"}),
        (BadValue, "size=4", "relu5:1", {"size": 4}),
        (BadValue, "octaves=0", "relu5:1", {"octaves": 0}),
        (BadType, "seed=0.5", "relu5:1", {"seed": 0.5}),
        (BadValue, "list is empty", [], {}),
        (BadValue, "mask has shape", "relu5:1", {"mask": np.ones((3, 96, 96))}),
        (UnsupportedModel, "input of shape", "fc8:1", {"size": 64, "steps": 1}),
        (BadValue, "code cannot follow", "relu5:1", {"recipe": "dgn-am", "blur": 1.0, "generator": GENERATOR}),
    ):
        with pytest.raises(error, match=match):
            am(mini, objective, **given)
    with pytest.raises(UnsupportedModel, match="No gradient leads from relu of Detached"):
        am(Lens(settle(Detached()), input_size=9), "relu:1", steps=1)
    with pytest.raises(UnsupportedModel, match="no generator for Sequential"):
        am(small(nn.Conv2d(3, 4, 3)), "0:1", recipe="dgn-am")


GENERATOR = settle(nn.Sequential(nn.Linear(6, 3 * 8 * 8), nn.Sigmoid(), nn.Unflatten(1, (3, 8, 8))))


def test_any_generator_will_do(mini: Lens) -> None:
    grown = cv.activation_maximization(mini, ["relu2:3", "relu2:4"], recipe="dgn-am", generator=GENERATOR, steps=30)
    assert grown.images.shape == (2, 96, 96, 3)
    assert grown.traces[-3:, 1].mean() > grown.traces[:3, 1].mean()
    assert "generator=generator" in grown.provenance.code()
    with pytest.raises(BadValue, match="code_layer"):
        cv.activation_maximization(mini, "relu2:3", recipe="dgn-am", generator=GENERATOR, start=grown.image)


def test_the_builtin_generator_draws_what_a_class_wants(mini: Lens) -> None:
    grown = cv.activation_maximization(mini, [ClassScore(2), ClassScore(9)], recipe="dgn-am", steps=80)
    predicted = mini.predict(list(grown.images), k=1)
    assert [best[0].index for best in predicted] == [2, 9]
    assert (grown.traces[-1] > grown.traces[0]).all()
    drawing = cv.MiniBroden(1, seed=9)[0].image
    begun = cv.activation_maximization(mini, ClassScore(2), recipe="dgn-am", start=drawing, steps=1, step_size=1e-3)
    far = cv.activation_maximization(mini, ClassScore(2), recipe="dgn-am", start=255 - drawing, steps=1, step_size=1e-3)
    codes = mini.activations([drawing, begun.image, far.image], "relu6")
    assert (codes[0] - codes[1]).norm() < (codes[0] - codes[2]).norm()


def test_pictures_and_figures_are_drawn(mini: Lens) -> None:
    grown = cv.activation_maximization(mini, ["relu2:3", Channel("relu2:4") * 2], steps=2)
    assert grown.picture().dtype == np.uint8
    assert len(grown.figure().data) == 2
    assert "data:image/png" in grown._repr_html_()


@pytest.mark.real
def test_real_channels_beat_the_photos(real: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(real.torch_home))
    lens = Lens.load("squeezenet1_0", device="cpu")
    rng = np.random.default_rng(0)
    wins = []
    for layer in ("features.3", "features.6", "features.9", "features.12"):
        best = cv.top_images(lens, real.photos, layer, k=1).activation[:, 0]
        chosen = rng.choice(np.flatnonzero(best > 0), 4, replace=False)
        grown = cv.activation_maximization(lens, [f"{layer}:{k}" for k in chosen], steps=64, size=128)
        wins += list(grown.activations > best[chosen])
    assert np.mean(wins) >= 0.95
