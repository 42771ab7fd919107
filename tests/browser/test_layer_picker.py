"""The picker in a real JupyterLab: by mouse, by keyboard, from Python, in the dark, and in a narrow cell."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

from tests.browser.lab import Lab

OPEN = """
import convviz_widgets as cv
lens = cv.Lens.load("mini", device="cpu")
images = cv.MiniBroden(count=30, seed=1)
"""
SHOW = "picker = cv.LayerPicker(lens, images, unit='conv3:5')\npicker"
LAYERS, CHANNELS, PHOTOS = "Layers of mini", "Channels", "Photos"


@pytest.fixture
def picker(lab: Lab) -> Locator:
    lab.show(OPEN, SHOW)
    root = lab.page.locator(".cv-picker")
    expect(root.locator(".cv-patch")).to_have_count(9, timeout=60_000)
    expect(root).not_to_have_attribute("data-busy", "true")
    return root


def listbox(root: Locator, name: str) -> Locator:
    return root.get_by_role("listbox", name=name, exact=True)


def chosen(lab: Lab) -> list[str]:
    return lab.kernel("picker._worker.wait(20); print(picker.unit, picker.image, sep='|')").split("|")


def shows(root: Locator, unit: str) -> None:
    expect(root.locator(f"canvas.cv-large[data-unit='{unit}']")).to_be_visible(timeout=20_000)
    expect(root).not_to_have_attribute("data-busy", "true")


def test_the_network_is_drawn_and_told(picker: Locator) -> None:
    layers = listbox(picker, LAYERS).get_by_role("option")
    expect(layers).to_have_count(18)
    expect(layers.nth(6)).to_have_attribute("aria-selected", "true")
    picker.locator("[data-name=conv5] rect").hover()
    expect(picker.locator(".cv-diagram .cv-told")).to_have_text(
        "conv5 · Conv2d (convolution) · 64 × 12 × 12 · sees 83 × 83 px, every 8 px"
    )
    expect(picker.locator(".cv-classes li")).to_have_count(5)
    assert picker.locator(".cv-classes").inner_text().count("%") == 5


def test_by_mouse(picker: Locator, lab: Lab) -> None:
    picker.locator("[data-name=conv5] rect").click()
    expect(picker.locator(".cv-maps h3")).to_have_text("conv5 · 64 channels")
    assert chosen(lab)[0].startswith("conv5:")
    picker.get_by_label("Order of the channels").select_option("index")
    listbox(picker, CHANNELS).click(position={"x": 30 + 70 * 3, "y": 30})
    shows(picker, "conv5:3")
    picker.locator(".cv-thumbnail").nth(2).click()
    expect(picker.locator(".cv-thumbnail[aria-selected=true]")).to_have_attribute("data-name", "image 2")
    assert chosen(lab) == ["conv5:3", "image 2"]
    picker.locator("canvas.cv-large").click(position={"x": 150, "y": 150})
    expect(picker.locator(".cv-neuron h3").first).to_contain_text("conv5:3@")
    picker.locator(".cv-classes button").first.click()
    expect(picker.locator(".cv-maps h3")).to_have_text("fc8 · 14 channels")
    picker.locator("[data-name=conv5] rect").click()
    expect(picker.locator(".cv-patch")).to_have_count(9, timeout=30_000)
    picker.locator(".cv-patch").first.click()
    expect(picker.locator(".cv-neuron h3").first).to_contain_text("conv5:")


def test_by_keyboard(picker: Locator, lab: Lab) -> None:
    page = lab.page
    listbox(picker, LAYERS).focus()
    for key in ("ArrowRight", "ArrowRight", "Enter"):  # relu3, conv4
        page.keyboard.press(key)
    expect(picker.locator(".cv-maps h3")).to_have_text("conv4 · 72 channels")
    picker.get_by_label("Order of the channels").select_option("index")
    channels = listbox(picker, CHANNELS)
    channels.focus()
    page.keyboard.press("Home")
    shows(picker, "conv4:0")
    page.keyboard.press("ArrowRight")
    shows(picker, "conv4:1")
    expect(channels.get_by_role("option")).to_contain_text("unit 1 of conv4: mean")
    page.keyboard.press("/")
    page.keyboard.type("71")
    page.keyboard.press("Enter")
    shows(picker, "conv4:71")
    listbox(picker, PHOTOS).focus()
    page.keyboard.press("ArrowRight")
    expect(picker.locator(".cv-thumbnail[aria-selected=true]")).to_have_attribute("data-name", "image 1")
    picker.locator("canvas.cv-large").focus()
    page.keyboard.press("ArrowUp")
    expect(picker.locator(".cv-neuron .cv-told")).to_contain_text("row 5, column 6:")
    page.keyboard.press("Enter")
    shows(picker, "conv4:71@5,6")
    page.keyboard.press("Escape")
    shows(picker, "conv4:71")
    assert lab.page.locator(".jp-Cell").count() == 2  # no key reached the notebook


def test_set_from_python(picker: Locator, lab: Lab) -> None:
    lab.kernel("picker.unit = 'relu2:11'; picker.image = 'image 4'")
    shows(picker, "relu2:11")
    expect(picker.locator(".cv-layer[aria-selected=true]")).to_have_attribute("data-name", "relu2")
    expect(picker.locator(".cv-thumbnail[aria-selected=true]")).to_have_attribute("data-name", "image 4")


def test_one_gesture_one_message_each_way_and_hovering_costs_none(picker: Locator, lab: Lab) -> None:
    lab.wait_idle()
    lab.count_messages()
    listbox(picker, CHANNELS).click(position={"x": 30 + 70, "y": 30})
    expect(picker).not_to_have_attribute("data-busy", "true")
    lab.page.wait_for_timeout(500)
    found = lab.messages()
    assert (len(found["up"]), len(found["down"])) == (1, 1), found
    large = picker.locator("canvas.cv-large")
    for x in range(20, 280, 20):
        large.hover(position={"x": x, "y": 140})
    expect(picker.locator(".cv-neuron .cv-told")).to_contain_text("row ")
    for x in range(20, 500, 40):
        listbox(picker, CHANNELS).hover(position={"x": x, "y": 40})
        picker.locator(".cv-network").hover(position={"x": x, "y": 60})
    lab.page.wait_for_timeout(300)
    assert lab.messages() == {"up": [], "down": []}


def test_upload_and_hostile_names(picker: Locator, lab: Lab) -> None:
    stream = BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (80, 120, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    name = "<img src=x onerror=window.__hacked=1>.png"
    picker.get_by_label("Choose a photo file").set_input_files(
        {"name": name, "mimeType": "image/png", "buffer": stream.getvalue()}
    )
    expect(picker.locator(".cv-thumbnail").first).to_have_attribute("data-name", name)
    expect(picker.locator(".cv-thumbnail[aria-selected=true]")).to_have_attribute("data-name", name)
    picker.get_by_label("Choose a photo file").set_input_files(
        {"name": "bad.png", "mimeType": "image/png", "buffer": b"nothing"}
    )
    expect(picker.get_by_role("alert")).to_contain_text("cannot be read as a picture")
    picker.get_by_label("Close this message").click()
    expect(picker.get_by_role("alert")).to_be_hidden()
    assert lab.page.evaluate("() => window.__hacked") is None
    lab.kernel("picker.unit = 'conv2:1'")
    shows(picker, "conv2:1")


def test_a_photo_can_be_dropped(picker: Locator) -> None:
    stream = BytesIO()
    Image.fromarray(np.full((60, 60, 3), 90, dtype=np.uint8)).save(stream, "PNG")
    picker.evaluate(
        """(node, bytes) => {
             const data = new DataTransfer();
             data.items.add(new File([new Uint8Array(bytes)], "dropped.png", {type: "image/png"}));
             node.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true})); }""",
        list(stream.getvalue()),
    )
    expect(picker.locator(".cv-thumbnail[aria-selected=true]")).to_have_attribute("data-name", "dropped.png")


def test_canvases_use_all_pixels_of_a_dense_screen(picker: Locator, lab: Lab) -> None:
    screen = {"width": 1280, "height": 1000, "deviceScaleFactor": 2, "mobile": False}
    lab.page.context.new_cdp_session(lab.page).send("Emulation.setDeviceMetricsOverride", screen)
    lab.kernel("picker.unit = 'conv3:7'")
    shows(picker, "conv3:7")
    for canvas in picker.locator("canvas").all():
        drawn, shown = canvas.evaluate("node => [node.width, node.clientWidth]")
        assert drawn == pytest.approx(2 * shown, abs=2)


def test_a_second_view_shows_the_same_at_once(picker: Locator, lab: Lab) -> None:
    lab.call("await window.jupyterapp.commands.execute('notebook:create-output-view')")
    views = lab.page.locator(".cv-picker")
    expect(views).to_have_count(2)
    expect(views.nth(1).locator("canvas.cv-large")).to_have_attribute("data-unit", "conv3:5", timeout=20_000)
    lab.kernel("picker.unit = 'conv3:9'")
    for place in (0, 1):
        shows(views.nth(place), "conv3:9")


def test_dark_and_narrow(picker: Locator, lab: Lab) -> None:
    lab.theme("JupyterLab Dark")
    ground = picker.evaluate("node => getComputedStyle(node).backgroundColor")
    assert sum(int(part) for part in ground[4:-1].split(",")[:3]) < 200
    lab.page.set_viewport_size({"width": 620, "height": 1000})
    neuron, maps = picker.locator(".cv-neuron"), picker.locator(".cv-maps")
    expect(neuron).to_be_visible()
    below, above = neuron.bounding_box(), maps.bounding_box()
    assert below is not None
    assert above is not None
    assert below["y"] >= above["y"] + above["height"]
    assert picker.evaluate("node => node.scrollWidth <= node.clientWidth + 1")


def test_many_channels_stay_few_pixels_of_work(lab: Lab) -> None:
    cells = (
        "import torch, convviz_widgets as cv\nwide = torch.nn.Conv2d(3, 512, 3, padding=1)",
        "lens = cv.Lens(torch.nn.Sequential(wide), input_size=56)",
        "picker = cv.LayerPicker(lens, [torch.rand(3, 56, 56)])\npicker",
    )
    lab.show(*cells)
    port = lab.page.locator(".cv-port[data-ready]")
    port.wait_for(timeout=30_000)
    seconds = port.evaluate(
        """async port => { const began = performance.now();
           for (let step = 0; step < 30; step += 1) {
             port.scrollTop = step * 40; await new Promise(requestAnimationFrame); }
           return (performance.now() - began) / 30 / 1000; }"""
    )
    assert port.evaluate("port => port.scrollHeight") > 2000
    canvas = port.locator("canvas").bounding_box()
    assert canvas is not None
    assert canvas["height"] < 700  # only what is in view is painted
    assert seconds < 1.0  # far above what it takes; a page that hangs is seen


def test_a_closed_widget_and_a_restarted_kernel_leave_nothing_running(picker: Locator, lab: Lab) -> None:
    lab.kernel("picker.close(); import threading, time; time.sleep(0.5); print(picker._worker.jobs)")
    assert lab.kernel("print(len(picker._worker.jobs))") == "0"
    lab.call("await window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    lab.wait_idle()


@pytest.mark.real
def test_a_real_network_on_a_real_photo(lab: Lab, real: Any) -> None:
    lab.show(
        f"import os; os.environ['TORCH_HOME'] = {str(real.torch_home)!r}\nimport convviz_widgets as cv\n"
        "lens = cv.Lens.load('squeezenet1_0', device='cpu')",
        f"picker = cv.LayerPicker(lens, cv.ImageFolder({str(real.photos[0].parent)!r})[:12], unit='features.7:5',"
        " image='n01641577_bullfrog.JPEG')\npicker",
    )
    root = lab.page.locator(".cv-picker")
    expect(root.locator(".cv-patch")).to_have_count(9, timeout=90_000)
    expect(root.locator(".cv-classes li").first).to_contain_text("bullfrog")
    expect(root.locator(".cv-network .cv-block")).to_have_count(8)
    listbox(root, "Layers of squeezenet1_0").focus()
    lab.page.keyboard.press("ArrowDown")  # opens the chosen block
    expect(root.locator("[data-name='features.7.expand3x3']")).to_be_visible()
