"""The dashboard: all that can be seen of one unit and one photo, in panels that share both, in one cell or several."""

from collections.abc import Iterable
from typing import Any

import anywidget
import numpy as np
import numpy.typing as npt
import traitlets

from convviz_widgets.core.errors import BadType, BadValue, unknown_name
from convviz_widgets.core.unit import Unit
from convviz_widgets.jobs.worker import worker_of
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.deconvnet.top_images import TopImages
from convviz_widgets.methods.dissection.report import Dissection
from convviz_widgets.render import grid
from convviz_widgets.widgets import explore_state, picking
from convviz_widgets.widgets.album import Album
from convviz_widgets.widgets.am_panel import ActivationMaximizationPanel
from convviz_widgets.widgets.base import Widget, joined
from convviz_widgets.widgets.concept_browser import ConceptBrowser
from convviz_widgets.widgets.layer_picker import LayerPicker
from convviz_widgets.widgets.link import Link, link
from convviz_widgets.widgets.occlusion_brush import OcclusionBrush
from convviz_widgets.widgets.projection_viewer import ProjectionViewer

PANELS = tuple(explore_state.TRAITS)
FIRST = ("picker", "brush")
_DEFAULTS: dict[str, Any] = {"unit": "", "image": "", "panels": FIRST, "large": ""}


