"""What a network's layers are worth for another task: a linear classifier on each, the network frozen.

For a layer's answers A(x), averaged in p by p cells and scaled to mean 0 and standard deviation 1, softmax regression

    P(c | x) = softmax(W^T A(x) + b)_c

is fitted to n pictures of each class of another dataset, with the weight decay that does best on a quarter of these;
its accuracy on pictures kept apart tells how plainly the layer says what the classes are. Beside it stands the same
architecture trained on these n pictures from fresh weights.

Cost: one forward pass per picture for all layers together, then a convex problem for each layer, n and draw; training
from scratch is the dear part.
Oracles: classes planted in one layer are found there alone; equals Newton's method on features computed by hand.
Source: Zeiler & Fergus 2013, "Visualizing and Understanding Convolutional Networks", sections 5.2 and 5.3, table 7;
Yosinski, Clune, Bengio & Lipson 2014, "How transferable are features in deep neural networks?".
"""

import hashlib
import json
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 -- the name it goes by everywhere

from convviz_widgets.core.errors import BadType, BadValue, Diverged
from convviz_widgets.core.knob import whole
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.technique import technique
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.recall import image_digest
from convviz_widgets.methods.training.features import BATCH, Features, features
from convviz_widgets.methods.training.linear import fitted
from convviz_widgets.methods.training.transfer_result import Transfer
from convviz_widgets.methods.training.variants import variant
from convviz_widgets.nets.classifier import probabilities
from convviz_widgets.nets.loop import Recipe, train_steps

Indices = npt.NDArray[np.int64]
SHARE = 4  # of the training pictures of a class, one in so many chooses the weight decay


@technique
def transfer(
    lens: Lens,
    images: Any,
    labels: Sequence[Any],
    layers: str | Iterable[str],
    *,
    sizes: Sequence[int] = (5, 15, 30),
    repeats: int = 5,
    tested: int = 50,
    pool: int | None = 2,
    scratch_steps: int = 200,
    seed: int = 0,
    folder: str | os.PathLike[str] | None = None,
    memory: int | None = None,
) -> Steps[Transfer]:
    """Accuracy of linear classifiers on a frozen network's layers, by depth and by number of training pictures.

    Example:
        >>> images, labels = torch.rand(12, 3, 96, 96), ["day", "night"] * 6
        >>> found = transfer(Lens.load("mini"), images, labels, ["relu1", "relu5"], sizes=[2, 4], scratch_steps=0)
        >>> found.layers, found.accuracy.shape
        (('relu1', 'relu5'), (2, 2, 5))

    Args:
        lens: the network; it is not trained and not changed.
        images: a sequence of pictures of the other task.
        labels: (N,) their classes: numbers or names.
        layers: one name or several, from low to high; all are served by one pass.
        sizes: training pictures of each class; a larger number holds those of the smaller.
        repeats: draws of training and test pictures.
        tested: pictures of each class to measure on, if there are so many beside those to train on.
        pool: cells on a side in which maps are averaged; None keeps maps whole.
        scratch_steps: batches of 32 by which the same architecture is trained from fresh weights; 0 leaves that out.
        seed: of the draws and the fresh weights.
        folder: where the nets from scratch are kept, to go on after a kill.
        memory: bytes that features may take; default: a quarter of what is free, at most 2 GiB.

    Returns:
        A `Transfer`.

    Raises:
        UnknownName: a wrong layer.
        BadType: pictures that cannot be counted.
        BadValue: a class with too few pictures for a training and a test, labels that do not belong to the pictures, or
            features that do not fit into memory.

    Source:
        Zeiler & Fergus 2013, sections 5.2 and 5.3; Yosinski, Clune, Bengio & Lipson 2014.
    """
    names = [lens.layers[name].name for name in ([layers] if isinstance(layers, str) else layers)]
    plan = _Plan.of(
        images, labels, names, sizes, repeats, tested, seed, whole("scratch_steps", scratch_steps, 0, 10**6)
    )
    seen = yield from features(lens, images, names, pool=pool, memory=memory, total=plan.total)
    task = plan.task(seen)
    accuracy, decay = np.zeros((2, len(names), len(plan.sizes), repeats))
    done = plan.passes
    for place, name in enumerate(names):
        for draw in task.draws():
            accuracy[place, draw.at, draw.repeat], decay[place, draw.at, draw.repeat] = _linear(seen, name, task, draw)
            done += 1
            yield Step(
                done, plan.total, float(accuracy[place, draw.at, draw.repeat]), f"{name}, {draw.size} of each class"
            )
    scratch = np.full((len(plan.sizes), repeats), np.nan)
    for draw in task.draws() if scratch_steps else ():
        scratch[draw.at, draw.repeat] = yield from _scratch(lens, images, task, draw, plan, done, folder)
        done += scratch_steps
    return Transfer(
        layers=tuple(names),
        sizes=np.array(plan.sizes, dtype=np.int64),
        classes=task.classes,
        accuracy=accuracy,
        decay=decay,
        scratch=scratch,
        width=np.array([seen.by_layer[name].shape[1] for name in names], dtype=np.int64),
        tested=task.tested,
        skipped=tuple(f"{each.name}: {each.reason}" for each in seen.skipped),
        provenance=Provenance.of(
            "transfer",
            fingerprint=lens.fingerprint,
            inputs=("lens", "images", "labels"),
            seed=seed,
            layers=names,
            sizes=plan.sizes,
            repeats=repeats,
            tested=tested,
            pool=pool,
            scratch_steps=scratch_steps,
        ),
    )


