"""Inversion: the picture comes back where the layer keeps it, by the written formula, the same for the same seed."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import convviz_widgets as cv
from convviz_widgets.core.errors import BadType, BadValue, UnknownName, UnsupportedModel
from convviz_widgets.core.knob import knobs
from convviz_widgets.data.mini_broden import MiniBroden
from convviz_widgets.lens.canvas.gradient import level
from convviz_widgets.lens.canvas.parametrizations import Pixels
from convviz_widgets.lens.canvas.space import Space
from convviz_widgets.methods.inversion.codes import codes_of
from convviz_widgets.methods.inversion.descent import Descent
from convviz_widgets.methods.inversion.invert import invert
from convviz_widgets.methods.inversion.perturb import Perturbation
from convviz_widgets.methods.inversion.result import Inversion
from convviz_widgets.methods.inversion.settings import KNOBS, RECIPES, chosen
from tests.networks import ALL, pictures, settle

FREE = {"total_variation": 0, "alpha_norm": 0}


@pytest.fixture(scope="module")
def mini() -> cv.Lens:
    return cv.Lens.load("mini", device="cpu")


@pytest.fixture(scope="module")
def drawing() -> np.ndarray:
    return MiniBroden(5)[2].image


def invertible() -> nn.Module:
    """A rotation of the colours: nothing is lost."""
    turn, _ = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(0)))
    conv = nn.Conv2d(3, 3, 1, bias=False)
    conv.weight.data = turn.view(3, 3, 1, 1)
    return nn.Sequential(conv, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def psnr(found: Inversion) -> float:
    return float(-10 * np.log10(np.square(found.image - found.original).mean()))


@pytest.mark.parametrize("descent", ["momentum", "adam"])
def test_an_invertible_network_gives_the_picture_back(descent: str, drawing: np.ndarray) -> None:
    lens = cv.Lens(invertible(), input_size=32)
    found = invert(lens, drawing[30:62, 30:62], "0", descent=descent, **FREE)
    assert psnr(found) > 40
    assert found.loss < 1e-4
    after_the_mean = invert(lens, drawing[30:62, 30:62], "1", descent=descent, **FREE)
    assert after_the_mean.loss < 1e-3
    assert psnr(after_the_mean) < 25, "of the mean colour alone no picture comes back"


def test_frequencies_give_it_back_too(drawing: np.ndarray) -> None:
    lens = cv.Lens(invertible(), input_size=32)
    found = invert(lens, drawing[30:62, 30:62], "0", recipe="fourier", steps=400, **FREE)
    assert psnr(found) > 25


def test_the_error_falls_with_the_steps_and_grows_with_depth(mini: cv.Lens, drawing: np.ndarray) -> None:
    layers = ["relu1", "pool2", "pool5"]
    short, long = (invert(mini, drawing, layers, steps=steps) for steps in (10, 60))
    assert bool((long.losses < short.losses).all())
    assert bool((long.traces[-1] < 0.3 * long.traces[0]).all())
    assert bool((np.diff(long.errors) > 0.02).all()), long.errors
    assert long.errors[0] < 0.05


def test_the_slope_is_that_of_the_written_formula() -> None:
    make, shape = ALL["residual"]
    lens = cv.Lens(make(), input_size=shape[1:])
    image = pictures(1, shape)
    space = Space.of(lens)
    names = [name for name in lens.layers if lens.layers[name].is_map][:3:2]
    codes = codes_of(lens, lens.prepare(image[0]), names)
    z = torch.randn(4, *shape, generator=torch.Generator().manual_seed(1))
    recipe = chosen("mahendran", None, {"total_variation": 0.7, "alpha_norm": 0.3})
    descent = Descent(lens, codes, Pixels(space, z), recipe, torch.Generator())
    misfits, gradient = descent.slope(z)
    gradient = gradient + descent._pull(z)

    x = z.clone().requires_grad_()
    answers = lens.record(space.prepared(x), names, grad=True)
    wanted = lens.record(lens.prepare(image[0]), names)
    of = [names[0], names[0], names[1], names[1]]
    errors = torch.stack(
        [(answers[n][i] - wanted[n][0]).square().sum() / wanted[n].square().sum() for i, n in enumerate(of)]
    )
    down, across = x[..., 1:, :] - x[..., :-1, :], x[..., 1:] - x[..., :-1]
    rough = down.square().sum() + across.square().sum()
    whole = errors.sum() + (0.7 * rough + 0.3 * ((x / 2).abs() ** 6).sum() * 2 / 6) / x[0].numel()
    whole.backward()
    assert torch.allclose(misfits, errors.detach(), rtol=1e-4)
    assert torch.allclose(gradient, x.grad, rtol=1e-3, atol=1e-6)  # type: ignore[arg-type]


def test_levelled_gradients_have_a_root_mean_square_of_1_each() -> None:
    gradient = torch.randn(3, 2, 5, 5) * torch.tensor([1.0, 1e-30, 0.0]).view(3, 1, 1, 1)
    sizes = level(gradient).square().mean((1, 2, 3)).sqrt()
    assert torch.allclose(sizes, torch.tensor([1.0, 1.0, 0.0]), atol=1e-4)


def test_the_same_seed_gives_the_same_image_and_others_share_what_is_kept(mini: cv.Lens, drawing: np.ndarray) -> None:
    found = invert(mini, drawing, ["relu1", "relu7"], seeds=2, steps=40)
    assert found.layers == ("relu1", "relu1", "relu7", "relu7")
    assert found.seeds == (0, 1, 0, 1)
    again = invert(mini, drawing, "relu7", seed=1, steps=40)
    apart = float(np.abs(found.of("relu7")[1] - again.image).mean())
    assert apart < 0.1 * float(found.spread("relu7").mean()), "an image does not depend on those beside it"
    assert np.array_equal(again.image, invert(mini, drawing, "relu7", seed=1, steps=40).image)
    assert float(found.spread("relu1").mean()) < 0.5 * float(found.spread("relu7").mean())


class Wall(nn.Module):
    """Raises once it is armed."""

    armed = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.armed:
            raise RuntimeError("passed the layer")
        return x


def test_the_forward_stops_at_the_layer() -> None:
    wall = Wall()
    first, last = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 3)
    lens = cv.Lens(settle(nn.Sequential(first, wall, last, nn.AdaptiveAvgPool2d(1), nn.Flatten())), input_size=12)
    assert len(lens.layers)
    wall.armed = True
    assert invert(lens, pictures(1, (3, 12, 12))[0], "0", steps=3).traces.shape == (3, 1)
    with pytest.raises((RuntimeError, UnsupportedModel), match="passed the layer"):
        invert(lens, pictures(1, (3, 12, 12))[0], "2", steps=3)


def test_it_starts_where_it_is_told_to(mini: cv.Lens, drawing: np.ndarray) -> None:
    at_home = invert(mini, drawing, "relu3", start=drawing, steps=1)
    assert float(at_home.trace[0]) < 1e-6
    perturbed = invert(mini, drawing, "relu3", start=drawing, steps=1, perturbation="binarise")
    assert float(perturbed.trace[0]) > 0.1, "the picture does not answer the perturbed code"
    assert at_home.provenance.code().startswith("cv.invert(lens, image, start=start, layer='relu3'")
    grey = next(invert.steps(mini, drawing, "relu3", start="mean", steps=1)).preview
    assert grey.shape == (1, 96, 96, 3)
    assert int(grey.reshape(-1, 3).std(0).max()) == 0
    assert next(invert.steps(mini, drawing, "relu3", steps=1)).preview.std() > 5


def test_a_perturbed_code_is_answered(mini: cv.Lens, drawing: np.ndarray) -> None:
    layer, image = "relu3", mini.prepare(drawing)
    code = codes_of(mini, image, [layer])[0]
    few = codes_of(mini, image, [layer], Perturbation.parse("weakest:0.8"))[0]
    assert torch.equal(code.answer, mini.activations(drawing, layer))
    gone = few.answer[0].flatten(1).abs().sum(1) == 0
    assert int(gone.sum()) == round(0.8 * len(gone))
    worth = torch.zeros(len(gone))
    worth[3] = 1
    alone = codes_of(mini, image, [layer], Perturbation.parse("weakest:0.98"), importance=worth.numpy())[0]
    assert float(alone.answer[0, 3].norm()) == pytest.approx(float(code.answer.norm()), rel=1e-4)


@pytest.mark.parametrize("name", ALL)
def test_any_network_is_inverted(name: str) -> None:
    make, shape = ALL[name]
    lens = cv.Lens(make(), input_size=shape[1:])
    layer = next(each for each in lens.layers if lens.layers[each].is_map)
    found = invert(lens, pictures(1, shape)[0], layer, steps=12, step_size=0.1)
    assert found.images.shape == (1, *shape[1:], 3)
    assert 0 <= float(found.image.min()) <= float(found.image.max()) <= 1
    assert found.traces.shape == (12, 1)
    assert not found.stopped
    assert found.loss < 0.8 * float(found.trace[0])


def test_jitter_draws_shifts_and_still_comes_down(mini: cv.Lens, drawing: np.ndarray) -> None:
    still, moved = (invert(mini, drawing, "pool1", steps=12, jitter=jitter) for jitter in (0, 3))
    assert not np.array_equal(still.image, moved.image)
    assert moved.loss < 0.8 * float(moved.trace[0])
    assert np.array_equal(moved.image, invert(mini, drawing, "pool1", steps=12, jitter=3).image)


def test_the_result_shows_saves_and_comes_back(mini: cv.Lens, drawing: np.ndarray, tmp_path: Path) -> None:
    found = invert(mini, drawing, ["relu1", "fc8"], steps=3)
    assert Inversion.load(found.save(tmp_path / "told")) == found
    assert len(found.figure().data) == 2
    assert "fc8" in found.caption()
    assert "<img" in found._repr_html_()
    assert found.picture().ndim == 3
    assert np.allclose(found.original, drawing / 255, atol=1e-2)
    with pytest.raises(UnknownName, match="'relu1'"):
        found.of("relu2")


def test_seeds_stand_in_rows_of_their_layers(mini: cv.Lens, drawing: np.ndarray) -> None:
    found = invert(mini, drawing, ["relu1", "pool2"], seeds=2, steps=2)
    sheet = found.picture()
    assert sheet.shape[1] == 2 + 3 * 98
    second = sheet[sheet.shape[0] // 2 :]
    place = next(row for row in range(len(second)) if (second[row] < 250).any())
    tiles = [second[place : place + 96, 2 + 98 * column : 98 + 98 * column] for column in range(3)]
    for tile, wanted in zip(tiles, [found.original, *found.of("pool2")], strict=True):
        assert np.abs(tile - 255 * wanted).max() <= 1


def test_a_step_shows_what_is_made_and_a_cancel_leaves_nothing(mini: cv.Lens, drawing: np.ndarray) -> None:
    steps = invert.steps(mini, drawing, ["relu1", "relu2"], steps=5)
    first = next(steps)
    assert (first.index, first.total) == (1, 5)
    assert first.preview.shape == (2, 96, 96, 3)
    assert first.preview.dtype == np.uint8
    steps.close()
    assert torch.is_grad_enabled()


def test_every_knob_is_annotated_and_every_recipe_named() -> None:
    assert set(knobs(invert.steps)) == set(KNOBS) == set(RECIPES["mahendran"].knobs)
    assert RECIPES["decoder"].knobs == {}
    assert set(RECIPES) == {"mahendran", "fourier", "decoder"}


class Rounds(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x * 4).round().detach()


def test_what_is_wrong_is_told(mini: cv.Lens, drawing: np.ndarray) -> None:
    with pytest.raises(UnknownName, match="Nearest: 'relu1'"):
        invert(mini, drawing, "relu11")
    with pytest.raises(UnknownName, match="'mahendran'"):
        invert(mini, drawing, "relu1", recipe="mahendra")
    with pytest.raises(UnknownName, match="'momentum'"):
        invert(mini, drawing, "relu1", descent="momentun")
    with pytest.raises(BadValue, match=r"1 to 64"):
        invert(mini, drawing, "relu1", seeds=0)
    with pytest.raises(BadType, match="whole number"):
        invert(mini, drawing, "relu1", seeds=1.5)
    with pytest.raises(BadValue, match=r"steps=0 is out of range"):
        invert(mini, drawing, "relu1", steps=0)
    with pytest.raises(BadType, match="whole number"):
        invert(mini, drawing, "relu1", jitter=0.5)
    with pytest.raises(BadValue, match="nothing is optimised"):
        invert(mini, drawing, "relu1", recipe="decoder", steps=5)
    with pytest.raises(BadValue, match="given twice"):
        invert(mini, drawing, ["relu1", "relu1"])
    with pytest.raises(BadValue, match="list is empty"):
        invert(mini, drawing, [])
    with pytest.raises(BadValue, match="one; go through them in a loop"):
        invert(mini, [drawing, drawing], "relu1")


def test_layers_that_hold_nothing_or_let_no_gradient_through_are_told() -> None:
    dead = settle(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    dead[0].bias.data.fill_(-100)
    with pytest.raises(BadValue, match="nothing but zeros"):
        invert(cv.Lens(dead, input_size=12), pictures(1, (3, 12, 12))[0], "1")
    rounds = settle(nn.Sequential(nn.Conv2d(3, 4, 3), Rounds(), nn.Conv2d(4, 4, 3), nn.AdaptiveAvgPool2d(1)))
    with pytest.raises(UnsupportedModel, match="No gradient leads from 2"):
        invert(cv.Lens(rounds, input_size=12), pictures(1, (3, 12, 12))[0], "2")


def test_steps_that_leave_the_finite_numbers_end_early_and_say_so() -> None:
    class Explodes(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.where(x > 0.62, torch.full_like(x, torch.inf), x)

    lens = cv.Lens(nn.Sequential(nn.Identity(), Explodes(), nn.AdaptiveAvgPool2d(1), nn.Flatten()), input_size=12)
    found = invert(lens, torch.full((3, 12, 12), 0.6), lens_layer(lens), steps=50, step_size=1.0, start="mean")
    assert "step_size" in found.stopped
    assert bool(np.isfinite(found.images).all())


def lens_layer(lens: cv.Lens) -> str:
    return next(name for name in lens.layers if lens.layers[name].type_name in ("Explodes", "where"))


@pytest.mark.real
def test_the_real_squeezenet_keeps_less_with_depth(real: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(real.torch_home))
    lens = cv.Lens.load("squeezenet1_0", device="cpu")
    found = invert(lens, real.photos[0], ["features.1", "features.5", "features.12"], steps=40)
    assert bool((np.diff(found.errors) > 0).all()), found.errors
    assert float(found.errors[0]) < 0.04
    assert found.losses[0] < 0.02
    assert bool((found.traces[-1] < 0.4 * found.traces[0]).all())
