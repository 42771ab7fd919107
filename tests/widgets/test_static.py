"""What is left of a widget when no kernel runs: a saved notebook and an exported page."""

import base64
import re
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import nbformat
from PIL import Image

MAKE = """
import numpy as np, torch, convviz_widgets as cv
net = torch.nn.Sequential(torch.nn.Conv2d(3, 6, 3), torch.nn.ReLU())
pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
"""
SHOW = "cv.LayerPicker(cv.Lens(net, input_size=32), list(pixels))"
PRIORITY = '["image/png", "text/html", "text/plain"]'


def convert(notebook: Path, *options: str) -> None:
    command = [sys.executable, "-m", "nbconvert", "--execute", *options, str(notebook)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_saved_notebook_and_an_exported_page_show_the_still_picture(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in (MAKE, SHOW)])
    nbformat.write(notebook, tmp_path / "saved.ipynb")
    convert(tmp_path / "saved.ipynb", "--to", "notebook", "--inplace")
    saved = nbformat.read(tmp_path / "saved.ipynb", as_version=4)
    data = saved.cells[1].outputs[0].data
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["text/plain"] == "LayerPicker(Sequential, 3 pictures)"
    still = Image.open(BytesIO(base64.b64decode(data["image/png"])))
    assert min(still.size) > 190
    convert(tmp_path / "saved.ipynb", "--to", "html", f"--NbConvertBase.display_data_priority={PRIORITY}")
    page = (tmp_path / "saved.html").read_text(encoding="utf-8")
    assert re.search(r'<img[^>]+src="data:image/png;base64,', page)
