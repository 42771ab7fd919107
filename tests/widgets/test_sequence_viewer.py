"""The sequence viewer: what the browser puts together is the sequence itself."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convviz_widgets.core.errors import BadType, BadValue
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.occlusion.minimal import MinimalImage, minimal_image
from convviz_widgets.widgets.sequence_viewer import SequenceViewer
from tests.networks import ALL, pictures


@pytest.fixture(scope="module")
def result() -> MinimalImage:
    found = minimal_image(
        Lens(ALL["sequential"].make(), input_size=31), pictures(1, (3, 31, 31), seed=3)[0], segments=8
    )
    assert len(found.order) > 2
    return found


def test_the_browser_is_given_the_whole_sequence(result: MinimalImage) -> None:
    told = SequenceViewer(result).sequence
    photo, hidden = (np.asarray(Image.open(BytesIO(told[name]))) for name in ("photo", "hidden"))
    gone = np.frombuffer(told["gone"], "<i4").reshape(told["size"])
    left = np.frombuffer(told["left"], "<f4")
    for count, wanted in enumerate(result.sequence):
        off = (gone > 0) & (gone <= count)
        assert np.array_equal(np.where(off[..., None], hidden, photo), wanted)
        assert left[count] == pytest.approx(1 - off.mean(), abs=1e-6)
    assert np.allclose(np.frombuffer(told["probability"], "<f4"), result.probability)


def test_where_the_slider_stands(result: MinimalImage) -> None:
    viewer = SequenceViewer(result)
    assert viewer.shown == len(result.order)
    viewer._receive(viewer, {"kind": "show", "shown": 1}, [])
    assert viewer.shown == 1
    assert np.array_equal(viewer.frame(), result.sequence[1])
    with pytest.raises(BadValue, match=f"0 to {len(result.order)}"):
        viewer.shown = len(result.order) + 1
    viewer._receive(viewer, {"kind": "show", "shown": -1}, [])
    assert "Accepted" in viewer.problem["text"]
    assert viewer.shown == 1
    assert viewer.still().ndim == 3
    viewer.close()


def test_a_class_that_loses_nothing_has_one_picture(result: MinimalImage) -> None:
    lens, image = Lens(ALL["sequential"].make(), input_size=31), pictures(1, (3, 31, 31), seed=3)[0]
    scores = lens.predict(image, 99)[0]
    viewer = SequenceViewer(minimal_image(lens, image, scores[-1].index, segments=8))
    assert viewer.shown == 0
    assert len(np.frombuffer(viewer.sequence["probability"], "<f4")) == 1


def test_other_results_have_no_sequence() -> None:
    other: Any = object()
    with pytest.raises(BadType, match="minimal_image"):
        SequenceViewer(other)
