"""Published weights load as torchvision loads them itself: same values, same names, same settings."""

import re
import socket
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision.models
from torch import nn

from convviz_widgets.core.errors import BadValue
from convviz_widgets.lens import weights
from convviz_widgets.lens.lens import Lens

NETWORKS = ["squeezenet1_1", "googlenet", "densenet121", "mnasnet0_5", "mobilenet_v3_small", "shufflenet_v2_x0_5"]


def as_published(name: str, module: nn.Module) -> OrderedDict[str, torch.Tensor]:
    """A state as the file on the server has it: DenseNet's is of an older torch, with a dot more in its names."""
    state = module.state_dict()
    if not name.startswith("densenet"):
        return state
    return OrderedDict(
        (re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", key), value)
        for key, value in state.items()
        if not key.endswith("num_batches_tracked")
    )


@pytest.fixture
def torch_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty TORCH_HOME; opening a socket fails the test."""

    def no_socket(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(socket.socket, "connect", no_socket)
    return folder


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.filterwarnings("ignore:The init_weights argument")
@pytest.mark.filterwarnings("ignore:auxiliary heads in the pretrained")
def test_the_network_is_torchvisions(name: str, torch_home: Path) -> None:
    entry = torchvision.models.get_model_weights(name).DEFAULT
    quick = {"init_weights": False} if name == "googlenet" else {}
    source = torchvision.models.get_model(name, weights=None, **quick)
    for weight in source.parameters():
        if weight.ndim > 1:
            nn.init.kaiming_normal_(weight)
    torch.save(as_published(name, source), torch_home / Path(entry.url).name)
    theirs = torchvision.models.get_model(name, weights=entry).eval()
    lens = Lens.load(name, device="cpu")
    x = torch.rand((2, 3, 64, 64), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(lens.module(x), theirs(x))
    assert lens.class_names == tuple(entry.meta["categories"])
    assert Lens.load(name, weights=entry, device="cpu").fingerprint == lens.fingerprint


def test_a_transformer_is_made_for_the_pictures_of_its_weights() -> None:
    entries = torchvision.models.ViT_B_16_Weights
    assert weights._settings("vit_b_16", entries.IMAGENET1K_SWAG_E2E_V1, published=True) == {"image_size": 384}
    assert weights._settings("vit_h_14", torchvision.models.ViT_H_14_Weights.DEFAULT, published=True) == {
        "image_size": 518
    }
    assert weights._settings("resnet18", torchvision.models.ResNet18_Weights.DEFAULT, published=True) == {}


def test_a_state_of_data_parallel_training_loses_its_prefix(tmp_path: Path) -> None:
    random = Lens.load("mini", weights=None, device="cpu")
    torch.save({f"module.{key}": each for key, each in random.module.state_dict().items()}, tmp_path / "parallel.pth")
    assert Lens.load("mini", weights=tmp_path / "parallel.pth", device="cpu").fingerprint == random.fingerprint


@pytest.mark.parametrize("content", [torch.zeros(3), [1, 2], {"state_dict": 7}])
def test_a_file_without_weights_by_name_is_refused(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "odd.pth")
    with pytest.raises(BadValue, match="not the weights by name"):
        Lens.load("mini", weights=tmp_path / "odd.pth", device="cpu")


def test_a_device_that_is_not_there_is_told() -> None:
    with pytest.raises(BadValue, match=r"device='nonsense' cannot be used here.*Accepted: 'cpu'"):
        Lens.load("mini", device="nonsense")
