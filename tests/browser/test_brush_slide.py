"""The sliding square of the occlusion brush in a real JupyterLab: filling, hovering, keys, playing, stopping."""

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.brush import canvas_of, open_brush, settle
from tests.browser.lab import Lab

VALUES = """
maps = brush.maps
row, column = divmod({cell}, maps.probability.shape[1])
name = maps.names[str(maps.top_class[row, column])]
print(f"{{100 * maps.probability[row, column]:.4f}} {{maps.total_activation[row, column]:.6g}} {{name}}")
"""
CUT_OFF = """root => [...root.querySelectorAll('*')].filter(node => node.checkVisibility()
  && !node.closest('.cv-strip, .cv-hidden-text, svg')
  && node.getBoundingClientRect().right > root.getBoundingClientRect().right + 1).map(node => node.outerHTML)"""


@pytest.fixture
def brush(lab: Lab) -> Locator:
    return open_brush(lab)


def slide(lab: Lab, brush: Locator) -> None:
    brush.get_by_role("button", name="Slide").click()
    done(lab, brush)


def done(lab: Lab, brush: Locator) -> None:
    """Until a run is over."""
    settle(lab)
    expect(brush.locator(".cv-slide")).to_have_attribute("data-state", "done", timeout=60_000)


def cell(brush: Locator) -> int:
    return int(brush.locator(".cv-slide-read").get_attribute("data-cell") or -1)


def map_of(brush: Locator, name: str) -> Locator:
    return brush.locator(f".cv-three [data-map={name}] canvas")


def test_one_message_starts_it_and_hovering_costs_none(brush: Locator, lab: Lab) -> None:
    lab.count_messages()
    slide(lab, brush)
    assert len(lab.messages()["up"]) == 1
    expect(brush.get_by_text("169 of 169 places")).to_be_visible()
    box = map_of(brush, "top").bounding_box()
    assert box is not None
    lab.page.mouse.move(box["x"] + 0.52 * box["width"], box["y"] + 0.3 * box["height"])
    told, (probability, activation, name) = (
        brush.locator(".cv-slide-read").inner_text(),
        lab.kernel(VALUES.format(cell=cell(brush))).split(),
    )
    assert cell(brush) == 3 * 13 + 6  # the middles of the squares lie from 12 to 84 of 96 pixels
    assert told.startswith("row 4 of 13, column 7 of 13: ")
    assert f"most probable: {name}" in told
    assert float(told.split(" %")[0].split()[-1]) == pytest.approx(float(probability), abs=0.51)
    assert float(told.split("conv3:5 ")[1].split()[0]) == pytest.approx(float(activation), rel=0.01)
    photo = canvas_of(brush).bounding_box()
    assert photo is not None
    lab.page.mouse.move(photo["x"] + 2, photo["y"] + 2)
    assert cell(brush) == 0
    lab.messages()
    assert lab.messages()["up"] == []


def test_by_keyboard_scrubber_and_playing(brush: Locator, lab: Lab) -> None:
    slide(lab, brush)
    expect(brush.get_by_role("button", name="Play")).to_be_visible()  # reduced motion: it does not play by itself
    map_of(brush, "probability").focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "ArrowLeft", "ArrowLeft"):
        lab.page.keyboard.press(key)
    assert cell(brush) == 2 * 13
    lab.page.keyboard.press("End")
    assert cell(brush) == 2 * 13 + 12
    canvas_of(brush).focus()
    lab.page.keyboard.press("ArrowUp")
    assert cell(brush) == 13 + 12
    before = canvas_of(brush).evaluate("node => node.toDataURL()")
    lab.page.keyboard.press(" ")
    expect(brush.get_by_role("button", name="Pause")).to_be_visible()
    lab.page.wait_for_timeout(700)
    lab.page.keyboard.press(" ")
    played = cell(brush)
    assert played > 13 + 12
    assert canvas_of(brush).evaluate("node => node.toDataURL()") != before
    lab.page.wait_for_timeout(300)
    assert cell(brush) == played
    brush.get_by_label("Place of the square").fill("100")
    assert cell(brush) == 100
    assert lab.page.locator(".jp-Cell").count() == 2  # no key reached the notebook


def test_another_size_class_fill_and_photo_slide_anew(brush: Locator, lab: Lab) -> None:
    slide(lab, brush)
    brush.get_by_label("stride, in pixels").fill("24")
    done(lab, brush)
    expect(brush.get_by_text("16 of 16 places")).to_be_visible()
    brush.get_by_label("What stands in for what is hidden").select_option("noise")
    brush.get_by_label("Class that is followed").fill("owl")
    brush.get_by_label("Class that is followed").press("Enter")
    done(lab, brush)
    expect(brush.get_by_text("probability of owl")).to_be_visible()
    brush.locator(".cv-thumbnail").nth(1).click()
    done(lab, brush)
    lab.kernel("brush._worker.wait(30)")
    assert lab.kernel("s = brush.maps.provenance.settings; print(s['stride'], s['fill'], s['target'])").split()[:2] == [
        "24",
        "noise",
    ]
    assert lab.kernel("print((brush.maps.photo == lens.picture(images[1])).all(), brush.maps.target)") == "True owl"
    brush.get_by_label("square, in pixels").fill("96")
    done(lab, brush)
    expect(brush.get_by_text("1 of 1 places")).to_be_visible()


def test_stop_leaves_what_is_filled_and_again_goes_on(brush: Locator, lab: Lab) -> None:
    lab.kernel("brush.stride = 1; brush._worker.wait(30)")
    brush.get_by_role("button", name="Slide").click()
    expect(map_of(brush, "top")).to_be_visible(timeout=20_000)
    brush.get_by_role("button", name="Stop").click()
    expect(brush.locator(".cv-slide")).to_have_attribute("data-state", "stopped")
    lab.kernel("assert brush._worker.wait(20)")
    filled = int(lab.kernel("print(brush.slide['done'])"))
    assert 0 < filled < 73 * 73
    expect(brush.get_by_text("stopped")).to_contain_text(f"{filled} of 5329")
    brush.get_by_role("button", name="Run again").click()
    expect(brush.get_by_role("button", name="Stop")).to_be_visible()
    brush.get_by_role("button", name="Brush", exact=True).click()  # leaving it ends the run
    settle(lab)
    assert lab.kernel("print(brush._worker.wait(20), brush.slide['state'], brush.sliding)") == "True stopped False"
    expect(brush.locator(".cv-slide")).to_be_hidden()
    expect(brush.locator(".cv-side")).to_be_visible()


def test_narrow(brush: Locator, lab: Lab) -> None:
    lab.page.set_viewport_size({"width": 466, "height": 1600})
    slide(lab, brush)
    assert brush.evaluate("node => node.clientWidth") <= 360
    assert brush.evaluate(CUT_OFF) == []
    assert brush.evaluate("node => node.scrollWidth <= node.clientWidth + 1")
