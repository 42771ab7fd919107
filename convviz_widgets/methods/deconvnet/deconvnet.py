"""What in a picture made a unit answer: its activation, carried back down to the pixels.

All activations of a layer but one (the strongest of a channel), or but those of one channel, are set to zero. What is
kept goes down through the network in reverse: max pooling puts it back where it came from (the switches), a ReLU
passes on what its rule says, a convolution becomes the one with the transposed filters. The rules differ in the ReLU
alone, where ``x`` was its input and ``s`` comes down: ``gradient`` passes ``s`` where ``x > 0``, ``deconvnet`` where
``s > 0``, ``guided`` where both hold.

The signal is in units of the strongest activation kept: that one goes down as 1, so that with the gradient rule the
signal of one neuron is the gradient ``dA/dx``. All three rules scale with what is sent down: times the activation it is
the reconstruction of Zeiler & Fergus.

Cost: one forward pass to the layer, unless it is cached, and one pass down; for a neuron of a map, over what it sees
alone, with nothing run forward again.
Oracle: with the gradient rule equals autograd; with the others, a slow twin that unpools, rectifies and convolves layer
by layer.
Source: Zeiler & Fergus 2013, "Visualizing and Understanding Convolutional Networks", section 2.1; Simonyan, Vedaldi &
Zisserman 2013, section 4; Springenberg et al. 2014, section 3.4.
"""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.core.errors import BadValue, unknown_name
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.core.region import Box
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.technique import technique
from convviz_widgets.core.unit import Unit
from convviz_widgets.lens.backward import one_hot, project, smooth_activations
from convviz_widgets.lens.descent.ways import answers_and_trail
from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.many_signals import neuron_signals
from convviz_widgets.lens.rules import Rule
from convviz_widgets.lens.single import one_picture
from convviz_widgets.render import charts, grid, overlay
from convviz_widgets.render.result import Result
from convviz_widgets.render.signal import signal_picture

BackwardRule = Literal["deconvnet", "gradient", "guided"]
Keep = Literal["strongest", "map"]


@dataclass(frozen=True, eq=False, repr=False)
class Projection(Result):
    """What in a picture made a unit answer.

    Args:
        unit: address of what was kept, with its position where one neuron was.
        signal: (C, H, W) float32 at the prepared picture.
        box: (left, top, right, bottom) of what was kept sees, within the picture; all of it for a whole map.
        position: (row, column) of the strongest neuron kept; (0, 0) where the layer gives a vector.
        activation: of that neuron.
        photo: (H, W, 3) uint8, the picture as the network sees it.
        note: what must be known to read the signal, or "".
    """

    unit: str
    signal: npt.NDArray[np.float32]
    box: tuple[int, int, int, int]
    position: tuple[int, int]
    activation: float
    photo: npt.NDArray[np.uint8]
    note: str

    def picture(self) -> npt.NDArray[np.uint8]:
        """The signal as an image (H, W, 3): grey is zero."""
        return signal_picture(self.signal)

    def patch(self) -> npt.NDArray[np.uint8]:
        """The part of the picture that the unit sees, (h, w, 3)."""
        left, top, right, bottom = self.box
        return self.photo[top:bottom, left:right]

    def patch_picture(self) -> npt.NDArray[np.uint8]:
        """The signal of that part as an image (h, w, 3)."""
        left, top, right, bottom = self.box
        return self.picture()[top:bottom, left:right]

    def caption(self) -> str:
        """What is shown, with what must be known to read it."""
        return f"{super().caption()}; activation {self.activation:.4g}{'. ' if self.note else ''}{self.note}"

    def figure(self) -> Any:
        """The picture with the box of what the unit sees, beside the signal."""
        pair = [overlay.boxes(self.photo, [self.box]), self.picture()]
        return charts.picture(grid.montage(pair, columns=2), title=f"{self.unit}, activation {self.activation:.4g}")


@technique
def deconvnet(
    lens: Lens, image: Any, unit: str | Unit, *, rule: BackwardRule = "deconvnet", keep: Keep = "strongest"
) -> Steps[Projection]:
    """What in a picture made a unit answer: its activation, carried back down to the pixels.

    Example:
        >>> image = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
        >>> deconvnet(Lens.load("mini"), image, "relu2:28").signal.shape
        (3, 96, 96)

    Args:
        lens: the network.
        image: one picture.
        unit: "layer:channel" for the strongest neuron of a channel, "layer:channel@row,column" for another one.
        rule: what a ReLU lets through on the way down.
        keep: "strongest" sends one neuron down, "map" all neurons of the channel that are above zero.

    Returns:
        A `Projection`.

    Raises:
        BadValue: the unit is not active on the picture, or does not exist.
        UnknownName: a wrong layer or rule.

    Source:
        Zeiler & Fergus 2013, section 2.1; Simonyan 2013, section 4; Springenberg 2014, section 3.4.
    """
    checked_rule(rule)
    if keep not in get_args(Keep):
        raise unknown_name("`keep`", keep, get_args(Keep))
    address = Unit.parse(unit)
    layer = lens.layers[address.layer]
    prepared = one_picture(lens, image)
    answers = answers_and_trail(lens, prepared, layer)[0]
    kept = kept_of(layer, address, answers, keep)
    signal = _sent_down(lens, prepared, layer, kept, answers, rule=rule, keep=keep)
    yield Step(1, 1, headline=kept.activation, label=str(address))
    return Projection(
        unit=str(address if len(kept.neuron) == 1 or keep == "map" else address.at(*kept.position)),
        signal=signal.float().cpu().numpy(),
        box=box_of(layer, kept.seen, size=tuple(prepared.shape[-2:])),
        position=kept.position,
        activation=kept.activation,
        photo=lens.preprocess.picture(prepared[0]),
        note=_note(lens, layer, signal, rule=rule),
        provenance=Provenance.of(
            "deconvnet", fingerprint=lens.fingerprint, inputs=("lens", "image"), unit=str(address), rule=rule, keep=keep
        ),
    )


