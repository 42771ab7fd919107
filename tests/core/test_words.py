"""The words of the widgets: every one that is used stands in the table, in every language, and no other does."""

import ast
import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest

from convviz_widgets.core import words
from convviz_widgets.core.errors import UnknownName
from tests.widgets.javascript import Literal, literals

WIDGETS = Path(words.__file__).parents[1] / "widgets"
SCRIPTS = sorted(WIDGETS.glob("*.js"))
SPOKEN = {
    text: entry
    for section, entries in words.table().items()
    if section not in (*words.ON_PAPER, words.SENT)
    for text, entry in entries.items()
}
SENT = words.table()[words.SENT]
EVERY = [(section, text, entry) for section, rows in words.table().items() for text, entry in rows.items()]
NOT_WORDS = {
    "conv3:5 · conv3:1-9 · ClassScore('cat')",  # code
    "{} ms",
    "brush {} px",  # goes up to Python in English, and comes back through `heard`
    "erase, {}",
    "11px {}",
    "zh-Hans",
}


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"\{(\w*)\}", text))


@cache
def read(script: Path) -> list[Literal]:
    return list(literals(script.read_text(encoding="utf-8")))


def used(script: Path) -> list[str]:
    return [each.text for each in read(script) if each.call == "word" and each.place == 0]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_module_says_nothing_that_is_not_in_the_table(script: Path) -> None:
    assert [text for text in used(script) if text not in SPOKEN] == []
    seen = [each for each in read(script) if each.seen and each.text not in NOT_WORDS]
    assert [f"{script.name}:{each.line} {each.text}" for each in seen] == [], 'Write word("...") around these.'


def test_no_module_reads_a_word_before_the_language_is_known() -> None:
    for script in SCRIPTS:
        for number, line in enumerate(script.read_text(encoding="utf-8").splitlines(), 1):
            early = re.match(r"(const|let) \w+ = (?!.*=>).*\b(word|heard)\(", line)
            assert early is None, f"{script.name}:{number} is run before a language is spoken. Make it a function."


def test_a_label_that_goes_past_the_table_is_seen() -> None:
    code = """element("p", { class: "cv-faint", title: "Drag it" }, "photo", word("Box"));
      // "A comment" in `words`
      told.textContent = `row ${place + `${at} of`}: ${word("Stop")}`;
      const path = /["'`]/.test(x) ? "M0 4H24" : "Told";"""
    assert [each.text for each in literals(code) if each.seen] == ["Drag it", "photo", "row {}: {}", "{} of", "Told"]
    assert [each.text for each in literals(code) if each.call == "word"] == ["Box", "Stop"]


def test_every_word_is_used_and_stands_once() -> None:
    everywhere = {text for script in SCRIPTS for text in used(script)}
    assert [text for text in SPOKEN if text not in everywhere] == []
    spoken = Counter(text for section, text, _ in EVERY if section not in (*words.ON_PAPER, words.SENT))
    assert [text for text, count in spoken.items() if count > 1] == []
    assert [text for text in SENT if text in SPOKEN and SPOKEN[text] != SENT[text]] == []


@pytest.mark.parametrize("language", [name for name in words.LANGUAGES if name not in ("auto", "en")])
def test_every_word_is_translated_with_the_same_placeholders(language: str) -> None:
    for section, text, entry in EVERY:
        assert entry.get(language, "").strip(), f"{section}: {text!r} lacks {language}"
        for form in (entry[language], entry.get("en", text), entry.get("one", text)):
            assert placeholders(form) == placeholders(text), f"{section}: {text!r} and {form!r}"
        if "one" in entry:
            assert "count" in placeholders(text), f"{section}: {text!r} has a form for one and no {{count}}"
        assert text == text.strip()
        assert entry[language] == entry[language].strip()


def test_chinese_is_chinese() -> None:
    plain = {re.sub(r"\{\w+\}", "", text) for _, text, entry in EVERY if not re.search("[\u4e00-\u9fff]", entry["zh"])}
    assert {text for text in plain if re.search("[a-z]", text)} <= {"px", " px", "l2", ": , , IoU ", "IoU"}
    for _, text, entry in EVERY:
        assert not re.search(r"[\u4e00-\u9fff][,;!?]|[\u4e00-\u9fff]\.$", entry["zh"]), f"{text!r}: Latin punctuation"


