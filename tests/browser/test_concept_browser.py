"""The concept browser in a real JupyterLab: by mouse, by keyboard, thousands of units, in the dark, narrow, linked."""

from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.lab import Lab

OPEN = """
import numpy as np
from dataclasses import replace
import convviz_widgets as cv
from convviz_widgets.methods.dissection.dissect import dissect
from convviz_widgets.widgets.concept_browser import ConceptBrowser
lens = cv.Lens.load("mini", device="cpu")
made = cv.MiniBroden(count=24, seed=1)
report = dissect(lens, made, ["conv4", "relu5"], progress=False)
"""
SHOW = "browser = ConceptBrowser(lens, report, made, unit='relu5:24')\nbrowser"
MANY = """
from torch import nn
wide = cv.Lens(nn.Sequential(nn.Conv2d(3, 2500, 1), nn.Conv2d(2500, 2500, 1, groups=2500)), input_size=4)
rng = np.random.default_rng(0)
names, C = ["0", "1"], len(report.concepts)
blank = dict.fromkeys(names, np.full((2500, 1), -1))
large = replace(report,
    thresholds={name: np.ones(2500, np.float32) for name in names}, labelled=np.full(C, 1000),
    shared={name: (rng.random((2500, C)) ** 4 * 900).astype(np.int64) for name in names},
    active={name: np.full((2500, len(report.categories)), 900) for name in names}, top_index=blank,
    top_position=dict.fromkeys(names, np.zeros((2500, 1, 2), np.int64)),
    top_activation=dict.fromkeys(names, np.full((2500, 1), np.nan, np.float32)))
"""
SHOW_MANY = "browser = ConceptBrowser(wide, large)\nbrowser"
COUNT_BYTES = """() => { window.__bytes = 0;
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  kernel.anyMessage.connect((_, {msg, direction}) => {
    if (msg.header.msg_type.startsWith('comm_') && direction === 'recv')
      window.__bytes += JSON.stringify(msg.content).length; }); }"""


def opened(lab: Lab, *cells: str) -> Locator:
    lab.show(*cells)
    root = lab.page.locator(".cv-concepts")
    expect(root.locator(".cv-found-row").first).to_be_visible(timeout=60_000)
    expect(root).to_have_attribute("data-busy", "false")
    return root


@pytest.fixture
def walk(lab: Lab) -> Locator:
    root = opened(lab, OPEN, SHOW)
    expect(root.locator(".cv-shot canvas[data-ready]")).to_have_count(9, timeout=60_000)
    return root


@pytest.fixture
def many(lab: Lab) -> Locator:
    return opened(lab, OPEN + MANY, SHOW_MANY)


def rows(root: Locator) -> Locator:
    return root.locator(".cv-found-row")


def settle(lab: Lab) -> None:
    """Until every gesture is answered, and what follows is done."""
    expect(lab.page.locator(".cv-concepts").first).to_have_attribute("data-busy", "false", timeout=20_000)
    lab.kernel("browser.wait(30); browser._worker.wait(60)")
    lab.page.wait_for_timeout(200)


def title(root: Locator) -> Locator:
    return root.locator("article:visible h3").first


def test_a_walk_by_mouse(walk: Locator, lab: Lab) -> None:
    expect(rows(walk).locator("xpath=self::*[@aria-selected='true']")).to_contain_text("relu5:24")
    settle(lab)
    lab.count_messages()
    rows(walk).nth(2).click()
    unit = rows(walk).nth(2).locator("span").first.inner_text()
    expect(title(walk)).to_have_text(unit)
    settle(lab)
    found = lab.messages()
    assert len(found["up"]) == 1, found
    assert len(found["down"]) <= 2, found  # the answer, and the pictures
    assert lab.kernel("print(browser.unit)") == unit
    walk.locator("article:visible .cv-line-row").first.click()
    expect(walk.get_by_role("heading", name="Best units")).to_be_visible()
    expect(title(walk)).to_be_focused()
    expect(walk.locator(".cv-compared canvas[data-ready]").first).to_be_visible(timeout=20_000)
    concept = lab.kernel("print(browser.concept)")
    best = walk.locator("article:visible .cv-line-row").first
    wanted = best.locator(".cv-numbers").first.inner_text()
    best.click()
    expect(title(walk)).to_have_text(wanted)
    walk.get_by_role("button", name="Back").click()
    expect(walk.get_by_role("heading", name="Best units")).to_be_visible()
    assert lab.kernel("browser.wait(30); print(browser.card['concept'])") == concept
    walk.locator(".cv-layer[data-name=conv4]").click()
    expect(rows(walk).first).to_contain_text("conv4:")
    walk.locator(".cv-category[data-category=texture]").click()
    expect(walk.locator(".cv-category[data-category=texture]")).to_have_attribute("aria-pressed", "true")
    expect(rows(walk).first).to_contain_text("texture")
    settle(lab)
    asked = lab.kernel("print(browser.listing['query']['layer'], browser.listing['query']['category'])")
    assert asked == "conv4 texture"


