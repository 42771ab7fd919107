"""The inversion panel in a real JupyterLab: by mouse, by keyboard, while it runs, linked, in the dark, failing."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

from convviz_widgets.core.provenance import Provenance
from tests.browser.lab import Lab

OPEN = """
import convviz_widgets as cv
from convviz_widgets.widgets.inversion_panel import InversionPanel
lens = cv.Lens.load("mini", device="cpu")
made = cv.MiniBroden(count=6, seed=1)
images = [made[place].image for place in range(6)]
"""
LAYERS = ("relu1", "relu3", "fc8")
SHOW = f"panel = InversionPanel(lens, images, layers={list(LAYERS)}, knobs={{'steps': 6}})\npanel"
LONG = "panel.knobs = {'steps': 4000}"
PIXELS = (
    "node => Array.from(node.getContext('2d').getImageData(0, 0, node.width, node.height).data).reduce((a, b) => a + b)"
)


@pytest.fixture
def panel(lab: Lab) -> Locator:
    lab.show(OPEN, SHOW)
    root = lab.page.locator(".cv-inversion")
    is_in(root, "done")
    settle(root, lab)
    return root


def is_in(root: Locator, state: str) -> None:
    expect(root.locator(".cv-inversion-run")).to_have_attribute("data-state", state, timeout=60_000)


def settle(root: Locator, lab: Lab) -> None:
    """Until every gesture is answered and the descent has ended and is drawn."""
    expect(root).to_have_attribute("data-busy", "false", timeout=30_000)
    lab.kernel("panel.wait(30)")
    lab.page.wait_for_timeout(300)


def tile(root: Locator, layer: str) -> Locator:
    return root.locator(f".cv-film-tile[data-layer='{layer}']")


def part(root: Locator, name: str) -> Locator:
    return root.locator(f"canvas[data-part={name}]")


def button(root: Locator, name: str) -> Locator:
    return root.get_by_role("button", name=name, exact=True)


def value(lab: Lab, expression: str) -> str:
    return lab.kernel(f"print({expression})")


def looks_at(root: Locator, layer: str) -> None:
    expect(tile(root, layer)).to_have_attribute("aria-selected", "true", timeout=20_000)
    expect(root.locator(".cv-focus figcaption strong").nth(1)).to_have_text(layer)


def test_the_filmstrip_and_one_layer_enlarged(panel: Locator, lab: Lab) -> None:
    expect(panel.locator(".cv-film-tile[data-state=done]")).to_have_count(3)
    looks_at(panel, "relu3")
    sums = [tile(panel, layer).locator("canvas").evaluate(PIXELS) for layer in LAYERS]
    assert len({*sums, part(panel, "photo").evaluate(PIXELS)}) == 4
    error = float(value(lab, "panel.tiles['relu1'].pixel[0]"))
    expect(tile(panel, "relu1")).to_contain_text(f"pixel {error:.3f}")
    assert panel.locator(".cv-error-dot").count() == 3
    chart = panel.locator(".cv-errors > svg")
    assert f"relu1 {error:.3f}" in (chart.get_attribute("aria-label") or "")
    for mode, measure, words in (
        ("colour", "colour", "colour error"),
        ("answer", "losses", "answer error"),
        ("class", "chance", "probability of the photo's class"),
    ):
        panel.locator(".cv-errors").get_by_text(mode, exact=True).click()
        expect(chart).to_have_attribute(
            "aria-label", f"{words} by depth. mahendran, steps 6: {told(lab, measure)}", timeout=10_000
        )


def told(lab: Lab, measure: str) -> str:
    return value(lab, f"', '.join(f'{{name}} {{tile.{measure}[0]:.3f}}' for name, tile in panel.tiles.items())")


def test_the_difference_costs_no_message_and_is_right(panel: Locator, lab: Lab) -> None:
    lab.count_messages()
    before = part(panel, "difference").evaluate(PIXELS)
    panel.get_by_text("absolute", exact=True).click()
    expect(part(panel, "difference")).to_have_attribute("data-mode", "absolute")
    error = float(value(lab, "panel.tiles['relu3'].pixel[0]"))
    words = part(panel, "difference").locator("xpath=following-sibling::p").inner_text()
    assert float(words.split(",")[0].removeprefix("mean ")) == pytest.approx(error, abs=0.002)
    plain = part(panel, "difference").evaluate(PIXELS)
    assert plain != before
    panel.get_by_label("Strength of the difference shown").fill("30")
    lab.page.wait_for_timeout(200)
    assert part(panel, "difference").evaluate(PIXELS) != plain
    assert lab.messages() == {"up": [], "down": []}


def test_by_mouse(panel: Locator, lab: Lab) -> None:
    lab.count_messages()
    tile(panel, "fc8").click()
    looks_at(panel, "fc8")
    expect(panel).to_have_attribute("data-busy", "false", timeout=20_000)
    assert value(lab, "panel.unit").startswith("fc8:")
    assert lab.messages() == {"up": ["custom"], "down": ["update"]}
    panel.get_by_label("Add a layer").select_option("conv2")
    expect(tile(panel, "conv2")).to_have_attribute("data-state", "done", timeout=30_000)
    looks_at(panel, "conv2")
    button(panel, "Take away").click()
    expect(tile(panel, "conv2")).to_have_count(0)
    settle(panel, lab)
    assert value(lab, "panel.layers") == str(list(LAYERS))
    panel.locator(".cv-errors > svg").click(position={"x": 40, "y": 60})
    looks_at(panel, "relu1")
    panel.locator(".cv-thumbnail").nth(1).click()
    expect(panel.locator(".cv-thumbnail[aria-selected=true]")).to_have_attribute("data-name", "image 1")
    settle(panel, lab)
    assert value(lab, "panel.view['image'], panel.run['state']") == "image 1 done"


def test_by_keyboard(panel: Locator, lab: Lab) -> None:
    page = lab.page
    panel.get_by_role("listbox", name="Layers").focus()
    page.keyboard.press("ArrowRight")
    looks_at(panel, "fc8")
    page.keyboard.press("Home")
    looks_at(panel, "relu1")
    page.keyboard.press("Delete")
    expect(tile(panel, "relu1")).to_have_count(0, timeout=20_000)
    looks_at(panel, "relu3")
    menu = panel.get_by_label("Perturbation", exact=True)
    menu.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    settle(panel, lab)
    assert value(lab, "panel.perturbation") == "dropout:0.5"
    strength = panel.locator(".cv-harm [data-knob=strength] input[type=range]")
    strength.focus()
    page.keyboard.press("End")
    expect(panel.locator(".cv-harm input[type=number]")).to_have_value("0.99")
    settle(panel, lab)
    assert value(lab, "panel.perturbation") == "dropout:0.99"
    page.keyboard.press("Delete")
    settle(panel, lab)
    assert value(lab, "panel.perturbation") == "dropout:0.5"
    assert page.locator(".jp-Cell").count() == 2  # no key reached the notebook
    for name in ("Restart", "Copy as code", "PNG", "Take away"):
        button(panel, name).focus()
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Tab")
        expect(button(panel, name)).to_be_focused()
        assert button(panel, name).evaluate("node => getComputedStyle(node).outlineStyle") == "solid", name


def test_pictures_come_live_and_stop_keeps_them(panel: Locator, lab: Lab) -> None:
    lab.kernel(LONG)
    expect(panel.locator(".cv-counter")).to_contain_text("/4000", timeout=20_000)
    drawn = "() => Number(document.querySelector('.cv-strip-of-layers').dataset.drawn)"
    before = lab.page.evaluate(drawn)
    lab.page.wait_for_timeout(2500)
    assert lab.page.evaluate(drawn) - before >= 3
    expect(tile(panel, "relu1")).to_have_attribute("data-state", "running")
    tile(panel, "fc8").click()
    expect(panel).to_have_attribute("data-busy", "false", timeout=20_000)
    assert value(lab, "panel.run['state'], panel.unit.split(':')[0]") == "running fc8"  # looking about costs no run
    button(panel, "Stop").press("Enter")
    is_in(panel, "stopped")
    expect(panel.locator(".cv-focus .cv-note")).to_have_text("stopped by hand")
    expect(button(panel, "Stop")).to_be_disabled()
    expect(button(panel, "Restart")).to_be_focused()
    assert "islice(cv.invert.steps(lens, image" in value(lab, "panel.view['code']")
    lab.kernel("panel.knobs = {'steps': 4}")
    is_in(panel, "done")
    button(panel, "Restart").click()
    settle(panel, lab)
    is_in(panel, "done")


def test_a_descent_waits_and_goes_on(panel: Locator, lab: Lab) -> None:
    expect(button(panel, "Pause")).to_be_disabled()
    lab.kernel(LONG)
    expect(panel.locator(".cv-counter")).to_contain_text("/4000", timeout=20_000)
    button(panel, "Pause").click()
    is_in(panel, "paused")
    expect(panel.locator(".cv-counter")).to_contain_text("paused")
    tile(panel, "fc8").click()
    looks_at(panel, "fc8")
    expect(panel).to_have_attribute("data-busy", "false", timeout=20_000)
    step = value(lab, "panel._run.job.progress.index")
    lab.page.wait_for_timeout(500)
    assert value(lab, "panel._run.job.progress.index, panel.run['state']") == f"{step} paused"
    button(panel, "Resume").click()
    is_in(panel, "running")
    button(panel, "Stop").click()
    is_in(panel, "stopped")


def test_dragging_the_strength_leaves_no_queue(panel: Locator, lab: Lab) -> None:
    panel.get_by_label("Perturbation", exact=True).select_option("dropout")
    settle(panel, lab)
    number = int(value(lab, "panel.run['number']"))
    lab.count_messages()
    box = panel.locator(".cv-harm input[type=range]").bounding_box()
    assert box is not None
    page, y = lab.page, box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.1, y)
    page.mouse.down()
    for step in range(40):
        page.mouse.move(box["x"] + box["width"] * (0.1 + 0.02 * step), y)
    page.mouse.up()
    last = panel.locator(".cv-harm input[type=number]").input_value()
    expect(panel).to_have_attribute("data-busy", "false", timeout=30_000)
    settle(panel, lab)
    wishes = len(lab.messages()["up"])
    assert wishes < 30  # of 40 moves: while one waits for its first picture, the newest overtakes the others
    assert float(value(lab, "panel.perturbation").split(":")[1]) == pytest.approx(float(last))
    assert int(value(lab, "panel.run['number']")) <= number + wishes
    is_in(panel, "done")


def test_seeds_decoders_and_lines(panel: Locator, lab: Lab) -> None:
    panel.get_by_label("several seeds").check()
    expect(panel.locator(".cv-seeds input")).to_have_count(4, timeout=30_000)
    settle(panel, lab)
    panel.get_by_text("between seeds", exact=True).click()
    expect(part(panel, "difference")).to_have_attribute("data-mode", "seeds")
    before = part(panel, "told").evaluate(PIXELS)
    panel.get_by_role("radio", name="Seed 2").check(force=True)
    lab.page.wait_for_timeout(200)
    assert part(panel, "told").evaluate(PIXELS) != before
    panel.get_by_text("by decoder", exact=True).click()
    expect(tile(panel, "relu3")).to_have_attribute("data-state", "done", timeout=20_000)
    expect(panel.get_by_label("several seeds")).to_be_hidden()
    expect(panel.locator(".cv-legend-lines li")).to_have_text(
        ["decoder", "mahendran, steps 6, 4 seeds", "mahendran, steps 6"]
    )
    panel.get_by_label("Add a layer").select_option("conv2")
    expect(panel.locator(".cv-focus .cv-note")).to_contain_text("told by the decoder of relu2", timeout=20_000)
    button(panel, "Take away").click()
    expect(tile(panel, "conv2")).to_have_count(0, timeout=20_000)
    panel.get_by_text("by descent", exact=True).click()
    expect(panel.locator(".cv-seeds input")).to_have_count(4, timeout=20_000)  # kept: nothing is made anew
    assert value(lab, "panel.run['state']") == "idle"


def test_linked_from_python_and_errors_inside(panel: Locator, lab: Lab) -> None:
    lab.kernel("picker = cv.LayerPicker(lens, images, unit='conv3:5'); tie = cv.link(picker, panel)")
    expect(tile(panel, "conv3")).to_have_attribute("data-state", "done", timeout=30_000)
    looks_at(panel, "conv3")
    tile(panel, "relu1").click()
    settle(panel, lab)
    assert value(lab, "picker.unit == panel.unit, picker.unit.split(':')[0]") == "True relu1"
    lab.kernel("panel._receive(panel, {'kind': 'look', 'perturbation': 'melt'}, [])")
    expect(panel.get_by_role("alert")).to_contain_text("There is no perturbation 'melt'")
    lab.kernel("picker.image = 'image 2'; panel.wait(30)")
    expect(panel.get_by_role("alert")).to_be_hidden()
    expect(panel.locator(".cv-focus p").first).to_have_text("image 2")


def test_copy_as_code_and_a_file(panel: Locator, lab: Lab, tmp_path: Path) -> None:
    lab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    button(panel, "Copy as code").click()
    expect(button(panel, "Copied")).to_be_visible()
    code = lab.page.evaluate("() => navigator.clipboard.readText()")
    assert code == value(lab, "panel.view['code']")
    with lab.page.expect_download() as waited:
        button(panel, "PNG").click()
    waited.value.save_as(tmp_path / "sheet.png")
    picture: Any = Image.open(io.BytesIO((tmp_path / "sheet.png").read_bytes()))
    assert Provenance.from_json(picture.info["convviz_widgets"]).code() == code
    assert np.asarray(picture).shape[1] > 4 * 96


def test_dense_dark_and_narrow(panel: Locator, lab: Lab) -> None:
    screen = {"width": 470, "height": 1800, "deviceScaleFactor": 2, "mobile": False}
    lab.page.context.new_cdp_session(lab.page).send("Emulation.setDeviceMetricsOverride", screen)
    lab.theme("JupyterLab Dark")
    lab.page.wait_for_timeout(600)
    for canvas in panel.locator("canvas:visible").all():
        drawn, shown = canvas.evaluate("node => [node.width, node.clientWidth]")
        assert drawn == pytest.approx(2 * shown, abs=2)
    ground = panel.evaluate("node => getComputedStyle(node).backgroundColor")
    assert sum(int(each) for each in ground[4:-1].split(",")[:3]) < 200
    assert panel.evaluate("node => node.clientWidth") < 400
    assert panel.evaluate("node => node.scrollWidth <= node.clientWidth + 1")
    out = panel.evaluate(
        """root => [...root.querySelectorAll('*')].filter(node => !node.closest('.cv-strip, svg, .cv-hidden-text')
             && node.getBoundingClientRect().right > root.getBoundingClientRect().right).map(node => node.className)"""
    )
    assert out == []
