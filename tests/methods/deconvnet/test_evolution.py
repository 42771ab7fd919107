"""The evolution recorder: it changes nothing of the training, and what it keeps is what `deconvnet` gives."""

import random
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from convviz_widgets.core.errors import BadValue, BrokenInstall, MissingFile, UnknownName
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.deconvnet import evolution as module
from convviz_widgets.methods.deconvnet import lightning_callback
from convviz_widgets.methods.deconvnet.deconvnet import deconvnet
from convviz_widgets.methods.deconvnet.evolution import EvolutionRecorder, evolution
from convviz_widgets.methods.deconvnet.evolution_report import Evolution
from convviz_widgets.methods.deconvnet.snapshots import Place, kept
from convviz_widgets.methods.deconvnet.top_images import top_images
from convviz_widgets.nets.loop import Recipe, train, train_steps
from tests.networks import ALL, pictures

SIDE = 20
X = pictures(24, (3, SIDE, SIDE), seed=1)
Y = (X.mean((1, 2, 3)) > X.mean()).long()
PROBES = pictures(6, (3, SIDE, SIDE), seed=2)
RECIPE = Recipe(epochs=3, batch_size=8, learning_rate=0.02, seed=4)


def net() -> nn.Module:
    """With what a forward pass in training mode would disturb: dropout and batch norm."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            *(nn.Conv2d(3, 6, 5, stride=2), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
            *(nn.Conv2d(6, 8, 3), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(32, 2)),
        )


def objective(model: nn.Module, indices: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    noise = torch.randn(X[indices].shape, generator=generator) * 0.1
    return nn.functional.cross_entropy(model(X[indices] + noise), Y[indices])


def recorder(model: nn.Module, folder: Path, **settings: Any) -> EvolutionRecorder:
    return EvolutionRecorder(
        Lens(model, input_size=SIDE), PROBES, folder, **{"epochs": [1, 2, 3], "units": 3} | settings
    )


def own_loop(record: Callable[[nn.Module, int], None] | None) -> tuple[nn.Module, torch.optim.Optimizer]:
    """A plain loop that draws from every global generator, and records between backward and step too."""
    torch.manual_seed(5)
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002 -- the global state is what is watched
    model = net().train()
    model[0].bias.requires_grad_(requires_grad=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for epoch in range(1, 4):
        for part in torch.randperm(len(X)).split(8):
            shift = random.random() + float(np.random.rand())  # noqa: NPY002
            loss = nn.functional.cross_entropy(model(X[part] + 0.1 * shift * torch.randn(1)), Y[part])
            loss.backward()
            if record is not None:
                record(model, epoch)
            optimizer.step()
            optimizer.zero_grad(set_to_none=False)
    return model, optimizer


def test_a_training_ends_with_the_same_bits_with_and_without_it(tmp_path: Path) -> None:
    plain, _ = own_loop(None)
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    made: list[EvolutionRecorder] = []

    def record(model: nn.Module, epoch: int) -> None:
        modes = [each.training for each in model.modules()]
        grads = [None if each.grad is None else each.grad.clone() for each in model.parameters()]
        if not made:
            made.append(recorder(model, tmp_path / "e", accuracy=lambda each: float(each(X)[0, 0]) % 1))
        made[0](model, epoch)
        assert [each.training for each in model.modules()] == modes
        for each, before in zip(model.parameters(), grads, strict=True):
            assert each.grad is None if before is None else torch.equal(each.grad, before)

    watched, _ = own_loop(record)
    for (name, one), other in zip(plain.state_dict().items(), watched.state_dict().values(), strict=True):
        assert torch.equal(one, other), name
    assert [each.requires_grad for each in plain.parameters()] == [each.requires_grad for each in watched.parameters()]
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert np.random.get_state()[1].tolist() == states[2]  # noqa: NPY002
    assert made[0].evolution().epochs.tolist() == [1, 2, 3]


def test_the_built_in_loop_takes_it_and_ends_with_the_same_bits(tmp_path: Path) -> None:
    plain, watched = net(), net()
    train(plain, objective, len(X), RECIPE)
    made = recorder(watched, tmp_path / "e", epochs=[1, 3, 64])
    train(watched, objective, len(X), RECIPE, recorders=[made])
    assert all(map(torch.equal, plain.state_dict().values(), watched.state_dict().values()))
    assert made.evolution().epochs.tolist() == [1, 3]


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_it_may_be_called_where_no_gradients_are_kept(tmp_path: Path, context: Callable[[], Any]) -> None:
    made = [recorder(net(), tmp_path / name) for name in "ab"]
    made[0](made[0].lens.module, 1)
    with context():
        made[1](made[1].lens.module, 1)
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


def files_of(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir()}


@pytest.mark.parametrize("steps_before_the_kill", [2, 5, 8])
def test_killed_and_resumed_it_leaves_the_same_files(tmp_path: Path, steps_before_the_kill: int) -> None:
    whole = net()
    train(whole, objective, len(X), RECIPE, recorders=[recorder(whole, tmp_path / "whole")])
    first = net()
    killed = train_steps(
        *(first, objective, len(X), RECIPE), checkpoint=tmp_path / "c.pt", recorders=[recorder(first, tmp_path / "e")]
    )
    for _ in range(steps_before_the_kill):
        next(killed)
    del killed
    resumed = net()
    again = recorder(resumed, tmp_path / "e")
    train(resumed, objective, len(X), RECIPE, checkpoint=tmp_path / "c.pt", recorders=[again])
    assert files_of(tmp_path / "e") == files_of(tmp_path / "whole")
    assert set(files_of(tmp_path / "e")) == {
        "about.json",
        "probes.npz",
        *(f"epoch-0000{each}.npz" for each in (1, 2, 3)),
    }


def test_a_write_that_breaks_off_leaves_the_earlier_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = net()
    made = recorder(model, tmp_path / "e")
    made(model, 1)
    before = files_of(tmp_path / "e")

    def full(*_: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(module.files, "write_arrays", full)
    with pytest.warns(RuntimeWarning, match="No space left"):
        made(model, 2)
    made(model, 3)  # it has stopped, once and for all
    assert {name: data for name, data in files_of(tmp_path / "e").items() if name != "stopped.json"} == before
    assert made.evolution().epochs.tolist() == [1]
    assert "No space left" in made.evolution().stopped


@pytest.mark.parametrize("name", ["sequential", "residual", "one_channel", "branching"])
def test_a_snapshot_is_what_the_techniques_give(name: str, tmp_path: Path) -> None:
    network = ALL[name]
    images = pictures(5, network.shape, seed=6)
    lens = Lens(network.make(), input_size=network.shape[1:])
    names = [each.name for each in lens.layers.values() if each.is_map][1::2]
    made = EvolutionRecorder(lens, images, tmp_path, layers=names, units=3, epochs=[7], k=3, tile=64)
    made(lens.module, 7)
    found, seen = made.evolution(), 0
    for layer in found.layers:
        best = top_images(lens, images, layer, k=3)
        assert np.array_equal(found.index[layer][0], best.index[:3])
        assert np.array_equal(found.position[layer][0], best.position[:3])
        np.testing.assert_allclose(found.activation[layer][0], best.activation[:3], rtol=1e-5)
        for unit, channel in enumerate(found.units[layer].tolist()):
            if found.activation[layer][0, unit, 0] <= 0:
                assert found.scale[layer][0, unit] == 0
                continue
            row, column = found.position[layer][0, unit, 0]
            alone = deconvnet(lens, images[found.index[layer][0, unit, 0]], f"{layer}:{channel}@{row},{column}")
            place = Place.of(lens.layers[layer], (channel,), network.shape[1:], 64)
            codes, scale = kept(torch.from_numpy(alone.signal.copy()), place, (int(row), int(column)))
            assert found.scale[layer][0, unit] == pytest.approx(scale, rel=1e-4, abs=1e-7)
            assert np.abs(found.signal[layer][0, unit].astype(int) - codes).max() <= 1
            seen += scale > 0
    assert seen


def test_a_projection_lies_in_the_frame_of_its_neuron_also_at_the_border() -> None:
    """A convolution that passes the pixel at (1, 2) of its window: the same array wherever the neuron is."""
    conv = nn.Conv2d(3, 1, 5, padding=2, bias=False)
    with torch.no_grad():
        conv.weight.zero_()[0, 0, 1, 2] = 1
    lens = Lens(nn.Sequential(conv, nn.ReLU()), input_size=12)
    place = Place.of(lens.layers["1"], (0,), (12, 12), 32)
    found = set()
    for row, column in ((1, 0), (6, 6), (11, 5), (5, 11)):
        image = torch.zeros(3, 12, 12)
        image[0, row - 1, column] = 1
        signal = torch.from_numpy(deconvnet(lens, image, f"1:0@{row},{column}").signal.copy())
        codes, scale = kept(signal, place, (row, column))
        assert scale == pytest.approx(1)
        assert np.argwhere(codes).tolist() == [[1, 2, 0]]
        found.add(codes.tobytes())
    assert len(found) == 1


def test_replayed_from_kept_weights_it_is_the_same(tmp_path: Path) -> None:
    model = net()
    live = recorder(model, tmp_path / "live")
    losses = train(
        *(model, objective, len(X), RECIPE), checkpoint=tmp_path / "c.pt", snapshots={1, 2, 3}, recorders=[live]
    ).losses
    later = recorder(net(), tmp_path / "later")
    before = [each.clone() for each in later.lens.module.state_dict().values()]
    later.replay({epoch: tmp_path / f"c-epoch00{epoch}.pt" for epoch in (1, 2, 3)}, losses)
    one, other = live.evolution(), later.evolution()
    for layer in one.layers:
        assert np.array_equal(one.signal[layer], other.signal[layer])
        assert np.array_equal(one.activation[layer], other.activation[layer])
    assert other.loss.tolist() == losses
    assert all(map(torch.equal, before, later.lens.module.state_dict().values()))


def test_training_that_diverges_stops_it_with_the_reason(tmp_path: Path) -> None:
    model = net()
    made = recorder(model, tmp_path / "e")
    made(model, 1, accuracy=0.5, loss=0.7)
    with torch.no_grad():
        model[4].weight.fill_(float("nan"))
    with pytest.warns(RuntimeWarning, match=r"In epoch 2 .*NaN.*diverged"):
        made(model, 2)
    made(model, 3)
    assert "diverged" in made.stopped
    found = made.evolution()
    assert found.epochs.tolist() == [1]
    assert "diverged" in found.stopped
    assert "diverged" in found._repr_html_()
    other = recorder(net(), tmp_path / "f")
    with pytest.warns(RuntimeWarning, match="the loss is nan"):
        other(other.lens.module, 1, loss=float("nan"))
    with pytest.raises(BadValue, match="no snapshot yet; the recorder stopped"):
        other.evolution()


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    made = recorder(net(), tmp_path / "e")
    other = net()
    other[4], other[8] = nn.Conv2d(6, 9, 3), nn.Linear(36, 2)
    with pytest.raises(BadValue, match=r"another architecture.*4.weight: \[9, 6, 3, 3\], not \[8, 6, 3, 3\]"):
        made(other, 1)
    with pytest.raises(BadValue, match="The snapshot of epoch 2 is of another architecture"):
        made.replay({2: other.state_dict()})
    with pytest.raises(BadValue, match="another architecture"):
        recorder(other, tmp_path / "e")
    assert made.folder.exists()
    made(net(), 1)  # another module of the same architecture
    assert made.evolution().epochs.tolist() == [1]


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    recorder(net(), tmp_path / "e")
    with pytest.raises(BadValue, match="another recording: probes differ"):
        EvolutionRecorder(Lens(net(), input_size=SIDE), PROBES[:5], tmp_path / "e", units=3)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("dear")
    with pytest.raises(BadValue, match="holds other files"):
        recorder(net(), tmp_path / "mine")
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(BadValue, match="Nothing can be written"):
        recorder(net(), tmp_path / "file")
    with pytest.raises(BadValue, match="Nothing can be written"):
        recorder(net(), tmp_path / "file" / "below")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "dear"


def test_a_folder_that_becomes_unwritable_stops_it(tmp_path: Path) -> None:
    model = net()
    made = recorder(model, tmp_path / "e")
    for each in (tmp_path / "e").iterdir():
        each.unlink()
    (tmp_path / "e").rmdir()
    (tmp_path / "e").write_text("in its place")
    with pytest.warns(RuntimeWarning, match="nothing could be written"):
        made(model, 1)
    assert "nothing could be written" in made.stopped


@pytest.mark.parametrize(
    ("settings", "error", "told"),
    [
        ({"units": ["2:0", "2:99"]}, BadValue, "no unit 99. Accepted: 0 to 5"),
        ({"units": ["nine:0"]}, UnknownName, "no layer 'nine'"),
        ({"layers": ["nine"]}, UnknownName, "no layer 'nine'"),
        ({"units": ["2:0"], "layers": ["2"]}, BadValue, "both given"),
        ({"units": []}, BadValue, "No unit"),
        ({"units": 0}, BadValue, "records nothing"),
        ({"layers": []}, BadValue, "No layer"),
        ({"epochs": []}, BadValue, "names no epochs"),
        ({"epochs": [1, -2]}, BadValue, "names no epochs"),
        ({"k": 0}, BadValue, "k"),
        ({"tile": 4}, BadValue, "tile"),
        ({"rule": "magic"}, UnknownName, "rule"),
        ({"budget": 20_000}, BadValue, "the budget is 20,000"),
    ],
)
def test_wrong_settings_are_told_before_any_training(
    tmp_path: Path, settings: dict[str, Any], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        recorder(net(), tmp_path / "e", **settings)
    assert not (tmp_path / "e").exists()


def test_probes_must_be_there_and_of_one_size(tmp_path: Path) -> None:
    lens = Lens(net(), input_size=SIDE)
    for empty in ([], PROBES[:0]):
        with pytest.raises(BadValue, match="no probe pictures"):
            EvolutionRecorder(lens, empty, tmp_path)
    with pytest.raises(BadValue, match="differ in size"):
        EvolutionRecorder(lens, [PROBES[0], PROBES[0][:, :15]], tmp_path)


def test_the_folder_stays_within_the_bound_it_was_checked_against(tmp_path: Path) -> None:
    model = net()
    noise = PROBES + 0.5 * torch.randn(PROBES.shape, generator=torch.Generator().manual_seed(0))
    lens = Lens(model, input_size=SIDE)
    with pytest.raises(BadValue, match="take up to") as refused:
        EvolutionRecorder(lens, noise, tmp_path / "e", epochs=[1, 2, 3], budget=1)
    most = int(str(refused.value).partition("up to ")[2].partition(" bytes")[0].replace(",", ""))
    made = EvolutionRecorder(lens, noise, tmp_path / "e", epochs=[1, 2, 3], budget=most)
    train(model, objective, len(X), RECIPE, recorders=[made])
    taken = sum(each.stat().st_size for each in (tmp_path / "e").iterdir())
    assert 0.2 * most < taken <= most

    def more() -> None:
        for epoch in range(4, 12):  # not asked for at first
            made.record(model, epoch)

    with pytest.warns(RuntimeWarning, match="would outgrow the budget"):
        more()
    assert sum(each.stat().st_size for each in (tmp_path / "e").iterdir()) <= most + 200  # and why it stopped
    assert {1, 2, 3} <= set(made.evolution().epochs.tolist())
    assert "outgrow" in made.evolution().stopped


def test_units_are_asked_for_by_address(tmp_path: Path) -> None:
    model = net()
    made = recorder(model, tmp_path / "e", units=["5:7", "2:1", "5:2"])
    made(model, 1)
    found = made.evolution()
    assert {name: each.tolist() for name, each in found.units.items()} == {"2": [1], "5": [7, 2]}
    assert found.row("5:2") == ("5", 1)
    assert [each.shape for each in found.crops("2:1", 1)] == [(5, 5, 3)] * 4
    with pytest.raises(UnknownName, match="recorded unit"):
        found.projections("5:3")
    with pytest.raises(UnknownName, match="recorded layer"):
        found.projections("4:3")
    with pytest.raises(BadValue, match="Epoch 2 was not recorded"):
        found.crops("2:1", 2)


def test_the_default_layers_end_with_the_scores(tmp_path: Path) -> None:
    model = net()
    made = EvolutionRecorder(Lens(model, input_size=SIDE), PROBES, tmp_path / "e", epochs=[1])
    made(model, 1)
    assert made.evolution().layers == ("2", "5", "8")
    assert made.evolution().units["2"].tolist() == list(range(6))  # as many as there are


def test_what_is_saved_is_read_again(tmp_path: Path) -> None:
    model = net()
    made = recorder(model, tmp_path / "e")
    train(model, objective, len(X), RECIPE, recorders=[made])
    found = made.evolution()
    assert evolution(tmp_path / "e") == found
    assert evolution(found.save(tmp_path / "saved")) == found
    assert Evolution.load(tmp_path / "saved") == found
    assert "Evolution(" in repr(found)
    assert len(found.figure().data) == len(found.layers)  # no accuracy was told
    with pytest.raises(MissingFile, match="holds no recorded evolution"):
        evolution(tmp_path)
    with pytest.raises(UnknownName, match="Nearest: 'mini'"):
        evolution("mino")
    (tmp_path / "e" / "epoch-00002.npz").write_bytes(b"half")
    with pytest.raises(BadValue, match="damaged"):
        evolution(tmp_path / "e")


class StandIn:
    """Lightning's interface of a callback, as far as it is used: a base class, and the hook's arguments."""

    class Callback:
        state_key = "stand-in"


def fit(callback: Any, module_: nn.Module, epochs: int, *, zero: bool = True) -> None:
    """What a Trainer does with a callback: the epoch counts from 0, metrics are tensors."""
    for epoch in range(epochs):
        metrics = {"train_loss": torch.tensor(0.5 - 0.1 * epoch), "val_acc": torch.tensor(0.25 * epoch)}
        trainer = types.SimpleNamespace(current_epoch=epoch, callback_metrics=metrics, is_global_zero=zero)
        callback.on_train_epoch_end(trainer, module_)


def test_lightning_takes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lightning_callback, "import_module", lambda _: StandIn)
    holder = nn.Module()
    holder.network = net()
    made = recorder(holder.network, tmp_path / "e", epochs=[1, 3])
    callback = made.lightning(network="network")
    assert isinstance(callback, StandIn.Callback)
    fit(callback, holder, 3, zero=False)
    assert not list((tmp_path / "e").glob("epoch-*"))
    fit(callback, holder, 3)
    found = made.evolution()
    assert found.epochs.tolist() == [1, 3]
    np.testing.assert_allclose(found.accuracy, [0.0, 0.5])
    np.testing.assert_allclose(found.loss, [0.5, 0.3], rtol=1e-6)


def test_without_lightning_the_way_out_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(lightning_callback, "import_module", absent)
    with pytest.raises(BrokenInstall, match="recorder\\(model, epoch\\)"):
        recorder(net(), tmp_path / "e").lightning()
