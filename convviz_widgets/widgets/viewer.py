"""What the viewers of one photo have in common: the photo and how it is chosen, one look under way, how they end."""

from typing import Any

import numpy as np
import numpy.typing as npt
import traitlets

from convviz_widgets.core.errors import BadValue, unknown_name
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.jobs.job import Job
from convviz_widgets.jobs.worker import worker_of
from convviz_widgets.lens.classes import named_score_layer
from convviz_widgets.lens.lens import Lens
from convviz_widgets.render.colormap import lut
from convviz_widgets.widgets import picking
from convviz_widgets.widgets.album import Album
from convviz_widgets.widgets.base import Widget, read_upload

UPLOAD_LIMIT = 32_000_000  # bytes
SECONDS_FOR_A_STILL = 5.0  # how long showing a widget waits for its first picture
SEGMENT = 65_536  # bytes, as much as a local connection sends at once; see `Viewer._push`


class Viewer(Widget):
    """A widget that looks at one photo of an album; each gesture is answered once.

    Args:
        lens: the network.
        images: pictures to choose from: a list, an ``ImageFolder``, a dataset; empty is allowed, as pictures can be
            dropped onto the widget.
        image: name of the picture to begin with; default: the first.

    Raises:
        UnknownName: a picture that is not there, or an argument that is no trait.
    """

    # Addresses: written by the user, in Python or by a gesture; linkable.
    image = traitlets.Unicode("").tag(sync=True)
    """Name of the picture in the album."""

    # What does not change, or grows: written by the widget.
    network = traitlets.Dict({}).tag(sync=True)
    """{"name", "layers", "classes", "scores", "colours"}; see `picking.outline`."""
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    """Names of the pictures, in order."""

    # Pictures and how it goes: written by the worker.
    photo = traitlets.Dict({}).tag(sync=True)
    """The photo as the network sees it, with predictions; see `picking.photo_of`."""
    progress = traitlets.Dict({}).tag(sync=True)
    """{"label", "fraction"} of what is under way in the background; empty when nothing is."""
    answered = traitlets.Int(0).tag(sync=True)
    """Number of the newest gesture that was answered, as the browser counts them."""

    colours = "viridis"
    background: tuple[str, ...] = ()
    """What else than a look the worker may do for this widget."""

    def __init__(self, lens: Lens, images: Any, *, image: str | None = None, **traits: Any) -> None:
        self._worker = worker_of(lens)  # first, as `close` asks for it also after an error below
        self._ready = False
        self._looking: Job[dict[str, Any]] | None = None
        self._asked = self._fails = 0
        self._near = False
        self.lens = lens
        self.album = Album(images)
        self._pictures = picking.Pictures(lens)
        super().__init__(**traits)
        if image is not None and image not in self.album:
            raise unknown_name("image", image, self.album)
        name = next(iter(self.album), "") if image is None else image
        self.write(network=self._network(), names=list(self.album), image=name)

    def receive(self, message: dict[str, Any], buffers: list[memoryview]) -> None:
        """Answers a gesture: ``look`` at something, ``upload`` a picture, ask for ``thumbnails``."""
        self._asked = max(self._asked, int(message.get("ask", 0)))
        self._near = bool(message.get("near", self._near))
        kind = message["kind"]
        if kind == "look":
            if "image" in message:
                self.album[message["image"]]
            self._wish(message)
            self._look()
        elif kind == "upload":
            self._wish({"image": uploaded(self.album, message, buffers)})
            self._look()
        elif kind == "thumbnails":
            self._worker.submit(lambda: thumbnails(self, self.album, message), on_error=self.fail, priority=1)
        else:
            raise BadValue(f"The browser asked for {kind!r}, which is not known here.")

    def take(self, name: str, image: Any) -> None:
        """Puts another widget's picture into this one's album."""
        self.album.add(name, image)
        self.write(names=list(self.album))

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until the newest look is answered; says whether it is."""
        return self._looking is None or self._looking.wait(timeout)

    def fail(self, error: BaseException) -> None:
        """Shows an error inside the widget, which stays usable; the gesture counts as answered."""
        with self._lock, self.hold_sync():
            super().fail(error)
            self._fails += 1  # the same error twice is told twice
            self.write(problem={**self.problem, "number": self._fails}, answered=self._asked)

    def close(self) -> None:
        """Ends the work under way and the widget."""
        for kind in ("look", *self.background):
            self._worker.cancel((id(self), kind))
        super().close()

    def _wish(self, message: dict[str, Any]) -> None:
        """Takes over what the browser chose, whole or not at all. Overridden by each viewer."""

    def _see(self) -> Steps[dict[str, Any]]:
        """All that changes with the present choice, as traits. Overridden by each viewer."""
        yield Step(1, 1)
        return {}

    def _seen(self) -> None:
        """Begins what follows a look in the background. Overridden by each viewer."""

    @traitlets.validate("image")
    def _check_image(self, proposal: Any) -> str:
        if proposal["value"] not in self.album and len(self.album):
            raise unknown_name("image", proposal["value"], self.album)
        return str(proposal["value"])

    def _look(self) -> None:
        """Hands the present choice to the worker; whatever was looked at before is called off."""
        asked = self._asked

        def show(changed: dict[str, Any]) -> None:
            self.write(**changed, answered=asked)
            self._push()
            self._seen()

        self._looking = self._worker.submit(
            self._see, key=(id(self), "look"), priority=2, on_done=show, on_error=self.fail
        )

    def _push(self) -> None:
        """Sends a small answer on its way at once, where the browser runs on the same machine as the server.

        Jupyter Server leaves the kernel's connection as the system opens it: less than a segment waits until what went
        before, the kernel's status, is acknowledged, and that takes 40 ms. What follows here fills the segment up. Far
        away its bytes would cost more than they gain.
        """
        if self._near:
            self.send({"kind": "filler"}, [bytes(SEGMENT)])

    def _photo(self, name: str) -> dict[str, Any]:
        """The photo as a trait; empty where it is shown already."""
        if self.photo.get("name") == name:
            return {}
        image = self.album[name]
        picture = self._pictures.get(name, image)
        return {"photo": picking.photo_of(name, picture, picking.predictions_of(self.lens, image))}

    def _network(self) -> dict[str, Any]:
        return {
            "name": self.lens.name,
            "layers": picking.outline(self.lens),
            "input": list(self.lens.input_shape),
            "classes": list(self.lens.class_names),
            "scores": named_score_layer(self.lens),
            "colours": lut(self.colours).tobytes(),
        }

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.lens.name}, {len(self.album)} pictures)"


def uploaded(album: Album, message: dict[str, Any], buffers: list[memoryview]) -> str:
    """Puts a picture that came from the browser into an album; gives the name it got.

    Raises:
        BadValue: it came without its bytes, is too large, or is no picture.
    """
    name = str(message.get("name", "upload"))[:120]
    if not buffers:
        raise BadValue(f"{name!r} arrived without its bytes. Try again, or hand the picture over in Python.")
    return album.add(name, read_upload(name, buffers[0], most=UPLOAD_LIMIT))


def thumbnails(widget: Widget, album: Album, message: dict[str, Any]) -> Steps[None]:
    """Sends the thumbnails that the browser asked for, those of names that there are."""
    names = [name for name in message.get("names", [])[:64] if name in album]
    for place, name in enumerate(names):
        album.thumbnail(name)
        yield Step(place + 1, len(names))
    widget.send({"kind": "thumbnails", "names": names}, [album.thumbnail(name) for name in names])


def told(label: str, step: Step) -> dict[str, Any]:
    """A step as the browser shows it."""
    return {"label": label, "fraction": step.index / step.total if step.total else 0.0}


def enlarged(picture: npt.NDArray[np.uint8], side: int = 192) -> npt.NDArray[np.uint8]:
    """A picture (H, W, 3) enlarged by whole pixels towards a side."""
    times = max(1, side // max(picture.shape[:2]))
    return picture.repeat(times, axis=0).repeat(times, axis=1)
