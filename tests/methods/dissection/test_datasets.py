"""Dissection on datasets from disk: every label is counted, and what is wrong with one picture ends no other."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convviz_widgets.data.broden import Broden
from convviz_widgets.data.segmentation_folder import SegmentationFolder
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.dissection.dissect import dissect
from tests.data import miniature_broden as miniature


@pytest.fixture
def lens() -> Lens:
    return Lens.load("mini", device="cpu")


def test_every_label_of_a_broden_is_counted(lens: Lens, tmp_path: Path) -> None:
    data = Broden(miniature.write(tmp_path / "broden"))
    report = dissect(lens, data, "conv3", quantile=0.05)
    half, whole = miniature.MAP_SIDE**2 // 2, miniature.MAP_SIDE**2
    by_hand = {
        ("black-c", "color"): 2 * half + 2 * whole,
        ("white-c", "color"): 2 * half,
        ("car", "object"): half,
        ("fabric", "object"): half,
        ("door", "object"): half,
        ("door", "part"): half,
        ("wheel", "part"): whole,
        ("fabric", "material"): half,
        ("street-s", "scene"): 2 * whole,
        ("dotted", "texture"): whole,
        ("striped", "texture"): whole,
    }
    counted = {(each.name, each.category): int(n) for each, n in zip(data.concepts, report.labelled, strict=True)}
    assert counted == by_hand
    assert report.skipped == ()


def test_a_map_that_cannot_be_used_is_skipped_and_told(lens: Lens, tmp_path: Path) -> None:
    values = np.repeat([[0, 1], [2, 3]], 12, axis=0).repeat(12, axis=1).astype(np.uint8)
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for name in "abc":
        Image.fromarray(np.stack([values * 60] * 3, axis=-1)).save(tmp_path / "images" / f"{name}.png")
        Image.fromarray(np.full_like(values, 9) if name == "b" else values).save(tmp_path / "labels" / f"{name}.png")
    names = ["sky", "road", "car"]
    data = SegmentationFolder(tmp_path / "images", tmp_path / "labels", names, ignore=3, colours=True)
    report = dissect(lens, data, "conv3", quantile=0.05)
    assert report.labelled[:3].tolist() == [2 * 144] * 3  # two pictures, a quarter each
    assert report.labelled[3:].sum() == 2 * 576  # every pixel has a colour
    assert len(report.skipped) == 1
    assert "b.png" in report.skipped[0]
    assert "9 (576 px)" in report.skipped[0]
