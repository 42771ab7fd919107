"""What can go wrong, read from the syntax trees: every error that the package raises on purpose, with its words."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from convviz_widgets.core import errors

PACKAGE = Path(__file__).resolve().parents[1]
GAP = "…"  # stands for what a message fills in when it is raised


@dataclass(frozen=True)
class Trouble:
    """One place that raises.

    Args:
        kind: the error's class.
        text: its message, `GAP` for each thing that is filled in.
        module: where it is raised, within the package.
    """

    kind: str
    text: str
    module: str


def kinds() -> dict[str, str]:
    """The classes of errors and what each means.

    Example:
        >>> kinds()["BadValue"]
        'A value of the right type that cannot be used.'
    """
    own = (each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.ConvvizError))
    return {each.__name__: (each.__doc__ or "").partition("\n")[0] for each in own}


def troubles() -> list[Trouble]:
    """Every message of every error, sorted by class and then by text; one raised in many places stands once.

    Example:
        >>> any("There is no" in trouble.text for trouble in troubles())
        True
    """
    found: dict[tuple[str, str], Trouble] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        for kind, text in _messages(ast.parse(path.read_text(encoding="utf-8"))):
            found.setdefault((kind, text), Trouble(kind, text, module))
    return [found[key] for key in sorted(found)]


def _messages(tree: ast.Module) -> Iterator[tuple[str, str]]:
    known = kinds()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in known and node.args:
            text = _said(node.args[-1])
            if text.strip(f"{GAP} ."):  # not one that hands on another's words
                yield node.func.id, text


def _said(node: ast.expr) -> str:
    """The text of an expression as far as it can be read without running it."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_said(part) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _said(node.left) + _said(node.right)
    return GAP
