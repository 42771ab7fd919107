"""The layers of a network: every place a person would want to look, with name, kind, shape and receptive field."""

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from convviz_widgets.core.errors import unknown_name
from convviz_widgets.lens.receptive_field import ReceptiveField
from convviz_widgets.lens.sites import Site

Kind = Literal["convolution", "activation", "pooling", "normalisation", "linear", "block", "other"]


@dataclass(frozen=True)
class Layer:
    """One place in the network.

    Example:
        >>> layer = Layer("conv1", "convolution", "Conv2d", (64, 55, 55), ReceptiveField((11, 11), (4, 4), (-2, -2)))
        >>> layer.channels, layer.is_map
        (64, True)

    Args:
        name: what it is asked for by; ``relu#2`` is the second call of the module ``relu``, and ``block.relu()`` a call
            of the function relu inside ``block``.
        kind: what it does.
        type_name: the module's class, or the function's name.
        shape: of its output at the lens's input size, without the batch: (K, h, w), or (K,) for a vector.
        receptive_field: which input pixels a neuron sees; None if that is unbounded (global pooling, attention, a dense
            layer on a map).
        parents: the layers whose output it takes, through joins and operations that are not layers themselves.
        block: name of the innermost listed block that holds it, or None.
        index: place in the order of execution, from 0.
        site: where in the forward pass its output comes out.
        overwritten: whether a later in-place operation writes over its output.
    """

    name: str
    kind: Kind
    type_name: str
    shape: tuple[int, ...]
    receptive_field: ReceptiveField | None
    parents: tuple[str, ...] = ()
    block: str | None = None
    index: int = 0
    site: Site = field(default=Site(""), repr=False)
    overwritten: bool = field(default=False, repr=False)

    @property
    def channels(self) -> int:
        """Number of channels (of features, for a vector)."""
        return self.shape[0]

    @property
    def is_map(self) -> bool:
        """Whether each channel is a map (h, w)."""
        return len(self.shape) == 3


class Layers(Mapping[str, Layer]):
    """The layers by name, in the order of execution.

    Raises:
        UnknownName: on a wrong name; lists the nearest three.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = {layer.name: layer for layer in layers}

    def __getitem__(self, name: str) -> Layer:
        try:
            return self._layers[name]
        except (KeyError, TypeError):
            raise unknown_name("layer", name, self._layers, "`lens.layers` lists them all.") from None

    def __contains__(self, name: object) -> bool:
        return name in self._layers

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    def __repr__(self) -> str:
        rows = [("name", "kind", "shape", "receptive field"), *(self._row(layer) for layer in self.values())]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{title}</th>" for title in ("name", "kind", "shape", "receptive field"))
        rows = (
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in self._row(layer)) + "</tr>"
            for layer in self.values()
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"

    @staticmethod
    def _row(layer: Layer) -> tuple[str, str, str, str]:
        shape = "x".join(str(length) for length in layer.shape)
        return layer.name, f"{layer.kind} ({layer.type_name})", shape, str(layer.receptive_field or "unbounded")
