"""A comparison of designs as a result: it shows itself, is kept, ships with its networks and its command."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import convviz_widgets.methods.controlled_design.__main__ as command
from convviz_widgets.core.errors import MissingFile, UnknownName
from convviz_widgets.methods.controlled_design import comparison as comparisons
from convviz_widgets.methods.controlled_design.compare import compare_designs
from convviz_widgets.methods.controlled_design.comparison import SHIPPED, DesignComparison
from convviz_widgets.nets.designs import DESIGNS, parameter_formula

SIDE, CLASSES = 16, 3


def noise(count: int) -> tuple[np.ndarray, list[int]]:
    images = np.random.default_rng(count).random((count, SIDE, SIDE, 3), dtype=np.float32)
    return images, [number % CLASSES for number in range(count)]


@pytest.fixture(scope="module")
def found() -> DesignComparison:
    few = {"designs": ("plain", "p4m", "scattering"), "counts": (3, 6), "steps": 1, "side": SIDE, "width": 2}
    return compare_designs(*noise(6), *noise(5), **few, angles=(0, 45, 90), turned=3)


def test_it_shows_itself_and_is_kept(found: DesignComparison, tmp_path: Path) -> None:
    assert "p4m" in found._repr_html_()
    assert len(found.rows()[0]) == len(found.head)
    figure = found.figure()
    assert len(figure.data) == 3
    assert np.allclose(figure.data[0].y, found.accuracy.mean(0)[0])
    assert np.allclose(found.rotation_figure("drift").data[1].y, found.drift.mean(0)[1])
    assert DesignComparison.load(found.save(tmp_path / "kept")) == found
    with pytest.raises(UnknownName, match="rotation curve"):
        found.rotation_figure("speed")
    with pytest.raises(UnknownName, match="compared design"):
        found.net("plane")  # type: ignore[arg-type]


def test_what_ships_is_whole_and_small() -> None:
    shipped = DesignComparison.shipped()
    card = json.loads((SHIPPED / command.CARD).read_text(encoding="utf-8"))
    assert card["command"].startswith("python -m convviz_widgets.methods.controlled_design")
    assert shipped.designs == DESIGNS
    assert set(shipped.weights) == set(command.KEPT)
    with pytest.raises(MissingFile, match="'gabor' were not kept"):
        shipped.net("gabor")
    assert "gabor" in shipped._repr_html_()
    for design in command.KEPT:
        net, place = shipped.net(design), shipped.designs.index(design)
        assert sum(each.numel() for each in net.parameters()) == shipped.parameters[place]
        assert shipped.parameters[place] == parameter_formula(design, shipped.classes, shipped.widths[place])
        with torch.no_grad():
            x = torch.rand(1, 3, shipped.side, shipped.side, generator=torch.Generator().manual_seed(0))
            gap = float((net(x) - net(x.rot90(1, (2, 3)))).abs().max() / net(x).abs().max())
        assert (gap < 1e-4) == design.startswith("p4"), (design, gap)
    assert (shipped.quarter[[name.startswith("p4") for name in DESIGNS]] < 1e-4).all()
    assert sum(each.stat().st_size for each in SHIPPED.iterdir()) < 200_000


def test_the_command_writes_what_ships(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ["--designs", "p4", "gabor", "--counts", "40", "--held-out", "10", "--steps", "1", "--seeds", "1"]
    for _ in range(2):  # the second time over what the first one wrote
        command.main([*options, "--side", "16", "--width", "2", "--out", str(tmp_path / "out")])
    card = json.loads((tmp_path / "out" / "card.json").read_text())
    assert card["command"].startswith("python -m convviz_widgets.methods.controlled_design --designs p4")
    monkeypatch.setattr(comparisons, "SHIPPED", tmp_path / "out")
    shipped = DesignComparison.shipped()
    assert shipped.lens("p4").predict(noise(1)[0][0])
    assert all(np.asarray(each).dtype != np.float32 for part in shipped.weights.values() for each in part.values())
    monkeypatch.setattr(comparisons, "SHIPPED", tmp_path / "nothing")
    with pytest.raises(MissingFile, match="compare_designs"):
        DesignComparison.shipped()