def checked_rule(rule: BackwardRule) -> BackwardRule:
    """The rule itself, if there is one of that name."""
    if rule not in get_args(BackwardRule):
        raise unknown_name("rule", rule, get_args(BackwardRule))
    return rule


class Kept(NamedTuple):
    """What goes down: the strongest neuron kept, its activation, and the positions kept, (n, 2)."""

    neuron: tuple[int, ...]
    activation: float
    seen: npt.NDArray[np.int64]

    @property
    def position(self) -> tuple[int, int]:
        """(row, column) of the neuron; (0, 0) where the layer gives a vector."""
        return (self.neuron[1], self.neuron[2]) if len(self.neuron) == 3 else (0, 0)


def _sent_down(
    lens: Lens, prepared: torch.Tensor, layer: Layer, kept: Kept, answers: torch.Tensor, *, rule: Rule, keep: Keep
) -> torch.Tensor:
    """What arrives at the picture, (C, H, W)."""
    if len(kept.neuron) == 1:
        return project(lens, prepared, one_hot(answers[None], kept.neuron), layer, rule=rule)[0]
    if keep == "strongest":
        return neuron_signals(lens, prepared, layer, [kept.neuron], answers, rule=rule)[0]
    channel, signals = kept.neuron[0], torch.zeros_like(answers)
    signals[channel] = answers[channel].clamp(min=0) / kept.activation
    return project(lens, prepared, signals[None], layer, rule=rule)[0]


def kept_of(layer: Layer, address: Unit, answers: torch.Tensor, keep: Keep) -> Kept:
    """The neurons of a unit that go down.

    Args:
        layer: the layer.
        address: of the unit.
        answers: (K, h, w) or (K,).
        keep: see `deconvnet`.
    """
    if address.channel >= len(answers):
        raise BadValue(f"{layer.name} has no unit {address.channel}. Accepted: 0 to {len(answers) - 1}.")
    if answers.ndim == 1:
        if address.position not in (None, (0, 0)):
            raise BadValue(f"{address}: {layer.name} gives a vector, without positions. Say '{address.whole}'.")
        return Kept((address.channel,), float(answers[address.channel]), np.zeros((1, 2), dtype=np.int64))
    values = answers[address.channel]
    height, width = values.shape
    if address.position is None:
        row, column = divmod(int(values.argmax()), width)
    elif keep == "map":
        raise BadValue(
            f"{address} is one neuron, of which there is no map. Say keep='strongest', or '{address.whole}'."
        )
    else:
        row, column = address.position
    if row >= height or column >= width:
        raise BadValue(
            f"{address}: the map has {height} rows and {width} columns. Accepted: up to {height - 1},{width - 1}."
        )
    activation = float(values[row, column])
    if activation <= 0 and (address.position is None or activation == 0):
        raise BadValue(_not_active(layer, address, answers, activation))
    seen = np.argwhere((values > 0).cpu().numpy()) if keep == "map" else np.array([[row, column]])
    return Kept((address.channel, row, column), activation, seen.astype(np.int64))


def _not_active(layer: Layer, address: Unit, answers: torch.Tensor, activation: float) -> str:
    """In words: the unit has nothing to send down, and the way on."""
    strongest = answers.flatten(1).amax(1)
    active = [int(channel) for channel in strongest.argsort(descending=True)[:3] if strongest[channel] > 0]
    others = ", ".join(f"'{layer.name}:{channel}'" for channel in active) or "none of this layer"
    where = "at this position" if address.position is not None else "anywhere"
    return (
        f"{address} is not active {where} on this picture: its largest activation is {activation:.3g}, so there is "
        f"nothing to carry down. The most active units on it: {others}. Pictures that excite the unit are found by "
        f"top_images(lens, images, '{layer.name}')."
    )


def box_of(layer: Layer, seen: npt.NDArray[np.int64], *, size: tuple[int, ...]) -> tuple[int, int, int, int]:
    """What these positions see together, within a picture of size (H, W)."""
    height, width = size
    if layer.receptive_field is None or not layer.is_map:
        return 0, 0, width, height
    first, last = (layer.receptive_field.box((int(row), int(column))) for row, column in (seen.min(0), seen.max(0)))
    return Box(first.left, first.top, last.right, last.bottom).clipped(width=width, height=height).as_tuple()


def _note(lens: Lens, layer: Layer, signal: torch.Tensor, *, rule: BackwardRule) -> str:
    """What must be known to read the signal."""
    notes = []
    smooth, rectifiers = smooth_activations(lens, layer) if rule != "gradient" else ([], 0)
    if smooth and not rectifiers:
        notes.append(
            f"On the way lie {', '.join(smooth)} and no ReLU, for which alone the {rule} rule is: this is the gradient."
        )
    elif smooth:
        notes.append(f"The {rule} rule is for ReLU; {', '.join(smooth)} on the way kept the gradient.")
    if not bool(signal.any()):
        notes.append(f"Nothing arrived at the picture: the {rule} rule stopped the signal on the way.")
    return " ".join(notes)
