"""The wheel and the sdist: complete, small, and built from what the checkout holds."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import convviz_widgets as cv

ROOT = Path(__file__).resolve().parents[2]
LARGEST_WHEEL = 20_000_000  # bytes


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def test_the_wheel_holds_all_that_is_needed(built: Path) -> None:
    wheel = next(built.glob("*.whl"))
    inside = set(zipfile.ZipFile(wheel).namelist())
    package = ROOT / "convviz_widgets"
    wanted = {
        path.relative_to(ROOT).as_posix()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert wanted <= inside
    assert {"convviz_widgets/py.typed", "convviz_widgets/nets/weights/mini.safetensors"} <= inside
    assert any(name.endswith(".js") for name in inside)
    assert any(name.endswith(".css") for name in inside)
    assert not any(name.startswith(("tests/", "notebooks/")) for name in inside)


def test_the_wheel_is_small(built: Path) -> None:
    assert next(built.glob("*.whl")).stat().st_size < LARGEST_WHEEL


def test_the_sdist_holds_tests_and_notebooks(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "LICENSE", "tests/__main__.py", "notebooks/00_start.ipynb"} <= inside


def test_the_version_stands_in_one_place(built: Path) -> None:
    assert cv.__version__ in next(built.glob("*.whl")).name
    assert cv.__version__ not in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


QUICKSTART = """
import convviz_widgets as cv
print(cv.__file__)
lens, images = cv.Lens.load("mini"), cv.MiniBroden(count=8)
print(lens.predict(images[0].image)[0])
print(cv.top_images(lens, images, "conv3", k=3).index.shape)
print(cv.LayerPicker(lens, images).image)
"""


def test_what_the_wheel_installs_stands_alone(built: Path, tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(tmp_path)]
    subprocess.run([*pip, str(next(built.glob("*.whl")))], check=True, timeout=120)
    done = subprocess.run(
        [sys.executable, "-c", QUICKSTART],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.splitlines()[0]).is_relative_to(tmp_path)
    assert "(72, 3)" in done.stdout, done.stdout
