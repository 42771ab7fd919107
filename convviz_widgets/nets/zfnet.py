"""The network of Zeiler & Fergus."""

from collections import OrderedDict

from torch import nn


class ZFNet(nn.Sequential):
    """The layer table of Zeiler & Fergus 2013, "Visualizing and Understanding Convolutional Networks", figure 3.

    Maps for an input of 224: 110, 55, 26, 13, 13, 13, 13, 6. No trained weights ship with it.

    Example:
        >>> import torch
        >>> with torch.device("meta"):
        ...     ZFNet(num_classes=10)(torch.empty(1, 3, 224, 224)).shape
        torch.Size([1, 10])

    Args:
        num_classes: number of class scores.
        dropout: share of features dropped before the first two dense layers.
    """

    def __init__(self, num_classes: int = 1000, *, dropout: float = 0.5) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            conv1=nn.Conv2d(3, 96, 7, stride=2, padding=1),
            relu1=nn.ReLU(inplace=True),
            pool1=nn.MaxPool2d(3, stride=2, padding=1),
            norm1=nn.LocalResponseNorm(5),
            conv2=nn.Conv2d(96, 256, 5, stride=2),
            relu2=nn.ReLU(inplace=True),
            pool2=nn.MaxPool2d(3, stride=2, padding=1),
            norm2=nn.LocalResponseNorm(5),
            conv3=nn.Conv2d(256, 384, 3, padding=1),
            relu3=nn.ReLU(inplace=True),
            conv4=nn.Conv2d(384, 384, 3, padding=1),
            relu4=nn.ReLU(inplace=True),
            conv5=nn.Conv2d(384, 256, 3, padding=1),
            relu5=nn.ReLU(inplace=True),
            pool5=nn.MaxPool2d(3, stride=2),
            flatten=nn.Flatten(),
            dropout6=nn.Dropout(dropout),
            fc6=nn.Linear(256 * 6 * 6, 4096),
            relu6=nn.ReLU(inplace=True),
            dropout7=nn.Dropout(dropout),
            fc7=nn.Linear(4096, 4096),
            relu7=nn.ReLU(inplace=True),
            fc8=nn.Linear(4096, num_classes),
        )
        super().__init__(layers)
