"""Draining steps, and techniques built on it."""

from typing import Annotated

import pytest

from convviz_widgets.core.knob import Knob, knobs
from convviz_widgets.core.step import Step, drain
from convviz_widgets.core.technique import Technique, technique


class Counting:
    def __init__(self, total, fail_at=None):
        self.total, self.fail_at, self.closed = total, fail_at, 0

    def steps(self):
        try:
            for index in range(1, self.total + 1):
                if index == self.fail_at:
                    raise ZeroDivisionError
                yield Step(index, self.total)
            return "end"
        finally:
            self.closed += 1


def test_drain_shows_each_step_and_gives_the_outcome():
    seen, work = [], Counting(3)
    assert drain(work.steps(), seen.append) == "end"
    assert seen == [Step(1, 3), Step(2, 3), Step(3, 3)]
    assert work.closed == 1
    assert drain(Counting(0).steps()) == "end"


def test_the_iterator_is_closed_when_the_watcher_stops_it():
    def stop(step):
        if step.index == 2:
            raise KeyboardInterrupt

    work = Counting(100)
    steps = work.steps()  # held here, so that nothing but `drain` closes it
    with pytest.raises(KeyboardInterrupt):
        drain(steps, stop)
    assert work.closed == 1


def test_errors_of_the_work_come_through():
    work = Counting(5, fail_at=3)
    with pytest.raises(ZeroDivisionError):
        drain(work.steps())
    assert work.closed == 1


@technique
def summing(numbers, *, start: Annotated[int, Knob(0, 9)] = 0):
    """Adds numbers."""
    total = start
    for index, number in enumerate(numbers, start=1):
        total += number
        yield Step(index, len(numbers), headline=total, label=f"added {number}")
    return total


def test_a_technique_is_called_or_stepped():
    assert isinstance(summing, Technique)
    assert summing([1, 2, 3], start=4) == 10
    assert [step.headline for step in summing.steps([1, 2, 3])] == [1, 3, 6]
    assert (summing.__name__, summing.__doc__) == ("summing", "Adds numbers.")
    assert list(knobs(summing.steps)) == ["start"]


def test_progress_goes_to_a_function():
    seen = []
    assert summing([5, 6], progress=seen.append) == 11
    assert [(step.index, step.label) for step in seen] == [(1, "added 5"), (2, "added 6")]


def test_a_bar_is_full_when_the_work_is_done_early(monkeypatch):
    class Bar:
        n, total = 0, None

        def __init__(self, **_):
            bars.append(self)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def update(self, by):
            self.n += by

        def set_postfix_str(self, text, *, refresh):
            pass

    @technique
    def early():
        """Stops at three of five."""
        for index in (1, 2, 3):
            yield Step(index, 5)
        return "done"

    bars = []
    monkeypatch.setattr("tqdm.auto.tqdm", Bar)
    assert early(progress=True) == "done"
    assert [(bar.n, bar.total) for bar in bars] == [(3, 3)]


def test_a_script_shows_nothing_unless_asked(capsys):
    assert summing([1, 2]) == 3
    assert summing([1, 2], progress=False) == 3
    assert capsys.readouterr() == ("", "")
    assert summing([1, 2], progress=True) == 3
    assert "summing" in capsys.readouterr().err
