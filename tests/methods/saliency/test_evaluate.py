"""The error of localisation: on networks whose saliency is known, on drawings, and over folders with bad pictures."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from convviz_widgets.core.errors import BadValue
from convviz_widgets.data.boxes import BoxFolder
from convviz_widgets.data.mini_broden import MiniBroden
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.preprocess import ResizeCropNormalize
from convviz_widgets.methods.saliency.evaluate import LocalizationScores, localization_error
from convviz_widgets.methods.saliency.localize import localize, overlap


class Redness(nn.Module):
    """How red a picture is, where it is red, and how green: the gradient of each lies on the things of its colour."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([[1.0, -1, -1], [-1, 1, -1]]).view(2, 3, 1, 1))
            self.conv.bias.fill_(-0.3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x).relu().sum((2, 3))


def scene(size: tuple[int, int], box: tuple[int, int, int, int], *, colour: int = 0, seed: int = 0) -> np.ndarray:
    """A red (or green) thing on a blue ground, both a little uneven, (H, W, 3) uint8."""
    generator = np.random.default_rng(seed)
    picture = generator.normal((0.1, 0.2, 0.7), 0.02, (*size, 3))
    left, top, right, bottom = box
    thing = np.array((0.1, 0.1, 0.1))
    thing[colour] = 0.9
    picture[top:bottom, left:right] = generator.normal(thing, 0.02, (bottom - top, right - left, 3))
    return (np.clip(picture, 0, 1) * 255).astype(np.uint8)


def lens(**more: Any) -> Lens:
    return Lens(Redness(), input_size=40, class_names=["red", "green"], **more)


def test_where_the_map_is_right_nothing_is_wrong() -> None:
    boxes = [(22, 8, 36, 20), (3, 20, 15, 37), (10, 5, 30, 14)]
    images = [scene((40, 40), box, seed=place) for place, box in enumerate(boxes)]
    found = localization_error(lens(), images, [[("red", *box)] for box in boxes])
    assert found.error == 0
    assert found.overlap.tolist() == [1.0, 1.0, 1.0]
    assert found.box.tolist() == [list(box) for box in boxes]
    assert found.errors()["centred box"] == 1  # none of these things fills the middle
    assert found.names == ("picture 0", "picture 1", "picture 2")


def test_boxes_are_compared_in_the_pictures_own_pixels() -> None:
    """Resized by half and cropped to the middle: the box comes back to within what a pixel of the network's covers."""
    opened = lens(preprocess=ResizeCropNormalize(40, 36, (0.0,) * 3, (1.0,) * 3))
    image, box = scene((80, 130), (60, 20, 90, 56)), (60, 20, 90, 56)
    found = localization_error(opened, [image], [[(0, *box)]])
    assert np.abs(found.box[0] - box).max() <= 2
    assert found.overlap[0] > 0.85
    raw = localize(opened, image, 0).box
    assert overlap(raw, box) < 0.5  # without the way back it would be taken for an error


def test_any_true_box_of_the_class_counts_and_no_other() -> None:
    thing = (22, 8, 36, 20)
    image = scene((40, 40), thing)
    several = localization_error(lens(), [image], [[("red", 0, 30, 8, 40), ("red", *thing)]])
    assert (several.overlap.tolist(), len(several.names)) == ([1.0], 1)
    mixed = scene((40, 40), thing)
    mixed[25:38, 2:14] = scene((40, 40), (2, 25, 14, 38), colour=1)[25:38, 2:14]
    both = localization_error(lens(), [mixed], [[("red", *thing), ("green", 2, 25, 14, 38)]])
    assert both.classes == ("red", "green")
    assert both.overlap.min() > 0.9
    assert localization_error(lens(), [mixed], [[("green", *thing)]]).error == 1


def test_the_class_may_have_to_be_found_too() -> None:
    image, box = scene((40, 40), (22, 8, 36, 20)), (22, 8, 36, 20)
    assert localization_error(lens(), [image], [[("red", *box)]], top=1).error == 0
    missed = localization_error(lens(), [image], [[("green", *box)]], top=1)
    assert (missed.error, missed.overlap.tolist()) == (1.0, [0.0])
    assert np.isnan(missed.box).all()
    assert not np.isnan(localization_error(lens(), [image], [[("green", *box)]], top=2).box).any()


