"""The occlusion brush without a browser: what it sends, what it refuses, what it costs."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import convviz_widgets as cv
from convviz_widgets.core.errors import BadValue, UnknownName
from convviz_widgets.methods.occlusion.masking import masked
from convviz_widgets.render.encode import read
from convviz_widgets.widgets.link import link
from convviz_widgets.widgets.occlusion_brush import FILLS, OcclusionBrush
from tests.known_networks import randomised
from tests.widgets.wire import Wire

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 17, 17, 3), dtype=np.uint8)
CLASSES = ["cat", "dog", "owl", "bus", "boat", "tree", "sun"]
MASK = np.zeros((17, 17), np.uint8)
MASK[3:8, 5:12] = 200
MASK[4, 6] = 255


def build() -> nn.Module:
    convolutions = nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()
    return nn.Sequential(*convolutions, nn.MaxPool2d(3), nn.Flatten(), nn.Linear(8 * 5 * 5, 7))


@pytest.fixture
def lens() -> Any:
    return cv.Lens(randomised(build), input_size=17, class_names=CLASSES)


@pytest.fixture
def brush(lens: Any) -> Iterator[OcclusionBrush]:
    brush = OcclusionBrush(lens, list(PIXELS), target="owl", unit="2:3")
    yield settled(brush)
    brush.close()


def settled(brush: OcclusionBrush) -> OcclusionBrush:
    assert brush._worker.wait(30)
    return brush


def scores(lens: Any, image: Any, mask: Any, fill: str = "grey") -> np.ndarray:
    """Probabilities by a full forward."""
    with torch.no_grad():
        output = lens.module(masked(lens, lens.prepare(image), mask, fill))
    return np.asarray(output.softmax(1)[0])


def rows(brush: OcclusionBrush) -> dict[str, tuple[float, float]]:
    return {each["name"]: (each["clean"], each["now"]) for each in brush.view["classes"]}


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("keep", [False, True])
def test_bars_are_those_of_a_full_forward(brush: OcclusionBrush, lens: Any, fill: str, keep: bool) -> None:
    brush.fill, brush.keep = fill, keep
    brush.set_region(MASK)
    clean = scores(lens, PIXELS[0], np.zeros_like(MASK))
    now = scores(lens, PIXELS[0], 255 - MASK if keep else MASK, fill)
    shown = rows(settled(brush))
    assert set(shown) == {CLASSES[each] for each in np.argsort(-now)[:5]} | {"owl"}
    for name, (before, after) in shown.items():
        assert before == pytest.approx(clean[CLASSES.index(name)], abs=1e-5)
        assert after == pytest.approx(now[CLASSES.index(name)], abs=1e-5)
    assert brush.view["share"] == pytest.approx((255 - MASK if keep else MASK).mean() / 255)
    assert brush.problem == {}


def test_the_map_before_and_after(brush: OcclusionBrush, lens: Any) -> None:
    brush.set_region(MASK)
    told = settled(brush).view["map"]
    assert told["unit"] == "2:3"
    for key, mask in (("before", np.zeros_like(MASK)), ("after", MASK)):
        with torch.no_grad():
            wanted = lens.module[:3](masked(lens, lens.prepare(PIXELS[0]), mask))[0, 3].numpy()
        codes = np.frombuffer(told[key], np.uint8).reshape(told["shape"])
        assert np.abs(told["low"] + codes / 255 * (told["high"] - told["low"]) - wanted).max() < 0.003 * (
            told["high"] - told["low"]
        )
    assert told["before"] != told["after"]


def test_a_stroke_comes_down_as_one_update(brush: OcclusionBrush) -> None:
    wire = Wire(brush)
    down = wire.gesture(MASK.tobytes(), kind="look", ask=9, on="image 0", acts=[{"end": "box"}])
    assert len(down) == 1
    assert {"view", "answered", "strokes", "stroke"} <= down[0]
    assert ["region"] in wire.down[0][0]["buffer_paths"]
    assert not {"photo", "stand_in", "slide"} & down[0]
    assert (brush.answered, brush.view["window"]) == (9, [5, 7])
    assert np.array_equal(brush.mask(), MASK)
    assert brush.region == MASK.tobytes()
    told = brush.view["classes"][[each["name"] for each in brush.view["classes"]].index("owl")]
    assert [each["stroke"] for each in brush.strokes] == ["clean photo", "box"]
    assert [each["effect"] for each in brush.strokes] == [
        {"name": "owl", "value": told["clean"]},
        {"name": "owl", "value": told["now"]},
    ]
    assert brush.stroke == brush.strokes[1]["number"]


def test_near_the_server_what_follows_pushes_the_answer(brush: OcclusionBrush) -> None:
    wire = Wire(brush)
    wire.gesture(MASK.tobytes(), kind="look", ask=9, on="image 0", acts=[{"end": "box"}], near=True)
    assert [data["method"] for data, _ in wire.down] == ["update", "custom"]
    assert len(wire.down[1][1][0]) >= 65_536
    wire.gesture(kind="look", ask=10, near=False)
    assert [data["method"] for data, _ in wire.down] == ["update"]


def test_in_the_midst_of_a_stroke_the_mask_goes_to_other_views_and_not_into_the_log(brush: OcclusionBrush) -> None:
    wire = Wire(brush)
    down = wire.gesture(MASK.tobytes(), kind="look", ask=9, on="image 0", acts=[])
    assert len(down) == 1
    assert ["region"] in wire.down[0][0]["buffer_paths"]
    assert not {"strokes", "stroke"} & down[0]


def test_strokes_that_were_merged_on_their_way_have_their_effects(brush: OcclusionBrush, lens: Any) -> None:
    half = np.where(np.arange(17)[:, None] < 9, 255, 0).astype(np.uint8) * np.ones((1, 17), np.uint8)
    acts = [{"end": "one"}, {"end": "two"}, {"end": "three"}, {"walk": -1}]
    whole = np.full((17, 17), 255, np.uint8)
    down = Wire(brush).gesture(
        *(each.tobytes() for each in (MASK, half, whole)), kind="look", ask=9, on="image 0", acts=acts
    )
    assert len(down) == 1
    for entry, mask in zip(brush.strokes, (np.zeros_like(MASK), MASK, half, whole), strict=True):
        assert entry["effect"]["value"] == pytest.approx(scores(lens, PIXELS[0], mask)[2], abs=1e-5)
    assert brush.stroke == brush.strokes[2]["number"]
    assert np.array_equal(brush.mask(), half)


def test_the_log_is_walked_from_any_view(brush: OcclusionBrush) -> None:
    wire = Wire(brush)
    for ask, label in enumerate(("one", "two")):
        mask = np.roll(MASK, ask, axis=1).tobytes()
        wire.gesture(mask, kind="look", ask=ask + 1, on="image 0", acts=[{"end": label}])
    first = brush.strokes[1]["number"]
    wire.gesture(kind="look", ask=3, on="image 0", acts=[{"go": first}])
    assert (brush.region, brush.stroke) == (MASK.tobytes(), first)
    wire.gesture(kind="look", ask=4, on="image 0", acts=[{"walk": -1}])
    assert brush.region == b""
    wire.gesture(kind="look", ask=5, on="image 0", acts=[{"go": 99}])
    assert "Stroke 99 is not in the log" in brush.problem["text"]
    assert len(brush.strokes) == 3


def test_a_mask_from_python_goes_down_and_into_the_log(brush: OcclusionBrush) -> None:
    brush._log._clock = iter(range(0, 100, 10)).__next__
    brush.set_region(MASK > 0)
    settled(brush)
    assert brush.region == np.where(MASK, 255, 0).astype(np.uint8).tobytes()
    brush.region = MASK.tobytes()
    settled(brush)
    brush.set_region(None)
    assert settled(brush).view["share"] == 0
    assert brush.region == b""
    assert [each["stroke"] for each in brush.strokes] == ["clean photo", *["from Python"] * 3]
    values = [each["effect"]["value"] for each in brush.strokes]
    assert values[0] == pytest.approx(values[3], abs=1e-6)
    assert len(set(values[:3])) == 3


def test_masks_of_another_target_are_told_anew_when_gone_to(brush: OcclusionBrush) -> None:
    brush.set_region(MASK)
    settled(brush).target = "sun"
    settled(brush)
    assert [each["effect"]["name"] for each in brush.strokes] == ["sun", "sun"]


def test_masks_of_another_size(brush: OcclusionBrush) -> None:
    with pytest.raises(BadValue, match=r"17 rows by 17 columns"):
        brush.set_region(np.zeros((17, 16)))
    with pytest.raises(BadValue, match="289 bytes"):
        brush.region = b"12"
    Wire(brush).gesture(b"123", kind="look", ask=3, on="image 0")
    assert "does not fit" in brush.problem["text"]
    assert (brush.region, brush.answered) == (b"", 3)


def test_a_mask_for_a_photo_that_has_gone_is_left_out(brush: OcclusionBrush) -> None:
    brush.image = "image 1"
    Wire(brush).gesture(MASK.tobytes(), kind="look", ask=5, on="image 0")
    assert (brush.image, brush.region, brush.view["share"]) == ("image 1", b"", 0)


def test_another_photo_begins_clean(brush: OcclusionBrush) -> None:
    brush.set_region(MASK)
    Wire(brush).gesture(kind="look", image="image 2", ask=1)
    assert (brush.view["image"], brush.view["share"], brush.region) == ("image 2", 0, b"")


def test_other_fills_bring_their_stand_in(brush: OcclusionBrush, lens: Any) -> None:
    down = Wire(brush).gesture(kind="look", fill="mean", ask=2)
    assert "stand_in" in set().union(*down)
    seen = read(brush.stand_in["png"])
    assert np.abs(seen.astype(float) - PIXELS[0].mean((0, 1))).max() <= 1
    Wire(brush).gesture(kind="look", fill="gray", ask=3)
    assert "Accepted: grey, mean, blur, noise" in brush.problem["text"]
    assert brush.fill == "mean"


def test_what_is_not_there(lens: Any, brush: OcclusionBrush) -> None:
    with pytest.raises(UnknownName, match="class"):
        OcclusionBrush(lens, list(PIXELS), target="cow")
    with pytest.raises(BadValue, match="0 to 6"):
        brush.target = 7
    with pytest.raises(BadValue):
        brush.unit = "2:8"


def test_the_code_makes_the_same_brush(brush: OcclusionBrush, lens: Any) -> None:
    brush.set_region(MASK)
    brush.keep, brush.fill = True, "blur"
    settled(brush)
    names: dict[str, Any] = {"lens": lens, "images": list(PIXELS)}
    exec(brush.code(), names)
    other = settled(names["brush"])
    assert np.array_equal(other.mask(), MASK)
    assert rows(other) == rows(brush)
    assert (other.unit, other.target) == ("2:3", 2)
    other.close()


def test_linked_brushes_share_the_mask(brush: OcclusionBrush, lens: Any) -> None:
    other = OcclusionBrush(lens, list(PIXELS), fill="mean")
    link(brush, other)
    for ask in (9, 10, 11):  # in the midst of a stroke
        Wire(brush).gesture(np.roll(MASK, ask, 1).tobytes(), kind="look", ask=ask, on="image 0", acts=[])
    Wire(brush).gesture(MASK.tobytes(), kind="look", ask=12, on="image 0", acts=[{"end": "box"}])
    assert np.array_equal(settled(other).mask(), MASK)
    assert other.region == MASK.tobytes()
    assert [each["stroke"] for each in other.strokes] == ["clean photo", "from Python"]
    brush.unit = "0:1"
    assert settled(other).view["map"]["unit"] == "0:1"
    other.close()


def test_linked_with_the_layer_picker(brush: OcclusionBrush, lens: Any) -> None:
    picker = cv.LayerPicker(lens, list(PIXELS), unit="0:2")
    tie = link(picker, brush, only=("unit",))
    assert settled(brush).view["map"]["unit"] == "0:2"
    Wire(brush).gesture(kind="look", unit="2:1", ask=4)
    assert picker.unit == "2:1"
    tie.unlink()
    picker.close()


def test_a_mask_given_at_once(lens: Any) -> None:
    brush = settled(OcclusionBrush(lens, list(PIXELS), region=MASK.tobytes()))
    assert brush.view["window"] == [5, 7]
    assert brush.region == MASK.tobytes()
    brush.close()


def test_the_newest_mask_wins(brush: OcclusionBrush) -> None:
    for ask, value in enumerate((10, 60, 255)):
        mask = np.full((17, 17), value, np.uint8).tobytes()
        brush._receive(brush, {"kind": "look", "ask": ask + 1, "on": "image 0"}, [memoryview(mask)])
    assert brush.wait(20)
    assert (brush.view["share"], brush.answered) == (1.0, 3)


def test_a_still_and_closing(brush: OcclusionBrush) -> None:
    brush.set_region(MASK)
    still = brush.still()
    assert still is not None
    assert still.ndim == 3
    brush.close()
    assert brush._worker.wait(10)


def test_without_class_scores() -> None:
    lens = cv.Lens(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval(), input_size=17)
    brush = settled(OcclusionBrush(lens, list(PIXELS)))
    assert brush.view["classes"] == []
    assert brush.view["map"]["shape"] == [15, 15]
    assert brush.still() is not None
    brush.close()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_photo_that_is_no_photo_is_said_and_the_next_one_works(lens: Any, bad: float) -> None:
    broken = PIXELS[0].astype(np.float32) / 255
    broken[3, 4] = bad
    brush = settled(OcclusionBrush(lens, [broken, PIXELS[1]]))
    assert "NaN or infinite" in brush.problem["text"]
    assert brush.view == {}
    brush.image = "image 1"
    assert settled(brush).problem == {}
    assert len(brush.view["classes"]) == 5
    brush.image = "image 0"
    assert "NaN or infinite" in settled(brush).problem["text"]
    assert brush.view["image"] == "image 1"  # what is shown is what was asked before
    brush.close()


@pytest.mark.parametrize(("layer", "said"), [(5, "no class has a probability"), (2, "0 answers NaN")])
def test_a_network_that_answers_nan_is_said(layer: int, said: str) -> None:
    module = randomised(build)[: 4 if layer == 2 else None]
    dense = module[-1] if layer == 5 else module[2]
    with torch.no_grad():
        dense.bias[0] = torch.nan
    brush = settled(OcclusionBrush(cv.Lens(module, input_size=17), list(PIXELS)))
    assert said in brush.problem["text"]
    assert brush.view == {}
    brush.close()


def test_a_stroke_that_the_network_answers_with_nan_stays_painted_and_is_undone() -> None:
    class Divided(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = randomised(build)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.as_tensor(self.inner(x)) / (x[:, :, 4, 6] - 0.5).abs().sum(1, keepdim=True)  # 0.5 is grey

    brush = settled(OcclusionBrush(cv.Lens(Divided().eval(), input_size=17), list(PIXELS)))
    harmless = np.roll(MASK, 8, 0)
    harmless[4, 6] = 0
    for ask, mask in enumerate([harmless, MASK], 1):
        Wire(brush).gesture(mask.tobytes(), kind="look", ask=ask, on="image 0", acts=[{"end": f"box {ask}"}])
    assert "NaN or infinite" in settled(brush).problem["text"]
    assert brush.region == MASK.tobytes()
    assert [each["stroke"] for each in brush.strokes] == ["clean photo", "box 1", "box 2"]
    Wire(brush).gesture(kind="look", ask=3, on="image 0", acts=[{"walk": -1}])
    assert settled(brush).problem == {}
    assert brush.region == harmless.tobytes()
    assert [bool(each["effect"]) for each in brush.strokes] == [True, True, False]
    brush.close()


@pytest.mark.parametrize("size", [(27, 35), (33, 18)])
def test_a_grey_photo_of_odd_size(size: tuple[int, int]) -> None:
    layers = nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    lens = cv.Lens(randomised(lambda: nn.Sequential(*layers, nn.Linear(4, 3))), input_size=size)
    photo = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    brush = OcclusionBrush(lens, [photo], unit="0:1", square=9, stride=4)
    mask = np.zeros(size, np.uint8)
    mask[4:11, 3:14] = 255
    brush.set_region(mask)
    now = scores(lens, photo, mask)
    assert settled(brush).problem == {}
    assert {name: after for name, (_, after) in rows(brush).items()} == pytest.approx(
        {f"class {index}": value for index, value in enumerate(now)}, abs=1e-5
    )
    assert brush.view["map"]["shape"] == list(size)
    positions = tuple((length - 9) // 4 + 1 for length in size)
    assert brush.start_slide().result(60).probability.shape == positions
    brush.close()
