"""A trained decoder with the layer that it belongs to."""

import math
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

import torch

from convviz_widgets.core.errors import BadValue, MissingFile
from convviz_widgets.lens.device import on_device
from convviz_widgets.lens.lens import Lens
from convviz_widgets.nets import decoders as shipped
from convviz_widgets.nets.loop import write_atomically
from convviz_widgets.nets.upconvnet import UpconvNet


@dataclass(frozen=True, eq=False)
class Decoder:
    """What tells pictures from the answers of one layer of one network.

    Args:
        net: the trained network, in evaluation mode.
        layer: name of the layer.
        fingerprint: of the weights of the network whose layer it is; "" for what ships.
        losses: mean squared error of each epoch of its training.
        through: the layer it was trained for, where that is another, which follows and only sets to 0 what is below, or
            gives another shape: the same is done here first. What a layer has below 0 is then not told; "" for none.
    """

    net: UpconvNet
    layer: str
    fingerprint: str = ""
    losses: tuple[float, ...] = ()
    through: str = ""

    @torch.inference_mode(mode=False)
    @torch.no_grad()
    def decode(self, activations: torch.Tensor) -> torch.Tensor:
        """Pictures (N, C, H, W) in [0, 1] of what the layer answered, (N, K, h, w) or (N, K).

        Raises:
            BadValue: answers of another shape, as to a picture of another size.
        """
        given = activations.to(self.net.centre.device).float()
        if self.through:
            given = given.clamp(min=0)
            given = given.reshape(-1, *self.net.shape) if given[0].numel() == math.prod(self.net.shape) else given
        return self.net(given)  # type: ignore[no-any-return]

    @staticmethod
    def shipped_for(lens: Lens) -> tuple[str, ...]:
        """The layers of a network that have a decoder of their own, in their order; none for most networks and weights.

        The layers in between, such as the convolution before a ReLU, are served by these; see `shipped`.

        Example:
            >>> Decoder.shipped_for(Lens.load("mini"))[:2]
            ('relu1', 'pool1')
        """
        known = lens.name in shipped.names() and lens.fingerprint == _fingerprint(lens.name)
        return shipped.layers(lens.name) if known else ()

    @classmethod
    def shipped(cls, lens: Lens, layer: str) -> Self:
        """The decoder that ships for a layer of a built-in network: its own, or that of the ReLU that follows.

        Example:
            >>> lens = Lens.load("mini")
            >>> Decoder.shipped(lens, "pool5").layer, Decoder.shipped(lens, "conv2").through
            ('pool5', 'relu2')

        Raises:
            UnknownName: none does; `train_decoder` makes one.
            BadValue: the network has other weights than those that ship.
        """
        if lens.name in shipped.names() and lens.fingerprint != _fingerprint(lens.name):
            raise BadValue(
                f"The decoders that ship for {lens.name!r} belong to the weights that ship with it, and these are "
                "others. `train_decoder(lens, layer, images)` makes one for these."
            )
        through = shipped.SERVED.get(lens.name, {}).get(layer, "")
        net = on_device(shipped.load(lens.name, through or layer), lens.device)
        return cls(net, layer, through=through)  # type: ignore[arg-type]

    def save(self, file: str | os.PathLike[str]) -> Path:
        """Writes the decoder to a file, whole or not at all."""
        state: dict[str, Any] = {
            "layer": self.layer,
            "fingerprint": self.fingerprint,
            "losses": list(self.losses),
            "through": self.through,
            "shape": list(self.net.shape),
            "picture": list(self.net.picture_shape),
            "widths": list(self.net.widths),
            "grain": self.net.grain,
            "state": self.net.state_dict(),
        }
        path = Path(file)
        write_atomically(path, lambda beside: torch.save(state, beside))
        return path

    @classmethod
    def load(cls, file: str | os.PathLike[str]) -> Self:
        """Reads what `save` wrote; onto the CPU.

        Raises:
            MissingFile: there is no such file.
            BadValue: it is not that of a decoder.
        """
        if not Path(file).exists():
            raise MissingFile(f"There is no file {os.fspath(file)!r}. Accepted: what `Decoder.save` wrote.")
        try:
            saved = torch.load(file, map_location="cpu", weights_only=True)
            shape, picture, widths = (tuple(saved[name]) for name in ("shape", "picture", "widths"))
            net = UpconvNet(shape, picture, widths, saved.get("grain", 1))
            net.load_state_dict(saved["state"])
        except Exception as error:
            raise BadValue(
                f"{os.fspath(file)!r} is not a decoder, or is damaged ({type(error).__name__}). Accepted: what "
                "`Decoder.save` wrote; `train_decoder` makes another."
            ) from error
        net.eval().requires_grad_(requires_grad=False)
        return cls(net, saved["layer"], saved["fingerprint"], tuple(saved["losses"]), saved.get("through", ""))

    def check(self, lens: Lens, layer: str) -> None:
        """Whether it belongs to this layer of this network.

        Raises:
            BadValue: it belongs to another.
        """
        if self.layer != layer:
            raise BadValue(f"This decoder is for the layer {self.layer!r}; given: {layer!r}. Train one for it.")
        if self.fingerprint and self.fingerprint != lens.fingerprint:
            raise BadValue(
                f"This decoder was trained for other weights ({self.fingerprint[:12]}) than those of {lens.name} "
                f"({lens.fingerprint[:12]}). Train it again: train_decoder(lens, {layer!r}, images)."
            )


@cache
def _fingerprint(name: str) -> str:
    """Of the weights that ship for a built-in network."""
    return Lens.load(name, device="cpu").fingerprint
