"""Classes are found in the layer where they were planted, the classifier is the best one, the network is frozen."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import convviz_widgets as cv
from convviz_widgets.core.errors import BadType, BadValue, ConvvizError, UnknownName
from convviz_widgets.core.step import Step
from convviz_widgets.methods.training import transfer as module
from convviz_widgets.methods.training.linear import DECAYS, Linear, Problem, Scale, fitted
from convviz_widgets.methods.training.transfer import transfer
from convviz_widgets.methods.training.transfer_result import Transfer

SIDE = 8


class Planted(nn.Module):
    """Two numbers a and b come in; whether they have the same sign is plain to a line in the middle alone.

    ``first`` gives a and b, ``middle`` the positive and negative parts of a + b and a - b, ``last`` the sum of these.
    """

    def __init__(self) -> None:
        super().__init__()
        self.first, self.turn, self.middle = nn.Conv2d(2, 2, 1, bias=False), nn.Conv2d(2, 4, 1, bias=False), nn.ReLU()
        self.last, self.fc = nn.Conv2d(4, 1, 1, bias=False), nn.Linear(1, 3)
        with torch.no_grad():
            self.first.weight.copy_(torch.eye(2)[:, :, None, None])
            self.turn.weight.copy_(torch.tensor([[1.0, 1], [-1, -1], [1, -1], [-1, 1]])[:, :, None, None])
            self.last.weight.fill_(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.last(self.middle(self.turn(self.first(x)))).mean((2, 3)))


def pairs(count: int, seed: int = 0) -> tuple[torch.Tensor, list[str]]:
    """Pictures (N, 2, 8, 8) of two numbers near 1 or -1, named by whether their signs agree."""
    generator = torch.Generator().manual_seed(seed)
    signs = torch.randint(0, 2, (count, 2), generator=generator) * 2.0 - 1
    images = signs[:, :, None, None] + 0.2 * torch.randn(count, 2, SIDE, SIDE, generator=generator)
    return images, ["same" if a == b else "other" for a, b in signs.tolist()]


@pytest.fixture
def lens() -> cv.Lens:
    return cv.Lens(Planted(), input_size=SIDE)


def test_classes_are_found_in_the_layer_where_they_were_planted(lens: cv.Lens) -> None:
    images, labels = pairs(200)
    found = transfer(lens, images, labels, ["first", "middle", "last"], sizes=[40], repeats=3, scratch_steps=0)
    first, middle, last = found.accuracy[:, -1]
    assert middle.min() > 0.97
    assert first.max() < 0.75
    assert last.max() < 0.75
    assert found.best == "middle"
    assert found.classes == ("other", "same")
    assert found.width.tolist() == [8, 16, 4]


def newton(x: torch.Tensor, targets: torch.Tensor, classes: int, decay: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The minimum by Newton's method on the matrix of second derivatives."""
    width = x.shape[1]

    def loss(values: torch.Tensor) -> torch.Tensor:
        weight, bias = values[: width * classes].view(width, classes), values[width * classes :]
        return (
            F.cross_entropy(x @ weight + bias, targets)
            + decay / 2 * weight.square().sum()
            + 1e-12 * bias.square().sum()
        )

    values = torch.zeros(width * classes + classes, dtype=torch.float64)
    for _ in range(12):
        slope = torch.autograd.functional.jacobian(loss, values)
        curve = torch.autograd.functional.hessian(loss, values)
        values = values - torch.linalg.lstsq(curve, slope).solution
    bias = values[width * classes :]
    return values[: width * classes].view(width, classes), bias - bias.mean()


@pytest.mark.parametrize(("count", "width"), [(40, 5), (9, 14)])
@pytest.mark.parametrize("decay", [0.01, 1.0])
def test_the_classifier_is_the_one_minimum(count: int, width: int, decay: float) -> None:
    generator = torch.Generator().manual_seed(count)
    features = torch.randn(count, width, generator=generator) * 3 + 2
    features[:, 1] = 7  # says nothing
    targets = torch.arange(count) % 3
    found = Problem(features, targets, 3).fit(decay)
    x = torch.nan_to_num((features.double() - features.double().mean(0)) / features.double().std(0, correction=0))
    x[:, 1] = 0
    weight, bias = newton(x, targets, 3, decay)
    assert torch.allclose(found.weight, weight, atol=1e-4)
    assert torch.allclose(found.bias - found.bias.mean(), bias, atol=1e-4)
    assert torch.allclose(found.scores(features).softmax(1), (x @ weight + bias).softmax(1), atol=1e-5)