def test_by_keyboard(walk: Locator, lab: Lab) -> None:
    page = lab.page
    walk.get_by_role("listbox", name="Units or concepts found").focus()
    page.keyboard.press("Home")
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    settle(lab)
    assert lab.kernel("print(browser.unit == browser.listing['rows'][3][0])") == "True"
    page.keyboard.press("End")
    settle(lab)
    last = lab.kernel("print(browser.unit)")
    expect(title(walk)).to_have_text(last)
    expect(rows(walk).last).to_have_attribute("aria-selected", "true")
    walk.get_by_role("listbox", name="Layers").focus()
    page.keyboard.press("ArrowDown")
    expect(rows(walk).first).to_contain_text("conv4:")
    walk.get_by_role("tab", name="Units").focus()
    page.keyboard.press("ArrowRight")
    expect(walk.get_by_role("tab", name="Concepts")).to_have_attribute("aria-selected", "true")
    walk.get_by_role("listbox", name="Units or concepts found").focus()
    page.keyboard.press("Home")
    expect(walk.get_by_role("heading", name="Best units")).to_be_visible()
    page.keyboard.press("Alt+ArrowLeft")
    expect(title(walk)).to_have_text(last)
    assert page.locator(".jp-Cell").count() == 2  # no key reached the notebook


def test_search_filter_and_order(walk: Locator, lab: Lab) -> None:
    search = walk.get_by_label("Search by concept or unit")
    search.fill("relu5:1")
    expect(walk.locator(".cv-found [role=status]")).to_contain_text("of 136 units")
    settle(lab)
    assert int(lab.kernel("print(browser.listing['total'])")) >= 11
    search.fill("dial")
    expect(rows(walk).first).to_contain_text("dial")
    settle(lab)
    assert lab.kernel("print({row[1] for row in browser.listing['rows']})") == "{'dial'}"
    walk.get_by_label("Smallest IoU").fill("0.1")
    walk.get_by_label("Smallest IoU").press("Enter")
    walk.get_by_label("Order").select_option("unit")
    settle(lab)
    told = lab.kernel("print(browser.listing['query']); print(min(row[3] for row in browser.listing['rows']) >= 0.1)")
    assert "'text': 'dial'" in told
    assert "'order': 'unit'" in told
    assert told.endswith("True")
    search.fill("elephant")
    expect(walk.locator(".cv-found [role=status]")).to_contain_text("nothing fits")
    assert rows(walk).count() == 0


def test_thousands_of_units_stay_fluid(many: Locator, lab: Lab) -> None:
    page, view = lab.page, many.locator(".cv-list")
    expect(many.locator(".cv-found [role=status]")).to_have_text("5,000 units")
    lab.count_messages()
    page.evaluate(COUNT_BYTES)
    assert rows(many).count() < 40
    for share in range(1, 41):
        view.evaluate("(node, share) => { node.scrollTop = share * node.scrollHeight / 40; }", share)
        page.wait_for_timeout(16)
    settle(lab)
    page.wait_for_timeout(500)
    assert rows(many).count() < 40
    expect(rows(many).last).to_have_attribute("aria-posinset", "5000")
    expect(rows(many).last).not_to_have_text("…")
    found, size = lab.messages(), page.evaluate("window.__bytes")
    assert len(found["up"]) <= 5_000 // 64 + 1, found  # no page is asked for twice
    assert len(found["down"]) <= len(found["up"])
    assert size < 6_000 * len(found["up"])
    view.focus()
    page.keyboard.press("Home")
    page.keyboard.press("End")
    settle(lab)
    last = lab.kernel("print(browser._index.rows(browser._shown.found, 4999, 5000)[0][0])")
    expect(title(many)).to_have_text(last)
    lab.kernel("browser.unit = '1:1234'")
    expect(title(many)).to_have_text("1:1234")
    expect(many.locator(".cv-found-row[aria-selected=true]")).to_contain_text("1:1234")  # brought into view
    expect(many.locator("article:visible")).to_contain_text("without the dataset")


