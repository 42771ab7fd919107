"""Networks by name: what is read, what is refused, and in which words."""

import subprocess
import sys
from pathlib import Path
from urllib.error import URLError

import pytest
import torch

from convviz_widgets.core.errors import BadValue, MissingFile, UnknownName
from convviz_widgets.lens.lens import Lens


def test_an_unknown_network_lists_the_nearest() -> None:
    with pytest.raises(UnknownName, match="'squeezenet1_0'"):
        Lens.load("squeezenet")


def test_the_classes_and_the_preprocessing_come_along() -> None:
    lens = Lens.load("squeezenet1_1", weights=None, device="cpu")
    assert len(lens.class_names) == 1000
    assert lens.input_shape == (3, 224, 224)
    assert lens.preprocess.mean == pytest.approx((0.485, 0.456, 0.406))


def test_without_a_network_the_missing_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise URLError("no route")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", offline)
    with pytest.raises(MissingFile, match=r"checkpoints.resnet18-\w+\.pth.*Lens\.load\('mini'\)"):
        Lens.load("resnet18")


def test_weights_in_torch_home_are_read_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random = Lens.load("squeezenet1_1", weights=None, device="cpu")
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(random.module.state_dict(), folder / "squeezenet1_1-b8a52dc0.pth")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.delattr(torch.hub, "load_state_dict_from_url")
    assert Lens.load("squeezenet1_1", device="cpu").fingerprint == random.fingerprint
    named = Lens.load("squeezenet1_1", weights="IMAGENET1K_V1", device="cpu")
    assert named.fingerprint == random.fingerprint


def test_weights_from_a_file(tmp_path: Path) -> None:
    random = Lens.load("mini", weights=None, device="cpu")
    torch.save({"state_dict": random.module.state_dict()}, tmp_path / "mine.pth")
    assert Lens.load("mini", weights=tmp_path / "mine.pth", device="cpu").fingerprint == random.fingerprint
    with pytest.raises(MissingFile, match="'default'"):
        Lens.load("squeezenet1_1", weights="imagenet")
    with pytest.raises(BadValue, match="do not fit"):
        Lens.load("squeezenet1_1", weights=tmp_path / "mine.pth")
    (tmp_path / "broken.pth").write_bytes(b"nothing")
    with pytest.raises(BadValue, match="cannot be read"):
        Lens.load("mini", weights=tmp_path / "broken.pth")


def test_no_code_is_run_from_a_file_of_weights(tmp_path: Path) -> None:
    torch.save({"weight": print}, tmp_path / "evil.pth")
    with pytest.raises(BadValue, match="cannot be read"):
        Lens.load("mini", weights=tmp_path / "evil.pth")


def test_a_torchvision_of_another_torch_ends_in_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')\n"
    )
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import convviz_widgets as cv\n"
        "try: cv.Lens.load('squeezenet1_1', weights=None)\n"
        "except cv.ConvvizError as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("BrokenInstall The installed torchvision does not work with torch")
    assert "pip install --upgrade torch torchvision" in done.stdout
