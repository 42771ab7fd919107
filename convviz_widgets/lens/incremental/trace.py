"""What a network does to one picture, as a list of operations below its modules that can be run again.

Every tensor that the picture reaches gets a number; operations that write in place are noted as the ones that do not.
What cannot be run again truthfully (random numbers, branches on values, writing into a part of a tensor) is said so.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from convviz_widgets.lens.guest import as_guest
from convviz_widgets.lens.record import forward
from convviz_widgets.lens.sites import Site, StopForward, first_tensor, reporting


@dataclass(frozen=True)
class Ref:
    """A tensor that the picture reaches, by its number; the picture is number 0."""

    number: int


@dataclass(frozen=True, eq=False)
class Operation:
    """One operation: tensors among its arguments that the picture reaches are `Ref`s.

    Args:
        function: an operation of aten that writes nothing.
        args, keywords: for it.
        outputs: the numbers of the tensors it gives.
    """

    function: Any
    args: tuple[Any, ...]
    keywords: dict[str, Any]
    outputs: tuple[int, ...]

    @cached_property
    def name(self) -> str:
        """Such as ``convolution``."""
        return str(self.function.overloadpacket.__name__)

    @cached_property
    def inputs(self) -> list[int]:
        """The numbers of the tensors it takes."""
        return [each.number for each in tree_leaves((self.args, self.keywords)) if isinstance(each, Ref)]

    def argument(self, number: int, default: Any = None) -> Any:
        """A positional argument, or its default where it was left out."""
        return self.args[number] if len(self.args) > number else default

    def run(self, given: Any) -> list[torch.Tensor]:
        """Its outputs, with ``given`` (a mapping from numbers) for its inputs."""
        outputs = self.called(lambda leaf: given[leaf.number] if isinstance(leaf, Ref) else leaf)
        return [outputs] if isinstance(outputs, torch.Tensor) else _tensors(outputs)

    def called(self, replace: Callable[[Any], Any]) -> Any:
        """What the function gives when each of its arguments is replaced first."""
        keywords = {name: mapped(replace, each) for name, each in self.keywords.items()}
        return self.function(*mapped(replace, self.args), **keywords)


@dataclass
class Tape:
    """The operations of one forward pass.

    Args:
        operations: in order.
        outputs: the number of the tensor at each site asked for.
        obstacle: why it cannot be run again, in words; "" if it can.
        count: of the numbers given out.
    """

    operations: list[Operation] = field(default_factory=list)
    outputs: dict[Site, int] = field(default_factory=dict)
    obstacle: str = ""
    count: int = 1

    def needed(self) -> list[Operation]:
        """The operations that an output depends on."""
        wanted, kept = set(self.outputs.values()), []
        for operation in reversed(self.operations):
            if wanted & set(operation.outputs):
                wanted.update(operation.inputs)
                kept.append(operation)
        return kept[::-1]

    def run(self, image: torch.Tensor) -> dict[int, torch.Tensor]:
        """Every tensor that a picture (1, C, H, W) of the same size makes."""
        found = {0: image}
        for operation in self.operations:
            found.update(zip(operation.outputs, operation.run(found), strict=True))
        return found


def trace(module: nn.Module, image: torch.Tensor, sites: list[Site]) -> Tape:
    """Follows the forward pass of a picture (1, C, H, W) to the last of these sites."""
    recorder = _Recorder(image.clone())
    with (
        as_guest(module),
        torch.inference_mode(mode=False),
        torch.no_grad(),
        reporting(module, recorder.keep(sites), sites=sites),
        suppress(StopForward),
        recorder,
    ):
        forward(module, recorder.image)
    return recorder.finished(sites)


def mapped(replace: Callable[[Any], Any], tree: Any) -> Any:
    """A tree of lists and tuples, as operations take them, with its leaves replaced."""
    if isinstance(tree, list | tuple):
        return type(tree)([mapped(replace, each) for each in tree])
    return replace(tree)


class _Recorder(TorchDispatchMode):
    def __init__(self, image: torch.Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.image = image
        self.tape = Tape()
        self._numbers: dict[int, int] = {}
        self._held: dict[int, torch.Tensor] = {}  # alive, so that no other tensor takes its identity or its memory
        self._constants: set[int] = set()
        self._written: set[int] = set()
        self._note(image, 0)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = _tensors((args, kwargs))
        if func._schema.is_mutable:
            self._look_at_writing(func, args, kwargs, given)
        self._note_chance(func)
        if not any(id(each) in self._numbers for each in given):
            return func(*args, **kwargs)
        if func.overloadpacket.__name__ == "as_strided":
            self._stop("it looks at a tensor by its place in memory")
        given_args, given_keywords = tree_map(self._referred, (tuple(args), kwargs))
        self._constants.update(_memory(each) for each in given if id(each) not in self._numbers)
        outputs = func(*args, **kwargs)
        numbers = []
        for each in _tensors(outputs):
            numbers.append(self.tape.count)
            self._note(each, self.tape.count)
            self.tape.count += 1
        self.tape.operations.append(Operation(_plain(func), given_args, given_keywords, tuple(numbers)))
        return outputs

    def keep(self, sites: list[Site]) -> Any:
        """What notes the outputs of these sites as they come out, and stops the pass at the last of them."""
        wanted = set(sites)

        def report(site: Site, output: Any) -> None:
            tensor = first_tensor(output) if site in wanted else None
            if tensor is not None and id(tensor) in self._numbers:
                self.tape.outputs[site] = self._numbers[id(tensor)]
                if len(self.tape.outputs) == len(wanted):
                    raise StopForward

        return report

    def finished(self, sites: list[Site]) -> Tape:
        """The tape; the tensors of the pass are given up."""
        if self._constants & self._written:
            self._stop("it writes to its buffers while it runs")
        if missing := [site for site in sites if site not in self.tape.outputs]:
            self._stop(f"what {missing[0].name or 'the network'!r} gives was not seen to come from the picture")
        self._held.clear()
        return self.tape

    def _note(self, tensor: torch.Tensor, number: int) -> None:
        self._numbers[id(tensor)], self._held[id(tensor)] = number, tensor

    def _referred(self, leaf: Any) -> Any:
        return Ref(self._numbers[id(leaf)]) if isinstance(leaf, torch.Tensor) and id(leaf) in self._numbers else leaf

    def _look_at_writing(self, func: Any, args: Any, kwargs: Any, given: list[torch.Tensor]) -> None:
        target = args[0] if args and isinstance(args[0], torch.Tensor) else None
        if target is None or "out" in kwargs or _plain(func) is func:
            self._stop(f"{func} writes to what it is given")
            return
        if id(target) not in self._numbers:
            self._written.add(_memory(target))
            self._held[id(target)] = target
            if any(id(each) in self._numbers for each in given):
                self._stop("a part of a tensor is written over")
            return
        shared = _memory(target)
        if any(each is not target and _memory(each) == shared for each in self._held.values()):
            self._stop("a tensor is written to of which a view exists")

    def _note_chance(self, func: Any) -> None:
        if torch.Tag.nondeterministic_seeded in func.tags:
            self._stop("it draws random numbers")
        if torch.Tag.data_dependent_output in func.tags or torch.Tag.dynamic_output_shape in func.tags:
            self._stop("it branches on values")

    def _stop(self, obstacle: str) -> None:
        self.tape.obstacle = self.tape.obstacle or obstacle


def _plain(func: Any) -> Any:
    """The operation that gives a new tensor where this one writes in place; itself if there is none."""
    name = func.overloadpacket.__name__
    if not func._schema.is_mutable or not name.endswith("_") or name in ("copy_", "fill_", "zero_"):
        return func
    packet = getattr(torch.ops.aten, name[:-1], None)
    return getattr(packet, func._overloadname, func)


def _memory(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _tensors(tree: Any) -> list[torch.Tensor]:
    return [each for each in tree_leaves(tree) if isinstance(each, torch.Tensor)]