LABELS = {"label", "note", "text", "missing"}


def said_by(path: Path) -> set[str]:
    """What a module in Python hands to the browser as a label: literals, with {} for each value."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        named: list[tuple[str, ast.expr]] = []
        if isinstance(node, ast.keyword) and node.arg:
            named = [(node.arg, node.value)]
        elif isinstance(node, ast.Dict):
            named = [(str(getattr(key, "value", "")), value) for key, value in zip(node.keys, node.values, strict=True)]
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            named = [("label" if name in ("BY_HAND", "NO_DATASET", "CLEAN", "GIVEN") else name, node.value)]
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("told", "_named"):
            named = [("label", argument) for argument in node.args]
        for name, value in named:
            if name in LABELS:
                found |= {text for text in templates(value) if re.search("[a-z]{3} ", text)}
    return found


def templates(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    else:
        for child in ast.iter_child_nodes(node):
            yield from templates(child)


def test_what_python_says_is_in_the_table() -> None:
    known = {re.sub(r"\{\w+\}", "{}", text) for text in SENT}
    for path in sorted(WIDGETS.glob("*.py")):
        lacking = {text for text in said_by(path) if not any(each.startswith(text) for each in known)}
        assert lacking == set(), f"{path.name}: put these into the section {words.SENT!r} of words.json"


def test_knobs_recipes_families_and_kinds_of_layers_are_in_the_table() -> None:
    from convviz_widgets.lens.layers import Kind
    from convviz_widgets.methods.activation_maximization.climb import SILENT
    from convviz_widgets.methods.activation_maximization.recipes import RECIPES
    from convviz_widgets.methods.controlled_design import bench
    from convviz_widgets.widgets import inversion_choice
    from convviz_widgets.widgets.am_menu import KNOBS

    offered = inversion_choice.outline()
    knobs: list[Any] = [{"name": name, "help": knob.help, "unit": knob.unit} for name, knob in KNOBS.items()]
    knobs += offered["knobs"] + [each["knob"] for each in offered["perturbations"] if each["knob"]]
    knobs += [knob for name in bench.FAMILIES for knob in bench.family_knobs(name)]
    said = {text for knob in knobs for text in (knob["name"].replace("_", " "), knob["help"], knob["unit"])}
    said |= {SILENT} | {each.summary for each in RECIPES.values()} | {each["summary"] for each in offered["recipes"]}
    said |= {text for each in offered["perturbations"] for text in (each["name"], each["summary"])}
    said |= {text for name, make in bench.FAMILIES.items() for text in (name, str(make.__doc__).splitlines()[0])}
    assert said | set(get_args(Kind)) <= {*SENT, "", "%"}


def test_a_module_gets_what_it_needs_and_no_more() -> None:
    given = words.needed_by('word("Close this message") + word("{count} detectors", { count: 1 })')
    assert given["zh"]["Close this message"] == "关闭此消息"
    assert given["en"] == {"{count} detectors": {"one": "{count} detector", "other": "{count} detectors"}}
    assert "Brush" not in given["zh"]
    assert set(SENT) <= set(given["zh"])
    assert given["patterns"] == [text for text in SENT if placeholders(text)]


def test_the_language_is_the_one_set_then_the_environments_then_the_browsers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "_set", {})
    monkeypatch.delenv(words.VARIABLE, raising=False)
    assert words.language() == "auto"
    monkeypatch.setenv(words.VARIABLE, "zh_CN.UTF-8")
    assert words.language() == "zh"
    assert words.language("en") == words.language() == "en"
    monkeypatch.setattr(words, "_set", {})
    monkeypatch.setenv(words.VARIABLE, "klingon")
    with pytest.raises(UnknownName, match="CONVVIZ_LANGUAGE"):
        words.language()


@pytest.mark.parametrize("name", ["klingon", "z", "english"])
def test_an_unknown_language_says_what_is_accepted(name: str) -> None:
    with pytest.raises(UnknownName, match=r"Accepted: 'auto'.*'en'.*'zh'") as caught:
        words.language(name)
    assert repr(name) in str(caught.value)


def test_the_table_has_one_line_an_entry() -> None:
    text = Path(words.__file__).with_suffix(".json").read_text(encoding="utf-8")
    assert json.loads(text) == words.table()
    assert len(re.findall(r'^    "', text, flags=re.MULTILINE)) == len(EVERY)
