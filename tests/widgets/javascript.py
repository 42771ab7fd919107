"""Reads JavaScript as far as is needed to find what a person would see: string literals, and where they stand."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

SEEN_AS = {"aria-label", "title", "placeholder", "alt", "aria-roledescription", "aria-valuetext", "text", "about"}
LABEL_ARGUMENTS = {  # of functions that make a control, the places of what is read
    "tool_button": {0},
    "choice_row": {0},
    "growing_line": {0},
    "snapshot_chart": {0},
    "work_button": {3, 4},
    "toggle": {0, 4},
    "button": {0, 3},
    "slider": {0},
    "group": {0},
    "row": {1, 2},
    "said": {0},
}
PHRASE = re.compile(r"[A-Za-z]{2,}[,.:;]? [A-Za-z(“{]|\} [a-z]{2,}|\b[A-Z][a-z]{2,}|[A-Za-z]{2,}…")
LETTERS = re.compile(r"[A-Za-z]{2,}")
KEYS = re.compile(r"^(Arrow\w+|Home|End|Page\w+|Enter|Escape|Delete|Backspace|PNG|GIF|APNG|CSV|JSON|HTML)$")
STYLE = re.compile(r"^(cv-|cv |rgb\(|linear-gradient|repeating-linear|width:|\(prefers|[MCHVLZ{}\d .,-]+$)")

ENOUGH = 400  # characters of code before a literal that tell what it is for


@dataclass(frozen=True)
class Literal:
    """A string or a template.

    Args:
        text: what stands between the quotes; ``{}`` for each value put into a template.
        line: number of its line, from 1.
        call: name of the function whose argument it is, or "".
        place: the place of that argument, from 0.
        key: the property whose value it is, or "".
        statement: the code of the statement before it.
    """

    text: str
    line: int
    call: str
    place: int
    key: str
    statement: str

    @property
    def seen(self) -> bool:
        """Whether a person would read it, and it does not come from the table."""
        text, before = self.text, self.statement.rstrip()
        if self.call in ("word", "heard") or not LETTERS.search(text.replace("{}", "")):
            return False
        if re.search(r"([=!]==|\bcase|new Error\()$", before) or KEYS.match(text) or STYLE.match(text):
            return False
        if self.key:
            return self.key in SEEN_AS or bool(PHRASE.search(text) and self.key not in ("class", "d", "style"))
        if self.call in ("element", "svg") and self.place >= 2:
            return True
        if self.place in LABEL_ARGUMENTS.get(self.call, ()):
            return True
        if re.search(r"(textContent|\.title) =[^;]*$", before) and self.call not in ("get", "join"):
            return True
        return bool(PHRASE.search(text))


def literals(source: str) -> Iterator[Literal]:
    """Every string and template of a module, also those inside the values of templates."""
    yield from _Reader(source).read(0, "")[1]


@dataclass
class _Bracket:
    """An open bracket: which one, the function it calls, and the argument and the property that are read now."""

    opened: str
    call: str = ""
    place: int = 0
    key: str = ""


class _Reader:
    def __init__(self, source: str) -> None:
        self.source = source

    def read(self, at: int, closing: str) -> tuple[int, list[Literal]]:
        """Reads code up to a closing brace, or to the end; gives where it ended and the literals."""
        found: list[Literal] = []
        stack = [_Bracket("")]
        code = ""
        while at < len(self.source):
            char = self.source[at]
            if char == closing and len(stack) == 1:
                return at + 1, found
            if self.source.startswith(("//", "/*"), at):
                at = self.source.find("\n", at) if self.source[at + 1] == "/" else self.source.index("*/", at) + 2
            elif char in "\"'`":
                start, inner = at, []
                at, text, inner = self._template(at) if char == "`" else (*self._string(at), [])
                found += [self._literal(text, start, stack[-1], code), *inner]
                code += '""'
            elif char == "/" and re.search(r"(^|[(,=:\[!&|?{};]|return)\s*$", code):
                at = self._expression(at)
                code += "0"
            else:
                _count(char, stack, code, found)
                code = code[-ENOUGH:] + char
                at += 1
        return at, found

    def _literal(self, text: str, start: int, inner: _Bracket, code: str) -> Literal:
        statement = re.split(r"[;\n](?=[^\n]*$)", code)[-1]
        key = inner.key if inner.opened == "{" else ""
        return Literal(text, self.source.count("\n", 0, start) + 1, inner.call, inner.place, key, statement)

    def _string(self, at: int) -> tuple[int, str]:
        end = at + 1
        while self.source[end] != self.source[at]:
            end += 2 if self.source[end] == "\\" else 1
        return end + 1, self.source[at + 1 : end]

    def _expression(self, at: int) -> int:
        """The end of a regular expression."""
        end, within = at + 1, False
        while self.source[end] != "/" or within:
            within = {"[": True, "]": False}.get(self.source[end], within)
            end += 2 if self.source[end] == "\\" else 1
        return end + 1

    def _template(self, at: int) -> tuple[int, str, list[Literal]]:
        text, inner = "", []
        at += 1
        while self.source[at] != "`":
            if self.source.startswith("${", at):
                at, more = self.read(at + 2, "}")
                inner += more
                text += "{}"
            else:
                wide = 2 if self.source[at] == "\\" else 1
                text += self.source[at : at + wide]
                at += wide
        return at + 1, text, inner


def _count(char: str, stack: list[_Bracket], code: str, found: list[Literal]) -> None:
    """Keeps the open brackets."""
    if char in "([{":
        name = re.search(r"(\w+)\s*$", code)
        stack.append(_Bracket(char, name[1] if name and char == "(" else ""))
    elif char in ")]}" and len(stack) > 1:
        stack.pop()
    elif char == ",":
        stack[-1].place += 1
        stack[-1].key = ""
    elif char == ":" and stack[-1].opened == "{":
        key = re.search(r"(?:^|[{,\s])([\w-]+)\s*$", code)
        stack[-1].key = found[-1].text if found and code.endswith('""') else key[1] if key else stack[-1].key
