"""The scene of each picture of a folder: from the folder around it, a dict, or a file."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from convviz_widgets.core.errors import BadType, BadValue, MissingFile
from convviz_widgets.data.pairing import Pair

Scenes = str | os.PathLike[str] | Mapping[str, str] | None


def read_scenes(scenes: Any, pairs: Sequence[Pair]) -> dict[str, str]:
    """The scene of each picture, by the picture's name; pictures may lack one.

    Args:
        scenes: "folder"; a dict of picture name to scene; a file with a name and a scene on each line, as
            sceneCategories.txt of ADE20K; or None. A name may lack its folder and its suffix.
        pairs: the pictures.

    Raises:
        MissingFile: there is no such file.
        BadType, BadValue: something else, or no picture is named.
    """
    if scenes is None:
        return {}
    if scenes == "folder":
        found = {each.name: each.image.parent.name for each in pairs}
    else:
        given = _mapping(scenes)
        named = {each.name: next((given[key] for key in _keys(each.name) if key in given), None) for each in pairs}
        found = {name: str(scene) for name, scene in named.items() if scene}
    if not found:
        raise BadValue(f"scenes= names no picture of the folder, such as {pairs[0].name!r}. Accepted: name to scene.")
    return found


def _mapping(scenes: Any) -> Mapping[str, str]:
    if isinstance(scenes, Mapping):
        return scenes
    if not isinstance(scenes, str | os.PathLike):
        raise BadType(f"scenes={scenes!r} cannot be used. Accepted: 'folder', a dict of name to scene, or a file.")
    path = Path(scenes)
    if not path.is_file():
        raise MissingFile(f"There is no file of scenes {str(path)!r}. Accepted: 'folder', a dict, or a file.")
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    parts = (line.replace(",", " ").split(maxsplit=1) for line in lines)
    return {each[0]: each[1].strip() for each in parts if len(each) == 2}


def _keys(name: str) -> tuple[str, ...]:
    path = PurePosixPath(name)
    return name, str(path.with_suffix("")), path.name, path.stem
