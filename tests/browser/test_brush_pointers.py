"""The occlusion brush by pen and by fingers, as the browser itself hears them, and strokes that end otherwise."""

import pytest
from playwright.sync_api import CDPSession, Locator, expect

from tests.browser.brush import canvas_of, drag, hidden, open_brush, settle, strokes
from tests.browser.lab import Lab

FAILING = """
import torch, convviz_widgets as cv
class Divided(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 5), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1))
        self.head = torch.nn.Linear(8, 5)
    def forward(self, x):  # grey, 0.5, at one pixel divides by zero
        return self.head(self.body(x).flatten(1)) / (x[:, :, 32, 48] - 0.5).abs().sum(1, keepdim=True)
lens = cv.Lens(Divided().eval(), input_size=96)
made = cv.MiniBroden(count=1, seed=1)
images = [made[0].image]
"""
OTHER_END = """(node, points) => {
  const box = node.getBoundingClientRect();
  const send = (name, [x, y], button, buttons) => node.dispatchEvent(new PointerEvent(name, {pointerId: 7,
    pointerType: 'pen', button, buttons, bubbles: true, cancelable: true,
    clientX: box.left + x * box.width, clientY: box.top + y * box.height}));
  node.setPointerCapture = () => {};
  send('pointerdown', points[0], 5, 32);
  points.slice(1).forEach(point => send('pointermove', point, -1, 32));
  send('pointerup', points[points.length - 1], 5, 0);
}"""
LEAVE = """() => { const node = document.querySelector('.cv-brush');
  window.__left = [node, node.parentNode]; node.remove(); }"""
RETURN = "() => { const [node, parent] = window.__left; parent.append(node); }"
SCROLLED = "() => document.querySelector('.jp-WindowedPanel-outer').scrollTop"


@pytest.fixture
def brush(lab: Lab) -> Locator:
    return open_brush(lab)


