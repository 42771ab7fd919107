"""How the features of a network come about while it trains.

At chosen epochs, for chosen units k and fixed probe pictures x: which probes excite the unit most,
``max over i,j of A_k(x)_ij``, where, how much, and the strongest of these activations carried back to the pixels. Under
a slider over the epochs one sees features appear, jump to other pictures, and settle, lower layers first.

Cost: at each snapshot one forward pass for the probes, and per layer one more with one pass down; nothing in between.
Oracles: the training ends with the same bits with and without the recorder; killed and resumed it leaves the same
files; each projection is that of `deconvnet`.
Source: Zeiler & Fergus 2013, "Visualizing and Understanding Convolutional Networks", section 4, "Feature Evolution
during Training", and figure 4, with the epochs 1, 2, 5, 10, 20, 30, 40 and 64.
"""

import contextlib
import math
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Annotated, Any

import torch
from torch import nn

from convviz_widgets.core.errors import BadValue, unknown_name
from convviz_widgets.core.knob import Knob
from convviz_widgets.lens.guest import as_guest
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.plain import plain_module
from convviz_widgets.methods.deconvnet import snapshot_files as files
from convviz_widgets.methods.deconvnet.deconvnet import BackwardRule, checked_rule
from convviz_widgets.methods.deconvnet.evolution_report import Evolution
from convviz_widgets.methods.deconvnet.evolution_units import Units, places_of
from convviz_widgets.methods.deconvnet.snapshots import Diverged, Place, moment_of
from convviz_widgets.nets.builtin import FOLDER
from convviz_widgets.render.encode import jpeg

EPOCHS = (1, 2, 5, 10, 20, 30, 40, 64)
BUDGET = 64 * 2**20  # bytes
QUALITY = 88  # of the probes' JPEG
MANY = Knob(1, 16, help="strongest probes kept of each unit")
TILE = Knob(8, 224, unit="pixels", help="side that a projection is kept with at most")
Measure = Callable[[nn.Module], float]


