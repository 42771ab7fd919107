"""What a person types to say which units are to be explored: addresses, ranges, lists, objectives."""

import re
from collections.abc import Iterator

from convviz_widgets.core.errors import BadValue
from convviz_widgets.core.unit import Unit
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.activation_maximization.notation import as_objective, as_text
from convviz_widgets.methods.activation_maximization.objectives import Objective

MOST = 36  # pictures in one optimisation: more are too small to see
_RANGE = re.compile(r"(?:(?P<layer>[^:@\s][^:@]*):\s*)?(?P<first>\d+)\s*-\s*(?P<last>\d+)")
_NUMBER = re.compile(r"\d+")
_HALF_A_PLACE = re.compile(r"[^()]*@\s*\d+")
ACCEPTED = (
    "Accepted: a unit such as 'conv3:5' or 'conv3:5@2,7', several as 'conv3:1-9' or 'conv3:1, 4, conv5:2', or an "
    "objective such as \"Channel('conv3:5') - 0.5 * Channel('conv3:6')\"."
)


def read_targets(lens: Lens, text: str) -> tuple[Objective, ...]:
    """The objectives that a text names, in order, each checked against the network.

    Example:
        >>> read_targets(Lens.load("mini"), "conv3:5-6, 9")
        (Channel('conv3:5'), Channel('conv3:6'), Channel('conv3:9'))

    Args:
        lens: the network.
        text: parts divided by commas: an address, a range of channels (both ends included), a bare channel of the layer
            named last, or an objective as text.

    Raises:
        BadValue: nothing named, more than `MOST`, or a part that is none of these; UnknownName, BadValue: a unit that
            the network does not have.
    """
    found: list[Objective] = []
    layer = ""
    for part in _parts(text):
        for written in _spread(part, layer):
            objective = as_objective(written).resolved(lens)
            found.append(objective)
            if len(found) > MOST:
                raise BadValue(f"{text!r} names more than {MOST} units. Accepted: 1 to {MOST} in one optimisation.")
        unit = found[-1].unit
        layer = layer if unit is None else unit.layer
    if not found:
        raise BadValue(f"Nothing was named. {ACCEPTED}")
    return tuple(found)


def written(objectives: tuple[Objective, ...]) -> str:
    """The text that names these objectives again; runs of channels of one layer are drawn together.

    Example:
        >>> from convviz_widgets.methods.activation_maximization.objectives import Channel
        >>> written((Channel("conv3:5"), Channel("conv3:6"), Channel("conv3:7"), Channel("conv5:1")))
        'conv3:5-7, conv5:1'
    """
    parts: list[str] = []
    run: list[Unit] = []
    for text in [*map(as_text, objectives), ""]:
        unit = _plain_unit(text)
        if run and (unit is None or unit != Unit(run[-1].layer, run[-1].channel + 1)):
            parts += _drawn_together(run)
            run = []
        if unit is not None:
            run.append(unit)
        elif text:
            parts.append(text)
    return ", ".join(parts)


def unit_of(objectives: tuple[Objective, ...]) -> str:
    """The address of the first unit among the objectives, or ""."""
    return next((str(each.unit) for each in objectives if each.unit is not None), "")


def _plain_unit(text: str) -> Unit | None:
    """The whole channel that a text addresses, or None."""
    if not text or "(" in text or "@" in text:
        return None
    return Unit.parse(text)


def _drawn_together(run: list[Unit]) -> list[str]:
    if len(run) < 3:
        return [str(unit) for unit in run]
    return [f"{run[0]}-{run[-1].channel}"]


def _parts(text: str) -> Iterator[str]:
    """The text at its commas, but for those within brackets and within ``@row,column``."""
    depth, part = 0, ""
    for sign in f"{text},":
        depth += (sign in "([") - (sign in ")]")
        if sign != "," or depth > 0 or (_HALF_A_PLACE.fullmatch(part.strip())):
            part += sign
        elif part.strip():
            yield part.strip()
            part = ""
    if part.strip(" ,"):
        yield part.strip(" ,")


def _spread(part: str, layer: str) -> list[str]:
    """The addresses (or the one objective) that a part stands for; ``layer`` is the one named before."""
    span = _RANGE.fullmatch(part)
    if span is not None:
        name, first, last = span["layer"] or layer, int(span["first"]), int(span["last"])
        if not name:
            raise BadValue(f"{part!r} names no layer. {ACCEPTED}")
        if last < first or last - first >= MOST:
            raise BadValue(f"{part!r} is no range of channels. Accepted: first-last, at most {MOST} of them.")
        return [f"{name}:{channel}" for channel in range(first, last + 1)]
    if _NUMBER.fullmatch(part):
        if not layer:
            raise BadValue(f"{part!r} names no layer. {ACCEPTED}")
        return [f"{layer}:{part}"]
    return [part.replace(" ", "") if "(" not in part else part]