class _Draw(NamedTuple):
    """One training set and its test: places among the pictures that were read."""

    at: int
    size: int
    repeat: int
    train: Indices
    test: Indices
    kept: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Plan:
    """What was asked for, checked, and how many steps it takes."""

    labels: npt.NDArray[Any]
    sizes: tuple[int, ...]
    repeats: int
    tested: int
    seed: int
    scratch_steps: int
    passes: int
    total: int

    @classmethod
    def of(
        cls,
        images: Any,
        labels: Any,
        names: Sequence[str],
        sizes: Sequence[int],
        repeats: int,
        tested: int,
        seed: int,
        scratch_steps: int,
    ) -> "_Plan":
        if not (hasattr(images, "__len__") and hasattr(images, "__getitem__")):
            raise BadType(
                f"images is {type(images).__name__}. Accepted: a sequence of pictures, as list(images) makes one."
            )
        given = np.asarray(labels.cpu() if isinstance(labels, torch.Tensor) else labels)
        if given.shape != (len(images),) or not len(images) or not names:
            raise BadValue(
                f"{len(images)} pictures, labels of shape {given.shape} and {len(names)} layers. Accepted: one label "
                "for each picture, and at least one of each."
            )
        wanted = tuple(sorted({whole("a size", each, 2, 10**6) for each in sizes}))
        if not wanted:
            raise BadValue("sizes is empty. Accepted: numbers of training pictures of each class, from 2.")
        whole("repeats", repeats, 1, 1000)
        whole("tested", tested, 1, 10**6)
        passes, runs = math.ceil(len(images) / BATCH), len(wanted) * repeats
        total = passes + runs * (len(names) + scratch_steps)
        plan = cls(given, wanted, repeats, tested, seed, scratch_steps, passes, total)
        plan._check(given)
        return plan

    def _check(self, labels: npt.NDArray[Any]) -> None:
        """Whether every class has pictures enough."""
        classes, counts = np.unique(labels, return_counts=True)
        if len(classes) < 2:
            raise BadValue(f"All pictures are of one class, {classes[0]}. Accepted: two classes or more.")
        needed = self.sizes[-1] + 1
        few = [f"{each} ({count})" for each, count in zip(classes, counts, strict=True) if count < needed]
        if few:
            least = int(counts.min()) - 1
            advice = f"sizes up to {least}" if least >= 2 else "3 pictures or more of every class, or leave these out"
            raise BadValue(
                f"Classes with too few pictures to train on {self.sizes[-1]} and test on another: "
                f"{', '.join(few[:8])}{' ...' if len(few) > 8 else ''}. Accepted: {advice}."
            )

    def task(self, seen: Features) -> "_Task":
        """The classes of the pictures that could be read."""
        labels = self.labels[seen.indices.numpy()]
        self._check(labels)
        classes, targets, counts = np.unique(labels, return_inverse=True, return_counts=True)
        tested = min(self.tested, int(counts.min()) - self.sizes[-1])
        order = torch.from_numpy(targets.astype(np.int64))
        return _Task(self, tuple(str(each) for each in classes), order, seen.indices.numpy(), tested)


