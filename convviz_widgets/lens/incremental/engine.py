"""The answers of a network to one picture with changed windows, from what it answered to the picture itself.

A changed window reaches only part of each map. That part alone is computed again, layer by layer, together with the
unchanged border it looks at; everything else is kept from one forward pass. The numbers are those of a full forward.

Source: Nakandala, Kumar & Papakonstantinou 2019, "Incremental and Approximate Inference for Faster Occlusion-based
Deep CNN Explanations", section 3 (the idea).
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch

from convviz_widgets.core.errors import UnsupportedModel
from convviz_widgets.lens.incremental.bench import Bench
from convviz_widgets.lens.incremental.beside import takes_apart
from convviz_widgets.lens.incremental.boxes import Patch, entered
from convviz_widgets.lens.incremental.call import Call, Shelf, State, numbers_for_each
from convviz_widgets.lens.incremental.rules import follow
from convviz_widgets.lens.incremental.table import Beside, Table, clean_at
from convviz_widgets.lens.incremental.trace import Operation, Tape, trace
from convviz_widgets.lens.incremental.views import Views
from convviz_widgets.lens.incremental.whole import run_whole
from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.memory import default_budget
from convviz_widgets.lens.record import OUTPUT
from convviz_widgets.lens.single import own_copy, sites_of

MAKERS = ("convolution", "native_batch_norm")  # give values that nothing else holds
SWIFT = 2**26  # bytes of a map that the system has ready; larger ones cost more than sharing among windows saves
SOME = 16  # windows at once that are worth it at any size
COVERED = 0.75  # share of a map from which on all of it is computed


class Incremental:
    """One picture, opened for changing windows of it.

    Example:
        >>> lens = Lens.load("mini")
        >>> opened = Incremental(lens, lens.prepare(torch.rand(3, 96, 96)))
        >>> opened.answers([0, 40], [0, 8], torch.zeros(2, 3, 16, 16))[""].shape
        torch.Size([2, 14])

    Args:
        lens: the network.
        prepared: (1, C, H, W), the picture as the network sees it.
        layers: names of layers whose answers are wanted.
        scores: whether the network's own answer is wanted too, under the name "".
        like: another picture of the same size and wants, whose operations are followed again instead of traced.

    Attributes:
        clean: what the network ("") and each layer answer to the picture itself, (1, ...).
        obstacle: why every answer needs a full forward on this network; "" if it does not.
        alone: names of the operations that were run for each picture alone, as nothing is known of them.
    """

    def __init__(
        self,
        lens: Lens,
        prepared: torch.Tensor,
        layers: Iterable[str | Layer] = (),
        *,
        scores: bool = True,
        like: "Incremental | None" = None,
    ) -> None:
        self._lens = lens
        self.prepared = own_copy(lens, prepared)
        self._sites = {**({"": OUTPUT} if scores else {}), **sites_of(lens, layers)}
        self.alone: set[str] = set()
        self._shelf: Shelf = {}
        self._bench = Bench()
        self._taken = 0  # numbers of the largest changed map of the last windows, for each of them
        self._tape = Tape(obstacle="not traced")
        self._kept: dict[int, torch.Tensor] = {}
        with lens.lock:
            if like is not None and like.prepared.shape == self.prepared.shape and like._sites == self._sites:
                self._tape, self._shelf = like._tape, like._shelf
            else:
                self._tape = trace(lens.module, self.prepared, list(self._sites.values()))
            self._open()

    @property
    def obstacle(self) -> str:
        """See the class."""
        return self._tape.obstacle

    def answers(self, tops: Any, lefts: Any, windows: torch.Tensor) -> dict[str, torch.Tensor]:
        """What the network ("") and the layers answer to the picture with windows of other pixels.

        Args:
            tops: (N,) rows where the windows begin; parts beyond the edge are cut off.
            lefts: (N,) columns where they begin.
            windows: (N, C, h, w), or (1, C, h, w) for the same pixels everywhere.

        Returns:
            (N, ...) per name.
        """
        states = self.changed(tops, lefts, windows)
        return {name: self.full(name, state, len(np.atleast_1d(tops))) for name, state in states.items()}

    def full(self, name: str, state: State | None, count: int) -> torch.Tensor:
        """A layer's answers (N, ...) out of what `changed` gave for it."""
        clean = self.clean[name]
        with Quiet():
            if state is None:
                return clean.expand(count, *clean.shape[1:])
            return (state if isinstance(state, torch.Tensor) else state.everywhere(clean)).flatten(0, 1)

    def changed(self, tops: Any, lefts: Any, windows: torch.Tensor) -> dict[str, State | None]:
        """The same, as windows where windows are all that changed; None where nothing did."""
        tops, lefts = (np.atleast_1d(np.asarray(each, dtype=np.int64)) for each in (tops, lefts))
        with self._lens.lock, Quiet():
            patch = entered(self.prepared, tops, lefts, windows.to(self.prepared))
            if self._tape.obstacle:
                return self._in_full(patch.everywhere(self.prepared))
            states = self._replayed({0: patch})
        return {name: states.get(self._tape.outputs[site]) for name, site in self._sites.items()}

    def slid(self, tops: Any, lefts: Any, size: int, pixels: torch.Tensor) -> dict[str, State | None]:
        """The same for a square that slides over a grid and shows another picture below it.

        Args:
            tops: (R,) rows where the square begins, all inside the picture.
            lefts: (S,) columns where it begins; its positions are all R * S pairs, row by row.
            size: its side.
            pixels: (1, C, H, W), what it shows.
        """
        tops, lefts = (np.atleast_1d(np.asarray(each, dtype=np.int64)) for each in (tops, lefts))
        with self._lens.lock, Quiet():
            rows, columns = (
                Views.of_square(tuple(each.tolist()), size, length)
                for each, length in zip((tops, lefts), self.prepared.shape[-2:], strict=True)
            )
            other = pixels.to(self.prepared)
            table = Table(clean_at(other, rows, columns), rows, columns)
            if self._tape.obstacle:
                return self._in_full(table.everywhere(self.prepared))
            states = self._replayed({0: table})
        return {name: states.get(self._tape.outputs[site]) for name, site in self._sites.items()}

    def replaced(self, layer: str, answers: torch.Tensor) -> dict[str, torch.Tensor]:
        """What follows, (N, ...) per name, where a layer answers otherwise; the layer must be among those wanted.

        Args:
            layer: its name.
            answers: (N, ...), what it answers instead.

        Raises:
            UnsupportedModel: the operations of this network cannot be followed.
        """
        if self._tape.obstacle:
            raise UnsupportedModel(
                f"What follows {layer} cannot be computed apart from the rest of {self._lens.name}: "
                f"{self._tape.obstacle}. Other networks can."
            )
        number = self._tape.outputs[self._sites[layer]]
        with self._lens.lock, Quiet():
            states = self._replayed({number: answers.to(self.prepared).unsqueeze(1)})
        return {
            name: self.full(name, states.get(self._tape.outputs[site]), len(answers))
            for name, site in self._sites.items()
        }

    def sums(self, name: str, state: State | None) -> torch.Tensor:
        """The sum over all positions of each map of a layer, (N, K); (1, K) where nothing changed."""
        clean = self.clean[name]
        with Quiet():
            total = clean.flatten(2).sum(2)
            if state is None or isinstance(state, torch.Tensor):
                return total if state is None else state.flatten(0, 1).flatten(2).sum(2)
            return total + state.sums(clean)

    def neuron(self, name: str, state: State | None, place: tuple[int, int, int], count: int) -> torch.Tensor:
        """What one neuron (channel, row, column) of a layer of maps answers, (N,), out of what `slid` gave for it."""
        clean, (channel, row, column) = self.clean[name], place
        if not isinstance(state, Table):
            return self.full(name, state, count)[:, channel, row, column]
        with Quiet():
            part = state.holding(state.values[:, channel : channel + 1])
            views = part.rows.at[:, row], part.columns.at[:, column]
            return part.look(clean[:, channel : channel + 1], *views).flatten()

    def room(self, most: int = 256) -> int:
        """How many windows at once fit into a part of the free memory and are quick, by what the last ones took."""
        largest = max([each.numel() for each in self._kept.values()], default=self.prepared.numel())
        one = min(largest, self._taken or largest) * self.prepared.element_size()
        held = 3 * one + self.prepared.numel() * self.prepared.element_size()
        fit = default_budget(self._lens.device) // (4 * held)
        if self._lens.device.type == "cpu":
            fit = min(fit, max(SWIFT // one, SOME))
        return int(min(max(fit, 1), most if self._taken else most // 8))

    def _open(self) -> None:
        """One forward pass, of which everything is kept."""
        sites = list(self._sites.values())
        if self._tape.obstacle:
            found = self._lens._record(self.prepared, sites, grad=False)
            self.clean = {name: found[site] for name, site in self._sites.items()}
            return
        self._tape.operations = self._tape.needed()
        with Quiet():
            every = self._tape.run(self.prepared)
            self._kept = {number: _channels_last(each) for number, each in every.items()}
        self.clean = {name: self._kept[self._tape.outputs[site]] for name, site in self._sites.items()}
        self._last = {n: place for place, each in enumerate(self._tape.operations) for n in each.inputs}
        self._wanted = set(self._tape.outputs.values())
        uses = Counter(number for each in self._tape.operations for number in each.inputs)
        made = {each.outputs[0] for each in self._tape.operations if each.name in MAKERS}
        self._spare = frozenset(number for number in made - self._wanted if uses[number] == 1)

    def _in_full(self, pictures: torch.Tensor) -> dict[str, State | None]:
        """By full forwards of (N, 1, C, H, W); each alone, as a network that branches would look at all of a batch."""
        sites = list(self._sites.values())
        each = [self._lens._record(picture, sites, grad=False) for picture in pictures]
        return {name: torch.stack([found[site] for found in each]) for name, site in self._sites.items()}

    def _replayed(self, states: dict[int, State]) -> dict[int, State]:
        self._taken = 0
        for place, operation in enumerate(self._tape.operations):
            if not any(number in states for number in operation.inputs):
                continue
            if not takes_apart(operation, self._kept):
                self._put_together(operation.inputs, states)
            for number, state in zip(operation.outputs, self._after(operation, states), strict=False):
                if not isinstance(state, Table) or (state.rows.count and state.columns.count):
                    states[number] = self._widened(number, state)
                    self._taken = max(self._taken, numbers_for_each(states[number]))
            for number in operation.inputs:
                if self._last[number] == place and number not in self._wanted:
                    states.pop(number, None)
        self._put_together(self._wanted, states)
        return states

    def _put_together(self, numbers: Iterable[int], states: dict[int, State]) -> None:
        for number in numbers:
            state = states.get(number)
            if isinstance(state, Beside):
                states[number] = state.together(self._kept[number])

    def _after(self, operation: Operation, states: Mapping[int, State]) -> list[State]:
        used = [number in self._last or number in self._wanted for number in operation.outputs]
        state = follow(Call(operation, self._kept, states, self._shelf, self._spare, self._bench))
        if isinstance(state, list):
            return state
        if state is not None and not any(used[1:]):
            return [state]
        changed = {number: self._whole(number, states[number]) for number in operation.inputs if number in states}
        outputs, batched = run_whole(operation, self._kept, changed)
        if not batched:
            self.alone.add(operation.name)
        return list(outputs)

    def _widened(self, number: int, state: State) -> State:
        """Windows that cover most of a map become the whole map."""
        if isinstance(state, Patch) and state.rows.size * state.columns.size >= COVERED * (
            state.rows.length * state.columns.length
        ):
            return self._whole(number, state)
        return state

    def _whole(self, number: int, state: State) -> torch.Tensor:
        return state if isinstance(state, torch.Tensor) else state.everywhere(self._kept[number])


def _channels_last(tensor: torch.Tensor) -> torch.Tensor:
    """With the channels of a place beside each other in memory, as the changed parts have them."""
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor


class Quiet:
    """Inside: no gradients, and tensors that can be used anywhere afterwards."""

    def __enter__(self) -> None:
        self._modes = [torch.inference_mode(mode=False), torch.no_grad()]
        for mode in self._modes:
            mode.__enter__()

    def __exit__(self, *error: object) -> None:
        for mode in reversed(self._modes):
            mode.__exit__(*error)