@pytest.fixture
def screen(lab: Lab) -> CDPSession:
    """What the browser is told of fingers and pens, on a page so low that it can be scrolled."""
    session = lab.page.context.new_cdp_session(lab.page)
    session.send("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 5})
    lab.page.set_viewport_size({"width": 900, "height": 700})
    return session


def place(root: Locator, x: float, y: float) -> dict[str, float]:
    """A point of the page, given in shares of the photo."""
    box = canvas_of(root).bounding_box()
    assert box is not None
    return {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}


def touch(screen: CDPSession, kind: str, *fingers: dict[str, float]) -> None:
    points = [{**finger, "id": number} for number, finger in enumerate(fingers)]
    screen.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def swipe(lab: Lab, screen: CDPSession, start: dict[str, float], end: dict[str, float], steps: int = 12) -> None:
    """One finger in a straight line, still down at the end."""
    touch(screen, "touchStart", start)
    for step in range(1, steps + 1):
        touch(screen, "touchMove", {key: start[key] + step / steps * (end[key] - start[key]) for key in start})
        lab.page.wait_for_timeout(16)


def to_the_top(lab: Lab, root: Locator) -> None:
    root.evaluate("node => node.scrollIntoView()")
    lab.page.wait_for_timeout(100)


def test_by_pen_and_by_its_other_end(brush: Locator, lab: Lab, screen: CDPSession) -> None:
    to_the_top(lab, brush)
    for step, (kind, buttons) in enumerate([("mousePressed", 1), *[("mouseMoved", 1)] * 8, ("mouseReleased", 0)]):
        about = {"button": "none" if kind == "mouseMoved" else "left", "buttons": buttons, "clickCount": 1}
        pen = {"pointerType": "pen", "force": 0.4, **place(brush, 0.2 + 0.06 * min(step, 8), 0.3)}
        screen.send("Input.dispatchMouseEvent", {"type": kind, **about, **pen})
    settle(lab)
    assert lab.kernel("m = brush.mask(); print(m[29, 25], m[29, 60], m[60].max())") == "255 255 0"
    canvas_of(brush).evaluate(OTHER_END, [[0.5, 0.1], [0.5, 0.6]])
    settle(lab)
    assert lab.kernel("m = brush.mask(); print(m[29, 25], m[29, 48])") == "255 0"
    assert strokes(brush) == ["erase, brush 16 px", "brush 16 px", "clean photo"]
    expect(brush.get_by_role("button", name="Erase", exact=True)).to_have_attribute("aria-pressed", "false")


def test_a_finger_paints_and_beside_the_photo_it_scrolls(brush: Locator, lab: Lab, screen: CDPSession) -> None:
    to_the_top(lab, brush)
    before = lab.page.evaluate(SCROLLED)
    swipe(lab, screen, place(brush, 0.3, 0.9), place(brush, 0.3, 0.1))
    brush.evaluate("node => node.querySelector('canvas').dispatchEvent(new MouseEvent('contextmenu', {bubbles: true}))")
    touch(screen, "touchEnd")
    settle(lab)
    expect(lab.page.locator(".lm-Menu-content")).to_have_count(0)  # that of a finger that rests
    assert lab.page.evaluate(SCROLLED) == before
    assert lab.kernel("m = brush.mask(); print(m[20, 29], m[80, 29], m[:, 60].max())") == "255 255 0"
    assert strokes(brush) == ["brush 16 px", "clean photo"]
    box = brush.locator(".cv-now").bounding_box()
    assert box is not None
    swipe(lab, screen, {"x": box["x"] + 30, "y": box["y"] + 20}, {"x": box["x"] + 30, "y": box["y"] - 150})
    touch(screen, "touchEnd")
    lab.page.wait_for_function(f"() => ({SCROLLED})() > {before} + 50")
    to_the_top(lab, brush)
    touch(screen, "touchStart", place(brush, 0.5, 0.2))
    for step in range(10):  # a second finger comes, and paints nothing
        touch(screen, "touchMove", place(brush, 0.5 + 0.03 * step, 0.2), place(brush, 0.9, 0.8 - 0.03 * step))
    touch(screen, "touchEnd")
    settle(lab)
    assert lab.kernel("m = brush.mask(); print(m[19, 65], m[40:, 60:].max())") == "255 0"
    assert strokes(brush) == ["brush 16 px", "brush 16 px", "clean photo"]


def test_a_stroke_on_a_page_that_scrolls_and_a_photo_that_leaves(brush: Locator, lab: Lab, screen: CDPSession) -> None:
    to_the_top(lab, brush)
    lab.page.mouse.move(**place(brush, 0.2, 0.2))
    lab.page.mouse.down()
    before = lab.page.evaluate(SCROLLED)
    lab.page.mouse.wheel(0, -100)
    lab.page.wait_for_function(f"() => ({SCROLLED})() === {before - 100}")
    lab.page.mouse.move(**place(brush, 0.5, 0.2), steps=4)
    lab.page.evaluate(LEAVE)  # as JupyterLab does with cells that are out of sight
    lab.page.mouse.up()
    lab.page.evaluate(RETURN)
    lab.page.mouse.move(**place(brush, 0.5, 0.9), steps=4)  # with no button pressed
    settle(lab)
    assert lab.kernel("m = brush.mask(); print(m[19, 46], m[50:].max())") == "255 0"
    to_the_top(lab, brush)
    swipe(lab, screen, place(brush, 0.2, 0.5), place(brush, 0.5, 0.5))
    lab.page.evaluate(LEAVE)
    touch(screen, "touchEnd")
    lab.page.evaluate(RETURN)
    to_the_top(lab, brush)
    swipe(lab, screen, place(brush, 0.2, 0.8), place(brush, 0.5, 0.8))
    touch(screen, "touchEnd")
    settle(lab)
    assert lab.kernel("m = brush.mask(); print(m[47, 30], m[76, 30])") == "255 255"
    assert strokes(brush) == ["brush 16 px"] * 3 + ["clean photo"]


def test_a_stroke_without_an_answer_stands_and_can_be_undone(lab: Lab) -> None:
    lab.show(FAILING, "brush = cv.OcclusionBrush(lens, images)\nbrush")
    brush = lab.page.locator(".cv-brush").first
    expect(canvas_of(brush)).to_have_attribute("data-ready", "image 0", timeout=60_000)
    settle(lab)
    drag(lab, brush, (0.1, 0.1), (0.3, 0.1))
    answered = hidden(lab)
    start, end = place(brush, 0.3, 0.33), place(brush, 0.8, 0.33)
    lab.page.mouse.move(**start)
    lab.page.mouse.down()
    lab.page.mouse.move(**end, steps=10)
    lab.page.wait_for_function("() => document.querySelector('.cv-brush').dataset.busy === 'false'")
    assert "NaN or infinite" in lab.kernel("print(brush.problem['text'])")
    assert place(brush, 0.8, 0.33) == end  # the notice would push the photo away under the pointer
    lab.page.mouse.up()
    settle(lab)
    expect(brush.get_by_role("alert")).to_contain_text("NaN or infinite")
    assert strokes(brush) == ["brush 16 px", "brush 16 px", "clean photo"]
    assert lab.kernel("print(brush.mask()[32, 70])") == "255"
    lab.page.keyboard.press("Control+z")
    settle(lab)
    expect(brush.get_by_role("alert")).to_be_hidden()
    assert hidden(lab) == answered
    assert lab.kernel("print(brush.mask()[32, 70])") == "0"
