"""The sliding square of the occlusion brush: its run in the background, and the three maps as they fill."""

from collections import OrderedDict
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import traitlets

from convviz_widgets.core.errors import BadType
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.unit import Unit
from convviz_widgets.jobs.job import Job
from convviz_widgets.lens.fills import Fill
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.prediction import class_name
from convviz_widgets.methods.occlusion.maps import Maps
from convviz_widgets.methods.occlusion.occlusion import SIZE, STRIDE, Occlusion, occlusion
from convviz_widgets.widgets.viewer import Viewer

AT_ONCE = 8  # positions in a step: the maps fill evenly, and a stroke of the brush does not wait long
KEPT = 16  # finished runs


@dataclass(frozen=True)
class Course:
    """What is slid over what.

    Args:
        image: name of the picture in its album.
        target: index of the class that is followed.
        unit: address of the feature map whose sum is told.
        fill: what the square shows.
        square: side of the square, in pixels.
        stride: steps of the square, in pixels.
    """

    image: str
    target: int | None
    unit: str | None
    fill: Fill
    square: int
    stride: int


class SlidingViewer(Viewer):
    """A viewer of one photo over which a square may slide; the occlusion brush builds on it."""

    sliding = traitlets.Bool(default_value=False).tag(sync=True)
    """Whether the square slides over the photo, in place of painting."""
    square = traitlets.Int(None, allow_none=True).tag(sync=True)
    """Side of the square in pixels of the photo as the network sees it; at first a quarter of the network's input."""
    stride = traitlets.Int(None, allow_none=True).tag(sync=True)
    """Steps of the square in pixels; at first a quarter of the square."""
    slide = traitlets.Dict({}).tag(sync=True)
    """The three maps as far as they are filled; see `told_slide`."""

    background = ("slide",)

    def __init__(self, lens: Lens, images: Any, **traits: Any) -> None:
        self.maps: Occlusion | None = None
        """The last finished run: its numbers."""
        self._kept: OrderedDict[Course, Occlusion] = OrderedDict()
        self._run = 0
        self._slid: Course | None = None
        super().__init__(lens, images, **traits)
        square = self.square or max(1, min(lens.input_shape[1:]) // 4)
        stride = self.stride or max(1, square // 4)
        self._slide_wished: dict[str, Any] = {"sliding": self.sliding, "square": square, "stride": stride}
        self.write(square=square, stride=stride)

    def start_slide(self) -> Job[Occlusion] | None:
        """Slides the square over the present photo in the background, the newest run only; None without an answer yet.

        Example:
            >>> from convviz_widgets.widgets.occlusion_brush import OcclusionBrush
            >>> brush = OcclusionBrush(Lens.load("mini"), np.zeros((1, 96, 96, 3), np.uint8), square=32, stride=32)
            >>> brush.wait(60), brush.start_slide().result(60).probability.shape
            (True, (3, 3))
            >>> brush.close()
        """
        course = self._course()
        if course is None:
            return None
        with self._lock:
            self._run += 1
            self._slid, run = course, self._run
            self.write(slide={**asdict(course), "run": run, "state": "running", "shape": [0, 0], "done": 0, "total": 0})
        return self._worker.submit(
            lambda: self._maps(course),
            key=(id(self), "slide"),
            priority=-1,
            on_step=lambda step: self._show(run, told_slide(self.lens, course, step.preview)),
            on_done=lambda maps: self._done(run, course, maps),
            on_error=lambda error: self._slide_failed(run, error),
        )

    def stop_slide(self) -> None:
        """Ends the run under way; what is filled stays."""
        self._worker.cancel((id(self), "slide"))
        with self._lock:
            self._run += 1  # what is still on its way comes too late
            if self.slide.get("state") == "running":
                self.write(slide={**self.slide, "state": "stopped"})

    def receive(self, message: dict[str, Any], buffers: list[memoryview]) -> None:
        """Answers a gesture, also ``slide``, once more, and ``stop``."""
        if message["kind"] == "slide":
            self.start_slide()
        elif message["kind"] == "stop":
            self.stop_slide()
        else:
            super().receive(message, buffers)

    @traitlets.validate("square")
    def _check_square(self, proposal: Any) -> int | None:
        return None if proposal["value"] is None else SIZE.check("square", proposal["value"])

    @traitlets.validate("stride")
    def _check_stride(self, proposal: Any) -> int | None:
        return None if proposal["value"] is None else STRIDE.check("stride", proposal["value"])

    def _wish(self, message: dict[str, Any]) -> None:
        wished = {name: message[name] for name in self._slide_wished if name in message}
        for name, value in wished.items():
            accepted = bool if name == "sliding" else int
            if type(value) is not accepted:
                raise BadType(f"{name} is of type {accepted.__name__}; given: {value!r}.")
        SIZE.check("square", wished.get("square", 1))
        STRIDE.check("stride", wished.get("stride", 1))
        self._slide_wished = {**self._slide_wished, **wished}

    def _seen(self) -> None:
        """Slides where that is wished and something else than before is to be seen."""
        if not self.sliding:
            if self.slide.get("state") == "running":
                self.stop_slide()
        elif self._course() not in (None, self._slid):
            self.start_slide()

    def _course(self) -> Course | None:
        """What would be slid over; None before the first answer. Overridden."""
        return None

    def _maps(self, course: Course) -> Steps[Occlusion]:
        if course in self._kept:
            yield Step(1, 1, preview=_whole(self._kept[course]))
            return self._kept[course]
        return (
            yield from occlusion.steps(
                self.lens,
                self.album[course.image],
                course.target,
                size=course.square,
                stride=course.stride,
                fill=course.fill,
                unit=course.unit,
                at_once=AT_ONCE,
            )
        )

    def _show(self, run: int, told: dict[str, Any]) -> None:
        with self._lock:
            if run == self._run:
                self.write(slide={**told, "run": run})

    def _done(self, run: int, course: Course, maps: Occlusion) -> None:
        self.maps = self._kept[course] = maps
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        self._show(run, {**told_slide(self.lens, course, _whole(maps)), "state": "done"})

    def _slide_failed(self, run: int, error: BaseException) -> None:
        with self._lock:
            if run == self._run:
                self.write(slide={**self.slide, "state": "stopped"})
        self.fail(error)


def told_slide(lens: Lens, course: Course, maps: Maps) -> dict[str, Any]:
    """The maps as the browser takes them.

    Returns:
        What the course says, with "name" of the class, "state" (running, stopped or done), "shape", "known" (bytes),
        "probability" and "activation" (float32), "top" (int32) with "names", the "clean" values, "done" and "total".
    """
    classes = [each for each in np.unique(maps.top_class).tolist() if each >= 0]
    return {
        **asdict(course),
        "state": "running",
        "name": class_name(lens.class_names, course.target) if course.target is not None else "",
        "shape": list(maps.known.shape),
        "known": maps.known.astype(np.uint8).tobytes(),
        "probability": maps.probability.astype("<f4").tobytes(),
        "activation": maps.total_activation.astype("<f4").tobytes(),
        "top": maps.top_class.astype("<i4").tobytes(),
        "names": {str(each): class_name(lens.class_names, each) for each in classes},
        "clean": [maps.clean_probability, maps.clean_activation],
        "done": int(maps.known.sum()),
        "total": maps.known.size,
    }


def _whole(found: Occlusion) -> Maps:
    """The maps of a finished run."""
    return Maps(
        *(found.probability, found.total_activation, found.top_class, np.ones(found.probability.shape, bool)),
        *(found.clean_probability, found.clean_activation),
    )


def map_unit(lens: Lens, address: str) -> str | None:
    """The address where it is one of a feature map, else None."""
    if not address:
        return None
    unit = Unit.parse(address)
    return str(Unit(unit.layer, unit.channel)) if lens.layers[unit.layer].is_map else None
