"""What people read on widgets, in their language: one table of words, and which language is spoken.

The table, ``words.json`` beside this file, has a section for each part of the house; in a section the English text is
the key, as it stands in the code, and with it stand its translations. A text that counts something has a placeholder
``{count}`` and may have a form of its own for one: ``{"one": "{count} step", "zh": "{count} 步"}``. Where one English
word has two meanings, the key names the meaning and "en" holds the word. What Python says to a widget goes to the
browser in English, as all else does, and is found in the table there, section "sent".
"""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any, Protocol
from weakref import WeakSet

from convviz_widgets.core.errors import UnknownName

LANGUAGES = {"auto": "as the browser", "en": "English", "zh": "中文"}
VARIABLE = "CONVVIZ_LANGUAGE"
SENT = "sent"
"""The section of what Python says and the browser translates."""
ON_PAPER = ("notebooks", "readme", "techniques")
"""Sections that no widget shows."""

Entry = dict[str, str]


class Speaker(Protocol):
    """What has a language of its own to set, as a widget has."""

    language: str


_set: dict[str, str] = {}
_speakers: WeakSet[Any] = WeakSet()


def language(name: str | None = None) -> str:
    """The language of the labels of widgets: sets it, or says which one is set.

    Open widgets are drawn anew in it. Where nothing is set, the environment variable ``CONVVIZ_LANGUAGE`` is asked, and
    without that "auto" counts: the browser's language, or English where the browser's is not in the table. Names of
    layers, files, classes and concepts are data and stay as they are, and so do the errors of Python.

    Example:
        >>> language("zh")
        'zh'
        >>> language("auto")
        'auto'

    Args:
        name: "en", "zh" or "auto"; a locale such as "zh_CN.UTF-8" counts as its language.

    Raises:
        UnknownName: a language that is not in the table.
    """
    if name is not None:
        _set["language"] = accepted(name)
        for each in list(_speakers):
            each.language = _set["language"]
    return _set.get("language") or accepted(os.environ.get(VARIABLE) or "auto", of=f" of {VARIABLE}")


def accepted(name: str, of: str = "") -> str:
    """The language that a name or a locale stands for.

    Example:
        >>> accepted("zh-CN")
        'zh'

    Raises:
        UnknownName: one that is not in the table.
    """
    found = str(name).replace("-", "_").partition("_")[0].lower()
    if found not in LANGUAGES:
        listed = ", ".join(f"{each!r} ({what})" for each, what in LANGUAGES.items())
        raise UnknownName(
            f"There is no language {name!r}{of}. Accepted: {listed}. Set one of these, as in "
            "convviz_widgets.language('zh')."
        )
    return found


def follow(speaker: Speaker) -> None:
    """From now on `language` sets the language of this one too, as long as it lives."""
    _speakers.add(speaker)


@cache
def table() -> dict[str, dict[str, Entry]]:
    """The whole table: section, English text, and what stands with it.

    Example:
        >>> table()["kit"]["Close this message"]["zh"]
        '关闭此消息'
    """
    found: dict[str, dict[str, Entry]] = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    return found


def translated(text: str, into: str) -> str:
    """A text of the table in a language; the text itself where the table has none.

    Example:
        >>> translated("Close this message", "zh")
        '关闭此消息'
    """
    return next((each[text].get(into, text) for each in table().values() if text in each), text)


def needed_by(code: str) -> dict[str, Any]:
    """The part of the table that a module in JavaScript uses, for it to hold.

    Returns:
        For each language {English text: translation, or its forms by number}; under "patterns", those of the English
        texts from Python that hold values.
    """
    found: dict[str, Any] = {name: {} for name in LANGUAGES if name != "auto"}
    for section, entries in table().items():
        if section in ON_PAPER:
            continue
        for text, entry in entries.items():
            if section != SENT and json.dumps(text, ensure_ascii=False) not in code:
                continue
            for name in found:
                if name in entry:
                    found[name][text] = entry[name]
            if "one" in entry:
                found["en"][text] = {"one": entry["one"], "other": text}
    return {**found, "patterns": [text for text in table()[SENT] if "{" in text]}
