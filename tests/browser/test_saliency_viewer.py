"""The saliency viewer in a real JupyterLab: by mouse, by keyboard, from Python, in the dark, and in a narrow cell."""

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.lab import Lab
from tests.browser.test_projection_viewer import settle

OPEN = """
import convviz_widgets as cv
from convviz_widgets.widgets.saliency_viewer import SaliencyViewer
lens = cv.Lens.load("mini", device="cpu")
made = cv.MiniBroden(count=6, seed=1)
images = [made[place].image for place in range(6)]
"""
SHOW = "viewer = SaliencyViewer(lens, images)\nviewer"
VARIANTS = ("gradient", "smoothgrad", "integrated", "grad-cam", "guided", "deconvnet")
PIXELS = (
    "node => Array.from(node.getContext('2d').getImageData(0, 0, node.width, node.height).data).reduce((a, b) => a + b)"
)


@pytest.fixture
def viewer(lab: Lab) -> Locator:
    lab.show(OPEN, SHOW)
    root = lab.page.locator(".cv-saliency")
    shows(root, "boat")
    settle(lab)
    return root


def tile(root: Locator, variant: str) -> Locator:
    return root.locator(f"[data-variant={variant}] canvas")


def shows(root: Locator, name: str) -> None:
    for variant in VARIANTS:
        expect(tile(root, variant)).to_have_attribute("data-ready", name, timeout=60_000)
    expect(root).to_have_attribute("data-busy", "false")


def test_six_maps_and_the_object(viewer: Locator) -> None:
    sums = [tile(viewer, variant).evaluate(PIXELS) for variant in VARIANTS]
    assert len(set(sums)) == 6
    expect(viewer.locator(".cv-place canvas")).to_have_attribute("data-ready", "95-30")
    expect(viewer.locator(".cv-place p")).to_contain_text("% of the photo")
    menu = viewer.get_by_label("Class that the maps are of")
    assert menu.locator("option").first.inner_text() == "most probable: boat"
    assert menu.locator("option").count() == 1 + 14


def test_cover_and_range_cost_no_message(viewer: Locator, lab: Lab) -> None:
    lab.count_messages()
    before = tile(viewer, "deconvnet").evaluate(PIXELS)
    viewer.get_by_label("How much the maps cover the photo").fill("0")
    lab.page.wait_for_timeout(200)
    bare = [tile(viewer, variant).evaluate(PIXELS) for variant in VARIANTS]
    assert len(set(bare)) == 1  # the photo alone
    assert bare[0] != before
    viewer.get_by_label("How much the maps cover the photo").fill("70")
    viewer.get_by_label("Range of the colours").select_option("shared")
    lab.page.wait_for_timeout(200)
    assert tile(viewer, "deconvnet").evaluate(PIXELS) != before
    assert lab.messages() == {"up": [], "down": []}


def test_by_mouse(viewer: Locator, lab: Lab) -> None:
    viewer.get_by_label("Class that the maps are of").select_option(
        label=viewer.get_by_label("Class that the maps are of").locator("option").nth(3).inner_text()
    )
    settle(lab)
    name = lab.kernel("print(viewer.view['name'], viewer.target)").split()
    assert name[0] != "boat"
    shows(viewer, name[0])
    viewer.locator(".cv-thumbnail").nth(1).click()
    expect(viewer.locator(".cv-thumbnail[aria-selected=true]")).to_have_attribute("data-name", "image 1")
    settle(lab)
    assert lab.kernel("print(viewer.target)") == name[1]
    viewer.locator(".cv-classes button").first.click()
    settle(lab)
    shows(viewer, lab.kernel("print(lens.predict(images[1])[0][0].name)"))
    viewer.get_by_label("Class that the maps are of").select_option("")
    settle(lab)
    assert lab.kernel("print(viewer.target)") == "None"


def test_a_map_is_measured(viewer: Locator, lab: Lab) -> None:
    viewer.get_by_label("Map to measure").select_option("guided")
    viewer.get_by_role("button", name="Measure").click()
    curve = viewer.get_by_role("img", name="deletion by guided: area")
    expect(curve).to_be_visible(timeout=60_000)
    assert len((curve.locator("path").last.get_attribute("d") or "").split("L")) == 25
    expect(viewer.get_by_text("insertion by guided: area")).to_be_visible()
    lab.kernel("viewer.image = 'image 1'; viewer._worker.wait(30)")
    expect(curve).to_be_hidden()  # it was of another photo


def test_by_keyboard(viewer: Locator, lab: Lab) -> None:
    above = viewer.get_by_label("object above")
    above.focus()
    for _ in range(6):
        lab.page.keyboard.press("ArrowLeft")
    expect(viewer.locator(".cv-place canvas")).to_have_attribute("data-ready", "92-30", timeout=20_000)
    assert lab.kernel("print(viewer.above, viewer.below, viewer.place['above'])") == "92.0 30.0 92.0"
    viewer.get_by_role("listbox", name="Photos").focus()
    lab.page.keyboard.press("ArrowRight")
    expect(viewer.locator(".cv-thumbnail[aria-selected=true]")).to_have_attribute("data-name", "image 1")
    assert lab.page.locator(".jp-Cell").count() == 2  # no key reached the notebook


def test_the_ground_stays_below_the_object(viewer: Locator, lab: Lab) -> None:
    viewer.get_by_label("ground below").fill("95")
    viewer.get_by_label("object above").fill("60")
    expect(viewer.get_by_label("ground below")).to_have_value("59.5")
    expect(viewer.locator(".cv-place canvas")).to_have_attribute("data-ready", "60-59.5", timeout=20_000)
    expect(viewer.get_by_role("alert")).to_be_hidden()


def test_from_python_and_errors_inside(viewer: Locator, lab: Lab) -> None:
    lab.kernel("viewer.unit = 'conv3:5'; viewer._worker.wait(30)")
    name = lab.kernel("print(viewer.view['name'])")
    shows(viewer, name)
    expect(viewer.get_by_label("Class that the maps are of")).to_have_value("conv3:5")
    lab.kernel("viewer._receive(viewer, {'kind': 'look', 'target': 'cow'}, [])")
    expect(viewer.get_by_role("alert")).to_contain_text("There is no class 'cow'")
    lab.kernel("viewer.target = 'cat'; viewer._worker.wait(30)")
    expect(viewer.get_by_role("alert")).to_be_hidden()
    shows(viewer, "cat")


def test_dense_dark_and_narrow(viewer: Locator, lab: Lab) -> None:
    screen = {"width": 500, "height": 1200, "deviceScaleFactor": 2, "mobile": False}
    lab.page.context.new_cdp_session(lab.page).send("Emulation.setDeviceMetricsOverride", screen)
    lab.theme("JupyterLab Dark")
    lab.page.wait_for_timeout(500)
    for canvas in viewer.locator("figure canvas").all():
        drawn, shown = canvas.evaluate("node => [node.width, node.clientWidth]")
        assert drawn == pytest.approx(2 * shown, abs=2)
    ground = viewer.evaluate("node => getComputedStyle(node).backgroundColor")
    assert sum(int(part) for part in ground[4:-1].split(",")[:3]) < 200
    assert viewer.evaluate("node => node.clientWidth") < 420
    assert viewer.evaluate("node => node.scrollWidth <= node.clientWidth + 1")
