"""The handbook as HTML files: an index, a page for each row of the catalog, and the troubles."""

import inspect
import os
import re
import typing
from importlib import import_module
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

from convviz_widgets.catalog import ROWS, Row
from convviz_widgets.core.errors import BadValue, BrokenInstall
from convviz_widgets.core.knob import knobs
from convviz_widgets.handbook.troubles import kinds, troubles
from convviz_widgets.render.html import Markup, escape, faint, join, page, table

HEADINGS = {
    "handle": "Networks and units",
    "data": "Pictures",
    "tool": "Tools",
    "technique": "Techniques",
    "widget": "Widgets",
    "error": "Errors",
}


def write(folder: str | os.PathLike[str], repository: str = "") -> list[Path]:
    """Writes the whole handbook; gives the files.

    Args:
        folder: made if it is not there; files of the same names are replaced.
        repository: "owner/name" on GitHub, where Binder finds the notebooks; without it no page links to Binder.

    Raises:
        BadValue: the repository is not written so.
        BrokenInstall: pdoc, which reads the docstrings, is not installed.
    """
    if repository and not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise BadValue(f"{repository!r} is no repository. It is written owner/name, as in its address on GitHub.")
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    pages = {"index": _index(repository), "troubleshooting": _troubleshooting()}
    pages |= {row.name: _page(row, repository) for row in ROWS}
    for name, markup in pages.items():
        (out / f"{name}.html").write_text(markup, encoding="utf-8")
    return [out / f"{name}.html" for name in pages]


def _index(repository: str) -> Markup:
    parts: list[object] = [Markup("<h1>convviz_widgets</h1>")]
    order = list(HEADINGS)
    for kind, rows in groupby(sorted(ROWS, key=lambda row: order.index(row.kind)), key=lambda row: row.kind):
        parts.append(Markup(f"<h2>{escape(HEADINGS[kind])}</h2>"))
        parts.append(
            table(["name", "what it gives", "source"], [(_link(row), row.summary, row.source) for row in rows])
        )
    if repository:
        notebooks = sorted({row.notebook for row in ROWS if row.notebook})
        parts.append(Markup("<h2>Notebooks</h2>"))
        parts.append(table(["notebook", ""], [(name, _launch(name, repository)) for name in notebooks]))
    parts.append(Markup('<p><a href="troubleshooting.html">Troubleshooting</a>: every error, in its own words</p>'))
    return page("convviz_widgets", *parts)


def _page(row: Row, repository: str) -> Markup:
    value = getattr(import_module(row.module), row.attribute)
    parts: list[object] = [Markup('<p><a href="index.html">convviz_widgets</a></p>'), _title(row)]
    parts.append(Markup(f"<pre style='white-space:pre-wrap'>{escape(_signature(row.name, value))}</pre>"))
    parts.append(_text(inspect.getdoc(value) or ""))
    if turned := _knobs(value):
        parts += [Markup("<h2>Knobs</h2>"), turned]
    if about := inspect.getdoc(import_module(row.module)):
        parts += [Markup("<h2>The method</h2>"), _text(about)]
    result = _result(value)
    if result is not None:
        parts += [Markup(f"<h2>What it gives: {escape(result.__name__)}</h2>"), _text(inspect.getdoc(result) or "")]
    if row.notebook:
        parts.append(faint(f"Shown in notebooks/{row.notebook}"))
        if repository:
            parts.append(_launch(row.notebook, repository))
    return page(f"{row.name} · convviz_widgets", *parts)


def _troubleshooting() -> Markup:
    parts: list[object] = [
        Markup('<p><a href="index.html">convviz_widgets</a></p><h1>Troubleshooting</h1>'),
        "Every error says what is wrong, what was given, what is accepted and the next step; … is filled in.",
        "All are a ConvvizError, so that one except clause catches them.",
    ]
    meaning = kinds()
    for kind, found in groupby(troubles(), key=lambda trouble: trouble.kind):
        parts.append(Markup(f'<h2 id="{escape(kind)}">{escape(kind)}</h2>'))
        parts.append(meaning[kind])
        parts.append(table(["what it says", "raised in"], [(each.text, each.module) for each in found]))
    return page("Troubleshooting · convviz_widgets", *parts)


def _title(row: Row) -> Markup:
    source = faint(f"Source: {row.source}") if row.source else ""
    return join([Markup(f"<h1>{escape(row.name)}</h1>"), Markup(f"<p>{escape(row.summary)}</p>"), source])


def _link(row: Row) -> Markup:
    return Markup(f'<a href="{escape(row.name)}.html"><code>{escape(row.name)}</code></a>')


def _launch(notebook: str, repository: str) -> Markup:
    """The link that opens a notebook on Binder."""
    path = quote(f"notebooks/{notebook}", safe="")
    return Markup(f'<a href="https://mybinder.org/v2/gh/{repository}/HEAD?labpath={path}">Launch on Binder</a>')


def _signature(name: str, value: Any) -> str:
    """The call as one writes it: names and defaults; the docstring tells the types."""
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return name
    bare = [each.replace(annotation=inspect.Parameter.empty) for each in parameters]
    return name + str(inspect.Signature(bare)).replace("(", "(\n    ", 1).replace(", ", ",\n    ").rstrip(")") + ",\n)"


def _knobs(value: Any) -> Markup | str:
    if not callable(value) or isinstance(value, type):
        return ""
    rows = [
        (name, f"{knob.low:g} to {knob.high:g}{' ' + knob.unit if knob.unit else ''}", default, knob.help)
        for name, (knob, default) in knobs(getattr(value, "steps", value)).items()
    ]
    return table(["knob", "range", "default", "what turning it does"], rows) if rows else ""


def _result(value: Any) -> type | None:
    """The class of what a technique returns, from the annotation of its steps."""
    steps = getattr(value, "steps", None)
    hint = typing.get_type_hints(steps).get("return") if steps else None
    last = typing.get_args(hint)[-1:]
    return last[0] if last and isinstance(last[0], type) else None


def _text(docstring: str) -> Markup:
    """A docstring in Google's style as HTML."""
    try:
        from pdoc import docstrings, render_helpers
    except ImportError:
        raise BrokenInstall(
            "The handbook needs pdoc, which reads the docstrings. Install it with `pip install convviz_widgets[docs]`."
        ) from None
    markdown = docstrings.convert(docstring, "google", None).replace("\n###### ", "\n### ")
    return Markup(render_helpers.to_html(markdown))
