"""Values of label maps to concept ids, against a plain dict."""

import numpy as np
import pytest

from convviz_widgets.core.errors import BadLabel
from convviz_widgets.data.label_table import LabelTable, packed, packed_map, unpacked


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64])
@pytest.mark.parametrize("largest", [200, 60_000, 1 << 23])
def test_a_table_answers_as_a_dict_does(dtype: type, largest: int) -> None:
    rng = np.random.default_rng(0)
    top = min(largest, np.iinfo(dtype).max)
    ids = {int(value): place for place, value in enumerate(rng.choice(top, 40, replace=False))} | {largest: 99}
    values = rng.choice([each for each in ids if each <= top], (5, 7)).astype(dtype)
    found = LabelTable(ids).ids(values, "a.png")
    assert found.tolist() == [[ids[int(value)] for value in row] for row in values]
    assert found.dtype == np.int32


@pytest.mark.parametrize("known", [{0: 0, 5: 1}, {0: 0, 5: 1, 1 << 20: 2}])
@pytest.mark.parametrize("wrong", [-1, 3, 6, 7, 255, 1 << 19, (1 << 20) + 1])
def test_a_value_that_stands_for_nothing_is_told_wherever_it_lies(known: dict[int, int], wrong: int) -> None:
    values = np.array([[0, 5], [wrong, wrong]])
    with pytest.raises(BadLabel, match=rf"^b\.png holds labels that stand for nothing: {wrong} \(2 px\)\. Look\.$"):
        LabelTable(known).ids(values, "b.png", "Look.")


def test_unknown_values_are_listed_most_pixels_first() -> None:
    values = np.repeat(np.arange(1, 11), np.arange(1, 11))
    with pytest.raises(BadLabel, match=r"10 \(10 px\), 9 \(9 px\).*5 \(5 px\) and 4 more\."):
        LabelTable({0: 0}).ids(values, "c.png", "")


def test_colours_pack_and_unpack() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (6, 3), dtype=np.uint8)
    assert [unpacked(packed(each)) for each in colours.tolist()] == [tuple(each) for each in colours.tolist()]
    assert packed_map(colours).tolist() == [packed(each) for each in colours.tolist()]
