"""Four outputs at a time are the four that torch computes one by one."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from convviz_widgets.lens.incremental import sliding, tiles
from convviz_widgets.lens.incremental.bench import Bench
from convviz_widgets.lens.incremental.engine import Incremental
from convviz_widgets.lens.incremental.products import convolved_in_tiles, slides_over
from convviz_widgets.lens.incremental.table import Table, clean_at
from convviz_widgets.lens.incremental.tiles import in_tiles, tiled_kernel_of, worth_tiling
from convviz_widgets.lens.incremental.views import Slide, Views
from convviz_widgets.lens.lens import Lens
from tests import networks


def squares(length: int, size: int, stride: int) -> Views:
    low = np.arange(0, length - size + 1, stride)
    return Views.of(low, low + size, length)


def both_ways(table: Table, padding: int, length: int) -> tuple[tuple[Slide, Slide], tuple[Slide, Slide]]:
    """What the kernel sees for each output, and for each tile."""
    after = length + 2 * padding - 2
    ones, pads = (1, 1), (padding, padding)
    slides = slides_over(table, (3, 3), ones, pads, ones, (after, after))
    return slides, slides_over(table, (4, 4), (2, 2), pads, ones, (-(-after // 2),) * 2)


@settings(max_examples=40, deadline=None)
@given(*(st.integers(*each) for each in ((4, 24), (1, 8), (1, 4), (0, 2), (0, 2**16))))
def test_tiles_equal_torch(length: int, size: int, step: int, padding: int, seed: int) -> None:
    assume(size <= length)
    generator = torch.Generator().manual_seed(seed)
    clean, other = (torch.randn(1, 2, length, length, generator=generator).double() for _ in range(2))
    rows, columns = squares(length, size, step), squares(length, size, step + 1)
    table = Table(clean_at(other, rows, columns), rows, columns)
    weight = torch.randn(3, 2, 3, 3, generator=generator).double()
    after = torch.conv2d(clean, weight, None, 1, padding)
    slides, tiling = both_ways(table, padding, length)
    assume(all(slide.after.count for slide in slides))
    found = convolved_in_tiles(table, clean, after, tiled_kernel_of(weight), slides, tiling, Bench())
    wanted = torch.conv2d(table.everywhere(clean).flatten(0, 1), weight, None, 1, padding)
    torch.testing.assert_close(found.everywhere(after).flatten(0, 1), wanted, rtol=1e-10, atol=1e-10)


def test_blocks_of_tiles_join(monkeypatch: pytest.MonkeyPatch) -> None:
    views = squares(20, 6, 3)
    _, tiling = both_ways(Table(torch.zeros(1, 1, views.count, views.count), views, views), 1, 20)
    kernel = tiled_kernel_of(torch.randn(4, 5, 3, 3, generator=torch.Generator().manual_seed(0)))
    source = torch.randn(views.count + 1, views.count + 1, 5, generator=torch.Generator().manual_seed(1))
    taps = torch.randint(views.count, (len(tiling[0].taps), 4), generator=torch.Generator().manual_seed(2))
    whole = in_tiles(source, kernel, (taps, taps), tiling, Bench()).clone()
    monkeypatch.setattr(tiles, "BLOCK", 1)
    assert torch.allclose(in_tiles(source, kernel, (taps, taps), tiling, Bench()), whole, atol=1e-5)


def test_tiles_are_taken_where_channels_are_many() -> None:
    views = squares(40, 12, 12)
    table = Table(torch.zeros(1, 1, views.count, views.count), views, views)
    ways = both_ways(table, 1, 40)
    assert worth_tiling(*ways, torch.empty(512, 512, 3, 3))
    assert not worth_tiling(*ways, torch.empty(512, 16, 3, 3))


@pytest.mark.parametrize("name", ["residual", "branching", "ceil_pooling", "dense"])
def test_networks_answer_as_in_full(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "SUMS", -2)  # worth it for any number of channels
    taken: list[int] = []

    def noted(*given: Any) -> Table:
        taken.append(1)
        return convolved_in_tiles(*given)

    monkeypatch.setattr(sliding, "convolved_in_tiles", noted)
    make, shape = networks.ALL[name]
    check(make, shape)
    assert taken


def check(make: Callable[[], nn.Module], shape: tuple[int, int, int]) -> None:
    lens, (image, pixels) = Lens(make(), input_size=shape[1:]), networks.pictures(2, shape).split(1)
    opened = Incremental(lens, image)
    corners = np.arange(0, shape[1] - 2, 3)
    found = opened.full("", opened.slid(corners, corners, 3, pixels)[""], len(corners) ** 2)
    for number, (top, left) in enumerate((top, left) for top in corners for left in corners):
        hidden = image.clone()
        hidden[..., top : top + 3, left : left + 3] = pixels[..., top : top + 3, left : left + 3]
        wanted = _plain(lens, hidden)
        torch.testing.assert_close(found[number : number + 1], wanted, rtol=1e-5, atol=1e-5)
    assert float((found - opened.clean[""]).abs().max()) > 1e-2


def _plain(lens: Lens, picture: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        scores: torch.Tensor = lens.module.eval()(picture)
    return scores
