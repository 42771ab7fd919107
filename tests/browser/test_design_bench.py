"""The design bench in a real JupyterLab: sliders, families, a trained layer's mixture, keys, narrow and dark."""

import numpy as np
from playwright.sync_api import expect

from tests.browser.lab import Lab

OPEN = """
import numpy as np
import torch
from torch import nn
import convviz_widgets as cv
from convviz_widgets.nets.structured import StructuredConv2d
from convviz_widgets.widgets.design_bench import DesignBench
torch.manual_seed(0)
net = nn.Sequential(StructuredConv2d(3, 12, order=3, scale=1.0), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
lens = cv.Lens(net, input_size=32, name="a structured net", device="cpu")
"""
MIDDLE = """node => { const context = node.getContext('2d');
  return [...context.getImageData(0, 0, node.width, node.height).data]; }"""


def test_sliders_show_filters_at_once(lab: Lab) -> None:
    lab.show(OPEN, "bench = DesignBench()\nbench")
    root = lab.page.locator(".cv-design")
    tiles = root.locator(".cv-design-tiles")
    expect(tiles).to_have_attribute("data-ready", "gaussian derivatives 10 13 filters", timeout=60_000)
    order = root.get_by_role("slider", name="order")
    order.focus()
    lab.count_messages()
    lab.page.keyboard.press("Home")
    expect(tiles).to_have_attribute("data-ready", "gaussian derivatives 1 9 filters")
    assert lab.messages()["up"] == ["custom"]  # one gesture, one message
    lab.page.keyboard.press("ArrowRight")
    expect(tiles).to_have_attribute("data-ready", "gaussian derivatives 3 11 filters")
    root.get_by_role("combobox", name="Family of filters").select_option("gabor")
    expect(tiles).to_have_attribute("data-ready", "gabor 12 21 filters")
    expect(root.get_by_role("slider", name="frequency")).to_be_visible()
    first = tiles.locator("canvas").first
    drawn = np.array(first.evaluate(MIDDLE), dtype=float).reshape(first.evaluate("node => node.height"), -1, 4)[..., 0]
    lab.kernel("bench.wait(20); np.save('seen.npy', bench.bank.filters[0, 0])")
    wanted = np.load(lab.server.root / "seen.npy")
    rows = np.linspace(0.5, len(wanted) - 0.5, len(drawn)).astype(int)
    assert np.corrcoef(drawn.ravel(), wanted[np.ix_(rows, rows)].ravel())[0, 1] > 0.95
    root.get_by_text("spectra", exact=True).click()
    expect(tiles).to_have_attribute("data-ready", "gabor 12 21 spectra")
    lab.kernel("bench.knobs = {'orientations': 2}")
    expect(tiles).to_have_attribute("data-ready", "gabor 4 21 spectra")
    expect(root.locator(".cv-design-code")).to_contain_text("gabor_bank(2, 0.12")
    number = root.get_by_role("spinbutton", name="bandwidth, as a number")
    number.fill("99")
    number.press("Enter")
    expect(root.get_by_role("alert")).to_contain_text("Accepted")
    expect(tiles).to_have_attribute("data-ready", "gabor 4 21 spectra")  # what was there stays


def test_a_trained_layers_mixture(lab: Lab) -> None:
    lab.show(OPEN, "bench = DesignBench(lens)\nbench")
    root = lab.page.locator(".cv-design")
    sum_ = root.locator(".cv-design-sum canvas")
    expect(sum_).to_have_attribute("data-ready", "0:0 10", timeout=60_000)
    expect(root.get_by_role("radiogroup", name="Filters of the layer").get_by_role("radio")).to_have_count(12)
    root.get_by_role("radio", name="0:0", exact=True).focus()
    lab.page.keyboard.press("ArrowRight")
    expect(sum_).to_have_attribute("data-ready", "0:1 10")
    assert lab.kernel("print(bench.unit)") == "0:1"
    lab.kernel("bench.unit = '0:5'")
    expect(sum_).to_have_attribute("data-ready", "0:5 10")
    expect(root.get_by_role("radio", name="0:5", exact=True)).to_be_checked()
    expect(root.locator(".cv-design-bars tr")).to_have_count(10)
    root.get_by_role("button", name="Copy as code").click()
    expect(root.get_by_role("button", name="Copied")).to_be_visible()
    lab.theme("JupyterLab Dark")
    lab.page.set_viewport_size({"width": 466, "height": 1200})
    lab.page.wait_for_timeout(300)
    assert root.evaluate("node => node.scrollWidth <= node.clientWidth + 1")
    root.get_by_role("combobox", name="Family of filters").select_option("turned copies")
    expect(root.locator(".cv-design-tiles")).to_have_attribute("data-ready", "turned copies 8 9 filters")
    expect(root.locator(".cv-design-mixture")).to_be_hidden()
    lab.theme("JupyterLab Light")
