"""What is done to a code, a layer's answer, before the picture is told from it again.

What a reconstruction loses by a perturbation tells where the code carries the picture: if it survives with all
magnitudes made equal, they carry little; if it survives the loss of half of all numbers, the code is redundant. With
``a`` the code of one picture, all its numbers in a row, ``n`` of them:

- binarise: ``sign(a) * m``, the one magnitude m such that ``|a|`` stays;
- dropout: each number is 0 with probability p, the rest is scaled such that ``|a|`` stays;
- weakest: the share s of channels of least importance is 0, likewise scaled; by default importance is a channel's norm;
- strongest, top: all but a share of the numbers, or but k, those of largest magnitude, are 0, likewise scaled;
- quantise: the nearest of ``2**bits`` evenly spaced levels between the least and the largest number.

Source: Dosovitskiy & Brox 2016, "Inverting Visual Representations with Convolutional Networks" (binary and
dropout, both at the code's own Euclidean norm; dropping what is least important); the others keep the norm alike.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

import torch

from convviz_widgets.core.errors import BadType, BadValue, unknown_name
from convviz_widgets.core.knob import Knob


@dataclass(frozen=True)
class Kind:
    """A way to perturb: its name, what it does, and what its strength means.

    Args:
        name: what it is asked for by.
        summary: one line for a menu.
        knob: range and meaning of the strength; None where there is none.
        default: strength if none is given.
        whole: whether the strength is a whole number.
    """

    name: str
    summary: str
    knob: Knob | None = None
    default: float = 0.0
    whole: bool = False


@dataclass(frozen=True)
class Perturbation:
    """A way to perturb codes, with its strength.

    Example:
        >>> Perturbation.parse("binarise")(torch.tensor([[3.0, -4.0, 0.0]]))
        tensor([[ 3.5355, -3.5355,  0.0000]])
        >>> str(Perturbation.parse("dropout"))
        'dropout:0.5'

    Args:
        name: of a `Kind`.
        strength: within the kind's range; None for its default.

    Raises:
        UnknownName: there is no such kind.
        BadValue, BadType: a strength that it does not take.
    """

    name: str
    strength: float | None = None

    def __post_init__(self) -> None:
        kind = _kind(self.name)
        if kind.knob is None:
            if self.strength is not None:
                raise BadValue(f"{self.name!r} has no strength; given: {self.strength!r}. Leave it out.")
            return
        value = kind.default if self.strength is None else self.strength
        if isinstance(value, bool) or not isinstance(value, int | float) or (kind.whole and value != int(value)):
            wanted = "a whole number" if kind.whole else "a number"
            raise BadType(f"The strength of {self.name!r} is {value!r}. Accepted: {wanted}.")
        kind.knob.check(f"strength of {self.name!r}", value)
        object.__setattr__(self, "strength", int(value) if kind.whole else float(value))

    @classmethod
    def parse(cls, given: "str | Perturbation") -> Self:
        """Reads "dropout:0.5"; without a strength the kind's default is taken.

        Raises:
            UnknownName, BadValue, BadType: see the class.
        """
        if isinstance(given, Perturbation):
            return cls(given.name, given.strength)
        if not isinstance(given, str):
            raise BadType(f"{given!r} is no perturbation. Accepted: text such as 'dropout:0.5', or a Perturbation.")
        name, _, strength = given.partition(":")
        try:
            return cls(name.strip(), float(strength) if strength else None)
        except ValueError as error:
            if isinstance(error, BadValue):
                raise
            raise BadValue(f"The strength in {given!r} is no number. Accepted: such as 'dropout:0.5'.") from None

    def __call__(
        self,
        code: torch.Tensor,
        *,
        generator: torch.Generator | None = None,
        importance: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The perturbed code, of the same shape; each picture's for itself.

        Args:
            code: (N, K, h, w) or (N, K).
            generator: on the CPU, for what is random; default: one of seed 0.
            importance: (K,) of each channel, for "weakest".
        """
        draws = generator if generator is not None else torch.Generator().manual_seed(0)
        return _DONE[self.name](code, _Call(self.strength or 0.0, draws, importance))

    def __str__(self) -> str:
        return self.name if self.strength is None else f"{self.name}:{self.strength:g}"