def test_grown_and_combined_on_request(walk: Locator, lab: Lab) -> None:
    walk.get_by_role("button", name="Grow an image for it").click()
    expect(walk.locator(".cv-grown img")).to_be_visible(timeout=60_000)
    lab.kernel("browser.concept = 'part: eye'")
    expect(walk.locator(".cv-compared canvas[data-ready]").first).to_be_visible(timeout=20_000)
    walk.get_by_role("button", name="Learn the combination").click()
    expect(walk.locator(".cv-curve")).to_be_visible(timeout=90_000)
    expect(walk.locator("section[aria-label='All units together']")).to_contain_text("all units of relu5")
    pictures = int(lab.kernel("print(len(browser.combination['items']))"))
    expect(walk.locator(".cv-compared canvas[data-ready]")).to_have_count(3 * pictures)
    lab.kernel("browser.look(unit='relu5:24')")
    expect(walk.locator(".cv-grown img")).to_be_visible()  # kept


def test_files_come_through_the_browser(walk: Locator, lab: Lab) -> None:
    for kind in ("CSV", "JSON", "HTML"):
        with lab.page.expect_download(timeout=60_000) as download:
            walk.get_by_role("button", name=kind).click()
        assert download.value.suggested_filename == f"dissection-mini.{kind.lower()}"
        settle(lab)


def test_masks_are_chosen_without_the_kernel(walk: Locator, lab: Lab) -> None:
    canvas = walk.locator(".cv-shot canvas").first
    light = "node => node.getContext('2d').getImageData(0, 0, node.width, node.height).data.reduce((a, b) => a + b, 0)"
    settle(lab)
    before = canvas.evaluate(light)
    lab.count_messages()
    walk.get_by_label("What is shown over the pictures").select_option("none")
    lab.page.wait_for_timeout(300)
    assert canvas.evaluate(light) > 1.1 * before
    assert lab.messages() == {"up": [], "down": []}


def test_errors_are_shown_and_can_be_closed(walk: Locator, lab: Lab) -> None:
    lab.kernel("browser._receive(browser, {'kind': 'x'}, [])")
    expect(walk.get_by_role("alert")).to_contain_text("not known here")
    walk.get_by_label("Close this message").click()
    expect(walk.get_by_role("alert")).to_be_hidden()


def test_dark_and_narrow(walk: Locator, lab: Lab) -> None:
    lab.theme("JupyterLab Dark")
    ground = walk.evaluate("node => getComputedStyle(node).backgroundColor")
    assert sum(int(part) for part in ground[4:-1].split(",")[:3]) < 200
    lab.page.set_viewport_size({"width": 470, "height": 1200})
    lab.page.wait_for_timeout(500)
    assert walk.evaluate("node => node.clientWidth") < 380
    for face in ("unit", "concept"):
        assert walk.evaluate("node => node.scrollWidth <= node.clientWidth + 1"), face
        lab.kernel("browser.concept = 'part: eye'")
        expect(walk.get_by_role("heading", name="Best units")).to_be_visible()
    boxes: Any = [each.bounding_box() for each in walk.locator(".cv-walk > section").all()]
    assert boxes[1]["y"] >= boxes[0]["y"] + boxes[0]["height"]
    assert boxes[2]["y"] >= boxes[1]["y"] + boxes[1]["height"]


def test_linked_and_in_two_views(walk: Locator, lab: Lab) -> None:
    lab.kernel("picker = cv.LayerPicker(lens, [made[0].image], unit='conv4:1'); tie = cv.link(picker, browser)")
    expect(title(walk)).to_have_text("conv4:1")
    lab.call("await window.jupyterapp.commands.execute('notebook:create-output-view')")
    views = lab.page.locator(".cv-concepts")
    expect(views).to_have_count(2)
    rows(views.first).nth(1).click()
    settle(lab)
    unit = lab.kernel("print(picker.unit)")
    assert unit != "conv4:1"
    for place in (0, 1):
        expect(title(views.nth(place))).to_have_text(unit)
    views.nth(1).get_by_role("tab", name="Concepts").click()
    for place in (0, 1):
        expect(views.nth(place).get_by_role("tab", name="Concepts")).to_have_attribute("aria-selected", "true")
