"""Objectives as text: what a person types, a provenance keeps and a result prints."""

import ast

from convviz_widgets.core.errors import BadType, BadValue
from convviz_widgets.core.unit import Unit
from convviz_widgets.methods.activation_maximization import objectives as written
from convviz_widgets.methods.activation_maximization.objectives import Channel, Neuron, Objective

NAMES = ("Neuron", "Channel", "WholeLayer", "ClassScore", "ClassProbability", "Direction", "Diversity")
ACCEPTED = (
    "Accepted: a unit such as 'fire9:17' or 'fire9:17@6,6', an objective such as Channel('fire9:17'), or the text of "
    f"one, with +, - and *: {', '.join(NAMES)}."
)


def as_objective(given: "str | Unit | Objective") -> Objective:
    """The objective that is meant: an address without position means the channel, with one the neuron.

    Example:
        >>> as_objective("fire9:17")
        Channel('fire9:17')
        >>> as_objective("Channel('fire9:17') - 0.5 * WholeLayer('fire2')")
        Channel('fire9:17') - 0.5 * WholeLayer('fire2')

    Raises:
        BadType, BadValue: it is none.
    """
    if isinstance(given, Objective):
        return given
    if not isinstance(given, str | Unit):
        raise BadType(f"{type(given).__name__} is no objective. {ACCEPTED}")
    try:
        unit = Unit.parse(given)
    except BadValue:
        if "(" not in str(given):
            raise
        return _read(str(given))
    return Channel(unit) if unit.position is None else Neuron(unit)


def as_text(objective: Objective) -> str:
    """The shortest text that `as_objective` reads back."""
    unit = objective.unit
    if unit is not None and as_objective(unit) == objective:
        return str(unit)
    return repr(objective)


def _read(text: str) -> Objective:
    try:
        value = _evaluated(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, TypeError, RecursionError) as error:
        if isinstance(error, BadValue | BadType):
            raise
        raise BadValue(f"{text!r} is not the text of an objective: {error}. {ACCEPTED}") from error
    if not isinstance(value, Objective):
        raise BadValue(f"{text!r} is a number, not an objective. {ACCEPTED}")
    return value


def _evaluated(node: ast.expr) -> "Objective | float":
    """The value of the few kinds of expression that make up an objective; nothing else is ever run."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in NAMES:
        made: Objective = getattr(written, node.func.id)(
            *(ast.literal_eval(each) for each in node.args),
            **{str(each.arg): ast.literal_eval(each.value) for each in node.keywords},
        )
        return made
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return float(node.value)  # type: ignore[arg-type]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_evaluated(node.operand)
    if isinstance(node, ast.BinOp):
        left, right = _evaluated(node.left), _evaluated(node.right)
        if isinstance(node.op, ast.Add):
            return left + right
        if isinstance(node.op, ast.Sub):
            return left - right  # type: ignore[operator]
        if isinstance(node.op, ast.Mult):
            return left * right
    raise ValueError(f"{ast.unparse(node)!r} is none of what an objective is made of")
