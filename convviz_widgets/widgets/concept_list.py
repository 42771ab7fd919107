"""What a concept browser answers to a look: a list, a page of it, the card of what is chosen."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from convviz_widgets.core.errors import BadValue
from convviz_widgets.core.unit import Unit
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.dissection.report import column_of
from convviz_widgets.widgets import picking
from convviz_widgets.widgets.concept_cards import checked_concept, concept_card, unit_card
from convviz_widgets.widgets.concept_index import Found, Index, Query

PAGE = 64  # rows sent at a time


@dataclass(frozen=True)
class Wanted:
    """What is asked for.

    Args:
        query: which list.
        unit: address of the unit chosen, or "".
        concept: key of the concept chosen, or "".
        face: which of the two the card shows.
        page: number of a list, and the first row wanted of it; None for no more than the list's beginning.
    """

    query: Query = field(default_factory=Query)
    unit: str = ""
    concept: str = ""
    face: Literal["unit", "concept"] = "unit"
    page: tuple[int, int] | None = None

    @property
    def key(self) -> str:
        """Of what the card shows."""
        return self.unit if self.face == "unit" else self.concept

    def changed(self, message: Mapping[str, Any], lens: Lens, index: Index) -> "Wanted":
        """After a gesture.

        Raises:
            UnknownName, BadValue, BadType: something that does not exist.
        """
        made = replace(self, page=None)
        if "query" in message:
            made = replace(made, query=self.query.changed(message["query"], index.report))
        if message.get("unit"):
            unit = str(picking.checked(lens, message["unit"]).whole)
            made = replace(made, unit=unit, face="unit")
        elif concept := checked_concept(index, message.get("concept")):
            made = replace(made, concept=concept, face="concept")
        if "page" in message:
            number, start = (int(each) for each in message["page"])
            if start < 0:
                raise BadValue(f"There is no row {start}. Accepted: 0 and more.")
            made = replace(made, page=(number, start))
        return made


@dataclass(frozen=True)
class Shown:
    """What the browser has.

    Args:
        number: of the list, counted from 1.
        query: of the list, None before the first.
        found: its rows.
        key: of the unit or concept on the card.
        face: what the card shows.
    """

    number: int = 0
    query: Query | None = None
    found: Found | None = None
    key: str = ""
    face: str = ""


def answer(index: Index, wanted: Wanted, shown: Shown) -> tuple[dict[str, Any], Shown]:
    """What changes in the browser, as traits, and what it then has."""
    changed: dict[str, Any] = {}
    found, number = shown.found, shown.number
    if found is None or wanted.query != shown.query:
        found, number = index.find(wanted.query), number + 1
        changed["listing"] = {
            "number": number,
            "query": asdict(wanted.query),
            "total": len(found),
            "page": PAGE,
            "rows": index.rows(found, 0, PAGE),
        }
    elif wanted.page is not None and wanted.page[0] == number:
        start = wanted.page[1] - wanted.page[1] % PAGE
        changed["page"] = {"number": number, "start": start, "rows": index.rows(found, start, start + PAGE)}
    if wanted.key and ("listing" in changed or (wanted.key, wanted.face) != (shown.key, shown.face)):
        row = _row(index, wanted, found)
        changed["card"] = (
            unit_card(index, wanted.unit, row) if wanted.face == "unit" else concept_card(index, wanted.concept, row)
        )
        changed |= {"unit": wanted.unit, "concept": wanted.concept}
    return changed, Shown(number, wanted.query, found, wanted.key, wanted.face)


def _row(index: Index, wanted: Wanted, found: Found) -> int:
    """The row of the present list that is chosen: of units the unit, of concepts the concept; -1 for none."""
    if wanted.query.things == "units":
        place = index.place(Unit.parse(wanted.unit)) if wanted.unit else -1
    else:
        place = column_of(index.report.concepts, wanted.concept) if wanted.concept else -1
    return found.row_of(place) if place >= 0 else -1
