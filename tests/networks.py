"""Small awkward networks: each holds one thing that a look inside could get wrong. Weights are fixed."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

Shape = tuple[int, int, int]
CLASSES = 5


class Network(NamedTuple):
    """A factory of a module with fixed weights, and a shape (C, H, W) that it takes."""

    make: Callable[[], nn.Module]
    shape: Shape


def settle(module: nn.Module, seed: int = 0) -> nn.Module:
    """Weights, biases and running statistics from a local generator, so that none is zero or one by chance."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in module.named_parameters():
            fan = weight[0].numel() if weight.ndim > 1 else 4
            values = torch.randn(weight.shape, generator=generator) * (1.5 / fan) ** 0.5
            weight.copy_(values + (1 if name.endswith("weight") and weight.ndim == 1 else 0))
        for name, buffer in module.named_buffers():
            if name.endswith("running_mean"):
                buffer.copy_(torch.randn(buffer.shape, generator=generator) * 0.3)
            elif name.endswith("running_var"):
                buffer.copy_(torch.rand(buffer.shape, generator=generator) + 0.5)
    return module.eval()


def head(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES))


def sequential() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 6, 5, stride=2, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3), nn.ReLU(), *head(8)
    )


def in_place() -> nn.Module:
    """Every ReLU writes over the output of the layer before it."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 3),
        nn.ReLU(inplace=True),
        nn.Conv2d(6, 8, 3),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        *head(8),
    )


def one_channel() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 7 * 5, CLASSES))


def odd_sizes() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 4, (3, 5), stride=(2, 1), padding=(1, 3)), nn.ReLU(), nn.AvgPool2d((2, 3), (1, 2)), *head(4)
    )


def ceil_pooling() -> nn.Module:
    """Overlapping pooling whose last window hangs over the edge."""
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(3, 2, ceil_mode=True), nn.Conv2d(4, 4, 3), *head(4))


def average_pooling() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.AvgPool2d(3, 2, padding=1, count_include_pad=False), nn.SiLU(), *head(4)
    )


def dilated() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, dilation=2, padding=2), nn.GELU(), nn.Conv2d(4, 4, 3, dilation=(1, 3)), nn.ELU(), *head(4)
    )


def grouped() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.GroupNorm(2, 8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, groups=4),
        nn.Hardswish(inplace=True),
        *head(8),
    )


def depthwise() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=2), nn.ReLU6(inplace=True), nn.Conv2d(6, 6, 3, groups=6), nn.Conv2d(6, 8, 1), *head(8)
    )


def reflected() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"),
        nn.Tanh(),
        nn.Conv2d(4, 4, (3, 5), padding="same"),
        *head(4),
    )


def local_response() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.LocalResponseNorm(3), nn.Conv2d(6, 6, 3), *head(6))


def instance_norm() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.InstanceNorm2d(4, affine=True), nn.ReLU(), *head(4))


def transposed() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ConvTranspose2d(4, 4, 3), nn.ReLU(), nn.ConvTranspose2d(4, 4, 2, 2), *head(4)
    )


class Residual(nn.Module):
    """One ReLU module called three times, in place; a skip with a strided convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(6)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(6, 8, 3, stride=2, padding=1)
        self.bn2 = nn.BatchNorm2d(8)
        self.conv3 = nn.Conv2d(8, 8, 3, padding=1)
        self.skip = nn.Conv2d(6, 8, 1, stride=2)
        self.fc = nn.Linear(8, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        y = self.conv3(self.relu(self.bn2(self.conv2(x))))
        y += self.skip(x)
        return self.fc(self.relu(y).mean((2, 3)))


class Fire(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, 4, 1)
        self.relu = nn.ReLU(inplace=True)
        self.expand1 = nn.Conv2d(4, 4, 1)
        self.expand3 = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.squeeze(x))
        return torch.cat([self.relu(self.expand1(x)), self.relu(self.expand3(x))], 1)


def branching() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 6, 3, stride=2), nn.ReLU(), Fire(6), nn.MaxPool2d(3, 2), Fire(8), *head(8))


