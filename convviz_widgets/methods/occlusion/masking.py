"""What a network answers to a picture of which a painted mask hides a part.

With the prepared picture x, its stand-in f (see `filled`) and the mask m in [0, 1], the network is shown
``(1 - m) x + m f``. From one mask to the next only a window of that differs, so only what it reaches is computed.

Oracle: a full forward of the mixed picture.
Source: Zeiler & Fergus 2013, "Visualizing and Understanding Convolutional Networks", section 4.2 (hiding parts of a
picture); the mask of any shape and softness is this package's.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from convviz_widgets.lens.fills import Fill, filled
from convviz_widgets.lens.incremental.easel import Easel
from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.masks import checked_mask, mixed, window_of


def masked(
    lens: Lens, prepared: torch.Tensor, mask: npt.ArrayLike | bytes, fill: Fill | Any = "grey", *, seed: int = 0
) -> torch.Tensor:
    """The picture (1, C, H, W) with what the mask hides replaced by its stand-in.

    Example:
        >>> lens = Lens.load("mini")
        >>> hidden = masked(lens, lens.prepare(torch.rand(3, 96, 96)), np.ones((96, 96)))
        >>> bool((hidden == hidden[..., :1, :1]).all())
        True

    Args:
        lens: the network.
        prepared: (1, C, H, W), the picture as the network sees it.
        mask: see `checked_mask`.
        fill: what stands in; see `filled`.
        seed: of the noise.

    Raises:
        BadValue: the mask has another size.
        UnknownName: there is no fill of that name.
    """
    shares = checked_mask(mask, (prepared.shape[-2], prepared.shape[-1]))
    return mixed(prepared, filled(lens, prepared, fill, seed=seed), shares)


class Masking:
    """One picture, opened for masks to be tried on it, each cheaper the less it differs from the one before.

    Example:
        >>> lens = Lens.load("mini")
        >>> opened = Masking(lens, lens.prepare(torch.rand(3, 96, 96)))
        >>> opened.answers(np.ones((96, 96), np.uint8))[""].shape
        torch.Size([1, 14])

    Args:
        lens: the network.
        prepared: (1, C, H, W), the picture as the network sees it.
        layers: names of the layers whose answers are wanted beside the network's own, which goes by "".
        like: another picture opened alike, whose way through the network is taken again.
    """

    def __init__(
        self,
        lens: Lens,
        prepared: torch.Tensor,
        layers: Iterable[str | Layer] = (),
        *,
        like: "Masking | None" = None,
    ) -> None:
        self._lens = lens
        self._easel: Easel = Easel(lens, prepared, layers, like=like._easel if like is not None else None)
        self._prepared = self._easel.picture.clone()
        self._shown: tuple[tuple[str, int], npt.NDArray[np.uint8]] = ("", 0), np.zeros(self.size, np.uint8)
        self._fills: dict[tuple[str, int], torch.Tensor] = {}

    @property
    def clean(self) -> dict[str, torch.Tensor]:
        """The answers to the picture itself, (1, ...) per name."""
        return self._easel.clean

    @property
    def obstacle(self) -> str:
        """Why each answer needs a full forward on this network; "" where the window is enough."""
        return self._easel.obstacle

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) that a mask must have."""
        return self._prepared.shape[-2], self._prepared.shape[-1]

    def fill(self, name: Fill | str, *, seed: int = 0) -> torch.Tensor:
        """The stand-in (1, C, H, W) of this name; kept, as every stroke needs it."""
        if (name, seed) not in self._fills:
            self._fills[name, seed] = filled(self._lens, self._prepared, name, seed=seed)
        return self._fills[name, seed]

    def answers(
        self, mask: npt.ArrayLike | bytes, fill: Fill | str = "grey", *, seed: int = 0
    ) -> dict[str, torch.Tensor]:
        """What the network ("") and the layers answer to the picture under a mask, (1, ...) per name.

        Raises:
            BadValue: the mask has another size.
            UnknownName: there is no fill of that name.
        """
        shares = checked_mask(mask, self.size).copy()
        other = self.fill(fill, seed=seed)
        with self._lens.lock:
            before, shown = self._shown
            box = window_of(shares != shown if before == (fill, seed) else np.maximum(shares, shown))
            if box is not None:
                self._shown = ("", 0), np.maximum(shares, shown)  # what may be there if the next line is broken off
                rows, columns = slice(box.top, box.bottom), slice(box.left, box.right)
                below, above = (each[..., rows, columns] for each in (self._prepared, other))
                self._easel.paint(box.top, box.left, mixed(below, above, shares[rows, columns]))
            self._shown = (fill, seed), shares
            return self._easel.answers() if shares.any() else dict(self.clean)
