"""The pieces of a climb against their formulas: objectives, parametrizations, regularizers, views, knobs."""

import math

import pytest
import torch
from torch import nn

from convviz_widgets.core.errors import BadType, BadValue, UnknownName, UnsupportedModel
from convviz_widgets.core.knob import knobs
from convviz_widgets.lens.canvas.parametrizations import Fourier, Pixels, frequencies
from convviz_widgets.lens.canvas.space import PLAIN_MEAN, PLAIN_STD, Space
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.activation_maximization import regularizers
from convviz_widgets.methods.activation_maximization.activation_maximization import activation_maximization
from convviz_widgets.methods.activation_maximization.notation import as_objective, as_text
from convviz_widgets.methods.activation_maximization.objectives import (
    Channel,
    ClassProbability,
    ClassScore,
    Direction,
    Diversity,
    Neuron,
    WholeLayer,
)
from convviz_widgets.methods.activation_maximization.parametrizations import Code, Phase
from convviz_widgets.methods.activation_maximization.recipes import RECIPES, recipe_of
from convviz_widgets.methods.activation_maximization.settings import KNOBS, Settings
from convviz_widgets.methods.activation_maximization.transforms import View, draw, seen
from tests.networks import settle

MAPS = torch.randn(2, 4, 3, 5, generator=torch.Generator().manual_seed(0))
A = {"a": MAPS, "b": MAPS.flatten(1)[:, :7]}


def noise(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def space(channels: int = 3) -> Space:
    mean, std = (torch.full((channels, 1, 1), value) for value in (PLAIN_MEAN, PLAIN_STD))
    return Space(mean, std, PLAIN_MEAN, PLAIN_STD)


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (Channel("a:1"), MAPS[:, 1].mean((1, 2))),
        (Channel("b:2"), A["b"][:, 2]),
        (Neuron("a:1@2,4"), MAPS[:, 1, 2, 4]),
        (Neuron("a:1"), MAPS[:, 1, 1, 2]),
        (WholeLayer("a"), MAPS.square().mean((1, 2, 3))),
        (ClassScore(3, layer="b"), A["b"][:, 3]),
        (ClassProbability(3, layer="b"), A["b"].softmax(1)[:, 3]),
        (Direction("a", (2, 0, 0, 0)), MAPS[:, 0].mean((1, 2))),
        (Direction("b", (0, 3, 4, 0, 0, 0, 0)), 0.6 * A["b"][:, 1] + 0.8 * A["b"][:, 2]),
        (Channel("a:0") - 0.5 * Channel("b:1") + WholeLayer("b") * 2, None),
        (-Channel("a:0"), -MAPS[:, 0].mean((1, 2))),
        (sum([Channel("a:0"), Channel("a:1")]), MAPS[:, :2].mean((2, 3)).sum(1)),
    ],
)
def test_an_objective_is_its_formula_and_its_text_reads_back(objective, expected) -> None:
    if expected is None:
        expected = MAPS[:, 0].mean((1, 2)) - 0.5 * A["b"][:, 1] + 2 * A["b"].square().mean(1)
    torch.testing.assert_close(objective.value(A), expected)
    assert as_objective(repr(objective)) == objective
    assert as_objective(as_text(objective)) == objective


def test_diversity_is_largest_for_orthogonal_styles() -> None:
    one = torch.tensor([[[1.0, 0.0]], [[0.0, 0.0]]])  # (K, h, w)
    other = one.flip(0)
    alike = Diversity("a").value({"a": torch.stack([one, one])})
    apart = Diversity("a").value({"a": torch.stack([one, other])})
    torch.testing.assert_close(alike, torch.tensor([-1.0, -1.0]))
    torch.testing.assert_close(apart, torch.tensor([0.0, 0.0]))


@pytest.mark.parametrize(
    ("given", "error", "match"),
    [
        ("__import__('os').getcwd()", BadValue, "none of what an objective is made of"),
        ("Channel('a:1').layers", BadValue, "none of what"),
        ("3 * (2", BadValue, "not the text of an objective"),
        ("2 * (3)", BadValue, "is a number"),
        ("Chanel('a:1')", BadValue, "none of what"),
        (3, BadType, "no objective"),
        ("relu5", BadValue, "not the address"),
    ],
)
def test_what_is_no_objective_is_refused_and_never_run(given, error, match) -> None:
    with pytest.raises(error, match=match):
        as_objective(given)


