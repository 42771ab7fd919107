"""Receptive fields against the gradient: what a neuron sees is where its gradient is not zero."""

import pytest
import torch
import torchvision
from torch import nn

from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens
from tests.networks import ALL, pictures

UNBOUNDED_MAPS = {  # beside global pooling
    "grouped": {"1", "2", "3", "4"},  # group normalisation looks at the whole map
    "instance_norm": {"1", "2"},
    "transposed": {"3"},  # stride 2: neighbouring neurons see boxes of different sizes
    "gated": {"after"},
    "patched": {"last"},  # written in parts: the safe answer
}
FAMILIES = {
    "alexnet": 160,
    "vgg11_bn": 80,
    "squeezenet1_0": 96,
    "resnet18": 128,
    "googlenet": 96,
    "inception_v3": 128,
    "densenet121": 80,
    "mobilenet_v2": 128,
    "shufflenet_v2_x0_5": 128,
    "mnasnet0_5": 128,
    "regnet_x_400mf": 128,
    "convnext_tiny": 96,
}


def open_paths(module: nn.Module) -> nn.Module:
    """Positive weights that add up to one, averages for maxima: no path is blocked, none cancels another."""
    generator = torch.Generator().manual_seed(0)
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.MaxPool2d):
                setattr(parent, name, nn.AvgPool2d(child.kernel_size, child.stride, child.padding, child.ceil_mode))
            elif isinstance(child, nn.ReLU6):
                setattr(parent, name, nn.ReLU())  # flat above six
    with torch.no_grad():
        for name, weight in module.named_parameters():
            fan = weight[0].numel() if weight.ndim > 1 else 1
            values = torch.rand(weight.shape, generator=generator) + 0.5
            weight.copy_(values / fan if name.endswith("weight") else 0.1 * values)
    return module.double().eval()


def random(family: str) -> nn.Module:
    """A network of torchvision's with random weights; VGG without its hundred million dense ones."""
    if family == "vgg11_bn":
        vgg = torchvision.models.vgg
        return vgg.make_layers(vgg.cfgs["A"], batch_norm=True)
    quick = {"init_weights": False} if family in ("googlenet", "inception_v3") else {}
    return torchvision.models.get_model(family, weights=None, **quick)


def seen_by(lens: Lens, x: torch.Tensor, layer: Layer, position: tuple[int, int]) -> tuple[int, int, int, int]:
    """The box (left, top, right, bottom) where the gradient of one neuron of each channel is not zero."""
    batch = x.double().requires_grad_()
    maps = lens.record(batch, [layer.name], grad=True)[layer.name][:, :, position[0], position[1]]
    weights = torch.linspace(1, 2, maps.shape[1], dtype=torch.float64)  # uneven: normalised channels must not cancel
    (maps * weights).sum().backward()
    assert batch.grad is not None
    touched = batch.grad.abs().sum((0, 1)) > 0  # in any picture: a maximum shows one pixel of its window in each
    rows, columns = touched.any(1).nonzero()[:, 0], touched.any(0).nonzero()[:, 0]
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def check(lens: Lens, x: torch.Tensor, layer: Layer) -> bool:
    """Compares a neuron in the middle and those in two corners; tells whether one saw no padding."""
    assert layer.receptive_field is not None
    height, width = layer.shape[1:]
    inside = False
    for position in ((height // 2, width // 2), (0, 0), (height - 1, width - 1)):
        box = layer.receptive_field.box(position)
        clipped = box.clipped(width=x.shape[3], height=x.shape[2]).as_tuple()
        seen = seen_by(lens, x, layer, position)
        if clipped == box.as_tuple():
            assert seen == clipped, (layer.name, position)
            inside = True
        else:  # holes of a dilation, and strides, may leave the edge of the picture unseen
            assert seen[0] >= clipped[0], (layer.name, position)
            assert seen[1] >= clipped[1], (layer.name, position)
            assert seen[2] <= clipped[2], (layer.name, position)
            assert seen[3] <= clipped[3], (layer.name, position)
    return inside


@pytest.mark.parametrize("name", ALL)
def test_every_bounded_layer_of_the_awkward_networks(name: str) -> None:
    module, shape = open_paths(ALL[name].make()), ALL[name].shape
    lens, x = Lens(module, input_size=shape[1:]), pictures(40, shape) * 0.8
    maps = [layer for layer in lens.layers.values() if layer.is_map and layer.shape[1:] != (1, 1)]
    unbounded = {layer.name for layer in maps if layer.receptive_field is None}
    assert unbounded == UNBOUNDED_MAPS.get(name, set())
    assert sum(check(lens, x, layer) for layer in maps if layer.receptive_field is not None) > 0


@pytest.mark.parametrize("name", ["gated", "instance_norm"])
def test_what_is_called_unbounded_sees_the_whole_picture(name: str) -> None:
    module, shape = ALL[name].make().double(), ALL[name].shape
    lens, x = Lens(module, input_size=shape[1:]), pictures(1, shape)
    for layer in UNBOUNDED_MAPS[name]:
        seen = seen_by(lens, x, lens.layers[layer], (0, 0))
        assert seen == (0, 0, shape[2], shape[1])


@pytest.mark.parametrize("family", FAMILIES)
def test_torchvisions_families(family: str) -> None:
    side = FAMILIES[family]
    lens = Lens(open_paths(random(family)), input_size=side)
    x = pictures(1, (3, side, side)) + 0.5
    bounded = [layer for layer in lens.layers.values() if layer.is_map and layer.receptive_field is not None]
    small = [layer for layer in bounded if layer.receptive_field is not None and max(layer.receptive_field.size) < side]
    chosen = [*small[:: max(1, len(small) // 4)], small[-1]]
    assert sum(check(lens, x, layer) for layer in chosen) >= 3
    pooled = [layer for layer in lens.layers.values() if layer.is_map and layer.receptive_field is None]
    assert [layer.name for layer in pooled if layer.shape[1:] != (1, 1) and layer.name != "avgpool"] == []


@pytest.mark.parametrize("activation", ["hardswish", "mish", "gelu", "relu6", "silu", "elu", "leaky_relu", "prelu"])
@pytest.mark.parametrize("in_place", [False, True])
def test_activations_keep_the_receptive_field(activation: str, in_place: bool) -> None:
    kinds = {type_.__name__.lower(): type_ for type_ in vars(nn).values() if isinstance(type_, type)}
    kind = kinds[activation.replace("_", "")]
    takes_it = activation not in ("gelu", "prelu")
    module = nn.Sequential(nn.Conv2d(3, 4, 3), kind(inplace=True) if in_place and takes_it else kind())
    layers = Lens(module, input_size=8).layers
    assert layers["1"].receptive_field == layers["0"].receptive_field
    assert layers["1"].receptive_field is not None


def test_parents_pass_through_what_is_not_listed() -> None:
    layers = Lens(torchvision.models.get_model("swin_t", weights=None), input_size=64).layers
    first, *others = layers.values()
    assert first.parents == ()
    assert all(layer.parents for layer in others)
    shuffled = Lens(ALL["shuffled"].make(), input_size=ALL["shuffled"].shape[1:]).layers
    assert shuffled["last"].parents == ("conv", "branch")
    patched = Lens(ALL["patched"].make(), input_size=12).layers
    assert patched["last"].parents == ("left", "right")
    dense = Lens(ALL["dense"].make(), input_size=16).layers
    assert dense["norms.2"].parents == ("first", "layers.0", "layers.1")
