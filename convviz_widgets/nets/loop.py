"""The one training loop: seeded, resumable after a kill with the same bits, stopped when the loss is lost."""

import json
import math
import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import nn

from convviz_widgets.core.errors import BadValue, Diverged
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.technique import technique

Objective = Callable[[nn.Module, torch.Tensor, torch.Generator], torch.Tensor]
"""(model, indices (n,) of the batch, generator for augmentation) to the mean loss of the batch."""
Recorder = Callable[[nn.Module, int], None]
"""Called with the model and the number of epochs done; must not change the model."""


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Args:
        epochs: passes over the data.
        batch_size: examples per step.
        learning_rate: the largest; it rises over the first twentieth of the steps and then falls along a cosine.
        weight_decay: decoupled (AdamW, Loshchilov & Hutter 2019).
        seed: of order, augmentation and dropout.
    """

    epochs: int
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    seed: int = 0

    def rate(self, done: float) -> float:
        """The learning rate when this share of all steps is done."""
        warm = 0.05
        return self.learning_rate * (
            done / warm + 1e-3 if done < warm else (1 + math.cos(math.pi * (done - warm) / (1 - warm))) / 2
        )


@dataclass
class Progress:
    """What happened so far: the mean loss of each epoch that is done."""

    losses: list[float] = field(default_factory=list)

    @property
    def epochs(self) -> int:
        """Epochs done."""
        return len(self.losses)


def train_steps(
    model: nn.Module,
    objective: Objective,
    count: int,
    recipe: Recipe,
    *,
    checkpoint: str | os.PathLike[str] | None = None,
    recorders: Sequence[Recorder] = (),
    snapshots: Collection[int] = (),
    about: str = "",
) -> Steps[Progress]:
    """Trains a model in place, one `Step` per batch with its loss as the headline.

    Torch's global random state is untouched between steps. Killed and called again with the same arguments and a model
    of the same beginnings, it goes on after the last whole epoch and ends with the same bits as if never killed.

    Args:
        model: what is trained; left in evaluation mode.
        objective: see `Objective`.
        count: number of examples.
        recipe: see `Recipe`.
        checkpoint: file to resume from and write to after each epoch.
        recorders: called after each epoch.
        snapshots: epochs after which the weights are also kept beside the checkpoint.
        about: whatever else the outcome depends on, such as weights of losses; kept with the recipe.

    Returns:
        The losses by epoch.

    Raises:
        Diverged: the loss became NaN or infinite; the checkpoint keeps the last good epoch.
        BadValue: the checkpoint belongs to another recipe or was written with another ``about``.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    file = Path(checkpoint) if checkpoint is not None else None
    progress, randomness = _begin(model, optimizer, _text(recipe, about), recipe.seed, file)
    batches = math.ceil(count / recipe.batch_size)
    total = batches * recipe.epochs
    device = next(model.parameters()).device
    try:
        while progress.epochs < recipe.epochs:
            generator = torch.Generator().manual_seed(recipe.seed * 100_003 + progress.epochs)
            order, losses = torch.randperm(count, generator=generator), []
            for number, indices in enumerate(torch.split(order, recipe.batch_size)):
                step = progress.epochs * batches + number
                for group in optimizer.param_groups:
                    group["lr"] = recipe.rate(step / total)
                with _own_randomness(randomness):
                    losses.append(_one_batch(model, objective, optimizer, indices.to(device), generator))
                _check_loss(losses[-1], progress, recipe, file)
                yield Step(step + 1, total, losses[-1], f"epoch {progress.epochs + 1} of {recipe.epochs}")
            progress.losses.append(sum(losses) / len(losses))
            _end_epoch(model, optimizer, _text(recipe, about), progress, randomness, file, snapshots)
            for recorder in recorders:
                recorder(model.eval(), progress.epochs)
    finally:
        model.eval()
    return progress


train = technique(train_steps)


def _one_batch(
    model: nn.Module,
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    indices: torch.Tensor,
    generator: torch.Generator,
) -> float:
    model.train()
    optimizer.zero_grad()
    with torch.autocast("cuda", enabled=indices.device.type == "cuda"):
        loss = objective(model, indices, generator)
    if bool(loss.isfinite()):
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return float(loss.detach())


class _own_randomness:  # noqa: N801 -- used as a context
    """Inside, torch's global generator is ours; outside it is the caller's."""

    def __init__(self, state: dict[str, torch.Tensor]) -> None:
        self._state = state

    def __enter__(self) -> None:
        self._callers = torch.get_rng_state()
        torch.set_rng_state(self._state["cpu"])

    def __exit__(self, *_: object) -> None:
        self._state["cpu"] = torch.get_rng_state()
        torch.set_rng_state(self._callers)


def _text(recipe: Recipe, about: str) -> str:
    return json.dumps(asdict(recipe)) + (f" {about}" if about else "")


def _begin(
    model: nn.Module, optimizer: torch.optim.Optimizer, recipe: str, seed: int, file: Path | None
) -> tuple[Progress, dict[str, torch.Tensor]]:
    if file is None or not file.exists():
        return Progress(), {"cpu": torch.Generator().manual_seed(seed).get_state()}
    saved = torch.load(file, map_location="cpu", weights_only=True)
    if saved["recipe"] != recipe:
        raise BadValue(
            f"{file} was written by another recipe: {saved['recipe']}; now: {recipe}. Use the same one, or another "
            "file."
        )
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    return Progress(list(saved["losses"])), {"cpu": saved["randomness"]}


def _check_loss(loss: float, progress: Progress, recipe: Recipe, file: Path | None) -> None:
    if math.isfinite(loss):
        return
    kept = f"{file} keeps the weights after epoch {progress.epochs}" if file and file.exists() else "nothing was kept"
    raise Diverged(
        f"The loss became {loss} in epoch {progress.epochs + 1}; {kept}. First try a learning rate below "
        f"{recipe.learning_rate:g}."
    )


def _end_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    recipe: str,
    progress: Progress,
    randomness: dict[str, torch.Tensor],
    file: Path | None,
    snapshots: Collection[int],
) -> None:
    if file is None:
        return
    state = {
        "recipe": recipe,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "losses": progress.losses,
        "randomness": randomness["cpu"],
    }
    write_atomically(file, lambda path: torch.save(state, path))
    if progress.epochs in snapshots:
        snapshot = file.with_name(f"{file.stem}-epoch{progress.epochs:03d}{file.suffix}")
        write_atomically(snapshot, lambda path: torch.save(model.state_dict(), path))


def write_atomically(file: Path, write: Callable[[Path], object]) -> None:
    """Writes beside the file and puts it in place whole, so that a kill leaves the old one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        write(beside)
        os.replace(beside, file)
    finally:
        beside.unlink(missing_ok=True)
