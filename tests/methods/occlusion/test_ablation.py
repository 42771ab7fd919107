"""Ablation equals forwards of a network in which a hook writes over the units."""

import numpy as np
import pytest
import torch
from torch import nn

from convviz_widgets.core.errors import BadValue, UnknownName, UnsupportedModel
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.occlusion.ablation import Ablation, ablate
from tests.networks import ALL, pictures

CASES = [("sequential", "0"), ("residual", "bn2"), ("branching", "2.expand3"), ("dense", "first"), ("in_place", "3")]


def hooked(module: nn.Module, layer: str, values: dict[int, float], batch: torch.Tensor) -> torch.Tensor:
    def write(_module: nn.Module, _inputs: object, output: torch.Tensor) -> torch.Tensor:
        changed = output.clone()
        for channel, value in values.items():
            changed[:, channel] = value
        return changed

    handle = module.get_submodule(layer).register_forward_hook(write)
    with torch.no_grad():
        found = module.eval()(batch.clone())
    handle.remove()
    return found.softmax(1)


@pytest.mark.parametrize(("name", "layer"), CASES)
@pytest.mark.parametrize("silence", ["zero", "mean"])
def test_equals_a_hook_that_writes_over_the_units(name: str, layer: str, silence: str) -> None:
    network = ALL[name]
    lens, batch = Lens(network.make(), input_size=network.shape[1:]), pictures(12, network.shape, seed=5) * 2 - 0.5
    with torch.no_grad():
        clean = lens.module(batch.clone()).argmax(1)
    labels = [int(each) for each in clean[:-2]] + [0, 4]
    groups = [[f"{layer}:0"], [f"{layer}:1"], [f"{layer}:{channel}" for channel in range(4)]]
    result = ablate(lens, groups, batch, labels, silence=silence)
    answers = lens.record(batch, [layer])[layer].mean((0, 2, 3))
    for place, channels in enumerate(((0,), (1,), (0, 1, 2, 3))):
        values = {channel: float(answers[channel]) if silence == "mean" else 0.0 for channel in channels}
        chances = hooked(lens.module, layer, values, batch)
        right = (chances.argmax(1) == torch.tensor(labels)).numpy()
        given = chances[range(len(labels)), labels].numpy()
        assert result.accuracy[place] == pytest.approx(right.mean())
        for index in set(labels):
            assert result.per_class[place, index] == pytest.approx(right[np.array(labels) == index].mean())
            wanted = given[np.array(labels) == index].mean()
            assert result.probability[place, index] == pytest.approx(wanted, rel=1e-4)
    assert result.clean_accuracy == pytest.approx(float((clean == torch.tensor(labels)).float().mean()))


def test_a_unit_that_alone_makes_a_class_is_ranked_first(tmp_path: object) -> None:
    module = nn.Sequential(nn.Conv2d(3, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3)).eval()
    with torch.no_grad():
        module[0].weight.copy_(torch.eye(3)[:, :, None, None])
        module[0].bias.zero_()
        module[3].weight.copy_(torch.eye(3))
        module[3].bias.copy_(torch.tensor([0.0, 0.01, 0.02]))
    images = torch.zeros(3, 3, 8, 8)
    for channel in range(3):
        images[channel, channel] = 1
    result = ablate(Lens(module, input_size=8), "0", images, [0, 1, 2])
    assert result.clean_accuracy == 1
    assert [result.ranking(index)[0] for index in range(2)] == [("0:0", 1.0), ("0:1", 1.0)]
    assert result.per_class[2].tolist() == [1, 1, 1]  # class 2 still wins by its bias
    assert result.figure().data
    assert Ablation.load(result.save(tmp_path / "kept")) == result


def test_units_that_cost_as_much_accuracy_are_ranked_by_the_probability_they_cost() -> None:
    weights = torch.tensor([0.5, 0.1, 2.0, 1.0])  # of four units for class 0, which wins without any of them
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)).eval()
    with torch.no_grad():
        module[0].weight.fill_(1 / 3)
        module[0].bias.zero_()
        module[3].weight.copy_(torch.stack([weights, torch.zeros(4)]))
        module[3].bias.copy_(torch.tensor([0.5, 0.0]))
    result = ablate(Lens(module, input_size=8), "0", torch.ones(2, 3, 8, 8), [0, 0])
    assert result.clean_probability[0] == pytest.approx(float(torch.tensor(4.1).sigmoid()))
    assert [unit for unit, _ in result.ranking(0)] == ["0:2", "0:3", "0:0", "0:1"]
    assert {loss for _, loss in result.ranking(0)} == {0.0}


def test_the_curve_of_the_best_kept_equals_a_plain_loop() -> None:
    lens, batch, labels = Lens(ALL["sequential"].make(), input_size=31), pictures(6, (3, 31, 31)), [0, 1, 2, 0, 1, 2]
    first = ablate(lens, "0", batch, labels)
    order = [int(unit.split(":")[1]) for unit, _ in first.ranking(1)]
    counts = [0, 1, len(order) - 1]
    curve = ablate(lens, first.all_but_best(1, counts), batch, labels)
    for place, count in enumerate(counts):
        silent = dict.fromkeys(order[count:], 0.0)
        right = (hooked(lens.module, "0", silent, batch).argmax(1) == torch.tensor(labels)).numpy()
        assert curve.accuracy[place] == pytest.approx(right.mean())
        assert curve.per_class[place, 1] == pytest.approx(right[np.array(labels) == 1].mean())
        assert curve.kept[place] == count
    with pytest.raises(BadValue, match="cannot all be kept"):
        first.all_but_best(1, [len(order)])


def test_the_figure_of_the_best_kept_goes_from_few_to_many() -> None:
    lens, batch, labels = Lens(ALL["sequential"].make(), input_size=31), pictures(3, (3, 31, 31)), [0, 1, 1]
    found = ablate(lens, [["0:0"], ["0:0", "0:1", "0:2"], ["0:2", "0:1"]], batch, labels)
    channels = lens.layers["0"].channels
    assert found.kept.tolist() == [channels - 1, channels - 3, channels - 2]
    one, all_pictures = found.curve(1).data
    assert list(one.x) == [channels - 3, channels - 2, channels - 1]
    assert list(one.y) == found.per_class[[1, 2, 0], 1].tolist()
    assert list(all_pictures.y) == found.accuracy[[1, 2, 0]].tolist()
    with pytest.raises(BadValue, match="no picture of a class 2"):
        found.curve(2)


def test_what_cannot_be_used_is_refused() -> None:
    lens, batch = Lens(ALL["sequential"].make(), input_size=31), pictures(2, (3, 31, 31))
    with pytest.raises(BadValue, match="one label per picture"):
        ablate(lens, "0", batch, [1])
    with pytest.raises(BadValue, match="no unit 99"):
        ablate(lens, ["0:99"], batch, [1, 1])
    with pytest.raises(BadValue, match="one layer"):
        ablate(lens, [["0:1", "3:1"]], batch, [1, 1])
    with pytest.raises(BadValue, match="no class 77"):
        ablate(lens, ["0:1"], batch, [1, 77])
    with pytest.raises(UnknownName, match="silence"):
        ablate(lens, ["0:1"], batch, [1, 1], silence="one")
    with pytest.raises(UnsupportedModel, match="branches"):
        ablate(Lens(ALL["dynamic"].make(), input_size=12), ["conv:0"], pictures(2, (3, 12, 12)), [1, 1])
