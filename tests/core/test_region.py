"""Boxes: clipping keeps exactly the pixels that lie inside."""

from hypothesis import given
from hypothesis import strategies as st

from convviz_widgets.core.region import Box

EDGES = st.integers(-12, 12)


def pixels(box):
    return {(row, column) for row in range(box.top, box.bottom) for column in range(box.left, box.right)}


@given(EDGES, EDGES, st.integers(0, 12), st.integers(0, 12), st.integers(1, 10), st.integers(1, 10))
def test_clipping_keeps_the_pixels_inside(left, top, wide, tall, width, height):
    box = Box(left, top, left + wide, top + tall)
    clipped = box.clipped(width=width, height=height)
    assert pixels(clipped) == pixels(box) & pixels(Box(0, 0, width, height))
    assert clipped.clipped(width=width, height=height) == clipped
    assert clipped.width >= 0
    assert clipped.height >= 0


def test_a_box_turned_inside_out_is_empty():
    clipped = Box(5, 6, 2, 1).clipped(width=9, height=9)
    assert (clipped.width, clipped.height) == (0, 0)


def test_size_and_tuple():
    box = Box(1, 2, 4, 8)
    assert (box.width, box.height) == (3, 6)
    assert box.as_tuple() == (1, 2, 4, 8)
