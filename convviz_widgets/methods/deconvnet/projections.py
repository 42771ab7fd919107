"""The nine pictures that excite each unit most, and beside each what in it did.

For every unit of a layer the patches of `top_images`, and for each patch the signal of its neuron carried back down, as
`deconvnet` does for one.

Cost: one pass over the pictures; then, of a picture that excites few units, the small parts that their neurons see,
many in a batch; of one that excites many, one forward pass, and for each patch a pass down over what its neuron sees.
Oracle: each projection equals `deconvnet` of its neuron.
Source: Zeiler & Fergus 2013, "Visualizing and Understanding Convolutional Networks", section 3 and figure 2.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.core.errors import BadType, BadValue
from convviz_widgets.core.knob import Knob
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.technique import technique
from convviz_widgets.lens.descent.boxes import windows as windows_of
from convviz_widgets.lens.descent.ways import Way, way_down
from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.many_signals import PARTS, part_signals, round_signals, share, small_window
from convviz_widgets.lens.rules import Rule
from convviz_widgets.lens.window import Window
from convviz_widgets.methods.deconvnet.deconvnet import BackwardRule, checked_rule
from convviz_widgets.methods.deconvnet.sheet import Pick, Sheet, side_of
from convviz_widgets.methods.deconvnet.top_images import MANY, TopImages, top_images
from convviz_widgets.render import grid
from convviz_widgets.tally.checkpoint import digest

TILE = Knob(8, 512, unit="pixels", help="longest side of a stored patch and of its projection")
UNITS_SHOWN = 4  # of the still picture, two rows each
PICTURES = 8  # in a batch, whose graphs are kept for all passes down


@dataclass(frozen=True, eq=False, repr=False)
class TopProjections(TopImages):
    """The k strongest pictures of each of K units, and what in each excited the unit.

    Args:
        tiles: (K, k, s, s, 3) uint8, the patches; at most s pixels high and wide, larger ones are scaled down; what
            lies outside of the picture is grey.
        projections: (K, k, s, s, 3) uint8, the signals of the same parts; grey is zero.
        reach: (K, k) float32, the magnitude that is full colour; 0 where nothing was carried down, because there is no
            picture or the unit is not active on it.
    """

    tiles: npt.NDArray[np.uint8]
    projections: npt.NDArray[np.uint8]
    reach: npt.NDArray[np.float32]

    def picture(self) -> npt.NDArray[np.uint8]:
        """For each of the first units a row of projections, and below it the patches."""
        shown = self.projections[:UNITS_SHOWN], self.tiles[:UNITS_SHOWN]
        rows = [tile for pair in zip(*shown, strict=True) for row in pair for tile in row]
        return grid.montage(rows, columns=self.index.shape[1], scale=max(1, 64 // self.tiles.shape[2]))


@technique
def top_projections(
    lens: Lens,
    images: Any,
    layer: str,
    k: Annotated[int, MANY] = 9,
    *,
    rule: BackwardRule = "deconvnet",
    tile: Annotated[int, TILE] = 64,
    cache: str | os.PathLike[str] | None = None,
) -> Steps[TopProjections]:
    """The pictures that excite each unit of a layer most, each with what in it did.

    Example:
        >>> images = np.random.default_rng(0).integers(0, 256, (4, 96, 96, 3), dtype=np.uint8)
        >>> top_projections(Lens.load("mini"), images, "relu1", k=2).projections.shape
        (24, 2, 7, 7, 3)

    Args:
        lens: the network.
        images: a sequence of pictures: a list, an `ImageFolder`, a dataset.
        layer: name of the layer.
        k: pictures per unit, at most one patch of each.
        rule: what a ReLU lets through on the way down.
        tile: longest side of what is stored of each, in pixels.
        cache: a folder to keep the result in, one for each network, set of pictures, layer and setting; the same call
            is answered from it.

    Returns:
        A `TopProjections`.

    Raises:
        UnknownName: a wrong layer or rule.
        BadValue: a setting out of range, or no picture can be read.

    Source:
        Zeiler & Fergus 2013, section 3 and figure 2.
    """
    checked_rule(rule)
    TILE.check("tile", tile)
    MANY.check("k", k)
    place = lens.layers[layer]
    settings: dict[str, Any] = {"layer": place.name, "k": k, "rule": rule, "tile": tile}
    folder = None if cache is None else Path(cache) / _name_of(lens, images, settings)
    kept = _kept_in(folder)
    if kept is not None:
        yield Step(1, 1, label="from the cache")
        return kept
    best = yield from top_images.steps(lens, images, place.name, k)
    sheet = Sheet(best, side=side_of(best, tile))
    for done in _fill(lens, images, place, best, sheet, rule=rule):
        yield Step(done, int((best.index >= 0).sum()), label="projections")
    result = TopProjections(
        layer=best.layer,
        index=best.index,
        position=best.position,
        activation=best.activation,
        box=best.box,
        skipped=best.skipped,
        samples=best.samples,
        tiles=sheet.tiles,
        projections=sheet.projections,
        reach=sheet.reach,
        provenance=Provenance.of(
            "top_projections", fingerprint=lens.fingerprint, inputs=("lens", "images"), **settings
        ),
    )
    if folder is not None:
        result.save(folder, overwrite=True)
    return result


def _picks(layer: Layer, best: TopImages) -> dict[int, list[Pick]]:
    """The patches of each picture that are carried down; those of units that are not active on it are not."""
    found: dict[int, list[Pick]] = {}
    for unit, rank in np.argwhere(best.index >= 0).tolist():
        activation = float(best.activation[unit, rank])
        position = best.position[unit, rank].tolist() if layer.is_map else []
        found.setdefault(int(best.index[unit, rank]), []).append(Pick(unit, rank, (unit, *position), activation))
    return found


class _Part(NamedTuple):
    """A part of a picture that one pick needs."""

    pick: Pick
    window: Window
    pixels: torch.Tensor


def _fill(lens: Lens, images: Any, layer: Layer, best: TopImages, sheet: Sheet, *, rule: BackwardRule) -> Iterator[int]:
    """Fills the sheet; gives the number of patches done, again and again."""
    whole: dict[int, list[Pick]] = {}
    waiting: dict[tuple[int, int, bool], list[_Part]] = {}
    done = 0
    for index, picks in sorted(_picks(layer, best).items()):
        prepared = lens.prepare(images[index])
        photo = lens.preprocess.picture(prepared[0])
        for pick in picks:
            sheet.put_patch(pick, photo)
        sent = [pick for pick in picks if pick.activation > 0 or not layer.is_map]
        windows = [small_window(lens, layer, pick.neuron, prepared) for pick in sent]
        done += len(picks) - len(sent)
        if layer.is_map and share(windows, prepared) >= 1:
            way = way_down(lens, prepared, layer, rule, kept=False)
            if way is not None:
                done += _walk(way, sent, sheet, rule)
                yield done
                continue
        for pick, window in zip(sent, windows, strict=True):
            if window is None:
                whole.setdefault(index, []).append(pick)
                continue
            bucket = waiting.setdefault(window.kind, [])
            bucket.append(_Part(pick, window, window.cut(prepared)[0].clone()))
            if len(bucket) == PARTS:
                done += _run_parts(lens, layer, bucket, sheet, whole, best, rule=rule)
                bucket.clear()
        yield done
    for bucket in waiting.values():
        done += _run_parts(lens, layer, bucket, sheet, whole, best, rule=rule) if bucket else 0
        yield done
    for group in _alike(whole):
        done += _run_whole(lens, images, layer, {index: whole[index] for index in group}, sheet, rule=rule)
        yield done


def _walk(way: Way, picks: Sequence[Pick], sheet: Sheet, rule: Rule) -> int:
    """Carries picks of one picture down what the network did to it; gives their number."""
    for start in range(0, len(picks), PARTS):
        some = picks[start : start + PARTS]
        boxes = way.down([pick.neuron for pick in some], rule)
        for pick, (row, column), signal in zip(some, boxes.corners, boxes.values, strict=True):
            left, top, right, bottom = sheet.best.box[pick.unit, pick.rank].tolist()
            (part,) = windows_of([signal], [(top - row, left - column)], (bottom - top, right - left))
            sheet.put(pick, part, left=left, top=top)
    return len(picks)


def _run_parts(
    lens: Lens,
    layer: Layer,
    parts: Sequence[_Part],
    sheet: Sheet,
    whole: dict[int, list[Pick]],
    best: TopImages,
    *,
    rule: BackwardRule,
) -> int:
    """Carries down parts of one kind and size, and notes those that need the whole picture; gives how many are done."""
    signals = part_signals(
        lens,
        torch.stack([each.pixels for each in parts]),
        layer,
        [(each.pick.unit, *each.window.position) for each in parts],
        [each.pick.activation for each in parts],
        rule=rule,
        padded=parts[0].window.padded,
    )
    done = 0
    for part, signal in zip(parts, signals, strict=True):
        if signal is None:
            whole.setdefault(int(best.index[part.pick.unit, part.pick.rank]), []).append(part.pick)
        else:
            sheet.put(part.pick, signal, left=part.window.box.left, top=part.window.box.top)
            done += 1
    return done


def _alike(whole: dict[int, list[Pick]]) -> Iterator[list[int]]:
    """Pictures in batches of about equally many picks, so that no pass down runs for few of them."""
    order = sorted(whole, key=lambda index: (-len(whole[index]), index))
    for start in range(0, len(order), PICTURES):
        yield order[start : start + PICTURES]


def _run_whole(
    lens: Lens, images: Any, layer: Layer, picks: dict[int, list[Pick]], sheet: Sheet, *, rule: BackwardRule
) -> int:
    """Carries down all picks of a few pictures; gives their number."""
    groups: dict[tuple[int, ...], list[tuple[int, torch.Tensor]]] = {}
    for index in picks:
        prepared = lens.prepare(images[index])
        groups.setdefault(tuple(prepared.shape), []).append((index, prepared))
    for group in groups.values():
        batch = torch.cat([prepared for _, prepared in group])
        neurons = [[pick.neuron for pick in picks[index]] for index, _ in group]
        for arrived in round_signals(lens, batch, layer, neurons, rule=rule):
            for place, number, signal in arrived:
                sheet.put(picks[group[place][0]][number], signal)
    return sum(map(len, picks.values()))


def _name_of(lens: Lens, images: Any, settings: dict[str, Any]) -> str:
    """Name of the folder of a result: of the weights, the pictures, the layer and the settings."""
    what = repr((lens.fingerprint, digest(images), sorted(settings.items())))
    readable = "".join(letter if letter.isalnum() else "-" for letter in f"{lens.name}-{settings['layer']}")
    return f"{readable}-{hashlib.sha256(what.encode()).hexdigest()[:16]}"


def _kept_in(folder: Path | None) -> TopProjections | None:
    """The result in a folder; None where there is none, or only a damaged one."""
    if folder is None or not folder.exists():
        return None
    try:
        return TopProjections.load(folder)
    except (BadValue, BadType):
        return None
