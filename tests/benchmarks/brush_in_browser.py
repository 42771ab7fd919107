"""How long a stroke of the occlusion brush takes in JupyterLab, from the message up to the bars drawn anew.

Run as ``python -m tests.benchmarks.brush_in_browser [one-core] [NETWORK ...]``; it prints figures and never fails on
time. With ``one-core`` the server and its kernels share one core, as on Binder, and the browser has the others.
"""

import contextlib
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from tests.benchmarks.one_core import on_one_core
from tests.browser.jupyter import JupyterServer
from tests.browser.lab import Lab
from tests.chromium import ARGUMENTS, WAY_OUT, find

NETWORKS = ("mini", "squeezenet1_0")
OPEN = """
import numpy as np, convviz_widgets as cv
lens = cv.Lens.load({name!r}, device="cpu"{weights})
side = lens.input_shape[-1]
noise = np.random.default_rng(0).integers(0, 256, (2, side // 8, side // 8, 3), dtype=np.uint8)
images = list(noise.repeat(8, 1).repeat(8, 2))
"""
SHOW = "brush = cv.OcclusionBrush(lens, images)\nbrush"
WATCH = """() => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const status = document.querySelector('.cv-brush .cv-status');
  const found = window.__latency = {bars: [], bytes: [], wire: [], drawn: []};
  let sent = 0, began = 0;
  kernel.anyMessage.connect((_, {msg, direction}) => {
    if (msg.header.msg_type !== 'comm_msg') return;
    const now = performance.now();
    if (direction === 'send') { sent = now; return; }
    if (msg.content.data?.method !== 'update') return;
    began = sent; // the next message may go up before the bars are drawn
    found.wire.push(now - began);
    const bytes = (msg.buffers ?? []).reduce((sum, each) => sum + each.byteLength, 0);
    found.bytes.push(bytes + JSON.stringify(msg.content).length);
    const mine = began;
    requestAnimationFrame(() => found.drawn.push(performance.now() - mine));
  });
  const changed = new MutationObserver(() => found.bars.push(performance.now() - began));
  changed.observe(status, {childList: true, characterData: true, subtree: true});
}"""


def main(names: tuple[str, ...], *, one_core: bool = False) -> None:
    """Prints a line per network."""
    path = find()
    if path is None:
        raise SystemExit(WAY_OUT)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = JupyterServer(Path(folder))
        with on_one_core() if one_core else contextlib.nullcontext():
            server.start()
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            for name in names:
                page = browser.new_context(viewport={"width": 1280, "height": 1000}).new_page()
                print(line(name, measured(Lab(page, server), name)))  # noqa: T201 -- what it is for
                server.end_kernels()
                page.close()
        finally:
            browser.close()
            server.stop()


def measured(lab: Lab, name: str) -> dict[str, Any]:
    """Milliseconds in the kernel, from message to answer, to bars changed and to the next frame; bytes of answers."""
    weights = "" if name.startswith("mini") else ", weights=None"
    lab.show(OPEN.format(name=name, weights=weights), SHOW)
    lab.page.wait_for_selector(".cv-paint canvas[data-ready]", timeout=120_000)
    lab.page.wait_for_function("() => document.querySelector('.cv-brush').dataset.busy === 'false'")
    paint(lab.page, 2)
    lab.page.evaluate(WATCH)
    lab.kernel("times = []; brush.observe(lambda change: times.append(change.new['ms']), 'view')")
    paint(lab.page, 12)
    lab.page.wait_for_timeout(1500)
    found: dict[str, Any] = lab.page.evaluate("() => window.__latency")
    found["kernel"] = [float(each) for each in lab.kernel("print(*times)").split()]
    return found


def paint(page: Page, strokes: int) -> None:
    """Strokes across the photo, a move of the pointer every 15 ms."""
    box = page.locator(".cv-paint canvas").bounding_box() or {"x": 0.0, "y": 0.0, "width": 1.0, "height": 1.0}
    for stroke in range(strokes):
        page.get_by_role("button", name="Clear", exact=True).click()
        page.wait_for_timeout(200)
        row = box["y"] + box["height"] * (0.1 + 0.8 * ((stroke * 7) % 10) / 10)
        page.mouse.move(box["x"] + 0.2 * box["width"], row)
        page.mouse.down()
        for step in range(20):
            page.mouse.move(box["x"] + (0.2 + 0.025 * step) * box["width"], row + 3 * step)
            page.wait_for_timeout(15)
        page.mouse.up()
        page.wait_for_timeout(200)


def line(name: str, found: dict[str, Any]) -> str:
    """Median and 95th percentile of each."""

    def told(values: list[float]) -> str:
        return f"{statistics.median(values):.0f}/{statistics.quantiles(values, n=20)[-1]:.0f}"

    parts = [f"{key} {told(found[key])} ms" for key in ("kernel", "wire", "bars", "drawn")]
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    size = statistics.median(found["bytes"])
    return f"{name}: {', '.join(parts)}; {size:.0f} bytes, n = {len(found['bars'])}; load {load}"


if __name__ == "__main__":
    asked = tuple(name for name in sys.argv[1:] if name != "one-core")
    main(asked or NETWORKS, one_core="one-core" in sys.argv[1:])
