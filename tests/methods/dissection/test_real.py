"""Street scenes, of large things, that SqueezeNet was never taught: units for sky, road, trees, cars, buildings."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.dissection.dissect import dissect
from tests.methods.dissection.worlds import Concept

NAMES = ["sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "cyclist"]


class Streets:
    concepts = tuple(Concept(number, name, "object") for number, name in enumerate(NAMES, start=1))

    def __init__(self, images: list[Path]) -> None:
        self.images, self.digest = images, f"streets-{len(images)}"

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, place: int) -> Any:
        image = self.images[place]
        labels = np.asarray(Image.open(image.parents[1] / "labels" / f"{image.stem}.png")).astype(np.int64)
        return SimpleNamespace(image=image, labels={"object": np.where(labels < 11, labels + 1, 0)})


@pytest.mark.real
def test_street_scenes_have_sensible_detectors(real: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(real.torch_home))
    lens = Lens.load("squeezenet1_0", device="cpu")
    report = dissect(lens, Streets(real.streets), "features.12", quantile=0.05).layers["features.12"]
    found = {each.name for each in report.unique("unit")["object"]}
    assert {"sky", "road", "tree", "car", "building"} <= found
    for name, least in {"sky": 0.15, "road": 0.12, "tree": 0.15, "car": 0.2, "building": 0.12}.items():
        assert report.units_of(name)[0].iou > least, (name, report.units_of(name)[:2])
