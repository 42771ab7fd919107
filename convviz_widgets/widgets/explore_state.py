"""What a dashboard's panels hold, as plain values: kept while a panel is closed, and written as one line of code."""

import base64
import sys
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from convviz_widgets.core.errors import BadType, BadValue, unknown_name

TRAITS: dict[str, tuple[str, ...]] = {
    "picker": (),
    "brush": ("target", "fill", "keep", "sliding", "square", "stride", "region"),
    "am": ("objective", "recipe", "knobs", "seed", "from_scratch"),
    "projections": ("keep", "rule"),
    "concepts": ("concept",),
}
"""The panels in the order they stand in, each with what is its own: unit and image belong to all of them."""
LARGEST_REGION = 64_000_000  # bytes, of a mask that is unpacked


def checked_panel(name: Any) -> str:
    """The name of a panel.

    Raises:
        UnknownName: there is no such panel; lists the nearest.
    """
    if name not in TRAITS:
        raise unknown_name("panel", str(name), TRAITS)
    return str(name)


def checked_large(name: str, among: Iterable[str]) -> str:
    """The name of the panel that takes the whole width, which is open, or "".

    Raises:
        UnknownName, BadValue: there is no such panel, or it is not among those that are open.
    """
    if name and checked_panel(name) not in among:
        raise BadValue(f"The panel {name!r} is not open, so it cannot be large. Open: {', '.join(among) or 'none'}.")
    return name


def checked_state(name: str, state: Any) -> dict[str, Any]:
    """What a panel is to begin with, as its traits take it.

    Args:
        name: of the panel.
        state: {trait: value}; a region as text, as `plain` writes it, or as bytes.

    Raises:
        BadType, UnknownName, BadValue: no mapping, a name that does not belong to the panel, or a region that is none.
    """
    if not isinstance(state, Mapping):
        raise BadType(f"{name!r} takes a dictionary of {', '.join(TRAITS[name]) or 'nothing'}; given: {state!r}.")
    for trait in state:
        if trait not in TRAITS[name]:
            raise unknown_name(f"setting of the panel {name!r}", str(trait), TRAITS[name])
    found = dict(state)
    if isinstance(found.get("region"), str):
        found["region"] = _unpacked(found["region"])
    return found


def settings_of(given: Mapping[str, Any], others: Iterable[str]) -> dict[str, dict[str, Any]]:
    """What is given for the panels by name, checked; ``others`` are the arguments that are there besides.

    Raises:
        UnknownName, BadType, BadValue: what is named is no panel, or its state none; see `checked_state`.
    """
    for name in given:
        if name not in TRAITS:
            raise unknown_name("argument of explore", name, [*TRAITS, *others])
    return {name: checked_state(name, state) for name, state in given.items()}


def state_of(name: str, panel: Any) -> dict[str, Any]:
    """What differs in a panel from how it would begin anew with the same unit and image."""
    state = {}
    for trait in TRAITS[name]:
        value, default = getattr(panel, trait), panel.traits()[trait].default()
        if value != default and not (trait == "objective" and value == panel.unit):
            state[trait] = value
    if name == "brush" and not panel.sliding:  # else the sizes that are worked out for every picture
        state.pop("square", None)
        state.pop("stride", None)
    return state


def plain(state: Mapping[str, Any]) -> dict[str, Any]:
    """A panel's state in values that can be written as code: a region as text."""
    return {key: _packed(value) if isinstance(value, bytes) else value for key, value in state.items()}


def called(value: Any, otherwise: str) -> str:
    """The name that a value has in the notebook, or else another."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    space = {} if shell is None else shell.user_ns
    if space.get(otherwise) is value:
        return otherwise
    return next((name for name, each in list(space.items()) if each is value and not name.startswith("_")), otherwise)


def _packed(region: bytes) -> str:
    return base64.b64encode(zlib.compress(region, 9)).decode()


def _unpacked(text: str) -> bytes:
    try:
        unpacking = zlib.decompressobj()
        region = unpacking.decompress(base64.b64decode(text, validate=True), LARGEST_REGION)
    except (ValueError, zlib.error) as error:
        raise BadValue(f"This region is not one that `code()` has written: {text[:40]!r} ({error}).") from error
    if not unpacking.eof:
        raise BadValue(f"This region is cut off, or larger than {LARGEST_REGION:,} bytes: {text[:40]!r}. Copy it anew.")
    return region
