"""The findings of Bau 2017 on what training does to units, each asked of nets that were dissected.

Whether a finding holds is decided against nets of the baseline that differ in their seed alone: what lies within the
span of these may be chance. Every answer tells its rule and its numbers.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

BASELINE, SEEDS, ROTATED = "baseline", "other seeds", "rotated basis"
ITERATIONS = "by iteration"
LEAST = 3  # nets of the baseline, or chance cannot be told
ALIKE = 0.2  # of the mean, the largest deviation that counts as alike

Counts = npt.NDArray[np.int64]


class Finding(NamedTuple):
    """One published finding, and what was measured.

    Args:
        statement: what was found, in one sentence.
        source: author, year, section.
        measured: the numbers here.
        holds: whether it is so here, or None where that is undecided.
        rule: by which this was decided.
    """

    statement: str
    source: str
    measured: str
    holds: bool | None
    rule: str

    @property
    def answer(self) -> str:
        """Whether it holds, in a word."""
        return {True: "yes", False: "no", None: "undecided"}[self.holds]


class Counted(Protocol):
    """What the findings are asked of; see `Conditions`."""

    @property
    def names(self) -> tuple[str, ...]:
        """(R,) of the nets."""

    @property
    def layers(self) -> tuple[str, ...]:
        """(L,) from low to high."""

    @property
    def categories(self) -> tuple[str, ...]:
        """(G,)."""

    @property
    def conditions(self) -> tuple[str, ...]:
        """(R,) of the nets."""

    @property
    def by_unit(self) -> Counts:
        """(R, L, G) different concepts."""

    @property
    def detectors(self) -> Counts:
        """(R, L) units that detect anything."""


class _Question(NamedTuple):
    """A condition with more (sign 1) or fewer (sign -1) different concepts of some categories than the baseline."""

    condition: str
    statement: str
    section: str
    sign: int
    categories: tuple[str, ...] = ()


QUESTIONS = (
    _Question("no dropout", "Without dropout there are more texture detectors.", "3.5", 1, ("texture",)),
    _Question("no dropout", "Without dropout there are fewer object detectors.", "3.5", -1, ("object",)),
    _Question("batch norm", "With batch normalisation fewer different concepts are detected.", "3.5", -1),
    _Question("random weights", "Without any training fewer different concepts are detected.", "3.4", -1),
    _Question(ROTATED, "In a rotated basis of the same units fewer different concepts are detected.", "3.2", -1),
    _Question("wider", "With more units in the layer more different concepts are detected.", "3.7", 1),
)


def findings_of(found: Counted) -> tuple[Finding, ...]:
    """Every finding, answered."""
    answers: Iterator[Finding] = (_answered(each, found) for each in QUESTIONS)
    return (_by_layer(found), _seeds(found), *_iterations(found), *answers)


def _values(found: Counted, conditions: tuple[str, ...], categories: tuple[str, ...] = ()) -> Counts:
    """(n,) different concepts in the last layer, of the nets of some conditions, in some categories or all."""
    places = [place for place, each in enumerate(found.conditions) if each in conditions]
    columns = [column for column, each in enumerate(found.categories) if not categories or each in categories]
    return np.asarray(found.by_unit[places, -1][:, columns].sum(axis=1))


def _finding(statement: str, section: str, measured: str, rule: str, *, holds: bool | None) -> Finding:
    return Finding(statement, f"Bau 2017, section {section}", measured, holds, rule)


def _listed(values: Any) -> str:
    return ", ".join(str(int(each)) for each in values)


def _unmeasured(statement: str, section: str, lacking: str) -> Finding:
    return _finding(statement, section, f"not measured: {lacking}", "nothing to decide by", holds=None)


def _answered(question: _Question, found: Counted) -> Finding:
    """More or fewer than every net of the baseline, or within their span."""
    normal = _values(found, (BASELINE, SEEDS), question.categories)
    values = _values(found, (question.condition,), question.categories)
    if not len(values) or not len(normal):
        lacking = question.condition if len(normal) else BASELINE
        return _unmeasured(question.statement, question.section, f"no net of {lacking!r}")
    measured = f"{question.condition}: {_listed(values)}; baseline: {_listed(normal)} ({found.layers[-1]})"
    holds = _beyond(values, normal, question.sign)
    return _finding(question.statement, question.section, measured, _rule(len(normal)), holds=holds)


def _rule(count: int) -> str:
    if count < LEAST:
        return f"undecided with fewer than {LEAST} nets of the baseline; here {count}"
    return (
        f"yes where every net lies beyond all {count} of the baseline on the side stated, no where every one lies "
        f"beyond them on the other, else undecided; by chance one lies so once in {count + 1} times"
    )


def _beyond(values: Counts, normal: Counts, sign: int) -> bool | None:
    if len(normal) < LEAST:
        return None
    if (sign * values > (sign * normal).max()).all():
        return True
    return False if (sign * values < (sign * normal).min()).all() else None


def _seeds(found: Counted) -> Finding:
    statement = "Other random beginnings lead to about as many different concepts and as many detectors."
    places = [place for place, each in enumerate(found.conditions) if each in (BASELINE, SEEDS)]
    if len(places) < LEAST:
        return _unmeasured(statement, "3.5", f"{len(places)} nets of {BASELINE!r} and {SEEDS!r}, not {LEAST} or more")
    unique, detectors = _values(found, (BASELINE, SEEDS)), found.detectors[places, -1]
    away = max(float(np.abs(each - each.mean()).max() / max(each.mean(), 1)) for each in (unique, detectors))
    measured = (
        f"different concepts: {_listed(unique)}; detectors: {_listed(detectors)} ({found.layers[-1]}); "
        f"at most {away:.0%} from the mean"
    )
    rule = f"yes where no net is more than {ALIKE:.0%} from the mean of all, else no"
    return _finding(statement, "3.5", measured, rule, holds=away <= ALIKE)


def _by_layer(found: Counted) -> Finding:
    statement = "Colours and textures prevail in low layers; objects and parts come to the fore in the last."
    nets = [place for place, each in enumerate(found.conditions) if each in (BASELINE, SEEDS)]
    high = [column for column, each in enumerate(found.categories) if each in ("object", "part")]
    low = [column for column, each in enumerate(found.categories) if each in ("colour", "color", "texture")]
    if len(found.layers) < 2 or not nets:
        return _unmeasured(statement, "3.3", "fewer than two layers of a baseline")
    counts = found.by_unit[nets][:, (0, -1)]
    objects, colours = counts[:, :, high].sum(axis=2), counts[:, :, low].sum(axis=2)
    share = objects / np.maximum(objects + colours, 1)
    rises, falls = (share[:, 1] > share[:, 0]).all(), (share[:, 1] < share[:, 0]).all()
    measured = "; ".join(
        f"{layer}: {_listed(colours[:, at])} colours and textures, {_listed(objects[:, at])} objects and parts"
        for at, layer in enumerate((found.layers[0], found.layers[-1]))
    )
    rule = "yes where the share of objects and parts is larger in the last layer than in the first for every net"
    holds = bool(rises) if rises or falls else None
    return _finding(statement, "3.3", measured, f"{rule}, no where smaller for every one, else undecided", holds=holds)


def _iterations(found: Counted) -> Iterator[Finding]:
    grows = "Detectors of different concepts come with the iterations of training."
    stays = "No category of concepts gives way to another while training goes on."
    places = [place for place, each in enumerate(found.conditions) if each == ITERATIONS]
    places.sort(key=lambda place: _number(found.names[place]))
    normal = _values(found, (BASELINE, SEEDS))
    if not places or not len(normal):
        lacking = f"no net of {ITERATIONS if len(normal) else BASELINE!r}"
        yield from (_unmeasured(each, "3.5", lacking) for each in (grows, stays))
        return
    names = [f"{_number(found.names[place]):g}" for place in places]
    totals = found.by_unit[places, -1].sum(axis=1)
    measured = (
        f"different concepts after {', '.join(names)} iterations: {_listed(totals)}; at the end {_listed(normal)}"
    )
    holds = _beyond(totals[:1], normal, -1)
    yield _finding(grows, "3.5", measured, f"of the fewest iterations: {_rule(len(normal))}", holds=holds)
    ends = found.by_unit[[place for place, each in enumerate(found.conditions) if each in (BASELINE, SEEDS)], -1]
    falls = found.by_unit[places, -1].max(axis=0) - ends.max(axis=0)
    worst = int(falls.argmax())
    told = (
        f"largest fall: {found.categories[worst]}, by {max(int(falls[worst]), 0)} below the best of the nets at the end"
    )
    rule = "no where a category had more concepts on the way than any net of the baseline has at the end, else yes"
    decided = len(normal) >= LEAST
    yield _finding(
        stays, "3.5", told, rule if decided else _rule(len(normal)), holds=bool(falls[worst] <= 0) if decided else None
    )


def _number(name: str) -> float:
    """The number at the end of a name, such as "by iteration 100"."""
    try:
        return float(name.rsplit(" ", 1)[-1])
    except ValueError:
        return float("inf")
