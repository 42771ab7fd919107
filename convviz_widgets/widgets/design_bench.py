"""The design bench: filters made by design under sliders, and how a trained structured layer mixes its own."""

from typing import Any

import numpy as np
import numpy.typing as npt
import traitlets

from convviz_widgets.core.errors import BadType, BadValue, unknown_name
from convviz_widgets.core.knob import knobs as knobs_of
from convviz_widgets.core.knob import set_to
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.unit import Unit
from convviz_widgets.jobs.job import Job
from convviz_widgets.jobs.worker import worker_of
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.controlled_design import bench
from convviz_widgets.methods.controlled_design.bench import FAMILIES, Bank
from convviz_widgets.render.colormap import lut
from convviz_widgets.render.signal import signal_picture
from convviz_widgets.widgets.base import Widget, joined

MIXTURE = "learned mixture"
SHOWN = 128  # filters of a layer that can be chosen among
SECONDS = 5.0  # how long showing the widget waits for its first filters
SEGMENT = 65_536  # bytes, as much as a local connection sends at once; see `Viewer._push`


class DesignBench(Widget):
    """Sliders for order, scale, orientations, frequency and bandwidth, and the filters that come of them, at once.

    With a network that has structured layers, also how each of their filters is mixed: the bases, the shares as bars,
    and what comes of them.

    Example:
        >>> bench = DesignBench(family="gabor", knobs={"frequency": 0.2})
        >>> bench.wait(20)
        True
        >>> bench.bank.filters.shape[0]
        12

    Args:
        lens: a network with structured layers, or None.
        family: what to begin with; default: the learned mixture where there is one, else Gaussian derivatives.
        knobs: values of the family's knobs, by name.
        unit: of the learned mixture, such as ``"conv1:3"``; default: the first filter of the first structured layer.

    Raises:
        UnknownName: another family, knob or layer.
        BadValue: a value out of range; a network without structured layers.

    Source:
        Jacobsen 2016; Freeman & Adelson 1991; Daugman 1985; Bruna & Mallat 2013; Cohen & Welling 2016.
    """

    _esm = joined("_kit.js", "_kit_controls.js", "_design_filters.js", "_design_mixture.js", "design_bench.js")
    _css = joined("_kit.css", "_kit_controls.css", "_viewer.css", "design_bench.css")

    # Addresses and knobs: written by the user, in Python or by a gesture.
    family = traitlets.Unicode("").tag(sync=True)
    """What is shown: a family of filters, or "learned mixture"."""
    knobs = traitlets.Dict({}).tag(sync=True)
    """Values of the family's knobs that were turned; the others stand as the family has them."""
    unit = traitlets.Unicode("").tag(sync=True)
    """Filter whose mixture is shown; "" without a network."""

    # What does not change: written by the widget.
    offered = traitlets.Dict({}).tag(sync=True)
    """{"families": [{"name", "summary", "knobs"}], "layers": {layer: filters}, "network", "colours"}."""

    # Pictures: written by the worker.
    view = traitlets.Dict({}).tag(sync=True)
    """The filters as pictures, in words and as code, and what they are mixed to; see `view_of`."""
    layer_filters = traitlets.Dict({}).tag(sync=True)
    """{"layer", "side", "count", "filters"}: all filters of the structured layer, (K, h, h, 3) uint8."""
    answered = traitlets.Int(0).tag(sync=True)
    """Number of the newest gesture that was answered, as the browser counts them."""

    def __init__(
        self,
        lens: Lens | None = None,
        *,
        family: str | None = None,
        knobs: dict[str, float] | None = None,
        unit: str | Unit | None = None,
        **traits: Any,
    ) -> None:
        self._worker = worker_of(self if lens is None else lens)  # first, as `close` asks for it also after an error
        if lens is not None and not isinstance(lens, Lens):
            raise BadType(f"A {type(lens).__name__} was given. Accepted: a Lens, or None.")
        self.lens = lens
        self.bank: Bank | None = None
        self._job: Job[dict[str, Any]] | None = None
        self._asked, self._near, self._ready = 0, False, False
        self._layers = [] if lens is None else bench.mixing_layers(lens)
        if lens is not None and not self._layers:
            raise BadValue(f"{lens.name} has no structured layer, so there is no mixture to show. Leave the lens out.")
        super().__init__(**traits)
        first = MIXTURE if self._layers else next(iter(FAMILIES))
        address = f"{self._layers[0]}:0" if unit is None and self._layers else str(unit or "")
        self.write(offered=self._offered(), family=first if family is None else family, unit=address)
        self.knobs = dict(knobs or {})
        self._ready = True
        self._look()

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until the newest gesture is answered; says whether it is."""
        return self._job is None or self._job.wait(timeout)

    def receive(self, message: dict[str, Any], buffers: list[memoryview]) -> None:  # noqa: ARG002 -- it carries none
        """Answers a gesture: ``turn`` knobs, choose a family or a unit."""
        self._asked = max(self._asked, int(message.get("ask", 0)))
        self._near = bool(message.get("near", self._near))
        if message["kind"] != "turn":
            raise BadValue(f"The browser asked for {message['kind']!r}, which is not known here.")
        family = self._checked_family(message.get("family", self.family))
        held = dict(self.knobs) if family == self.family else {}
        held.update(message.get("knobs") or {})
        knobs = self._checked_knobs(family, {name: value for name, value in held.items() if value is not None})
        unit = self._checked_unit(message.get("unit", self.unit))
        self._ready = False
        try:
            self.write(family=family, knobs=knobs, unit=unit)
        finally:
            self._ready = True
        self._look()

    def still(self) -> npt.NDArray[np.uint8] | None:
        """The filters, for saved notebooks."""
        self.wait(SECONDS)
        return None if self.bank is None else self.bank.picture()

    def fail(self, error: BaseException) -> None:
        """Shows an error inside the widget, which stays usable; the gesture counts as answered."""
        with self._lock, self.hold_sync():
            super().fail(error)
            self.write(answered=self._asked)

    def close(self) -> None:
        """Ends the work under way and the widget."""
        self._worker.cancel((id(self), "turn"))
        super().close()

    def _offered(self) -> dict[str, Any]:
        families = [
            {"name": name, "summary": _summary(make), "knobs": bench.family_knobs(name)}
            for name, make in FAMILIES.items()
        ]
        layers = {}
        if self.lens is not None:
            families.insert(0, {"name": MIXTURE, "summary": "How a filter of a trained layer is mixed", "knobs": []})
            layers = {name: min(SHOWN, self.lens.layers[name].channels) for name in self._layers}
        name = "" if self.lens is None else self.lens.name
        return {"families": families, "layers": layers, "network": name, "colours": lut("viridis").tobytes()}

    def _checked_family(self, value: Any) -> str:
        accepted = [*FAMILIES, *([MIXTURE] if self._layers else [])]
        if value not in accepted:
            raise unknown_name("family of filters", value, accepted)
        return str(value)

    def _checked_knobs(self, family: str, values: dict[str, Any]) -> dict[str, Any]:
        known = {} if family == MIXTURE else knobs_of(FAMILIES[family])
        checked = {}
        for name, value in values.items():
            if name not in known:
                raise unknown_name(f"knob of {family}", name, known)
            checked[name] = set_to(name, value, {name: (type(known[name][1]), known[name][0])})
        return checked

    def _checked_unit(self, value: Any) -> str:
        if self.lens is None:
            return ""
        unit = Unit.parse(str(value))
        module = bench.mixing(self.lens, self.lens.layers[unit.layer])
        if not 0 <= unit.channel < module.out_channels:
            raise BadValue(f"{unit.layer} has no channel {unit.channel}. Accepted: 0 to {module.out_channels - 1}.")
        return str(Unit(unit.layer, unit.channel))

    @traitlets.validate("family")
    def _check_family(self, proposal: Any) -> str:
        return self._checked_family(proposal["value"])

    @traitlets.validate("knobs")
    def _check_knobs(self, proposal: Any) -> dict[str, Any]:
        return self._checked_knobs(self.family, proposal["value"])

    @traitlets.validate("unit")
    def _check_unit(self, proposal: Any) -> str:
        return self._checked_unit(proposal["value"])

    @traitlets.observe("family")
    def _family_changed(self, _change: Any) -> None:
        if self._ready and not self.writing:
            self.set_trait("knobs", {})

    @traitlets.observe("family", "knobs", "unit")
    def _changed(self, _change: Any) -> None:
        if self._ready:
            self._look()

    def _look(self) -> None:
        """Hands the present choice to the worker; whatever was under way is called off."""
        asked = self._asked

        def show(changed: dict[str, Any]) -> None:
            self.write(**changed, answered=asked, problem={})
            if self._near:
                self.send({"kind": "filler"}, [bytes(SEGMENT)])

        self._job = self._worker.submit(self._see, key=(id(self), "turn"), priority=2, on_done=show, on_error=self.fail)

    def _see(self) -> Steps[dict[str, Any]]:
        """The filters of the present choice, as traits."""
        yield Step(0, 1)
        changed: dict[str, Any] = {}
        if self.family == MIXTURE and self.lens is not None:
            unit = Unit.parse(self.unit)
            bank = bench.learned_mixture(self.lens, unit.layer, unit.channel)
            if self.layer_filters.get("layer") != unit.layer:
                changed["layer_filters"] = self._all_filters(unit.layer)
        else:
            bank = FAMILIES[self.family](**self.knobs)
        self.bank = bank
        return {**changed, "view": view_of(bank)}

    def _all_filters(self, layer: str) -> dict[str, Any]:
        assert self.lens is not None  # noqa: S101 -- layers come from it
        module = bench.mixing(self.lens, self.lens.layers[layer])
        pictures = [_coloured(each.detach().cpu().numpy()) for each in module.weight[:SHOWN]]
        return {
            "layer": layer,
            "side": module.kernel_size[0],
            "count": len(pictures),
            "filters": np.stack(pictures).tobytes(),
        }

    def __repr__(self) -> str:
        return f"DesignBench({self.unit if self.family == MIXTURE else self.family})"


def view_of(bank: Bank) -> dict[str, Any]:
    """A bank for the browser.

    Returns:
        "side" of the filters; "names"; "filters" (n, h, h, 3) uint8; "spectra" (n, 64, 64) uint8 codes; "told" and
        "code"; "channels" c of the mixture, 0 without one, its "shares" (n, c) float32 and "mixture" (h, h, 3) uint8.
    """
    mixed = len(bank.mixture) > 0
    return {
        "family": bank.family,
        "side": bank.filters.shape[-1],
        "names": list(bank.names),
        "filters": np.stack([_coloured(each) for each in bank.filters]).tobytes(),
        "spectrum": bench.SPECTRUM,
        "spectra": np.round(255 * bank.spectra()).astype(np.uint8).tobytes(),
        "told": bank.told,
        "code": bank.code,
        "channels": bank.shares.shape[1] if mixed else 0,
        "shares": bank.shares.astype("<f4").tobytes(),
        "mixture": _coloured(bank.mixture).tobytes() if mixed else b"",
    }


def _coloured(filter_: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """A filter (C, h, h) as a picture (h, h, 3), zero as grey."""
    return signal_picture(filter_, reach=max(float(np.abs(filter_).max()), 1e-12))


def _summary(make: Any) -> str:
    return (make.__doc__ or "").strip().splitlines()[0]
