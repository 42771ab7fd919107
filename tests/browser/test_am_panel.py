"""The activation maximization panel in a real JupyterLab: by mouse, by keyboard, while it runs, and when it fails."""

import io
import re
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
from convviz_widgets.widgets.am_panel import ActivationMaximizationPanel
lens = cv.Lens.load("mini", device="cpu")
images = cv.MiniBroden(count=30, seed=1)
"""
SHOW = "panel = ActivationMaximizationPanel(lens, 'conv4:5', images=images, recipe='simonyan', steps=30)\npanel"
LONG = "panel.knobs = {'steps': 1500}"
TYPED = "Unit, several units, or an objective"


@pytest.fixture
def panel(lab: Lab) -> Locator:
    lab.show(OPEN, SHOW)
    root = lab.page.locator(".cv-am")
    is_in(root, "done")
    return root


def is_in(root: Locator, state: str) -> None:
    expect(root.locator(".cv-made")).to_have_attribute("data-state", state, timeout=60_000)


def runs(root: Locator, lab: Lab) -> None:
    """A run that would take long is under way and seen."""
    lab.kernel(LONG)
    is_in(root, "running")
    expect(root.locator(".cv-counter")).to_contain_text("/1500", timeout=20_000)


def value(lab: Lab, expression: str) -> str:
    return lab.kernel(f"print({expression})")


def button(root: Locator, name: str) -> Locator:
    return root.get_by_role("button", name=name, exact=True)


def slider(root: Locator, knob: str) -> Locator:
    return root.locator(f"[data-knob={knob}] input[type=range]")


def test_it_shows_the_picture_the_trace_and_the_best_photo(panel: Locator, lab: Lab) -> None:
    expect(panel.locator(".cv-tile canvas")).to_have_count(1)
    assert panel.locator(".cv-tile canvas").evaluate("node => node.width") == 96
    expect(panel.locator(".cv-photo img")).to_be_visible(timeout=30_000)
    expect(panel.locator(".cv-ratio")).to_contain_text("× the best of 30 photos")
    assert (panel.locator(".cv-line").get_attribute("d") or "").count("L") > 20
    expect(panel.locator(".cv-made [role=status]")).to_have_text("done: conv4:5 after 30 steps")
    reached = float(panel.locator(".cv-own + .cv-numbers").inner_text())
    assert reached == pytest.approx(float(value(lab, "panel.result.activation")), rel=0.01)


def test_a_unit_and_a_recipe_by_mouse(panel: Locator, lab: Lab) -> None:
    panel.get_by_label("Layer", exact=True).select_option("conv2")
    expect(panel.locator(".cv-name").first).to_have_text("conv2:5", timeout=20_000)
    panel.get_by_label("Recipe", exact=True).select_option("erhan")
    is_in(panel, "done")
    assert value(lab, "panel.wait(20) and panel.unit, panel.recipe, panel.knobs") == "conv2:5 erhan {'steps': 30}"
    expect(panel.locator(".cv-summary")).to_contain_text("Erhan")


def test_a_unit_and_a_recipe_by_keyboard(panel: Locator, lab: Lab) -> None:
    page = lab.page
    panel.get_by_label("Channel", exact=True).focus()
    page.keyboard.press("ArrowUp")
    expect(panel.locator(".cv-name").first).to_have_text("conv4:6", timeout=20_000)
    page.keyboard.press("Tab")
    expect(panel.get_by_label(TYPED)).to_be_focused()
    page.keyboard.press("Control+A")
    page.keyboard.type("conv3:2@4,4")
    page.keyboard.press("Enter")
    expect(panel.locator(".cv-name").first).to_have_text("conv3:2@4,4", timeout=20_000)
    panel.get_by_label("Recipe", exact=True).focus()
    page.keyboard.press("ArrowUp")
    is_in(panel, "done")
    assert value(lab, "panel.wait(20) and panel.unit, panel.recipe") != "conv3:2@4,4 simonyan"
    knob = slider(panel, "step_size")
    knob.focus()
    before = knob.input_value()
    page.keyboard.press("ArrowRight")
    expect(panel.locator("[data-knob=step_size]")).to_have_attribute("data-turned", "true")
    is_in(panel, "done")
    page.keyboard.press("Delete")
    expect(panel.locator("[data-knob=step_size]")).to_have_attribute("data-turned", "false")
    expect(knob).to_have_value(before)
    assert value(lab, "panel.wait(20) and panel.knobs") == "{'steps': 30}"
    assert page.locator(".jp-Cell").count() == 2  # no key reached the notebook
    for name in ("Pin", "Copy as code", "PNG", "GIF", "APNG", "Continue", "Restart"):
        button(panel, name).focus()
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Tab")
        expect(button(panel, name)).to_be_focused()
        assert button(panel, name).evaluate("node => getComputedStyle(node).outlineStyle") == "solid", name


SLOW = """
import time
begin = panel._runs.begin
def slow(*given, **named):
    time.sleep(0.5)
    return begin(*given, **named)