def test_directions_and_weights_must_be_numbers() -> None:
    for bad in ((0, 0), (math.nan, 1)):
        with pytest.raises(BadValue, match="direction"):
            Direction("a", bad)
    with pytest.raises(BadValue, match="weighted"):
        _ = Channel("a:1") * math.inf


@pytest.mark.parametrize("kind", [Pixels, Fourier])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("size", [(8, 8), (7, 10)])
def test_what_is_put_in_comes_out(kind, channels, size) -> None:
    room = space(channels)
    z = room.clamped(0.5 * noise(2, channels, *size))
    written = kind(room, z) if kind is Pixels else kind(room, z, noise(2, channels, *size))
    torch.testing.assert_close(written.image(), z, atol=2e-5, rtol=1e-4)
    other = z.roll(1, -1)
    written.put(other)
    torch.testing.assert_close(written.image(), other, atol=2e-5, rtol=1e-4)
    (gradient,) = torch.autograd.grad(written.image().sum(), written.leaf)
    assert gradient.any()


def test_equal_steps_in_frequencies_are_larger_in_low_ones() -> None:
    scale = 1 / frequencies((8, 8), torch.zeros(()))
    assert scale[0, 0] == scale[0, 1] == 8
    assert scale[0, 4] == 2
    assert scale[4, 0] == 2


def test_only_phases_change() -> None:
    room = space()
    written = Phase(room, None, noise(2, 3, 8, 8))
    before = torch.fft.rfft2(torch.logit(room.pictures(written.image().detach()))).abs()
    with torch.no_grad():
        written.leaf.add_(noise(*written.leaf.shape, seed=5))
    waves = torch.fft.irfft2(torch.polar(written._magnitude.expand_as(written.leaf), written.leaf), s=(8, 8))
    expected = written._magnitude.expand_as(written.leaf)[..., 1:4]  # the inner columns, free of symmetry
    torch.testing.assert_close(torch.fft.rfft2(waves).abs()[..., 1:4].detach(), expected)
    assert not torch.allclose(before, torch.fft.rfft2(torch.logit(room.pictures(written.image().detach()))).abs())


def test_a_code_stays_in_range_and_its_generator_as_it_was() -> None:
    generator = nn.Sequential(nn.Linear(4, 3 * 6 * 6), nn.Dropout(), nn.Sigmoid(), nn.Unflatten(1, (3, 6, 6))).train()
    written = Code(space(), generator, torch.full((2, 4), 99.0), (9, 9))
    assert written.leaf.max() == 3
    assert written.image().shape == (2, 3, 9, 9)
    assert torch.equal(written.image(), written.image())  # dropout is off
    assert generator.training
    assert all(weight.requires_grad for weight in generator.parameters())
    with pytest.raises(BadValue, match="code cannot follow"):
        written.put(written.image())
    with pytest.raises(UnsupportedModel, match="Accepted: pictures"):
        Code(space(1), generator, torch.zeros(1, 4), (9, 9)).image()


@pytest.mark.parametrize(
    ("settings", "penalty"),
    [
        (Settings(l2=0.3), lambda z: 0.3 * z.square().sum()),
        (Settings(alpha_norm=0.7), lambda z: 0.7 * ((z / 2).abs() ** 6).sum() * 2 / 6),
        (
            Settings(total_variation=0.2),
            lambda z: 0.2 * (torch.diff(z, dim=-1).square().sum() + torch.diff(z, dim=-2).square().sum()),
        ),
        (Settings(), lambda z: 0 * z.sum()),
    ],
)
def test_a_penalty_pulls_along_its_gradient(settings, penalty) -> None:
    z = noise(2, 3, 6, 5).requires_grad_()
    (expected,) = torch.autograd.grad(penalty(z), z)
    torch.testing.assert_close(regularizers.pull(z.detach(), settings), expected)


def test_corrections_do_what_they_say() -> None:
    z, gradient = noise(2, 3, 8, 8), noise(2, 3, 8, 8, seed=2)

    def after(step: int = 1, **knob: float) -> torch.Tensor:
        settings = Settings(**knob)
        assert regularizers.corrects(settings)
        return regularizers.corrected(z, gradient, settings, step=step)

    assert not regularizers.corrects(Settings(l2=1.0))
    torch.testing.assert_close(after(decay=0.3), 0.7 * z)
    assert torch.equal(after(blur=1.0, blur_every=4, step=3), z)
    assert float(after(blur=1.0, blur_every=4, step=4).std()) < 0.5 * float(z.std())
    sizes = after(norm_ball=0.5).square().mean((1, 2, 3)).sqrt()
    torch.testing.assert_close(sizes, torch.full((2,), 0.5))
    torch.testing.assert_close(after(norm_ball=4.0), z)
    for knob, worth in (
        ("norm_percentile", z.square().sum(1)),
        ("contribution_percentile", (z * gradient).sum(1).abs()),
    ):
        found = after(**{knob: 50})
        grey = (found == 0).all(1)
        assert grey.flatten(1).sum(1).tolist() == [32, 32]
        for here, each in zip(grey, worth, strict=True):
            assert each[here].max() < each[~here].min()
        assert torch.equal(found[~grey[:, None].expand_as(z)], z[~grey[:, None].expand_as(z)])


