"""One picture that is painted on: its maps are kept, and each stroke changes in place what it reaches.

Where `Incremental` answers to many windows of one picture, each alone, strokes come one after another and stay. Each
map is brought up to date inside the window that a stroke can reach, from the map before it as it is by then, so that no
error grows however long one paints.

Source: Nakandala, Kumar & Papakonstantinou 2019, "Incremental and Approximate Inference for Faster Occlusion-based
Deep CNN Explanations", section 3 (the idea).
"""

from collections.abc import Iterable

import torch

from convviz_widgets.lens.incremental.engine import Quiet
from convviz_widgets.lens.incremental.plan import Plan
from convviz_widgets.lens.incremental.sheets import Reach
from convviz_widgets.lens.incremental.strokes import Desk
from convviz_widgets.lens.incremental.trace import Tape, trace
from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.record import OUTPUT
from convviz_widgets.lens.single import own_copy, sites_of


class Easel:
    """One picture, opened for strokes.

    Example:
        >>> lens = Lens.load("mini")
        >>> easel = Easel(lens, lens.prepare(torch.rand(3, 96, 96)))
        >>> easel.paint(40, 8, torch.zeros(1, 3, 16, 16))
        >>> easel.answers()[""].shape
        torch.Size([1, 14])

    Args:
        lens: the network.
        prepared: (1, C, H, W), the picture as the network sees it.
        layers: names of layers whose answers are wanted.
        like: another picture of the same size and wants, whose operations are followed again instead of traced.

    Attributes:
        picture: (1, C, H, W), as it was painted so far.
        clean: what the network ("") and each layer answered at the beginning, (1, ...).
    """

    def __init__(
        self, lens: Lens, prepared: torch.Tensor, layers: Iterable[str | Layer] = (), *, like: "Easel | None" = None
    ) -> None:
        self._lens = lens
        self.picture = own_copy(lens, prepared)
        self._sites = {"": OUTPUT, **sites_of(lens, layers)}
        self._plan = Plan(Tape(obstacle="not traced"))
        self._desk: Desk | None = None
        self._prepared = self.picture.clone()
        with lens.lock, Quiet():
            if like is not None and like.picture.shape == self.picture.shape and like._sites == self._sites:
                self._plan = like._plan
            else:
                self._plan = Plan(trace(lens.module, self.picture, list(self._sites.values())))
            self._begin(self.picture)
            self.clean = self.answers()

    @property
    def obstacle(self) -> str:
        """Why every answer needs a full forward on this network; "" if it does not."""
        return self._plan.tape.obstacle

    def answers(self) -> dict[str, torch.Tensor]:
        """What the network ("") and the layers answer to the picture as it is now, (1, ...) per name."""
        with self._lens.lock, Quiet():
            if self._desk is None or self.obstacle:
                found = self._lens._record(self.picture, list(self._sites.values()), grad=False)
                return {name: found[site] for name, site in self._sites.items()}
            current, places = self._desk.current, self._plan.tape.outputs
            return {name: current[places[site]].clone() for name, site in self._sites.items()}

    def paint(self, top: int, left: int, window: torch.Tensor) -> None:
        """Puts other pixels into the picture.

        Args:
            top: row where they begin; parts beyond the edge are cut off.
            left: column where they begin.
            window: (1, C, h, w).
        """
        (height, width), (tall, broad) = self.picture.shape[-2:], window.shape[-2:]
        reach = Reach(max(top, 0), min(top + tall, height), max(left, 0), min(left + broad, width))
        if reach.bottom > reach.top and reach.right > reach.left:
            inside = window[..., reach.top - top : reach.bottom - top, reach.left - left : reach.right - left]
            with self._lens.lock, Quiet():
                self.picture[..., reach.top : reach.bottom, reach.left : reach.right] = inside
                self._carry(reach)

    def _carry(self, reach: Reach) -> None:
        """Brings all maps up to date where a window of the picture has changed."""
        desk, self._desk = self._desk, None  # a stroke that is broken off leaves maps that fit no picture
        if desk is None or self._plan.outdated:
            self._plan = Plan(self._plan.tape)
            self._begin(self._prepared)
            self.clean = self.answers()
            self._begin(self.picture)
            return
        if not self.obstacle:
            desk.reaches = {0: reach}
            part = self.picture[..., reach.top : reach.bottom, reach.left : reach.right]
            desk.sheets[0].at(reach).copy_(part[0].movedim(0, -1))
            for stroke in self._plan.strokes:
                if any(number in desk.reaches for number in stroke.inputs):
                    stroke.work(desk)
        self._desk = desk

    def _begin(self, picture: torch.Tensor) -> None:
        """One forward pass, of which everything is kept."""
        self._desk = Desk({}, {}) if self.obstacle else self._plan.filled(picture)
