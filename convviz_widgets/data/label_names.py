"""What the values of label maps are called: lists, dicts and the files that segmentation datasets come with."""

import csv
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convviz_widgets.core.errors import BadType, BadValue, MissingFile, unknown_name
from convviz_widgets.data.label_table import packed

ACCEPTED = (
    "Accepted for names: a list of names, the first for the value first=; a dict of value to name, of colour (R, G, B) "
    "to name or of name to colour; or a .json, .txt, .csv or .tsv file of one of these."
)
Names = Sequence[str] | Mapping[Any, Any] | str | os.PathLike[str]


@dataclass(frozen=True)
class ValueNames:
    """The names of the values of label maps.

    Args:
        names: value to name; a colour counts as the number that `packed` makes of it.
        colours: whether the values are colours.
    """

    names: dict[int, str]
    colours: bool


def read_names(names: Names, first: int = 0) -> ValueNames:
    """The names of values, however they are given.

    Example:
        >>> read_names(["sky", "road"], first=1).names
        {1: 'sky', 2: 'road'}
        >>> read_names({"sky": (128, 128, 128)}).colours
        True

    Args:
        names: see `ACCEPTED`. A file of lines may hold names alone, "value name" or "R G B name"; with a head, the
            columns Idx (or id, value, number) and Name are taken, as in objectInfo150.txt of ADE20K.
        first: value of the first name of a list.

    Raises:
        MissingFile: there is no such file.
        BadType: names of another form, a colour out of range.
        BadValue: no name, a value below 0, one value for two names.
    """
    if isinstance(names, str | os.PathLike):
        names = _from_file(Path(names))
    if isinstance(names, Mapping):
        found = _from_mapping(names)
    elif isinstance(names, Sequence):
        found = ValueNames(dict(enumerate(map(_name, names), start=first)), colours=False)
    else:
        raise BadType(f"names= of type {type(names).__name__} cannot be used. {ACCEPTED}")
    if not found.names:
        raise BadValue(f"names= is empty. {ACCEPTED}")
    if min(found.names) < 0:
        raise BadValue(f"names= has the value {min(found.names)}; label maps hold no values below 0. {ACCEPTED}")
    return found


def read_ignored(ignore: Any, names: ValueNames) -> set[int]:
    """The values that mean no label: given as values, names or colours, one or several.

    Raises:
        UnknownName: a name that no value has.
        BadType: something else.
    """
    several = (
        isinstance(ignore, Iterable) and not isinstance(ignore, str) and not (names.colours and _is_colour(ignore))
    )
    values: set[int] = set()
    for each in ignore if several else [ignore]:
        if isinstance(each, str):
            if each not in names.names.values():
                raise unknown_name("label", each, names.names.values(), "ignore= takes values, names or colours.")
            values |= {value for value, name in names.names.items() if name == each}
        elif names.colours and _is_colour(each):
            values.add(packed(each))
        elif not names.colours and hasattr(each, "__index__") and not isinstance(each, bool):
            values.add(int(each))
        else:
            accepted = "colours (R, G, B)" if names.colours else "values"
            raise BadType(f"ignore= holds {each!r}. Accepted: names or {accepted} that mean no label.")
    return values


def _from_mapping(names: Mapping[Any, Any]) -> ValueNames:
    turned = {key: value for key, value in names.items() if isinstance(key, str) and not isinstance(value, str)}
    if turned and len(turned) == len(names):
        names = {tuple(value) if isinstance(value, list) else value: key for key, value in turned.items()}
        if len(names) < len(turned):
            raise BadValue("names= gives one value to two names. Give each value one name; two values may share one.")
    if all(_is_colour(key) for key in names):
        return ValueNames({packed(key): _name(name) for key, name in names.items()}, colours=True)
    return ValueNames({_value(key): _name(name) for key, name in names.items()}, colours=False)


def _from_file(path: Path) -> Any:
    if not path.is_file():
        raise MissingFile(
            f"There is no file of names {str(path)!r}; relative paths start at {os.getcwd()!r}. {ACCEPTED}"
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() == ".json":
            return json.loads(text)
    except ValueError as error:
        raise BadValue(f"{str(path)!r} cannot be read: {error}. {ACCEPTED}") from error
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return _from_lines(lines, path)


def _from_lines(lines: list[str], path: Path) -> Any:
    for pattern, count in ((_COLOUR_LINE, 3), (_VALUE_LINE, 1)):
        found = [pattern.fullmatch(line) for line in lines]
        matches = [each for each in found if each]
        if lines and len(matches) == len(lines):
            keys = [tuple(int(each[place]) for place in range(1, count + 1)) for each in matches]
            names = [each[count + 1].strip() for each in matches]
            if len(set(keys)) < len(keys):
                raise BadValue(f"{str(path)!r} names a value twice.")
            return {key if count == 3 else key[0]: name for key, name in zip(keys, names, strict=True)}
    return _from_table(lines) or lines


def _from_table(lines: list[str]) -> dict[int, str]:
    """Value to name out of lines with a head that says which column is which; nothing where there is no such head."""
    for separator in "\t,;":
        rows = list(csv.reader(lines, delimiter=separator))
        head = [cell.strip().lower() for cell in rows[0]] if rows else []
        value = next((head.index(each) for each in ("idx", "id", "value", "number", "index") if each in head), None)
        if value is not None and "name" in head:
            name = head.index("name")
            whole = [row for row in rows[1:] if len(row) > max(value, name)]
            return {_value(row[value].strip()): row[name].strip() for row in whole}
    return {}


_COLOUR_LINE = re.compile(r"(\d{1,3})[\s,;]+(\d{1,3})[\s,;]+(\d{1,3})[\s,;]+(\D.*)")
_VALUE_LINE = re.compile(r"(\d+)[\s,;:]+(\D.*)")


def _is_colour(value: Any) -> bool:
    return (
        isinstance(value, tuple | list)
        and len(value) == 3
        and all(isinstance(each, int) and not isinstance(each, bool) and 0 <= each <= 255 for each in value)
    )


def _value(key: Any) -> int:
    if isinstance(key, str) and key.isdecimal():  # JSON has no other keys
        return int(key)
    if hasattr(key, "__index__") and not isinstance(key, bool):
        return int(key)
    raise BadType(f"names= has {key!r} where a value or a colour is wanted. {ACCEPTED}")


def _name(name: Any) -> str:
    if isinstance(name, str) and name.strip():
        return name.strip()
    raise BadType(f"names= has {name!r} where a name is wanted. {ACCEPTED}")


def listed(names: Iterable[str]) -> list[str]:
    """Each name once, in order."""
    return list(dict.fromkeys(names))
