"""Network Dissection: what concept each unit of a layer stands for.

For every unit k of a layer with maps A_k (h, w): the threshold T_k that ``quantile`` of all its activations in the
dataset exceed, P(A_k > T_k) = 0.005; A_k is brought to the label map's grid bilinearly, anchored at the centres of
receptive fields; M_k = A_k >= T_k. For a concept c with mask L_c

    IoU(k, c) = sum |M_k and L_c| / sum |M_k or L_c|

over the pictures that have any label of c's category. A unit whose best IoU is above 0.04 is a detector of it.
A mask of a share q of the pixels covers at most q / s of a concept of share s: for concepts as large as sky and road,
which fill a fifth of a street scene and more, take a larger quantile, such as 0.05.

A unit that is silent nearly always, so that T_k is the least it ever gives, must exceed T_k.

Pixels are counted in whole numbers, thresholds from whole counts in buckets 0.2 % wide: pictures in any order, on any
number of workers, in a run that was broken off and resumed, give the same bits.

Cost: one forward pass per picture as long as the maps fit into ``memory``, two for the others; memory has a bound
whatever the number of pictures. An example: all stages of ResNet-152 (23 GFLOP a picture) on Broden (63,305 pictures)
are 2 x 63,305 x 23e9 = 2.9e15 operations: 2.4 hours at the 340 GFLOP/s of two server cores, 24 s at 120 TFLOP/s of a
GPU, where reading bounds the work (at 5 ms for a picture and its labels 5 minutes on a core). A million pictures take
16 times as long: 38 hours on two cores, 2.4 on the workers of 32. From a worker come, for each part of 128 pictures and
each layer, 16 bytes per occupied bucket (at most one per activation) in the first pass and 8 per unit and concept in
the second, 20 MB for 2,048 units and 1,200 concepts.
Oracle: units that are a concept's mask; a plain loop, to the integer.
Source: Bau, Zhou, Khosla, Oliva & Torralba 2017, "Network Dissection: Quantifying Interpretability of Deep Visual
Representations", section 2.
"""

import hashlib
import json
import os
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from convviz_widgets.core.errors import BadType, BadValue
from convviz_widgets.core.knob import Knob
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.technique import technique
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.memory import default_budget
from convviz_widgets.methods.dissection.passes import Book, Counted, Probe, Work, two_passes
from convviz_widgets.methods.dissection.report import Dissection
from convviz_widgets.methods.dissection.samples import Samples
from convviz_widgets.methods.dissection.workers import shared_passes

QUANTILE = Knob(1e-6, 0.5, help="share of positions above a unit's threshold")
IOU = Knob(0.0, 1.0, help="a detector's overlap is larger")
TOP = 9  # pictures kept per unit
BATCH = 32


@technique
def dissect(
    lens: Lens,
    dataset: Any,
    layers: str | Iterable[str],
    *,
    quantile: Annotated[float, QUANTILE] = 0.005,
    iou: Annotated[float, IOU] = 0.04,
    batch_size: int = BATCH,
    checkpoint: str | os.PathLike[str] | None = None,
    cache: str | os.PathLike[str] | None = None,
    memory: int | None = None,
    client: Any = None,
) -> Steps[Dissection]:
    """What concept each unit of some layers stands for, by the overlap of its mask with labelled pixels.

    Example:
        >>> from convviz_widgets.data.mini_broden import MiniBroden
        >>> report = dissect(Lens.load("mini"), MiniBroden(8), "relu5")
        >>> report.layers["relu5"].iou.shape
        (64, 82)

    Args:
        lens: the network.
        dataset: pictures with label maps: `MiniBroden`, `Broden`, `SegmentationFolder`, or a sequence of samples with
            ``image`` and ``labels`` (category to (h, w) or (L, h, w) concept ids) that has ``concepts``.
        layers: one name or several; all are served by the same passes.
        quantile: share of a unit's activations above its threshold.
        iou: a unit is a detector of its best concept if their IoU is larger.
        batch_size: pictures per forward pass.
        checkpoint: file to continue from and to write to; after a kill the same call goes on, with the same bits.
        cache: folder of finished reports, each found again by dataset, weights and settings; an unfinished one is
            continued there.
        memory: most bytes of maps to keep between the passes; default: a quarter of what is free, at most 2 GiB.
        client: a ``dask.distributed`` Client, whose workers share the work; the extra ``distributed`` installs it.

    Returns:
        A `Dissection`.

    Raises:
        UnknownName: a wrong layer.
        BadType: the dataset is not a labelled one, or has no ``digest`` by which what is kept is known again.
        BadValue: a setting out of range, too few positions for the quantile, no picture that can be read, or a
            checkpoint of another call.

    Source:
        Bau, Zhou, Khosla, Oliva & Torralba 2017, section 2.
    """
    QUANTILE.check("quantile", quantile)
    IOU.check("iou", iou)
    names = [layers] if isinstance(layers, str) else list(layers)
    probes = [Probe(lens.layers[name].name, lens.layers[name]) for name in dict.fromkeys(names)]
    settings: dict[str, Any] = {"layers": tuple(each.name for each in probes), "quantile": quantile, "iou": iou}
    settings |= {} if batch_size == BATCH else {"batch_size": batch_size}
    if (cache is not None or checkpoint is not None) and not isinstance(getattr(dataset, "digest", None), str):
        raise BadType(
            f"{type(dataset).__name__} has no `digest`, by which what is kept would be known again. Accepted with "
            "cache= and checkpoint=: a dataset with `digest`, a text that differs when its pictures or labels do."
        )
    folder = None if cache is None else Path(cache) / _key(lens, dataset, settings)
    if folder is not None and (folder / "manifest.json").is_file():
        yield Step(1, 1, label="from the cache")
        return Dissection.load(folder)
    file = checkpoint if checkpoint is not None or folder is None else folder.with_suffix(".npz")
    work = prepared_work(lens, dataset, probes, quantile=quantile, batch_size=batch_size)
    found = yield from counted(work, file, memory=memory, client=client)
    made = Provenance.of("dissect", fingerprint=lens.fingerprint, inputs=("lens", "dataset"), **settings)
    result = as_result(work, found, iou, made)
    if folder is not None:
        _keep(result, folder, None if checkpoint is not None else Path(str(file)))
    return result


