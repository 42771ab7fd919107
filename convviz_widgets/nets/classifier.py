"""Classifiers of pictures for the one training loop: what is minimised, and what a trained network answers."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 -- the name it goes by everywhere

from convviz_widgets.nets.loop import Objective

PART = 250  # pictures answered at once


def classification(
    images: torch.Tensor,
    targets: torch.Tensor,
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    *,
    shift: int = 8,
    flip: bool = True,
) -> Objective:
    """Cross-entropy on batches that are mirrored and shifted at random.

    Example:
        >>> images, targets = torch.zeros(4, 3, 8, 8, dtype=torch.uint8), torch.tensor([0, 1, 0, 1])
        >>> lost = classification(images, targets, shift=2)
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
        >>> lost(net, torch.tensor([0, 3]), torch.Generator()).ndim
        0

    Args:
        images: (N, C, H, W), uint8, or float as the network takes them.
        targets: (N,) classes.
        mean: per channel, taken from uint8 pictures in [0, 1]; nothing is taken away by default.
        std: per channel, what they are divided by then.
        shift: pixels, largest shift in each direction; the edge is repeated.
        flip: whether half of the pictures are mirrored.
    """

    def objective(model: nn.Module, indices: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        batch = images[indices]
        if flip:
            mirrored = torch.rand(len(batch), generator=generator) < 0.5
            batch = torch.where(mirrored.view(-1, 1, 1, 1).to(batch.device), batch.flip(3), batch)
        if shift:
            batch = _shifted(batch, shift, generator)
        return F.cross_entropy(model(as_seen(batch, mean, std)), targets[indices])

    return objective


def _shifted(batch: torch.Tensor, shift: int, generator: torch.Generator) -> torch.Tensor:
    """The whole batch, moved by the same number of pixels."""
    down, right = (int(each) for each in torch.randint(-shift, shift + 1, (2,), generator=generator))
    rows, columns = (
        (torch.arange(size, device=batch.device) + by).clamp(0, size - 1)
        for size, by in zip(batch.shape[2:], (down, right), strict=True)
    )
    return batch[:, :, rows][:, :, :, columns]


def normalized(images: torch.Tensor, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """Pictures (N, C, H, W) in [0, 1] as a network wants them: less the mean, by the standard deviation."""
    shape = (-1, 1, 1)
    return (images - images.new_tensor(mean).view(shape)) / images.new_tensor(std).view(shape)


def as_seen(images: torch.Tensor, mean: Sequence[float] = (), std: Sequence[float] = ()) -> torch.Tensor:
    """Pictures as a network takes them: uint8 ones in [0, 1], less the mean, by the standard deviation."""
    if images.dtype != torch.uint8:
        return images
    seen = images.float() / 255
    return normalized(seen, mean, std) if len(mean) else seen


@torch.no_grad()
def probabilities(
    model: nn.Module, images: torch.Tensor, mean: Sequence[float] = (), std: Sequence[float] = ()
) -> torch.Tensor:
    """(N, classes) float32 on the CPU, of pictures as `classification` takes them; the model is in evaluation mode."""
    model.eval()
    found = [model(as_seen(part, mean, std)).float().softmax(1) for part in torch.split(images, PART)]
    return torch.cat(found).cpu()
