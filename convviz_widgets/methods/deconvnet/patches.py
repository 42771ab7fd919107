"""What in each patch excited its unit: the signals of many neurons of many pictures, by whichever way costs least.

Of a picture that excites few units, the small parts that their neurons see go down, many in a batch; of one that
excites many, what the network did to the whole of it is walked back for each; and where parts are no smaller than the
picture, or answer otherwise, whole pictures go down.

Oracle: each signal equals that of `deconvnet` of its neuron.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.lens.descent.boxes import windows
from convviz_widgets.lens.descent.ways import Way, way_down
from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.many_signals import PARTS, Neuron, part_signals, round_signals, share, small_window
from convviz_widgets.lens.rules import Rule
from convviz_widgets.lens.window import Window
from convviz_widgets.methods.deconvnet.top_images import TopImages

PICTURES = 8  # in a batch, whose graphs are kept for all passes down


class Pick(NamedTuple):
    """One patch: of which unit, the how-manieth, of which picture and neuron, with which activation, and where."""

    unit: int
    rank: int
    picture: int
    neuron: Neuron
    activation: float
    box: tuple[int, int, int, int]

    def cut(self, signal: torch.Tensor, *, left: int = 0, top: int = 0) -> torch.Tensor:
        """The patch of a signal (C, h, w) whose corner lies at (left, top) of the picture; zero where it ends."""
        first, high, last, low = self.box
        return windows([signal], [(high - top, first - left)], (low - high, last - first))[0]


Opened = Callable[[Sequence[Pick], npt.NDArray[np.uint8]], None]
Carried = Iterator[tuple[Pick, torch.Tensor | None]]


def carried(
    lens: Lens,
    images: Any,
    layer: Layer,
    best: TopImages,
    units: Sequence[int] | None = None,
    *,
    rule: Rule,
    opened: Opened | None = None,
) -> Carried:
    """Each patch and what in it excited its unit, (C, h, w), as it comes; None where the unit is not active on it.

    Args:
        lens: the network.
        images: the pictures that the patches are of.
        layer: the layer.
        best: its patches.
        units: of which units; default: of all.
        rule: what a ReLU lets through on the way down.
        opened: is given the patches of each picture, and the picture (H, W, 3) as the network sees it.
    """
    work = _Work(lens, images, layer, rule)
    for index, picks in sorted(_picks(layer, best, units).items()):
        prepared = lens.prepare(images[index])
        if opened is not None:
            opened(picks, lens.preprocess.picture(prepared[0]))
        sent = [pick for pick in picks if pick.activation > 0 or not layer.is_map]
        yield from ((pick, None) for pick in picks if pick not in sent)
        yield from work.take(prepared, sent)
    yield from work.rest()


def _picks(layer: Layer, best: TopImages, units: Sequence[int] | None) -> dict[int, list[Pick]]:
    """The patches of each picture."""
    found: dict[int, list[Pick]] = {}
    for unit in range(len(best.index)) if units is None else units:
        for rank in np.flatnonzero(best.index[unit] >= 0).tolist():
            index, activation = int(best.index[unit, rank]), float(best.activation[unit, rank])
            position = best.position[unit, rank].tolist() if layer.is_map else []
            box = tuple(best.box[unit, rank].tolist())
            found.setdefault(index, []).append(Pick(unit, rank, index, (unit, *position), activation, box))
    return found


class _Part(NamedTuple):
    """A part of a picture that one pick needs."""

    pick: Pick
    window: Window
    pixels: torch.Tensor


@dataclass
class _Work:
    """Picks that wait for others to go down with."""

    lens: Lens
    images: Any
    layer: Layer
    rule: Rule

    def __post_init__(self) -> None:
        self._whole: dict[int, list[Pick]] = {}
        self._parts: dict[tuple[int, int, bool], list[_Part]] = {}

    def take(self, prepared: torch.Tensor, picks: Sequence[Pick]) -> Carried:
        """Takes the picks of one picture (1, C, H, W)."""
        cuts = [small_window(self.lens, self.layer, pick.neuron, prepared) for pick in picks]
        if self.layer.is_map and share(cuts, prepared) >= 1:
            way = way_down(self.lens, prepared, self.layer, self.rule, kept=False)
            if way is not None:
                yield from self._walked(way, picks)
                return
        for pick, window in zip(picks, cuts, strict=True):
            if window is None:
                self._whole.setdefault(pick.picture, []).append(pick)
                continue
            bucket = self._parts.setdefault(window.kind, [])
            bucket.append(_Part(pick, window, window.cut(prepared)[0].clone()))
            if len(bucket) == PARTS:
                yield from self._by_parts(self._parts.pop(window.kind))

    def rest(self) -> Carried:
        """All that still wait."""
        for bucket in self._parts.values():
            yield from self._by_parts(bucket)
        for group in _alike(self._whole):
            yield from self._by_wholes({index: self._whole[index] for index in group})

    def _walked(self, way: Way, picks: Sequence[Pick]) -> Carried:
        """Picks of one picture down what the network did to it."""
        for start in range(0, len(picks), PARTS):
            some = picks[start : start + PARTS]
            boxes = way.down([pick.neuron for pick in some], self.rule)
            for pick, (top, left), signal in zip(some, boxes.corners, boxes.values, strict=True):
                yield pick, pick.cut(signal, left=left, top=top)

    def _by_parts(self, parts: Sequence[_Part]) -> Carried:
        """Parts of one kind and size; notes those that need the whole picture."""
        signals = part_signals(
            self.lens,
            torch.stack([each.pixels for each in parts]),
            self.layer,
            [(each.pick.unit, *each.window.position) for each in parts],
            [each.pick.activation for each in parts],
            rule=self.rule,
            padded=parts[0].window.padded,
        )
        for (pick, window, _), signal in zip(parts, signals, strict=True):
            if signal is None:
                self._whole.setdefault(pick.picture, []).append(pick)
            else:
                yield pick, pick.cut(signal, left=window.box.left, top=window.box.top)

    def _by_wholes(self, picks: dict[int, list[Pick]]) -> Carried:
        """All picks of a few pictures."""
        groups: dict[tuple[int, ...], list[tuple[int, torch.Tensor]]] = {}
        for index in picks:
            prepared = self.lens.prepare(self.images[index])
            groups.setdefault(tuple(prepared.shape), []).append((index, prepared))
        for group in groups.values():
            batch = torch.cat([prepared for _, prepared in group])
            neurons = [[pick.neuron for pick in picks[index]] for index, _ in group]
            for arrived in round_signals(self.lens, batch, self.layer, neurons, rule=self.rule):
                for place, number, signal in arrived:
                    pick = picks[group[place][0]][number]
                    yield pick, pick.cut(signal)


def _alike(whole: dict[int, list[Pick]]) -> Iterator[list[int]]:
    """Pictures in batches of about equally many picks, so that no pass down runs for few of them."""
    order = sorted(whole, key=lambda index: (-len(whole[index]), index))
    for start in range(0, len(order), PICTURES):
        yield order[start : start + PICTURES]