def test_the_other_boxes_by_hand() -> None:
    image = scene((40, 80), (20, 10, 60, 30))
    found = localization_error(lens(), [image], [[("red", 20, 10, 60, 30)]])
    assert found.whole[0] == pytest.approx(800 / 3200)
    assert found.centred[0] == pytest.approx(800 / 1600)  # half of 3200, around the thing
    assert found.errors(0.3)["whole picture"] == 1
    assert found.errors(0.2)["whole picture"] == 0
    assert found.by_class() == {"red": (1, 0.0)}


def test_on_drawings_it_beats_both_other_boxes() -> None:
    found = localization_error(Lens.load("mini", device="cpu"), MiniBroden(count=24, seed=9))
    errors = found.errors()
    assert len(found.names) == 24
    assert errors["localize"] < min(errors["centred box"], errors["whole picture"])
    assert found.overlap.mean() > max(found.centred.mean(), found.whole.mean()) + 0.05


def folder(path: Path) -> BoxFolder:
    """Three good pictures, one that is cut off, one whose box lies outside, one of a class that is not known."""
    path.mkdir()
    lines = ["name,class,left,top,right,bottom"]
    for place, name in enumerate("abcdef"):
        Image.fromarray(scene((40, 40), (22, 8, 36, 20), seed=place)).save(path / f"{name}.png")
        label, right = {"e": ("red", 99)}.get(name, ("blue" if name == "f" else "red", 36))
        lines.append(f"{name}.png,{label},22,8,{right},20")
    (path / "b.png").write_bytes((path / "b.png").read_bytes()[:90])
    (path / "boxes.csv").write_text("\n".join(lines))
    return BoxFolder(path)


def test_bad_pictures_are_skipped_and_named(tmp_path: Path) -> None:
    found = localization_error(lens(), folder(tmp_path / "photos"))
    assert found.names == ("a.png", "c.png", "d.png")
    assert found.error == 0
    reasons = dict(found.skipped)
    assert list(reasons) == ["b.png", "e.png", "f.png"]
    assert "cannot be read" in reasons["b.png"]
    assert "does not lie within a picture of 40 x 40" in reasons["e.png"]
    assert "Nearest: " in reasons["f.png"]
    assert "3 pictures skipped: b.png, e.png, f.png" in found.caption()


def test_killed_and_called_again_it_ends_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, file = folder(tmp_path / "photos"), tmp_path / "journal"
    whole = localization_error(lens(), images)
    steps = localization_error.steps(lens(), images, checkpoint=file)
    while next(steps).index < 3:
        pass
    steps.close()
    calls = []
    original = localize.steps
    monkeypatch.setattr(localize, "steps", lambda *args, **kwargs: calls.append(1) or original(*args, **kwargs))
    assert localization_error(lens(), images, checkpoint=file) == whole
    assert len(calls) == 1  # of the pictures a, c and d only the last was left
    assert localization_error(lens(), images, checkpoint=file) == whole
    assert len(calls) == 1
    with pytest.raises(BadValue, match=r"other \['above'\]"):
        localization_error(lens(), images, checkpoint=file, above=90.0)
    with pytest.raises(BadValue, match="other work"):
        localization_error(lens(), images[:2], checkpoint=file)


def test_it_is_kept_and_drawn(tmp_path: Path) -> None:
    found = localization_error(lens(), [scene((40, 40), (22, 8, 36, 20))], [[("red", 22, 8, 36, 20)]])
    assert LocalizationScores.load(found.save(tmp_path / "found")) == found
    assert "localize 0.0%" in found.caption()
    lines = {line.name: line.y for line in found.figure().data}
    assert set(lines) == {"localize", "centred box", "whole picture"}
    assert "<table" in found._repr_html_()


def test_wrong_arguments() -> None:
    image, box = scene((40, 40), (22, 8, 36, 20)), ("red", 22, 8, 36, 20)
    for arguments, said in (
        ({"boxes": []}, "as many of both"),
        ({"boxes": [[box]], "top": 0}, "top=0"),
        ({"boxes": [[box]], "below": 96.0}, "less than above"),
        ({"boxes": [[]]}, "None of 1 pictures.*has no boxes"),
        ({"boxes": [[("red", 1, 2)]]}, "2 edges"),
        ({}, "carries no boxes"),
    ):
        with pytest.raises(BadValue, match=said):
            localization_error(lens(), [image], **arguments)
    with pytest.raises(BadValue, match="There is none"):
        localization_error(lens(), [], [])
