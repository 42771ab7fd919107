"""Small labelled datasets, and a network whose units are given by hand."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

SIDE = 24


class Concept(NamedTuple):
    id: int
    name: str
    category: str


@dataclass
class Sample:
    image: Any
    labels: dict[str, np.ndarray]


CONCEPTS = (
    Concept(2, "red", "colour"),
    Concept(3, "green", "colour"),
    Concept(5, "blue", "colour"),
    Concept(7, "left", "part"),
    Concept(9, "right", "part"),
)


class Tiles:
    """Squares in the three pure colours on black, labelled with their colour; half of the pictures also with sides."""

    concepts = CONCEPTS
    categories = ("colour", "part", "scene")

    def __init__(
        self, count: int = 40, *, stops_at: int | None = None, bad: tuple[int, ...] = (), label: int = 1
    ) -> None:
        self.count, self.stops_at, self.bad, self.label = count, stops_at, bad, label
        self.read: list[int] = []
        self.digest = f"tiles-{count}-{bad}-{label}"

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, place: int) -> Sample:
        if place >= self.count:
            raise IndexError(place)
        if place == self.stops_at:
            raise KeyboardInterrupt
        self.read.append(place)
        rng = np.random.default_rng(place)
        image, colour = np.zeros((SIDE, SIDE, 3), dtype=np.uint8), np.zeros((SIDE, SIDE), dtype=np.int64)
        for _ in range(2):
            top, left = rng.integers(0, SIDE - 8, 2) // 2 * 2
            channel, (height, width) = int(rng.integers(3)), rng.integers(2, 5, 2) * 2
            image[top : top + height, left : left + width] = 0
            image[top : top + height, left : left + width, channel] = 255
            colour[top : top + height, left : left + width] = (2, 3, 5)[channel]
        side = np.zeros((2, SIDE, SIDE), dtype=np.int64)
        if place % 2:
            side[0, :, : SIDE // 2], side[0, :, SIDE // 2 :] = 7, 9
            side[1, :, : SIDE // 3] = 7  # the same concept twice in a pixel counts once
            side[1, :, SIDE // 3 :] = np.where(side[0, :, SIDE // 3 :] == 9, 7, 0) * (rng.random() < 0.5)
        labels = {"colour": colour[:: self.label, :: self.label], "part": side[:, :: self.label, :: self.label]}
        if place in self.bad:
            labels["colour"] = np.full((SIDE, SIDE), 7)
        return Sample(image, labels)


class Planted(nn.Module):
    """Units that are the masks of red, green and blue, one that is always the same, and one that never answers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 1)
        self.last = nn.Conv2d(5, 4, 3, stride=2)
        with torch.no_grad():
            self.conv.weight.zero_()
            self.conv.weight[:3, :, 0, 0] = torch.eye(3)
            self.conv.bias.copy_(torch.tensor([0, 0, 0, 0.7, 0]))
            self.last.weight.copy_(torch.randn(self.last.weight.shape, generator=torch.Generator().manual_seed(1)))
            self.last.bias.zero_()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.conv(x)).mean((2, 3))


class Warm(Tiles):
    """Also labelled "warm" where red or green is, in a category of its own."""

    concepts = (*CONCEPTS, Concept(11, "warm", "kind"))
    categories = (*Tiles.categories, "kind")

    def __getitem__(self, place: int) -> Sample:
        sample = super().__getitem__(place)
        warm = np.isin(sample.labels["colour"], (2, 3)) * 11
        return Sample(sample.image, {**sample.labels, "kind": warm})
