"""Two networks' first layers side by side: does the smaller filter with the smaller stride see more?

Zeiler & Fergus found in the network of Krizhevsky et al. filters of very high and very low frequencies with little
between, aliasing from its stride of 4, and dead filters; 7 x 7 filters with stride 2 in place of 11 x 11 with stride 4
helped against all three. Each of these is asked of two networks here, on the filters that `diagnose` looks at: a share
differs where the difference of the means over filters exceeds twice its standard error, ``sqrt(s_1^2 / K_1 + s_2^2 /
K_2)`` with the deviations s and the numbers of filters K.

One pair of networks is one observation of a training, whatever the standard error over its filters says.

Cost: that of `diagnose`, twice.
Oracle: waves planted as filters make each finding show, not show, and turn round.
Source: Zeiler & Fergus 2013, "Visualizing and Understanding Convolutional Networks", section 4.1 and figure 6.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from convviz_widgets.core.provenance import Provenance
from convviz_widgets.core.step import Steps
from convviz_widgets.core.technique import technique
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.deconvnet.diagnose import NYQUIST, Diagnosis, diagnose
from convviz_widgets.render import charts, grid
from convviz_widgets.render.result import Result

BANDS = ("low", "middle", "high")
COLUMNS = 8  # filters in a row of the picture

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class FirstLayers(Result):
    """Two first layers; whatever has two rows is of the one with the larger filters, then of the other.

    Args:
        names: of the networks, each with the size of its filters and its stride.
        filters: of each, (K, h, w, 3) uint8, the filters as images.
        dead: (2,) share of filters that are flat, or never active on the pictures.
        loud: (2,) share of filters far stronger than the median.
        bands: (2, 3) mean share of energy in low, middle and high frequencies.
        aliased: (2,) mean share of energy beyond what the stride carries.
        rms: (2, 3) smallest, median and largest root mean square of the filters' weights.
        spectrum: (2, n) mean share of energy by frequency.
        frequencies: (n,) cycles per pixel.
        pictures: number of pictures looked at.
        shown: finding to whether it shows: "yes", "no", or "the opposite".
        verdict: the same in words, with the numbers.
    """

    names: tuple[str, str]
    filters: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]
    dead: Floats
    loud: Floats
    bands: Floats
    aliased: Floats
    rms: Floats
    spectrum: Floats
    frequencies: Floats
    pictures: int
    shown: dict[str, str]
    verdict: tuple[str, ...]

    def picture(self) -> npt.NDArray[np.uint8]:
        """The filters of both, all drawn to one size."""
        side = max(44, *(max(each.shape[1:3]) for each in self.filters))
        sheets = [
            grid.montage(list(each), columns=COLUMNS, scale=max(1, side // max(each.shape[1:3])))
            for each in self.filters
        ]
        return grid.montage(sheets, columns=2, captions=list(self.names))

    def caption(self) -> str:
        """The verdict."""
        return f"First layers of {self.names[0]} and {self.names[1]}. {' '.join(self.verdict)}"

    def figure(self) -> Any:
        """Where the energy of both lies, by frequency."""
        return charts.curve(
            dict(zip(self.names, self.spectrum, strict=True)),
            places=self.frequencies,
            title="Mean spectrum of the first filters",
            x="frequency (cycles per pixel)",
            y="share of energy",
        )


@technique
def compare_first_layers(lens: Lens, other: Lens, images: Any = None) -> Steps[FirstLayers]:
    """Whether a network with smaller filters and a smaller stride covers what another one misses.

    Example:
        >>> compare_first_layers(Lens.load("mini"), Lens.load("mini")).shown["fewer dead filters"]
        'no'

    Args:
        lens: the network with the larger filters, or the larger stride.
        other: the one to hold against it.
        images: pictures on which filters that are never active show; None to look at the weights alone.

    Returns:
        A `FirstLayers`.

    Raises:
        BadValue: a network has no convolution.

    Source:
        Zeiler & Fergus 2013, section 4.1 and figure 6.
    """
    found, names = [], []
    for each in (lens, other):
        found.append((yield from diagnose.steps(each, images)))
        height, width = found[-1].filters.shape[1:3]
        stride = round(NYQUIST / min(found[-1].limit))
        names.append(f"{each.name} ({height} x {width}, stride {stride})")
    shown, verdict = _judged(found, (names[0], names[1]))
    return FirstLayers(
        names=(names[0], names[1]),
        filters=(found[0].filters, found[1].filters),
        dead=np.array([each.dead.mean() for each in found]),
        loud=np.array([each.loud.mean() for each in found]),
        bands=np.stack([np.nanmean(each.bands, axis=0) for each in found]),
        aliased=np.array([np.nanmean(each.aliased) for each in found]),
        rms=np.array([np.quantile(each.rms, (0, 0.5, 1)) for each in found]),
        spectrum=np.stack([each.spectrum for each in found]),
        frequencies=found[0].frequencies,
        pictures=found[0].pictures,
        shown=shown,
        verdict=verdict,
        provenance=Provenance.of(
            "compare_first_layers",
            fingerprint=lens.fingerprint,
            inputs=("lens", "other") if images is None else ("lens", "other", "images"),
        ),
    )


def _judged(found: list[Diagnosis], names: tuple[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Which findings show, and the words for it."""
    middle, aliased, dead = zip(*((each.bands[:, 1], each.aliased, each.dead) for each in found), strict=True)
    asked: dict[str, tuple[str, Any, Any, Any]] = {
        "more middle frequencies": ("of the energy lies in middle frequencies", middle, middle[1], middle[0]),
        "less aliasing": ("of the energy lies beyond what the stride carries", aliased, *aliased),
        "fewer dead filters": ("of the filters are dead", dead, *dead),
    }
    words = {"yes": "the finding shows", "no": "no clear difference", "the opposite": "the opposite of the finding"}
    shown, verdict = {}, []
    for finding, (what, values, more, less) in asked.items():
        shown[finding] = _differs(more, less)
        first, second = (float(np.nanmean(each)) for each in values)
        verdict.append(
            f"{finding.capitalize()}: {first:.0%} {what} in {names[0]}, {second:.0%} in {names[1]}: "
            f"{words[shown[finding]]}."
        )
    return shown, tuple(verdict)


def _differs(more: npt.NDArray[Any], less: npt.NDArray[Any]) -> str:
    """Whether the mean of one set of values is above that of another by more than twice the standard error."""
    sets = [np.asarray(each, dtype=np.float64) for each in (more, less)]
    sets = [each[~np.isnan(each)] for each in sets]
    if not all(len(each) for each in sets):
        return "no"
    difference = float(sets[0].mean() - sets[1].mean())
    error = float(np.sqrt(sum(each.var() / len(each) for each in sets)))
    if abs(difference) <= 2 * error:
        return "no"
    return "yes" if difference > 0 else "the opposite"
