"""Places in a forward pass that can be looked at, and the hooks that report what comes out of them."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

FUNCTIONS = {
    **dict.fromkeys(
        [
            "relu",
            "relu6",
            "leaky_relu",
            "elu",
            "selu",
            "celu",
            "gelu",
            "silu",
            "mish",
            "hardswish",
            "hardtanh",
            "softplus",
            "prelu",
            "tanh",
            "sigmoid",
            "hardsigmoid",
            "clamp",
            "clamp_min",
        ],
        "activation",
    ),
    **dict.fromkeys(
        ("max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d", "lp_pool2d"),
        "pooling",
    ),
}
"""Functions worth looking at when a network calls them without a module, and what kind of layer they make."""


class Site(NamedTuple):
    """One place: the n-th call of a module, or the n-th call of a function inside a module.

    Args:
        owner: name of the module.
        function: name of the function, or "" for the module itself.
        call: which call it is, from 1.
    """

    owner: str
    function: str = ""
    call: int = 1

    @property
    def name(self) -> str:
        """The layer's name: ``layer1.0.relu``, ``layer1.0.relu#2``, or ``block.relu()`` for a function."""
        stem = f"{self.owner}.{self.function}()".lstrip(".") if self.function else self.owner
        return stem if self.call == 1 else f"{stem}#{self.call}"


Report = Callable[[Site, Any], None]


class StopForward(BaseException):  # not an Exception, as networks catch those
    """Ends a forward pass early: all that was wanted is there."""


@contextmanager
def reporting(module: nn.Module, report: Report, *, sites: Iterable[Site] | None = None) -> Iterator[None]:
    """Inside, every output of these sites (of all modules and functions, if None) is reported as it comes out."""
    wanted = None if sites is None else list(sites)
    with ExitStack() as undo:
        if wanted is not None and not any(site.function for site in wanted):
            _hook_outputs(module, report, {site.owner for site in wanted}, undo)
        else:
            stack = _hook_stack(module, report, undo)
            undo.enter_context(_FunctionCalls(report, stack))
        yield


def _hook_outputs(module: nn.Module, report: Report, owners: set[str], undo: ExitStack) -> None:
    calls: Counter[str] = Counter()
    for owner in owners:

        def after(_module: nn.Module, _inputs: Any, output: Any, owner: str = owner) -> None:
            calls[owner] += 1
            report(Site(owner, "", calls[owner]), output)

        undo.callback(module.get_submodule(owner).register_forward_hook(after).remove)


def _hook_stack(module: nn.Module, report: Report, undo: ExitStack) -> list[tuple[str, nn.Module]]:
    calls: Counter[str] = Counter()
    stack: list[tuple[str, nn.Module]] = []
    for name, each in module.named_modules():

        def before(entered: nn.Module, _inputs: Any, name: str = name) -> None:
            stack.append((name, entered))

        def after(_module: nn.Module, _inputs: Any, output: Any, name: str = name) -> None:
            stack.pop()
            calls[name] += 1
            report(Site(name, "", calls[name]), output)

        undo.callback(each.register_forward_pre_hook(before).remove)
        undo.callback(each.register_forward_hook(after).remove)
    return stack


class _FunctionCalls(TorchFunctionMode):
    """Sees ``F.relu``, ``torch.relu``, ``x.relu_()`` alike, in its own thread, outside torch's own leaf modules."""

    def __init__(self, report: Report, stack: list[tuple[str, nn.Module]]) -> None:
        super().__init__()
        self._report = report
        self._stack = stack
        self._calls: Counter[tuple[str, str]] = Counter()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        function = getattr(func, "__name__", "").rstrip("_")
        if function in FUNCTIONS and self._stack and isinstance(output, torch.Tensor):
            owner, module = self._stack[-1]
            if not type(module).__module__.startswith("torch.nn."):
                self._calls[owner, function] += 1
                self._report(Site(owner, function, self._calls[owner, function]), output)
        return output


def first_tensor(output: Any) -> torch.Tensor | None:
    """The tensor in what a module gives: itself, or the first one in a tuple, a dict or an object of fields."""
    if isinstance(output, torch.Tensor):
        return output
    if isinstance(output, dict):
        named = (output[key] for key in ("logits", "out") if key in output)
        output = [*named, *output.values()]
    elif hasattr(output, "logits"):
        output = [output.logits]
    if isinstance(output, list | tuple):
        return next((found for each in output if (found := first_tensor(each)) is not None), None)
    return None
