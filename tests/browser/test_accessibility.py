"""Every widget against axe-core's rules (WCAG 2.2 A and AA), in JupyterLab's light and dark themes."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.lab import Lab

OPEN = """
import convviz_widgets as cv
lens = cv.Lens.load("mini", device="cpu")
made = cv.MiniBroden(count=12, seed=1)
photo = made[0].image
"""
WIDGETS = {
    "LayerPicker": "cv.LayerPicker(lens, made)",
    "ActivationMaximizationPanel": "cv.ActivationMaximizationPanel(lens, 'relu3:4')",
    "ProjectionViewer": "cv.ProjectionViewer(lens, made, unit='relu3:4')",
    "SaliencyViewer": "cv.SaliencyViewer(lens, made)",
    "OcclusionBrush": "cv.OcclusionBrush(lens, photo)",
    "SequenceViewer": "cv.SequenceViewer(cv.minimal_image(lens, photo, segments=12))",
    "InversionPanel": "cv.InversionPanel(lens, photo)",
    "ConceptBrowser": "cv.ConceptBrowser(lens, cv.dissect(lens, made, ['relu5'], progress=False), made)",
    "EvolutionViewer": "cv.EvolutionViewer(cv.evolution('mini'))",
    "InvarianceViewer": "cv.InvarianceViewer(lens, made)",
    "DesignBench": "cv.DesignBench()",
    "explore": "cv.explore(lens, made, panels=('picker', 'brush'))",
}
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
GRAVE = ("serious", "critical")


def violations(lab: Lab) -> list[str]:
    """What axe-core holds to be serious within the widget, a line each."""
    seen = Axe().run(lab.page, context=".jp-OutputArea-output", options=RULES).response
    found: list[dict[str, Any]] = seen["violations"]
    return [
        f"{each['id']}: {node['html'][:200]} ({node.get('failureSummary', '')[:300]})"
        for each in found
        if each["impact"] in GRAVE
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("name", WIDGETS)
def test_no_serious_violation_in_the_light_or_in_the_dark(lab: Lab, name: str) -> None:
    lab.show(OPEN, f"widget = {WIDGETS[name]}\nwidget")
    root = lab.page.locator(".jp-OutputArea-output .cv").first
    expect(root).to_be_visible(timeout=60_000)
    lab.wait_idle()
    assert violations(lab) == []
    lab.theme("JupyterLab Dark")
    try:
        assert violations(lab) == []
    finally:
        lab.theme("JupyterLab Light")


def test_the_rules_see_a_field_without_a_name(lab: Lab) -> None:
    lab.show("from IPython.display import HTML\nHTML('<input>')")
    assert any(each.startswith("label") for each in violations(lab))