@dataclass(frozen=True)
class _Task:
    """The pictures that were read, their classes, and the draws from them."""

    plan: _Plan
    classes: tuple[str, ...]
    targets: torch.Tensor
    indices: Indices
    tested: int

    def draws(self) -> Iterator[_Draw]:
        """Every number of pictures, every repeat."""
        targets = self.targets.numpy()
        for repeat in range(self.plan.repeats):
            rng = np.random.default_rng([self.plan.seed, repeat])
            orders = [rng.permutation(np.flatnonzero(targets == each)) for each in range(len(self.classes))]
            test = np.concatenate([order[-self.tested :] for order in orders])
            for at, size in enumerate(self.plan.sizes):
                train = np.concatenate([order[:size] for order in orders])
                apart = max(1, size // SHARE)
                kept = np.tile(np.arange(size) >= size - apart, len(self.classes))
                yield _Draw(at, size, repeat, train, test, kept)

    def accuracy(self, answers: torch.Tensor, test: Indices) -> float:
        """The mean over classes of the share told right."""
        right, wanted = (answers.argmax(1) == self.targets[test]).numpy(), self.targets[test].numpy()
        return float(np.mean([right[wanted == each].mean() for each in range(len(self.classes))]))


def _linear(seen: Features, name: str, task: _Task, draw: _Draw) -> tuple[float, float]:
    """Accuracy and weight decay of one linear classifier."""
    known = seen.by_layer[name]
    found, decay = fitted(known[draw.train], task.targets[draw.train], len(task.classes), draw.kept)
    return task.accuracy(found.scores(known[draw.test]), draw.test), decay


def _scratch(lens: Lens, images: Any, task: _Task, draw: _Draw, plan: _Plan, done: int, folder: Any) -> Steps[float]:
    """Accuracy of the same architecture, trained on the same pictures from fresh weights; NaN if its loss is lost."""

    def seen(places: Indices) -> torch.Tensor:
        return lens.prepare([images[int(task.indices[each])] for each in places])

    def objective(model: nn.Module, indices: torch.Tensor, _: torch.Generator) -> torch.Tensor:
        batch = seen(draw.train[indices.cpu().numpy()])
        return F.cross_entropy(model(batch), targets[indices])

    own = plan.seed * 1000 + draw.repeat
    shape = tuple(seen(draw.train[:1]).shape[1:])
    net = variant(lens.module, "", shape, seed=own, classes=len(task.classes)).to(lens.device)
    targets = task.targets[draw.train].to(lens.device)
    known = "".join(image_digest(seen(draw.train[place : place + 1])[0]) for place in range(len(draw.train)))
    about = {"net": repr(net), "pictures": hashlib.sha256(known.encode()).hexdigest(), "classes": targets.tolist()}
    epochs = math.ceil(plan.scratch_steps / math.ceil(len(draw.train) / BATCH))
    file = None if folder is None else Path(folder) / f"scratch-{draw.size}-{draw.repeat}.pt"
    recipe = Recipe(epochs, BATCH, seed=own)
    run = train_steps(net, objective, len(draw.train), recipe, checkpoint=file, about=json.dumps(about))
    try:
        while True:
            step = next(run)
            index = done + round(plan.scratch_steps * step.index / (step.total or step.index))
            yield Step(index, plan.total, step.headline, f"from scratch, {draw.size} of each class: {step.label}")
    except StopIteration:
        starts = range(0, len(draw.test), BATCH)
        return task.accuracy(
            torch.cat([probabilities(net, seen(draw.test[start : start + BATCH])) for start in starts]), draw.test
        )
    except Diverged:
        return math.nan
