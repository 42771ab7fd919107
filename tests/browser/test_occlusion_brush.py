"""The occlusion brush in a real JupyterLab: by mouse and keyboard, from Python, dark and narrow."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

from tests.browser.brush import canvas_of, drag, hidden, open_brush, settle, strokes
from tests.browser.lab import Lab


@pytest.fixture
def brush(lab: Lab) -> Locator:
    return open_brush(lab)


def test_a_stroke_leaves_the_canvas_and_nothing_is_lost(brush: Locator, lab: Lab) -> None:
    lab.count_messages()
    drag(lab, brush, (0.3, 0.5), (0.7, 0.5), (1.3, 0.5), steps=40)
    messages = lab.messages()
    assert 0 < len(messages["up"]) == messages["down"].count("update") <= 82
    assert (
        lab.kernel("m = brush.mask(); print(m[48].min(where=np.arange(96) > 30, initial=255), m[20].max())") == "255 0"
    )
    expect(brush.locator(".cv-status")).to_contain_text("hidden")
    assert strokes(brush) == ["brush 16 px", "clean photo"]
    expect(brush.locator(".cv-strokes button").first).to_contain_text("%")


def test_box_erase_undo_redo_and_log(brush: Locator, lab: Lab) -> None:
    brush.get_by_role("button", name="Box", exact=True).click()
    drag(lab, brush, (0.25, 0.25), (0.75, 0.5))
    assert hidden(lab) == pytest.approx(48 * 24 / 96**2)
    brush.get_by_role("button", name="Erase", exact=True).click()
    drag(lab, brush, (0.25, 0.25), (0.5, 0.5))
    assert hidden(lab) == pytest.approx(24 * 24 / 96**2)
    brush.get_by_role("button", name="Undo").click()
    settle(lab)
    assert hidden(lab) == pytest.approx(48 * 24 / 96**2)
    brush.get_by_role("button", name="Redo").click()
    settle(lab)
    assert hidden(lab) == pytest.approx(24 * 24 / 96**2)
    assert strokes(brush) == ["erase, box", "box", "clean photo"]
    brush.locator(".cv-strokes button").last.click()
    settle(lab)
    assert hidden(lab) == 0
    brush.get_by_role("button", name="Invert", exact=True).click()
    settle(lab)
    assert hidden(lab) == 1
    brush.get_by_label("keep only what is painted").check()
    settle(lab)
    assert hidden(lab) == 0
    brush.get_by_role("button", name="Clear", exact=True).click()
    settle(lab)
    assert hidden(lab) == 1


def test_by_keyboard(brush: Locator, lab: Lab) -> None:
    canvas_of(brush).focus()
    keys = lab.page.keyboard
    for key in ("]", "]", "[", "Shift+ArrowLeft", "ArrowUp"):
        keys.press(key)
    expect(brush.get_by_label("Brush size")).to_have_value("19")
    keys.press(" ")
    settle(lab)
    middle = lab.kernel("r, c = np.nonzero(brush.mask() > 127); print(round(r.mean(), 1), round(c.mean(), 1))")
    assert [float(each) for each in middle.split()] == pytest.approx([46.5, 48 - 19 - 0.5], abs=0.6)
    first = hidden(lab)
    keys.down(" ")
    for _ in range(8):
        keys.press("ArrowDown")
    keys.up(" ")
    settle(lab)
    assert hidden(lab) > first
    keys.press("Control+z")
    settle(lab)
    assert hidden(lab) == first
    keys.press("Control+Shift+z")
    settle(lab)
    assert hidden(lab) > first
    assert lab.page.locator(".jp-Cell").count() == 2  # no key reached the notebook


def test_the_network_sees_what_is_shown(brush: Locator, lab: Lab, tmp_path: Path) -> None:
    brush.get_by_label("What stands in for what is hidden").select_option("blur")
    drag(lab, brush, (0.3, 0.3), (0.6, 0.6))
    pictures = {}
    for name in ("Picture", "Mask"):
        with lab.page.expect_download() as download:
            brush.get_by_role("button", name=name, exact=True).click()
        assert download.value.suggested_filename == f"image 0-{name.lower()}.png"
        pictures[name] = np.asarray(Image.open(BytesIO(Path(download.value.path()).read_bytes())).convert("RGB"))
    lab.kernel("np.save('seen.npy', brush._answers.seen(brush._wished, images[0])); np.save('mask.npy', brush.mask())")
    seen, mask = (np.load(lab.server.root / f"{name}.npy") for name in ("seen", "mask"))
    assert np.array_equal(pictures["Mask"][..., 0], mask)
    assert np.abs(pictures["Picture"].astype(int) - seen).max() <= 3


def test_from_python_and_errors_inside(brush: Locator, lab: Lab) -> None:
    lab.kernel("m = np.zeros((96, 96)); m[:48] = 1; brush.set_region(m); brush._worker.wait(30)")
    settle(lab)
    assert strokes(brush) == ["from Python", "clean photo"]
    drag(lab, brush, (0.1, 0.9), (0.9, 0.9))
    assert hidden(lab) > 0.55  # the browser paints on what came from Python
    brush.get_by_label("Address of the unit").fill("nowhere:1")
    brush.get_by_label("Address of the unit").press("Enter")
    expect(brush.get_by_role("alert")).to_contain_text("nowhere")
    drag(lab, brush, (0.1, 0.7), (0.9, 0.7))
    expect(brush.get_by_role("alert")).to_be_hidden()
    brush.locator(".cv-thumbnail").nth(1).click()
    settle(lab)
    expect(canvas_of(brush)).to_have_attribute("data-ready", "image 1")
    expect(brush.locator(".cv-status")).to_contain_text("0.0 % hidden")
    assert strokes(brush) == ["clean photo"]
    assert hidden(lab) == 0


def test_dense_dark_and_narrow(brush: Locator, lab: Lab) -> None:
    screen = {"width": 500, "height": 1200, "deviceScaleFactor": 2, "mobile": False}
    lab.page.context.new_cdp_session(lab.page).send("Emulation.setDeviceMetricsOverride", screen)
    lab.theme("JupyterLab Dark")
    lab.page.wait_for_timeout(500)
    ground = brush.evaluate("node => getComputedStyle(node).backgroundColor")
    assert sum(int(part) for part in ground[4:-1].split(",")[:3]) < 200
    assert brush.evaluate("node => node.clientWidth") < 420
    assert brush.evaluate("node => node.scrollWidth <= node.clientWidth + 1")
    drawn, shown = canvas_of(brush).evaluate("node => [node.width, node.clientWidth]")
    assert drawn == pytest.approx(2 * shown, abs=2)
    brush.get_by_role("button", name="Box", exact=True).click()
    drag(lab, brush, (0.25, 0.25), (0.75, 0.5))
    assert hidden(lab) == pytest.approx(48 * 24 / 96**2)


def test_copied_code_makes_the_same_brush(brush: Locator, lab: Lab) -> None:
    drag(lab, brush, (0.3, 0.3), (0.6, 0.6))
    lab.page.evaluate("navigator.clipboard.writeText = async text => { window.__copied = text; }")
    brush.get_by_role("button", name="Code").click()
    expect(brush.locator(".cv-status")).to_have_text("Code copied.")
    code = lab.page.evaluate("window.__copied")
    lab.kernel(f"first = brush\n{code.removesuffix('brush')}\nbrush._worker.wait(30)")
    assert lab.kernel("print(np.array_equal(brush.mask(), first.mask()), brush.view['share'] > 0)") == "True True"