class Explorer(Widget):
    """Panels that share one unit and one photo; made by `explore`, which tells the arguments.

    A closed panel is gone, and what was set in it is kept; only one that also stands in another cell goes on.
    """

    _esm = joined("_kit.js", "_kit_controls.js", "explore.js")
    _css = joined("_kit.css", "_kit_controls.css", "explore.css")

    # Addresses and arrangement: written by the user, in Python or by a gesture; unit, image and concept are linkable.
    unit = traitlets.Unicode("").tag(sync=True)
    """Address of the unit that all panels look at."""
    image = traitlets.Unicode("").tag(sync=True)
    """Name of the picture that all panels look at."""
    panels: Any = traitlets.Any(()).tag(sync=True)
    """Names of the panels that stand open, in the order of `PANELS`."""
    large = traitlets.Unicode("").tag(sync=True)
    """Name of the panel that takes the whole width, or ""."""
    # The panels, None for one that is closed, and what does not change: written by the widget.
    picker = anywidget.WidgetTrait().tag(sync=True)
    brush = anywidget.WidgetTrait().tag(sync=True)
    am = anywidget.WidgetTrait().tag(sync=True)
    projections = anywidget.WidgetTrait().tag(sync=True)
    concepts = anywidget.WidgetTrait().tag(sync=True)
    about = traitlets.Dict({}).tag(sync=True)
    """{"network", "there"}: the network's name, and the names of the panels that can be opened."""

    def __init__(
        self,
        lens: Lens,
        images: Any,
        report: Dissection | None = None,
        *,
        dataset: Any = None,
        panels: Iterable[str] = FIRST,
        large: str = "",
        unit: str | Unit | None = None,
        image: str | None = None,
        **settings: Any,
    ) -> None:
        self._made: dict[str, Any] = {}  # first, as `close` asks for it also after an error below
        self._ties: dict[str, Link] = {}
        self._best: dict[str, TopImages] = {}  # found once for the panels that show it
        self._elsewhere: set[str] = set()
        self._added: set[str] = set()
        self._kept = explore_state.settings_of(settings, [*_DEFAULTS, "report", "dataset"])
        self.lens, self.images, self.report, self.dataset = lens, images, report, dataset
        self.album = Album(images)
        self._worker = worker_of(lens)
        super().__init__()
        there = [name for name in PANELS if name != "concepts" or report is not None]
        if image is not None and image not in self.album:
            raise unknown_name("image", image, self.album)
        self._painted_on = next(iter(self.album), "") if image is None else image
        self.write(about={"network": lens.name, "there": there}, unit=str(unit or ""), image=self._painted_on)
        try:
            self.arrange(panels=panels, large=large)
        except BaseException:
            self.close()
            raise

    def arrange(self, *, panels: Iterable[str] | None = None, large: str | None = None) -> None:
        """Opens and closes panels, and gives one the whole width; what is not given stays.

        Raises:
            UnknownName, BadValue: there is no such panel; the large one is not open; concepts without a dissection.
        """
        with self._lock:
            wanted = self._names(self.panels if panels is None else panels)
            great = self.large if large is None else explore_state.checked_large(large, wanted)
            try:
                self._make(name for name in wanted if name not in self._made)
            finally:  # one that cannot be made does not stand open
                shown = {name: self._made.get(name) if name in wanted else None for name in PANELS}
                wanted = [name for name in wanted if shown[name] is not None]
                self.write(**shown, panels=wanted, large=great if great in wanted else "", problem={})
                self._let_go(set(self._made) - set(wanted) - self._elsewhere)

    def panel(self, name: str) -> Any:
        """A panel on its own, to show in another cell; it stays tied to the others, and when they close it goes on.

        Raises:
            UnknownName, BadValue: there is no such panel, or it needs a dissection.
        """
        with self._lock:
            self._names([name])
            self._make(each for each in [name] if each not in self._made)
            self._elsewhere.add(name)
            return self._made[name]

    def code(self) -> str:
        """One line of Python that makes the same dashboard again: unit, photo, panels and what is set in them."""
        held = {name: explore_state.state_of(name, panel) for name, panel in self._made.items()}
        state = {name: self._again(name) for name in PANELS} | held
        image = "" if self.image in self._added else self.image
        if not image:  # one that was dropped onto a panel is nowhere else
            state["brush"].pop("region", None)
        choice = {"unit": self.unit, "image": image, "panels": tuple(self.panels), "large": self.large}
        given: dict[str, Any] = {key: value for key, value in choice.items() if value != _DEFAULTS[key]}
        given |= {name: explore_state.plain(each) for name, each in state.items() if each}
        names = [explore_state.called(self.lens, "lens"), explore_state.called(self.images, "images")]
        names += [] if self.report is None else [explore_state.called(self.report, "report")]
        names += [] if self.dataset is None else [f"dataset={explore_state.called(self.dataset, 'dataset')}"]
        return f"cv.explore({', '.join([*names, *(f'{key}={value!r}' for key, value in given.items())])})"

    def receive(self, message: dict[str, Any], buffers: list[memoryview]) -> None:  # noqa: ARG002
        """Answers a gesture: ``open``, ``close``, ``enlarge`` a panel; the line of ``code``, or for ``elsewhere``."""
        kind, name = message["kind"], message.get("panel", "")
        if kind == "open":
            self.arrange(panels=[*self.panels, name])
        elif kind == "close":
            explore_state.checked_panel(name)
            self.arrange(panels=[each for each in self.panels if each != name])
        elif kind == "enlarge":
            self.arrange(large=name if name != self.large else "")
        elif kind == "elsewhere":
            self._names([name])
            self.send(
                {"kind": "code", "text": f"{explore_state.called(self, 'explorer')}.panel({name!r})", "for": name}
            )
        elif kind == "code":
            self.send({"kind": "code", "text": self.code(), "for": ""})
        else:
            raise BadValue(f"The browser asked for {kind!r}, which is not known here.")

    def take(self, name: str, image: Any) -> None:
        """Puts a panel's picture into the album of all."""
        self._added.add(self.album.add(name, image))

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until there is nothing more to be done in the background; says whether that is so."""
        return self._worker.wait(timeout)

    def still(self) -> npt.NDArray[np.uint8] | None:
        """The stills of the open panels, one below the other."""
        found = [self._made[name].still() for name in self.panels]
        shown = [each for each in found if each is not None]
        return grid.montage(shown, columns=1) if shown else None

    def close(self) -> None:
        """Ends all panels, also those in other cells, and the dashboard."""
        self._let_go(set(self._made))
        super().close()

    def __repr__(self) -> str:
        return f"Explorer({self.lens.name}, {len(self.album)} pictures, open: {', '.join(self.panels) or 'none'})"

    @traitlets.validate("unit")
    def _check_unit(self, proposal: Any) -> str:
        return str(picking.checked(self.lens, proposal["value"])) if proposal["value"] else ""

    @traitlets.validate("image")
    def _check_image(self, proposal: Any) -> str:
        if proposal["value"] not in self.album and len(self.album):
            raise unknown_name("image", proposal["value"], self.album)
        return str(proposal["value"])

    @traitlets.validate("panels")
    def _check_panels(self, proposal: Any) -> list[str]:
        return self._names(proposal["value"])

    @traitlets.validate("large")
    def _check_large(self, proposal: Any) -> str:
        return explore_state.checked_large(proposal["value"], self.panels)

    @traitlets.observe("panels", "large")
    def _set_from_outside(self, change: Any) -> None:
        if not self.writing:
            self.arrange(**{change.name: change.new})

    def _names(self, names: Iterable[str]) -> list[str]:
        """Names of panels that there are, each once, in the order they stand in."""
        if isinstance(names, str):
            raise BadType(f"`panels` takes names of panels in a list, as in [{names!r}].")
        wanted = {explore_state.checked_panel(name) for name in names}
        if "concepts" in wanted and self.report is None:
            raise BadValue("The panel 'concepts' shows a dissection: explore(lens, images, cv.dissect(lens, images)).")
        return [name for name in PANELS if name in wanted]

    def _make(self, names: Iterable[str]) -> None:
        """Makes panels, each as it was when it was closed, and ties them to the dashboard."""
        for name in names:
            panel = self._made[name] = self._build(name)
            self._ties[name] = link(self, panel, only=("unit", "image") if panel.has_trait("image") else ("unit",))
            if not self.unit and name != "am":  # what it chose on its own before it was tied
                self.unit = panel.unit

    def _build(self, name: str) -> Any:
        lens, images, kept = self.lens, self.images, self._again(name)
        unit = self.unit or None
        known = self.image and self.image not in self._added  # else the panel gets it by the tie
        image = {"image": self.image} if known else {}
        if name == "picker":
            return LayerPicker(lens, images, unit=unit, best=self._best, **image)
        if name == "brush":
            return OcclusionBrush(lens, images, unit=unit, **image, **kept)
        if name == "projections":
            return ProjectionViewer(lens, images, unit=unit, best=self._best, **image, **kept)
        if name == "am":
            return ActivationMaximizationPanel(lens, None if "objective" in kept else unit, images=images, **kept)
        report: Any = self.report
        chosen = kept or {"unit": unit}  # with a concept the unit comes by the tie
        return ConceptBrowser(lens, report, images if self.dataset is None else self.dataset, **chosen)

    def _again(self, name: str) -> dict[str, Any]:
        """What a panel that is not there begins with."""
        kept = dict(self._kept.get(name, {}))
        if self.image != self._painted_on:
            kept.pop("region", None)
        return kept

    def _let_go(self, names: Iterable[str]) -> None:
        """Ends panels, and keeps what was set in them."""
        for name in names:
            panel = self._made.pop(name)
            self._ties.pop(name).unlink()
            self._elsewhere.discard(name)
            self._kept[name] = explore_state.state_of(name, panel)
            if name == "brush":
                self._painted_on = panel.image
            panel.close()


def explore(
    lens: Lens,
    images: Any,
    report: Dissection | None = None,
    *,
    dataset: Any = None,
    panels: Iterable[str] = FIRST,
    large: str = "",
    unit: str | Unit | None = None,
    image: str | None = None,
    **settings: Any,
) -> Explorer:
    """All that can be seen of one unit and one photo, in one cell: panels that share both.

    ``picker``, a `LayerPicker`; ``brush``, an `OcclusionBrush`; ``am``, an `ActivationMaximizationPanel`;
    ``projections``, a `ProjectionViewer`; and, with a dissection, ``concepts``, a `ConceptBrowser`. A panel is made
    when it is first opened, and a closed one costs nothing. ``explorer.panel("am")`` in another cell shows one there;
    ``explorer.code()`` is one line that makes the same dashboard again.

    Example:
        >>> images = list(np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), dtype=np.uint8))
        >>> explorer = explore(Lens.load("mini"), images, unit="conv3:5", panels=["picker"])
        >>> explorer.panels, explorer.picker.unit, explorer.brush
        (['picker'], 'conv3:5', None)
        >>> explorer.code()
        "cv.explore(lens, images, unit='conv3:5', image='image 0', panels=('picker',))"
        >>> explorer.close()

    Args:
        lens: the network.
        images: pictures to choose from: a list, an ``ImageFolder``, a dataset; also where patches are searched.
        report: what `dissect` gave, for the panel ``concepts``.
        dataset: what was dissected, where it is not ``images``.
        panels: names of those that stand open at first.
        large: name of the one that takes the whole width.
        unit: address of the unit to begin with; default: the picker's choice.
        image: name of the picture to begin with; default: the first.
        settings: for each panel by name what is set in it, as ``am={"recipe": "mahendran"}``; see `Explorer.code`.

    Raises:
        UnknownName, BadValue, BadType: a panel, unit, picture or setting that is not there.
    """
    return Explorer(
        lens, images, report, dataset=dataset, panels=panels, large=large, unit=unit, image=image, **settings
    )
