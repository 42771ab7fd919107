"""Fixtures for every test."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

REAL = Path(os.environ.get("CONVVIZ_REAL", Path(__file__).resolve().parents[2] / "shared" / "real"))


@pytest.fixture(scope="session")
def real() -> SimpleNamespace:
    """The trained SqueezeNet, the photos and the street scenes, kept beside the checkout and not part of it."""
    if not REAL.is_dir():
        pytest.skip(f"no real material at {REAL}; CONVVIZ_REAL names another place")
    return SimpleNamespace(
        torch_home=REAL / "torch-home",
        photos=sorted((REAL / "imagenet-samples").iterdir()),
        streets=sorted((REAL / "camvid" / "images").iterdir()),
    )
