"""A small residual network for pictures of 96 by 96 pixels."""

import torch
from torch import nn


class Residual(nn.Module):
    """Two convolutions and a shortcut past them (He et al. 2016, figure 2).

    Args:
        before, after: channels in and out.
        stride: of the first convolution and of the shortcut.
    """

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(after)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(after)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or before != after:
            self.shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride=stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, before, h, w) to (N, after, h / stride, w / stride)."""
        y = self.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        out: torch.Tensor = self.relu(y + self.shortcut(x))
        return out


class MiniResidual(nn.Module):
    """A stem, three stages of residual blocks, global average pooling, one dense layer.

    Example:
        >>> MiniResidual(num_classes=14)(torch.zeros(2, 3, 96, 96)).shape
        torch.Size([2, 14])

    Args:
        num_classes: number of class scores.
        channels: of the stem and the three stages.
    """

    def __init__(self, num_classes: int, *, channels: tuple[int, int, int, int] = (24, 32, 64, 96)) -> None:
        super().__init__()
        stem, first, second, third = channels
        self.conv1 = nn.Conv2d(3, stem, 5, stride=2, padding=2, bias=False)
        self.norm1 = nn.BatchNorm2d(stem)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.stage1 = nn.Sequential(Residual(stem, first, 1))
        self.stage2 = nn.Sequential(Residual(first, second, 2), Residual(second, second, 1))
        self.stage3 = nn.Sequential(Residual(second, third, 2), Residual(third, third, 1))
        self.average = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(third, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) to class scores (N, num_classes)."""
        x = self.pool(self.relu(self.norm1(self.conv1(x))))
        x = self.stage3(self.stage2(self.stage1(x)))
        out: torch.Tensor = self.fc(self.average(x).flatten(1))
        return out
