"""The arithmetic of changed places against marking every pixel."""

import numpy as np
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from convviz_widgets.lens.incremental.boxes import Patch, Span, cut


@given(
    *(st.integers(1, 30), st.integers(1, 5), st.integers(1, 4), st.integers(0, 2), st.integers(1, 3)),
    *(st.integers(0, 29), st.integers(1, 10)),
)
def test_a_window_that_slides_over_changed_pixels_sees_them(
    length: int, kernel: int, stride: int, padding: int, dilation: int, low: int, size: int
) -> None:
    after = (length + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    assume(after >= 1 and padding <= kernel // 2)
    span = Span.of([low], [low + size], length)
    changed = set(range(span.low[0], span.high[0]))
    taps = [{place * stride - padding + tap * dilation for tap in range(kernel)} for place in range(after)]
    seen = [place for place in range(after) if taps[place] & changed]
    found = span.through(kernel=kernel, stride=stride, padding=padding, dilation=dilation, length=after)
    assert 0 <= found.low[0] < found.high[0] <= after
    if seen:
        assert found.low[0] <= min(seen)
        assert found.high[0] > max(seen)
        if dilation == 1:  # with gaps between taps the ends may still lie further out than what is seen
            assert (found.low[0], found.high[0]) == (min(seen), max(seen) + 1)


def test_windows_are_of_one_size_and_stay_inside() -> None:
    span = Span.of([-3, 4, 9], [2, 7, 14], 10)
    assert span.size == 3
    assert span.start.tolist() == [0, 4, 7]


def test_cut_reads_the_changed_map_and_what_lies_beyond() -> None:
    clean = torch.arange(2 * 5 * 6, dtype=torch.float32).view(1, 2, 5, 6)
    rows, columns = Span.of([1, 3], [3, 5], 5), Span.of([0, 4], [2, 6], 6)
    patch = Patch(-torch.ones(2, 2, 2, 2), rows, columns)
    whole = patch.everywhere(clean)[:, 0]
    for number, (top, left) in enumerate(((1, 0), (3, 4))):
        wanted = clean[0].clone()
        wanted[:, top : top + 2, left : left + 2] = -1
        assert torch.equal(whole[number], wanted)
    found = cut(clean, patch, np.array([-1, 3]), 4, np.array([-2, 3]), 5, outside=7.0)
    padded = torch.nn.functional.pad(whole, (2, 3, 1, 3), value=7.0)
    assert torch.equal(found[0], padded[0, :, 0:4, 0:5])
    assert torch.equal(found[1], padded[1, :, 4:8, 5:10])


@given(*(st.integers(-4, 8),) * 2, *(st.integers(1, 9),) * 2, *(st.integers(0, 4),) * 2, st.booleans())
def test_one_picture_is_cut_like_several(
    top: int, left: int, height: int, width: int, row: int, column: int, changed: bool
) -> None:
    clean = torch.arange(2 * 5 * 6, dtype=torch.float32).view(1, 2, 5, 6)
    rows, columns = Span.of([row], [row + 1], 5), Span.of([column], [column + 2], 6)
    one = Patch(-torch.ones(1, 2, rows.size, columns.size), rows, columns)
    two = Patch(one.values.repeat(2, 1, 1, 1), *(axis.take([0, 0]) for axis in (one.rows, one.columns)))
    alone = cut(clean, one if changed else None, np.array([top]), height, np.array([left]), width, outside=7.0)
    both = cut(clean, two if changed else None, np.array([top] * 2), height, np.array([left] * 2), width, outside=7.0)
    assert torch.equal(alone[0], both[1])
    assert alone.is_contiguous(memory_format=torch.channels_last) == both[:1].is_contiguous(
        memory_format=torch.channels_last
    )
