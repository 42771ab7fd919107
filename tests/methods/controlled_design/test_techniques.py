"""Every design is a network like any other: the techniques see it, from its first filters to its scores."""

import numpy as np
import pytest
import torch
from torch import nn

import convviz_widgets as cv
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.activation_maximization.first_layer import first_layer
from convviz_widgets.methods.deconvnet.diagnose import diagnose
from convviz_widgets.nets.designs import DESIGNS, Design, DesignedNet
from convviz_widgets.nets.loop import Recipe, train

SIDE, CLASSES, WIDTH = 16, 5, 2
LAST = {"scattering": "conv2"}


@pytest.fixture(params=DESIGNS)
def design(request: pytest.FixtureRequest) -> Design:
    found: Design = request.param
    return found


@pytest.fixture
def lens(design: Design) -> Lens:
    torch.manual_seed(3)
    return Lens(DesignedNet(design, CLASSES, WIDTH), input_size=SIDE)


def photos(count: int = 4) -> torch.Tensor:
    return torch.rand(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(5))


def test_the_lens_knows_its_layers_and_their_fields(lens: Lens, design: Design) -> None:
    last = lens.layers[LAST.get(design, "conv3")]
    assert last.kind == "convolution"
    assert last.receptive_field is not None
    position = (last.shape[1] // 2, last.shape[2] // 2)
    x = photos(1).requires_grad_()
    answer = lens.record(x, [last.name], grad=True)[last.name]
    (signal,) = torch.autograd.grad(answer[0, :, position[0], position[1]].square().sum(), x)
    rows, columns = signal.abs().sum((0, 1)).nonzero(as_tuple=True)
    box = last.receptive_field.box(position)
    inside = (max(box.left, 0), max(box.top, 0), min(box.right, SIDE), min(box.bottom, SIDE))
    assert (int(columns.min()), int(rows.min())) >= inside[:2]
    assert int(columns.max()) < inside[2]
    assert int(rows.max()) < inside[3]


def test_top_images_are_those_of_a_search(lens: Lens, design: Design) -> None:
    layer = LAST.get(design, "conv3")
    pictures = photos(6)
    found = cv.top_images(lens, pictures, layer, k=2)
    answers = torch.cat([lens.activations(each, layer) for each in pictures]).amax((2, 3))
    wanted = answers.topk(2, dim=0).values.T
    assert np.allclose(found.activation, wanted.numpy(), rtol=1e-4, atol=1e-5)


def test_an_image_grows_for_its_units(lens: Lens, design: Design) -> None:
    layer = LAST.get(design, "conv3")
    found = cv.activation_maximization(lens, f"{layer}:1", recipe="erhan", steps=12, seed=0)
    assert float(found.trace[..., -1]) > float(found.trace[..., 0])


def test_the_gradient_rule_equals_autograd(lens: Lens, design: Design) -> None:
    layer = LAST.get(design, "conv3")
    picture = photos(1)[0]
    x = lens.prepare(picture).clone().requires_grad_()
    answer = lens.record(x, [layer], grad=True)[layer][0]
    unit = int(answer.detach().amax((1, 2)).argmax())
    (wanted,) = torch.autograd.grad(answer[unit].max(), x)
    found = cv.deconvnet(lens, picture, f"{layer}:{unit}", rule="gradient")
    assert float(wanted.abs().max()) > 0
    assert torch.allclose(torch.tensor(found.signal), wanted[0], atol=1e-5 * float(wanted.abs().max()))


def test_hidden_squares_are_answered_exactly(lens: Lens) -> None:
    picture = photos(1)[0]
    found = cv.occlusion(lens, picture, 0, size=6, stride=5, fill="grey")
    assert np.isfinite(found.probability).all()
    assert found.probability.std() > 0


def test_first_filters_are_shown(lens: Lens, design: Design) -> None:
    shown = diagnose(lens)
    first = lens.module.get_submodule(shown.layer)
    assert isinstance(first, nn.Conv2d)
    assert shown.filters.shape[:3] == (first.out_channels, *first.kernel_size)
    assert np.ptp(shown.filters.astype(int), axis=(1, 2, 3)).min() > 0
    if design == "scattering":
        assert shown.layer == "scattering.waves.0"  # the finest wavelets, not the window that averages
    grown = first_layer(lens, steps=60)
    assert np.allclose(
        np.abs(grown.filters).sum((1, 2, 3)), first.weight.detach().abs().sum((1, 2, 3)).numpy(), rtol=1e-4
    )
    assert grown.cosine.min() > 0.88  # and nearer with more steps: fine waves are slow to grow


def test_the_guest_leaves_as_it_came(lens: Lens) -> None:
    before = {name: value.clone() for name, value in lens.module.state_dict().items()}
    hooks = sum(len(each._forward_hooks) for each in lens.module.modules())
    cv.saliency(lens, photos(1)[0], 0)
    assert all(torch.equal(value, before[name]) for name, value in lens.module.state_dict().items())
    assert sum(len(each._forward_hooks) for each in lens.module.modules()) == hooks == 0


def test_the_loop_trains_what_can_be_learned(design: Design) -> None:
    torch.manual_seed(0)
    net = DesignedNet(design, 2, WIDTH)
    images = photos(8)
    labels = torch.arange(8) % 2
    images[labels == 1, :, :, ::2] *= 0.2  # stripes
    fixed = {name: value.clone() for name, value in net.named_buffers() if "running" not in name and "num_" not in name}

    def objective(model: nn.Module, indices: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return nn.functional.cross_entropy(model(images[indices]), labels[indices])

    losses = train(net, objective, 8, Recipe(epochs=12, batch_size=8, learning_rate=0.02)).losses
    assert losses[-1] < losses[0]
    for name, value in net.named_buffers():
        assert name not in fixed or torch.equal(value, fixed[name])
