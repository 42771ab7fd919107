"""What importing the package loads, in a fresh process."""

import subprocess
import sys


def fresh(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_the_package_loads_no_heavy_library() -> None:
    loaded = fresh(
        "import convviz_widgets, sys; print([m for m in ('torch', 'numpy', 'PIL', 'plotly', 'ipywidgets') "
        "if m in sys.modules])"
    )
    assert loaded == "[]"


def test_a_name_loads_what_it_needs_when_first_used() -> None:
    assert fresh("import convviz_widgets as cv, sys; cv.Unit; print('torch' in sys.modules)") == "False"
    assert fresh("import convviz_widgets as cv, sys; cv.Lens; print('torch' in sys.modules)") == "True"


def test_rendering_and_jobs_need_no_torch() -> None:
    code = (
        "import importlib, pkgutil, sys, convviz_widgets.render as r, convviz_widgets.jobs as j\n"
        "for room in (r, j):\n"
        "    for m in pkgutil.iter_modules(room.__path__, room.__name__ + '.'): importlib.import_module(m.name)\n"
        "print('torch' in sys.modules)"
    )
    assert fresh(code) == "False"
