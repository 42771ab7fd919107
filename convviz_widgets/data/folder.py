"""The pictures of a folder, read when they are asked for."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import overload

from PIL import Image

from convviz_widgets.core.errors import BadValue, MissingFile


class ImageFolder(Sequence[Path]):
    """The paths of all pictures in a folder, sorted by name; a lens reads each when it is needed.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> Image.new("RGB", (8, 8)).save(Path(folder) / "a.png")
        >>> [path.name for path in ImageFolder(folder)]
        ['a.png']

    Args:
        path: the folder.
        recursive: whether to look into folders inside it.

    Raises:
        MissingFile: there is no such folder.
        BadValue: it is not a folder, or holds no picture.
    """

    def __init__(self, path: str | os.PathLike[str], *, recursive: bool = False) -> None:
        self.path = Path(path)
        if not self.path.exists():
            raise MissingFile(f"There is no folder {str(path)!r}; relative paths start at {os.getcwd()!r}.")
        if not self.path.is_dir():
            raise BadValue(f"{str(path)!r} is a file. ImageFolder takes the folder around it.")
        known = Image.registered_extensions()
        files = [each for each in self.path.glob("**/*" if recursive else "*") if each.is_file()]
        self._paths = sorted(each for each in files if each.suffix.lower() in known and not each.name.startswith("."))
        if not self._paths:
            kinds = sorted({each.suffix or each.name for each in files}) or ["nothing"]
            hint = "" if recursive else " recursive=True looks into folders inside it."
            raise BadValue(f"{str(path)!r} holds no picture; found: {', '.join(kinds[:8])}.{hint}")

    def __len__(self) -> int:
        return len(self._paths)

    @overload
    def __getitem__(self, index: int) -> Path: ...
    @overload
    def __getitem__(self, index: slice) -> list[Path]: ...
    def __getitem__(self, index: int | slice) -> Path | list[Path]:
        return self._paths[index]

    def __repr__(self) -> str:
        return f"ImageFolder({str(self.path)!r}: {len(self)} pictures)"
