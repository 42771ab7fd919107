"""Group convolutions: a few filters with their rotated and flipped copies, so that answers turn with the picture.

The group p4 holds the rotations by 0, 90, 180 and 270 degrees, p4m those and their mirror images; ``|G|`` is 4 or 8. An
element g acts on a map as ``g.x = rot90^r(mirror^m(x))``, counter-clockwise, the columns mirrored. Channels are ordered
filter by filter, ``k |G| + g`` with ``g = 4 m + r``, so that every layer gives ordinary maps (N, K |G|, h, w):

- lifting, of a picture x: ``y[k, g] = sum_c x[c] * (g.w[k, c]) + b[k]``,
- group convolution: ``y[k, g] = sum_c sum_h x[c, h] * (g.w[k, c, g^-1 h]) + b[k]``,
- pooling over the group: ``y[k] = max_g x[k, g]``, or the mean.

Turning the picture by an element u turns every map by u and sends channel g to channel ``u g``; after pooling over the
group only the turn is left, and after a mean over positions nothing.

Parameters: lifting ``K C k^2 + K``; group convolution ``K C |G| k^2 + K`` for C times |G| channels coming in.

Exact where the grid of output positions is symmetric in the picture: the size n, side k, padding p and stride s obey
``(n + 2p - k) mod s = 0`` along both axes. An odd filter with stride 2 on an even size never does; such a call is an
error that says so (``exact=False`` lets it pass). A pooling by 2 with stride 2 on an even size obeys it. Exact means up
to the order of additions: the same products are added in another order, so that values of one float32 convolution agree
to about 1e-6 of the largest, and numbers whose sums are exact, such as small integers, agree bit for bit.

Oracle: the exact permutation of channels under each element; parameters equal the formula.
Source: Cohen & Welling 2016, "Group Equivariant Convolutional Networks", sections 4 to 6.
"""

from typing import Any, ClassVar, Literal, get_args

import torch
from torch import nn

from convviz_widgets.core.errors import BadValue, UnsupportedModel, unknown_name
from convviz_widgets.nets.made import MadeConv2d, at_least, odd_size

Group = Literal["p4", "p4m"]
ORDER: dict[str, int] = {"p4": 4, "p4m": 8}


def acted(element: int, maps: torch.Tensor) -> torch.Tensor:
    """Maps (..., n, n) turned and mirrored by an element of the group.

    Example:
        >>> acted(1, torch.tensor([[1, 2], [3, 4]]))
        tensor([[2, 4],
                [1, 3]])
    """
    return torch.rot90(maps.flip(-1) if element >= 4 else maps, element % 4, (-2, -1))


def product(one: int, other: int) -> int:
    """The element that acts as ``other`` and then ``one``.

    Example:
        >>> product(1, 3), product(4, 1)
        (0, 7)
    """
    turn = other % 4 if one < 4 else -other % 4  # a mirror image turns the other way
    return 4 * ((one >= 4) != (other >= 4)) + (one + turn) % 4


def inverse(element: int) -> int:
    """The element that undoes it.

    Example:
        >>> inverse(1), inverse(5)
        (3, 5)
    """
    return element if element >= 4 else -element % 4


def permuted(answers: torch.Tensor, element: int, group: Group) -> torch.Tensor:
    """What a layer's maps (N, K |G|, h, w) become when the picture is turned by an element: the oracle's side.

    Example:
        >>> permuted(torch.arange(4.0).view(1, 4, 1, 1), 1, "p4").flatten().tolist()
        [3.0, 0.0, 1.0, 2.0]
    """
    size = _order(group)
    sources = [product(inverse(element), g) for g in range(size)]
    split = answers.reshape(len(answers), -1, size, *answers.shape[2:])[:, :, sources]
    return acted(element, split).flatten(1, 2)


class _GroupConv2d(MadeConv2d):
    """What lifting and group convolution share."""

    made: ClassVar[tuple[str, ...]] = ("weight", "bias")

    def __init__(
        self,
        in_channels: int,
        filters: int,
        kernel_size: int,
        *,
        group: Group,
        stride: int,
        padding: int | None,
        bias: bool,
        exact: bool,
    ) -> None:
        side, pad = odd_size(kernel_size), odd_size(kernel_size) // 2 if padding is None else padding
        outputs = at_least("filters", filters, 1) * _order(group)
        super().__init__(in_channels, outputs, side, stride=stride, padding=pad, bias=bias)
        self.group = group
        self.exact = exact
        if bias:
            self.shared_bias = nn.Parameter(torch.zeros(filters))

    def offsets(self) -> torch.Tensor:
        """The bias (K |G|,), the same for all copies of a filter."""
        return self.shared_bias.repeat_interleave(ORDER[self.group])

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 -- its name in torch
        """Maps (N, K |G|, h, w).

        Raises:
            UnsupportedModel: the stride leaves part of the picture out on one side only, so that answers cannot turn
                with it.
        """
        if self.exact and max(self.stride) > 1:
            self._check(tuple(input.shape[-2:]))
        return super().forward(input)

    def _check(self, size: tuple[int, ...]) -> None:
        side, step, pad = self.kernel_size[0], self.stride[0], int(self.padding[0])
        if all(keeps_grid(length, side, step, pad) for length in size):
            return
        near = next((size[0] + more for more in range(1, step) if keeps_grid(size[0] + more, side, step, pad)), None)
        raise UnsupportedModel(
            f"Maps of {size[0]} by {size[1]} cannot be answered exactly alike in all turns by filters of {side} by "
            f"{side} with stride {step} and padding {pad}: the outermost positions lie off centre. Accepted: sizes n "
            f"with (n + {2 * pad} - {side}) divisible by {step}{f', such as {near}' if near else ''}. Use stride 1 and "
            f"a pooling of {step} by {step} after it, or say exact=False."
        )

    def extra_repr(self) -> str:
        """What `print` adds."""
        usual: str = super().extra_repr()  # type: ignore[no-untyped-call]
        return f"{usual}, group={self.group!r}"


