"""What went wrong, what was given, what is accepted, and the next step: every error a user can meet."""

import difflib
from collections.abc import Iterable


class ConvvizError(Exception):
    """The root of every error raised on purpose by this package."""

    def __str__(self) -> str:  # KeyError would show the text in quotes, with its line breaks escaped
        return str(self.args[0]) if self.args else ""


class BadValue(ConvvizError, ValueError):
    """A value of the right type that cannot be used."""


class BadType(ConvvizError, TypeError):
    """A value of a type that cannot be used."""


class Diverged(BadValue):
    """A training whose loss became NaN or infinite."""


class UnknownName(ConvvizError, KeyError):
    """A name that does not exist; the text lists the nearest ones that do."""


class MissingFile(ConvvizError, FileNotFoundError):
    """A file, for example of weights, that is needed and not there."""


class BadLabel(BadValue):
    """A label map, or a row that names one, that cannot be used.

    Args:
        kind: in which way, in two words: "wrong size", "unknown label", "unreadable map", "broken row".
        text: the whole of it.
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind

    def __reduce__(self) -> tuple[type["BadLabel"], tuple[str, str]]:  # errors of worker processes are pickled
        return type(self), (self.kind, str(self))


class DownloadFailed(ConvvizError, ConnectionError):
    """A file that could not be fetched; what arrived is kept, and the same call goes on from there."""


class BrokenInstall(ConvvizError, ImportError):
    """Installed packages that do not work together."""


class UnsupportedModel(ConvvizError, RuntimeError):
    """A network that cannot be run or looked into as asked."""


class OutOfMemory(MemoryError, ConvvizError):  # this order, or workers cannot send it to one another
    """Memory ran out although the cache was freed and the work was split."""


class Cancelled(ConvvizError):
    """The work was called off; nothing of it is left behind."""


def unknown_name(kind: str, name: object, accepted: Iterable[object], hint: str = "") -> UnknownName:
    """The error for a wrong name: says what was given and lists the nearest three that exist.

    Example:
        >>> str(unknown_name("layer", "fire", ["fire1", "pool"]))
        "There is no layer 'fire'. Nearest: 'fire1'. "
    """
    names = [str(each) for each in accepted]
    near = difflib.get_close_matches(str(name), names, n=3, cutoff=0.3) or names[:3]
    listed = ", ".join(repr(each) for each in near) or "none: the list is empty"
    return UnknownName(f"There is no {kind} {name!r}. Nearest: {listed}. {hint}")
