"""Signals of several neurons of one picture against those of each alone."""

import pytest

from convviz_widgets.lens.backward import WayBack, one_hot
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.many_signals import neuron_signals
from tests.networks import ALL, pictures

RULES = ("gradient", "deconvnet", "guided")


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", sorted(ALL.keys() - {"one_channel"}))  # whose dense layer takes one size alone
def test_each_is_that_of_its_neuron(name: str, rule: str) -> None:
    shape = ALL[name].shape
    lens = Lens(ALL[name].make(), input_size=shape[1:])
    prepared = pictures(1, (shape[0], *(2 * side + 1 for side in shape[1:])), seed=5)
    maps = [layer for layer in lens.layers.values() if layer.is_map]
    for layer in {id(each): each for each in (maps[0], maps[len(maps) // 2], maps[-1])}.values():
        way = WayBack(lens, prepared, layer, rule=rule)
        channels, height, width = way.answers.shape[1:]
        neurons = [
            (channel % channels, row, column)
            for channel, (row, column) in enumerate([(0, 0), (height // 2, width // 2), (height - 1, width // 3)] * 2)
        ]
        found = neuron_signals(lens, prepared, layer, neurons, way.answers[0], rule=rule)
        assert found.shape == (len(neurons), *prepared.shape[1:])
        for neuron, signal in zip(neurons, found, strict=True):
            wanted = way.down(one_hot(way.answers, neuron))[0]
            assert float((signal - wanted).abs().max()) <= 1e-5 * float(wanted.abs().max())


def test_neurons_in_the_middle_share_one_pass_over_their_parts() -> None:
    lens, prepared = Lens(ALL["branching"].make(), input_size=33), pictures(1, (3, 129, 129))
    answers = lens.activations(prepared, "2")[0]
    sizes: list[tuple[int, ...]] = []
    handle = lens.module.register_forward_pre_hook(lambda _m, inputs: sizes.append(tuple(inputs[0].shape)))
    neuron_signals(lens, prepared, lens.layers["2"], [(k, 20 + k, 30) for k in range(5)], answers, rule="guided")
    handle.remove()
    assert sizes == [(5, 3, 7, 7)]
    assert len(neuron_signals(lens, prepared, lens.layers["2"], [], answers, rule="guided")) == 0
