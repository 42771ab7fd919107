"""What a technique gives back: arrays that do not change, and where they come from."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import numpy as np

from convviz_widgets.core.errors import BadType
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.render import encode, html, store


@dataclass(frozen=True, eq=False, repr=False)
class Result(ABC):
    """The root of every result: a frozen dataclass of numpy arrays with its provenance.

    A subclass is written with ``@dataclass(frozen=True)`` and says how it is drawn: `figure`, and `picture` where a
    still one is possible. Its arrays are read-only; results are equal when all their fields are, NaN included
    (but for those declared with ``compare=False``). A
    subclass that has its own ``__post_init__`` calls this one.

    Example:
        >>> @dataclass(frozen=True)
        ... class Sums(Result):
        ...     sums: np.ndarray
        ...     def figure(self):
        ...         from convviz_widgets.render import charts
        ...         return charts.curve({"sum": self.sums})
        >>> Sums(np.zeros(3), provenance=Provenance("sums"))
        Sums(sums=float64 (3,), provenance=cv.sums(lens))

    Args:
        provenance: the technique, the weights, the settings, the seed and the versions that made it.
    """

    provenance: Provenance = field(kw_only=True)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # `dataclass` would write methods that fail on arrays or print them whole; it leaves alone what a class has.
        for name in ("__eq__", "__hash__", "__repr__"):
            if name not in cls.__dict__:
                setattr(cls, name, getattr(Result, name))

    def __post_init__(self) -> None:
        for name, value in self._values():
            object.__setattr__(self, name, _frozen(value))

    @abstractmethod
    def figure(self) -> Any:
        """An interactive figure, a plotly ``go.Figure``."""

    def picture(self) -> encode.Bytes | None:
        """A still picture (H, W, 3) uint8 for saved notebooks and files, or None where there is nothing to see."""
        return None

    def caption(self) -> str:
        """What the picture shows, in words: the text for those who do not see it."""
        told = ", ".join(f"{name} {value}" for name, value in self.provenance.settings.items())
        return f"{self.provenance.technique.replace('_', ' ')}{': ' if told else ''}{told}"

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Writes the result as a folder: ``arrays.npz``, ``manifest.json`` and, where there is one, ``picture.png``.

        The folder appears whole or not at all. Nothing is pickled.

        Args:
            folder: the folder to make; its parent is made too.
            overwrite: replace an earlier result there; a folder that holds anything else is never touched.

        Returns:
            The folder.

        Raises:
            BadValue: the folder exists and may not be replaced.
            BadType: a field holds something that is neither array, number, text nor a mapping or sequence of these.
        """
        picture = self.picture()
        text = {"convviz_widgets": self.provenance.to_json()}
        return store.write(
            Path(folder),
            store.Contents(
                kind=type(self).__name__,
                fields=dict(self._values()),
                provenance=self.provenance,
                picture=None if picture is None else encode.png(picture, text=text),
            ),
            overwrite=overwrite,
        )

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Reads what `save` wrote; sequences come back as tuples.

        Raises:
            MissingFile: there is no saved result in the folder.
            BadType: the folder holds a result of another kind.
            BadValue: files of it are damaged.
        """
        contents = store.read(Path(folder))
        expected = {each.name for each in fields(cls)} - {"provenance"}
        if contents.kind != cls.__name__ or set(contents.fields) != expected:
            raise BadType(
                f"{folder} holds a {contents.kind} with the fields {sorted(contents.fields)}. Accepted by "
                f"{cls.__name__}.load: a {cls.__name__} with the fields {sorted(expected)}."
            )
        return cls(**contents.fields, provenance=contents.provenance)

    def _values(self) -> Iterable[tuple[str, Any]]:
        return [(each.name, getattr(self, each.name)) for each in fields(self) if each.name != "provenance"]

    def _repr_html_(self) -> str:
        picture = self.picture()
        if picture is None:
            rows = [(name, _told(value)) for name, value in self._values()]
            body = html.table(("field", "holds"), rows, caption=self.caption())
        else:
            body = html.picture(picture, self.caption())
        return html.block(body, html.faint(self.provenance.summary()), label=self.caption())

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(_same(getattr(self, each.name), getattr(other, each.name)) for each in fields(self) if each.compare)

    def __hash__(self) -> int:
        return hash((type(self), self.provenance))

    def __repr__(self) -> str:
        told = [f"{name}={_told(value)}" for name, value in self._values()]
        return f"{type(self).__name__}({', '.join([*told, f'provenance={self.provenance.code()}'])})"


def _frozen(value: Any) -> Any:
    """The value with every array in it seen through a read-only view."""
    if isinstance(value, np.ndarray):
        view = value.view()
        view.flags.writeable = False
        return view
    if isinstance(value, Mapping):
        return {key: _frozen(each) for key, each in value.items()}
    if type(value) in (list, tuple):
        return tuple(_frozen(each) for each in value)
    return value


def _told(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {_told(each)}" for key, each in value.items()) + "}"
    if isinstance(value, tuple) and any(isinstance(each, np.ndarray) for each in value):
        return f"({', '.join(map(_told, value))})"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        if not (isinstance(one, np.ndarray) and isinstance(other, np.ndarray) and one.dtype == other.dtype):
            return False
        return bool(np.array_equal(one, other, equal_nan=one.dtype.kind in "fc"))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other or (one != one and other != other))  # NaN alone differs from itself
