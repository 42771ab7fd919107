"""The folder that an evolution is recorded in: one file about the whole, one of the probes, one per snapshot.

    about.json          what is recorded: network, layers, units, rule, probes
    probes.npz          the probe pictures as the network sees them, as JPEG
    epoch-00005.npz     the state after epoch 5
    stopped.json        why the recorder stopped, if it did

Each file appears whole or not at all, holds no time and no path, and nothing in it is pickled: a training that was
killed and resumed leaves the same bytes as one that was not.
"""

import hashlib
import json
import math
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from convviz_widgets.core.errors import BadValue, MissingFile
from convviz_widgets.methods.deconvnet.snapshots import LayerMoment
from convviz_widgets.nets.loop import write_atomically

FORMAT, VERSION = "convviz_widgets evolution", 1
ABOUT, PROBES, STOPPED = "about.json", "probes.npz", "stopped.json"
DAMAGED = (OSError, KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile)
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The state after one epoch; ``accuracy`` and ``loss`` are NaN where nobody told them."""

    epoch: int
    layers: Mapping[str, LayerMoment]
    accuracy: float = math.nan
    loss: float = math.nan


def architecture_of(model: nn.Module) -> dict[str, list[int]]:
    """Name to shape of all weights and buffers."""
    return {name: list(each.shape) for name, each in model.state_dict().items() if isinstance(each, torch.Tensor)}


def same_architecture(given: Mapping[str, list[int]], wanted: Mapping[str, list[int]], what: str) -> None:
    """Checks weights against those of the network that is recorded.

    Raises:
        BadValue: they differ; the first differences are told.
    """
    differing = [name for name in {**wanted, **given} if given.get(name) != wanted.get(name)]
    if differing:
        told = ", ".join(f"{name}: {given.get(name, 'none')}, not {wanted.get(name, 'none')}" for name in differing[:3])
        raise BadValue(
            f"{what} is of another architecture than what is recorded here ({len(differing)} weights differ: {told}). "
            "Accepted: the network that the recorder was made for. Another network takes another recorder and folder."
        )


def digest_of(prepared: torch.Tensor) -> str:
    """Names a batch of probes."""
    values = prepared.detach().cpu().float().contiguous()
    return hashlib.sha256(str(tuple(values.shape)).encode() + values.numpy().tobytes()).hexdigest()


def begin(folder: Path, about: Mapping[str, Any], pictures: list[bytes]) -> None:
    """Makes the folder, or checks that it holds an earlier part of the same recording.

    Raises:
        BadValue: it cannot be written to, or holds something else.
    """
    told = json.loads(_text(about))
    if (folder / ABOUT).exists():
        earlier = about_of(folder)
        same_architecture(told["architecture"], earlier["architecture"], "The network")
        differing = [name for name in {**told, **earlier} if told.get(name) != earlier.get(name)]
        if differing:
            raise BadValue(
                f"{folder} holds another recording: {', '.join(differing)} differ. Give a new folder, or the settings "
                "of that recording to go on with it."
            )
    elif folder.is_dir() and any(folder.iterdir()):
        raise BadValue(f"{folder} holds other files, so it is left alone. Give a new folder.")
    ends = np.cumsum([len(each) for each in pictures])
    arrays = {"data": np.frombuffer(b"".join(pictures), dtype=np.uint8), "ends": ends.astype(np.int64)}
    try:
        _write(folder / PROBES, lambda file: write_arrays(file, arrays))
        _write(folder / ABOUT, lambda file: file.write(_text(about).encode()))
    except OSError as error:
        raise BadValue(
            f"Nothing can be written to {folder}: {error}. Accepted: a folder that exists or can be made, where this "
            "program may write."
        ) from error


def bytes_about(about: Mapping[str, Any]) -> int:
    """How large the file about the whole is."""
    return len(_text(about).encode())


def bytes_in(folder: Path, *, apart_from: int) -> int:
    """What a recording takes, without the snapshot of one epoch."""
    own = _file_of(folder, apart_from)
    return sum(each.stat().st_size for each in folder.iterdir() if each != own)


def about_of(folder: Path) -> dict[str, Any]:
    """What a folder's recording is of.

    Raises:
        MissingFile: there is no recording.
        BadValue: it is damaged, or of a later version.
    """
    if not (folder / ABOUT).is_file():
        raise MissingFile(
            f"{folder} holds no recorded evolution: it has no {ABOUT}. Accepted: a folder that an EvolutionRecorder "
            "wrote to."
        )
    try:
        about: dict[str, Any] = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        known = about["format"] == FORMAT and about["version"] <= VERSION
    except DAMAGED as error:
        raise BadValue(f"{folder / ABOUT} is damaged ({error}). Record again into a new folder.") from error
    if not known:
        raise BadValue(f"{folder / ABOUT} is not of {FORMAT!r} up to version {VERSION}. A newer package may read it.")
    return about


def write_snapshot(folder: Path, snapshot: Snapshot) -> None:
    """Writes one snapshot in place of an earlier one of the same epoch.

    Raises:
        OSError: it cannot be written; an earlier file is left as it was.
    """
    arrays = {"accuracy": np.float64(snapshot.accuracy), "loss": np.float64(snapshot.loss)}
    for name, moment in snapshot.layers.items():
        arrays |= {f"{name}|{key}": value for key, value in vars(moment).items()}
    _write(_file_of(folder, snapshot.epoch), lambda file: write_arrays(file, arrays))
    (folder / STOPPED).unlink(missing_ok=True)


def write_stopped(folder: Path, reason: str) -> None:
    """Notes why nothing more is recorded."""
    _write(folder / STOPPED, lambda file: file.write((json.dumps({"stopped": reason}) + "\n").encode()))


def epochs_in(folder: Path) -> list[int]:
    """The epochs that are recorded."""
    return sorted(int(each.stem.removeprefix("epoch-")) for each in folder.glob("epoch-*.npz"))


def read_snapshot(folder: Path, epoch: int, layers: list[str]) -> Snapshot:
    """Reads one snapshot.

    Raises:
        BadValue: it is damaged.
    """
    file = _file_of(folder, epoch)
    try:
        with np.load(file, allow_pickle=False) as arrays:
            fields = LayerMoment.__dataclass_fields__
            moments = {name: LayerMoment(**{key: arrays[f"{name}|{key}"] for key in fields}) for name in layers}
            return Snapshot(epoch, moments, float(arrays["accuracy"]), float(arrays["loss"]))
    except DAMAGED as error:
        raise BadValue(f"{file} is damaged ({error}). Delete it, and that epoch is left out.") from error


def read_probes(folder: Path) -> tuple[Bytes, npt.NDArray[np.int64]]:
    """The probes' JPEG files one after another, and where each ends."""
    try:
        with np.load(folder / PROBES, allow_pickle=False) as arrays:
            return arrays["data"], arrays["ends"]
    except DAMAGED as error:
        raise BadValue(f"{folder / PROBES} is damaged ({error}). Record again into a new folder.") from error


def read_stopped(folder: Path) -> str:
    """Why the recorder stopped, or ""."""
    try:
        return str(json.loads((folder / STOPPED).read_text(encoding="utf-8"))["stopped"])
    except FileNotFoundError:
        return ""
    except DAMAGED:
        return "for a reason that can no longer be read"


def write_arrays(file: BinaryIO, arrays: Mapping[str, Any]) -> None:
    """An .npz file without times, so that equal arrays make equal bytes."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            held = BytesIO()
            np.lib.format.write_array(held, np.asarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), held.getvalue(), zipfile.ZIP_DEFLATED)


def _text(about: Mapping[str, Any]) -> str:
    return json.dumps({"format": FORMAT, "version": VERSION, **about}, indent=1) + "\n"


def _file_of(folder: Path, epoch: int) -> Path:
    return folder / f"epoch-{epoch:05d}.npz"


def _write(path: Path, write: Callable[[BinaryIO], object]) -> None:
    def put(beside: Path) -> None:
        with beside.open("wb") as file:
            write(file)

    write_atomically(path, put)
