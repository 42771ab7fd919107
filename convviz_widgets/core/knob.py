"""What a person may turn: the range, scale and meaning of one parameter, written in its annotation."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal, TypeVar, get_type_hints

from convviz_widgets.core.errors import BadType, BadValue

Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class Knob:
    """Range and meaning of ONE parameter, written as ``Annotated[float, Knob(0, 3, help="...")]``.

    Example:
        >>> Knob(1, 20, help="patches per unit").check("k", 9)
        9

    Args:
        low, high: the smallest and the largest accepted value.
        scale: how a slider spreads the range.
        unit: unit of measure, for labels.
        help: one line that says what turning it does.
    """

    low: float
    high: float
    scale: Literal["linear", "log"] = "linear"
    unit: str = ""
    help: str = ""

    def check(self, name: str, value: Number) -> Number:
        """The value itself.

        Raises:
            BadValue: the value lies outside the range (or is NaN).
        """
        if not self.low <= value <= self.high:
            measure = f" {self.unit}" if self.unit else ""
            raise BadValue(f"{name}={value!r} is out of range. Accepted: {self.low:g} to {self.high:g}{measure}.")
        return value

    def whole(self, name: str, value: int) -> int:
        """The value itself, of which there are no fractions.

        Example:
            >>> Knob(1, 512, unit="px").whole("stride", 8)
            8

        Raises:
            BadValue: the value lies outside the range (or is NaN).
            BadType: it is no whole number.
        """
        return whole(name, self.check(name, value), int(self.low), int(self.high))


def knobs(function: Callable[..., Any]) -> dict[str, tuple[Knob, Any]]:
    """The knobs of a function in the order of its signature: name to (knob, default value)."""
    hints = get_type_hints(function, include_extras=True)
    found = {}
    for name, parameter in inspect.signature(function).parameters.items():
        for note in getattr(hints.get(name), "__metadata__", ()):
            if isinstance(note, Knob):
                found[name] = (note, parameter.default)
    return found


def field_knobs(settings: type) -> dict[str, tuple[type, Knob]]:
    """The knobs of a dataclass whose fields are ``Annotated[int | None, Knob(...)]``: name to (int or float, knob)."""
    found = {}
    for name, hint in get_type_hints(settings, include_extras=True).items():
        kind = next(each for each in hint.__origin__.__args__ if each is not type(None))
        found[name] = (kind, hint.__metadata__[0])
    return found


def set_to(name: str, value: Any, known: Mapping[str, tuple[type, Knob]]) -> Any:
    """The value of a knob among `field_knobs`, of the knob's type.

    Raises:
        BadValue: out of range.
        BadType: not a number, or a fraction where a whole number is wanted.
    """
    kind, knob = known[name]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or (kind is int and value != int(value)):
        wanted = "a whole number" if kind is int else "a number"
        raise BadType(f"{name}={value!r} cannot be set. Accepted: {wanted} from {knob.low:g} to {knob.high:g}.")
    return knob.check(name, kind(value))


def whole(name: str, value: Any, low: int, high: int) -> int:
    """A whole number within a range, for an argument that is no knob.

    Example:
        >>> whole("seeds", 3, 1, 64)
        3

    Raises:
        BadType: not a whole number.
        BadValue: out of range.
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise BadType(f"{name}={value!r} cannot be used. Accepted: a whole number from {low} to {high}.")
    if not low <= int(value) <= high:
        raise BadValue(f"{name}={value!r} is out of range. Accepted: {low} to {high}.")
    return int(value)