class EvolutionRecorder:
    """Records how the units of a network change while it trains. It changes nothing of the training.

    In a loop of one's own these are two lines, here and after each epoch; epochs that were not asked for cost nothing.
    It can be handed to ``recorders=`` of the built-in loop as it is, and to Lightning by its `lightning`.

    Every file appears whole or not at all. The same recorder made again goes on in its folder; an epoch recorded again
    takes the place of the earlier one. Where numbers are lost, or nothing more can be written, it warns once, keeps
    what it has, and `stopped` says why; the training goes on.

    Example:
        >>> import tempfile
        >>> lens, probes = Lens.load("mini"), torch.rand(4, 3, 96, 96)
        >>> recorder = EvolutionRecorder(lens, probes, tempfile.mkdtemp(), layers=["relu1"], units=2, epochs=[1])
        >>> for epoch in range(1, 3):
        ...     recorder(lens.module, epoch, accuracy=0.5)
        >>> recorder.evolution().epochs
        array([1])

    Args:
        lens: the network that will be trained, opened with its preprocessing.
        probes: pictures that stay the same throughout, of one prepared size.
        folder: where to record; made if it is not there.
        layers: names; default: up to five layers of maps, spread over the depth, and the last layer.
        units: how many of each layer, its first ones; or addresses such as ``["relu2:5", "relu5:10"]``.
        epochs: after which of them to record.
        k: strongest probes kept of each unit.
        rule: what a ReLU lets through on the way down.
        tile: side that a projection is kept with at most, in pixels.
        accuracy: function of the model that measures it on held-out data, called at each snapshot; or tell it in the
            call.
        budget: the most bytes that the folder may take, 64 MiB by default; settings that could take more are refused
            at once. A unit takes 3 bytes per pixel of its tile and 28 per probe kept, at each snapshot.

    Raises:
        UnknownName: a layer, unit or rule that does not exist.
        BadValue: no probes or of different sizes, a setting out of range, more than the budget, or a folder that cannot
            be written to or holds something else.
    """

    def __init__(
        self,
        lens: Lens,
        probes: Any,
        folder: str | os.PathLike[str],
        *,
        layers: Sequence[str] | None = None,
        units: Units = 8,
        epochs: Sequence[int] = EPOCHS,
        k: Annotated[int, MANY] = 4,
        rule: BackwardRule = "deconvnet",
        tile: Annotated[int, TILE] = 32,
        accuracy: Measure | None = None,
        budget: int = BUDGET,
    ) -> None:
        self.lens, self.folder, self.rule = lens, Path(folder), checked_rule(rule)
        self.epochs = _checked_epochs(epochs)
        self.stopped = ""
        self._accuracy = accuracy
        MANY.check("k", k)
        TILE.check("tile", tile)
        self._prepared = _prepared(lens, probes)
        self._k = min(k, len(self._prepared))
        size = (int(self._prepared.shape[-2]), int(self._prepared.shape[-1]))
        self._places = places_of(lens, layers, units, size, tile)
        pictures = [jpeg(lens.preprocess.picture(each), QUALITY) for each in self._prepared]
        self._architecture = files.architecture_of(lens.module)
        self._budget, about = budget, self._about(size)
        self._check_budget(files.bytes_about(about), sum(map(len, pictures)) + 12 * len(pictures) + 1024)
        files.begin(self.folder, about, pictures)

    def __call__(
        self, model: nn.Module, epoch: int, *, accuracy: float | None = None, loss: float | None = None
    ) -> None:
        """Records the state after an epoch, if it is one of those asked for.

        Args:
            model: as it is now; the module of the lens, or another of the same architecture.
            epoch: the number of epochs done.
            accuracy: on held-out data, if it is known.
            loss: mean loss of the epoch, if it is known.

        Raises:
            BadValue: the model is of another architecture.
        """
        if epoch in self.epochs:
            self.record(model, epoch, accuracy=accuracy, loss=loss)

    def record(self, model: nn.Module, epoch: int, *, accuracy: float | None = None, loss: float | None = None) -> None:
        """Records the state after any epoch; the arguments are those of the call."""
        if self.stopped:
            return
        files.same_architecture(files.architecture_of(plain_module(model)), self._architecture, "The model")
        try:
            if loss is not None and not math.isfinite(loss):
                raise Diverged(f"the loss is {loss}")
            lens = self._lens_of(model)
            layers = moment_of(lens, self._prepared, self._places, k=self._k, rule=self.rule)
        except Diverged as error:
            self._stop(f"In epoch {epoch} {error}: the training has diverged")
            return
        if accuracy is None and self._accuracy is not None:
            with as_guest(lens.module):
                accuracy = self._accuracy(lens.module)
        known = [math.nan if value is None else float(value) for value in (accuracy, loss)]
        try:
            self._write(files.Snapshot(epoch, layers, *known))
        except OSError as error:
            self._stop(f"In epoch {epoch} nothing could be written to {self.folder}: {error}")

    def replay(self, kept: Mapping[int, Any], losses: Sequence[float] = ()) -> None:
        """Records a training that is over, from weights kept during it, such as by ``snapshots=`` of the built-in loop.

        Args:
            kept: epoch to a file of weights as `torch.save` writes them, or to the weights by name.
            losses: of every epoch of the training, from the first on.

        Raises:
            BadValue: the weights are of another architecture.
        """
        model = deepcopy(self.lens.module)
        for epoch, weights in sorted(kept.items()):
            state = weights if isinstance(weights, Mapping) else torch.load(weights, "cpu", weights_only=True)
            given = {name: list(each.shape) for name, each in state.items()}
            files.same_architecture(given, self._architecture, f"The snapshot of epoch {epoch}")
            model.load_state_dict(state)
            self.record(model, epoch, loss=losses[epoch - 1] if 0 < epoch <= len(losses) else None)

    def evolution(self) -> Evolution:
        """What is recorded so far.

        Raises:
            BadValue: nothing yet.
        """
        return Evolution.open(self.folder)

    def lightning(self, *, accuracy: str = "val_acc", loss: str = "train_loss", network: str | None = None) -> Any:
        """The recorder as a callback for a Lightning ``Trainer``.

        Args:
            accuracy: name of the logged metric that is the held-out accuracy.
            loss: name of the logged metric that is the loss.
            network: attribute of the LightningModule that holds the network; default: the module itself.

        Raises:
            BrokenInstall: Lightning is not installed.
        """
        from convviz_widgets.methods.deconvnet.lightning_callback import callback

        return callback(self, accuracy=accuracy, loss=loss, network=network)

    def __repr__(self) -> str:
        units = sum(len(each.channels) for each in self._places.values())
        told = f"{units} units of {', '.join(self._places)}, {len(self._prepared)} probes, epochs {list(self.epochs)}"
        return f"EvolutionRecorder({self.lens.name}: {told}{f'; stopped: {self.stopped}' if self.stopped else ''})"

    def _lens_of(self, model: nn.Module) -> Lens:
        if plain_module(model) is self.lens.module:
            return self.lens
        size = (int(self._prepared.shape[-2]), int(self._prepared.shape[-1]))
        return Lens(model, preprocess=self.lens.preprocess, input_size=size, name=self.lens.name)

    def _write(self, snapshot: files.Snapshot) -> None:
        """Writes a snapshot, if there is room: epochs not asked for at first were not reckoned with."""
        taken = files.bytes_in(self.folder, apart_from=snapshot.epoch)
        if taken + self._each > self._budget:
            self._stop(f"In epoch {snapshot.epoch} {self.folder} would outgrow the budget of {self._budget:,} bytes")
        else:
            files.write_snapshot(self.folder, snapshot)

    def _stop(self, reason: str) -> None:
        self.stopped = reason
        warnings.warn(f"The recorder stopped. {reason}. What is recorded stays.", RuntimeWarning, stacklevel=4)
        with contextlib.suppress(OSError):  # the reason is in `stopped` all the same
            files.write_stopped(self.folder, reason)

    def _about(self, size: tuple[int, int]) -> dict[str, Any]:
        return {
            "network": self.lens.name,
            "size": size,
            "rule": self.rule,
            "k": self._k,
            "layers": {name: _told(place) for name, place in self._places.items()},
            "probes": files.digest_of(self._prepared),
            "architecture": self._architecture,
        }

    def _check_budget(self, about: int, pictures: int) -> None:
        """Refuses what could take more than the budget, before any training."""
        bands = 3 if self._prepared.shape[1] == 3 else 1
        self._each = 1024 + sum(
            len(place.channels) * (place.side**2 * bands + 4 + self._k * 28) + 2048 for place in self._places.values()
        )
        most = about + pictures + len(self.epochs) * self._each
        if most > self._budget:
            raise BadValue(
                f"{len(self.epochs)} snapshots of {self._each:,} bytes, {pictures:,} bytes of probes and {about:,} of "
                f"facts take up to {most:,} bytes; the budget is {self._budget:,}. Take fewer units, layers, epochs or "
                "probes, a smaller tile, or a larger budget."
            )


