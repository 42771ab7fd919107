"""A small network in the manner of ZFNet, for pictures of 96 by 96 pixels, and one with the first layer of AlexNet."""

from collections import OrderedDict
from typing import Literal

from torch import nn


class MiniNet(nn.Sequential):
    """Five convolutions and three dense layers, after Zeiler & Fergus 2013, figure 3, scaled down.

    As there: large first filters with a small stride, overlapping max pooling, dropout before the dense layers.

    Example:
        >>> [name for name, _ in MiniNet(num_classes=14).named_children()][:4]
        ['conv1', 'relu1', 'pool1', 'conv2']

    Args:
        num_classes: number of class scores.
        batch_norm: whether a batch normalisation follows each convolution.
        dropout: share of features dropped before the first two dense layers.
        channels: of the five convolutions.
        first: kernel and stride of the first convolution; the pooling after it halves the maps only where they are not
            halved twice already, so that all later layers stay the same.
        side: of the square pictures, in pixels: a multiple of 16.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        batch_norm: bool = False,
        dropout: float = 0.4,
        channels: tuple[int, int, int, int, int] = (24, 48, 72, 72, 64),
        first: tuple[int, Literal[2, 4]] = (7, 2),
        side: int = 96,
    ) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        sizes = zip((3, *channels), channels, (first[0], 5, 3, 3, 3), (first[1], 1, 1, 1, 1), strict=False)
        for number, (before, after, kernel, stride) in enumerate(sizes, start=1):
            layers[f"conv{number}"] = nn.Conv2d(
                before, after, kernel, stride=stride, padding=kernel // 2, bias=not batch_norm
            )
            if batch_norm:
                layers[f"norm{number}"] = nn.BatchNorm2d(after)
            layers[f"relu{number}"] = nn.ReLU(inplace=True)
            if number in (1, 2, 5):
                layers[f"pool{number}"] = nn.MaxPool2d(3, stride=1 if stride == 4 else 2, padding=1)
        layers["flatten"] = nn.Flatten()
        layers["dropout6"] = nn.Dropout(dropout)
        layers["fc6"] = nn.Linear(channels[-1] * (side // 16) ** 2, 256)
        layers["relu6"] = nn.ReLU(inplace=True)
        layers["dropout7"] = nn.Dropout(dropout)
        layers["fc7"] = nn.Linear(256, 128)
        layers["relu7"] = nn.ReLU(inplace=True)
        layers["fc8"] = nn.Linear(128, num_classes)
        super().__init__(layers)
        _initialise(self)


class MiniAlexNet(MiniNet):
    """`MiniNet` with the first filters of AlexNet (Krizhevsky et al. 2012, section 3.5): 11 by 11 pixels, stride 4.

    Zeiler & Fergus 2013, section 4.1, found fault with that layer and made it 7 by 7 with stride 2, as `MiniNet` has
    it. As with their two networks, what the first layer strides less a later one strides more (there the second
    convolution, here the first pooling), so that everything from the second convolution on has the same sizes in both.

    Example:
        >>> import torch
        >>> MiniAlexNet(num_classes=14)(torch.zeros(2, 3, 96, 96)).shape
        torch.Size([2, 14])

    Args:
        num_classes: number of class scores.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes, first=(11, 4))


def _initialise(net: nn.Module) -> None:
    """Kaiming initialisation for ReLU (He et al. 2015, section 2.2)."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
