"""Static HTML, safe by construction: what is not `Markup` is text, and text is escaped.

The pieces work without a style sheet of their own, because notebooks that are not trusted drop those: colours follow
the page (JupyterLab's variables where they exist, else what the page inherits), so that light and dark both read well.
"""

import html
from collections.abc import Iterable, Sequence
from typing import Any

import numpy.typing as npt

from convviz_widgets.core.errors import BadValue
from convviz_widgets.render import encode

_TEXT = (
    "color:var(--jp-ui-font-color1,inherit);font-family:var(--jp-ui-font-family,system-ui,sans-serif);font-size:13px"
)
_FAINT = "opacity:.75;font-size:12px;overflow-wrap:anywhere"
_LINE = "1px solid rgba(128,128,128,.4)"
_PAGE = (
    ":root{color-scheme:light dark}body{margin:16px;background:#fff;color:#1a1a1a;font-family:system-ui,sans-serif}"
    "@media (prefers-color-scheme:dark){body{background:#161616;color:#ececec}}"
)


class Markup(str):
    """HTML that is safe to place in a page; only the functions here should make it from what they are given."""

    __slots__ = ()


def escape(text: object) -> Markup:
    """The text as HTML that shows it; `Markup` is passed on.

    Example:
        >>> escape("<b>")
        '&lt;b&gt;'
    """
    return text if isinstance(text, Markup) else Markup(html.escape(str(text), quote=True))


def join(parts: Iterable[object], separator: str = "") -> Markup:
    """The parts one after another, each escaped unless it is `Markup`."""
    return Markup(escape(separator).join(escape(part) for part in parts))


def picture(image: bytes | npt.ArrayLike, alt: str, *, width: int | None = None, sharp: bool = False) -> Markup:
    """An image in the page itself.

    Args:
        image: bytes of a PNG or JPEG file, or a picture as `encode.pixels` takes it (kept exactly, as PNG).
        alt: what it shows, for those who do not see it.
        width: shown width in CSS pixels, or None for one CSS pixel per pixel; never wider than the place it stands in.
        sharp: enlarge without smoothing, so that each value of a map is a square.
    """
    data = image if isinstance(image, bytes) else encode.png(image)
    mime = "image/jpeg" if data[:2] == b"\xff\xd8" else "image/png"
    style = "max-width:100%;height:auto;display:block" + (";image-rendering:pixelated" if sharp else "")
    size = f' width="{int(width)}"' if width else ""
    return Markup(f'<img alt="{escape(alt)}"{size} style="{style}" src="{encode.data_uri(data, mime)}">')


def figure(body: object, caption: object = "") -> Markup:
    """Something with a caption below it."""
    note = f'<figcaption style="{_FAINT};margin-top:4px">{escape(caption)}</figcaption>' if caption else ""
    return Markup(f'<figure class="cv-figure" style="margin:0;min-width:0;{_TEXT}">{escape(body)}{note}</figure>')


def cards(items: Iterable[tuple[object, object]], *, width: int = 120) -> Markup:
    """A grid of (body, caption) pairs that fills the page's width.

    Args:
        items: a body (most often from `picture`) and its caption for each card.
        width: least width of a card, CSS pixels.
    """
    style = (
        f"display:grid;gap:10px;align-items:start;grid-template-columns:repeat(auto-fill,minmax({int(width)}px,1fr))"
    )
    return Markup(f'<div class="cv-cards" style="{style}">{join(figure(*item) for item in items)}</div>')


def table(head: Sequence[object], rows: Iterable[Sequence[object]], *, caption: object = "") -> Markup:
    """A table; columns of numbers stand right-aligned, floats with four significant digits.

    Args:
        head: one title per column.
        rows: as many cells per row as there are titles.
        caption: a line above it.

    Raises:
        BadValue: a row of another length.
    """
    lines = list(rows)
    for number, row in enumerate(lines):
        if len(row) != len(head):
            raise BadValue(f"Row {number} has {len(row)} cells. Accepted: {len(head)}, one for each of {list(head)}.")
    numeric = [bool(lines) and all(_is_number(row[index]) for row in lines) for index in range(len(head))]
    titles = _row("th", head, numeric)
    body = [_row("td", [_number(cell) for cell in row], numeric) for row in lines]
    line = f'<caption style="{_FAINT};text-align:left">{escape(caption)}</caption>' if caption else ""
    style = f"border-collapse:collapse;{_TEXT}"
    return Markup(
        f'<div style="overflow-x:auto"><table class="cv-table" style="{style}">{line}'
        f"<thead>{titles}</thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def block(*parts: object, label: str = "") -> Markup:
    """Several pieces below each other, as one thing with a name for screen readers."""
    name = f' role="group" aria-label="{escape(label)}"' if label else ""
    stacked = join(Markup(f'<div style="margin:0 0 8px">{escape(part)}</div>') for part in parts if part)
    return Markup(f'<div class="cv-static"{name} style="{_TEXT}">{stacked}</div>')


def faint(text: object) -> Markup:
    """A line of lesser weight: where something comes from, how it was made."""
    return Markup(f'<div style="{_FAINT}">{escape(text)}</div>')


def page(title: str, *parts: object) -> Markup:
    """A whole page that needs nothing else, light or dark as the reader's system is."""
    return Markup(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{_PAGE}</style></head>'
        f"<body><main>{block(*parts)}</main></body></html>"
    )


def _is_number(cell: object) -> bool:
    return hasattr(cell, "__index__") or hasattr(cell, "__float__")


def _number(cell: Any) -> object:
    return f"{float(cell):.4g}" if _is_number(cell) and not hasattr(cell, "__index__") else cell


def _row(tag: str, cells: Sequence[object], numeric: Sequence[bool]) -> Markup:
    return Markup(
        f"<tr>{join(_cell(tag, cell, numeric=numeric[at], first=at == 0) for at, cell in enumerate(cells))}</tr>"
    )


def _cell(tag: str, content: object, *, numeric: bool, first: bool) -> Markup:
    align = "right;font-variant-numeric:tabular-nums" if numeric else "left"
    scope = ' scope="col"' if tag == "th" else ""
    breaks = "break-word" if first else "anywhere"  # what a row is about keeps its words whole as long as there is room
    style = f"padding:3px 10px 3px 0;border-bottom:{_LINE};text-align:{align};overflow-wrap:{breaks}"
    return Markup(f'<{tag}{scope} style="{style}">{escape(content)}</{tag}>')
