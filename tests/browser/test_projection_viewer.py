"""The projection viewer in a real JupyterLab: by mouse, by keyboard, from Python, in the dark, and in a narrow cell."""

from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.lab import Lab

OPEN = """
import convviz_widgets as cv
from convviz_widgets.widgets.projection_viewer import ProjectionViewer
lens = cv.Lens.load("mini", device="cpu")
made = cv.MiniBroden(count=10, seed=1)
images = [made[place].image for place in range(10)]
"""
SHOW = "viewer = ProjectionViewer(lens, images, unit='relu3:5')\nviewer"
INK = """node => { const data = node.getContext("2d").getImageData(0, 0, node.width, node.height).data;
  let far = 0; for (let place = 0; place < data.length; place += 4) far += Math.abs(data[place] - 128); return far; }"""


@pytest.fixture
def viewer(lab: Lab) -> Locator:
    lab.show(OPEN, SHOW)
    root = lab.page.locator(".cv-projections")
    expect(root.locator(".cv-pair")).to_have_count(9, timeout=60_000)
    expect(root).to_have_attribute("data-busy", "false")
    return root


def shows(root: Locator, unit: str) -> None:
    expect(root.locator(f"canvas.cv-map[data-unit='{unit}']")).to_be_visible(timeout=20_000)
    expect(root).to_have_attribute("data-busy", "false")


def rule(root: Locator, name: str) -> Locator:
    return root.locator(f"[data-rule={name}] canvas")


def settle(lab: Lab) -> None:
    """Until every gesture is answered, and what follows in the background is done."""
    expect(lab.page.locator(".cv-viewer").first).to_have_attribute("data-busy", "false", timeout=20_000)
    lab.kernel("viewer._worker.wait(30)")
    lab.page.wait_for_timeout(300)


def test_three_rules_and_nine_pairs(viewer: Locator) -> None:
    for name in ("deconvnet", "gradient", "guided"):
        assert rule(viewer, name).evaluate(INK) > 1000
    assert rule(viewer, "deconvnet").evaluate(INK) != rule(viewer, "guided").evaluate(INK)
    expect(viewer.locator(".cv-pair img")).to_have_count(9)
    assert viewer.locator(".cv-pair canvas").first.evaluate(INK) > 100
    expect(viewer.locator("figcaption").first).to_contain_text("its strongest neuron")


def test_strength_and_scale_cost_no_message(viewer: Locator, lab: Lab) -> None:
    settle(lab)
    lab.count_messages()
    before = rule(viewer, "gradient").evaluate(INK)
    viewer.get_by_label("Strength of the signal shown").fill("30")
    lab.page.wait_for_timeout(200)
    assert rule(viewer, "gradient").evaluate(INK) > 1.3 * before
    expect(viewer.get_by_text("× 4")).to_be_visible()
    viewer.get_by_label("Scale of the three signals").select_option("shared")
    viewer.get_by_label("How much the map covers the photo").fill("10")
    lab.page.wait_for_timeout(200)
    assert lab.messages() == {"up": [], "down": []}


def test_by_mouse(viewer: Locator, lab: Lab) -> None:
    settle(lab)
    lab.count_messages()
    viewer.locator("canvas.cv-map").click(position={"x": 130, "y": 130})
    expect(viewer.locator("figcaption").first).to_contain_text("@")
    expect(viewer).to_have_attribute("data-busy", "false")
    lab.page.wait_for_timeout(300)
    found = lab.messages()
    assert (len(found["up"]), len(found["down"])) == (1, 1), found
    viewer.get_by_text("whole map").click()
    expect(viewer.locator("figcaption").first).to_contain_text("all of its map")
    shows(viewer, "relu3:5")
    viewer.locator(".cv-thumbnail").nth(2).click()
    expect(viewer.locator(".cv-thumbnail[aria-selected=true]")).to_have_attribute("data-name", "image 2")
    pair = viewer.locator(".cv-pair").nth(1)
    name = pair.get_attribute("title")
    pair.click()
    expect(viewer.locator("figcaption").first).to_contain_text("a chosen neuron")
    image = lab.kernel("viewer._worker.wait(30); print(viewer.image)")
    assert name == f"{image}: look at it"


def test_by_keyboard(viewer: Locator, lab: Lab) -> None:
    page, canvas = lab.page, viewer.locator("canvas.cv-map")
    row, column = (int(each) for each in lab.kernel("print(*viewer.view['position'])").split())
    canvas.focus()
    way, wanted = ("ArrowUp", (row - 1, column)) if row else ("ArrowDown", (row + 1, column))
    page.keyboard.press(way)
    settle(lab)
    unit = lab.kernel("print(viewer.unit)")
    assert unit == f"relu3:5@{wanted[0]},{wanted[1]}"
    page.keyboard.press("Escape")
    shows(viewer, "relu3:5")
    channel = viewer.get_by_label("Channel", exact=True)
    channel.fill("7")
    channel.press("Enter")
    settle(lab)
    assert lab.kernel("print(viewer.unit)") == "relu3:7"
    viewer.get_by_role("listbox", name="Photos").focus()
    page.keyboard.press("ArrowRight")
    expect(viewer.locator(".cv-thumbnail[aria-selected=true]")).to_have_attribute("data-name", "image 1")
    viewer.get_by_role("radio", name="one neuron").focus()
    page.keyboard.press("ArrowRight")
    expect(viewer.get_by_role("radio", name="whole map")).to_be_checked()
    settle(lab)
    assert lab.kernel("print(viewer.keep)") == "map"
    assert lab.page.locator(".jp-Cell").count() == 2  # no key reached the notebook


