"""A map that squares on a grid have changed, as one table of its distinct changed cells."""

from dataclasses import dataclass

import numpy as np
import torch

from convviz_widgets.lens.incremental.boxes import as_rows
from convviz_widgets.lens.incremental.views import Ints, Views


@dataclass(frozen=True, eq=False)
class Table:
    """The changed cells of a map, for all positions of a grid; outside of them the map is as it was.

    Args:
        values: (1, ..., P, Q), the cells by their changed views along rows and along columns.
        rows, columns: those views; positions are all pairs of theirs, row by row.
    """

    values: torch.Tensor
    rows: Views
    columns: Views

    def holding(self, values: torch.Tensor) -> "Table":
        """Other values in the same cells."""
        return Table(values, self.rows, self.columns)

    def joined(self, other: "Table") -> "Table":
        """The cells that tell apart what either tells apart, with values that are not to be read."""
        return Table(self.values, self.rows.joined(other.rows), self.columns.joined(other.columns))

    def moved(self, _clean: torch.Tensor, by: tuple[int, int], lengths: tuple[int, int], _outside: float) -> "Table":
        """The same where the map got so many rows and columns of a constant before it."""
        return Table(self.values, self.rows.moved(by[0], lengths[0]), self.columns.moved(by[1], lengths[1]))

    def at(self, clean: torch.Tensor, part: "Table") -> torch.Tensor:
        """The changed map (clean: (1, ..., H, W)) in finer cells: (1, ..., P, Q)."""
        seen = part.rows.seen_as(self.rows), part.columns.seen_as(self.columns)
        if all(
            np.array_equal(each, axis.length + np.arange(axis.count))
            for each, axis in zip(seen, (self.rows, self.columns), strict=True)
        ):
            return self.values
        return self.look(clean, *seen)

    def look(self, clean: torch.Tensor, rows: Ints, columns: Ints) -> torch.Tensor:
        """The cells of numbered views: (1, ..., rows, columns)."""
        index = self.index(rows, columns).to(clean.device).flatten()
        inside, first = self.rows.length * self.columns.length, self.rows.length * self.columns.length + 1
        found = as_rows(self.values).index_select(0, (index - first).clamp(min=0))
        kept = (index < inside).nonzero().flatten()
        found.index_copy_(0, kept, as_rows(clean).index_select(0, index[kept]))
        return found.view(1, len(rows), len(columns), *clean.shape[1:-2]).movedim((1, 2), (-2, -1))

    def source(self, clean: torch.Tensor, outside: float = 0.0) -> torch.Tensor:
        """All cells as rows: those of the clean map, one outside, and the changed ones."""
        beyond = torch.full((1, clean.shape[1:-2].numel()), outside, dtype=clean.dtype, device=clean.device)
        return torch.cat([as_rows(clean), beyond, as_rows(self.values)])

    def index(self, rows: Ints, columns: Ints) -> torch.Tensor:
        """Where `source` has the cells of numbered views: (rows, columns)."""
        (high, wide), (tall, broad) = (self.rows.length, self.columns.length), (self.rows.count, self.columns.count)
        y, x = _places(rows, self.rows), _places(columns, self.columns)
        index = y[:, None] * wide + x
        changed = ((rows >= high)[:, None]) & (columns >= wide)
        number = high * wide + 1 + (rows - high)[:, None] * broad + (columns - wide)
        index = np.where(changed, number, index)
        index[rows == high + tall] = high * wide
        index[:, columns == wide + broad] = high * wide
        return torch.from_numpy(index)

    def was(self, clean: torch.Tensor) -> torch.Tensor:
        """An unchanged map (1, ..., H, W) in these cells: (1, ..., P, Q)."""
        return clean_at(clean, self.rows, self.columns)

    def everywhere(self, clean: torch.Tensor) -> torch.Tensor:
        """The whole changed map of each position: (N, 1, ..., H, W)."""
        rows, columns = self.rows.at, self.columns.at
        index = self.index(rows.ravel(), columns.ravel()).view(*rows.shape, *columns.shape).transpose(1, 2)
        found = self.source(clean).index_select(0, index.to(clean.device).flatten())
        return found.view(-1, 1, rows.shape[1], columns.shape[1], *clean.shape[1:-2]).movedim((2, 3), (-2, -1))

    def sums(self, clean: torch.Tensor) -> torch.Tensor:
        """By how much each position changes the sum over all cells: (N, ...)."""
        by_rows = _gathered(as_rows(self.values).view(self.rows.count, -1), self.rows)
        by_rows = by_rows.view(len(self.rows.at), self.columns.count, -1).transpose(0, 1).flatten(1)
        total = _gathered(by_rows.contiguous(), self.columns).view(len(self.columns.at), len(self.rows.at), -1)
        below, beside = (torch.from_numpy(axis.changed).to(clean) for axis in (self.rows, self.columns))
        was_below = below @ clean.flatten(0, -3).permute(1, 2, 0).flatten(1)
        was = beside @ was_below.view(len(below), beside.shape[1], -1).transpose(0, 1).flatten(1)
        return (total - was.view(total.shape)).transpose(0, 1).reshape(-1, *clean.shape[1:-2])