def test_a_blur_keeps_a_flat_image_and_has_its_deviation() -> None:
    flat = torch.ones(1, 2, 9, 9)
    torch.testing.assert_close(regularizers.blurred(flat, 1.5), flat)
    spot = torch.zeros(1, 1, 41, 41)
    spot[..., 20, 20] = 1
    across = regularizers.blurred(spot, 2.0).sum((0, 1, 2))
    places = torch.arange(41.0) - 20
    assert float((across * places**2).sum()) ** 0.5 == pytest.approx(2, rel=0.02)


def test_views_shift_turn_and_zoom() -> None:
    z = noise(2, 3, 8, 8)
    assert seen(z, View()) is z
    moved = seen(z, View(across=2, down=-1), pad=4)
    torch.testing.assert_close(moved[:, :, 1:, :6], z[:, :, :7, 2:], atol=1e-5, rtol=1e-5)
    assert float(moved[:, :, 0].abs().max()) < 1e-5  # the grey frame
    torch.testing.assert_close(seen(z, View(turn=math.pi / 2)), z.rot90(1, (2, 3)), atol=1e-5, rtol=1e-4)
    ramp = torch.arange(8.0).expand(1, 1, 8, 8)
    torch.testing.assert_close(seen(ramp, View(zoom=0.5))[0, 0, 0].diff(), torch.full((7,), 0.5))
    wide = noise(1, 1, 6, 12)
    turned = seen(wide, View(turn=math.pi / 2), pad=0)
    torch.testing.assert_close(turned[0, 0, :, 3:9], wide[0, 0, :, 3:9].rot90(1, (0, 1)), atol=1e-5, rtol=1e-4)


def test_views_stay_in_their_range() -> None:
    settings = Settings(jitter=3, scale=0.1, rotate=10.0, crop=0.5)
    generator = torch.Generator().manual_seed(0)
    views = [draw(settings, (20, 40), generator) for _ in range(300)]
    assert max(abs(math.degrees(view.turn)) for view in views) <= 10
    assert 0.5 / 1.1 <= min(view.zoom for view in views) < 0.6
    assert max(abs(view.across) for view in views) <= 3 + 0.25 * 40
    assert draw(Settings(), (9, 9), generator) == View()


def test_a_space_is_undone_by_its_inverse() -> None:
    lens = Lens.load("mini", device="cpu")
    room = Space.of(lens)
    pictures = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    z = room.of_pictures(pictures)
    torch.testing.assert_close(room.prepared(z), lens.preprocess.normalize(pictures))
    torch.testing.assert_close(room.pictures(room.of_prepared(room.prepared(z))), pictures)
    torch.testing.assert_close(room.pictures(room.low.expand(1, 3, 1, 1)), torch.zeros(1, 3, 1, 1))
    plain = Space.of(Lens(settle(nn.Sequential(nn.Conv2d(1, 2, 3))), input_size=9))
    assert plain.prepared(torch.zeros(())) == 0.5
    assert float(plain.high) == 2


def test_every_knob_stands_in_the_signature_and_in_every_recipe() -> None:
    told = knobs(activation_maximization.steps)
    assert list(told) == list(KNOBS)
    for recipe in RECIPES.values():
        assert list(recipe.knobs) == list(KNOBS)
        for name, (knob, default) in told.items():
            assert default is None
            value = recipe.knobs[name]
            assert value is None or knob.low <= value <= knob.high, (recipe.name, name)
    with pytest.raises(UnknownName, match="Nearest: 'olah'"):
        recipe_of("ola")


@pytest.mark.parametrize(
    ("change", "error"),
    [({"steps": 0}, BadValue), ({"steps": 2.5}, BadType), ({"l2": math.nan}, BadValue), ({"size": "big"}, BadType)],
)
def test_a_knob_out_of_range_is_refused(change, error) -> None:
    with pytest.raises(error, match="Accepted"):
        Settings().with_changes(change)
