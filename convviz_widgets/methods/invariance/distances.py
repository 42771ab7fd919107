"""What is known so far of pictures that are moved, layer by layer and amount by amount."""

import numpy as np
import torch

from convviz_widgets.methods.invariance.features import Part
from convviz_widgets.methods.invariance.resampling import Floats


class Tally:
    """What is known so far of N pictures, L layers and A amounts."""

    def __init__(self, pictures: int, layers: int, amounts: int) -> None:
        self.distance: Floats = np.full((pictures, layers, amounts), np.nan)
        self.probability: Floats = np.full((pictures, amounts), np.nan)
        self.norm: Floats = np.zeros((pictures, layers))
        self.target = np.zeros(pictures, dtype=np.int64)
        self._sums: list[torch.Tensor] = []

    def note(self, place: int, part: Part) -> None:
        """Takes over what a picture, moved by some amounts, was answered."""
        self.distance[place][:, part.places] = part.distance
        if part.chances is not None:
            self.probability[place, part.places] = part.chances[:, self.target[place]]
        if part.clean is not None:
            self._begin(place, part.clean)

    def _begin(self, place: int, clean: list[torch.Tensor]) -> None:
        """Takes over the answers to a picture as it is."""
        self.norm[place] = [float(torch.linalg.vector_norm(each)) for each in clean]
        exact = [each.cpu().double() for each in clean]
        self._sums = [one + more for one, more in zip(self._sums, exact, strict=True)] if self._sums else exact

    def between(self) -> Floats:
        """(L,) root mean square distance between two different pictures, from sums alone.

        The sum over pairs of ‖a - b‖² is N times the sum of ‖a‖², less ‖the sum‖².
        """
        count = len(self.norm)
        if count < 2:
            return np.full(self.norm.shape[1], np.nan)
        spread = count * (self.norm**2).sum(0) - np.array([float((each**2).sum()) for each in self._sums])
        return np.asarray(np.sqrt(np.maximum(spread, 0) / (count * (count - 1) / 2)), dtype=np.float64)

    def farthest(self, place: int) -> float:
        """The largest distance so far of a picture's last layer, in lengths of its answer."""
        return float(np.nanmax(self.distance[place, -1]) / max(self.norm[place, -1], 1e-12))
