"""The dashboard in a real JupyterLab: panels open, close, grow and stand in other cells; all share one choice."""

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.lab import Lab

OPEN = """
import convviz_widgets as cv
from convviz_widgets.widgets.explore import explore
lens = cv.Lens.load("mini", device="cpu")
images = cv.MiniBroden(count=12, seed=1)
"""
SHOW = "explorer = explore(lens, images, unit='relu3:5', panels=[{panels}])\nexplorer"
SLOW = 60_000


def opened(lab: Lab, *panels: str) -> Locator:
    lab.show(OPEN, SHOW.format(panels=", ".join(map(repr, panels))))
    root = lab.page.locator(".cv-explore")
    for panel in panels:
        ready(root, panel)
    return root


def frame(root: Locator, panel: str) -> Locator:
    return root.locator(f".cv-frame[data-panel={panel}]")


def ready(root: Locator, panel: str) -> Locator:
    expect(frame(root, panel)).to_have_attribute("data-ready", "true", timeout=SLOW)
    return frame(root, panel)


def switch(root: Locator, panel: str) -> Locator:
    return root.locator(f".cv-switch[data-panel={panel}]")


def test_panels_share_one_choice(lab: Lab) -> None:
    root = opened(lab, "picker", "projections")
    expect(root.locator("canvas.cv-map[data-unit='relu3:5']")).to_be_visible(timeout=SLOW)
    expect(root.locator(".cv-explore-looks")).to_have_text("relu3:5 on image 0")
    lab.kernel("explorer.picker.unit = 'conv2:1'; explorer.wait(60)")
    expect(root.locator("canvas.cv-map[data-unit='conv2:1']")).to_be_visible(timeout=SLOW)
    frame(root, "projections").locator(".cv-thumbnail").nth(2).click()
    expect(root.locator(".cv-explore-looks")).to_have_text("conv2:1 on image 2", timeout=SLOW)
    assert lab.kernel("explorer.wait(60); print(explorer.picker.image)") == "image 2"


def test_a_panel_is_made_when_it_is_opened_and_remembers_what_was_set(lab: Lab) -> None:
    root = opened(lab, "brush")
    assert lab.kernel("print(explorer.am)") == "None"
    expect(switch(root, "am")).to_have_attribute("aria-pressed", "false")
    expect(switch(root, "concepts")).to_have_count(0)
    switch(root, "am").click()
    ready(root, "am")
    lab.kernel("explorer.am.recipe = 'mahendran'; explorer.am.stop()")
    close = frame(root, "am").get_by_role("button", name="Close What it likes")
    close.click()
    expect(frame(root, "am")).to_have_count(0)
    expect(switch(root, "am")).to_be_focused()
    assert lab.kernel("print(explorer.am)") == "None"
    lab.page.keyboard.press("Enter")
    ready(root, "am")
    assert lab.kernel("print(explorer.am.recipe); explorer.am.stop()") == "mahendran"
    expect(frame(root, "brush")).to_have_attribute("data-ready", "true")


def test_a_panel_takes_the_whole_width_and_gives_it_back(lab: Lab) -> None:
    lab.page.set_viewport_size({"width": 1700, "height": 1000})
    root = opened(lab, "picker", "brush")
    brush = frame(root, "brush")
    before = brush.bounding_box()
    brush.get_by_role("button", name="Enlarge").click()
    expect(brush).to_have_attribute("data-large", "", timeout=SLOW)
    after = brush.bounding_box()
    assert before is not None
    assert after is not None
    assert after["width"] > 1.8 * before["width"]
    assert after["y"] <= before["y"] + 1
    assert "large='brush'" in lab.kernel("print(explorer.code())")
    brush.get_by_role("button", name="Smaller").click()
    expect(brush).not_to_have_attribute("data-large", "")


def test_the_line_of_code_makes_the_same_dashboard(lab: Lab) -> None:
    root = opened(lab, "brush")
    lab.kernel("explorer.brush.fill = 'blur'; explorer.image = 'image 3'; explorer.wait(60)")
    root.get_by_role("button", name="Copy dashboard as code").click()
    line = root.get_by_label("The line of code")
    expect(line).to_be_visible()
    text = line.input_value()
    assert text == lab.kernel("print(explorer.code())")
    again = lab.kernel(f"cv.explore = explore; again = {text}; print(again.code()); again.close()")
    assert again == text


def test_views_in_other_cells(lab: Lab) -> None:
    root = opened(lab, "picker", "projections")
    frame(root, "projections").get_by_role("button", name="In another cell").click()
    expect(root.get_by_label("The line of code")).to_have_value("explorer.panel('projections')")
    lab.call(
        """const {commands, shell} = window.jupyterapp;
           await commands.execute('notebook:insert-cell-below');
           shell.currentWidget.content.activeCell.model.sharedModel.setSource(argument);
           await commands.execute('notebook:run-cell');""",
        "explorer.panel('projections')",
    )
    alone = lab.page.locator(".cv-projections")
    expect(alone).to_have_count(2, timeout=SLOW)
    switch(root, "projections").click()
    expect(alone).to_have_count(1, timeout=SLOW)
    lab.kernel("explorer.unit = 'conv2:1'; explorer.wait(60)")
    expect(alone.locator("canvas.cv-map[data-unit='conv2:1']")).to_be_visible(timeout=SLOW)


def test_a_new_view_of_the_output_shows_the_same(lab: Lab) -> None:
    opened(lab, "picker")
    lab.call("await window.jupyterapp.commands.execute('notebook:create-output-view')")
    views = lab.page.locator(".cv-explore")
    expect(views).to_have_count(2, timeout=SLOW)
    for place in (0, 1):
        ready(views.nth(place), "picker")
    switch(views.nth(1), "brush").click()
    for place in (0, 1):
        ready(views.nth(place), "brush")
        expect(views.nth(place).locator(".cv-brush canvas").first).to_be_visible()
    switch(views.nth(0), "picker").click()
    for place in (0, 1):
        expect(frame(views.nth(place), "picker")).to_have_count(0)
    assert lab.kernel("print(explorer.panels)") == "['brush']"


def test_errors_are_shown(lab: Lab) -> None:
    root = opened(lab, "picker")
    lab.kernel("explorer._receive(explorer, {'kind': 'open', 'panel': 'concepts'}, [])")
    alert = root.get_by_role("alert").first
    expect(alert).to_contain_text("cv.dissect(lens, images)")
    lab.kernel("explorer._receive(explorer, {'kind': 'open', 'panel': '<img src=x onerror=alert(1)>'}, [])")
    expect(alert).to_contain_text("<img src=x")
    expect(root.locator("img[src=x]")).to_have_count(0)


@pytest.mark.parametrize("theme", ["JupyterLab Dark"])
def test_dark_and_narrow(lab: Lab, theme: str) -> None:
    root = opened(lab, "picker", "brush")
    lab.theme(theme)
    lab.page.set_viewport_size({"width": 550, "height": 1200})
    lab.page.wait_for_timeout(500)
    assert root.evaluate("node => node.clientWidth") < 470
    assert root.evaluate("node => node.scrollWidth <= node.clientWidth + 1")
    first, second = frame(root, "picker").bounding_box(), frame(root, "brush").bounding_box()
    assert first is not None
    assert second is not None
    assert second["y"] >= first["y"] + first["height"]
    pressed = switch(root, "brush").evaluate("node => getComputedStyle(node).backgroundColor")
    assert pressed != switch(root, "am").evaluate("node => getComputedStyle(node).backgroundColor")
