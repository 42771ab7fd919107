"""What a comparison of designs found, with the networks themselves."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.core.errors import MissingFile, unknown_name
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.controlled_design.trial import preparation
from convviz_widgets.nets.designs import Design, DesignedNet
from convviz_widgets.render import charts, grid, html
from convviz_widgets.render.result import Result
from convviz_widgets.render.signal import signal_picture

SHIPPED = Path(__file__).parent / "shipped"
SHOWN = 12  # filters of each design in the picture
CELL = 42  # pixels of one of them

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class DesignComparison(Result):
    """D designs, trained on S numbers of pictures with R seeds each.

    Example:
        >>> found = DesignComparison.shipped()
        >>> len(found.rows()) == len(found.designs)
        True
        >>> found.lens("p4").layers["conv1"].type_name
        'LiftingConv2d'

    Args:
        designs: (D,) names.
        widths: (D,) filters of the first learned layer.
        parameters: (D,) that are learned.
        multiply_adds: (D,) for one picture.
        fixed: (D,) those of them in layers without anything to learn.
        counts: (S,) numbers of training pictures.
        accuracy: (R, D, S) on the test pictures.
        angles: (A,) degrees by which test pictures were turned.
        turned: (R, D, A) accuracy on turned pictures, of the networks that saw most pictures.
        drift: (R, D, A) how far the class scores move with the turn; see `compare`.
        quarter: (D,) the largest drift of any picture at quarter turns.
        loss: (R, D) mean training loss of their last epoch.
        weights: design to name to array, of the first seed's network that saw most pictures; of those that are kept.
        side: of the pictures, in pixels.
        classes: number of classes.
        class_names: one per class, or none.
        test_pictures: number of pictures measured with.
    """

    designs: tuple[str, ...]
    widths: tuple[int, ...]
    parameters: npt.NDArray[np.int64]
    multiply_adds: npt.NDArray[np.int64]
    fixed: npt.NDArray[np.int64]
    counts: tuple[int, ...]
    accuracy: Floats
    angles: Floats
    turned: Floats
    drift: Floats
    quarter: Floats
    loss: Floats
    weights: dict[str, dict[str, npt.NDArray[Any]]]
    side: int
    classes: int
    class_names: tuple[str, ...]
    test_pictures: int

    @classmethod
    def shipped(cls) -> "DesignComparison":
        """The comparison that ships; its ``provenance`` and the card beside it tell the command that made it.

        Raises:
            MissingFile: it is not there.
        """
        if not SHIPPED.exists():
            raise MissingFile(f"There is no shipped comparison in {SHIPPED}. Run compare_designs, or install anew.")
        return cls.load(SHIPPED)

    def net(self, design: Design) -> DesignedNet:
        """The trained network of a design: the first seed's that saw most pictures.

        Raises:
            UnknownName: a design that was not compared.
            MissingFile: its weights were not kept, as what ships is small.
        """
        net = self._untrained(design)
        if design not in self.weights:
            kept = ", ".join(repr(name) for name in self.weights)
            raise MissingFile(
                f"The weights of {design!r} were not kept; those of {kept} were. Run compare_designs, or the command "
                "in the card, to have them."
            )
        state = net.state_dict()
        state.update({name: torch.tensor(np.asarray(each)) for name, each in self.weights[design].items()})
        net.load_state_dict(state)
        return net.eval()

    def lens(self, design: Design) -> Lens:
        """The same, opened for looking into.

        Raises:
            UnknownName: a design that was not compared.
        """
        return Lens(
            self.net(design),
            preprocess=preparation(self.side),
            class_names=self.class_names or None,
            input_size=self.side,
            name=f"designed-{design}",
        )

    def rows(self) -> list[tuple[Any, ...]]:
        """The table: a row per design, as `head` names its columns."""
        mean = self.accuracy.mean(0)
        return [
            (
                design,
                self.widths[place],
                int(self.parameters[place]),
                f"{self.multiply_adds[place] / 1e6:.1f} M",
                f"{self.fixed[place] / 1e6:.1f} M",
                *(f"{value:.1%}" for value in mean[place]),
                *self._turned_row(place),
                f"{self.quarter[place]:.1e}",
            )
            for place, design in enumerate(self.designs)
        ]

    @property
    def head(self) -> tuple[str, ...]:
        """The columns of `rows`."""
        at = [f"turned {angle:g}°" for angle in self._told_angles()]
        counts = [f"accuracy, {count} pictures" for count in self.counts]
        return (
            "design",
            "width",
            "parameters",
            "multiply-adds",
            "of them fixed",
            *counts,
            *at,
            "largest drift, quarters",
        )

    def picture(self) -> npt.NDArray[np.uint8]:
        """Some first filters of each design."""
        return grid.montage(
            [self._strip(design) for design in self.designs],
            columns=1,
            captions=list(self.designs),
        )

    def caption(self) -> str:
        """What was compared, and who did best with the fewest pictures."""
        mean = self.accuracy.mean(0)
        best = [self.designs[int(np.argmax(mean[:, place]))] for place in range(len(self.counts))]
        told = "; ".join(
            f"{count} pictures: {name} {mean[:, place].max():.1%}"
            for place, (count, name) in enumerate(zip(self.counts, best, strict=True))
        )
        seeds = len(self.accuracy)
        return f"Best on {self.test_pictures} test pictures, mean of {seeds} training{'s' * (seeds > 1)}: {told}."

    def figure(self) -> Any:
        """Accuracy by number of training pictures; see also `rotation_figure`."""
        lines = {name: self.accuracy.mean(0)[place] for place, name in enumerate(self.designs)}
        figure = charts.curve(
            lines, places=self.counts, title="Accuracy by design", x="training pictures", y="accuracy"
        )
        if len(self.counts) > 1:
            figure.update_xaxes(type="log", tickvals=list(self.counts))
        return figure

    def rotation_figure(self, what: str = "accuracy") -> Any:
        """What is left under a turn of the picture: the "accuracy", or the "drift" of the scores.

        Raises:
            UnknownName: neither of the two.
        """
        if what not in ("accuracy", "drift"):
            raise unknown_name("rotation curve", what, ("accuracy", "drift"))
        values = self.turned if what == "accuracy" else self.drift
        lines = {name: values.mean(0)[place] for place, name in enumerate(self.designs)}
        title = "Accuracy on turned pictures" if what == "accuracy" else "How far class scores move with the turn"
        figure = charts.curve(lines, places=self.angles, title=title, x="turn (degrees)", y=what)
        figure.update_xaxes(tickvals=[angle for angle in self.angles if angle % 45 == 0])
        return figure

    def _repr_html_(self) -> str:
        table = html.table(self.head, self.rows(), caption=self.caption())
        filters = html.picture(self.picture(), f"First filters of {', '.join(self.designs)}")
        return html.block(table, filters, html.faint(self.provenance.summary()), label=self.caption())

    def _untrained(self, design: Design) -> DesignedNet:
        if design not in self.designs:
            raise unknown_name("compared design", design, self.designs)
        with torch.random.fork_rng(devices=[]):
            return DesignedNet(design, self.classes, self.widths[self.designs.index(design)])

    def _told_angles(self) -> list[float]:
        return [angle for angle in (45.0, 90.0, 180.0) if angle in self.angles]

    def _turned_row(self, place: int) -> list[str]:
        mean = self.turned.mean(0)[place]
        return [f"{mean[list(self.angles).index(angle)]:.1%}" for angle in self._told_angles()]

    def _strip(self, design: Any) -> npt.NDArray[np.uint8]:
        net = self.net(design) if design in self.weights else self._untrained(design)  # its first filters are fixed
        filters = net.first.weight.detach().numpy()[:SHOWN]
        tiles = [signal_picture(each, reach=float(np.abs(each).max()) or 1.0) for each in filters]
        return grid.montage(tiles, columns=SHOWN, scale=max(1, CELL // filters.shape[-1]))
