"""The invariance viewer in a real JupyterLab: by mouse, by keyboard, from Python, in the dark, and in a narrow cell."""

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

from tests.browser.lab import Lab
from tests.browser.test_sequence_viewer import PIXELS

OPEN = """
import numpy as np
import convviz_widgets as cv
from convviz_widgets.widgets.invariance_viewer import InvarianceViewer
lens = cv.Lens.load("mini", device="cpu")
made = cv.MiniBroden(count=4, seed=1)
images = [made[place].image for place in range(4)]
"""
SHARE = """
far, norm = (np.frombuffer(viewer.curves[name], "<f4") for name in ("distance", "norm"))
print(f"{far[36] / norm[0]:.2f}")
"""
SHOW = "viewer = InvarianceViewer(lens, images)\nviewer"


@pytest.fixture
def viewer(lab: Lab) -> Locator:
    lab.show(OPEN, SHOW)
    root = lab.page.locator(".cv-invariance")
    whole(root)
    shows(root, "image 0 rotate 0")
    return root


def whole(root: Locator) -> None:
    """Until every point of the curves is known."""
    expect(root.locator("section.cv-side")).to_have_attribute("data-known", "49", timeout=60_000)
    expect(root).to_have_attribute("data-busy", "false")


def shows(root: Locator, what: str) -> None:
    expect(root.locator("canvas")).to_have_attribute("data-ready", what, timeout=20_000)


def test_the_slider_moves_photo_and_marker_without_a_message(viewer: Locator, lab: Lab) -> None:
    slider = viewer.get_by_role("slider", name="How far the photo is moved")
    slider.focus()
    lab.count_messages()
    for _ in range(12):
        lab.page.keyboard.press("ArrowRight")
    shows(viewer, "image 0 rotate 90")
    assert set(lab.messages()["up"]) <= {"custom"}  # where it was let go, and nothing else
    lab.kernel("np.save('seen.npy', np.rot90(lens.picture(images[0])))")
    wanted = np.load(lab.server.root / "seen.npy")
    drawn = np.array(viewer.locator("canvas").evaluate(PIXELS)).reshape(96, 96, 4)[..., :3]
    assert np.abs(drawn - wanted.astype(int)).mean() < 2
    lab.page.wait_for_timeout(500)  # what came back meanwhile does not move it
    shows(viewer, "image 0 rotate 90")
    assert lab.kernel("print(viewer.amount)") == "90.0"
    expect(viewer.locator(".cv-chart").first).to_have_attribute("data-at", "36")
    told = viewer.locator(".cv-legend-list li").first.locator(".cv-numbers").inner_text()
    assert lab.kernel(SHARE) == told
    assert lab.page.locator(".jp-Cell").count() == 2  # no key reached the notebook
    lab.kernel("viewer.amount = -90.0")
    shows(viewer, "image 0 rotate -90")
    viewer.get_by_role("button", name="As it is").click()
    shows(viewer, "image 0 rotate 0")


def test_the_marker_is_dragged_and_the_photo_follows(viewer: Locator) -> None:
    chart = viewer.locator(".cv-chart").first
    box = chart.bounding_box()
    assert box is not None
    chart.click(position={"x": box["width"] - 10, "y": 60})
    shows(viewer, "image 0 rotate 180")
    chart.click(position={"x": 34, "y": 60})
    shows(viewer, "image 0 rotate -180")


def test_transforms_layers_and_classes(viewer: Locator, lab: Lab) -> None:
    viewer.get_by_text("Shift", exact=True).click()
    shows(viewer, "image 0 translate 0")
    whole(viewer)
    viewer.get_by_text("↔ right").click()
    expect(viewer.locator("section.cv-side")).to_have_attribute("data-known", "49", timeout=20_000)
    viewer.get_by_label("Follow another layer").select_option("conv4")
    expect(viewer.locator(".cv-legend-list li")).to_have_count(3)
    whole(viewer)
    assert lab.kernel("print(viewer.layers, viewer.direction, viewer.curves['layers'])").count("conv4") == 2
    viewer.get_by_role("button", name="Follow relu1 no longer").click()
    expect(viewer.locator(".cv-legend-list li")).to_have_count(2)
    menu = viewer.get_by_label("Class that is followed")
    assert menu.locator("option").count() == 15
    menu.select_option(label=menu.locator("option").nth(2).inner_text())
    name = menu.locator("option").nth(2).inner_text().split(" · ")[0]
    expect(viewer.locator(".cv-choose [role=status]")).to_contain_text(name)
    lab.kernel("viewer.wait(20)")
    assert lab.kernel("print(lens.class_names[viewer.target])") == name


def test_another_photo_from_python_playing_and_errors_inside(viewer: Locator, lab: Lab) -> None:
    lab.kernel("viewer.image = 'image 2'; viewer.unit = 'conv3:5'; viewer.wait(30)")
    shows(viewer, "image 2 rotate 0")
    expect(viewer.locator(".cv-legend-list li")).to_have_count(3)
    viewer.get_by_role("button", name="Play").click()
    shows(viewer, "image 2 rotate 22.5")
    viewer.get_by_role("button", name="Pause").click()
    expect(viewer.get_by_role("button", name="Play")).to_be_visible()
    lab.kernel("viewer._receive(viewer, {'kind': 'look', 'target': 'cow'}, [])")
    expect(viewer.get_by_role("alert")).to_contain_text("There is no class 'cow'")
    viewer.locator(".cv-classes button").first.click()
    expect(viewer.get_by_role("alert")).to_be_hidden()


def test_dense_dark_and_narrow(viewer: Locator, lab: Lab) -> None:
    screen = {"width": 500, "height": 1400, "deviceScaleFactor": 2, "mobile": False}
    lab.page.context.new_cdp_session(lab.page).send("Emulation.setDeviceMetricsOverride", screen)
    lab.theme("JupyterLab Dark")
    lab.page.wait_for_timeout(500)
    drawn, shown = viewer.locator("canvas").evaluate("node => [node.width, node.clientWidth]")
    assert drawn == pytest.approx(2 * shown, abs=2)
    for chart in viewer.locator(".cv-chart").all():
        box, wide = chart.evaluate("node => [Number(node.getAttribute('viewBox').split(' ')[2]), node.clientWidth]")
        assert box == pytest.approx(wide, abs=1)
    ground = viewer.evaluate("node => getComputedStyle(node).backgroundColor")
    assert sum(int(part) for part in ground[4:-1].split(",")[:3]) < 200
    assert viewer.evaluate("node => node.clientWidth") < 420
    assert viewer.evaluate("node => node.scrollWidth <= node.clientWidth + 1")
