"""What a person may turn: the range, scale and meaning of one parameter, written in its annotation."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_type_hints

from convviz_widgets.core.errors import BadValue

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


def knobs(function: Callable[..., Any]) -> dict[str, tuple[Knob, Any]]:
    """The knobs of a function in the order of its signature: name to (knob, default value)."""
    hints = get_type_hints(function, include_extras=True)
    found = {}
    for name, parameter in inspect.signature(function).parameters.items():
        for note in getattr(hints.get(name), "__metadata__", ()):
            if isinstance(note, Knob):
                found[name] = (note, parameter.default)
    return found