def _kind(name: str) -> Kind:
    if name not in KINDS:
        raise unknown_name("perturbation", name, KINDS)
    return KINDS[name]


def with_norm_of(code: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Codes scaled such that each has the Euclidean norm that it has in ``like``; zeros stay zeros."""
    wanted, given = (each.flatten(1).norm(dim=1) for each in (like, code))
    factor = torch.where(given > 0, wanted / given.clamp(min=torch.finfo(given.dtype).tiny), torch.zeros_like(given))
    return code * factor.view(-1, *(1 for _ in code.shape[1:]))


@dataclass(frozen=True)
class _Call:
    """What a perturbation is given besides the code."""

    strength: float
    draws: torch.Generator
    importance: torch.Tensor | None


def _binarise(code: torch.Tensor, _: _Call) -> torch.Tensor:
    return with_norm_of(code.sign(), code)


def _dropout(code: torch.Tensor, call: _Call) -> torch.Tensor:
    kept = torch.rand(code.shape, generator=call.draws) >= call.strength
    return with_norm_of(code * kept.to(code.device), code)


def _weakest(code: torch.Tensor, call: _Call) -> torch.Tensor:
    count, channels = code.shape[:2]
    if call.importance is None:
        worth = code.reshape(count, channels, -1).norm(dim=2)
    elif tuple(call.importance.shape) == (channels,):
        worth = call.importance.to(code.device).expand(count, channels)
    else:
        given = tuple(call.importance.shape)
        raise BadValue(f"importance has shape {given}. Accepted: one number per channel, ({channels},).")
    kept = torch.ones(count, channels, dtype=code.dtype, device=code.device)
    kept.scatter_(1, worth.argsort(dim=1, stable=True)[:, : round(call.strength * channels)], 0.0)
    return with_norm_of(code * kept.view(count, channels, *(1 for _ in code.shape[2:])), code)


def _strongest(code: torch.Tensor, call: _Call) -> torch.Tensor:
    return _largest(code, max(1, round(call.strength * code[0].numel())))


def _top(code: torch.Tensor, call: _Call) -> torch.Tensor:
    return _largest(code, int(call.strength))


def _largest(code: torch.Tensor, count: int) -> torch.Tensor:
    rows = code.flatten(1)
    best = rows.abs().topk(min(count, rows.shape[1]), dim=1).indices
    kept = torch.zeros_like(rows).scatter_(1, best, rows.gather(1, best))
    return with_norm_of(kept.view_as(code), code)


def _quantise(code: torch.Tensor, call: _Call) -> torch.Tensor:
    rows = code.flatten(1)
    low, high = rows.amin(1, keepdim=True), rows.amax(1, keepdim=True)
    step = (high - low) / (2 ** int(call.strength) - 1)
    level = torch.where(step > 0, (rows - low) / step, torch.zeros_like(rows)).round()
    rounded: torch.Tensor = (low + level * step).view_as(code)
    return rounded


_Done = Callable[[torch.Tensor, _Call], torch.Tensor]
_SHARE = "share of the channels, the least important ones, that are set to 0"
_ALL: tuple[tuple[Kind, _Done], ...] = (
    (Kind("binarise", "Signs alone: every number gets the same magnitude"), _binarise),
    (
        Kind("dropout", "A random share of the numbers is lost", Knob(0, 0.99, help="share set to 0"), 0.5),
        _dropout,
    ),
    (Kind("weakest", "The least important channels are lost", Knob(0, 0.99, help=_SHARE), 0.5), _weakest),
    (
        Kind("strongest", "Only the strongest numbers stay", Knob(1e-4, 1, "log", help="share that is kept"), 0.1),
        _strongest,
    ),
    (
        Kind(
            "top", "Only the k strongest numbers stay", Knob(1, 65536, "log", help="how many are kept"), 5, whole=True
        ),
        _top,
    ),
    (Kind("quantise", "Every number is rounded", Knob(1, 16, unit="bits", help="bits left"), 4, whole=True), _quantise),
)
KINDS: Mapping[str, Kind] = {kind.name: kind for kind, _ in _ALL}
"""The ways to perturb, by name."""
_DONE: Mapping[str, _Done] = {kind.name: done for kind, done in _ALL}
