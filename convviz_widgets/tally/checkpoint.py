"""A scan kept in a file: what was counted, of which pictures, with which weights."""

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import torch

from convviz_widgets.core.errors import BadValue
from convviz_widgets.tally.feed import Skipped
from convviz_widgets.tally.protocol import Tally

DAMAGED = (ValueError, TypeError, KeyError, OSError, EOFError, zipfile.BadZipFile, zlib.error)
Tallies = Mapping[str, Mapping[str, Tally]]
"""By layer, then by name."""


def about(lens: Any, images: Any, tallies: Tallies) -> dict[str, Any]:
    """What a scan is of; a checkpoint of anything else is refused."""
    named = {
        layer: {name: [type(tally).__name__, tally.settings] for name, tally in sorted(names.items())}
        for layer, names in sorted(tallies.items())
    }
    return {"weights": lens.fingerprint, "images": digest(images), "tallies": named}


def digest(images: Any) -> str:
    """Names a set of pictures: its own ``digest``, else one over the paths, sizes and times, or the pixels, of each."""
    own = getattr(images, "digest", None)
    if isinstance(own, str):
        return own
    total = hashlib.sha256()
    for place in range(len(images)):
        total.update(_identity(images[place]))
    return total.hexdigest()


def save(file: Path, scan: Mapping[str, Any], tallies: Tallies, done: int, skipped: list[Skipped]) -> None:
    """Writes beside the file and puts it in place whole."""
    head = json.dumps({"scan": scan, "done": done, "skipped": [astuple(each) for each in skipped]})
    arrays = {
        f"{layer}|{name}|{key}": array
        for layer, named in tallies.items()
        for name, tally in named.items()
        for key, array in tally.state().items()
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with beside.open("wb") as stream:
            np.savez(stream, allow_pickle=False, head=np.array(head), **arrays)
        os.replace(beside, file)
    finally:
        beside.unlink(missing_ok=True)


def resume(file: Path, scan: Mapping[str, Any], tallies: Tallies) -> tuple[int, list[Skipped]]:
    """Restores the tallies from a file; gives the number of pictures done and those that were skipped.

    Raises:
        BadValue: the file is of another scan, or damaged.
    """
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as saved:
            head = json.loads(str(saved["head"]))
            arrays = {name: saved[name] for name in saved.files if name != "head"}
    except DAMAGED as error:
        raise BadValue(f"{file} is not the checkpoint of a scan ({error}). Delete it, or name another file.") from error
    if head["scan"] != json.loads(json.dumps(scan)):
        differing = [name for name in scan if head["scan"].get(name) != scan[name]]
        raise BadValue(f"{file} is the checkpoint of another scan: other {differing}. Delete it, or name another file.")
    for layer, named in tallies.items():
        for name, tally in named.items():
            start = f"{layer}|{name}|"
            tally.restore({key.removeprefix(start): each for key, each in arrays.items() if key.startswith(start)})
    return head["done"], [Skipped(*each) for each in head["skipped"]]


def _identity(image: Any) -> bytes:
    image = getattr(image, "image", image) if not hasattr(image, "__fspath__") else image
    if isinstance(image, str | os.PathLike):
        path = Path(image)
        told = path.stat() if path.exists() else None
        return f"{path}|{told and (told.st_size, told.st_mtime_ns)}".encode()
    pixels = image.detach().cpu().numpy() if isinstance(image, torch.Tensor) else np.asarray(image)
    return repr((pixels.shape, str(pixels.dtype))).encode() + np.ascontiguousarray(pixels).tobytes()