def test_it_equals_a_direct_fit_on_features_computed_by_hand(lens: cv.Lens) -> None:
    images, labels = pairs(60, seed=4)
    found = transfer(lens, images, labels, "middle", sizes=[8], repeats=2, pool=2, scratch_steps=0, tested=10)
    with torch.no_grad():
        net = lens.module
        maps = net.middle(net.turn(net.first(images)))  # type: ignore[operator]
    features = maps.view(60, 4, 2, 4, 2, 4).mean((3, 5)).flatten(1).double()
    targets = torch.tensor([each == "same" for each in labels]).long()
    for repeat in range(2):
        rng = np.random.default_rng([0, repeat])
        orders = [rng.permutation(np.flatnonzero(targets.numpy() == each)) for each in (0, 1)]
        train = torch.from_numpy(np.concatenate([each[:8] for each in orders]))
        x, wanted = features[train], targets[train]
        kept = torch.tensor([place % 8 >= 6 for place in range(16)])

        def scores(x: torch.Tensor, wanted: torch.Tensor, others: torch.Tensor, decay: float) -> torch.Tensor:
            mean, std = x.mean(0), x.std(0, correction=0)
            weight, bias = newton((x - mean) / std, wanted, 2, decay)
            return (others - mean) / std @ weight + bias

        decay = float(found.decay[0, 0, repeat])
        assert decay in DECAYS
        losses = [
            float(F.cross_entropy(scores(x[~kept], wanted[~kept], x[kept], each), wanted[kept])) for each in DECAYS
        ]
        assert decay == DECAYS[int(np.argmin(losses))]
        tests = [each[-10:] for each in orders]
        right = [
            float((scores(x, wanted, features[each], decay).argmax(1) == place).double().mean())
            for place, each in enumerate(tests)
        ]
        assert found.accuracy[0, 0, repeat] == pytest.approx(np.mean(right))


def test_the_weight_decay_is_the_one_that_does_best_on_what_is_kept_apart() -> None:
    generator = torch.Generator().manual_seed(0)
    targets = torch.arange(40) % 2
    plain = targets[:, None] * 4.0 + torch.randn(40, 3, generator=generator) * 0.1
    noise = torch.randn(40, 300, generator=generator)
    kept = np.arange(40) >= 30
    assert fitted(plain, targets, 2, kept)[1] == min(DECAYS)  # the surer the better
    assert fitted(noise, targets, 2, kept)[1] == max(DECAYS)  # the less said the better
    scale = Scale.of(plain.double())
    classifier = Linear(scale, torch.eye(3, 2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64))
    assert torch.allclose(classifier.scores(plain).mean(0), torch.zeros(2, dtype=torch.float64), atol=1e-12)


def test_the_network_stays_frozen(lens: cv.Lens) -> None:
    images, labels = pairs(40)
    lens.module.train()
    before, state = lens.fingerprint, torch.get_rng_state()
    transfer(lens, images, labels, ["first", "last"], sizes=[4], repeats=1, scratch_steps=3)
    assert lens.fingerprint == before
    assert lens.module.training
    assert all(each.requires_grad and each.grad is None for each in lens.module.parameters())
    assert torch.equal(torch.get_rng_state(), state)


def test_draws_are_nested_and_never_tested_on() -> None:
    labels = np.array(["a"] * 12 + ["b"] * 20)
    plan = module._Plan.of(np.zeros(32), labels, ["x"], [5, 2], 4, 50, 0, 0)
    seen = module.Features(torch.arange(32), {}, ())
    task = plan.task(seen)
    assert task.tested == 7
    draws = list(task.draws())
    assert [(each.size, each.repeat) for each in draws] == [
        (2, 0),
        (5, 0),
        (2, 1),
        (5, 1),
        (2, 2),
        (5, 2),
        (2, 3),
        (5, 3),
    ]
    for small, large in zip(draws[::2], draws[1::2], strict=True):
        assert set(small.train) <= set(large.train)
        assert not set(large.train) & set(large.test)
        assert np.array_equal(small.test, large.test)
        assert [int((labels[large.train] == each).sum()) for each in "ab"] == [5, 5]
        assert [int((labels[small.train[~small.kept]] == each).sum()) for each in "ab"] == [1, 1]
    assert not np.array_equal(draws[1].train, draws[3].train)