def prepared_work(
    lens: Lens, dataset: Any, probes: Sequence[Probe], *, quantile: float, batch_size: int, top: int = TOP
) -> Work:
    """The work of two passes, checked.

    Raises:
        BadValue: no layer, no picture, a batch of none, or fewer positions than one above the threshold.
    """
    if not probes:
        raise BadValue("No layer was given. Accepted: one name or several of `lens.layers`.")
    if batch_size < 1:
        raise BadValue(f"batch_size={batch_size} pictures cannot be run. Accepted: 1 or more.")
    if not len(dataset):
        raise BadValue("There is no picture to dissect with: the dataset is empty.")
    for probe in probes:
        positions = len(dataset) * int(np.prod(probe.layer.shape[1:]))
        if positions * quantile < 1:
            raise BadValue(
                f"{len(dataset)} pictures give each unit of {probe.name} {positions} activations, of which a quantile "
                f"of {quantile:g} leaves less than one above the threshold. Accepted: at least {1 / quantile:.0f} "
                "activations; give more pictures, or a larger quantile."
            )
    return Work(lens, Samples(lens, dataset), probes, quantile, batch_size, top)


def counted(
    work: Work, file: str | os.PathLike[str] | None, *, memory: int | None = None, client: Any = None
) -> Steps[Counted]:
    """Both passes, here or on the workers of a client."""
    tallies = work.fresh()
    book = Book(file, work, tallies)
    if client is not None:
        return (yield from shared_passes(work, client, book, tallies))
    memory = default_budget(work.lens.device) if memory is None else memory
    return (yield from two_passes(work, book, tallies, memory=memory))


def as_result(work: Work, found: Counted, iou: float, provenance: Provenance) -> Dissection:
    """The report of what was counted."""
    tops = {name: each.top.value() for name, each in found.tallies.items()}
    counts = {name: each.overlap.counts() for name, each in found.tallies.items()}
    return Dissection(
        concept_ids=np.array([each.id for each in work.samples.concepts], dtype=np.int64),
        concept_names=tuple(str(each.name) for each in work.samples.concepts),
        concept_categories=tuple(str(each.category) for each in work.samples.concepts),
        limit=float(iou),
        labelled=next(iter(counts.values()))[2],
        thresholds=found.thresholds,
        shared={name: each[0] for name, each in counts.items()},
        active={name: each[1] for name, each in counts.items()},
        top_index={name: top.index for name, top in tops.items()},
        top_position={name: top.position for name, top in tops.items()},
        top_activation={name: top.activation for name, top in tops.items()},
        density=work.samples.density,
        count=found.count,
        skipped=tuple(f"{each.name}: {each.reason}" for each in found.skipped),
        pace=found.pace,
        provenance=provenance,
    )


def _key(lens: Lens, dataset: Any, settings: dict[str, Any]) -> str:
    told = json.dumps([lens.fingerprint, dataset.digest, settings], sort_keys=True)
    return f"dissect-{hashlib.sha256(told.encode()).hexdigest()[:24]}"


def _keep(result: Dissection, folder: Path, checkpoint: Path | None) -> None:
    """Puts a finished report where it will be found again; the checkpoint has then served."""
    try:
        result.save(folder, overwrite=True)
        if checkpoint is not None:
            checkpoint.unlink(missing_ok=True)
    except OSError as error:
        warnings.warn(
            f"The report could not be kept in {folder} ({error}). It is complete.", RuntimeWarning, stacklevel=2
        )
