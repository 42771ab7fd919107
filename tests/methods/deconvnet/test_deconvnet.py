"""Projections against a slow twin that goes down layer by layer, and against autograd."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convviz_widgets.core.errors import BadValue, UnknownName
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.deconvnet.deconvnet import Projection, deconvnet
from tests.networks import ALL, Residual, pictures, settle

RULES = ("gradient", "deconvnet", "guided")
Down = Callable[[torch.Tensor], torch.Tensor]


def rectified(x: torch.Tensor, signal: torch.Tensor, rule: str) -> torch.Tensor:
    """A ReLU on the way down, from its definition; x was its input."""
    if rule in ("gradient", "guided"):
        signal = torch.where(x > 0, signal, 0.0)
    if rule in ("deconvnet", "guided"):
        signal = torch.where(signal > 0, signal, 0.0)
    return signal


def filtered(conv: nn.Conv2d, x: torch.Tensor, signal: torch.Tensor) -> torch.Tensor:
    """The convolution with the transposed filters, of the size of its input x."""
    sizes = zip(x.shape[2:], signal.shape[2:], conv.stride, conv.padding, conv.dilation, conv.kernel_size, strict=True)
    rest = [
        n - ((m - 1) * stride - 2 * pad + dilation * (kernel - 1) + 1) for n, m, stride, pad, dilation, kernel in sizes
    ]
    return F.conv_transpose2d(
        signal, conv.weight, None, conv.stride, conv.padding, rest, groups=conv.groups, dilation=conv.dilation
    )


def unpooled(pool: nn.MaxPool2d, x: torch.Tensor, signal: torch.Tensor) -> torch.Tensor:
    """Each value at its switch; where windows overlap and share a switch, their sum."""
    _, switches = F.max_pool2d(x, pool.kernel_size, pool.stride, pool.padding, 1, pool.ceil_mode, return_indices=True)
    flat = torch.zeros_like(x).flatten(2)
    return flat.scatter_add(2, switches.flatten(2), signal.flatten(2)).view_as(x)


def spread(pool: nn.AvgPool2d, x: torch.Tensor, signal: torch.Tensor) -> torch.Tensor:
    """Each value in equal parts over its window."""
    side, channels = pool.kernel_size, x.shape[1]
    box = torch.full((channels, 1, side, side), 1 / side**2)
    return F.conv_transpose2d(signal, box, None, pool.stride, pool.padding, groups=channels)


def chain_down(layers: list[nn.Module], x: torch.Tensor, signal: torch.Tensor, rule: str) -> torch.Tensor:
    """Down a chain of layers, one by one."""
    inputs = [x]
    for layer in layers:
        inputs.append(layer(inputs[-1]).clone())
    for layer, before in zip(reversed(layers), reversed(inputs[:-1]), strict=True):
        if isinstance(layer, nn.ReLU):
            signal = rectified(before, signal, rule)
        elif isinstance(layer, nn.Conv2d):
            signal = filtered(layer, before, signal)
        elif isinstance(layer, nn.MaxPool2d):
            signal = unpooled(layer, before, signal)
        elif isinstance(layer, nn.AvgPool2d):
            signal = spread(layer, before, signal)
        else:
            scale = layer.weight / (layer.running_var + layer.eps).sqrt()
            signal = signal * scale.view(1, -1, 1, 1)
    return signal


def residual_down(net: Residual, x: torch.Tensor, signal: torch.Tensor, rule: str) -> torch.Tensor:
    """Down from the sum of both branches, after its ReLU."""
    first = net.bn1(net.conv1(x))
    entered = first.clamp(min=0)
    second = net.bn2(net.conv2(entered))
    joined = net.conv3(second.clamp(min=0)) + net.skip(entered)
    signal = rectified(joined, signal, rule)
    left = rectified(second, filtered(net.conv3, second, signal), rule)
    left = filtered(net.conv2, entered, left * _scale(net.bn2))
    signal = rectified(first, left + filtered(net.skip, entered, signal), rule)
    return filtered(net.conv1, x, signal * _scale(net.bn1))


def _scale(norm: nn.BatchNorm2d) -> torch.Tensor:
    return (norm.weight / (norm.running_var + norm.eps).sqrt()).view(1, -1, 1, 1)


def deep() -> nn.Sequential:
    """All that a plain chain can hold: overlapping, padded and ceiled pooling, groups, dilation, batch norm."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 5, stride=2, padding=2),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, padding=1),
        nn.Conv2d(6, 12, 3, padding=2, dilation=2, groups=3),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),
        nn.Conv2d(12, 12, 3, padding=1, groups=12),
        nn.ReLU(),
        nn.AvgPool2d(2, stride=1),
        nn.Conv2d(12, 8, 1),
        nn.ReLU(),
    )


def in_place(net: nn.Sequential) -> nn.Sequential:
    for layer in net:
        if isinstance(layer, nn.ReLU):
            layer.inplace = True
    return net


