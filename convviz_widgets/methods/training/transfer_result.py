"""What a transfer found: accuracy by depth and by number of training pictures, beside training from scratch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from convviz_widgets.core.errors import unknown_name
from convviz_widgets.render import charts, html
from convviz_widgets.render.result import Result

Floats = npt.NDArray[np.float64]
SHIPPED = Path(__file__).parent / "shipped"
SCRATCH = "from scratch"


@dataclass(frozen=True, eq=False, repr=False)
class Transfer(Result):
    """How well a linear classifier of each of L layers does, after S numbers of training pictures, R times each.

    Args:
        layers: (L,) from low to high.
        sizes: (S,) training pictures of each class.
        classes: (C,) names.
        accuracy: (L, S, R) on pictures kept apart, the mean of the C accuracies, in [0, 1].
        decay: (L, S, R) weight decay chosen.
        scratch: (S, R) of the network trained from fresh weights; NaN where it was not trained or its loss was lost.
        width: (L,) features of each layer.
        tested: pictures of each class kept apart.
        skipped: pictures that could not be read, with the reason.
    """

    layers: tuple[str, ...]
    sizes: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    accuracy: Floats
    decay: Floats
    scratch: Floats
    width: npt.NDArray[np.int64]
    tested: int
    skipped: tuple[str, ...]

    @classmethod
    def shipped(cls, name: str = "objects") -> Self:
        """What ships, of a narrow mini net that learnt seven of the fourteen things that are drawn.

        Args:
            name: "objects", the seven others, or "objects untrained", from the same network with random weights.

        Raises:
            UnknownName: none of these.
        """
        kinds = [each.name.removeprefix("transfer-").replace("-", " ") for each in sorted(SHIPPED.glob("transfer-*"))]
        if name not in kinds:
            raise unknown_name("transfer that ships", name, kinds)
        return cls.load(SHIPPED / f"transfer-{name.replace(' ', '-')}")

    @property
    def chance(self) -> float:
        """Accuracy of a guess."""
        return 1 / len(self.classes)

    @property
    def best(self) -> str:
        """The layer with the largest mean accuracy after the most pictures."""
        return self.layers[int(self.accuracy[:, -1].mean(axis=1).argmax())]

    def rows(self) -> list[tuple[Any, ...]]:
        """One per layer, and one from scratch: name, features, accuracy in % after each number of pictures."""
        lines = [(name, int(self.width[at]), self.accuracy[at]) for at, name in enumerate(self.layers)]
        told = [(name, width, *map(_told, values)) for name, width, values in lines]
        return [*told, (SCRATCH, "", *map(_told, self.scratch))] if np.isfinite(self.scratch).any() else told

    def figure(self, by: Literal["pictures", "depth"] = "pictures") -> Any:
        """Mean accuracy, with its standard deviation as bars: against the number of pictures, or against depth."""
        if by not in ("pictures", "depth"):
            raise unknown_name("way of drawing", by, ("pictures", "depth"))
        values = np.concatenate([self.accuracy, self.scratch[None]]) if self._has_scratch else self.accuracy
        mean, spread = 100 * values.mean(axis=2), 100 * values.std(axis=2)
        names = [*self.layers, SCRATCH] if self._has_scratch else list(self.layers)
        if by == "depth":
            count = len(self.layers)
            lines = {f"{size} of each class": mean[:count, at] for at, size in enumerate(self.sizes)}
            errors = spread[:count].T
            figure = charts.curve(lines, title="Linear classifiers by depth", x="layer", y="accuracy, %")
            figure.update_xaxes(tickvals=list(range(count)), ticktext=list(self.layers))
        else:
            lines, errors = dict(zip(names, mean, strict=True)), spread
            title = "Linear classifiers of frozen layers"
            figure = charts.curve(lines, places=self.sizes, title=title, x="pictures of each class", y="accuracy, %")
        for trace, error in zip(figure.data, errors, strict=True):
            trace.update(mode="lines+markers", error_y={"type": "data", "array": error, "thickness": 1})
        figure.add_hline(y=100 * self.chance, line={"width": 1, "dash": "dot", "color": charts.INK})
        return figure.update_layout(height=420)

    def caption(self) -> str:
        """The best layer, and training from scratch, after the most pictures."""
        at = self.layers.index(self.best)
        scratch = f", {SCRATCH} {_told(self.scratch[-1])} %" if self._has_scratch else ""
        return (
            f"{len(self.classes)} classes, {self.sizes[-1]} pictures of each: best from {self.best}, "
            f"{_told(self.accuracy[at, -1])} %{scratch}; chance {100 * self.chance:.1f} %"
        )

    def _repr_html_(self) -> str:
        head = ("layer", "features", *(f"{size} of each class" for size in self.sizes))
        told = (
            f"Accuracy in % on {self.tested} other pictures of each of {len(self.classes)} classes: mean ± standard "
            f"deviation of {self.accuracy.shape[2]} draws. Chance is {100 * self.chance:.1f} %."
        )
        skipped = f"Skipped: {len(self.skipped)}: {'; '.join(self.skipped[:3])}" if self.skipped else ""
        return html.block(
            html.table(head, self.rows(), caption=told),
            html.faint(skipped) if skipped else "",
            html.faint(self.provenance.summary()),
            label=self.caption(),
        )

    @property
    def _has_scratch(self) -> bool:
        return bool(np.isfinite(self.scratch).any())


def _told(values: Floats) -> str:
    """Mean ± standard deviation of the draws, in %."""
    return f"{100 * values.mean():.1f} ± {100 * values.std():.1f}" if np.isfinite(values).all() else "lost"
