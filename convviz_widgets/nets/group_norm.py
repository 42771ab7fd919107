"""Batch normalisation that all copies of a filter share, so that turning the picture still only permutes maps.

With the statistics of each filter k over pictures, copies g and positions, ``y[k, g] = (x[k, g] - m_k) / s_k``.

Oracle: the exact permutation of channels, with statistics of the batch and with running ones.
Source: Cohen & Welling 2016, section 6.3; Ioffe & Szegedy 2015.
"""

import torch
from torch import nn
from torch.nn import functional

from convviz_widgets.nets.group import ORDER, Group
from convviz_widgets.nets.made import at_least


class GroupBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation of maps (N, K |G|, h, w), with one mean and one variance per filter; nothing is learned.

    Example:
        >>> GroupBatchNorm2d(4, "p4")(torch.rand(2, 16, 8, 8)).shape
        torch.Size([2, 16, 8, 8])

    Args:
        filters: K.
        group: "p4" or "p4m".
    """

    def __init__(self, filters: int, group: Group = "p4") -> None:
        super().__init__(at_least("filters", filters, 1), affine=False)
        self.copies = ORDER[group]

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 -- its name in torch
        """Normalised maps (N, K |G|, h, w)."""
        if self.training:
            apart = input.reshape(len(input), self.num_features, -1, input.shape[-1])  # copies below each other
            normed: torch.Tensor = super().forward(apart)
            return normed.reshape(input.shape)
        assert self.running_mean is not None  # noqa: S101 -- it keeps them
        assert self.running_var is not None  # noqa: S101
        mean, variance = (each.repeat_interleave(self.copies) for each in (self.running_mean, self.running_var))
        return functional.batch_norm(input, mean, variance, eps=self.eps)