def active(lens: Lens, image: torch.Tensor, layer: str) -> int:
    """The most active channel."""
    answers = lens.activations(image, layer)[0]
    return int(answers.reshape(len(answers), -1).amax(1).argmax())


def assert_equal(found: np.ndarray, wanted: torch.Tensor) -> None:
    assert wanted.any()
    difference = np.abs(found - wanted.detach().numpy()).max()
    assert difference <= 1e-5 * float(wanted.abs().max())


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("keep", ["strongest", "map"])
def test_it_equals_going_down_layer_by_layer(rule: str, keep: str) -> None:
    twin = settle(deep())
    lens, image = Lens(in_place(settle(deep())), input_size=(61, 55)), pictures(1, (3, 61, 55), seed=2)[0]
    for depth in (3, 6, 8, 9, 12):
        layers = list(twin)[:depth]
        layer = str(depth - 1)
        channel = active(lens, image, layer)
        found = deconvnet(lens, image, f"{layer}:{channel}", rule=rule, keep=keep)
        with torch.no_grad():
            answers = nn.Sequential(*layers)(image[None])
            kept = answers[0, channel].clamp(min=0) / answers[0, channel].max()
            signal = torch.zeros_like(answers)
            signal[0, channel] = kept if keep == "map" else kept == 1
            assert_equal(found.signal, chain_down(layers, image[None], signal, rule)[0])


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("channel", range(8))
def test_it_equals_going_down_both_branches_of_a_residual_net(rule: str, channel: int) -> None:
    network = ALL["residual"]
    lens, image = Lens(network.make(), input_size=network.shape[1:]), pictures(1, network.shape)[0]
    layer = "relu#3"
    answers = lens.activations(image, layer)
    if float(answers[0, channel].max()) <= 0:
        with pytest.raises(BadValue, match="is not active"):
            deconvnet(lens, image, f"{layer}:{channel}")
        return
    found = deconvnet(lens, image, f"{layer}:{channel}", rule=rule)
    signal = torch.zeros_like(answers)
    signal[(0, channel, *found.position)] = 1
    with torch.no_grad():
        assert_equal(found.signal, residual_down(network.make(), image[None], signal, rule)[0])


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("name", ALL)
def test_all_of_the_signal_lies_in_the_box(name: str) -> None:
    network = ALL[name]
    lens, image = Lens(network.make(), input_size=network.shape[1:]), pictures(1, network.shape)[0]
    seen = 0
    for layer in lens.layers.values():
        unit = f"{layer.name}:{active(lens, image, layer.name)}"
        if layer.is_map and float(lens.activations(image, layer.name).max()) <= 0:
            continue
        for rule in RULES:
            found = deconvnet(lens, image, unit, rule=rule)
            left, top, right, bottom = found.box
            outside = found.signal.copy()
            outside[:, top:bottom, left:right] = 0
            assert not outside.any()
            seen += bool(found.signal.any())
    assert seen


@pytest.mark.parametrize(("layer", "place"), [("0", (7, 7)), ("3", (7, 7)), ("3", (0, 0)), ("7", (5, 3))])
def test_no_smaller_box_would_hold_all_gradients(layer: str, place: tuple[int, int]) -> None:
    lens, reached = Lens(settle(deep()), input_size=61), np.zeros((61, 61))
    for image in pictures(60, (3, 61, 61)):
        found = deconvnet(lens, image, f"{layer}:{active(lens, image, layer)}@{place[0]},{place[1]}", rule="gradient")
        reached += np.abs(found.signal).sum(0)
    rows, columns = np.nonzero(reached)
    assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == found.box


def test_what_is_kept_is_the_strongest_neuron_or_the_one_named() -> None:
    network = ALL["sequential"]
    lens, image = Lens(network.make(), input_size=31), pictures(1, network.shape)[0]
    channel = active(lens, image, "1")
    values = lens.activations(image, "1")[0, channel]
    found = deconvnet(lens, image, f"1:{channel}")
    row, column = divmod(int(values.argmax()), values.shape[1])
    assert found.position == (row, column)
    assert found.unit == f"1:{channel}@{row},{column}"
    assert found.activation == float(values.max())
    rows, columns = torch.nonzero(values > 0, as_tuple=True)
    other = (int(rows[0]), int(columns[0]))
    assert deconvnet(lens, image, f"1:{channel}@{other[0]},{other[1]}").position == other


def test_a_class_score_goes_down_too() -> None:
    network = ALL["residual"]
    lens, image = Lens(network.make(), input_size=21), pictures(1, network.shape)[0]
    x = image[None].clone().requires_grad_()
    wanted = torch.autograd.grad(network.make()(x)[0, 3], x)[0][0]
    found = deconvnet(lens, image, "fc:3", rule="gradient")
    assert_equal(found.signal, wanted)
    assert found.box == (0, 0, 21, 21)
    assert found.position == (0, 0)


