"""Several units on one picture, each carried back down to the pixels in one go.

As `deconvnet` of each unit's strongest neuron, or of the neuron named. What one forward pass to a layer leaves behind
serves all its neurons.

Cost: one forward pass per layer, unless it is cached, and for each neuron one pass down, over what it sees.
Oracle: equals `deconvnet` unit by unit.
Source: Zeiler & Fergus 2013, "Visualizing and Understanding Convolutional Networks", section 2.1; Simonyan, Vedaldi &
Zisserman 2013, section 4; Springenberg et al. 2014, section 3.4.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.core.errors import BadType, BadValue
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.technique import technique
from convviz_widgets.core.unit import Unit
from convviz_widgets.lens.descent.ways import answers_and_trail
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.many_signals import neuron_signals
from convviz_widgets.lens.single import one_picture
from convviz_widgets.methods.deconvnet.deconvnet import BackwardRule, Kept, box_of, checked_rule, kept_of
from convviz_widgets.render import charts, grid
from convviz_widgets.render.result import Result
from convviz_widgets.render.signal import signal_picture

COLUMNS = 5  # of the still picture


@dataclass(frozen=True, eq=False, repr=False)
class UnitProjections(Result):
    """What in one picture made each of several units answer.

    Args:
        units: addresses of the neurons.
        signal: (N, C, H, W) float32 at the prepared picture.
        box: (N, 4) int64, left, top, right, bottom of what each neuron sees, within the picture.
        activation: (N,) float32.
        photo: (H, W, 3) uint8, the picture as the network sees it.
    """

    units: tuple[str, ...]
    signal: npt.NDArray[np.float32]
    box: npt.NDArray[np.int64]
    activation: npt.NDArray[np.float32]
    photo: npt.NDArray[np.uint8]

    def picture(self) -> npt.NDArray[np.uint8]:
        """The photo and the signals beside it: grey is zero."""
        told = [f"{unit}: {value:.3g}" for unit, value in zip(self.units, self.activation, strict=True)]
        shown = [self.photo, *(signal_picture(each) for each in self.signal)]
        return grid.montage(shown, columns=COLUMNS, captions=["photo", *told])

    def figure(self) -> Any:
        """The picture, to look at more closely."""
        return charts.picture(self.picture(), title=f"{len(self.units)} units on one picture")


@technique
def unit_projections(
    lens: Lens, image: Any, units: Iterable[str | Unit], *, rule: BackwardRule = "deconvnet"
) -> Steps[UnitProjections]:
    """What in a picture made each of several units answer, in one go.

    Example:
        >>> image = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
        >>> unit_projections(Lens.load("mini"), image, ["relu2:28", "relu1:3"]).signal.shape
        (2, 3, 96, 96)

    Args:
        lens: the network.
        image: one picture.
        units: "layer:channel" for the strongest neuron of a channel, "layer:channel@row,column" for another one; of
            one layer or of several.
        rule: what a ReLU lets through on the way down.

    Returns:
        A `UnitProjections`, in the order of the units.

    Raises:
        BadType: a single unit; `deconvnet` takes one.
        BadValue: no unit is given, one is not active on the picture, or does not exist.
        UnknownName: a wrong layer or rule.

    Source:
        Zeiler & Fergus 2013, section 2.1; Simonyan 2013, section 4; Springenberg 2014, section 3.4.
    """
    checked_rule(rule)
    addresses = _addresses(units)
    prepared = one_picture(lens, image)
    signals: dict[int, torch.Tensor] = {}
    kept: dict[int, Kept] = {}
    for name in dict.fromkeys(each.layer for each in addresses):
        layer = lens.layers[name]
        places = [place for place, each in enumerate(addresses) if each.layer == name]
        answers = answers_and_trail(lens, prepared, layer)[0]
        kept |= {place: kept_of(layer, addresses[place], answers, "strongest") for place in places}
        neurons = [kept[place].neuron for place in places]
        found = neuron_signals(lens, prepared, layer, neurons, answers, rule=rule)
        signals |= dict(zip(places, found, strict=True))
        yield Step(len(signals), len(addresses), label=name)
    order = range(len(addresses))
    size = tuple(prepared.shape[-2:])
    return UnitProjections(
        units=tuple(str(_exactly(addresses[place], kept[place])) for place in order),
        signal=np.stack([signals[place].float().cpu().numpy() for place in order]),
        box=np.array([box_of(lens.layers[addresses[place].layer], kept[place].seen, size=size) for place in order]),
        activation=np.array([kept[place].activation for place in order], dtype=np.float32),
        photo=lens.preprocess.picture(prepared[0]),
        provenance=Provenance.of(
            "unit_projections",
            fingerprint=lens.fingerprint,
            inputs=("lens", "image"),
            units=tuple(map(str, addresses)),
            rule=rule,
        ),
    )


def _addresses(units: Any) -> list[Unit]:
    if isinstance(units, str | Unit):
        raise BadType(f"`units` takes several units in a list, as in [{str(units)!r}]; deconvnet takes one.")
    addresses = [Unit.parse(each) for each in units]
    if not addresses:
        raise BadValue("No unit is given. Name some, as in ['conv2:3', 'conv2:7'].")
    return addresses


def _exactly(address: Unit, kept: Kept) -> Unit:
    return address if len(kept.neuron) == 1 else address.at(*kept.position)
