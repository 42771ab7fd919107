"""Peak memory of a dissection of 512 units, by the number of pictures: each in a fresh process, whose peak starts anew.

``python -m tests.benchmarks.dissection_memory COUNT MEMORY UNITS`` is such a process.
"""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.dissection.dissect import dissect
from tests.benchmarks.dissection import CATEGORIES, Concept, Sample

MIB = 2**20
SIDE = 112  # pixels of the pictures and of their label maps; the maps have 14 by 14 neurons
SECONDS = 3600  # for a process, at most


@dataclass(frozen=True)
class Peak:
    """The most memory that a process had taken before a dissection and at its end, in bytes.

    Args:
        count: pictures.
        units: of the layer.
        kept: bytes of maps that may stay between the passes.
        before, after: the peaks.
    """

    count: int
    units: int
    kept: int
    before: int
    after: int

    def __str__(self) -> str:
        maps = self.count * self.units * (SIDE // 8) ** 2 * 4
        return (
            f"peak memory of a dissection of {self.units} units over {self.count} pictures, {self.kept // MIB} MiB for "
            f"maps: {self.after / MIB:.0f} MiB, {(self.after - self.before) / MIB:.0f} MiB more than before "
            f"(all maps at once would be {maps / MIB:.0f} MiB)"
        )


class Drawn:
    """Pictures of noise with blocks of random labels, each made when it is asked for."""

    categories = CATEGORIES

    def __init__(self, count: int, concepts: int = 300) -> None:
        self.count, self.each = count, concepts // len(CATEGORIES)
        self.concepts = [
            Concept(1 + place * self.each + number, f"{category} {number}", category)
            for place, category in enumerate(CATEGORIES)
            for number in range(self.each)
        ]
        self.digest = f"drawn-{count}"

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, place: int) -> Sample:
        rng = np.random.default_rng(place)
        image = torch.from_numpy(rng.random((3, SIDE // 8, SIDE // 8), dtype=np.float32))
        blocks = rng.integers(0, self.each, (len(CATEGORIES), 4, 4)) + 1
        labels = {
            category: np.kron(block + number * self.each, np.ones((SIDE // 4,) * 2, dtype=int))
            for number, (category, block) in enumerate(zip(CATEGORIES, blocks, strict=True))
        }
        return Sample(image.repeat_interleave(8, 1).repeat_interleave(8, 2), labels)


def rows(*, quick: bool = False) -> Iterator[Peak]:
    """The same with ten times the pictures takes no more; ``quick`` runs on tiny settings, to see that it runs."""
    counts, kept, units = ((48, 96), MIB, 16) if quick else ((500, 5000), 256 * MIB, 512)
    for count in counts:
        command = [sys.executable, "-m", "tests.benchmarks.dissection_memory", str(count), str(kept), str(units)]
        ran = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=SECONDS, env={**os.environ, "LC_ALL": "C"}
        )
        before, after = (int(each) for each in ran.stdout.split()[-2:])
        yield Peak(count, units, kept, before, after)


def measured(count: int, kept: int, units: int) -> tuple[int, int]:
    """The peaks of this process before and after a dissection; a small one goes before, which loads what is needed."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 32, 7, stride=4, padding=3), nn.ReLU(), nn.Conv2d(32, units, 3, stride=2, padding=1), nn.ReLU()
    )
    lens = Lens(net, input_size=SIDE)
    dissect(lens, Drawn(40), "3", memory=kept)
    before = peak()
    dissect(lens, Drawn(count), "3", memory=kept)
    return before, peak()


def peak() -> int:
    """The most memory this process has had so far, in bytes; the system counts in KiB, macOS in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    sys.stdout.write("{} {}\n".format(*measured(*(int(each) for each in sys.argv[1:4]))))
