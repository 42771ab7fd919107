"""What a ReLU lets through on the way back, whatever its spelling: one context for four rules.

Let ``x`` be the input of a ReLU and ``s`` the signal that comes down to it. It passes on

- ``gradient``: ``s`` where ``x > 0`` (plain backpropagation, Simonyan 2013);
- ``deconvnet``: ``s`` where ``s > 0`` (Zeiler & Fergus 2013, section 2);
- ``guided``: ``s`` where both hold (Springenberg 2014, section 3.4);
- ``redirected``: as ``gradient``; but for a picture of the batch to which nothing would pass, ``s`` where ``s > 0``,
  that is, where it wants a closed ReLU to open (what Olah 2017 calls redirecting). The signal must be that of
  something to be increased.

Seen are the functions and methods relu, threshold(0, 0), clamp, clip, clamp_min, relu6 and hardtanh from 0 on, and
maximum with zeros; plain or in place; and so the modules made of them. What is spelled as arithmetic, such as
``x * (x > 0)``, is not seen and keeps its gradient.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch.overrides import TorchFunctionMode

from convviz_widgets.core.errors import unknown_name

Rule = Literal["gradient", "deconvnet", "guided", "redirected"]


@contextmanager
def relu_rule(rule: Rule) -> Iterator[None]:
    """Inside, ReLUs that run in this thread get this rule for the backward pass, whenever that happens.

    Values stay as they are; so do other threads, and everything once the block is left. Blocks may be nested: the
    inner one holds.

    Example:
        >>> x = torch.tensor([-1.0, 2.0], requires_grad=True)
        >>> with relu_rule("deconvnet"):
        ...     y = x.relu()
        >>> torch.autograd.grad(y, x, torch.tensor([3.0, -4.0]))[0]
        tensor([3., 0.])

    Raises:
        UnknownName: there is no such rule.
    """
    if rule not in get_args(Rule):
        raise unknown_name("ReLU rule", rule, get_args(Rule))
    with _ReluMode(rule):
        yield


class _Gate(NamedTuple):
    """A call that is a ReLU: of which tensor, with which ceiling (of a ReLU6), whether in place."""

    x: torch.Tensor
    ceiling: float | None
    in_place: bool


class _ReluMode(TorchFunctionMode):
    def __init__(self, rule: Rule) -> None:
        super().__init__()
        self._rule = rule

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        read = READERS.get(getattr(func, "__name__", ""))
        gate = read(func.__name__, args, kwargs) if read is not None else None
        if gate is None or not torch.is_grad_enabled() or not gate.x.requires_grad or "out" in kwargs:
            return func(*args, **kwargs)
        rectified = _Rectified.apply(gate.x, gate.ceiling, self._rule)
        return gate.x.copy_(rectified) if gate.in_place else rectified  # who holds on to x sees it change


class _Rectified(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, ceiling: float | None, rule: Rule) -> torch.Tensor:
        ctx.rule, ctx.ceiling = rule, ceiling
        rectified = x.clamp(min=0, max=ceiling)
        ctx.save_for_backward(*[] if rule == "deconvnet" else [rectified])  # strictly inside where the ReLU was open
        return rectified

    @staticmethod
    def backward(ctx: Any, signal: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        if ctx.rule == "deconvnet":
            return signal.clamp(min=0), None, None
        (rectified,) = ctx.saved_tensors
        passed = _where_open(signal, rectified, ctx.ceiling)
        if ctx.rule == "guided":
            return passed.clamp_(min=0), None, None
        if ctx.rule == "redirected":
            blocked = ~(passed != 0).flatten(1).any(1) if passed.ndim > 1 else ~(passed != 0).any()
            passed = torch.where(blocked.view(-1, *[1] * (passed.ndim - 1)), signal.clamp(min=0), passed)
        return passed, None, None


def _where_open(signal: torch.Tensor, rectified: torch.Tensor, ceiling: float | None) -> torch.Tensor:
    """The signal where the ReLU was open, by torch's own gradient: a product with a mask takes five times as long."""
    if ceiling is None:
        return torch.ops.aten.threshold_backward(signal, rectified, 0)  # type: ignore[no-any-return]
    return torch.ops.aten.hardtanh_backward(signal, rectified, 0, ceiling)  # type: ignore[no-any-return]


def _relu(name: str, args: Any, kwargs: Any) -> _Gate:
    flag = args[1] if len(args) > 1 else kwargs.get("inplace", False)
    return _Gate(_first(args, kwargs), None, name.endswith("_") or bool(flag))


def _relu6(name: str, args: Any, kwargs: Any) -> _Gate:
    return _relu(name, args, kwargs)._replace(ceiling=6.0)


def _threshold(name: str, args: Any, kwargs: Any) -> _Gate | None:
    x, low, value, flag = _bound(args, kwargs, ("input", "threshold", "value", "inplace"))
    return _Gate(x, None, name.endswith("_") or bool(flag)) if low == 0 and value == 0 else None


def _clamp(name: str, args: Any, kwargs: Any) -> _Gate | None:
    x, low, high = _bound(args, kwargs, ("input", "min", "max"))
    return _clamped(x, low, high, in_place=name.endswith("_"))


def _hardtanh(name: str, args: Any, kwargs: Any) -> _Gate | None:
    x, low, high, flag = _bound(args, kwargs, ("input", "min_val", "max_val", "inplace"))
    return _clamped(x, low, high, in_place=name.endswith("_") or bool(flag))


def _maximum(_name: str, args: Any, kwargs: Any) -> _Gate | None:
    x, other = _bound(args, kwargs, ("input", "other"))
    for tensor, floor in ((x, other), (other, x)):
        if not isinstance(floor, torch.Tensor) or floor.requires_grad:
            continue
        shape = getattr(tensor, "shape", None)  # of an operation on paper there is none
        if (floor.ndim == 0 or floor.shape == shape) and not bool(floor.any()):
            return _Gate(tensor, None, in_place=False)
    return None


def _clamped(x: torch.Tensor, low: Any, high: Any, *, in_place: bool) -> _Gate | None:
    """A clamp whose floor is zero and whose ceiling, if any, is a positive number."""
    floor, ceiling = _number(low), _number(high)
    if floor != 0 or (high is not None and (ceiling is None or ceiling <= 0)):
        return None
    return _Gate(x, ceiling, in_place)


def _number(value: Any) -> float | None:
    if isinstance(value, torch.Tensor):
        return float(value) if value.ndim == 0 and not value.requires_grad else None
    return None if value is None else float(value)


def _first(args: Any, kwargs: Any) -> torch.Tensor:
    tensor: torch.Tensor = args[0] if args else kwargs["input"]
    return tensor


def _bound(args: Any, kwargs: Any, names: tuple[str, ...]) -> list[Any]:
    """The arguments in the order of these names; None for those left out."""
    return [args[place] if place < len(args) else kwargs.get(name) for place, name in enumerate(names)]


READERS: dict[str, Callable[[str, Any, Any], _Gate | None]] = {
    **dict.fromkeys(("relu", "relu_"), _relu),
    **dict.fromkeys(("relu6", "relu6_"), _relu6),
    **dict.fromkeys(("threshold", "threshold_", "_threshold"), _threshold),
    **dict.fromkeys(("clamp", "clamp_", "clip", "clip_", "clamp_min", "clamp_min_"), _clamp),
    **dict.fromkeys(("hardtanh", "hardtanh_"), _hardtanh),
    **dict.fromkeys(("maximum", "max"), _maximum),
}