panel._runs.begin = slow
"""


def test_dragging_a_slider_while_it_runs_leaves_no_queue(panel: Locator, lab: Lab) -> None:
    runs(panel, lab)
    first = int(value(lab, "panel.run['number']"))
    lab.count_messages()
    lab.kernel(SLOW)
    box = slider(panel, "step_size").bounding_box()
    assert box is not None
    page, y = lab.page, box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.3, y)
    page.mouse.down()
    for step in range(30):
        page.mouse.move(box["x"] + box["width"] * (0.3 + 0.01 * step), y)
    page.mouse.up()
    last = slider(panel, "step_size").evaluate("node => node.nextSibling.value")
    lab.page.wait_for_function("() => document.querySelector('.cv-am').dataset.busy === 'false'", timeout=20_000)
    wishes = len(lab.messages()["up"])
    assert wishes < 16  # of 30 moves and the press: while one waits for its answer, the newest overtakes the others
    assert float(value(lab, "panel.knobs['step_size']")) == pytest.approx(float(last))
    assert int(value(lab, "panel.run['number']")) == first + wishes
    assert int(value(lab, "sum(job.key is not None and job.key[1] == 'run' for job in panel._runs.worker.jobs)")) == 1
    is_in(panel, "running")
    assert int(value(lab, "panel.view['steps']")) > 30  # went on from the picture of the run before
    button(panel, "Stop").click()
    is_in(panel, "stopped")


def test_the_slider_reads_what_python_sets_and_a_double_click_resets(panel: Locator, lab: Lab) -> None:
    lab.kernel("panel.knobs = {'steps': 20, 'l2': 0.01}")
    expect(panel.locator("[data-knob=l2] input[type=number]")).to_have_value("0.01", timeout=20_000)
    is_in(panel, "done")
    slider(panel, "steps").dblclick()
    expect(panel.locator("[data-knob=steps]")).to_have_attribute("data-turned", "false", timeout=20_000)
    assert "steps" not in value(lab, "panel.knobs")
    number = panel.locator("[data-knob=steps] input[type=number]")
    number.fill("12")
    number.press("Enter")
    expect(panel.locator("[data-knob=steps]")).to_have_attribute("data-turned", "true")
    is_in(panel, "done")
    assert value(lab, "panel.wait(30) and panel.knobs['steps']") == "12"
    panel.locator("[data-knob=steps]").get_by_role("button").click()
    expect(panel.locator("[data-knob=steps]")).to_have_attribute("data-turned", "false", timeout=20_000)


def test_pause_resume_stop_and_restart(panel: Locator, lab: Lab) -> None:
    runs(panel, lab)
    button(panel, "Pause").click()
    is_in(panel, "paused")
    lab.page.wait_for_timeout(200)
    held = panel.locator(".cv-counter").inner_text()
    lab.page.wait_for_timeout(400)
    assert panel.locator(".cv-counter").inner_text() == held
    expect(button(panel, "Resume")).to_be_focused()
    lab.page.keyboard.press("Enter")
    is_in(panel, "running")
    expect(panel.locator(".cv-counter")).not_to_have_text(held)
    button(panel, "Stop").press("Enter")
    is_in(panel, "stopped")
    expect(panel.locator(".cv-note")).to_have_text("stopped by hand")
    expect(button(panel, "Stop")).to_be_disabled()
    expect(button(panel, "Continue")).to_be_focused()
    steps = int(value(lab, "panel.view['steps']"))
    button(panel, "Continue").click()
    is_in(panel, "running")
    lab.page.wait_for_function(f"() => Number(document.querySelector('.cv-pictures').dataset.steps) > {steps}")
    button(panel, "Restart").click()
    is_in(panel, "running")
    lab.page.wait_for_function(f"() => Number(document.querySelector('.cv-pictures').dataset.steps) < {steps}")


def test_previews_are_live_and_the_kernel_answers_meanwhile(panel: Locator, lab: Lab) -> None:
    runs(panel, lab)
    drawn = "() => Number(document.querySelector('.cv-pictures').dataset.drawn)"
    before = lab.page.evaluate(drawn)
    lab.page.wait_for_timeout(2000)
    assert lab.page.evaluate(drawn) - before >= 10  # five a second
    began = lab.page.evaluate("() => performance.now()")
    assert value(lab, "6 * 7") == "42"
    assert lab.page.evaluate("() => performance.now()") - began < 2000
    is_in(panel, "running")


def test_several_units_side_by_side(panel: Locator, lab: Lab) -> None:
    typed = panel.get_by_label(TYPED)
    typed.fill("conv4:1-3, conv2:7")
    typed.press("Enter")
    expect(panel.locator(".cv-tile")).to_have_count(4, timeout=20_000)
    expect(panel.locator(".cv-name")).to_have_text(["conv4:1", "conv4:2", "conv4:3", "conv2:7"])
    is_in(panel, "done")
    expect(panel.locator(".cv-photo img:visible")).to_have_count(4, timeout=30_000)
    assert value(lab, "panel.unit, panel.result.images.shape") == "conv4:1 (4, 96, 96, 3)"
    button(panel, "Pin").click()
    expect(panel.locator(".cv-pin img")).to_have_count(4)


def test_pins_are_compared_and_let_go(panel: Locator, lab: Lab) -> None:
    button(panel, "Pin").click()
    panel.get_by_label("Recipe", exact=True).select_option("erhan")
    expect(panel.locator(".cv-summary")).to_contain_text("Erhan")
    is_in(panel, "done")
    lab.kernel("panel.wait(30)")
    button(panel, "Pin").click()
    pins = panel.locator(".cv-pin")
    expect(pins).to_have_count(2)
    expect(pins.nth(0)).to_contain_text("simonyan")
    expect(pins.nth(1)).to_contain_text("erhan")
    expect(pins.nth(0)).to_contain_text("activation ")
    pins.nth(0).get_by_role("button", name="Use these settings again").click()
    expect(panel.get_by_label("Recipe", exact=True)).to_have_value("simonyan")
    pins.nth(0).get_by_role("button", name="Unpin").click()
    expect(pins).to_have_count(1)
    expect(pins).to_contain_text("erhan")
    expect(button(panel, "Pin")).to_be_focused()


def test_the_copied_code_makes_the_picture_again(panel: Locator, lab: Lab) -> None:
    lab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    button(panel, "Copy as code").click()
    expect(panel.locator(".cv-kept [role=status]")).to_have_text("Code copied")
    code = lab.page.evaluate("() => navigator.clipboard.readText()")
    assert code == panel.locator(".cv-code").inner_text()
    assert code.startswith("cv.activation_maximization(lens, 'conv4:5', recipe='simonyan'")
    make = code.removeprefix("cv.")
    lab.kernel(
        "from convviz_widgets.methods.activation_maximization.activation_maximization import activation_maximization\n"
        f"again = {make}\nassert (again.images == panel.result.images).all()"
    )


def test_picture_and_film_are_handed_over_with_their_provenance(panel: Locator, lab: Lab, tmp_path: Path) -> None:
    for name, ending in (("PNG", "png"), ("GIF", "gif"), ("APNG", "apng")):
        with lab.page.expect_download() as download:
            button(panel, name).click()
        assert download.value.suggested_filename == f"conv4-5_simonyan.{ending}"
        download.value.save_as(tmp_path / ending)
    opened: dict[str, Any] = {
        name: Image.open(io.BytesIO((tmp_path / name).read_bytes())) for name in ("png", "gif", "apng")
    }
    assert opened["png"].size == (96, 96)
    assert Provenance.from_json(opened["png"].text["convviz_widgets"]).settings["recipe"] == "simonyan"
    assert opened["gif"].n_frames > 5
    assert opened["apng"].n_frames > 5
    assert min(opened["apng"].size) >= 256


def test_errors_are_shown_with_the_way_out_and_leave_it_usable(panel: Locator, lab: Lab) -> None:
    typed, alert = panel.get_by_label(TYPED), panel.get_by_role("alert")
    for _ in range(2):  # the same error again is shown again
        typed.fill("conv9:1")
        typed.press("Enter")
        expect(alert).to_contain_text("There is no layer 'conv9'. Nearest: 'conv")
        panel.get_by_label("Close this message").click()
        expect(alert).to_be_hidden()
    typed.fill("conv4:700")
    typed.press("Enter")
    expect(alert).to_contain_text("Accepted: 0 to 71")
    typed.fill("conv4:7")
    typed.press("Enter")
    expect(panel.locator(".cv-name").first).to_have_text("conv4:7", timeout=20_000)
    expect(alert).to_be_hidden()
    is_in(panel, "done")


def test_linked_to_a_picker(lab: Lab) -> None:
    made = SHOW.removesuffix("panel") + "picker = cv.LayerPicker(lens, images, unit='conv3:5')"
    lab.show(OPEN, made, "tie = cv.link(picker, panel)\nimport ipywidgets\nipywidgets.VBox([picker, panel])")
    panel, picker = lab.page.locator(".cv-am"), lab.page.locator(".cv-picker")
    expect(panel.locator(".cv-name").first).to_have_text("conv3:5", timeout=60_000)
    expect(picker.locator(".cv-maps h3")).to_have_text("conv3 · 72 channels", timeout=30_000)
    picker.get_by_label("Order of the channels").select_option("index")
    picker.get_by_role("listbox", name="Channels", exact=True).click(position={"x": 30 + 70 * 3, "y": 30})
    expect(panel.locator(".cv-name").first).to_have_text("conv3:3", timeout=30_000)
    expect(panel.get_by_label("Channel", exact=True)).to_have_value("3")
    panel.get_by_label("Layer", exact=True).select_option("conv5")
    expect(picker.locator(".cv-maps h3")).to_have_text("conv5 · 64 channels", timeout=30_000)


def test_classes_are_called_by_their_names(panel: Locator, lab: Lab) -> None:
    name = value(lab, "lens.class_names[3]")
    lab.kernel(f'panel.objective = "ClassScore({name!r}), fc8:3"')
    expect(panel.locator(".cv-name")).to_have_text([f"score of {name}", f"fc8:3 · {name}"], timeout=20_000)
    expect(panel.locator(".cv-pick")).to_contain_text(name)


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_text_is_readable_in_both_themes(panel: Locator, lab: Lab, theme: str) -> None:
    lab.theme(theme)
    for selector in (".cv-strong", ".cv-counter", ".cv-summary", ".cv-ratio", ".cv-code", ".cv-main span"):
        assert contrast(panel.locator(selector).first) >= 4.5, selector


def contrast(node: Locator) -> float:
    """The contrast of a text with its ground, by WCAG 2."""
    texts = node.evaluate(
        """node => { let ground = node;
           while (ground && getComputedStyle(ground).backgroundColor.endsWith(', 0)')) ground = ground.parentElement;
           return [getComputedStyle(node).color, getComputedStyle(ground).backgroundColor]; }"""
    )

    def light(text: str) -> float:
        parts = np.array([float(each) for each in re.findall(r"[\d.]+", text)[:3]]) / 255
        linear = np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.2126, 0.7152, 0.0722))

    high, low = sorted(map(light, texts), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_a_narrow_cell_wraps_and_nothing_is_cut_off(panel: Locator, lab: Lab) -> None:
    lab.page.set_viewport_size({"width": 520, "height": 1400})
    expect(panel.locator(".cv-recipe")).to_be_visible()
    made, recipe = panel.locator(".cv-made").bounding_box(), panel.locator(".cv-recipe").bounding_box()
    assert made is not None
    assert recipe is not None
    assert recipe["y"] >= made["y"] + made["height"]
    assert panel.evaluate("node => node.scrollWidth <= node.clientWidth + 1")
    assert panel.evaluate("node => node.clientWidth") < 440


def test_every_control_has_a_name(panel: Locator) -> None:
    nameless: Any = panel.evaluate(
        """root => [...root.querySelectorAll('button, input, select, canvas, img, [role=img], [role=toolbar]')]
             .filter(node => !(node.getAttribute('aria-label') || node.textContent.trim() || node.getAttribute('alt')
                               || node.labels?.length || node.closest('[hidden]') || node.alt === ''))
             .map(node => node.outerHTML.slice(0, 90))"""
    )
    assert nameless == []


@pytest.mark.real
def test_a_real_network(lab: Lab, real: Any) -> None:
    lab.show(
        f"import os; os.environ['TORCH_HOME'] = {str(real.torch_home)!r}\nimport convviz_widgets as cv\n"
        "from convviz_widgets.widgets.am_panel import ActivationMaximizationPanel\n"
        "lens = cv.Lens.load('squeezenet1_0', device='cpu')",
        f"photos = cv.ImageFolder({str(real.photos[0].parent)!r})[:8]\n"
        "panel = ActivationMaximizationPanel(lens, 'features.4:11', images=photos, steps=1000)\npanel",
    )
    root = lab.page.locator(".cv-am")
    expect(root.locator(".cv-counter")).to_contain_text("/1000", timeout=60_000)
    button(root, "Stop").click()
    is_in(root, "stopped")
    expect(root.locator(".cv-ratio")).to_contain_text("× the best of 8 photos", timeout=120_000)
    expect(root.locator(".cv-photo img")).to_be_visible()
    assert float(value(lab, "panel.result.activation")) > 0
    assert root.locator(".cv-tile canvas").evaluate("node => node.width") == 224


def test_a_closed_panel_leaves_nothing_running(panel: Locator, lab: Lab) -> None:
    runs(panel, lab)
    lab.kernel("worker = panel._runs.worker\npanel.close()\nassert worker.wait(10)\nassert worker.jobs == ()")