def test_from_scratch_it_learns_goes_on_after_a_kill_and_tells_its_steps(tmp_path: Path) -> None:
    lens = cv.Lens(nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 9)), input_size=SIDE)
    generator = torch.Generator().manual_seed(0)
    labels = [0, 1] * 30
    images = torch.randn(60, 2, SIDE, SIDE, generator=generator) * 0.3
    images[1::2, 0] += 1.5
    given: dict[str, Any] = {"sizes": [4, 20], "repeats": 1, "scratch_steps": 60}
    steps: list[Step] = []
    whole = transfer(lens, images, labels, "1", **given, progress=steps.append)
    assert whole.scratch[-1, 0] > 0.9
    assert [step.index for step in steps[:4]] == [1, 2, 3, 4]
    assert steps[-1].index == steps[-1].total == 2 + 2 + 2 * 60
    killed = transfer.steps(lens, images, labels, "1", **given, folder=tmp_path)
    for _ in range(100):
        next(killed)
    killed.close()
    assert {each.name for each in tmp_path.iterdir()} == {"scratch-4-0.pt", "scratch-20-0.pt"}
    resumed: list[Step] = []
    assert transfer(lens, images, labels, "1", **given, folder=tmp_path, progress=resumed.append) == whole
    assert len(resumed) < 0.5 * len(steps)
    with pytest.raises(BadValue, match="another recipe"):
        transfer(lens, images, labels, "1", **given, folder=tmp_path, seed=1)
    assert Transfer.load(whole.save(tmp_path / "kept")) == whole
    assert "from scratch" in whole._repr_html_()
    assert len(whole.figure().data) == 2
    assert len(whole.figure("depth").data) == 2


def test_a_picture_that_cannot_be_read_is_told(lens: cv.Lens) -> None:
    images, labels = pairs(40)
    several: list[Any] = [*images[:39], "nowhere.png"]
    found = transfer(lens, several, labels, "middle", sizes=[4], repeats=1, scratch_steps=0)
    assert len(found.skipped) == 1
    assert "nowhere.png" in found._repr_html_()
    with pytest.raises(BadValue, match="None of the 8 pictures"):
        transfer(lens, ["nowhere.png"] * 8, [0, 1] * 4, "middle", sizes=[2], scratch_steps=0)


def test_maps_are_averaged_in_cells_or_kept_whole() -> None:
    lens = cv.Lens(nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(108, 4)), input_size=SIDE)
    images, labels = pairs(12)
    labels = ["a", "b"] * 6
    for pool, width in ((1, 3), (2, 12), (100, 108), (None, 108)):
        found = transfer(lens, images, labels, ["0", "2"], sizes=[2], repeats=1, pool=pool, scratch_steps=0)
        assert found.width.tolist() == [width, 4]
    with pytest.raises(BadValue, match=r"0\.\d* MiB|108 numbers of 0"):
        transfer(lens, images, labels, ["0", "2"], pool=None, sizes=[2], memory=12 * 4 * 100, scratch_steps=0)


@pytest.mark.parametrize(
    ("change", "kind", "told"),
    [
        ({"labels": ["a"] * 11 + ["b"]}, BadValue, r"too few pictures.*b \(1\).*3 pictures or more"),
        ({"labels": ["a"] * 8 + ["b"] * 4}, BadValue, r"b \(4\).*sizes up to 3"),
        ({"labels": ["a"] * 12}, BadValue, "one class, a"),
        ({"labels": ["a"] * 11}, BadValue, "12 pictures, labels of shape"),
        ({"sizes": [1]}, BadValue, "a size=1 is out of range"),
        ({"sizes": []}, BadValue, "sizes is empty"),
        ({"repeats": 0}, BadValue, "repeats=0"),
        ({"layers": []}, BadValue, "0 layers"),
        ({"layers": "midle"}, UnknownName, "Nearest: 'middle'"),
        ({"images": iter(())}, BadType, "A sequence|a sequence"),
    ],
)
def test_wrong_arguments(lens: cv.Lens, change: dict[str, Any], kind: type[ConvvizError], told: str) -> None:
    given = {"images": pairs(12)[0], "labels": ["a", "b"] * 6, "layers": "middle", "sizes": [4], "scratch_steps": 0}
    with pytest.raises(kind, match=told):
        transfer(lens, **{**given, **change})


def test_what_ships() -> None:
    learnt, untrained = Transfer.shipped(), Transfer.shipped("objects untrained")
    assert learnt.provenance.settings["command"].startswith("python -m convviz_widgets.methods.training.train_transfer")
    assert learnt.layers == untrained.layers
    assert np.isfinite(learnt.scratch).all()
    assert np.isnan(untrained.scratch).all()
    assert learnt.accuracy[:, -1].max() > 1.5 * learnt.chance
    with pytest.raises(UnknownName, match="transfer that ships"):
        Transfer.shipped("letters")
