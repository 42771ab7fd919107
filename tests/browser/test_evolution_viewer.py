"""The evolution viewer in a real JupyterLab: slider, keys, playing, layers, what is drawn, narrow and dark."""

import numpy as np
from playwright.sync_api import expect

from tests.browser.lab import Lab

OPEN = """
import numpy as np
import convviz_widgets as cv
recorded = cv.evolution("mini")
"""
PIXELS = """(node, side) => { const small = document.createElement('canvas'); small.width = small.height = side;
  const context = small.getContext('2d'); context.imageSmoothingEnabled = false;
  context.drawImage(node, 0, 0, side, side); return [...context.getImageData(0, 0, side, side).data]; }"""


def test_epochs_units_and_layers(lab: Lab) -> None:
    lab.show(OPEN, "viewer = cv.EvolutionViewer(recorded, unit='relu1:0')\nviewer")
    root, rows = lab.page.locator(".cv-evolution"), lab.page.locator(".cv-evo-rows")
    expect(rows).to_have_attribute("data-ready", "relu1@8", timeout=60_000)
    slider = root.get_by_role("slider", name="Epoch")
    lab.count_messages()
    slider.focus()
    lab.page.keyboard.press("Home")
    lab.page.keyboard.press("ArrowRight")
    expect(rows).to_have_attribute("data-ready", "relu1@1")
    expect(root.get_by_role("status")).to_contain_text("After epoch 1: held-out accuracy")
    assert len(lab.messages()["up"]) <= 2  # where it was let go, and nothing else

    lab.kernel("np.save('seen.npy', recorded.projections('relu1:3')[viewer.shown])")
    wanted = np.load(lab.server.root / "seen.npy")
    side = len(wanted)
    drawn = np.array(rows.locator("canvas").nth(9).evaluate(PIXELS, side)).reshape(side, side, 4)[..., :3]
    assert np.abs(drawn - wanted.astype(int)).max() <= 2  # seven large pixels, as they are

    rows.focus()
    lab.page.keyboard.press("ArrowDown")
    lab.page.keyboard.press("ArrowRight")
    expect(rows).to_have_attribute("data-ready", "relu1@2")
    expect(rows.locator("[aria-selected='true']")).to_contain_text("relu1:1")
    assert lab.kernel("print(viewer.unit, viewer.epoch)") == "relu1:1 2"

    root.get_by_role("combobox", name="Layer").select_option("relu3")
    expect(rows).to_have_attribute("data-ready", "relu3@2")
    root.get_by_role("group", name="Settling time").get_by_role("button", name="fc8").click()
    expect(rows).to_have_attribute("data-ready", "fc8@2")
    lab.kernel("viewer.shown, viewer.unit = 0, 'relu2:2'")
    expect(rows).to_have_attribute("data-ready", "relu2@0")
    lab.kernel("viewer.unit = 'conv5:60'")
    expect(root.locator(".cv-note")).to_contain_text("conv5:60 was not recorded")


def test_it_plays_to_the_end_and_fits_a_narrow_place(lab: Lab) -> None:
    lab.show(OPEN, "viewer = cv.EvolutionViewer(recorded, unit='relu5:2', shown=6)\nviewer")
    root, rows = lab.page.locator(".cv-evolution"), lab.page.locator(".cv-evo-rows")
    expect(rows).to_have_attribute("data-ready", "relu5@6", timeout=60_000)
    root.get_by_role("button", name="Play").click()
    expect(rows).to_have_attribute("data-ready", "relu5@8", timeout=20_000)
    expect(root.get_by_role("button", name="Play")).to_be_visible()  # at rest again, as motion is to be reduced
    strip = rows.locator(".cv-evo-strip").nth(2)
    box = strip.bounding_box()
    assert box is not None
    strip.click(position={"x": box["width"] * 1.5 / 9, "y": box["height"] / 2})
    expect(rows).to_have_attribute("data-ready", "relu5@1")
    assert lab.kernel("print(viewer.unit, viewer.shown)") == "relu5:2 1"
    lab.theme("JupyterLab Dark")
    lab.page.set_viewport_size({"width": 466, "height": 1200})
    lab.page.wait_for_timeout(300)
    assert root.evaluate("node => node.scrollWidth <= node.clientWidth + 1")
    lab.theme("JupyterLab Light")
