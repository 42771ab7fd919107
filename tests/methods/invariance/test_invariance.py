"""Distances equal those of plain forwards; what leaves a picture alone moves nothing; what cannot move does not."""

import numpy as np
import pytest
import torch
from torch import nn

from convviz_widgets.core.errors import BadType, BadValue, UnknownName, UnsupportedModel
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.invariance.invariance import Invariance, invariance
from convviz_widgets.methods.invariance.resampling import TRANSFORMS, Course
from tests.networks import ALL, pictures, settle

PLAIN = sorted(set(ALL) - {"dynamic", "failing", "counter"})  # those that answer to a picture whatever came with it


def opened(name: str, count: int = 2) -> tuple[Lens, torch.Tensor]:
    network = ALL[name]
    return Lens(network.make(), input_size=network.shape[1:]), pictures(count, network.shape, seed=4)


def scores(lens: Lens, batch: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        found = lens.module.eval()(batch.clone())
    if isinstance(found, dict):
        return found["logits"]
    return found[0] if isinstance(found, tuple) else found


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_distances_equal_plain_forwards(name: str, transform: str) -> None:
    lens, images = opened(name)
    if name == "dict_output":
        lens = Lens(lens.module, input_size=images.shape[2:])
    layers = [next(iter(lens.layers)), list(lens.layers)[-1]]
    reach = {"translate": (-2, 0, 3), "rotate": (-37, 0, 90), "scale": (0.7, 1, 1.5)}[transform]
    output = name not in ("dict_output",)
    result = invariance(lens, images, transform, range=reach, layers=layers, at_once=2, output=output)
    course = Course(transform, tuple(map(float, reach)))
    moved_at_all = 0.0
    for number, image in enumerate(images):
        frames = course.frames(lens, image[None], [0, 1, 2])
        assert torch.equal(frames[1], image)
        for place, layer in enumerate(layers):
            answers = [lens.record(frame[None].clone(), [layer])[layer].flatten().double() for frame in frames]
            wanted = [float((each - answers[1]).norm()) for each in answers]
            scale = float(answers[1].norm())
            assert result.distance[number, place] == pytest.approx(wanted, rel=1e-4, abs=1e-5 * scale)
            assert result.norm[number, place] == pytest.approx(scale, rel=1e-5)
            moved_at_all = max(moved_at_all, *wanted)
        if output:
            chances = torch.stack([scores(lens, frame[None])[0] for frame in frames]).softmax(1)
            assert result.probability[number] == pytest.approx(chances[:, chances[1].argmax()].numpy(), rel=1e-4)
    assert (result.distance[:, :, 1] == 0).all()  # exactly
    assert moved_at_all > 1e-3
    assert result.relative()[:, :, 1].max() == 0


def test_what_a_torus_cannot_see_does_not_move_an_average() -> None:
    """A picture that is the same along every row, shifted sideways; and any picture, by quarter turns."""
    network = settle(
        nn.Sequential(nn.Conv2d(1, 4, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    )
    lens = Lens(network, input_size=12)
    stripes = torch.linspace(0, 1, 12)[None, :, None].expand(1, 12, 12).clone()
    result = invariance(lens, [stripes], "translate", direction="horizontal", fill="edge", steps=5, layers=["0", "2"])
    assert result.distance.max() < 1e-6
    down = invariance(lens, [stripes], "translate", fill="edge", steps=5, layers=["0", "2"])
    assert down.distance[0, :, [0, -1]].min() > 0.01
    turned = invariance(lens, [pictures(1, (1, 12, 12))[0]], "rotate", range=(-90, 0, 90, 180), layers=["0", "2"])
    assert turned.distance[0, 0, [0, 2, 3]].min() > 0.1
    assert turned.distance[0, 1].max() < 1e-6  # an average does not know how the picture stands
    assert turned.movement()["0"] > 100 * turned.movement()["2"]
    assert np.allclose(turned.probability, turned.probability[:, 1:2], atol=1e-6)


def test_the_forward_stops_after_the_last_layer_wanted() -> None:
    lens, images = opened("sequential")
    assert len(lens.layers)
    reached = []
    lens.module[6].register_forward_hook(lambda *_: reached.append(1))
    invariance(lens, images, steps=3, layers=["0", "3"], output=False)
    assert reached == []
    invariance(lens, images, steps=3, layers=["0", "3"])
    assert reached


def test_yardsticks() -> None:
    lens, images = opened("residual", 4)
    result = invariance(lens, images, "rotate", steps=5)
    layer = list(lens.layers).index(result.layers[0])
    answers = lens.record(images, result.layers)[result.layers[0]].flatten(1).double()
    apart = [float((answers[i] - answers[j]).norm()) for i in range(4) for j in range(i)]
    assert layer >= 0
    assert result.between[0] == pytest.approx(np.sqrt(np.mean(np.square(apart))), rel=1e-5)
    assert result.relative("pictures")[:, 0] == pytest.approx(result.distance[:, 0] / result.between[0])
    assert result.relative("norm")[1] == pytest.approx(result.distance[1] / result.norm[1][:, None])
    assert np.array_equal(result.relative("none"), result.distance)
    mean, deviation = result.curves()[result.layers[0]]
    assert mean == pytest.approx(result.relative()[:, 0].mean(0))
    assert deviation == pytest.approx(result.relative()[:, 0].std(0))
    assert result.movement()[result.layers[0]] == pytest.approx(mean[[0, 1, 3, 4]].mean())
    with pytest.raises(UnknownName, match="norm"):
        result.relative("metres")  # type: ignore[arg-type]
    single = invariance(lens, images[0], "rotate", steps=3)
    assert np.isnan(single.between).all()
    with pytest.raises(BadValue, match="two pictures"):
        single.relative("pictures")


def test_the_true_class_is_followed() -> None:
    lens, images = opened("sequential", 3)
    wanted = scores(lens, images).softmax(1)
    result = invariance(lens, images, "scale", labels=[3, 0, 1], steps=3)
    assert result.probability[:, result.amounts.tolist().index(1.0)] == pytest.approx(
        wanted[[0, 1, 2], [3, 0, 1]].numpy(), rel=1e-4
    )
    assert result.classes == ("class 3", "class 0", "class 1")


def test_batches_and_generators_change_nothing() -> None:
    lens, images = opened("one_channel", 3)
    few = invariance(lens, (each for each in images), at_once=1, steps=5)
    many = invariance(lens, images, at_once=64, steps=5)
    assert few.distance == pytest.approx(many.distance, rel=1e-4, abs=1e-5)
    assert few.strip.shape == (len(few.strip_amounts), 9, 7, 3)
    assert few.strip_amounts.tolist() == few.amounts.tolist()


def test_steps_tell_how_far_it_is() -> None:
    lens, images = opened("sequential", 2)
    steps = list(invariance.steps(lens, images, steps=5, at_once=2))
    assert [each.index for each in steps] == [1, 1, 1, 2, 2, 2]
    assert all(each.headline is not None and each.headline >= 0 for each in steps)


def test_what_is_shown_and_kept(tmp_path) -> None:
    lens, images = opened("sequential", 2)
    result = invariance(lens, images, "rotate", steps=9)
    figure = result.figure()
    assert [trace.name for trace in figure.data[:3]] == [*result.layers, "probability"]
    assert len(figure.data) == 6  # a band each
    one = result.figure("none", layer=result.layers[1])
    each = [f"picture {place}, {name}" for place, name in enumerate(result.classes)]
    assert [trace.name for trace in one.data] == ["mean", *each, "mean ± sd"]
    assert result.figure(layer="probability").layout.yaxis.title.text == "probability"
    with pytest.raises(UnknownName, match="probability"):
        result.figure(layer="none such")
    assert 0.0 in result.strip_amounts
    assert "0 °" in result._repr_html_()
    assert "rotate" in result.caption()
    assert Invariance.load(result.save(tmp_path / "kept")) == result
    code = result.provenance.code()
    assert code.startswith("cv.invariance(lens, images, transform='rotate', range=(-180.0,")
    again = invariance(lens, images, **dict(result.provenance.settings))
    assert np.array_equal(again.distance, result.distance)
    two = invariance(lens, images, "rotate", range=(0, 30), steps=2)
    assert invariance(lens, images, **dict(two.provenance.settings)).amounts.tolist() == [0, 30]


def test_without_the_class() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3)).eval()
    lens, images = Lens(network, input_size=11), pictures(2, (3, 11, 11))
    with pytest.raises(UnsupportedModel, match="output=False"):
        invariance(lens, images, steps=3)
    result = invariance(lens, images, steps=3, output=False)
    assert np.isnan(result.probability).all()
    assert list(result.curves()) == list(result.layers)
    assert result.figure().data
    assert result._repr_html_()
    with pytest.raises(BadValue, match="one or the other"):
        invariance(lens, images, labels=[0, 1], output=False)


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({"transform": "shear"}, UnknownName, "translate"),
        ({"range": (1, 5)}, BadValue, "does not hold 0"),
        ({"steps": 1}, BadValue, "2 to 721"),
        ({"steps": 2.5}, BadType, "whole number"),
        ({"labels": [1]}, BadValue, "1 labels for 2 pictures"),
        ({"labels": "cat"}, BadValue, "one class"),
        ({"labels": [1, 99]}, BadValue, "no class 99"),
        ({"layers": []}, BadValue, "one layer or more"),
        ({"layers": ["0", "0"]}, BadValue, "each once"),
        ({"layers": ["none"]}, UnknownName, "lens.layers"),
        ({"fill": "green"}, UnknownName, "grey"),
        ({"at_once": 0}, BadValue, "1 to 256"),
        ({"direction": "up"}, UnknownName, "vertical"),
    ],
)
def test_bad_input(given, error, text) -> None:
    lens, images = opened("sequential")
    with pytest.raises(error, match=text):
        invariance(lens, images, **given)