@dataclass(frozen=True, eq=False)
class Beside:
    """Tables with their channels beside each other, which are kept apart: each has as few cells as its own views need.

    Args:
        parts: in the order of the channels.
    """

    parts: tuple[Table, ...]

    def pieces(self, tensor: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """A tensor (any, C, ...) of all channels, such as the unchanged map, as one for each part."""
        return tuple(tensor.split_with_sizes([part.values.shape[1] for part in self.parts], 1))

    def together(self, clean: torch.Tensor) -> Table:
        """One table; clean: (1, C, H, W), the unchanged map of all channels."""
        cells = self.cells()
        pairs = zip(self.parts, self.pieces(clean), strict=True)
        return cells.holding(torch.cat([part.at(piece, cells) for part, piece in pairs], 1))

    def cells(self) -> Table:
        """The cells that tell apart what any part tells apart, with values that are not to be read."""
        found = self.parts[0]
        for part in self.parts[1:]:
            found = found.joined(part)
        return found

    def everywhere(self, clean: torch.Tensor) -> torch.Tensor:
        """The whole changed map of each position: (N, 1, C, H, W)."""
        return self.together(clean).everywhere(clean)

    def sums(self, clean: torch.Tensor) -> torch.Tensor:
        """By how much each position changes the sum over all cells: (N, C)."""
        return torch.cat([part.sums(each) for part, each in zip(self.parts, self.pieces(clean), strict=True)], 1)


def clean_at(clean: torch.Tensor, rows: Views, columns: Views) -> torch.Tensor:
    """An unchanged map (1, ..., H, W) in the cells of changed views: (1, ..., P, Q)."""
    found = as_rows(clean).index_select(0, places_of(rows, columns).to(clean.device).flatten())
    return found.view(1, rows.count, columns.count, *clean.shape[1:-2]).movedim((1, 2), (-2, -1))


def places_of(rows: Views, columns: Views) -> torch.Tensor:
    """The places of cells, counted row by row: (P, Q)."""
    return torch.from_numpy(rows.places[:, None] * columns.length + columns.places)


def _places(numbers: Ints, axis: Views) -> Ints:
    """The place of each numbered view; 0 beyond the edge."""
    return np.concatenate([np.arange(axis.length), axis.places, [0]])[numbers]


def _gathered(cells: torch.Tensor, axis: Views) -> torch.Tensor:
    """The sum of the changed views (P, any) of each position: (N, any)."""
    numbers = torch.from_numpy(axis.at[axis.changed] - axis.length).to(cells.device)
    starts = torch.from_numpy(np.cumsum([0, *axis.changed.sum(1)[:-1]])).to(cells.device)
    return torch.nn.functional.embedding_bag(numbers, cells, starts, mode="sum")
