"""One trial of a comparison of designs: a network trained on some of the pictures, and what is measured of it."""

import hashlib
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from convviz_widgets.core.errors import BadValue
from convviz_widgets.core.step import Steps
from convviz_widgets.lens.images import each_image
from convviz_widgets.lens.preprocess import Preprocess, ResizeCropNormalize
from convviz_widgets.nets.classifier import classification
from convviz_widgets.nets.designs import Design, DesignedNet
from convviz_widgets.nets.loop import Recipe, train_steps, write_atomically

AT_ONCE = 100  # pictures measured in one batch
QUARTER = 90.0  # degrees
_ARRAYS = ("turned", "drift")  # fields of an outcome that are kept as tensors
MEAN, STD = 0.5, 0.25  # what every channel is normalised by


@dataclass(frozen=True)
class Pictures:
    """Pictures and their classes as a trial uses them.

    Args:
        images: (N, 3, side, side) float, normalised.
        labels: (N,) int64.
    """

    images: torch.Tensor
    labels: torch.Tensor

    @classmethod
    def of(cls, images: Any, labels: Sequence[int], side: int, what: str) -> "Pictures":
        """Any pictures, scaled to a square.

        Raises:
            BadValue: no pictures, another number of labels, or labels below 0.
        """
        prepare = preparation(side)
        tensors = [prepare(each) for each in each_image(images)]
        wanted = torch.tensor([int(label) for label in labels], dtype=torch.int64)
        if not tensors or len(tensors) != len(wanted):
            raise BadValue(f"{len(tensors)} {what} and {len(wanted)} labels were given. Accepted: one label each.")
        if int(wanted.min()) < 0:
            raise BadValue(f"The label {int(wanted.min())} names no class. Accepted: whole numbers from 0.")
        return cls(torch.stack(tensors), wanted)

    def first(self, count: int) -> "Pictures":
        """The first so many."""
        return Pictures(self.images[:count], self.labels[:count])

    def balanced(self, seed: int) -> "Pictures":
        """In an order in which classes take turns while they last, so that the first so many hold all alike."""
        shuffled = torch.randperm(len(self.labels), generator=torch.Generator().manual_seed(seed))
        rounds = torch.zeros(len(shuffled), dtype=torch.int64)
        for label in torch.unique(self.labels):
            places = (self.labels[shuffled] == label).nonzero()[:, 0]
            rounds[places] = torch.arange(len(places))
        order = shuffled[torch.argsort(rounds, stable=True)]
        return Pictures(self.images[order], self.labels[order])

    @property
    def digest(self) -> str:
        """Names these very pictures and labels."""
        found = hashlib.sha256(self.images.numpy().tobytes())
        found.update(self.labels.numpy().tobytes())
        return found.hexdigest()[:16]


@dataclass(frozen=True)
class Plan:
    """What all trials have in common.

    Args:
        train: the pictures to train on.
        test: those to measure with.
        side: of the pictures, in pixels.
        classes: number of classes.
        steps: of training, for every number of pictures.
        batch_size: pictures per step.
        learning_rate: see `Recipe`.
        shift: pixels, the largest shift of the augmentation.
        angles: degrees by which pictures are turned.
        turned: number of test pictures that are turned.
        folder: where trials are kept, or None.
    """

    train: Pictures
    test: Pictures
    side: int
    classes: int
    steps: int
    batch_size: int
    learning_rate: float
    shift: int
    angles: tuple[float, ...]
    turned: int
    folder: Path | None

    @property
    def about(self) -> str:
        """All that a trial depends on beside its own name."""
        told = (self.classes, self.steps, self.batch_size, self.learning_rate, self.shift, self.turned, self.angles)
        return f"{self.train.digest} {self.test.digest} {told}"


@dataclass(frozen=True)
class Outcome:
    """What one trial gave.

    Args:
        accuracy: on the test pictures.
        turned: (A,) accuracy on turned ones, or NaN where it was not asked for.
        drift: (A,) mean distance of the scores of turned pictures from those of the same unturned, divided by the mean
            distance of scores from their mean.
        quarter: the largest drift of any picture at 90, 180 and 270 degrees.
        loss: mean loss of the last epoch.
        weights: name to value of all that was learned.
    """

    accuracy: float
    turned: npt.NDArray[np.float64]
    drift: npt.NDArray[np.float64]
    quarter: float
    loss: float
    weights: dict[str, torch.Tensor]


