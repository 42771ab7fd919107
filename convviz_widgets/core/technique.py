"""One convention for all techniques: ``NAME(...)`` gives the result, ``NAME.steps(...)`` the iterator behind it."""

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, ParamSpec, TypeVar

from convviz_widgets.core.step import Step, Steps, Watch, drain

Arguments = ParamSpec("Arguments")
Outcome = TypeVar("Outcome")
Progress = bool | Watch | None


class Technique(Generic[Arguments, Outcome]):
    """A technique: called, it runs to its end; its ``steps`` is the same work as an iterator.

    ``progress=`` of the call: None shows a bar in a notebook and nothing in a script, True and False decide, and a
    function is called with each `Step`.
    """

    def __init__(self, steps: Callable[Arguments, Steps[Outcome]]) -> None:
        self.steps = steps
        functools.update_wrapper(self, steps)
        self.__name__: str = steps.__name__

    def __call__(self, *args: Any, progress: Progress = None, **kwargs: Any) -> Outcome:
        """The result of the work; the arguments are those of the iterator."""
        with _watch(progress, title=self.__name__.replace("_", " ")) as watch:
            return drain(self.steps(*args, **kwargs), watch)


def technique(steps: Callable[Arguments, Steps[Outcome]]) -> Technique[Arguments, Outcome]:
    """Turns a function that gives an iterator of steps into a `Technique`."""
    return Technique(steps)


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")


@contextmanager
def _watch(progress: Progress, title: str) -> Iterator[Watch | None]:
    if callable(progress):
        yield progress
    elif progress is False or (progress is None and not in_notebook()):
        yield None
    else:
        from tqdm.auto import tqdm  # the one thing here that is not standard library: see CONTRIBUTING.md

        with tqdm(desc=title, leave=False) as bar:

            def show(step: Step) -> None:
                bar.total = step.total
                bar.set_postfix_str(step.label, refresh=False)
                bar.update(step.index - bar.n)

            yield show
            bar.total = bar.n  # done with fewer steps than were foreseen is no failure: no bar stays behind in red