def evolution(source: str | os.PathLike[str] = "mini") -> Evolution:
    """Opens a recorded evolution: a recorder's folder, a saved `Evolution`, or the one that ships, "mini".

    Example:
        >>> evolution("mini").epochs.tolist()
        [0, 1, 2, 5, 10, 20, 30, 40, 64]

    Args:
        source: a folder, or "mini" for a training of the built-in network of that architecture, which ships.

    Raises:
        MissingFile: there is no recording in the folder.
        BadValue: a file of it is damaged, or there is no snapshot yet.

    Source:
        Zeiler & Fergus 2013, section 4, "Feature Evolution during Training", and figure 4.
    """
    shipped = sorted(each.name.removesuffix("-evolution") for each in FOLDER.glob("*-evolution"))
    folder = Path(source)
    if str(source) in shipped:
        folder = FOLDER / f"{source}-evolution"
    elif not folder.exists() and folder.name == str(source):
        raise unknown_name("recorded evolution", str(source), shipped, "A path names a recorder's folder.")
    return Evolution.load(folder) if (folder / "manifest.json").exists() else Evolution.open(folder)


def _prepared(lens: Lens, probes: Any) -> torch.Tensor:
    """The probes as the network sees them, (N, C, H, W), on the CPU and for nobody to change."""
    if hasattr(probes, "__len__") and not len(probes):
        raise BadValue("There are no probe pictures: the list is empty. Accepted: one or more, of one prepared size.")
    return lens.prepare(probes).detach().cpu().float().clone()


def _checked_epochs(epochs: Sequence[int]) -> tuple[int, ...]:
    found = tuple(sorted(set(epochs)))
    if not found or not all(isinstance(each, int) and each >= 0 for each in found):
        raise BadValue(f"epochs={list(epochs)} names no epochs. Accepted: whole numbers from 0 on, at least one.")
    return found


def _told(place: Place) -> dict[str, Any]:
    field = place.field
    spans = None if field is None else [field.size, field.stride, field.start]
    return {"channels": place.channels, "field": spans, "side": place.side}
