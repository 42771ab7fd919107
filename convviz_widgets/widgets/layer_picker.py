"""The layer and neuron picker: the network drawn, a layer's maps, one neuron over the photo, its nine patches."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import traitlets

from convviz_widgets.core.errors import BadValue, unknown_name
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.unit import Unit
from convviz_widgets.jobs.job import Job
from convviz_widgets.jobs.worker import worker_of
from convviz_widgets.lens.classes import named_score_layer
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.deconvnet.top_images import TopImages, top_images
from convviz_widgets.render import grid, overlay
from convviz_widgets.render.colormap import lut
from convviz_widgets.render.encode import read
from convviz_widgets.widgets import picking
from convviz_widgets.widgets.album import Album
from convviz_widgets.widgets.base import Widget, joined
from convviz_widgets.widgets.picking import Choice
from convviz_widgets.widgets.viewer import SECONDS_FOR_A_STILL, enlarged, thumbnails, uploaded


class LayerPicker(Widget):
    """Pick a layer and a neuron of the drawn network and see what excites it.

    Example:
        >>> images = [np.zeros((96, 96, 3), np.uint8)]
        >>> picker = LayerPicker(Lens.load("mini"), images, unit="conv3:4")
        >>> picker.unit
        'conv3:4'

    Args:
        lens: the network.
        images: pictures to choose from, and to search for the patches that excite a unit most: a list, an
            ``ImageFolder``, a dataset; empty is allowed, as pictures can be dropped onto the widget.
        unit: address to begin with; default: the strongest channel of the first convolution.
        image: name of the picture to begin with; default: the first.
        best: what `top_images` found among these pictures, by layer; a layer that is not in it is searched when it is
            shown, and put in. Widgets that are given one dictionary search once for all.

    Raises:
        UnknownName, BadValue: a unit or image that does not exist.

    Source:
        After Yosinski et al. 2015, "Understanding Neural Networks Through Deep Visualization", section 2, and the
        patches of Zeiler & Fergus 2013, section 3.
    """

    _esm = joined(
        "_kit.js", "_picker_photos.js", "_picker_diagram.js", "_picker_maps.js", "_picker_neuron.js", "layer_picker.js"
    )
    _css = joined("_kit.css", "layer_picker.css")

    # Addresses: written by the user, in Python or by a gesture; linkable.
    unit = traitlets.Unicode("").tag(sync=True)
    """Address of the unit: ``layer:channel`` or ``layer:channel@row,column``."""
    image = traitlets.Unicode("").tag(sync=True)
    """Name of the picture in the album."""

    # What does not change, or grows: written by the widget.
    network = traitlets.Dict({}).tag(sync=True)
    """{"name", "layers", "classes", "scores", "colours"}; see `picking.outline`."""
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    """Names of the pictures, in order."""

    # Pictures: written by the worker.
    photo = traitlets.Dict({}).tag(sync=True)
    """The photo as the network sees it, with predictions; see `picking.photo_of`."""
    maps = traitlets.Dict({}).tag(sync=True)
    """The channels of the layer; see `picking.maps_of`."""
    neuron = traitlets.Dict({}).tag(sync=True)
    """The chosen unit; see `picking.neuron_of`."""
    progress = traitlets.Dict({}).tag(sync=True)
    """{"label", "fraction"} of the search for patches; empty when none is under way."""

    def __init__(
        self,
        lens: Lens,
        images: Any,
        *,
        unit: str | Unit | None = None,
        image: str | None = None,
        best: dict[str, TopImages] | None = None,
        **traits: Any,
    ) -> None:
        self.lens = lens
        self.album = Album(images)
        self._pictures = picking.Pictures(lens)
        self._best = {} if best is None else best
        self._looking: Job[dict[str, Any]] | None = None
        self._worker = worker_of(lens)
        super().__init__(**traits)
        name = next(iter(self.album), "") if image is None else image
        if image is not None and image not in self.album:
            raise unknown_name("image", image, self.album)
        self._choice = Choice(name, self._first_layer())
        if unit is not None:
            self._choice = self._choice.of(picking.checked(lens, unit))
        shown = {} if unit is None else {"unit": str(self._choice.unit)}
        self.write(network=self._network(), names=list(self.album), image=name, **shown)
        self._look()

    def receive(self, message: dict[str, Any], buffers: list[memoryview]) -> None:
        """Answers a gesture: ``look`` at something, ``upload`` a picture, ask for ``thumbnails``."""
        if message["kind"] == "look":
            self._wish(message)
        elif message["kind"] == "upload":
            self._choice = replace(self._choice, image=uploaded(self.album, message, buffers))
            self._look()
        elif message["kind"] == "thumbnails":
            self._worker.submit(lambda: thumbnails(self, self.album, message), on_error=self.fail, priority=1)
        else:
            raise BadValue(f"The browser asked for {message['kind']!r}, which is not known here.")

    def take(self, name: str, image: Any) -> None:
        """Puts another widget's picture into this one's album."""
        self.album.add(name, image)
        self.write(names=list(self.album))

    def still(self) -> npt.NDArray[np.uint8] | None:
        """The photo, the neuron over it, and its patches."""
        if not self.neuron and self._looking is not None:
            self._looking.wait(SECONDS_FOR_A_STILL)
        if not self.photo or not self.neuron:
            return None
        photo = enlarged(read(self.photo["png"]))
        values = np.frombuffer(self.neuron["values"], np.float32).reshape(self.neuron["shape"])
        top = self.neuron["top"] or []
        pictures = [photo, overlay.heat_map(photo, values), *(enlarged(read(each["jpeg"])) for each in top)]
        captions = [self.photo["name"], self.neuron["unit"], *(f"{each['activation']:.3g}" for each in top)]
        return grid.montage(pictures, captions=captions)

    def close(self) -> None:
        """Ends the work under way and the widget."""
        for kind in ("look", "top"):
            self._worker.cancel((id(self), kind))
        super().close()

    def __repr__(self) -> str:
        return f"LayerPicker({self.lens.name}, {len(self.album)} pictures)"

    @traitlets.validate("unit")
    def _check_unit(self, proposal: Any) -> str:
        return str(picking.checked(self.lens, proposal["value"]))

    @traitlets.validate("image")
    def _check_image(self, proposal: Any) -> str:
        if proposal["value"] not in self.album and len(self.album):
            raise unknown_name("image", proposal["value"], self.album)
        return str(proposal["value"])

    @traitlets.observe("unit", "image")
    def _set_from_outside(self, change: Any) -> None:
        if self.writing:
            return
        if change.name == "unit":
            self._choice = self._choice.of(Unit.parse(change.new))
        else:
            self._choice = replace(self._choice, image=change.new)
        self._look()

    def _wish(self, message: dict[str, Any]) -> None:
        choice = self._choice
        if "image" in message:
            self.album[message["image"]]
            choice = replace(choice, image=message["image"])
        if "layer" in message:
            layer = self.lens.layers[message["layer"]]
            choice = replace(choice, layer=layer.name, channel=None, position=None)
        if "unit" in message:
            choice = choice.of(picking.checked(self.lens, message["unit"]))
        self._choice = choice
        self._look()

    def _look(self) -> None:
        if not self._choice.image:
            return
        choice = self._choice
        self._looking = self._worker.submit(
            lambda: self._see(choice), key=(id(self), "look"), priority=2, on_done=self._show, on_error=self.fail
        )

    def _see(self, choice: Choice) -> Steps[dict[str, Any]]:
        """All that changes with a choice, as traits."""
        image = self.album[choice.image]
        changed: dict[str, Any] = {"problem": {}, "image": choice.image, "names": list(self.album)}
        layer = self.lens.layers[choice.layer]
        activations = picking.as_maps(self.lens.activations(image, layer.name))
        yield Step(1, label="activations")
        if choice.channel is None:
            choice = replace(choice, channel=int(activations.max((1, 2)).argmax()))
        if (self.maps.get("layer"), self.maps.get("image")) != (layer.name, choice.image):
            changed["maps"] = picking.maps_of(layer, choice.image, activations)
        if self.photo.get("name") != choice.image:
            changed["photo"] = picking.photo_of(
                choice.image, self._pictures.get(choice.image, image), picking.predictions_of(self.lens, image)
            )
        yield Step(2, label="maps")
        best = self._best.get(layer.name)
        top = None if best is None else picking.patches_of(best, choice.unit.channel, self.album, self._pictures)
        changed["neuron"] = picking.neuron_of(choice, activations, top)
        changed["unit"] = str(choice.unit)
        return changed

    def _show(self, changed: dict[str, Any]) -> None:
        unit = Unit.parse(changed["unit"])
        if self._choice.channel is None and self._choice.layer == unit.layer:
            self._choice = self._choice.of(unit)
        self.write(**changed)
        if unit.layer not in self._best and len(self.album.images):
            self._search(unit.layer)

    def _search(self, layer: str) -> None:
        """Looks for the patches of a layer's units while nothing else is to be done."""

        def search() -> Steps[TopImages]:
            if layer not in self._best:
                self._best[layer] = yield from top_images.steps(self.lens, self.album.images, layer)
            return self._best[layer]

        def found(best: TopImages) -> None:
            shown = Unit.parse(self.neuron["unit"])
            if shown.layer == layer:
                top = picking.patches_of(best, shown.channel, self.album, self._pictures)
                self.write(neuron={**self.neuron, "top": top}, progress={})

        def failed(error: BaseException) -> None:
            self.write(progress={})
            self.fail(error)

        self._worker.submit(
            search,
            key=(id(self), "top"),
            priority=-1,
            on_step=lambda step: self.write(progress=_told(layer, step)),
            on_done=found,
            on_error=failed,
        )

    def _network(self) -> dict[str, Any]:
        return {
            "name": self.lens.name,
            "layers": picking.outline(self.lens),
            "input": list(self.lens.input_shape),
            "classes": list(self.lens.class_names),
            "scores": named_score_layer(self.lens),
            "colours": lut("viridis").tobytes(),
        }

    def _first_layer(self) -> str:
        layers = self.lens.layers.values()
        if not layers:
            raise BadValue(
                f"{self.lens.name} has no layers to look at: it is a single operation. Wrap it together with the rest, "
                "as in Lens(nn.Sequential(...))."
            )
        return next((layer.name for layer in layers if layer.kind == "convolution"), next(iter(self.lens.layers)))


def _told(layer: str, step: Step) -> dict[str, Any]:
    total = step.total or 0
    label = f"searching {total} pictures for what excites {layer} most: {step.index}"
    return {"label": label, "fraction": step.index / total if total else 0.0}
