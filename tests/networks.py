"""Small networks that are awkward in one way each; every technique is tried on all of them."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Case:
    """How to build a network, and the shape (C, H, W) of what it takes."""

    build: Callable[[], nn.Module]
    shape: tuple[int, int, int]


class SharedReLU(nn.Module):
    """A residual block whose one in-place ReLU is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(6)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(6, 6, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(6)
        self.shortcut = nn.Conv2d(3, 6, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm2(self.conv2(self.relu(self.norm1(self.conv1(x)))))
        return self.relu(y + self.shortcut(x))


class Branches(nn.Module):
    """Two branches of different kernels, joined; pooling with ceil mode before."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.small = nn.Conv2d(3, 4, 1)
        self.large = nn.Conv2d(3, 4, 5, padding=2)
        self.last = nn.Conv2d(8, 5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(x)
        return self.last(torch.cat([F.relu(self.small(x)), F.relu(self.large(x))], dim=1))


class Spellings(nn.Module):
    """ReLU as a function, a method, in place, and as a clamp."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(4 if i else 3, 4, 3) for i in range(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.convs[0](x))
        x = self.convs[1](x).relu_()
        x = torch.relu(self.convs[2](x))
        return self.convs[3](x).clamp(min=0)


class Dense(nn.Module):
    """Each convolution sees all maps before it."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(3 + 4 * i, 4, 3, padding=1) for i in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for conv in self.convs:
            x = torch.cat([x, F.gelu(conv(x))], dim=1)
        return x


class Counts(nn.Module):
    """Writes to a buffer in every forward pass, also in evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return F.silu(self.conv(x))


class Answers(nn.Module):
    """Gives a dict, with something else before the scores."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 6, 3)
        self.head = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        maps = self.body(x)
        return {"maps": maps, "logits": self.head(maps.mean((2, 3)))}


class TwoWays(nn.Module):
    """Overwrites a map only when the picture is bright: what the first pass showed does not always hold."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x)
        return y.relu_() if float(x.mean()) > 0.5 else y


def sequential() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 6, 5, stride=2, padding=1),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(6, 8, 3, padding=2, dilation=2),
        nn.ReLU(inplace=True),
        nn.AvgPool2d(3, stride=1, padding=1),
    )


def grouped() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(4, 8, 3, groups=2), nn.SiLU(), nn.Conv2d(8, 8, 3, groups=8, stride=2), nn.Conv2d(8, 4, 1)
    )


def one_channel() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 5), nn.Flatten(), nn.Linear(6 * 8 * 8, 10)
    )


def classifier() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 4),
    )


ALL: dict[str, Case] = {
    "sequential": Case(sequential, (3, 37, 29)),
    "residual": Case(SharedReLU, (3, 17, 17)),
    "branching": Case(Branches, (3, 26, 31)),
    "grouped": Case(grouped, (4, 21, 20)),
    "spellings": Case(Spellings, (3, 19, 19)),
    "dense": Case(Dense, (3, 15, 16)),
    "one channel": Case(one_channel, (1, 28, 28)),
    "classifier": Case(classifier, (3, 24, 24)),
    "counting": Case(Counts, (3, 16, 16)),
    "answering": Case(Answers, (3, 16, 16)),
}


def make(name: str, *, seed: int = 0) -> tuple[nn.Module, tuple[int, int, int]]:
    """A network of `ALL` with random weights, biases and batch statistics, and the shape of its input."""
    return randomised(ALL[name].build, seed=seed), ALL[name].shape


def randomised(build: Callable[[], nn.Module], *, seed: int = 0) -> nn.Module:
    """A network whose weights, biases and batch statistics all matter."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = build()
        for each in module.modules():
            if isinstance(each, nn.BatchNorm2d):
                nn.init.uniform_(each.running_mean, -0.5, 0.5)
                nn.init.uniform_(each.running_var, 0.5, 2)
                nn.init.uniform_(each.weight, 0.5, 1.5)
            if getattr(each, "bias", None) is not None:
                nn.init.uniform_(each.bias, -0.3, 0.3)
    return module.eval()


def image(shape: tuple[int, int, int], *, seed: int = 0) -> torch.Tensor:
    """A random picture (C, H, W) in [0, 1]."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))
