"""A small network in the manner of ZFNet, for pictures of 96 by 96 pixels."""

from collections import OrderedDict

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
    """

    def __init__(
        self,
        num_classes: int,
        *,
        batch_norm: bool = False,
        dropout: float = 0.4,
        channels: tuple[int, int, int, int, int] = (24, 48, 72, 72, 64),
    ) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        sizes = zip((3, *channels), channels, (7, 5, 3, 3, 3), (2, 1, 1, 1, 1), strict=False)
        for number, (before, after, kernel, stride) in enumerate(sizes, start=1):
            layers[f"conv{number}"] = nn.Conv2d(
                before, after, kernel, stride=stride, padding=kernel // 2, bias=not batch_norm
            )
            if batch_norm:
                layers[f"norm{number}"] = nn.BatchNorm2d(after)
            layers[f"relu{number}"] = nn.ReLU(inplace=True)
            if number in (1, 2, 5):
                layers[f"pool{number}"] = nn.MaxPool2d(3, stride=2, padding=1)
        layers["flatten"] = nn.Flatten()
        layers["dropout6"] = nn.Dropout(dropout)
        layers["fc6"] = nn.Linear(channels[-1] * 6 * 6, 256)
        layers["relu6"] = nn.ReLU(inplace=True)
        layers["dropout7"] = nn.Dropout(dropout)
        layers["fc7"] = nn.Linear(256, 128)
        layers["relu7"] = nn.ReLU(inplace=True)
        layers["fc8"] = nn.Linear(128, num_classes)
        super().__init__(layers)
        _initialise(self)


def _initialise(net: nn.Module) -> None:
    """Kaiming initialisation for ReLU (He et al. 2015, section 2.2)."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
