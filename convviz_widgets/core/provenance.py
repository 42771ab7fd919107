"""Where a result comes from: enough to run it again, carried inside every result."""

import functools
import json
import math
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from importlib import metadata
from pathlib import PurePath
from types import MappingProxyType
from typing import Any, Self

from convviz_widgets.core.errors import BadType, BadValue
from convviz_widgets.core.region import Box
from convviz_widgets.core.unit import Unit

PACKAGE = __name__.partition(".")[0]
NAMED_VERSIONS = ("numpy", "torch", "torchvision")


@dataclass(frozen=True)
class Provenance:
    """What made a result: the technique, the weights, every setting, the seed, the versions.

    Two provenances are equal when everything but the moment of making is.

    Example:
        >>> made = Provenance.of("top_images", inputs=("lens", "images"), layer="conv5", k=9)
        >>> made.code()
        "cv.top_images(lens, images, layer='conv5', k=9)"

    Args:
        technique: the public name of what was called.
        fingerprint: digest of the network's weights, or "" where no network took part.
        settings: name to value of each argument that is not an input; see `plain` for what is accepted.
        seed: seed of the random generator, or None where nothing was random.
        inputs: names of the arguments that are objects of the notebook (the lens, the images), in order.
        versions: name to version of the packages at work.
        created: the moment of making, ISO 8601, UTC.
    """

    technique: str
    fingerprint: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False)
    seed: int | None = None
    inputs: tuple[str, ...] = ("lens",)
    versions: Mapping[str, str] = field(default_factory=dict, hash=False)
    created: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        settings = {str(name): plain(value, name=str(name)) for name, value in self.settings.items()}
        object.__setattr__(self, "settings", MappingProxyType(settings))
        object.__setattr__(self, "versions", MappingProxyType(dict(self.versions)))
        object.__setattr__(self, "inputs", tuple(self.inputs))

    @classmethod
    def of(
        cls,
        technique: str,
        /,
        *,
        fingerprint: str = "",
        seed: int | None = None,
        inputs: Sequence[str] = ("lens",),
        **settings: Any,
    ) -> Self:
        """The provenance of what is being made now: versions and the moment are filled in.

        Raises:
            BadType: a setting is not plain data.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(technique, fingerprint, settings, seed, tuple(inputs), versions(), now)

    def code(self) -> str:
        """The line of code that makes the result again, for ``import convviz_widgets as cv``."""
        given = [*self.inputs, *(f"{name}={_literal(value)}" for name, value in self.settings.items())]
        if self.seed is not None:
            given.append(f"seed={self.seed}")
        return f"cv.{self.technique}({', '.join(given)})"

    def summary(self) -> str:
        """One line for a caption: the call, the weights, the version, the day."""
        weights = f"weights {self.fingerprint[:12]}" if self.fingerprint else ""
        version = f"{PACKAGE} {self.versions[PACKAGE]}" if PACKAGE in self.versions else ""
        return " · ".join(part for part in (self.code(), weights, version, self.created[:10]) if part)

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain dicts, tuples, text and numbers."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: dict(value) if isinstance(value, Mapping) else value for name, value in values.items()}

    def to_json(self, indent: int | None = None) -> str:
        """Everything as strict JSON; numbers that are not finite are written as text ("inf", "nan")."""
        return json.dumps(_finite(self.as_dict()), indent=indent, allow_nan=False, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Reads what `to_json` wrote; lists come back as tuples, unknown entries are passed over.

        Raises:
            BadValue: the text is not the JSON of a provenance.
        """
        try:
            read = json.loads(text)
            return cls(**{each.name: read[each.name] for each in fields(cls) if each.name in read})
        except (ValueError, TypeError, AttributeError) as error:
            raise BadValue(f"This is not a provenance: {error}. Accepted: the text that `to_json` writes.") from error

    def __getstate__(self) -> dict[str, Any]:  # a read-only mapping can neither be pickled nor copied
        return self.as_dict()

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, MappingProxyType(value) if isinstance(value, dict) else value)


def plain(value: Any, *, name: str = "value") -> Any:
    """The value as data that JSON, a repr and a reader understand, and that nobody can change later.

    Sequences become tuples, units and paths text, boxes (left, top, right, bottom), arrays' scalars Python numbers.

    Example:
        >>> plain({"unit": Unit("fire9", 17), "sizes": [3, 5]})
        {'unit': 'fire9:17', 'sizes': (3, 5)}

    Raises:
        BadType: something in it is not plain data.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, Unit | PurePath):
        return str(value)
    if isinstance(value, Box):
        return value.as_tuple()
    if isinstance(value, Mapping):
        return {str(key): plain(each, name=f"{name}[{key!r}]") for key, each in value.items()}
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, str | bytes | bytearray | memoryview):
        return tuple(plain(each, name=f"{name}[{index}]") for index, each in enumerate(_ordered(value)))
    scalar = _scalar(value)
    if scalar is None:
        raise BadType(
            f"{name} holds {type(value).__name__}, which a provenance cannot keep. Accepted: None, bool, int, float, "
            "str, Unit, Box, paths, and mappings or sequences of these. Describe other objects by a name or a digest."
        )
    return scalar


@functools.cache
def _versions() -> Mapping[str, str]:
    found = {"python": platform.python_version()}
    for package in NAMED_VERSIONS:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def versions() -> dict[str, str]:
    """Name to version of this package, Python and the packages that numbers depend on, as installed."""
    return {PACKAGE: str(getattr(sys.modules[PACKAGE], "__version__", "")), **_versions()}


def _scalar(value: Any) -> bool | int | float | str | None:
    """The Python value of a numpy or torch scalar, or of a subclass of a plain type (an enumeration's member)."""
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "ndim", 0) == 0:
        value = item()
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return None


def _ordered(values: Any) -> Iterator[Any]:
    return iter(sorted(values, key=repr)) if isinstance(values, set | frozenset) else iter(values)


def _literal(value: Any) -> str:
    """Python text that gives the value back."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"float({str(value)!r})"
    if isinstance(value, tuple):
        return f"({', '.join(map(_literal, value))}{',' * (len(value) == 1)})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_literal(each)}" for key, each in value.items()) + "}"
    return repr(value)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, tuple | list):
        return [_finite(each) for each in value]
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return value
