"""What a size ablation found: errors by variant, with the parameters they cost."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from convviz_widgets.render import charts, html
from convviz_widgets.render.result import Result

Floats = npt.NDArray[np.float64]
SHIPPED = Path(__file__).parent / "shipped"


@dataclass(frozen=True, eq=False, repr=False)
class SizeAblation(Result):
    """Errors of V variants of a network, of up to n nets each, after E epochs.

    Args:
        names: (V,) of the variants.
        changes: (V,) what sets them apart from the base.
        parameters: (V,) numbers that are trained.
        nets: (V,) how many were trained.
        train_error: (V, n) share of the training pictures told wrong, in [0, 1]; NaN for a net that was lost.
        test_error: (V, n) share of the others.
        ensemble_train_error: (V,) of the averaged probabilities of a variant's nets.
        ensemble_test_error: (V,) of the averaged probabilities of a variant's nets.
        losses: (V, n, E) mean loss of each epoch.
        reasons: (V,) why nets were lost, or "".
        count: pictures trained on.
        test_count: pictures measured on.
    """

    names: tuple[str, ...]
    changes: tuple[str, ...]
    parameters: npt.NDArray[np.int64]
    nets: npt.NDArray[np.int64]
    train_error: Floats
    test_error: Floats
    ensemble_train_error: Floats
    ensemble_test_error: Floats
    losses: Floats
    reasons: tuple[str, ...]
    count: int
    test_count: int

    @classmethod
    def shipped(cls) -> Self:
        """The table that ships, of the mini net on drawings; its provenance tells the command that made it."""
        return cls.load(SHIPPED / "size_ablation")

    @property
    def standard_error(self) -> Floats:
        """(V,) of the mean test error, from the number of pictures measured on: sqrt(p (1 - p) / N)."""
        p = _mean(self.test_error)
        return np.asarray(np.sqrt(p * (1 - p) / self.test_count))

    def rows(self) -> list[tuple[Any, ...]]:
        """One per variant: name, changes, parameters, nets, errors of one net and of all together in %, reasons."""
        train, test, error = (
            100 * each for each in (_mean(self.train_error), _mean(self.test_error), self.standard_error)
        )
        return [
            (
                name,
                self.changes[place] or "none",
                int(self.parameters[place]),
                int(self.nets[place]),
                _percent(train[place]),
                _percent(test[place], error[place]),
                _percent(100 * self.ensemble_test_error[place]) if self.nets[place] > 1 else "",
                self.reasons[place],
            )
            for place, name in enumerate(self.names)
        ]

    def figure(self) -> Any:
        """Train and test error of each variant, side by side."""
        errors = {"train": self.train_error, "test": self.test_error}
        parts = {name: np.nan_to_num(100 * _mean(each)) for name, each in errors.items()}
        if (self.nets > 1).any():
            parts["test, nets together"] = np.where(self.nets > 1, 100 * np.nan_to_num(self.ensemble_test_error), 0)
        labels = [f"{name} ({size:,})" for name, size in zip(self.names, self.parameters, strict=True)]
        figure = charts.stacks(labels, parts, title="Error by variant (parameters)", unit="pictures told wrong, %")
        return figure.update_layout(barmode="group", height=140 + 46 * len(labels))

    def caption(self) -> str:
        """The test error of each variant."""
        told = [
            f"{name} {_percent(100 * error)} %" if np.isfinite(error) else f"{name} lost"
            for name, error in zip(self.names, _mean(self.test_error), strict=True)
        ]
        return f"Test error on {self.test_count} pictures: {', '.join(told)}"

    def _repr_html_(self) -> str:
        head = ("variant", "changes", "parameters", "nets", "train error, %", "test error, %", "together, %", "lost")
        told = (
            f"Trained on {self.count} pictures, measured on {self.test_count} others; "
            "± is the standard error from their number."
        )
        table = html.table(head, self.rows(), caption=told)
        return html.block(table, html.faint(self.provenance.summary()), label=self.caption())


def _mean(values: Floats) -> Floats:
    """(V,) over the nets that were not lost; NaN where all were."""
    there = np.isfinite(values)
    total = np.where(there, values, 0).sum(axis=1)
    found = np.divide(total, there.sum(axis=1), out=np.full(len(values), np.nan), where=there.any(axis=1))
    return np.asarray(found)


def _percent(value: float, error: float = 0.0) -> str:
    if not np.isfinite(value):
        return "lost"
    return f"{value:.1f} ± {error:.1f}" if error else f"{value:.1f}"
