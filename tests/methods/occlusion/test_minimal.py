"""The minimal image equals a plain greedy search; the segments are whole."""

import numpy as np
import pytest
import torch

from convviz_widgets.lens.fills import filled
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.occlusion.minimal import MinimalImage, minimal_image, segmented
from tests.networks import ALL, pictures


@pytest.mark.parametrize("name", ["sequential", "residual", "one_channel"])
def test_equals_a_plain_greedy_search(name: str) -> None:
    network = ALL[name]
    lens, image = Lens(network.make(), input_size=network.shape[1:]), pictures(1, network.shape, seed=3)
    result = minimal_image(lens, image[0], segments=6)
    pixels, current = filled(lens, image, "grey"), image.clone()
    with torch.no_grad():
        scores = lens.module(image)[0]
    wanted, left, order, told = (
        int(scores.argmax()),
        set(range(int(result.segments.max()) + 1)),
        [],
        [float(scores.max())],
    )
    while left:
        best = None
        for number in sorted(left):
            gone = torch.from_numpy(result.segments == number)
            with torch.no_grad():
                found = lens.module(torch.where(gone, pixels, current))[0]
            if int(found.argmax()) == wanted and (best is None or float(found[wanted]) > best[0]):
                best = (float(found[wanted]), number)
        if best is None:
            break
        told.append(best[0])
        order.append(best[1])
        left.remove(best[1])
        current = torch.where(torch.from_numpy(result.segments == best[1]), pixels, current)
    assert order
    assert result.order.tolist() == order
    assert result.scores.tolist() == pytest.approx(told, rel=1e-5, abs=1e-6)


def test_a_class_that_is_not_on_top_loses_nothing() -> None:
    lens, image = Lens(ALL["sequential"].make(), input_size=31), pictures(1, (3, 31, 31), seed=3)[0]
    last = int(lens.record(image[None], [list(lens.layers)[-1]])[list(lens.layers)[-1]][0].argmin())
    result = minimal_image(lens, image, last, segments=6)
    assert len(result.order) == 0
    assert np.array_equal(result.sequence[0], result.photo)


def test_segments_follow_colour() -> None:
    photo = np.zeros((30, 40, 3), dtype=np.uint8)
    photo[:, 13:] = 255
    labels = segmented(photo, 12)
    assert sorted(np.unique(labels)) == list(range(labels.max() + 1))
    assert 6 <= labels.max() + 1 <= 16
    assert not set(np.unique(labels[:, :13])) & set(np.unique(labels[:, 13:]))


def test_sequence_hides_segment_by_segment(tmp_path: object) -> None:
    lens, image = Lens(ALL["sequential"].make(), input_size=31), pictures(1, (3, 31, 31), seed=3)[0]
    result = minimal_image(lens, image, segments=6)
    assert result.sequence.shape == (len(result.order) + 1, 31, 31, 3)
    changed = (result.sequence[0] != result.sequence[1]).any(-1)
    assert set(result.segments[changed]) == {int(result.order[0])}
    assert result.picture().ndim == 3
    assert result.figure().data
    assert MinimalImage.load(result.save(tmp_path / "kept")) == result
