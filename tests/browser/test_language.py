"""Widgets in Chinese in a real JupyterLab: by setting, by the browser's language, switched while they are open."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from convviz_widgets.core import words
from tests.browser.lab import Lab

OPEN = """
import convviz_widgets as cv
from convviz_widgets.widgets.explore import explore
lens = cv.Lens.load("mini", device="cpu")
images = cv.MiniBroden(count=4, seed=1)
"""
PICKER = "picker = cv.LayerPicker(lens, images, unit='conv3:4')\npicker"
SLOW = 60_000
# What stays as it is: names of layers, types, classes and pictures, which are data.
DATA = (
    r"^(relu|conv|pool|fc)\d|\b(Conv2d|ReLU|MaxPool2d|Linear|image \d|mini|px|Delete|Enter|PNG|Ctrl|Alt|Shift|Space)\b"
)
SAID = """root => { const found = new Set();
  for (const node of root.querySelectorAll('*')) {
    for (const each of node.childNodes) if (each.nodeType === Node.TEXT_NODE) found.add(each.textContent.trim());
    for (const name of ['aria-label', 'title', 'placeholder', 'alt', 'aria-valuetext', 'aria-roledescription'])
      found.add(node.getAttribute(name) ?? ''); }
  return [...found]; }"""


@pytest.fixture
def browser_context_args(request: pytest.FixtureRequest, browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_context_args, "locale": getattr(request, "param", "en-US")}


SAYS = """language => { spoken = language; return [
  word("{count} detectors", {count: 1}), word("{count} detectors", {count: 2}), word("map (saliency)"),
  heard("brush 16 px"), heard("searching 300 pictures for what excites conv3 most: 5"), heard("stopped by hand"),
  heard("dog.jpg"), heard("constructor"), heard(undefined)]; }"""


@pytest.fixture
def spoken(page: Page) -> Page:
    """A page with the whole table and the functions that read it, without a notebook."""
    every = " ".join(json.dumps(text, ensure_ascii=False) for rows in words.table().values() for text in rows)
    functions = Path(words.__file__).parents[1] / "widgets" / "_words.js"
    held = json.dumps(words.needed_by(every))
    page.add_script_tag(content=f"const WORDS = {held};\n{functions.read_text(encoding='utf-8')}")
    return page


def test_number_forms_meanings_and_what_python_says(spoken: Page) -> None:
    looking = "searching 300 pictures for what excites conv3 most: 5"
    same = ["dog.jpg", "constructor", ""]  # data
    assert spoken.evaluate(SAYS, "en") == [
        *("1 detector", "2 detectors", "map", "brush 16 px", looking, "stopped by hand"),
        *same,
    ]
    assert spoken.evaluate(SAYS, "zh") == [
        *("1 个检测器", "2 个检测器", "显著图", "画笔 16 px"),
        *("正在 300 张图片中搜索最能激活 conv3 的图块：5", "已手动停止"),
        *same,
    ]


@pytest.mark.parametrize("browser_context_args", ["zh-TW"], indirect=True)
def test_the_setting_comes_first_then_the_page_then_the_reader(spoken: Page) -> None:
    choose = "([set, page]) => { document.documentElement.lang = page; return language_of(set); }"
    assert spoken.evaluate(choose, ["en", "zh-CN"]) == "en"
    assert spoken.evaluate(choose, ["auto", "en"]) == "zh"  # English is what a page says when nothing was chosen
    assert spoken.evaluate(choose, ["auto", "de-DE"]) == "zh"
    spoken.evaluate("Object.defineProperty(navigator, 'languages', {value: ['fr-FR', 'en-GB', 'zh']})")
    assert spoken.evaluate(choose, ["auto", ""]) == "en"
    assert spoken.evaluate(choose, ["auto", "zh-CN"]) == "zh"


def english_in(root: Locator, classes: str) -> list[str]:
    """What is said in English words: two of them in a row, or one that is no name."""
    said = [re.sub(classes, "", re.sub(DATA, "", text)) for text in root.evaluate(SAID)]
    return [text for text in said if re.search(r"[A-Za-z]{3,} [A-Za-z]{3,}|^[A-Z][a-z]{3,}$", text)]


@pytest.mark.parametrize("browser_context_args", ["zh-CN"], indirect=True)
def test_the_browsers_language_decides_and_keys_and_names_work(lab: Lab) -> None:
    lab.show(OPEN, PICKER)
    picker = lab.page.locator(".cv-picker")
    expect(picker).to_have_attribute("aria-label", "mini 的层选择器")
    expect(picker.locator(".cv-maps h3")).to_have_text("conv3 · 72 个通道", timeout=SLOW)
    expect(picker.locator("xpath=..")).to_have_attribute("lang", "zh-Hans")
    picker.get_by_role("listbox", name="mini 的层").focus()
    lab.page.keyboard.press("ArrowRight")
    lab.page.keyboard.press("Enter")
    expect(picker.locator(".cv-maps h3")).to_have_text("relu3 · 72 个通道")
    picker.get_by_label("通道的顺序").select_option(label="按编号")
    picker.get_by_role("listbox", name="通道", exact=True).focus()
    lab.page.keyboard.press("Home")
    expect(picker.get_by_role("option", name=re.compile("^relu3 的单元 0"))).to_have_count(1, timeout=SLOW)
    assert lab.kernel("print(picker.language, picker.unit)") == "auto relu3:0"
    classes = "|".join(lab.kernel("print(*lens.class_names)").split())
    assert english_in(picker, classes) == []


def test_a_setting_counts_more_than_the_browser_and_redraws_what_is_open(lab: Lab) -> None:
    panels = "explorer = explore(lens, images, unit='relu3:5', panels=['brush'])\nexplorer"
    lab.show(OPEN, panels)
    root = lab.page.locator(".cv-explore")
    expect(root.get_by_role("button", name="Layers and units")).to_be_visible()
    expect(root.locator(".cv-brush").get_by_role("button", name="Clear")).to_be_visible(timeout=SLOW)
    lab.kernel("cv.language('zh')")
    expect(root.get_by_role("button", name="层与单元")).to_be_visible()
    brush = root.locator(".cv-brush")
    expect(brush).to_have_attribute("aria-label", "mini 上的遮挡画笔", timeout=SLOW)
    canvas = brush.get_by_role("application", name="可涂画的照片")
    expect(canvas).to_have_attribute("data-ready", "image 0", timeout=SLOW)
    canvas.focus()
    lab.page.keyboard.press("Space")
    expect(brush.locator(".cv-strokes li")).to_have_text([re.compile("画笔 16 px"), re.compile("原照片")], timeout=SLOW)
    classes = "|".join(lab.kernel("print(*lens.class_names)").split())
    assert english_in(brush, classes) == []
    lab.kernel("explorer.brush.language = 'en'")
    expect(brush.locator(".cv-strokes li")).to_have_text([re.compile("brush 16 px"), re.compile("clean photo")])
    expect(root.get_by_role("button", name="层与单元")).to_be_visible()  # one widget's language is its own
    lab.kernel("cv.language('auto')")
    expect(root.get_by_role("button", name="Layers and units")).to_be_visible()
