"""The address of what a person looks at: a layer, one of its channels, one neuron of that channel."""

import re
from dataclasses import dataclass, replace
from typing import Self

from convviz_widgets.core.errors import BadValue

_ADDRESS = re.compile(r"(?P<layer>[^:@\s][^:@]*):(?P<channel>\d+)(?:@(?P<row>\d+),(?P<column>\d+))?")


@dataclass(frozen=True, order=True)
class Unit:
    """One unit of a network: ``layer:channel`` or, for a single neuron, ``layer:channel@row,column``.

    A class score is a unit of the last layer.

    Example:
        >>> Unit.parse("fire9:17@6,6")
        Unit(layer='fire9', channel=17, position=(6, 6))
        >>> str(Unit("fire9", 17))
        'fire9:17'

    Args:
        layer: the layer's name, as listed by ``lens.layers``.
        channel: index of the channel (of the feature, where the layer gives a vector), from 0.
        position: (row, column) in the channel's map, from 0, or None for the whole channel.
    """

    layer: str
    channel: int
    position: tuple[int, int] | None = None

    @classmethod
    def parse(cls, address: "str | Unit") -> Self:
        """Reads an address.

        Raises:
            BadValue: the text is not of the form ``layer:channel`` or ``layer:channel@row,column``.
        """
        if isinstance(address, Unit):
            return cls(address.layer, address.channel, address.position)
        match = _ADDRESS.fullmatch(address) if isinstance(address, str) else None
        if match is None:
            raise BadValue(
                f"{address!r} is not the address of a unit. Accepted: 'layer:channel' such as 'fire9:17', "
                "or 'layer:channel@row,column' such as 'fire9:17@6,6'. `lens.layers` lists the layers."
            )
        position = None if match["row"] is None else (int(match["row"]), int(match["column"]))
        return cls(match["layer"], int(match["channel"]), position)

    def at(self, row: int, column: int) -> Self:
        """The single neuron of this channel at (row, column)."""
        return replace(self, position=(row, column))

    @property
    def whole(self) -> Self:
        """The channel this neuron belongs to, without its position."""
        return replace(self, position=None)

    def __str__(self) -> str:
        place = "" if self.position is None else f"@{self.position[0]},{self.position[1]}"
        return f"{self.layer}:{self.channel}{place}"
