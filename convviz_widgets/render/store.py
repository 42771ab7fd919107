"""A result as a folder: arrays without pickles, a picture, and a manifest that says what is in it."""

import json
import math
import os
import shutil
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Never

import numpy as np

from convviz_widgets.core.errors import BadType, BadValue, MissingFile
from convviz_widgets.core.provenance import Provenance, plain

FORMAT = "convviz_widgets result"
VERSION = 1
ARRAYS, MANIFEST, PICTURE = "arrays.npz", "manifest.json", "picture.png"

Tree = dict[str, Any]


@dataclass(frozen=True)
class Contents:
    """What a folder holds.

    Args:
        kind: name of the result's class.
        fields: name to array, plain value, or mapping or sequence of these.
        provenance: where it comes from.
        picture: bytes of a PNG file, or None.
    """

    kind: str
    fields: Mapping[str, Any]
    provenance: Provenance
    picture: bytes | None = None


def write(folder: Path, contents: Contents, *, overwrite: bool = False) -> Path:
    """Writes the folder, whole or not at all, and gives its path.

    Raises:
        BadValue: the folder exists, and is not an earlier result that may be overwritten.
        BadType: a field cannot be kept.
    """
    _check_free(folder, overwrite=overwrite)
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "kind": contents.kind,
        "provenance": json.loads(contents.provenance.to_json()),
        "code": contents.provenance.code(),
        "fields": {name: _tree(value, name, arrays) for name, value in contents.fields.items()},
    }
    text = json.dumps(manifest, indent=2, ensure_ascii=False)
    with _appearing(folder) as place:
        _write_arrays(place / ARRAYS, arrays)
        (place / MANIFEST).write_text(text + "\n", encoding="utf-8")
        if contents.picture is not None:
            (place / PICTURE).write_bytes(contents.picture)
    return folder


def read(folder: Path) -> Contents:
    """Reads a folder that `write` wrote; sequences come back as tuples.

    Raises:
        MissingFile: there is no saved result.
        BadValue: it is damaged, or of a later version.
    """
    if not (folder / MANIFEST).is_file():
        raise MissingFile(f"{folder} holds no saved result: it has no {MANIFEST}. Accepted: a folder that `save` made.")
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT or manifest["version"] > VERSION:
            raise BadValue(
                f"{folder / MANIFEST} is {manifest['format']!r} version {manifest['version']}. Accepted: {FORMAT!r} up "
                f"to version {VERSION}. A newer convviz_widgets may read it."
            )
        with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
            found = {name: _value(tree, arrays) for name, tree in manifest["fields"].items()}
        picture = folder / PICTURE
        return Contents(
            kind=manifest["kind"],
            fields=found,
            provenance=Provenance.from_json(json.dumps(manifest["provenance"])),
            picture=picture.read_bytes() if picture.is_file() else None,
        )
    except BadValue:
        raise
    except (OSError, KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise BadValue(f"The result in {folder} is damaged ({error}). Accepted: a folder as `save` left it.") from error


def _check_free(folder: Path, *, overwrite: bool) -> None:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not _is_result(folder):
        raise BadValue(f"{folder} exists and is not a saved result, so it is left alone. Give a new folder.")
    if not overwrite:
        raise BadValue(f"{folder} holds a saved result. Give a new folder, or overwrite=True to replace it.")


def _is_result(folder: Path) -> bool:
    """Whether the folder holds a saved result and nothing else, so that replacing it loses nothing else."""
    if not folder.is_dir() or {each.name for each in folder.iterdir()} - {ARRAYS, MANIFEST, PICTURE}:
        return False
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and manifest.get("format") == FORMAT


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """A folder beside the wanted one, which takes its place when all went well and is removed otherwise."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    mark = uuid.uuid4().hex
    place, before = (folder.with_name(f".{folder.name}-{mark}-{part}") for part in ("new", "old"))
    place.mkdir()
    try:
        yield place
        if folder.exists():
            os.replace(folder, before)
        try:
            os.replace(place, folder)
        except BaseException:
            if before.exists():
                os.replace(before, folder)
            raise
    finally:
        shutil.rmtree(place, ignore_errors=True)
        shutil.rmtree(before, ignore_errors=True)


def _write_arrays(path: Path, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """An .npz file; written here because `np.savez` takes some names for arguments and pickles objects."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)


def _tree(value: Any, name: str, arrays: dict[str, np.ndarray[Any, Any]]) -> Tree:
    """How a value is kept; its arrays are put among ``arrays`` under names made of its place."""
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            _refuse(name, "an array of objects")
        key = name if name not in arrays else f"{name}~{len(arrays)}"
        arrays[key] = value
        return {"array": key, "shape": list(value.shape), "dtype": str(value.dtype)}
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            _refuse(name, "a mapping whose keys are not all text")
        return {"mapping": {key: _tree(each, f"{name}/{key}", arrays) for key, each in value.items()}}
    if isinstance(value, list | tuple):
        return {"sequence": [_tree(each, f"{name}/{index}", arrays) for index, each in enumerate(value)]}
    try:
        kept = plain(value, name=name)
    except BadType:
        _refuse(name, f"a {type(value).__name__}")
    if isinstance(kept, float) and not math.isfinite(kept):
        return {"number": str(kept)}
    return {"sequence": [{"value": each} for each in kept]} if isinstance(kept, tuple) else {"value": kept}


def _refuse(name: str, what: str) -> Never:
    raise BadType(
        f"The field {name} holds {what}, which cannot be saved. Accepted: numpy arrays of numbers or text, numbers, "
        "text, units, boxes, and mappings (by text) or sequences of these."
    )


def _value(tree: Tree, arrays: Any) -> Any:
    if "array" in tree:
        return arrays[tree["array"]]
    if "mapping" in tree:
        return {key: _value(each, arrays) for key, each in tree["mapping"].items()}
    if "sequence" in tree:
        return tuple(_value(each, arrays) for each in tree["sequence"])
    return float(tree["number"]) if "number" in tree else tree["value"]
