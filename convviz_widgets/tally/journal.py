"""Records of long work in a file, one line each, so that a kill loses one at most."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convviz_widgets.core.errors import BadValue


class Journal:
    """Records, one per piece of work, kept in a file as they come.

    Opened again with the same ``about``, it holds what was kept; a last line that a kill cut short is dropped.

    Example:
        >>> journal = Journal(None, about={"weights": "ab12"})
        >>> journal.add({"name": "a.jpg", "overlap": 0.75})
        >>> len(journal.records)
        1

    Args:
        file: where to keep them; None keeps them in memory alone.
        about: what they are of, as plain data; a file about something else is refused.

    Raises:
        BadValue: the file is about something else, or no journal.
    """

    def __init__(self, file: str | os.PathLike[str] | None, about: Mapping[str, Any]) -> None:
        self._file = Path(file) if file is not None else None
        self._about = json.loads(json.dumps(about))
        self.records: list[dict[str, Any]] = []
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            if not self._file.exists() or not self._resumed(self._file):
                self._file.write_text(json.dumps(self._about) + "\n", encoding="utf-8")

    def add(self, record: Mapping[str, Any]) -> None:
        """Keeps one more record of plain data, in the file too before it is counted here."""
        line = json.dumps(record)
        if self._file is not None:
            with self._file.open("a", encoding="utf-8") as stream:
                stream.write(line + "\n")
        self.records.append(json.loads(line))

    def _resumed(self, file: Path) -> bool:
        """Whether there was something to go on with."""
        whole, _, cut = file.read_bytes().rpartition(b"\n")
        if not whole:
            if cut and not json.dumps(self._about).encode().startswith(cut):
                raise BadValue(f"{file} is not a journal of ours. Delete it, or name another file.")
            return False
        try:
            about, *records = (json.loads(line) for line in whole.decode("utf-8").split("\n"))
        except ValueError as error:
            raise BadValue(f"{file} is no journal, or damaged ({error}). Delete it, or name another file.") from error
        if about != self._about:
            known = about if isinstance(about, dict) else {}
            differing = [name for name in self._about if known.get(name) != self._about[name]]
            raise BadValue(f"{file} is about other work: other {differing}. Delete it, or name another file.")
        if cut:
            os.truncate(file, len(whole) + 1)
        self.records = records
        return True
