"""The evolution viewer: what the browser holds is what was recorded."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import convviz_widgets as cv
from convviz_widgets.core.errors import BadType, BadValue, UnknownName
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.deconvnet.evolution import EvolutionRecorder
from convviz_widgets.methods.deconvnet.evolution_report import Evolution
from convviz_widgets.widgets import evolution_viewer
from convviz_widgets.widgets.evolution_viewer import EvolutionViewer
from tests.networks import ALL, pictures


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Evolution:
    """Three snapshots of a network whose weights are pushed about at random."""
    network = ALL["sequential"]
    model, generator = network.make(), torch.Generator().manual_seed(3)
    lens = Lens(model, input_size=network.shape[1:], name="a net")
    probes = pictures(5, network.shape, seed=3)
    recorder = EvolutionRecorder(lens, probes, tmp_path_factory.mktemp("e") / "e", units=3, epochs=[1, 2, 5], k=2)
    for epoch in (1, 2, 5):
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(0.2 * weight.std() * torch.randn(weight.shape, generator=generator))
        recorder(model, epoch, accuracy=None if epoch == 2 else epoch / 10)
    return recorder.evolution()


def test_the_browser_is_given_what_was_recorded(recorded: Evolution) -> None:
    viewer = EvolutionViewer(recorded)
    assert set(viewer.sheets) == set(recorded.layers)
    for layer in recorded.layers:
        sheet, side = viewer.sheets[layer], recorded.signal[layer].shape[2]
        projections = np.asarray(Image.open(BytesIO(sheet["projections"])))
        for unit, channel in enumerate(recorded.units[layer]):
            row = projections[unit * side : (unit + 1) * side].reshape(side, 3, side, 3).swapaxes(0, 1)
            assert np.array_equal(row, recorded.projections(f"{layer}:{channel}"))
        assert np.array_equal(np.frombuffer(sheet["index"], "<i4"), recorded.index[layer].ravel())
        assert np.array_equal(np.frombuffer(sheet["frame"], "<i4"), recorded.frame[layer].ravel())
        assert np.array_equal(np.frombuffer(sheet["activation"], "<f4"), recorded.activation[layer].ravel())
        np.testing.assert_allclose(
            np.frombuffer(sheet["cosine"], "<f4"), recorded.settling[layer].units_to_last.ravel(), rtol=1e-6
        )
    told = viewer.overview
    assert told["accuracy"] == [0.1, None, 0.5]
    assert told["epochs"] == [1, 2, 5]
    assert [each["settled"] for each in told["layers"]] == [each.settled() for each in recorded.settling.values()]
    assert np.array_equal(np.asarray(Image.open(BytesIO(told["probes"][4]))), recorded.probe(4))
    viewer.close()


def test_where_the_slider_stands_and_what_is_chosen(recorded: Evolution) -> None:
    viewer = EvolutionViewer(recorded, unit="1:2", shown=0)
    assert (viewer.epoch, viewer.unit) == (1, "1:2")
    viewer._receive(viewer, {"kind": "show", "shown": 2}, [])
    viewer._receive(viewer, {"kind": "look", "unit": "4:0"}, [])
    assert (viewer.epoch, viewer.unit, viewer.problem) == (5, "4:0", {})
    for message, told in (({"kind": "show", "shown": 3}, "0 to 2"), ({"kind": "dance"}, "not known")):
        viewer._receive(viewer, message, [])
        assert told in viewer.problem["text"]
    with pytest.raises(BadValue, match="Accepted: 0 to 2"):
        viewer.shown = -1
    with pytest.raises(BadValue, match="address"):
        viewer.unit = "nonsense"
    assert (viewer.epoch, viewer.unit) == (5, "4:0")
    viewer.close()


def test_a_linked_widget_hands_over_units_also_those_not_recorded(recorded: Evolution) -> None:
    first, second = EvolutionViewer(recorded), EvolutionViewer(recorded)
    tie = cv.link(first, second)
    first.unit = "4:1@2,2"
    assert second.unit == "4:1"
    first.unit = "3:99"  # the browser tells that it was not recorded
    assert second.unit == "3:99"
    assert second.still().ndim == 3
    tie.unlink()


def test_of_a_large_recording_one_layer_is_held_at_a_time(recorded: Evolution, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evolution_viewer, "AT_ONCE", 100)
    viewer = EvolutionViewer(recorded, unit="1:0")
    assert set(viewer.sheets) == {"1"}
    viewer._receive(viewer, {"kind": "look", "unit": "4:0"}, [])
    assert set(viewer.sheets) == {"4"}
    viewer.unit = "3:99"
    assert set(viewer.sheets) == {"4"}


def test_the_still_picture_has_a_row_per_unit(recorded: Evolution) -> None:
    viewer = EvolutionViewer(recorded, unit="1:0")
    first = viewer.still()
    viewer.unit = "4:0"
    assert not np.array_equal(first, viewer.still())
    data = viewer._repr_mimebundle_()
    assert "image/png" in (data[0] if isinstance(data, tuple) else data)
    assert repr(viewer) == "EvolutionViewer(a net, 3 epochs, 9 units)"


def test_wrong_arguments_are_told(recorded: Evolution, tmp_path: Path) -> None:
    other: Any = object()
    with pytest.raises(BadType, match=r"cv\.evolution"):
        EvolutionViewer(other)
    with pytest.raises(UnknownName, match="recorded unit"):
        EvolutionViewer(recorded, unit="1:5")
    with pytest.raises(BadValue, match="no snapshot 7"):
        EvolutionViewer(recorded, shown=7)
    with pytest.raises(UnknownName, match="argument of EvolutionViewer"):
        EvolutionViewer(recorded, speed=3)
