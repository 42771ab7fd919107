"""The way back through what slides over a map: convolutions and poolings."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional

from convviz_widgets.lens.descent.boxes import Boxes, Corner
from convviz_widgets.lens.descent.call import Arrived, Down, Kept, Step, UnknownWay
from convviz_widgets.lens.few_channels import brought_down, worth_blocks
from convviz_widgets.lens.pairs import pair

THIN = 32  # places of a signal, up to which it is multiplied as rows
WIDE = 128  # from which on torch's own way takes half the time, once it has seen their shape,
FEW = 16  # unless the filters are of so few channels
MANY = 1000  # from which on blocks pay, where they can


def convolution(call: Down) -> Arrived:
    """Each number of the signal brings its filter down, times itself."""
    _, weight, _, stride, padding, dilation, transposed, _, groups = call.step.operation.args
    if transposed or not isinstance(weight, torch.Tensor) or weight.ndim != 4:
        raise UnknownWay
    brought = brought_by(call.signal.values, weight, tuple(stride), tuple(dilation), groups)
    return call.arriving(Boxes(brought, _below(call, stride, padding)))


def brought_by(
    values: torch.Tensor, weight: torch.Tensor, stride: tuple[int, ...], dilation: tuple[int, ...], groups: int
) -> torch.Tensor:
    """What signals (N, K, h, w) bring down through filters, by what is quickest for so many places."""
    kernel, places = tuple(weight.shape[2:]), values[0, 0].numel()
    size = _seen(values.shape[2:], kernel, stride, dilation)
    if places == 1 and groups == 1 and dilation == (1, 1):
        return _filters(values[..., 0, 0], weight)
    if places > MANY and groups == 1 and worth_blocks(weight, stride, dilation):
        return brought_down(values, weight, stride[0])[..., : size[0], : size[1]]
    if places > WIDE and weight.shape[1] > FEW:
        return functional.conv_transpose2d(values, weight, None, stride, 0, 0, groups, dilation)
    return functional.fold(_columns(values.flatten(2), weight, groups), size, kernel, dilation, 0, stride)


def _columns(values: torch.Tensor, weight: torch.Tensor, groups: int) -> torch.Tensor:
    """What signals (N, K, L) bring down to each of L windows of a map, (N, C * h * w, L)."""
    count, channels, places = values.shape
    if groups == 1 and places <= THIN:  # few rows by a wide matrix are quicker than its turned form by few columns
        rows = values.transpose(1, 2).reshape(count * places, channels) @ weight.flatten(1)
        return rows.view(count, places, -1).transpose(1, 2)
    share = weight.reshape(groups, channels // groups, -1).transpose(1, 2)
    parts = [share @ each for each in values.view(count, groups, -1, places)]
    return torch.stack(parts).flatten(1, 2)


def _filters(values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """What signals (N, K) of one place each bring down, (N, C, h, w)."""
    picked = values.nonzero()
    if len(picked) == len(values) and torch.equal(picked[:, 0], torch.arange(len(values), device=picked.device)):
        return weight[picked[:, 1]] * values.gather(1, picked[:, 1:])[..., None, None]
    return (values @ weight.flatten(1)).view(-1, *weight.shape[1:])


def keep_switches(step: Step, found: Mapping[int, torch.Tensor]) -> Kept:
    """The places that a max pooling took its values from."""
    return (found[step.operation.outputs[1]][0].int(),)


def max_pooling(call: Down) -> Arrived:
    """To the switches."""
    if call.place or len(call.step.output) != 4:
        raise UnknownWay
    kernel = call.argument(1)
    stride, padding, dilation = call.argument(2) or kernel, call.argument(3, 0), call.argument(4, 1)
    kernel, stride, padding, dilation = (pair(each) for each in (kernel, stride, padding, dilation))
    high, wide = _seen(call.signal.size, kernel, stride, dilation)
    corners = _below(call, stride, padding)
    switches, width = call.looked_at().long(), call.step.shapes[call.step.source][-1]
    first = torch.tensor([row * wide + column for row, column in corners], device=switches.device)
    places = switches - (switches // width) * (width - wide) - first.view(-1, 1, 1, 1)
    values = call.signal.values
    placed = values.new_zeros(*values.shape[:2], high * wide)  # outside of the map the signal is 0, whatever the place
    placed.scatter_add_(2, places.clamp_(0, high * wide - 1).flatten(2), values.flatten(2))
    return call.arriving(Boxes(placed.view(*values.shape[:2], high, wide), corners))


def average_pooling(call: Down) -> Arrived:
    """In equal parts over the window."""
    kernel = pair(call.argument(1))
    stride, padding = pair(call.argument(2) or kernel), pair(call.argument(3, 0))
    lengths = call.step.shapes[call.step.source][-2:]
    return _spread(call, kernel, stride, padding, _divisors(call, kernel, stride, padding, lengths))


def adaptive_pooling(call: Down) -> Arrived:
    """As average pooling, where the lengths divide."""
    lengths, wanted = call.step.shapes[call.step.source][-2:], call.step.output[-2:]
    if any(length % want for length, want in zip(lengths, wanted, strict=True)):
        raise UnknownWay
    kernel = (lengths[0] // wanted[0], lengths[1] // wanted[1])
    return _spread(call, kernel, kernel, (0, 0), torch.full((1, 1), float(kernel[0] * kernel[1])))


def _spread(call: Down, kernel: Any, stride: Any, padding: Any, divisors: torch.Tensor) -> Arrived:
    values = call.signal.values / divisors.to(call.signal.values)
    size = _seen(call.signal.size, kernel, stride, (1, 1))
    columns = values[:, :, None].expand(-1, -1, kernel[0] * kernel[1], -1, -1).flatten(1, 2).flatten(2)
    return call.arriving(Boxes(functional.fold(columns, size, kernel, 1, 0, stride), _below(call, stride, padding)))


def _divisors(call: Down, kernel: Any, stride: Any, padding: Any, lengths: Sequence[int]) -> torch.Tensor:
    """By what an average pooling divides at the boxes of the signal, (N or 1, 1, h or 1, w or 1)."""
    counts_padding, override = call.argument(5, default=True), call.argument(6)
    if override is not None:
        return torch.tensor(float(override))
    axes = []
    for axis in (0, 1):
        first = torch.tensor([corner[axis] for corner in call.signal.corners])[:, None]
        start = (first + torch.arange(call.signal.size[axis])) * stride[axis] - padding[axis]
        stop = (start + kernel[axis]).clamp(max=lengths[axis] + padding[axis])
        inner = stop.clamp(max=lengths[axis]) - start.clamp(min=0)
        axes.append((stop - start if counts_padding else inner).clamp(min=1))
    areas: torch.Tensor = axes[0][:, None, :, None] * axes[1][:, None, None, :]
    return areas.float()


def _seen(
    size: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> tuple[int, ...]:
    """How many rows and columns so many places see together."""
    return tuple(
        (length - 1) * step + apart * (side - 1) + 1
        for length, step, apart, side in zip(size, stride, dilation, kernel, strict=True)
    )


def _below(call: Down, stride: Sequence[int], padding: Sequence[int]) -> tuple[Corner, ...]:
    """Where what the signal's boxes see begins in the map below."""
    return tuple((row * stride[0] - padding[0], column * stride[1] - padding[1]) for row, column in call.signal.corners)