class LiftingConv2d(_GroupConv2d):
    """The first layer of a group-equivariant network: each filter in all its turns.

    Example:
        >>> LiftingConv2d(3, 4, 5, group="p4")(torch.zeros(1, 3, 16, 16)).shape
        torch.Size([1, 16, 16, 16])

    Args:
        in_channels: C, of the picture.
        filters: K, of which the layer gives K |G| maps.
        kernel_size: side in pixels, odd: a filter turns about its middle pixel.
        group: "p4" (rotations) or "p4m" (and mirror images).
        stride, padding: in pixels; by default the padding keeps the size at stride 1.
        bias: whether one number per filter is added, the same for its copies.
        exact: whether a size at which answers would not turn with the picture is an error.

    Raises:
        BadValue: an even kernel size, or numbers out of range.
        UnknownName: another group.
    """

    def __init__(
        self,
        in_channels: int,
        filters: int,
        kernel_size: int,
        *,
        group: Group = "p4",
        stride: int = 1,
        padding: int | None = None,
        bias: bool = True,
        exact: bool = True,
    ) -> None:
        super().__init__(
            in_channels, filters, kernel_size, group=group, stride=stride, padding=padding, bias=bias, exact=exact
        )
        self.shared = nn.Parameter(torch.empty(filters, in_channels, kernel_size, kernel_size))
        nn.init.kaiming_normal_(self.shared, nonlinearity="relu")

    def filters(self) -> torch.Tensor:
        """The filters and their copies (K |G|, C, k, k)."""
        return torch.stack([acted(g, self.shared) for g in range(ORDER[self.group])], dim=1).flatten(0, 1)


class GroupConv2d(_GroupConv2d):
    """A further layer of a group-equivariant network: filters over positions and over the group.

    Example:
        >>> GroupConv2d(16, 4, 3, group="p4")(torch.zeros(1, 16, 8, 8)).shape
        torch.Size([1, 16, 8, 8])

    Args:
        in_channels: C |G|, of maps from a lifting or a group convolution of the same group.
        filters: K, of which the layer gives K |G| maps.
        kernel_size, group, stride, padding, bias, exact: as those of `LiftingConv2d`.

    Raises:
        BadValue: an even kernel size, channels that are no multiple of |G|, or numbers out of range.
        UnknownName: another group.
    """

    def __init__(
        self,
        in_channels: int,
        filters: int,
        kernel_size: int,
        *,
        group: Group = "p4",
        stride: int = 1,
        padding: int | None = None,
        bias: bool = True,
        exact: bool = True,
    ) -> None:
        size = _order(group)
        if at_least("in_channels", in_channels, 1) % size:
            raise BadValue(
                f"in_channels={in_channels} cannot come from a layer of {group}. Accepted: multiples of {size}, the "
                "copies of each filter; a picture goes through LiftingConv2d first."
            )
        super().__init__(
            in_channels, filters, kernel_size, group=group, stride=stride, padding=padding, bias=bias, exact=exact
        )
        self.shared = nn.Parameter(torch.empty(filters, in_channels // size, size, kernel_size, kernel_size))
        nn.init.kaiming_normal_(self.shared, nonlinearity="relu")

    def filters(self) -> torch.Tensor:
        """The filters and their copies (K |G|, C |G|, k, k)."""
        elements = range(ORDER[self.group])
        copies = [
            acted(g, self.shared[:, :, [product(inverse(g), h) for h in elements]]).flatten(1, 2) for g in elements
        ]
        return torch.stack(copies, dim=1).flatten(0, 1)


class GroupPool2d(nn.Module):
    """One map of all copies of a filter: their maximum, or their mean, at each position.

    Example:
        >>> GroupPool2d("p4")(torch.zeros(1, 16, 8, 8)).shape
        torch.Size([1, 4, 8, 8])

    Args:
        group: "p4" or "p4m".
        how: "max" or "mean".

    Raises:
        UnknownName: another group, or another way.
    """

    def __init__(self, group: Group = "p4", how: Literal["max", "mean"] = "max") -> None:
        super().__init__()
        _order(group)
        if how not in ("max", "mean"):
            raise unknown_name("way of pooling", how, ("max", "mean"))
        self.group, self.how = group, how

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Maps (N, K, h, w) of maps (N, K |G|, h, w).

        Raises:
            BadValue: the number of maps is no multiple of |G|.
        """
        if maps.shape[1] % ORDER[self.group]:
            raise BadValue(
                f"{maps.shape[1]} maps are no copies of {self.group}. Accepted: multiples of {ORDER[self.group]}."
            )
        split = maps.reshape(len(maps), -1, ORDER[self.group], *maps.shape[2:])
        return split.amax(2) if self.how == "max" else split.mean(2)

    def extra_repr(self) -> str:
        """What `print` adds."""
        return f"group={self.group!r}, how={self.how!r}"


def keeps_grid(size: int, kernel_size: int, stride: int, padding: int) -> bool:
    """Whether output positions lie symmetrically, so that turning the picture turns the maps exactly.

    Example:
        >>> keeps_grid(48, 5, 2, 2), keeps_grid(49, 5, 2, 2), keeps_grid(48, 2, 2, 0)
        (False, True, True)
    """
    return (size + 2 * padding - kernel_size) % stride == 0


def _order(group: Any) -> int:
    """|G|.

    Raises:
        UnknownName: another group.
    """
    if group not in ORDER:
        raise unknown_name("group", group, get_args(Group))
    return ORDER[group]
