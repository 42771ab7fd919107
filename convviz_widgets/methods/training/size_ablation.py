"""What the size of a network buys: variants with layers removed or resized, trained on the same data.

Every variant v of a network is trained from fresh weights by the same recipe on the same pictures in the same order.
Its error is the share of pictures whose most probable class is not theirs; of n nets of a variant, which differ in
their seed, also that of their averaged probabilities,

    argmax_c  (1/n) sum_i P_i(c | x)

An error p measured on N pictures has a standard error of sqrt(p (1 - p) / N): variants closer than two of these to each
other are not told apart by one net each.

Cost: that of training all nets; each ends within its own checkpoints, so that nothing done is done again.
Oracles: parameters by formula; a net equals the one trained by hand; killed and resumed the table has the same bits.
Source: Zeiler & Fergus 2013, "Visualizing and Understanding Convolutional Networks", section 5.1 and table 3.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from convviz_widgets.core.errors import BadType, BadValue, Diverged, unknown_name
from convviz_widgets.core.knob import whole
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.technique import technique
from convviz_widgets.methods.training.ablation_result import SizeAblation
from convviz_widgets.methods.training.ablation_rows import Data, Row
from convviz_widgets.methods.training.variants import parameters, variant
from convviz_widgets.nets.builtin import ARCHITECTURES
from convviz_widgets.nets.classifier import classification, probabilities
from convviz_widgets.nets.loop import Recipe, train_steps

Variant = str | Callable[[], nn.Module]


@technique
def size_ablation(
    variants: Mapping[str, Variant],
    images: Any,
    labels: Any,
    test_images: Any,
    test_labels: Any,
    *,
    base: str | nn.Module = "mini",
    nets: int | Mapping[str, int] = 1,
    epochs: int = 16,
    batch_size: int = 32,
    learning_rate: float = 2e-3,
    weight_decay: float = 0.02,
    shift: int = 0,
    flip: bool = True,
    seed: int = 0,
    folder: str | os.PathLike[str] | None = None,
    device: str | torch.device | None = None,
) -> Steps[SizeAblation]:
    """Trains variants of a network on the same data and compares their errors.

    Example:
        >>> images, labels = torch.rand(8, 3, 32, 32), [0, 1] * 4
        >>> variants = {"whole": "", "without layers 3 and 4": "-conv3 -conv4"}
        >>> table = size_ablation(variants, images, labels, images, labels, epochs=1)
        >>> table.names, table.test_error.shape
        (('whole', 'without layers 3 and 4'), (2, 1))

    Args:
        variants: name to changes of the base, such as ``"-conv3 fc6=512"`` (see `variants.read`; "" for none), or to
            a function that gives a network of one's own.
        images: to train on: a tensor (N, C, H, W), an array (N, H, W, C), or a sequence of pictures of one size.
        labels: (N,) their classes, from 0.
        test_images: others, to measure on.
        test_labels: their classes.
        base: a built-in network by name, or a network, which is left as it is; its layers must follow one another.
        nets: how many of each variant, or of each by name; they differ in their seed.
        epochs: passes over the data.
        batch_size: pictures per step.
        learning_rate: the largest.
        weight_decay: pull of the weights to zero.
        shift: pixels by which batches are shifted at random.
        flip: whether pictures are mirrored at random.
        seed: of the first net of each variant; the next has the next one.
        folder: where each net is kept after each epoch; after a kill the same call goes on, with the same bits.
        device: where to train; default: cuda, else mps, else cpu.

    Returns:
        A `SizeAblation`. A net whose loss is lost is told in its row, and the others are trained.

    Raises:
        UnknownName: no built-in network, or no layer, of that name.
        BadValue: a variant that cannot be made (all are made before any is trained), pictures and classes that do not
            belong together, or a folder that holds nets of another call.

    Source:
        Zeiler & Fergus 2013, section 5.1 and table 3.
    """
    data = Data.of(images, labels, test_images, test_labels, device)
    many = _many(variants, nets)
    recipe = Recipe(epochs, batch_size, learning_rate, weight_decay, seed)
    rows = {name: Row(parameters(_make(each, base, data, name, seed)), epochs, data) for name, each in variants.items()}
    settings = {"shift": shift, "flip": flip, "base": base if isinstance(base, str) else type(base).__name__}
    lost = classification(data.images, data.targets, data.mean, data.std, shift=shift, flip=flip)
    todo = [(name, seed + number) for name in variants for number in range(many[name])]
    for place, (name, own) in enumerate(todo):
        net = _make(variants[name], base, data, name, own).to(data.device)
        about = json.dumps({"variant": _told(variants[name]), "net": repr(net), "data": data.digest, **settings})
        file = None if folder is None else Path(folder) / _file(name, own)
        run = train_steps(net, lost, len(data.images), replace(recipe, seed=own), checkpoint=file, about=about)
        yield from _one_net(run, rows[name], net, data, _Place(place, len(todo), name))
    return _result(variants, rows, data, recipe, settings, many)


def _one_net(run: Steps[Any], row: Row, net: nn.Module, data: Data, place: "_Place") -> Steps[None]:
    """Trains and measures one net; a lost loss becomes a line of its row."""
    try:
        progress = yield from place.shifted(run)
    except Diverged as error:
        row.fail(str(error))
        return
    answers = [probabilities(net, each, data.mean, data.std).double().numpy() for each in (data.images, data.others)]
    if not all(np.isfinite(each).all() for each in answers):
        row.fail("Its answers are not finite after training. First try a smaller learning rate.")
    else:
        row.add(answers, progress.losses)


@dataclass(frozen=True)
class _Place:
    """Where the steps of one net stand among those of all."""

    begun: int
    total: int
    name: str

    def shifted(self, run: Steps[Any]) -> Steps[Any]:
        while True:
            try:
                step = next(run)
            except StopIteration as end:
                return end.value
            each = step.total or step.index
            yield Step(self.begun * each + step.index, self.total * each, step.headline, f"{self.name}: {step.label}")


def _many(variants: Mapping[str, Variant], nets: int | Mapping[str, int]) -> dict[str, int]:
    """How many nets of each variant."""
    if not isinstance(variants, Mapping) or not variants:
        raise BadValue('No variant was given. Accepted: names with changes, such as {"whole": "", "small": "fc6/2"}.')
    given = dict(nets) if isinstance(nets, Mapping) else dict.fromkeys(variants, nets)
    for name in given:
        if name not in variants:
            raise unknown_name("variant", name, variants, "In nets=.")
    files = [_file(name, 0) for name in variants]
    if len(set(files)) < len(files):
        raise BadValue(f"Names of variants differ in signs alone: {list(variants)}. Give names of other letters.")
    return {name: whole(f"nets of {name!r}", given.get(name, 1), 1, 100) for name in variants}


def _make(each: Variant, base: str | nn.Module, data: Data, name: str, seed: int) -> nn.Module:
    """A fresh net of a variant."""
    if isinstance(each, str):
        if isinstance(base, str) and base not in ARCHITECTURES:
            raise unknown_name("built-in network", base, ARCHITECTURES)
        with torch.random.fork_rng(devices=[]):
            whole_net = ARCHITECTURES[base](data.classes) if isinstance(base, str) else base
        return variant(whole_net, each, tuple(data.images.shape[1:]), seed=seed)
    if not callable(each) or isinstance(each, nn.Module):
        raise BadType(
            f"The variant {name!r} is {type(each).__name__}. Accepted: changes as text, or a function that gives a "
            "fresh network."
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return each()


def _told(each: Variant) -> str:
    return each if isinstance(each, str) else getattr(each, "__name__", type(each).__name__)


def _file(name: str, seed: int) -> str:
    """Name of a checkpoint."""
    letters = re.sub(r"\W+", "-", name.lower()).strip("-")
    return f"{letters or 'variant'}-{seed}.pt"


def _result(
    variants: Mapping[str, Variant],
    rows: Mapping[str, Row],
    data: Data,
    recipe: Recipe,
    settings: dict[str, Any],
    many: Mapping[str, int],
) -> SizeAblation:
    most, together = max(many.values()), [row.together() for row in rows.values()]
    errors = np.full((len(rows), most, 2), np.nan)
    losses = np.full((len(rows), most, recipe.epochs), np.nan)
    for place, row in enumerate(rows.values()):
        errors[place, : len(row.errors)] = row.errors
        losses[place, : len(row.losses)] = row.losses
    return SizeAblation(
        names=tuple(rows),
        changes=tuple(_told(each) for each in variants.values()),
        parameters=np.array([row.size for row in rows.values()], dtype=np.int64),
        nets=np.array([many[name] for name in rows], dtype=np.int64),
        train_error=errors[:, :, 0],
        test_error=errors[:, :, 1],
        ensemble_train_error=np.array([each[0] for each in together]),
        ensemble_test_error=np.array([each[1] for each in together]),
        losses=losses,
        reasons=tuple("; ".join(dict.fromkeys(row.reasons)) for row in rows.values()),
        count=len(data.images),
        test_count=len(data.others),
        provenance=Provenance.of(
            "size_ablation",
            inputs=("variants", "images", "labels", "test_images", "test_labels"),
            seed=recipe.seed,
            nets=dict(many),
            epochs=recipe.epochs,
            batch_size=recipe.batch_size,
            learning_rate=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            **settings,
        ),
    )
