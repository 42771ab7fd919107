"""One pass over a dataset that feeds any number of tallies."""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convviz_widgets.core.errors import BadValue
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.technique import technique
from convviz_widgets.tally import checkpoint as file_of
from convviz_widgets.tally.feed import Skipped, batches
from convviz_widgets.tally.protocol import Tally

BATCH = 32
SECONDS_BETWEEN_CHECKPOINTS = 20.0


@dataclass(frozen=True)
class Scan:
    """What one pass found.

    Args:
        tallies: by layer, then by the name given.
        count: pictures that were counted.
        skipped: pictures that could not be read, by place, name and reason.
    """

    tallies: dict[str, dict[str, Any]]
    count: int
    skipped: tuple[Skipped, ...]

    def __repr__(self) -> str:
        told = f"{self.count} pictures, {', '.join(self.tallies)}"
        names = ", ".join(each.name for each in self.skipped[:5])
        return f"Scan({told}{f'; {len(self.skipped)} skipped: {names}' if self.skipped else ''})"


@technique
def scan(
    lens: Any,
    images: Any,
    layers: str | Iterable[str],
    tallies: Mapping[str, Callable[[], Tally]],
    *,
    batch_size: int = BATCH,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Steps[Scan]:
    """Feeds the activations of layers to tallies, in one pass over the pictures and one forward pass per batch.

    Memory does not depend on the number of pictures: one batch is at work while the next is read. A picture that cannot
    be read is skipped and named in the result.

    Example:
        >>> import numpy as np
        >>> from convviz_widgets.lens.lens import Lens
        >>> from convviz_widgets.tally.moments import Moments
        >>> images = np.zeros((3, 96, 96, 3), dtype=np.uint8)
        >>> scan(Lens.load("mini"), images, ["conv1"], {"moments": Moments}).count
        3

    Args:
        lens: the network.
        images: a sequence of pictures (a list, a folder, a dataset), or any iterable.
        layers: one name or several.
        tallies: name to what makes a fresh tally, such as ``{"top": lambda: TopK(9)}``.
        batch_size: pictures per forward pass.
        checkpoint: file to continue from and to write to; after a kill the same call goes on where it was, with the
            same bits. A finished scan is answered from it.

    Returns:
        A `Scan`.

    Raises:
        UnknownName: a wrong layer.
        BadValue: no picture could be read, or the checkpoint is of another scan.
    """
    names = [layers] if isinstance(layers, str) else list(layers)
    counted: dict[str, dict[str, Any]] = {
        lens.layers[name].name: {key: make() for key, make in tallies.items()} for name in names
    }
    if batch_size < 1:
        raise BadValue(f"batch_size={batch_size} pictures cannot be run. Accepted: 1 or more.")
    file = Path(checkpoint) if checkpoint is not None else None
    told = file_of.about(lens, images, counted) if file is not None else {}
    done, skipped = file_of.resume(file, told, counted) if file is not None and file.exists() else (0, [])
    total = len(images) if hasattr(images, "__len__") else None
    began = saved = time.monotonic()
    first = done
    for batch in batches(lens, images, size=batch_size, start=done):
        for indices, prepared, _ in batch.groups:
            for name, activations in lens.record(prepared, names).items():
                for tally in counted[name].values():
                    tally.add(activations, indices)
        done = batch.stop
        skipped = [*skipped, *batch.skipped]
        now = time.monotonic()
        if file is not None and (now - saved > SECONDS_BETWEEN_CHECKPOINTS or done == total):
            file_of.save(file, told, counted, done, skipped)
            saved = now
        yield Step(done, total, label=f"{(done - first) / max(now - began, 1e-9):.0f} pictures/s")
    if skipped and len(skipped) == done:
        raise BadValue(f"None of the {done} pictures could be read. The first: {skipped[0].name}: {skipped[0].reason}")
    if not done:
        raise BadValue("There is no picture to scan: the sequence is empty.")
    return Scan(counted, done - len(skipped), tuple(skipped))