def run(plan: Plan, design: Design, width: int, count: int, seed: int, *, turning: bool) -> Steps[Outcome]:
    """Trains and measures; what is kept in the folder is not done again, and a killed training goes on."""
    name = f"{design}-{width}-{count}-{seed}"
    about = f"{name} {plan.about} {turning}"
    kept = _file(plan, f"{name}.outcome.pt")
    if kept is not None and kept.exists():
        saved = torch.load(kept, weights_only=True)
        if saved.pop("about") == about:
            return Outcome(**{key: value.numpy() if key in _ARRAYS else value for key, value in saved.items()})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = DesignedNet(design, plan.classes, width)
    pictures = plan.train.balanced(seed).first(count)
    batches = math.ceil(count / plan.batch_size)
    recipe = Recipe(math.ceil(plan.steps / batches), plan.batch_size, plan.learning_rate, seed=seed)
    checkpoint = _file(plan, f"{name}.checkpoint.pt")
    _forget_others(checkpoint, about)
    objective = classification(pictures.images, pictures.labels, shift=plan.shift, flip=False)
    progress = yield from train_steps(net, objective, count, recipe, checkpoint=checkpoint, about=about)
    outcome = _measured(plan, net, turning=turning, loss=progress.losses[-1])
    if kept is not None and checkpoint is not None:
        state = {key: torch.from_numpy(value) if key in _ARRAYS else value for key, value in vars(outcome).items()}
        write_atomically(kept, lambda path: torch.save({**state, "about": about}, path))
        checkpoint.unlink(missing_ok=True)
    return outcome


def preparation(side: int) -> Preprocess:
    """From any picture to what the networks see: its middle, scaled to a square and normalised."""
    return Preprocess(ResizeCropNormalize(side, side, (MEAN,) * 3, (STD,) * 3), 3)


def scores(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Class scores (N, classes) of prepared pictures (N, 3, side, side)."""
    with torch.no_grad():
        return torch.cat([net.eval()(part) for part in torch.split(images, AT_ONCE)])


def turn(images: torch.Tensor, degrees: float) -> torch.Tensor:
    """Square pictures (N, C, n, n) turned counter-clockwise about their middle; at the border they are mirrored.

    Quarters of a turn move pixels and change none; other turns are bilinear.

    Example:
        >>> torch.equal(turn(torch.eye(3).view(1, 1, 3, 3), 90)[0, 0], torch.eye(3).flip(0))
        True
    """
    if degrees % QUARTER == 0:
        return torch.rot90(images, round(degrees / QUARTER) % 4, (-2, -1))
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    matrix = torch.tensor([[cosine, -sine, 0.0], [sine, cosine, 0.0]]).expand(len(images), -1, -1)
    where = functional.affine_grid(matrix, list(images.shape), align_corners=False)
    return functional.grid_sample(images, where, padding_mode="reflection", align_corners=False)


def _measured(plan: Plan, net: nn.Module, *, turning: bool, loss: float) -> Outcome:
    answers = scores(net, plan.test.images)
    accuracy = float((answers.argmax(1) == plan.test.labels).double().mean())
    some, upright = plan.test.first(plan.turned), answers[: plan.turned]
    spread = float((upright - upright.mean(0)).norm(dim=1).mean().clamp(min=1e-12))
    right, drift = np.full(len(plan.angles), np.nan), np.full(len(plan.angles), np.nan)
    for place, angle in enumerate(plan.angles if turning else ()):
        found = scores(net, turn(some.images, angle))
        right[place] = float((found.argmax(1) == some.labels).double().mean())
        drift[place] = float((found - upright).norm(dim=1).mean()) / spread
    quarters = [scores(net, turn(some.images[:AT_ONCE], 90 * times)) for times in (1, 2, 3)]
    farthest = max(float((each - upright[:AT_ONCE]).norm(dim=1).max()) for each in quarters)
    weights = {name: value.detach().clone() for name, value in net.state_dict().items()}
    return Outcome(accuracy, right, drift, farthest / spread, loss, weights)


def _forget_others(checkpoint: Path | None, about: str) -> None:
    """Removes a checkpoint of other settings."""
    if checkpoint is None or not checkpoint.exists():
        return
    if about not in str(torch.load(checkpoint, weights_only=True)["recipe"]):
        checkpoint.unlink()


def _file(plan: Plan, name: str) -> Path | None:
    return None if plan.folder is None else Path(os.fspath(plan.folder)) / name