def test_no_picture_and_pictures_of_several_sizes() -> None:
    lens, _ = opened("sequential")
    with pytest.raises(BadValue, match="No picture"):
        invariance(lens, [])
    with pytest.raises(BadValue, match="Picture 1 is"):
        invariance(lens, [torch.zeros(3, 31, 31), torch.zeros(3, 33, 31)], steps=3)


def test_a_picture_of_its_own_fills() -> None:
    lens, images = opened("sequential")
    result = invariance(lens, images[:1], "scale", range=(0.5, 1, 1.5), fill=images[1])
    course = Course("scale", (0.5, 1.0), fill=images[1])
    assert torch.equal(course.frames(lens, images[:1], [0])[0, :, 0], images[1, :, 0])
    assert result.distance[0, :, 0].min() > 0
    assert result.provenance.settings["fill"] == "another picture"


def test_the_trained_network_moves_less_at_the_top_and_is_not_invariant_to_turning() -> None:
    from convviz_widgets.data.mini_broden import MiniBroden

    lens, drawn = Lens.load("mini", device="cpu"), MiniBroden(4, seed=9)
    images, labels = [each.image for each in drawn], [each.target for each in drawn]
    kept = {}
    for transform in TRANSFORMS:
        result = invariance(lens, images, transform, steps=5, labels=labels)
        low, high = result.movement().values()
        assert high < low
        kept[transform] = result.probability.mean()
    assert kept["rotate"] < min(kept["translate"], kept["scale"]) - 0.2
