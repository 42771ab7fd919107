"""Signals of neurons, alone and together, against autograd over the whole picture."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convviz_widgets.lens.backward import WayBack, one_hot
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.many_signals import neuron_signals
from tests.networks import ALL, pictures, settle

RULES = ("gradient", "deconvnet", "guided")


def places_of(height: int, width: int) -> list[tuple[int, int]]:
    """Inside of a map and along its edges."""
    rows, columns = sorted({0, height // 3, height // 2, height - 1}), sorted({0, width // 2, width - 1})
    return [(row, column) for row in rows for column in columns]


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", sorted(ALL.keys() - {"one_channel"}))  # whose dense layer takes one size alone
def test_a_neuron_alone_and_all_together_are_as_by_the_whole_picture(name: str, rule: str) -> None:
    shape = ALL[name].shape
    lens = Lens(settle(ALL[name].make()), input_size=shape[1:])
    prepared = pictures(1, (shape[0], *(2 * side + 1 for side in shape[1:])), seed=5)
    for layer in lens.layers.values():
        if not layer.is_map:
            continue
        way = WayBack(lens, prepared, layer, rule=rule)
        channels = way.answers.shape[1]
        neurons = [(place % channels, *at) for place, at in enumerate(places_of(*way.answers.shape[2:]))]
        wanted = torch.cat([way.down(one_hot(way.answers, neuron)) for neuron in neurons])
        together = neuron_signals(lens, prepared, layer, neurons, way.answers[0], rule=rule)
        alone = [neuron_signals(lens, prepared, layer, [neuron], way.answers[0], rule=rule) for neuron in neurons[:2]]
        for found, of in ((together, wanted), (torch.cat(alone), wanted[:2])):
            assert found.shape == of.shape
            apart, largest = (found - of).abs().flatten(1).amax(1), of.abs().flatten(1).amax(1)
            assert bool((apart <= 1e-5 * largest).all())


def forwards_of(lens: Lens) -> list[tuple[int, ...]]:
    """The shapes of all that goes into the network from now on."""
    sizes: list[tuple[int, ...]] = []
    lens.module.register_forward_pre_hook(lambda _m, inputs: sizes.append(tuple(inputs[0].shape)))
    return sizes


def lens_by_parts(side: int) -> Lens:
    """A chain of which no way back is known but autograd's."""
    chain = (nn.Conv2d(3, 4, 5, 2, 2), nn.LocalResponseNorm(3), nn.ReLU(True), nn.Conv2d(4, 6, 3, padding=1))
    return Lens(settle(nn.Sequential(*chain)), input_size=side)


def test_where_no_other_way_is_known_neurons_share_one_pass_over_their_parts() -> None:
    lens, prepared = lens_by_parts(129), pictures(1, (3, 129, 129))
    answers, layer = lens.activations(prepared, "3")[0], lens.layers["3"]
    neuron_signals(lens, prepared, layer, [(0, 20, 20)], answers, rule="guided")  # finds out that none is
    sizes = forwards_of(lens)
    neuron_signals(lens, prepared, layer, [(k, 20 + k, 30) for k in range(5)], answers, rule="guided")
    assert sizes == [(5, 3, 9, 9)]
    assert len(neuron_signals(lens, prepared, layer, [], answers, rule="guided")) == 0


def test_the_network_is_followed_once_for_pictures_of_a_size() -> None:
    lens, prepared = Lens(settle(ALL["branching"].make()), input_size=33), pictures(2, (3, 129, 129))
    layer = lens.layers["2"]
    answers, sizes = lens.activations(prepared, "2"), forwards_of(lens)

    def ask(place: int, rule: str = "guided") -> list[tuple[int, ...]]:
        sizes.clear()
        neuron_signals(lens, prepared[place : place + 1], layer, [(5, 20, 30)], answers[place], rule=rule)
        return list(sizes)

    assert ask(0) == [(1, 3, 129, 129)] * 2  # followed, and looked at by autograd
    assert ask(0) == []
    assert ask(0, "gradient") == []
    assert ask(1) == []  # its maps are made by the operations that were followed


def test_of_a_chain_the_receptive_field_alone_is_run() -> None:
    lens, prepared = lens_by_parts(64), pictures(1, (3, 64, 64))
    way = WayBack(lens, prepared, "3", rule="deconvnet")
    neuron_signals(lens, prepared, lens.layers["3"], [(0, 20, 20)], way.answers[0], rule="deconvnet")
    sizes: list[tuple[int, ...]] = []
    lens.module[3].register_forward_hook(lambda _m, _i, output: sizes.append(tuple(output.shape[2:])))
    for neuron in ((1, 7, 8), (2, 0, 8)):
        (found,) = neuron_signals(lens, prepared, lens.layers["3"], [neuron], way.answers[0], rule="deconvnet")
        wanted = way.down(one_hot(way.answers, neuron))[0]
        assert wanted.any()
        assert float((found - wanted).abs().max()) <= 1e-5 * float(wanted.abs().max())
    assert sizes[0] == (1, 1)
    assert len(sizes) == 2
    assert min(sizes[1]) > 1  # at the edge of the picture padding is seen


class SizeDependent(nn.Module):
    """Answers a part of a picture differently from the whole of it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(F.local_response_norm(self.first(x), 3) * x.shape[2])


class AtLeast(SizeDependent):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[2] < 20:
            raise ValueError("too small")
        return self.second(F.local_response_norm(self.first(x), 3))


@pytest.mark.parametrize("make", [SizeDependent, AtLeast])
def test_where_a_part_answers_otherwise_the_whole_picture_is_run(make: type[nn.Module]) -> None:
    lens = Lens(settle(make()), input_size=24)
    prepared = pictures(1, (3, 24, 24))
    way = WayBack(lens, prepared, "second")
    wanted = way.down(one_hot(way.answers, (2, 9, 9)))[0]
    (found,) = neuron_signals(lens, prepared, lens.layers["second"], [(2, 9, 9)], way.answers[0], rule="gradient")
    assert wanted.any()
    assert float((found - wanted).abs().max()) <= 1e-5 * float(wanted.abs().max())
