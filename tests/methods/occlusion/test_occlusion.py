"""The three maps equal a plain loop of full forwards; the square hides what it should."""

import numpy as np
import pytest
import torch
from torch import nn

from convviz_widgets.core.errors import BadType, BadValue, UnknownName
from convviz_widgets.lens.fills import filled
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.occlusion.occlusion import Occlusion, occlusion
from tests.networks import ALL, pictures

PLAIN = ["sequential", "residual", "branching", "dense", "depthwise", "gated", "patched", "dynamic", "tuple_output"]


def opened(name: str) -> tuple[Lens, torch.Tensor]:
    network = ALL[name]
    return Lens(network.make(), input_size=network.shape[1:]), pictures(1, network.shape, seed=4)[0]


def scores(lens: Lens, batch: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        found = lens.module.eval()(batch)
    return found[0] if isinstance(found, tuple) else found


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("fill", ["grey", "noise"])
def test_the_maps_equal_a_plain_loop(name: str, fill: str) -> None:
    lens, image = opened(name)
    image = image * 0.8 if name == "dynamic" else image
    result = occlusion(lens, image, 2, size=5, stride=4, fill=fill, seed=7, unit={"dynamic": "conv:1"}.get(name))
    pixels = filled(lens, image[None], fill, seed=7)[0]
    layer, channel = result.unit.split(":")
    rows, columns = range(0, image.shape[1] - 4, 4), range(0, image.shape[2] - 4, 4)
    assert result.probability.shape == (len(rows), len(columns))
    moved = 0.0
    for i, top in enumerate(rows):
        for j, left in enumerate(columns):
            hidden = image.clone()
            hidden[:, top : top + 5, left : left + 5] = pixels[:, top : top + 5, left : left + 5]
            chances = scores(lens, hidden[None])[0].softmax(0)
            whole = float(lens.record(hidden[None], [layer])[layer][0, int(channel)].sum())
            assert result.probability[i, j] == pytest.approx(float(chances[2]), rel=1e-5)
            assert result.total_activation[i, j] == pytest.approx(whole, rel=1e-5, abs=1e-4)
            assert result.top_class[i, j] == int(chances.argmax())
            assert result.boxes[i, j].tolist() == [left, top, left + 5, top + 5]
            moved = max(moved, abs(result.clean_probability - float(chances[2])))
    assert moved > 1e-4
    assert (result.exact_by == "windows") == (name not in ("patched", "dynamic"))


def test_the_probability_falls_where_the_score_looks() -> None:
    class Corner(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 3, padding=1)
            self.fc = nn.Linear(1, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            bright = torch.zeros(16, 16)
            bright[2:5, 11:14] = 1
            return torch.cat([(x * bright).sum((1, 2, 3))[:, None], torch.zeros(len(x), 1)], 1)

    lens = Lens(Corner(), input_size=16)
    with pytest.raises(BadValue, match="No layer"):
        occlusion(lens, torch.ones(1, 16, 16), 0, size=3, stride=1)
    kept = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Flatten(), nn.Linear(256, 2)).eval()
    with torch.no_grad():
        kept[0].weight.fill_(1)
        kept[0].bias.zero_()
        kept[2].weight.zero_()
        kept[2].bias.zero_()
        kept[2].weight[0].view(16, 16)[2:5, 11:14] = 1
    result = occlusion(Lens(kept, input_size=16), torch.ones(1, 16, 16), 0, size=3, stride=1)
    assert divmod(int(result.probability.argmin()), 14) == (2, 11)
    far = np.abs(result.boxes[..., 0] - 11) > 2
    assert np.allclose(result.probability[far], result.clean_probability)
    assert result.picture().shape[1] > 3 * 16  # three maps side by side
    assert result.figure().data


@pytest.mark.parametrize("at_once", [3, 64])  # parts of a row, and a few rows
def test_the_last_preview_is_the_map_and_those_after_the_coarse_grid_are_whole(at_once: int) -> None:
    lens, image = opened("sequential")
    steps = occlusion.steps(lens, image, size=5, stride=2, at_once=at_once)
    previews = []
    while True:
        try:
            previews.append(next(steps).preview)
        except StopIteration as end:
            result = end.value
            break
    for name in ("probability", "total_activation", "top_class"):
        assert np.array_equal(getattr(previews[-1], name), getattr(result, name))
    coarse = [each for each in previews if each.known.sum() >= 4]  # (0, 0), (0, 8), (8, 0) and (8, 8) of 14 x 14
    assert len(coarse) > 2
    assert all(np.isfinite(each.probability).all() and (each.top_class >= 0).all() for each in coarse)
    for each in previews:  # what is told to be known is final, what is not is a neighbour's
        assert np.array_equal(each.probability[each.known], result.probability[each.known])
        assert np.isin(each.top_class, [-1, *each.top_class[each.known]]).all()
    assert [int(each.known.sum()) for each in previews] == sorted({int(each.known.sum()) for each in previews})
    assert (previews[0].clean_probability, previews[0].clean_activation) == (
        result.clean_probability,
        result.clean_activation,
    )


def test_fewer_at_once_give_the_same_maps_in_more_steps() -> None:
    lens, image = opened("sequential")
    every, few = ({"size": 5, "stride": 2, "at_once": each} for each in (32, 3))
    assert len(list(occlusion.steps(lens, image, **few))) > len(list(occlusion.steps(lens, image, **every)))
    assert np.allclose(
        occlusion(lens, image, **few).probability, occlusion(lens, image, **every).probability, atol=1e-6
    )


def test_the_strongest_map_of_the_last_layer_is_watched() -> None:
    lens, image = opened("branching")
    result = occlusion(lens, image, size=9, stride=12)
    layer, channel = result.unit.split(":")
    sums = lens.activations(image, layer)[0].sum((1, 2))
    assert int(channel) == int(sums.argmax())
    assert result.clean_activation == pytest.approx(float(sums.max()), rel=1e-5)
    named = occlusion(lens, image, size=9, stride=12, unit="0:3")
    assert named.unit == "0:3"


def test_a_result_survives_a_file(tmp_path: object) -> None:
    lens, image = opened("sequential")
    result = occlusion(lens, image, size=9, stride=12)
    assert Occlusion.load(result.save(tmp_path / "kept")) == result


def test_what_cannot_be_used_is_refused() -> None:
    lens, image = opened("sequential")
    with pytest.raises(BadType, match="a whole number"):
        occlusion(lens, image, size=3, stride=2.5)
    with pytest.raises(BadValue, match="stride=0 is out of range"):
        occlusion(lens, image, size=3, stride=0)
    with pytest.raises(BadValue, match="does not fit"):
        occlusion(lens, image, size=32)
    with pytest.raises(BadValue, match="no class 9"):
        occlusion(lens, image, 9, size=5)
    with pytest.raises(UnknownName, match="fill"):
        occlusion(lens, image, size=5, fill="pink")
    with pytest.raises(BadValue, match="same size"):
        occlusion(lens, image, size=5, fill=torch.zeros(3, 8, 8))
    with pytest.raises(BadValue, match="no feature map"):
        occlusion(lens, image, size=5, unit="0:99")
    with pytest.raises(UnknownName):
        occlusion(lens, image, "cat", size=5)
