"""Dissection against NetDissect-Lite's method written plainly, and against bare forward passes, the limit.

The method: the maps of all pictures are stored, the threshold is a percentile of them, and each map that reaches it
anywhere is brought to the labels' size by Pillow and compared with the labels of its picture, concept by concept.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.dissection.dissect import dissect
from tests.benchmarks.harness import Comparison, compare

CATEGORIES = ("scene", "object", "part", "material", "texture", "colour")
QUANTILE = 0.005
BATCH = 32


class Concept(NamedTuple):
    id: int
    name: str
    category: str


class Sample(NamedTuple):
    image: torch.Tensor
    labels: dict[str, np.ndarray]


class Patches:
    """Random pictures with blocks of random labels in six categories, all in memory, so that reading takes no time."""

    categories = CATEGORIES

    def __init__(self, count: int, *, side: int, grid: int, concepts: int) -> None:
        rng = np.random.default_rng(0)
        each = concepts // len(CATEGORIES)
        self.concepts = [
            Concept(1 + place * each + number, f"{category} {number}", category)
            for place, category in enumerate(CATEGORIES)
            for number in range(each)
        ]
        images = torch.from_numpy(rng.random((count, 3, side // 8, side // 8), dtype=np.float32))
        images = torch.nn.functional.interpolate(images, scale_factor=8, mode="bilinear")
        self.samples = []
        for image in images:
            blocks = rng.integers(0, each, (len(CATEGORIES), 4, 4)) * (rng.random((len(CATEGORIES), 4, 4)) < 0.6)
            labels = {
                category: np.kron(np.where(block, block + place * each + 1, 0), np.ones((grid // 4,) * 2, dtype=int))
                for place, (category, block) in enumerate(zip(CATEGORIES, blocks, strict=True))
            }
            self.samples.append(Sample(image, labels))
        self.digest = f"patches-{count}"

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, place: int) -> Sample:
        return self.samples[place]


def rows(*, quick: bool = False) -> Iterator[Comparison]:
    """The rows; ``quick`` runs them on tiny settings, to see that they run."""
    count, side, runs = (4, 64, 2) if quick else (64, 224, 7)
    name, layer = "alexnet", "features.11"
    lens = Lens(Lens.load(name, weights=None, device="cpu").module, input_size=side)
    data = Patches(count, side=side, grid=side // 2, concepts=36 if quick else 300)
    quantile = 0.1 if quick else QUANTILE
    prepared = torch.stack([sample.image for sample in data.samples])

    def forwards() -> None:
        for start in range(0, count, BATCH):
            lens.record(prepared[start : start + BATCH], [layer])

    work = {
        "maps kept": lambda: dissect(lens, data, layer, quantile=quantile),
        "no maps kept": lambda: dissect(lens, data, layer, quantile=quantile, memory=0),
    }
    what = f"{name}, {layer}, {count} pictures, {len(data.concepts)} concepts"
    report = work["maps kept"]()
    alive = report.thresholds[layer] > np.finfo(np.float32).tiny  # by the other method the dead light up everywhere
    apart = report.active[layer][alive].sum() / max(1, plainly(lens, data, layer, quantile)[alive].sum()) - 1
    goals = {"maps kept": ("x3.3", "x0.74, 1.35 times as long"), "no maps kept": ("none", "none; two passes")}
    for told, ours in work.items():
        faster, limit = goals[told]
        yield compare(
            f"{what}, {told} / NetDissect-Lite's method",
            ours,
            lambda: plainly(lens, data, layer, quantile),
            runs=runs,
            note=f"(goal: {faster}; lit pixels {apart:+.0%}: maps lie on receptive fields here, are stretched there)",
        )
        yield compare(f"{what}, {told} / bare forwards", ours, forwards, runs=runs, note=f"(goal: {limit})")


def plainly(lens: Lens, data: Patches, layer: str, quantile: float) -> npt.NDArray[np.int64]:
    """The counts as NetDissect-Lite makes them; the whole network runs, and gives float32 maps that are all stored."""
    stored = []
    handle = lens.module.get_submodule(layer).register_forward_hook(lambda _, __, output: stored.append(output.clone()))
    with torch.no_grad():
        for start in range(0, len(data), BATCH):
            lens.module(torch.stack([each.image for each in data.samples[start : start + BATCH]]))
    handle.remove()
    maps = torch.cat(stored).numpy()
    thresholds = np.quantile(maps.transpose(1, 0, 2, 3).reshape(maps.shape[1], -1), 1 - quantile, axis=1)
    column = {each.id: place for place, each in enumerate(data.concepts)}
    shared = np.zeros((maps.shape[1], len(column)), dtype=np.int64)
    active = np.zeros((maps.shape[1], len(CATEGORIES)), dtype=np.int64)
    for sample, units in zip(data.samples, maps, strict=True):
        grid = sample.labels["scene"].shape
        for unit, values in enumerate(units):
            if values.max() < thresholds[unit]:
                continue
            wide = np.asarray(Image.fromarray(values).resize(grid[::-1], Image.Resampling.BILINEAR))
            lit = wide >= thresholds[unit]
            for place, labels in enumerate(sample.labels.values()):
                found = np.bincount(labels[lit])
                for concept in np.flatnonzero(found)[1:] if found[:1].any() else np.flatnonzero(found):
                    shared[unit, column[int(concept)]] += found[concept]
                active[unit, place] += lit.sum() if labels.any() else 0
    return active
