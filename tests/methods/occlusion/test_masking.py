"""A painted mask: the answers are those of a full forward of the mixed picture."""

import numpy as np
import pytest
import torch

from convviz_widgets.core.errors import BadValue, UnknownName
from convviz_widgets.lens.fills import filled
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.masks import checked_mask
from convviz_widgets.lens.record import OUTPUT
from convviz_widgets.methods.occlusion.masking import Masking, masked
from tests.networks import ALL


def blob(size: tuple[int, int], top: int, left: int, bottom: int, right: int) -> np.ndarray:
    """A soft-edged box, (H, W) uint8."""
    mask = np.zeros(size, np.uint8)
    mask[top:bottom, left:right] = 90
    mask[top + 1 : bottom - 1, left + 1 : right - 1] = 255
    return mask


@pytest.mark.parametrize("name", ["residual", "inception"] if "inception" in ALL else list(ALL)[:3])
@pytest.mark.parametrize("fill", ["grey", "mean", "blur", "noise"])
def test_equal_to_a_full_forward(name: str, fill: str) -> None:
    network = ALL[name]
    torch.manual_seed(0)
    lens = Lens(network.make().eval(), input_size=network.shape[1:])
    prepared = torch.rand(1, *network.shape)
    layer = next(each for each in lens.layers.values() if each.is_map).name
    opened = Masking(lens, prepared, [layer])
    height, width = opened.size
    other = filled(lens, prepared, fill)
    for mask in (blob(opened.size, 2, 3, 7, 8), blob(opened.size, 0, 0, height, width)):
        share = torch.from_numpy(mask / 255).float()
        wanted = lens._record(prepared * (1 - share) + other * share, [OUTPUT, lens.layers[layer].site], grad=False)
        found = opened.answers(mask, fill)
        assert torch.allclose(found[""], wanted[OUTPUT], atol=1e-5)
        assert torch.allclose(found[layer], wanted[lens.layers[layer].site], atol=1e-5)
        assert not torch.allclose(found[layer], opened.clean[layer], atol=1e-3)
        assert torch.allclose(masked(lens, prepared, mask, fill), prepared * (1 - share) + other * share, atol=1e-6)


def test_nothing_painted_is_the_clean_answer() -> None:
    lens = Lens.load("mini")
    opened = Masking(lens, torch.rand(1, 3, 96, 96))
    assert torch.equal(opened.answers(bytes(96 * 96))[""], opened.clean[""])


@pytest.mark.parametrize("mask", [b"123", np.zeros((3, 5)), np.full((4, 5), 2.0), np.full((4, 5), np.nan)])
def test_masks_that_do_not_fit(mask: object) -> None:
    with pytest.raises(BadValue, match="mask"):
        checked_mask(mask, (4, 5))


def test_masks_of_all_kinds() -> None:
    wanted = np.array([[0, 255], [255, 0]], np.uint8)
    for given in (wanted, wanted.tobytes(), wanted > 0, wanted / 255):
        assert np.array_equal(checked_mask(given, (2, 2)), wanted)
    with pytest.raises(UnknownName, match="fill"):
        masked(Lens.load("mini"), torch.rand(1, 3, 96, 96), np.zeros((96, 96)), "gray")
