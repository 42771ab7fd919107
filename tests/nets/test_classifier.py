"""What is minimised is the cross-entropy of pictures as the network takes them, mirrored and shifted at random."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from convviz_widgets.core.errors import BadValue, Diverged
from convviz_widgets.nets.classifier import as_seen, classification, probabilities
from convviz_widgets.nets.loop import Recipe, train
from convviz_widgets.nets.mini import MiniNet
from convviz_widgets.nets.train import smaller

IMAGES = torch.randint(0, 256, (300, 3, 6, 5), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
TARGETS = torch.arange(300) % 4
MEAN, STD = [0.5, 0.4, 0.3], [0.2, 0.3, 0.4]


class Seen(nn.Module):
    """Keeps what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.batch = nn.Linear(90, 4), torch.empty(0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.batch = x
        return self.fc(x.flatten(1))


def by_hand(images: torch.Tensor) -> torch.Tensor:
    return (images.float() / 255 - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


def test_it_is_the_cross_entropy_of_the_pictures_as_they_are() -> None:
    net, indices = Seen(), torch.tensor([3, 7, 8])
    loss = classification(IMAGES, TARGETS, MEAN, STD, shift=0, flip=False)(net, indices, torch.Generator())
    assert torch.allclose(net.batch, by_hand(IMAGES[indices]))
    assert float(loss.detach()) == pytest.approx(float(F.cross_entropy(net(net.batch), TARGETS[indices]).detach()))
    floats = torch.randn(4, 3, 6, 5)
    assert as_seen(floats, MEAN, STD) is floats


def test_batches_are_mirrored_and_shifted_within_bounds_and_by_the_generator_alone() -> None:
    net, indices = Seen(), torch.arange(40)
    lost = classification(IMAGES, TARGETS, shift=2)
    mirrored, moved = set(), set()
    for seed in range(30):
        lost(net, indices, torch.Generator().manual_seed(seed))
        batch = net.batch
        lost(net, indices, torch.Generator().manual_seed(seed))
        assert torch.equal(batch, net.batch)
        for flip in (False, True):
            padded = F.pad((IMAGES[:1].flip(3) if flip else IMAGES[:1]).float() / 255, (2, 2, 2, 2), mode="replicate")
            found = [
                (y - 2, x - 2)
                for y in range(5)
                for x in range(5)
                if torch.equal(padded[0, :, y : y + 6, x : x + 5], batch[0])
            ]
            mirrored |= {flip} if found else set()
            moved |= set(found)
    assert mirrored == {False, True}
    assert {abs(y) for y, _ in moved} == {0, 1, 2} == {abs(x) for _, x in moved}


def test_probabilities_are_those_of_evaluation_mode() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Dropout(0.9), nn.Linear(90, 4))
    found = probabilities(net.train(), IMAGES, MEAN, STD)
    assert not net.training
    assert torch.allclose(found, net[2](by_hand(IMAGES).flatten(1)).softmax(1).detach(), atol=1e-6)


def test_a_lost_loss_has_a_name_of_its_own() -> None:
    def lost(net: nn.Module, indices: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return net.weight.sum() * float("inf")  # type: ignore[operator,union-attr]

    with pytest.raises(Diverged) as caught:
        train(nn.Linear(2, 2), lost, 4, Recipe(1))
    assert isinstance(caught.value, BadValue)


def test_smaller_drawings_are_means_and_small_nets_take_them() -> None:
    images = torch.arange(2 * 3 * 16 * 16, dtype=torch.float32).remainder(251).view(2, 3, 16, 16).to(torch.uint8)
    found, targets = smaller((images, torch.tensor([1, 2])), 2)
    means = images.float().view(2, 3, 8, 2, 8, 2).mean((3, 5))
    assert targets.tolist() == [1, 2]
    assert found.dtype == torch.uint8
    assert float((found.float() - means).abs().max()) <= 0.5
    assert MiniNet(5, side=48)(torch.zeros(1, 3, 48, 48)).shape == (1, 5)
    assert MiniNet(5).fc6.in_features == 64 * 36
