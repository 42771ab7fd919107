"""Layers and receptive fields, against the gradient and on torchvision's families."""

import pytest
import torch
from torch import nn

from convviz_widgets.core.errors import UnknownName
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.receptive_field import ReceptiveField, Span
from tests.known_networks import ALL, image, make

FAMILIES = {  # network: input side, receptive field of its last bounded layer (published ones: Araujo et al. 2019)
    "alexnet": (224, 195),
    "vgg11": (64, 134),
    "squeezenet1_1": (64, None),
    "resnet18": (64, 435),
    "googlenet": (64, None),
    "densenet121": (64, 2071),
    "mobilenet_v2": (64, 491),
    "mobilenet_v3_small": (64, None),
    "shufflenet_v2_x0_5": (64, None),
    "mnasnet0_5": (64, None),
    "efficientnet_b0": (64, None),
    "regnet_x_400mf": (64, None),
    "convnext_tiny": (64, None),
}


def positive(module: nn.Module) -> nn.Module:
    """All weights positive and averages in place of maxima, so that no path is blocked and none cancels another."""
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.MaxPool2d):
                average = nn.AvgPool2d(child.kernel_size, child.stride, child.padding, child.ceil_mode)
                setattr(parent, name, average)
            elif isinstance(child, nn.BatchNorm2d):
                setattr(parent, name, nn.Identity())
    for weight in module.parameters():
        nn.init.uniform_(weight, 0.01, 0.02)
    return module.double()


def box_of_gradient(lens: Lens, x: torch.Tensor, name: str, position: tuple[int, int]) -> tuple[int, int, int, int]:
    batch = x[None].double().requires_grad_()
    maps = lens.record(batch, [name], grad=True)[name]
    maps[0, :, position[0], position[1]].sum().backward()
    assert batch.grad is not None
    touched = batch.grad[0].abs().sum(0)
    rows, columns = touched.any(1).nonzero()[:, 0], touched.any(0).nonzero()[:, 0]
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


@pytest.mark.parametrize("name", [name for name in ALL if name != "counting"])
def test_the_receptive_field_is_the_box_of_the_gradient(name: str) -> None:
    module, shape = make(name)
    lens = Lens(positive(module), input_size=shape[1:])
    x = image(shape) + 0.5
    bounded = [layer for layer in lens.layers.values() if layer.receptive_field is not None and layer.is_map]
    assert bounded
    for layer in bounded:
        assert layer.receptive_field is not None
        last = (layer.shape[1] - 1, layer.shape[2] - 1)
        for position in ((0, 0), (last[0] // 2, last[1] // 2), last):
            box = layer.receptive_field.box(position)
            clipped = box.clipped(width=shape[2], height=shape[1])
            left, top, right, bottom = box_of_gradient(lens, x, layer.name, position)
            assert clipped.left <= left
            assert clipped.top <= top
            assert clipped.right >= right
            assert clipped.bottom >= bottom
            if clipped == box:  # inside the picture no smaller box holds all; holes of a dilation may lie on the edge
                assert (left, top, right, bottom) == box.as_tuple(), (layer.name, position)


@pytest.mark.parametrize("family", FAMILIES)
def test_torchvisions_families(family: str) -> None:
    side, size = FAMILIES[family]
    lens = Lens(Lens.load(family, weights=None, device="cpu").module, input_size=side)
    assert lens.layers
    x = torch.rand(3, side, side, generator=torch.Generator().manual_seed(0))
    names = [name for name, layer in lens.layers.items() if layer.kind in ("convolution", "block")]
    found = lens.activations(x, [names[0], names[len(names) // 2], names[-1]])
    assert all(bool(maps.isfinite().all()) for maps in found.values())
    bounded = [layer for layer in lens.layers.values() if layer.receptive_field is not None]
    if size is not None:
        field = next(
            layer.receptive_field for layer in reversed(bounded) if layer.kind != "pooling" or family == "alexnet"
        )
        assert field is not None
        assert field.size == (size, size)


def test_global_pooling_and_dense_layers_have_no_bound() -> None:
    layers = Lens(*make("classifier")[:1], input_size=24).layers
    assert layers["2"].receptive_field == ReceptiveField((3, 3), (1, 1), (-1, -1))
    assert layers["3"].receptive_field is None
    assert layers["5"].receptive_field is None


def test_squeeze_and_excitation_sees_everything() -> None:
    layers = Lens.load("mobilenet_v3_small", weights=None, device="cpu").layers
    assert layers["features.0"].receptive_field is not None
    assert layers["features.12"].receptive_field is None


def test_a_patch_embedding_is_found_and_attention_has_no_maps() -> None:
    layers = Lens.load("vit_b_32", weights=None, device="cpu").layers
    assert layers["conv_proj"].receptive_field == ReceptiveField((32, 32), (32, 32), (0, 0))
    assert all(layer.receptive_field is None for layer in layers.values() if layer.name != "conv_proj")


def test_parents_are_the_layers_before_through_joins() -> None:
    residual = Lens(make("residual")[0], input_size=17).layers
    assert residual["relu#2"].parents == ("norm2", "shortcut")
    branching = Lens(make("branching")[0], input_size=26).layers
    assert branching["last"].parents == ("relu()", "relu()#2")
    assert branching["small"].parents == branching["large"].parents == ("pool",)


def test_blocks_hold_their_parts() -> None:
    layers = Lens.load("resnet18", weights=None, device="cpu").layers
    assert layers["layer1.0.conv1"].block == "layer1.0"
    assert layers["layer1.0"].block == "layer1"
    assert layers["layer2.0.downsample.0"].block == "layer2.0"
    assert layers["layer2"].parents == ("layer1.1.relu#2",)
    squeeze = Lens.load("squeezenet1_0", weights=None, device="cpu").layers
    assert squeeze["features.3"].kind == "block"
    assert "features" not in squeeze


def test_a_wrong_layer_lists_the_nearest() -> None:
    layers = Lens(make("residual")[0], input_size=17).layers
    with pytest.raises(UnknownName, match=r"'conv1'.*`lens\.layers` lists them all"):
        layers["konv1"]
    assert "konv1" not in layers
    assert "conv1" in repr(layers)
    assert "<td>conv1</td>" in layers._repr_html_()


def test_spans_join_only_on_the_same_grid() -> None:
    assert Span(3, 1, -1).joined(Span(5, 1, -2)) == Span(5, 1, -2)
    assert Span(3, 1, 0).joined(Span(3, 2, 0)) is None
