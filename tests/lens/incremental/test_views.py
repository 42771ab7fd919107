"""The views along one axis against marking every place for every position."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from convviz_widgets.lens.incremental.bench import Bench
from convviz_widgets.lens.incremental.products import convolved, highest, kernel_of, slides_over
from convviz_widgets.lens.incremental.table import Table, clean_at
from convviz_widgets.lens.incremental.views import Views


def squares(length: int, size: int, stride: int) -> Views:
    low = np.arange(0, length - size + 1, stride)
    return Views.of(low, low + size, length)


def table(length: int, size: int, stride: int, channels: int = 2) -> tuple[torch.Tensor, Table]:
    generator = torch.Generator().manual_seed(0)
    clean, other = (torch.randn(1, channels, length, length, generator=generator) for _ in range(2))
    views = squares(length, size, stride)
    return clean, Table(clean_at(other, views, views), views, views)


@settings(max_examples=40, deadline=None)
@given(*(st.integers(*each) for each in ((8, 24), (1, 5), (1, 3), (0, 2), (1, 3), (1, 8), (1, 4))))
def test_a_view_is_what_its_taps_see(
    length: int, kernel: int, stride: int, padding: int, dilation: int, size: int, step: int
) -> None:
    after = (length + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    assume(after >= 1 and padding <= kernel // 2)
    before = squares(length, size, step)
    slide = before.slid(kernel=kernel, stride=stride, padding=padding, dilation=dilation, length=after)
    looks = {}
    for number in range(len(before.at)):
        for place in range(after):
            taps = [place * stride - padding + tap * dilation for tap in range(kernel)]
            seen = [int(before.at[number, each]) if 0 <= each < length else length + before.count for each in taps]
            view = int(slide.after.at[number, place])
            changed = any(length <= each < length + before.count for each in seen)
            assert (view >= after) == changed
            if changed:
                assert looks.setdefault(view, (place, seen)) == (place, seen)
                assert slide.taps[view - after].tolist() == seen
                assert slide.after.places[view - after] == place
    assert len(looks) == slide.after.count  # and no two views look alike
    assert len({str(each) for each in looks.values()}) == len(looks)
    for group in slide.groups:
        outside = np.delete(slide.taps[group.start : group.stop], np.s_[group.first : group.last], axis=1)
        assert not ((outside >= length) & (outside < length + before.count)).any()
    assert sum(group.stop - group.start for group in slide.groups) == slide.after.count


def test_positions_share_what_they_see_alike() -> None:
    views = squares(64, 32, 4)
    assert len(views.at) == 9
    assert views.count == 64  # not 9 * 32
    after = views.slid(kernel=3, stride=1, padding=1, dilation=1, length=64).after
    assert after.count == 62 + 2 * (
        9 + 8
    )  # whole windows, then those over the edges of the nine squares; one less at the map's


def test_joined_views_tell_apart_what_either_does() -> None:
    first = squares(20, 4, 3)
    second = first.slid(kernel=3, stride=1, padding=1, dilation=1, length=20).after
    joined = first.joined(second)
    assert joined is first.joined(second)
    for number, place in np.ndindex(*first.at.shape):
        view = joined.at[number, place]
        assert (view >= 20) == bool(first.changed[number, place] or second.changed[number, place])
        if view >= 20:
            assert joined.seen_as(first)[view - 20] == first.at[number, place]
            assert joined.seen_as(second)[view - 20] == second.at[number, place]


@pytest.mark.parametrize(("kernel", "stride", "padding", "dilation"), [(3, 1, 1, 1), (5, 2, 2, 1), (3, 1, 2, 2)])
def test_products_over_a_table_equal_torch(kernel: int, stride: int, padding: int, dilation: int) -> None:
    clean, changed = table(19, 5, 2)
    weight = torch.randn(4, 2, kernel, kernel, generator=torch.Generator().manual_seed(1))
    after = torch.conv2d(clean, weight, None, stride, padding, dilation)
    slides = slides_over(changed, *[(each, each) for each in (kernel, stride, padding, dilation)], after.shape[-2:])
    found = convolved(changed, clean, after, kernel_of(weight), slides, 1, Bench()).everywhere(after).flatten(0, 1)
    maps = changed.everywhere(clean).flatten(0, 1)
    wanted = torch.conv2d(maps, weight, None, stride, padding, dilation)
    assert torch.allclose(found, wanted, atol=1e-5)
    if padding <= kernel // 2:
        pooled = torch.nn.functional.max_pool2d(clean, kernel, stride, padding, dilation)
        found = highest(changed, clean, slides).everywhere(pooled).flatten(0, 1)
        assert torch.equal(found, torch.nn.functional.max_pool2d(maps, kernel, stride, padding, dilation))


def test_sums_of_a_table_are_those_of_the_maps() -> None:
    clean, changed = table(12, 4, 3, channels=3)
    wanted = changed.everywhere(clean).flatten(0, 1).sum((-2, -1)) - clean.sum((-2, -1))
    assert torch.allclose(changed.sums(clean), wanted, atol=1e-5)
