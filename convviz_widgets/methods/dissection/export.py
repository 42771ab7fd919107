"""A dissection for other programs and for readers: CSV, JSON, and a page that stands alone."""

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

from convviz_widgets.core.errors import BadValue
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.technique import technique
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.dissection.report import Detector, Dissection
from convviz_widgets.render import encode, html, overlay

CARDS = 48  # detectors of a layer that are shown
PICTURES = 3  # of each, the ones that excite it most
WIDTH = 130


def to_csv(report: Dissection) -> str:
    """One line per unit: layer, unit, best concept, its category, IoU, whether it is a detector, threshold.

    Example:
        >>> from convviz_widgets.data.mini_broden import MiniBroden
        >>> from convviz_widgets.methods.dissection.dissect import dissect
        >>> to_csv(dissect(Lens.load("mini"), MiniBroden(8), "relu5")).splitlines()[0]
        'layer,unit,concept,category,iou,detector,threshold'
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("layer", "unit", "concept", "category", "iou", "detector", "threshold"))
    for layer, unit, concept, category, iou, threshold in report.rows():
        told = [_harmless(each) for each in (layer, str(unit), concept, category)]
        writer.writerow((*told, f"{iou:.6f}", int(iou > report.limit), f"{threshold:.9g}"))
    return stream.getvalue()


def to_json(report: Dissection) -> str:
    """Everything that was found, as JSON: concepts, and per layer thresholds, best concepts and the table of IoU."""
    layers = {
        name: {
            "thresholds": each.thresholds.tolist(),
            "best": each.best.tolist(),
            "iou": each.iou.round(6).tolist(),
            "top": each.top_index.tolist(),
            "unique": {by: {key: len(found) for key, found in each.unique(by).items()} for by in ("unit", "category")},
        }
        for name, each in report.layers.items()
    }
    concepts = [each._asdict() for each in report.concepts]
    told = {"pictures": report.count, "skipped": report.skipped, "limit": report.limit}
    made = json.loads(report.provenance.to_json())
    return json.dumps({**told, "concepts": concepts, "layers": layers, "provenance": made}, ensure_ascii=False)


@technique
def to_html(report: Dissection, lens: Lens | None = None, dataset: Any = None) -> Steps[str]:
    """A page that needs nothing else: a table for each layer and a card for each of its best detectors.

    Its steps are the cards.

    Args:
        report: the dissection.
        lens: the network it is of.
        dataset: what it was made with; given both, cards show the pictures that excite a unit most, under its mask.
    """
    parts: list[Any] = [html.Markup("<h1>What units stand for</h1>"), html.Markup(report._repr_html_())]
    total, done = sum(len(layer.detectors()[:CARDS]) for layer in report.layers.values()), 0
    for name, layer in report.layers.items():
        cards = []
        for detector in layer.detectors()[:CARDS]:
            cards.append(_card(report, name, detector, lens, dataset))
            done += 1
            yield Step(done, total, label=f"page, {name}:{detector.unit}")
        found = {by: layer.unique(by) for by in ("unit", "category")}
        rows = [
            (category, len(found["unit"][category]), len(found["category"][category])) for category in found["unit"]
        ]
        parts += [
            html.join((html.Markup("<h2>"), name, html.Markup("</h2>"))),
            html.table(("category", "concepts, best of each unit", "concepts, best of each category"), rows),
            html.cards(cards, width=PICTURES * WIDTH if lens is not None else WIDTH),
        ]
    return html.page("What units stand for", *parts)


@technique
def export_dissection(
    report: Dissection, path: str | os.PathLike[str], *, lens: Lens | None = None, dataset: Any = None
) -> Steps[Path]:
    """Writes a dissection to a file in the form its name ends in; called off before its end it leaves no file.

    Example:
        >>> import tempfile
        >>> from convviz_widgets.data.mini_broden import MiniBroden
        >>> from convviz_widgets.methods.dissection.dissect import dissect
        >>> report = dissect(Lens.load("mini"), MiniBroden(8), "relu5")
        >>> export_dissection(report, Path(tempfile.mkdtemp()) / "report.csv").name
        'report.csv'

    Args:
        report: the dissection.
        path: a file .csv (a line per unit), .json (everything) or .html (a page that stands alone).
        lens: the network it is of.
        dataset: what it was made with; given both, the page shows the pictures that excite detectors most.

    Returns:
        The file.

    Raises:
        BadValue: another ending.
    """
    file = Path(path)
    if file.suffix.lower() == ".html":
        text = yield from to_html.steps(report, lens, dataset)
    elif file.suffix.lower() in (".csv", ".json"):
        text = to_csv(report) if file.suffix.lower() == ".csv" else to_json(report)
    else:
        raise BadValue(f"{file.name!r} does not say which form it has. Accepted: names ending in .csv, .json or .html.")
    file.write_text(text, encoding="utf-8")
    return file


def _card(report: Dissection, layer: str, detector: Detector, lens: Lens | None, dataset: Any) -> tuple[object, object]:
    """The pictures that excite a detector most, where there are any to show, and what it detects."""
    unit, concept, iou = detector
    body: object = ""
    if lens is not None and dataset is not None:
        places = [int(index) for index in report.layers[layer].top_index[unit, :PICTURES] if index >= 0]
        body = html.join(_masked(report, layer, unit, lens, dataset[place], f"picture {place}") for place in places)
        body = html.Markup(f'<div style="display:flex;gap:4px">{body}</div>')
    return body, f"{layer}:{unit} · {concept.name} ({concept.category}) · IoU {iou:.3f}"


def _masked(report: Dissection, layer: str, unit: int, lens: Lens, sample: Any, alt: str) -> html.Markup:
    mask = report.masks(lens, sample, layer, [unit])[0]
    lit = overlay.mask(lens.picture(sample), mask)
    return html.picture(encode.jpeg(lit), alt, width=WIDTH - 6)


def _harmless(text: str) -> str:
    """Text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
