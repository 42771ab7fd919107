"""Learning the weights of units for concepts, and how well they do."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from convviz_widgets.methods.dissection.gathering import Gathered
from convviz_widgets.methods.dissection.upsampling import upsampled

CUTS = 200  # places at which a probability may be cut
RATE = 0.1


@dataclass(frozen=True, eq=False)
class Learnt:
    """R rows of weights, each for one concept: (R, K), (R,), and the loss at each step."""

    weights: torch.Tensor
    bias: torch.Tensor
    loss: list[float]


def probabilities(gathered: Gathered, x: torch.Tensor, weights: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """What rows of weights (R, K) say of inputs (n, K, positions): (n, R, pixels)."""
    said = torch.sigmoid(torch.einsum("rk,nkp->nrp", weights, x) + bias[:, None])
    if gathered.task == "classification" or gathered.axes is None:
        return said
    return upsampled(said.view(*said.shape[:2], *gathered.shape[1:]), *gathered.axes).flatten(2)


def learn(
    gathered: Gathered, rows: npt.NDArray[np.int64], support: torch.Tensor, *, steps: int, batch: int, seed: int
) -> Iterator[Learnt]:
    """Descends on the cross-entropy, weighted so that both classes count alike; yields after each step.

    Args:
        gathered: what is learnt from.
        rows: (R,) which of the concepts each row is for.
        support: (R, K) 1 where a row may use a unit.
        steps: of Adam, with a rate that falls along a cosine.
        batch: pictures per step.
        seed: of the order of the pictures.
    """
    generator = torch.Generator().manual_seed(seed)
    places = gathered.chosen(tested=False)
    positive = _share(gathered, places)[rows]
    balance = torch.stack([positive, 1 - positive])[:, :, None].clamp(min=1e-6)  # of what is not there, and of what is
    centre, scale = _scale(gathered, places)
    index = torch.from_numpy(rows)
    with torch.inference_mode(mode=False):
        weights = torch.zeros(len(rows), gathered.shape[0], requires_grad=True)
        bias = torch.zeros(len(rows), requires_grad=True)
    optimizer = torch.optim.Adam([weights, bias], lr=RATE)
    loss: list[float] = []
    order: list[int] = []
    for step in range(steps):
        if len(order) < min(batch, len(places)):
            order += [places[each] for each in torch.randperm(len(places), generator=generator).tolist()]
        picked, order = order[:batch], order[batch:]
        for group in optimizer.param_groups:
            group["lr"] = RATE * (0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * step / steps)))
        x, there, known = gathered.batch(picked)
        there, known = there[:, index].float(), known[:, index].float()
        with torch.inference_mode(mode=False), torch.enable_grad():
            said = probabilities(gathered, (x - centre) / scale, weights * support, bias)
            each = functional.binary_cross_entropy(said.clamp(1e-6, 1 - 1e-6), there, reduction="none")
            total = (each * (there * balance[1] + (1 - there) * balance[0]) * known).mean()
            optimizer.zero_grad()
            torch.autograd.backward(total)
            optimizer.step()
        loss.append(float(total.detach()))
        found = (weights * support).detach() / scale[:, 0]
        yield Learnt(found, bias.detach() - found @ centre[:, 0], loss)


def scored(gathered: Gathered, learnt: Learnt, rows: npt.NDArray[np.int64], *, tested: bool) -> npt.NDArray[np.int64]:
    """How often each probability is said where a row's concept is not, and where it is: (R, 2, CUTS + 1) counts."""
    found = np.zeros((len(rows), 2, CUTS + 1), dtype=np.int64)
    places = gathered.chosen(tested=tested)
    for start in range(0, len(places), 32):
        x, there, known = gathered.batch(places[start : start + 32])
        said = (probabilities(gathered, x, learnt.weights, learnt.bias) * CUTS).long()
        for row, concept in enumerate(rows):
            seen = known[:, concept, 0]
            values = said[seen, row] + there[seen, concept].long() * (CUTS + 1)
            found[row] += torch.bincount(values.flatten(), minlength=2 * (CUTS + 1)).view(2, -1).numpy()
    return found


def iou_of(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """IoU at each cut, (..., CUTS + 1), of counts (..., 2, CUTS + 1)."""
    above = counts[..., ::-1].cumsum(axis=-1)[..., ::-1]
    both = above[..., 1, :]
    either = above[..., 0, :] + counts[..., 1, :].sum(axis=-1, keepdims=True)
    return np.asarray(np.divide(both, either, out=np.zeros(both.shape), where=either > 0))


def single_units(gathered: Gathered, concept: int) -> tuple[int, float, float]:
    """For classification: the unit whose mean alone tells a concept best, its IoU where chosen and where tested."""
    (x, there), (x_test, there_test) = (_means(gathered, concept, tested=tested) for tested in (False, True))
    best = (-1.0, 0, 0.0)
    for unit in range(x.shape[1]):
        order = np.argsort(-x[:, unit], kind="stable")
        hits = there[order].cumsum()
        iou = hits / (np.arange(1, len(order) + 1) + there.sum() - hits).clip(min=1)
        place = int(iou.argmax())
        if iou[place] > best[0]:
            best = (float(iou[place]), unit, float(x[order[place], unit]))
    chosen = x_test[:, best[1]] >= best[2]
    either = int((chosen | there_test).sum())
    return best[1], best[0], float((chosen & there_test).sum() / either) if either else 0.0


def _means(gathered: Gathered, concept: int, *, tested: bool) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    x, there, known = gathered.batch(gathered.chosen(tested=tested))
    seen = known[:, concept, 0]
    return x[seen, :, 0].numpy(), there[seen, concept, 0].numpy()


def _share(gathered: Gathered, places: list[int]) -> torch.Tensor:
    """Per concept the share of pixels, or of pictures, that have it, (C,)."""
    there, pixels = torch.zeros(len(gathered.concepts)), torch.zeros(len(gathered.concepts))
    for place in places:
        _, target, known = gathered.batch([place])
        there += (target & known).sum((0, 2))
        pixels += known.sum((0, 2)) * target.shape[2]
    return there / pixels.clamp(min=1)


def _scale(gathered: Gathered, places: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and spread of means, so that one rate serves all units; masks stay as they are. Each (K, 1)."""
    units = gathered.shape[0]
    if gathered.task == "segmentation":
        return torch.zeros(units, 1), torch.ones(units, 1)
    x = gathered.batch(places)[0]
    return x.mean(0), x.std(0).clamp(min=1e-6)