class Dense(nn.Module):
    """Each layer sees all layers before it."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.norms = nn.ModuleList(nn.BatchNorm2d(4 + 2 * index) for index in range(3))
        self.layers = nn.ModuleList(nn.Conv2d(4 + 2 * index, 2, 3, padding=1) for index in range(3))
        self.out = head(10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = [self.first(x)]
        for norm, layer in zip(self.norms, self.layers, strict=True):
            features.append(layer(F.relu(norm(torch.cat(features, 1)), inplace=True)))
        return self.out(torch.cat(features, 1))


class Functional(nn.Module):
    """Functions where others use modules: three spellings of ReLU, two of pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3 = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 6, 3), nn.Conv2d(6, 6, 3)
        self.fc = nn.Linear(6, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = self.conv2(x).clamp(min=0)
        x = self.conv3(x).relu_()
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Shuffled(nn.Module):
    """Channels split, shuffled by a view, written in part; and maps with channels last."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.branch = nn.Conv2d(3, 8, 3), nn.Conv2d(4, 4, 3, padding=1)
        self.norm, self.mix = nn.LayerNorm(8), nn.Linear(8, 8)
        self.last = nn.Conv2d(8, 4, 3)
        self.fc = nn.Linear(4, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        left, right = self.conv(x).chunk(2, 1)
        x = torch.cat([left, self.branch(right)], 1)
        n, c, h, w = x.shape
        x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        x = self.mix(self.norm(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        return self.fc(self.last(x).amax((2, 3)))


class Shifted(nn.Module):
    """Two branches that look to opposite sides: together they see more than either."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.after, self.out = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3), head(8)
        self.mix = nn.Conv2d(8, 8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        up, down = self.before(F.pad(x, (2, 0, 2, 0))), self.after(F.pad(x, (0, 2, 0, 2)))
        return self.out(self.mix(torch.cat([up, down], 1)))


class Gated(nn.Module):
    """Squeeze and excitation: after it, every position sees the whole picture."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.gate, self.after = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 3)
        self.sigmoid, self.out = nn.Sigmoid(), head(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        return self.out(self.after(x * self.sigmoid(self.gate(x.mean((2, 3), keepdim=True)))))


class Patched(nn.Module):
    """Branches written into parts of one tensor made beforehand."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 5, padding=2)
        self.last, self.out = nn.Conv2d(8, 4, 3), head(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        both = x.new_zeros(len(x), 8, *x.shape[2:])
        both[:, :4] = self.left(x)
        both[:, 4:] = self.right(x)
        return self.out(self.last(both))


class Outputs(nn.Module):
    """Gives several things at once."""

    def __init__(self, form: Callable[[torch.Tensor, torch.Tensor], Any]) -> None:
        super().__init__()
        self.conv, self.out, self.form = nn.Conv2d(3, 4, 3), head(4), form

    def forward(self, x: torch.Tensor) -> Any:
        features = self.conv(x)
        return self.form(self.out(features), features)


class Counter(nn.Module):
    """Counts its forwards, in evaluation mode too: one buffer written, one replaced, one made on first use."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        self.register_buffer("scale", None)
        self.conv, self.out = nn.Conv2d(3, 4, 3), head(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen += len(x)
        self.steps = self.steps + 1
        if self.scale is None:
            self.scale = torch.ones(())
        return self.out(self.conv(x) * self.scale)


class Noisy(nn.Module):
    """Draws random numbers in evaluation mode too."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.out = nn.Conv2d(3, 4, 3), head(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.conv(x + 0.01 * torch.rand_like(x)))


class WritesInput(nn.Module):
    """Normalises what it is given in place."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.out = nn.Conv2d(3, 4, 3), head(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.conv(x.sub_(0.5)))


class Failing(nn.Module):
    """Raises what it is told to, between its two convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.out = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), head(4)
        self.error: BaseException | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv1(x)
        if self.error is not None:
            raise self.error
        return self.out(self.conv2(x))


class Dynamic(nn.Module):
    """Branches on its input: bright pictures go through an in-place ReLU that dark ones never see."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.extra, self.relu, self.out = (
            nn.Conv2d(3, 4, 3),
            nn.Conv2d(4, 4, 3),
            nn.ReLU(inplace=True),
            head(4),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x)
        if float(x.detach().mean()) > 0.5:
            self.relu(y)
        else:
            y = self.extra(y)
        return self.out(y)


def _outputs(form: Callable[[torch.Tensor, torch.Tensor], Any]) -> Callable[[], nn.Module]:
    return lambda: Outputs(form)


_MAKERS: dict[str, tuple[Callable[[], nn.Module], Shape]] = {
    "sequential": (sequential, (3, 31, 31)),
    "in_place": (in_place, (3, 16, 16)),
    "one_channel": (one_channel, (1, 9, 7)),
    "odd_sizes": (odd_sizes, (3, 23, 17)),
    "ceil_pooling": (ceil_pooling, (3, 20, 20)),
    "average_pooling": (average_pooling, (3, 17, 17)),
    "dilated": (dilated, (3, 21, 21)),
    "grouped": (grouped, (3, 16, 16)),
    "depthwise": (depthwise, (3, 19, 19)),
    "reflected": (reflected, (3, 16, 16)),
    "local_response": (local_response, (3, 16, 16)),
    "instance_norm": (instance_norm, (3, 16, 16)),
    "transposed": (transposed, (3, 16, 16)),
    "residual": (Residual, (3, 21, 21)),
    "branching": (branching, (3, 33, 33)),
    "dense": (Dense, (3, 16, 16)),
    "functional": (Functional, (3, 20, 20)),
    "shuffled": (Shuffled, (3, 14, 12)),
    "shifted": (Shifted, (3, 14, 14)),
    "gated": (Gated, (3, 12, 12)),
    "patched": (Patched, (3, 12, 12)),
    "tuple_output": (_outputs(lambda scores, features: (scores, features)), (3, 12, 12)),
    "dict_output": (_outputs(lambda scores, features: {"features": features, "logits": scores}), (3, 12, 12)),
    "counter": (Counter, (3, 12, 12)),
    "writes_input": (WritesInput, (3, 12, 12)),
    "failing": (Failing, (3, 12, 12)),
    "dynamic": (Dynamic, (3, 12, 12)),
}


def _settled(make: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    return lambda: settle(make())


ALL = {name: Network(_settled(make), shape) for name, (make, shape) in _MAKERS.items()}


def noisy() -> nn.Module:
    """Not in `ALL`: two forwards of it are never equal."""
    return settle(Noisy())


def pictures(count: int, shape: Shape, seed: int = 0) -> torch.Tensor:
    """Random pictures (count, C, H, W), float in [0, 1]."""
    return torch.rand((count, *shape), generator=torch.Generator().manual_seed(seed))
