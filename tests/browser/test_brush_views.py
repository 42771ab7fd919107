"""Two views of one occlusion brush in a real JupyterLab, and one that is drawn again: mask and log are the same."""

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.brush import canvas_of, drag, hidden, open_brush, settle, strokes
from tests.browser.lab import Lab

AGAIN = """const content = window.jupyterapp.shell.currentWidget.content;
content.activeCellIndex = 2;
await window.jupyterapp.commands.execute('notebook:run-cell');"""


@pytest.fixture
def views(lab: Lab) -> tuple[Locator, Locator]:
    open_brush(lab, "brush")
    found = lab.page.locator(".cv-brush")
    expect(canvas_of(found.nth(1))).to_have_attribute("data-ready", "image 0")
    return found.nth(0), found.nth(1)


def seen(lab: Lab, view: Locator) -> str:
    """The photo as it is drawn, without the brush over it."""
    lab.page.mouse.move(2, 2)
    lab.page.evaluate("document.activeElement.blur()")
    lab.page.wait_for_timeout(150)
    return str(canvas_of(view).evaluate("node => node.toDataURL()"))


def test_a_stroke_in_one_is_seen_in_the_other(views: tuple[Locator, Locator], lab: Lab) -> None:
    first, second = views
    clean = seen(lab, first)
    drag(lab, first, (0.2, 0.5), (0.6, 0.5))
    assert seen(lab, second) == seen(lab, first) != clean
    drag(lab, second, (0.5, 0.2), (0.5, 0.8))
    assert seen(lab, second) == seen(lab, first)
    assert strokes(first) == strokes(second) == ["brush 16 px", "brush 16 px", "clean photo"]
    whole = hidden(lab)
    second.locator(".cv-strokes button").nth(1).click()
    settle(lab)
    assert 0 < hidden(lab) < whole
    assert seen(lab, second) == seen(lab, first)
    expect(first.locator(".cv-strokes button").nth(1)).to_have_attribute("aria-current", "step")
    first.get_by_role("button", name="Redo").click()
    settle(lab)
    assert hidden(lab) == whole
    expect(second.locator(".cv-strokes button").first).to_have_attribute("aria-current", "step")


def test_drawn_again_it_shows_the_same(views: tuple[Locator, Locator], lab: Lab) -> None:
    first, second = views
    drag(lab, first, (0.2, 0.5), (0.6, 0.5))
    before = seen(lab, first), strokes(first)
    lab.call(AGAIN)
    lab.wait_idle()
    expect(canvas_of(second)).to_have_attribute("data-ready", "image 0")
    assert (seen(lab, second), strokes(second)) == before
    drag(lab, second, (0.1, 0.1), (0.3, 0.1))
    assert strokes(first) == ["brush 16 px", "brush 16 px", "clean photo"]


def test_quick_strokes_all_have_their_effects(views: tuple[Locator, Locator], lab: Lab) -> None:
    first, second = views
    box = canvas_of(first).bounding_box()
    assert box is not None
    for row in range(5):  # faster than they are answered
        lab.page.mouse.move(box["x"] + 20, box["y"] + (0.1 + 0.15 * row) * box["height"])
        lab.page.mouse.down()
        lab.page.mouse.move(box["x"] + 80, box["y"] + (0.1 + 0.15 * row) * box["height"])
        lab.page.mouse.up()
    settle(lab)
    for view in (first, second):
        told = view.locator(".cv-strokes button").all_inner_texts()
        assert len(told) == 6
        assert all("%" in each and "…" not in each for each in told)
    assert lab.kernel("print(all(each['effect'] for each in brush.strokes))") == "True"
