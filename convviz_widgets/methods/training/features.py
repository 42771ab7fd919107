"""What layers of a frozen network answer to all pictures of a dataset, in one pass, small enough to stay in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812 -- the name it goes by everywhere

from convviz_widgets.core.errors import BadValue
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.memory import default_budget
from convviz_widgets.tally.feed import Skipped, batches

BATCH = 32


@dataclass(frozen=True)
class Features:
    """Of N pictures that could be read.

    Args:
        indices: (N,) their places in the dataset.
        by_layer: name to (N, D) float32.
        skipped: those that could not be read.
    """

    indices: torch.Tensor
    by_layer: dict[str, torch.Tensor]
    skipped: tuple[Skipped, ...]


def features(
    lens: Lens, images: Any, layers: Sequence[str], *, pool: int | None, memory: int | None, total: int
) -> Steps[Features]:
    """One forward pass for all layers; maps are averaged in ``pool`` by ``pool`` cells.

    Args:
        lens: the network.
        images: a sequence of pictures.
        layers: names.
        pool: cells on a side of what is kept of a map; None keeps all of it.
        memory: bytes the features may take; default: a quarter of what is free, at most 2 GiB.
        total: steps of the whole work, of which this is the first part.

    Raises:
        BadValue: they would not fit, no picture can be read, or maps that are kept whole differ in size.
    """
    _check_memory(lens, layers, len(images), pool, memory)
    parts: dict[str, list[torch.Tensor]] = {name: [] for name in layers}
    indices, skipped = [], []
    for number, batch in enumerate(batches(lens, images, size=BATCH), start=1):
        for group in batch.groups:
            for name, answers in lens.record(group.prepared, layers).items():
                kept = pooled(answers, pool).flatten(1).float().cpu()
                if parts[name] and parts[name][0].shape[1:] != kept.shape[1:]:
                    raise BadValue(
                        f"The pictures differ in size, and so do the maps of {name}. Accepted: pool=2 or another "
                        "number of cells, or a network opened with a `preprocess` that resizes pictures."
                    )
                parts[name].append(kept)
            indices.append(group.indices)
        skipped += batch.skipped
        yield Step(number, total, label=f"{batch.stop} of {len(images)} pictures")
    if not indices:
        told = f" The first: {skipped[0].name}: {skipped[0].reason}" if skipped else ""
        raise BadValue(f"None of the {len(images)} pictures could be read.{told}")
    return Features(torch.cat(indices), {name: torch.cat(each) for name, each in parts.items()}, tuple(skipped))


def pooled(answers: torch.Tensor, pool: int | None) -> torch.Tensor:
    """Maps (N, K, h, w) averaged in cells, (N, K, pool, pool); smaller maps and vectors as they are."""
    if pool is None or answers.ndim != 4:
        return answers
    return F.adaptive_avg_pool2d(answers, (min(pool, answers.shape[2]), min(pool, answers.shape[3])))


def _check_memory(lens: Lens, layers: Sequence[str], count: int, pool: int | None, memory: int | None) -> None:
    limit = default_budget(torch.device("cpu")) if memory is None else memory
    widths = {}
    for name in layers:
        shape = lens.layers[name].shape
        cells = (
            [size if pool is None else min(pool, size) for size in shape[1:]] if len(shape) == 3 else list(shape[1:])
        )
        widths[name] = shape[0] * int(torch.tensor([1, *cells]).prod())
    needed = 4 * count * sum(widths.values())
    if needed > limit:
        widest = max(widths, key=lambda name: widths[name])
        raise BadValue(
            f"The features of {count} pictures take {needed / 2**20:.0f} MiB ({widths[widest]} numbers of {widest} "
            f"for each), more than {limit / 2**20:.0f}. Accepted: a smaller pool (now {pool}), fewer layers or "
            "pictures, or a larger memory=."
        )