def test_many_keys_are_few_requests_and_the_newest_wins(viewer: Locator, lab: Lab) -> None:
    settle(lab)
    lab.kernel("viewer.unit = 'relu3:5@5,5'")
    shows(viewer, "relu3:5@5,5")
    lab.count_messages()
    viewer.locator("canvas.cv-map").focus()
    for key in ("ArrowRight",) * 4 + ("ArrowDown",) * 3:
        lab.page.keyboard.press(key)
    settle(lab)
    assert lab.kernel("print(viewer.unit)") == "relu3:5@8,9"
    assert len(lab.messages()["up"]) <= 7
    expect(viewer).to_have_attribute("data-busy", "false")


def test_a_unit_that_is_silent_offers_ways_out(viewer: Locator, lab: Lab) -> None:
    find = """
maps = {n: lens.activations(images[n], 'relu5')[0].amax((1, 2)) for n in range(10)}
channel = next(c for c in range(64) if maps[0][c] == 0 and any(maps[n][c] > 0 for n in maps))
viewer.unit = f'relu5:{channel}'
print(channel)"""
    channel = lab.kernel(find)
    silent = viewer.locator(".cv-silent")
    expect(silent).to_contain_text("not active anywhere on this picture", timeout=20_000)
    expect(rule(viewer, "guided")).to_be_hidden()
    button = silent.get_by_role("button", name=f"relu5:{channel} on image").first
    button.click(timeout=60_000)
    expect(silent).to_be_hidden()
    expect(rule(viewer, "guided")).to_be_visible()
    assert lab.kernel("print(viewer.image)") != "image 0"


def test_errors_are_shown_and_can_be_closed(viewer: Locator, lab: Lab) -> None:
    lab.kernel("viewer._receive(viewer, {'kind': 'x'}, [])")
    expect(viewer.get_by_role("alert")).to_contain_text("not known here")
    viewer.get_by_label("Close this message").click()
    expect(viewer.get_by_role("alert")).to_be_hidden()


def test_all_pixels_of_a_dense_screen(viewer: Locator, lab: Lab) -> None:
    screen = {"width": 1280, "height": 1000, "deviceScaleFactor": 2, "mobile": False}
    lab.page.context.new_cdp_session(lab.page).send("Emulation.setDeviceMetricsOverride", screen)
    lab.kernel("viewer.unit = 'conv3:5'")
    shows(viewer, "conv3:5")
    expect(rule(viewer, "guided")).to_have_attribute("data-unit", "conv3:5")
    for canvas in viewer.locator("figure canvas").all():
        drawn, shown = canvas.evaluate("node => [node.width, node.clientWidth]")
        assert drawn == pytest.approx(2 * shown, abs=2)


def test_dark_and_narrow(viewer: Locator, lab: Lab) -> None:
    lab.theme("JupyterLab Dark")
    ground = viewer.evaluate("node => getComputedStyle(node).backgroundColor")
    assert sum(int(part) for part in ground[4:-1].split(",")[:3]) < 200
    lab.page.set_viewport_size({"width": 500, "height": 1200})
    lab.page.wait_for_timeout(500)
    assert viewer.evaluate("node => node.clientWidth") < 420
    assert viewer.evaluate("node => node.scrollWidth <= node.clientWidth + 1")
    first, last = viewer.locator("canvas.cv-map").bounding_box(), rule(viewer, "guided").bounding_box()
    assert first is not None
    assert last is not None
    assert last["y"] > first["y"] + first["height"]
    assert last["width"] > 140


def test_linked_with_the_picker_and_a_second_view(viewer: Locator, lab: Lab) -> None:
    lab.kernel("picker = cv.LayerPicker(lens, images, unit='conv2:1'); tie = cv.link(picker, viewer)")
    shows(viewer, "conv2:1")
    lab.call("await window.jupyterapp.commands.execute('notebook:create-output-view')")
    views = lab.page.locator(".cv-projections")
    expect(views).to_have_count(2)
    viewer.first.locator("canvas.cv-map").click(position={"x": 100, "y": 100})
    settle(lab)
    unit: Any = lab.kernel("print(picker.unit)")
    assert unit.startswith("conv2:1@")
    for place in (0, 1):
        shows(views.nth(place), unit)
