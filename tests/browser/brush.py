"""An occlusion brush in a real JupyterLab, and the gestures that its tests share."""

from playwright.sync_api import Locator, expect

from tests.browser.lab import Lab

OPEN = """
import numpy as np
import convviz_widgets as cv
from convviz_widgets.widgets.occlusion_brush import OcclusionBrush
lens = cv.Lens.load("mini", device="cpu")
made = cv.MiniBroden(count=3, seed=1)
images = [made[place].image for place in range(3)]
"""
SHOW = "brush = OcclusionBrush(lens, images, unit='conv3:5')\nbrush"


def open_brush(lab: Lab, *more: str) -> Locator:
    """A notebook with a brush, and more cells; gives its first view."""
    lab.show(OPEN, SHOW, *more)
    root = lab.page.locator(".cv-brush").first
    expect(canvas_of(root)).to_have_attribute("data-ready", "image 0", timeout=60_000)
    settle(lab)
    return root


def canvas_of(root: Locator) -> Locator:
    return root.locator(".cv-paint canvas")


def settle(lab: Lab) -> None:
    """Until every gesture is answered."""
    lab.page.wait_for_timeout(150)
    for root in lab.page.locator(".cv-brush").all():
        expect(root).to_have_attribute("data-busy", "false", timeout=20_000)
    lab.kernel("brush._worker.wait(30)")


def drag(lab: Lab, root: Locator, *points: tuple[float, float], steps: int = 6) -> None:
    """Along points in shares of the photo's width and height."""
    canvas_of(root).scroll_into_view_if_needed()
    box = canvas_of(root).bounding_box()
    assert box is not None
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    lab.page.mouse.move(*places[0])
    lab.page.mouse.down()
    for place in places[1:]:
        lab.page.mouse.move(*place, steps=steps)
    lab.page.mouse.up()
    settle(lab)


def hidden(lab: Lab) -> float:
    return float(lab.kernel("print(brush.view['share'])"))


def strokes(root: Locator) -> list[str]:
    return [each.split("\n")[0] for each in root.locator(".cv-strokes button").all_inner_texts()]
