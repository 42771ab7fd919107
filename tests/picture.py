"""The command that makes the README's pictures: ``python -m tests.picture``.

It opens JupyterLab in headless Chromium, shows each widget below on the built-in network and its drawings, waits until
it has answered, and keeps what is then on the page, once in the light theme and once in the dark one.
"""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, expect, sync_playwright

from tests.browser.jupyter import JupyterServer
from tests.browser.lab import Lab
from tests.chromium import ARGUMENTS, obtain

FOLDER = Path(__file__).resolve().parent.parent / "notebooks" / "pictures"
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
BEGIN = """
import convviz_widgets as cv
lens = cv.Lens.load("mini", device="cpu")
images = cv.MiniBroden(count=300)
"""
WIDGETS = {  # name of the picture -> what makes the widget
    "picker": "shown = cv.LayerPicker(lens, images, unit='relu3:5')",
    "brush": "shown = cv.OcclusionBrush(lens, images, unit='relu3:5')",
    "likes": "shown = cv.ActivationMaximizationPanel(lens, 'relu5:1', images=images)",
    "inversion": "shown = cv.InversionPanel(lens, images, recipe='decoder', unit='relu3:0')",
}
SIZE = {"width": 1240, "height": 2400}
SLOW = 180_000  # milliseconds


def main(folder: Path = FOLDER) -> list[Path]:
    """Makes every picture; gives where they lie."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as base, sync_playwright() as playwright:
        server = JupyterServer(Path(base) / "jupyter")
        server.start()
        try:
            browser = playwright.chromium.launch(executable_path=obtain(), args=ARGUMENTS)
            context = browser.new_context(viewport=SIZE, device_scale_factor=1.5, reduced_motion="reduce")
            return _taken(Lab(context.new_page(), server), folder)
        finally:
            server.stop()


def _taken(lab: Lab, folder: Path) -> list[Path]:
    paths = []
    for name, code in WIDGETS.items():
        lab.show(BEGIN, f"{code}\nshown")
        lab.kernel("hasattr(shown, 'wait') and shown.wait(120)", timeout=SLOW)
        root = lab.page.locator(".jp-OutputArea-output > div").last
        if name == "brush":
            _paint(lab, root)
        for theme, called in THEMES.items():
            lab.theme(called)
            paths.append(folder / f"{name}-{theme}.png")
            _keep(_settled(lab, root), paths[-1])
    return paths


def _paint(lab: Lab, root: Locator) -> None:
    """One stroke that hides what stands in the middle, as a person would draw it."""
    box = root.locator("canvas").first.bounding_box()
    assert box is not None, "the brush shows no photo"
    x, y, side = box["x"], box["y"], box["width"]
    lab.page.mouse.move(x + 0.2 * side, y + 0.35 * side)
    lab.page.mouse.down()
    for right, down in ((0.6, 0.35), (0.2, 0.5), (0.6, 0.5), (0.3, 0.65), (0.55, 0.65)):
        lab.page.mouse.move(x + right * side, y + down * side, steps=8)
    lab.page.mouse.up()


def _settled(lab: Lab, root: Locator) -> bytes:
    """What is on the page once nothing is searched and it no longer changes."""
    before = b""
    for _ in range(60):
        expect(root.locator("progress:visible")).to_have_count(0, timeout=SLOW)
        expect(root.get_by_text("searching")).to_have_count(0, timeout=SLOW)
        lab.page.wait_for_timeout(2000)
        after = root.screenshot()
        if after == before:
            return after
        before = after
    raise RuntimeError("The page still changes after two minutes: a widget's work does not end.")


def _keep(png: bytes, path: Path) -> None:
    """A picture in 256 colours, a third of its size."""
    Image.open(io.BytesIO(png)).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    for path in main():
        sys.stdout.write(f"{path}\n")
