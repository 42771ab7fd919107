"""What the inversion panel sends down and hands out: tiles, errors by depth, code, files."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from convviz_widgets.core.provenance import Provenance
from convviz_widgets.lens.lens import Lens
from convviz_widgets.render import grid
from convviz_widgets.render.encode import Bytes, jpeg, png
from convviz_widgets.widgets.am_view import smaller
from convviz_widgets.widgets.inversion_choice import Choice
from convviz_widgets.widgets.inversion_tiles import Tile, Tiles
from convviz_widgets.widgets.viewer import enlarged

QUALITY = 85  # of previews; what is finished comes whole
OTHER_LINES = 3  # of other settings, beside the present one
MEASURES = {"pixel": "pixel", "colour": "colour", "losses": "answer", "chance": "class"}
"""What a tile measures, and what that is called on the chart."""


def view_of(choice: Choice, tiles: Tiles, number: int, left: float | None = None) -> dict[str, Any]:
    """All that is to be seen of a choice as the browser draws it.

    Args:
        choice: what was chosen.
        tiles: where the tiles are.
        number: of the run.
        left: seconds that it will still take, if it is under way.
    """
    underway = tiles.underway
    told = [_tile(choice, tiles, name) for name in choice.layers]
    step = None if underway is None else underway.step
    return {
        "number": number,
        "image": choice.image,
        "step": 0 if step is None else step.index,
        "total": None if step is None else step.total,
        "left": left,
        "error": None if step is None else step.headline,
        "tiles": told,
        "lines": _lines(choice, tiles, told),
        "code": code_of(choice, tiles),
    }


def code_of(choice: Choice, tiles: Tiles) -> str:
    """The code that makes what is shown again: a line for each way its layers were told, most often one."""
    ways: dict[int | None, list[str]] = {}
    for name in choice.layers:
        tile = tiles.known(choice, name)
        if tile is None or len(tile.images):
            ways.setdefault(None if tile is None else tile.steps, []).append(name)
    lines = []
    for steps, names in ways.items():
        owned = choice.kind == "decoder" and any(tiles.owns(name) for name in names)
        lines.append(choice.code(names, steps=steps, decoders=owned))
    return "\n".join(lines)


def sheet_of(original: Bytes, shown: Mapping[str, Tile], side: int = 192) -> Bytes:
    """The picture and what layers told of it, row by row, each with its layer and its error; several seeds in a row."""
    tiles = [tile for tile in shown.values() if len(tile.images)]
    seeds = max((len(tile.images) for tile in tiles), default=1)
    pictures: list[npt.ArrayLike] = [original]
    captions = ["picture"]
    if seeds > 1:
        blank = np.full_like(original, 255)
        pictures += [blank] * (seeds - 1)
        captions += [""] * (seeds - 1)
    for tile in tiles:
        for place in range(seeds):
            pictures.append(tile.images[place])
            captions.append(f"{tile.layer}  {tile.pixel[place]:.3f}")
    enough = [enlarged(np.asarray(each), side) for each in pictures]
    columns = seeds if seeds > 1 else min(4, len(enough))
    return grid.montage(enough, columns=columns, captions=captions)


def file_of(choice: Choice, tiles: Tiles, original: Bytes, lens: Lens) -> tuple[str, bytes]:
    """A PNG to keep, with its provenance inside: name and bytes."""
    shown = {name: tile for name in choice.layers if (tile := tiles.known(choice, name)) is not None}
    settings = {name: value for name, value in choice.settings.items() if name != "seed"}
    made = Provenance.of(
        "invert",
        fingerprint=lens.fingerprint,
        seed=choice.seed,
        inputs=("lens", "image"),
        layer=list(shown),
        **settings,
    )
    text = {"convviz_widgets": made.to_json(), "code": code_of(choice, tiles), "picture": choice.image}
    stem = re.sub(r"[^\w.-]+", "-", f"inversion_{choice.image}_{choice.title}").strip("-")[:80]
    return f"{stem}.png", png(sheet_of(original, shown, side=1), text=text)


def _tile(choice: Choice, tiles: Tiles, name: str) -> dict[str, Any]:
    """One layer's tile; its images are JPEG while they are under way, PNG when they are finished."""
    told = {"layer": name, "kind": choice.kind, "done": True, "note": "", "images": [], "type": "image/png"}
    tile = tiles.known(choice, name)
    if tile is not None:
        return {**told, **_errors(tile), "images": tile.files, "note": tile.note, "steps": tile.steps}
    told.update(done=False, steps=None, **{name: [] for name in MEASURES})
    live = None if tiles.underway is None else tiles.underway.images(name)
    if live is None:
        return told
    found = {key: list(each) for key, each in tiles.measured(choice, live).items()}
    return {**told, **found, "type": "image/jpeg", "images": [jpeg(each, QUALITY) for each in smaller(live)]}


def _lines(choice: Choice, tiles: Tiles, told: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Measures by depth, the mean over the seeds: of the present settings, then of others on the same picture."""
    own = {each["layer"]: each for each in told if each["pixel"]}
    line = _line(choice.title, own, own=True)
    others = (
        _line(group[0].way, {tile.layer: _errors(tile) for tile in group}, own=False)
        for group in tiles.others(choice, OTHER_LINES)
    )
    return [line, *others]


def _errors(tile: Tile) -> dict[str, list[float]]:
    return {name: list(getattr(tile, name)) for name in MEASURES}


def _line(name: str, errors: Mapping[str, Mapping[str, Any]], *, own: bool) -> dict[str, Any]:
    points = {
        layer: {called: float(np.mean(each[measure])) for measure, called in MEASURES.items() if each[measure]}
        for layer, each in errors.items()
    }
    return {"name": name, "own": own, "points": points}
