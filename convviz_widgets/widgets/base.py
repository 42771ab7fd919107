"""What all widgets have in common: how their parts are joined, how they fail, how they are kept in a saved notebook.

Up from the browser come custom messages, one per gesture; down goes one state update per answer. Handlers only submit
jobs, as it is not known which thread they run on; pictures and maps travel as bytes.
"""

import io
import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from convviz_widgets.core import words
from convviz_widgets.core.errors import BadValue, ConvvizError, unknown_name
from convviz_widgets.render.encode import png

HERE = Path(__file__).parent
_log = logging.getLogger(__name__)


def joined(*names: str) -> str:
    """The texts of files of this folder, one after another: a widget's module cannot import files beside it.

    A module in JavaScript begins with the words it uses, in every language, and with what finds them.
    """
    text = "\n".join((HERE / name).read_text(encoding="utf-8") for name in names)
    if not names[0].endswith(".js"):
        return text
    said = json.dumps(words.needed_by(text), ensure_ascii=False, separators=(",", ":"))
    return f"const WORDS = {said};\n{(HERE / '_words.js').read_text(encoding='utf-8')}\n{text}"


class Widget(anywidget.AnyWidget):
    """The root of every widget here.

    Raises:
        UnknownName: on a keyword argument that is no trait.
    """

    problem = traitlets.Dict({}).tag(sync=True)
    """What went wrong last, as {"text": ...}; empty when all is well. Written by the widget."""
    language = traitlets.Unicode().tag(sync=True)
    """Language of the labels: "en", "zh", or "auto" for the browser's; see `words.language`. Written by the user."""

    def __init__(self, **traits: Any) -> None:
        unknown = [name for name in traits if not self.has_trait(name)]
        if unknown:
            public = [name for name in self.trait_names() if not name.startswith("_")]
            raise unknown_name(f"argument of {type(self).__name__}", unknown[0], public)
        self._lock = threading.RLock()
        self._writer: int | None = None
        super().__init__(**traits)
        if "language" not in traits:
            words.follow(self)
        self.on_msg(self._receive)

    def receive(self, message: dict[str, Any], buffers: list[memoryview]) -> None:
        """Answers a gesture. Overridden by each widget."""

    def still(self) -> Any:
        """The present state as a picture (H, W, 3) for saved notebooks, or None. Overridden by each widget."""
        return None

    def write(self, **traits: Any) -> None:
        """Sets traits from within: one message to the browser, and no gesture of the user's for the observers."""
        with self._lock:
            before, self._writer = self._writer, threading.get_ident()
            try:
                with self.hold_sync():
                    for name, value in traits.items():
                        setattr(self, name, value)
            finally:
                self._writer = before

    @property
    def writing(self) -> bool:
        """Whether the present change comes from `write` in this thread."""
        return self._writer == threading.get_ident()

    def fail(self, error: BaseException) -> None:
        """Shows an error inside the widget, which stays usable."""
        if not isinstance(error, ConvvizError):
            _log.error("a widget failed", exc_info=error)
        self.write(problem={"text": str(error) or type(error).__name__})

    @traitlets.default("language")
    def _language_set(self) -> str:
        return words.language()

    @traitlets.validate("language")
    def _check_language(self, proposal: Any) -> str:
        return words.accepted(proposal["value"])

    def _receive(self, _widget: Any, message: Any, buffers: list[memoryview]) -> None:
        try:
            if not isinstance(message, dict) or "kind" not in message:
                raise BadValue(f"The browser sent a message that is not understood: {message!r}.")
            self.receive(message, buffers)
        except Exception as error:  # noqa: BLE001 -- shown in the widget; a handler has no caller to tell
            self.fail(error)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        data, *rest = bundle if isinstance(bundle, tuple) else (bundle,)
        if data is None:
            return bundle
        data = {**data, "text/plain": repr(self)}
        picture = _or_none(self.still)
        if picture is not None:
            data["image/png"] = png(picture)
        return (data, *rest) if rest else data

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def _or_none(still: Callable[[], Any]) -> Any:
    try:
        return still()
    except Exception as error:  # noqa: BLE001 -- the widget itself is shown all the same
        _log.warning("no still picture: %s", error)
        return None


def read_upload(name: str, data: memoryview, *, most: int) -> Any:
    """An uploaded picture, decoded within Pillow's limit on pixels.

    Raises:
        BadValue: it is larger than ``most`` bytes, or no picture.
    """
    from PIL import Image, UnidentifiedImageError

    if len(data) > most:
        raise BadValue(f"{name!r} has {len(data):,} bytes; at most {most:,} are taken. Scale the picture down first.")
    try:
        picture = Image.open(io.BytesIO(data))
        picture.load()
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BadValue(f"{name!r} cannot be read as a picture: {error}") from error
    return picture
