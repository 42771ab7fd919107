"""The concept browser: a dissection report to walk through, from layers to units to concepts and back."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import traitlets

from convviz_widgets.core.errors import BadValue, unknown_name
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.unit import Unit
from convviz_widgets.jobs.job import Job
from convviz_widgets.jobs.worker import Worker, worker_of
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.dissection.report import Dissection
from convviz_widgets.widgets import concept_still, picking
from convviz_widgets.widgets.base import Widget, joined
from convviz_widgets.widgets.concept_cards import checked_concept
from convviz_widgets.widgets.concept_index import Index
from convviz_widgets.widgets.concept_list import Shown, Wanted, answer
from convviz_widgets.widgets.concept_pictures import Gallery
from convviz_widgets.widgets.concept_report import checked_report, compared, overview
from convviz_widgets.widgets.concept_work import FORMATS, Workshop
from convviz_widgets.widgets.viewer import SECONDS_FOR_A_STILL, told

WORK = ("grow", "combine", "export")


class ConceptBrowser(Widget):
    """What each unit of a dissected network stands for, to search, sort, compare and look at.

    Layers with bars of the concepts they detect; a list of units, or of concepts, of which only what is in view is
    sent; a card of one unit (pictures with its mask, concepts, an image grown for it) or of one concept (its best
    units, and all units of a layer together beside the best single one).

    Example:
        >>> from convviz_widgets.data.mini_broden import MiniBroden
        >>> from convviz_widgets.methods.dissection.dissect import dissect
        >>> lens, dataset = Lens.load("mini"), MiniBroden(8)
        >>> browser = ConceptBrowser(lens, dissect(lens, dataset, "relu5"), dataset, unit="relu5:3")
        >>> browser.wait(60), browser.card["unit"], len(browser.pictures["items"])
        (True, 'relu5:3', 8)
        >>> browser.close()

    Args:
        lens: the network that was dissected.
        report: what `dissect` gave.
        dataset: what was dissected, for pictures; without it there are none.
        compare: the report of another network or snapshot to set beside, or {name: report}.
        unit: address of the unit to begin with.
        concept: id, name, or "category: name" of the concept to begin with, if there is no unit.

    Raises:
        BadType, BadValue: a report or dataset of something else.
        UnknownName: a unit or concept that does not exist.

    Source:
        After Bau, Zhou, Khosla, Oliva & Torralba 2017, "Network Dissection", section 2, and Fong & Vedaldi 2018,
        "Net2Vec", section 3.
    """

    _esm = joined(
        *("_kit.js", "_kit_controls.js", "_concept_layers.js", "_concept_list.js", "_concept_pictures.js"),
        *("_concept_unit.js", "_concept_concept.js", "concept_browser.js"),
    )
    _css = joined("_kit.css", "_kit_controls.css", "_viewer.css", "concept_browser.css")

    # Addresses: written by the user, in Python or by a gesture; linkable.
    unit = traitlets.Unicode("").tag(sync=True)
    """Address of the unit, ``layer:channel``; a position is left out."""
    concept = traitlets.Unicode("").tag(sync=True)
    """The concept, as ``category: name``."""

    # What does not change: written by the widget.
    overview = traitlets.Dict({}).tag(sync=True)
    """{"limit", "count", "concepts", "colours", "reports", "pictures", "combine"}; a report as of `overview`."""

    # Lists and cards: written by the clerk's thread.
    listing = traitlets.Dict({}).tag(sync=True)
    """{"number", "query", "total", "page", "rows"}: the present list and its first rows; see `Index.rows`."""
    page = traitlets.Dict({}).tag(sync=True)
    """{"number", "start", "rows"}: more rows of the list of this number."""
    card = traitlets.Dict({}).tag(sync=True)
    """The unit or concept that is looked at; see `unit_card` and `concept_card`."""
    answered = traitlets.Int(0).tag(sync=True)
    """Number of the newest gesture that was answered, as the browser counts them."""

    # What takes longer: written by the worker.
    pictures = traitlets.Dict({}).tag(sync=True)
    """{"of": unit or concept, "items", "note"}; see `Shot.told`."""
    grown = traitlets.Dict({}).tag(sync=True)
    """{"unit", "jpeg", "activation"}: an image grown for the unit, or empty."""
    combination = traitlets.Dict({}).tag(sync=True)
    """All units of a layer together for a concept; see `Workshop.combine`."""
    progress = traitlets.Dict({}).tag(sync=True)
    """{"label", "fraction", "kind"} of what is under way; empty when nothing is."""

    def __init__(
        self,
        lens: Lens,
        report: Dissection,
        dataset: Any = None,
        *,
        compare: Any = None,
        unit: str | Unit | None = None,
        concept: Any = None,
        **traits: Any,
    ) -> None:
        self._worker = worker_of(lens)  # first, as `close` asks for it also after an error below
        self._clerk: Worker | None = None
        self._asked = self._fails = 0
        self._ready = False
        self._looking: Job[Any] | None = None
        self._picturing: Job[Any] | None = None
        checked_report(lens, report)
        name, other = compared(compare)
        gallery = None if dataset is None else Gallery(lens, report, dataset)
        self.lens, self.report, self.dataset = lens, report, dataset
        self._index = Index(report, other)
        self._clerk = worker_of(self._index)  # a thread of its own: lists do not wait for the network
        self._workshop = Workshop(lens, self._index, gallery)
        self._wanted, self._shown = Wanted(), Shown()
        super().__init__(**traits)
        self.write(overview={**overview(lens, report, name, other), "pictures": dataset is not None})
        first = {"unit": str(self._index.unit(0))} if not unit and concept is None else {}
        self._wish({"unit": str(unit)} if unit else {"concept": concept} | first)
        self._ready = True
        self._look()

    def receive(self, message: dict[str, Any], _buffers: list[memoryview]) -> None:
        """Answers a gesture: ``look``, ``grow`` an image, ``combine`` units, ``export`` a file, ``stop`` these."""
        self._asked = max(self._asked, int(message.get("ask", 0)))
        kind, wanted = message["kind"], self._wanted
        if kind == "look":
            self._wish(message)
            self._look()
        elif kind == "grow":
            self._work(kind, self._workshop.grow(wanted.unit), self._made("grown", wanted, progress={}))
        elif kind == "combine":
            steps = self._workshop.combine(wanted.concept, str(message.get("layer", "")))
            self._work(kind, steps, self._made("combination", wanted, progress={}))
        elif kind == "export":
            if message.get("format") not in FORMATS:
                raise unknown_name("format", message.get("format"), FORMATS)
            self._work(kind, self._workshop.file(message["format"]), self._hand_over)
        elif kind == "stop":
            self._cancel(*WORK)
            self.write(progress={})
        else:
            raise BadValue(f"The browser asked for {kind!r}, which is not known here.")

    def look(self, *, unit: str | Unit | None = None, concept: Any = None) -> None:
        """Turns to a unit, or to a concept, also to the one that `unit` or `concept` hold already.

        Raises:
            UnknownName, BadValue: there is no such unit or concept.
        """
        self._wish({"unit": str(unit)} if unit else {"concept": concept})
        self._look()

    def find(self, **query: Any) -> None:
        """Searches, filters and sorts the list.

        Example:
            >>> from convviz_widgets.data.mini_broden import MiniBroden
            >>> from convviz_widgets.methods.dissection.dissect import dissect
            >>> lens = Lens.load("mini")
            >>> browser = ConceptBrowser(lens, dissect(lens, MiniBroden(8), "relu5"))
            >>> browser.find(category="colour", low=0.1, order="concept")
            >>> browser.wait(60), browser.listing["query"]["category"]
            (True, 'colour')
            >>> browser.close()

        Args:
            query: fields of `Query` to change: things ("units" or "concepts"), text, category, layer, low, high, order.

        Raises:
            UnknownName, BadValue, BadType: a field or value that does not exist.
        """
        self._wish({"query": query})
        self._look()

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until the newest look is answered, pictures included; says whether it is."""
        looked = self._looking is None or self._looking.wait(timeout)
        return looked and (self._picturing is None or self._picturing.wait(timeout))

    def fail(self, error: BaseException) -> None:
        """Shows an error inside the widget, which stays usable; the gesture counts as answered."""
        with self._lock, self.hold_sync():
            super().fail(error)
            self._fails += 1  # the same error twice is told twice
            self.write(problem={**self.problem, "number": self._fails}, answered=self._asked, progress={})

    def still(self) -> npt.NDArray[np.uint8]:
        """The bars of unique detectors, and the pictures of what is looked at."""
        self.wait(SECONDS_FOR_A_STILL)
        return concept_still.picture(self.overview, self._wanted.key, self._workshop.shots(self._wanted))

    def close(self) -> None:
        """Ends the work under way and the widget."""
        self._cancel("pictures", *WORK)
        if self._clerk is not None:
            self._clerk.close()
        super().close()

    def __repr__(self) -> str:
        return f"ConceptBrowser({self.lens.name}, {len(self._index)} units, {len(self.report.concepts)} concepts)"

    @traitlets.validate("unit")
    def _check_unit(self, proposal: Any) -> str:
        return str(picking.checked(self.lens, proposal["value"]).whole) if proposal["value"] else ""

    @traitlets.validate("concept")
    def _check_concept(self, proposal: Any) -> str:
        return checked_concept(self._index, proposal["value"])

    @traitlets.observe("unit", "concept")
    def _set_from_outside(self, change: Any) -> None:
        if self.writing or not self._ready or not change.new:
            return
        self._wish({change.name: change.new})
        self._look()

    def _wish(self, message: dict[str, Any]) -> None:
        with self._lock:
            self._wanted = self._wanted.changed(message, self.lens, self._index)

    def _look(self) -> None:
        """Hands the present wish to the clerk, whose answer is one message; pictures follow."""
        asked, wanted = self._asked, self._wanted

        def see() -> Steps[tuple[dict[str, Any], Shown]]:
            yield Step(1, 1)
            return answer(self._index, wanted, self._shown)

        def show(found: tuple[dict[str, Any], Shown]) -> None:
            changed, self._shown = found
            if "card" in changed:
                changed |= self._workshop.kept(wanted)
            self.write(**changed, problem={}, answered=asked)
            if "card" in changed and "pictures" not in changed:
                self._picture(wanted)

        clerk = worker_of(self._index)
        self._looking = clerk.submit(see, key=(id(self), "look"), on_done=show, on_error=self.fail)

    def _picture(self, wanted: Wanted) -> None:
        """Pictures of the card's unit or concept, as soon as the network is free."""
        self._picturing = self._worker.submit(
            lambda: self._workshop.picture(wanted),
            key=(id(self), "pictures"),
            priority=1,
            on_done=self._made("pictures", wanted),
            on_error=self.fail,
        )

    def _work(self, kind: str, steps: Steps[Any], done: Callable[[Any], None]) -> None:
        """Begins what was asked for by a button; the newest of a kind counts."""

        def step(now: Step) -> None:
            self.write(progress={**told(now.label or kind, now), "kind": kind})

        self._worker.submit(lambda: steps, key=(id(self), kind), on_step=step, on_done=done, on_error=self.fail)

    def _made(self, trait: str, wanted: Wanted, **more: Any) -> Callable[[Any], None]:
        """Shows what was made, if its unit or concept is still looked at; else it is kept for later."""

        def show(made: dict[str, Any]) -> None:
            self.write(**more, **({trait: made} if self._wanted.key == wanted.key else {}))

        return show

    def _hand_over(self, file: tuple[str, str, bytes]) -> None:
        name, kind, data = file
        self.send({"kind": "file", "name": name, "type": kind}, [data])
        self.write(progress={})

    def _cancel(self, *kinds: str) -> None:
        for kind in kinds:
            self._worker.cancel((id(self), kind))
