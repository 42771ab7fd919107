"""The sequence viewer in a real JupyterLab: the slider, playing, from Python, without a message on the way."""

import numpy as np
from playwright.sync_api import expect

from tests.browser.lab import Lab

OPEN = """
import numpy as np
import convviz_widgets as cv
from convviz_widgets.widgets.sequence_viewer import SequenceViewer
lens = cv.Lens.load("mini", device="cpu")
least = cv.minimal_image(lens, cv.MiniBroden(count=3, seed=1)[0].image, segments=12)
"""
PIXELS = """node => { const small = document.createElement('canvas'); small.width = small.height = 96;
  const context = small.getContext('2d'); context.imageSmoothingEnabled = false; context.drawImage(node, 0, 0, 96, 96);
  return [...context.getImageData(0, 0, 96, 96).data]; }"""


def test_the_slider_walks_along_the_sequence(lab: Lab) -> None:
    lab.show(OPEN, "viewer = SequenceViewer(least)\nviewer")
    root, canvas = lab.page.locator(".cv-sequence"), lab.page.locator(".cv-sequence canvas")
    most = int(lab.kernel("print(len(least.order))"))
    expect(canvas).to_have_attribute("data-ready", str(most), timeout=60_000)
    slider = root.get_by_role("slider", name="Segments hidden")
    slider.focus()
    lab.count_messages()
    lab.page.keyboard.press("Home")
    lab.page.keyboard.press("ArrowRight")
    expect(canvas).to_have_attribute("data-ready", "1")
    expect(root.get_by_role("status")).to_contain_text(f"1 of {most} segments hidden")
    assert len(lab.messages()["up"]) <= 2  # where it was let go, and nothing else
    for _ in range(6):
        lab.page.keyboard.press("ArrowRight")
    lab.wait_idle()
    expect(slider).to_have_value("7")  # no answer to an earlier key takes it back
    assert lab.kernel("print(viewer.shown)") == "7"
    slider.press("Home")
    lab.page.keyboard.press("ArrowRight")
    expect(canvas).to_have_attribute("data-ready", "1")
    lab.kernel("np.save('seen.npy', viewer.result.sequence[viewer.shown])")
    wanted = np.load(lab.server.root / "seen.npy")
    drawn = np.array(canvas.evaluate(PIXELS)).reshape(96, 96, 4)[..., :3]
    assert np.abs(drawn - wanted.astype(int)).mean() < 2
    root.get_by_role("button", name="Play").click()
    expect(canvas).to_have_attribute("data-ready", str(most), timeout=20_000)
    root.get_by_role("button", name="Pause").click()
    lab.kernel("viewer.shown = 2")
    expect(canvas).to_have_attribute("data-ready", "2")
    lab.page.set_viewport_size({"width": 466, "height": 1200})
    lab.page.wait_for_timeout(300)
    assert root.evaluate("node => node.scrollWidth <= node.clientWidth + 1")
