"""The sequence viewer: a picture that loses one segment after another, under a slider."""

from typing import Any

import numpy as np
import numpy.typing as npt
import traitlets

from convviz_widgets.core.errors import BadType, BadValue
from convviz_widgets.methods.occlusion.minimal import MinimalImage
from convviz_widgets.render.encode import png
from convviz_widgets.widgets.base import Widget, joined


class SequenceViewer(Widget):
    """A minimal image's whole sequence: a slider hides segment after segment, the class's probability beside it.

    The browser holds all it needs, so that the slider works without a kernel too.

    Example:
        >>> from convviz_widgets.lens.lens import Lens
        >>> from convviz_widgets.methods.occlusion.minimal import minimal_image
        >>> image = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
        >>> viewer = SequenceViewer(minimal_image(Lens.load("mini"), image, segments=4), shown=0)
        >>> viewer.frame().shape
        (96, 96, 3)

    Args:
        result: what `minimal_image` gave.
        shown: how many segments are hidden at first; default: all that can be.

    Raises:
        BadType: the result is no `MinimalImage`.
        BadValue: more segments than the sequence hides.

    Source:
        Zhou, Khosla, Lapedriza, Oliva & Torralba 2015, "Object Detectors Emerge in Deep Scene CNNs", section 3.1.
    """

    _esm = joined("_kit.js", "_kit_controls.js", "sequence_viewer.js")
    _css = joined("_kit.css", "_kit_controls.css", "_viewer.css", "sequence_viewer.css")

    shown = traitlets.Int(0).tag(sync=True)
    """How many segments are hidden. The slider tells it when it is let go."""
    sequence = traitlets.Dict({}).tag(sync=True)
    """{"name", "size", "photo" and "hidden" (PNG), "gone", "probability", "left"}; see `sequence_of`."""

    def __init__(self, result: MinimalImage, *, shown: int | None = None, **traits: Any) -> None:
        if not isinstance(result, MinimalImage):
            raise BadType(
                f"A result of type {type(result).__name__} has no sequence. Accepted: what minimal_image gave."
            )
        self.result = result
        first = len(result.order) if shown is None else shown
        super().__init__(sequence=sequence_of(result), shown=first, **traits)  # at once: no view comes before them

    def frame(self) -> npt.NDArray[np.uint8]:
        """The picture that is shown, (H, W, 3)."""
        return self.result.after(self.shown)

    def still(self) -> npt.NDArray[np.uint8]:
        """Some of the sequence, for saved notebooks."""
        return self.result.picture()

    def receive(self, message: dict[str, Any], buffers: list[memoryview]) -> None:  # noqa: ARG002 -- it carries none
        """Takes over where the slider stands."""
        if message["kind"] != "show":
            raise BadValue(f"The browser asked for {message['kind']!r}, which is not known here.")
        self.shown = int(message["shown"])

    @traitlets.validate("shown")
    def _check_shown(self, proposal: Any) -> int:
        most = len(self.result.order)
        if not 0 <= proposal["value"] <= most:
            raise BadValue(f"{proposal['value']} segments cannot be hidden here. Accepted: 0 to {most}.")
        return int(proposal["value"])

    def __repr__(self) -> str:
        return f"SequenceViewer({self.result.target}, {len(self.result.order)} segments)"


def sequence_of(result: MinimalImage) -> dict[str, Any]:
    """The sequence for the browser, which puts the pictures together itself.

    Returns:
        "name" of the class; "size" [H, W]; "photo" and "hidden" as PNG; "gone", H x W int32: after how many steps a
        pixel is hidden, 0 for never; per step, float32, "probability" and "left", the share that still shows.
    """
    steps = np.zeros(int(result.segments.max()) + 1, dtype="<i4")
    steps[result.order] = np.arange(1, len(result.order) + 1)
    gone = steps[result.segments]
    left = [1 - float(((gone > 0) & (gone <= count)).mean()) for count in range(len(result.order) + 1)]
    return {
        "name": result.target,
        "size": list(gone.shape),
        "photo": png(result.photo),
        "hidden": png(result.hidden),
        "gone": gone.tobytes(),
        "probability": result.probability.astype("<f4").tobytes(),
        "left": np.array(left, dtype="<f4").tobytes(),
    }