def test_where_the_rules_differ() -> None:
    """One ReLU with one open and one closed place, hit by a positive and a negative signal each."""
    net = nn.Sequential(nn.Conv2d(1, 4, 1), nn.ReLU(), nn.Conv2d(4, 1, 1))
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([1.0, 10, -100, -1000]).view(4, 1, 1, 1))  # the last two are closed
        net[0].bias.zero_()
        net[2].weight.copy_(torch.tensor([1.0, -1, 1, -1]).view(1, 4, 1, 1))
        net[2].bias.fill_(20)
    lens = Lens(net, input_size=1)
    found = {rule: float(deconvnet(lens, torch.ones(1, 1, 1), "2:0", rule=rule).signal.item()) for rule in RULES}
    assert found == {"gradient": 1 - 10, "deconvnet": 1 - 100, "guided": 1}


@pytest.mark.parametrize(
    ("name", "note"), [("average_pooling", "SiLU and no ReLU"), ("grouped", "Hardswish on the way")]
)
def test_smooth_networks_say_what_the_rules_mean_there(name: str, note: str) -> None:
    network = ALL[name]
    lens, image = Lens(network.make(), input_size=network.shape[1:]), pictures(1, network.shape)[0]
    layer = {"average_pooling": "2", "grouped": "4"}[name]
    unit = f"{layer}:{active(lens, image, layer)}"
    assert note in deconvnet(lens, image, unit).note
    assert note in deconvnet(lens, image, unit, rule="guided").caption()
    assert deconvnet(lens, image, unit, rule="gradient").note == ""


def test_a_signal_that_is_stopped_is_said_to_be() -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.Conv2d(1, 1, 1))
    with torch.no_grad():
        for weight, value in zip(net.parameters(), (1.0, 0.0, -1.0, 5.0), strict=True):
            weight.fill_(value)
    found = deconvnet(Lens(net, input_size=4), torch.ones(1, 4, 4), "2:0")
    assert not found.signal.any()
    assert "Nothing arrived" in found.note


def test_an_inactive_unit_says_so_and_the_way_on() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU())
    with torch.no_grad():
        net[0].weight.fill_(1.0)
        net[0].bias.copy_(torch.tensor([-9.0, 0.0]))
    lens = Lens(net, input_size=4)
    with pytest.raises(BadValue, match=r"1:0 is not active anywhere .* '1:1'\. .* top_images\(lens, images, '1'\)"):
        deconvnet(lens, torch.ones(1, 4, 4), "1:0")
    with pytest.raises(BadValue, match="at this position"):
        deconvnet(lens, torch.ones(1, 4, 4), "1:0@1,1")
    with pytest.raises(BadValue, match="is not active anywhere"):
        deconvnet(lens, torch.ones(1, 4, 4), "0:0", rule="gradient")
    closed = deconvnet(lens, torch.ones(1, 4, 4), "0:0@1,1", rule="gradient")
    assert closed.activation == -8
    assert closed.signal.sum() == 1


def test_it_is_kept_and_drawn(tmp_path: Path) -> None:
    network = ALL["branching"]
    lens, image = Lens(network.make(), input_size=33), pictures(1, network.shape)[0]
    found = deconvnet(lens, image, f"2:{active(lens, image, '2')}")
    picture = found.picture()
    assert picture.shape == (33, 33, 3)
    assert (picture[~found.signal.any(0)] == 128).all()
    assert (picture != 128).any()
    left, top, right, bottom = found.box
    assert found.patch().shape == found.patch_picture().shape == (bottom - top, right - left, 3)
    assert np.array_equal(found.photo, lens.picture(image))
    assert found.figure().data
    found.save(tmp_path / "found")
    assert Projection.load(tmp_path / "found") == found
    unit = found.provenance.settings["unit"]
    assert found.provenance.code() == f"cv.deconvnet(lens, image, unit='{unit}', rule='deconvnet', keep='strongest')"


def test_one_channel_pictures_are_drawn_too() -> None:
    network = ALL["one_channel"]
    lens, image = Lens(network.make(), input_size=network.shape[1:]), pictures(1, network.shape)[0]
    assert deconvnet(lens, image, f"1:{active(lens, image, '1')}").picture().shape == (9, 7, 3)


def test_wrong_arguments() -> None:
    network = ALL["residual"]
    lens, image = Lens(network.make(), input_size=21), pictures(1, network.shape)[0]
    for unit, said in (("conv1:6", "0 to 5"), ("conv1:0@21,0", "up to 20,20"), ("fc:0@1,1", "gives a vector")):
        with pytest.raises(BadValue, match=said):
            deconvnet(lens, image, unit)
    with pytest.raises(BadValue, match="keep='strongest'"):
        deconvnet(lens, image, "conv1:0@3,3", keep="map")
    with pytest.raises(BadValue, match="2 pictures were given"):
        deconvnet(lens, [image, image], "conv1:0")
    for wrong in ({"rule": "gided"}, {"keep": "all"}, {"rule": "redirected"}):
        with pytest.raises(UnknownName):
            deconvnet(lens, image, "conv1:0", **wrong)
