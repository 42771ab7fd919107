"""The training loop: the same bits whether killed or not, and it knows when to stop."""

from pathlib import Path

import pytest
import torch
from torch import nn

from convviz_widgets.core.errors import BadValue
from convviz_widgets.nets import loop
from convviz_widgets.nets.loop import Recipe, train, train_steps, write_atomically

X = torch.randn(50, 5, generator=torch.Generator().manual_seed(0))
Y = (X.sum(1) > 0).long()
RECIPE = Recipe(epochs=4, batch_size=16, learning_rate=0.05, seed=3)


def model() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return nn.Sequential(nn.Linear(5, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 2))


def objective(net: nn.Module, indices: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    noise = torch.randn(X[indices].shape, generator=generator) * 0.1
    return nn.functional.cross_entropy(net(X[indices] + noise), Y[indices])


def equal(first: nn.Module, second: nn.Module) -> bool:
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_it_learns_and_leaves_the_global_randomness_alone() -> None:
    net, before = model(), torch.get_rng_state()
    progress = train(net, objective, len(X), RECIPE)
    assert progress.losses[-1] < 0.8 * progress.losses[0]
    assert torch.equal(torch.get_rng_state(), before)
    assert not net.training


def test_the_same_seed_gives_the_same_bits() -> None:
    nets = [model(), model()]
    for net in nets:
        torch.rand(7)  # the outer world draws numbers of its own
        train(net, objective, len(X), RECIPE)
    assert equal(*nets)


@pytest.mark.parametrize("steps_before_the_kill", [2, 6, 11])
def test_killed_and_resumed_it_ends_with_the_same_bits(tmp_path: Path, steps_before_the_kill: int) -> None:
    whole = model()
    train(whole, objective, len(X), RECIPE)
    killed = train_steps(model(), objective, len(X), RECIPE, checkpoint=tmp_path / "c.pt")
    for _ in range(steps_before_the_kill):
        next(killed)
    del killed
    resumed = model()
    progress = train(resumed, objective, len(X), RECIPE, checkpoint=tmp_path / "c.pt")
    assert equal(whole, resumed)
    assert progress.epochs == 4


def test_snapshots_and_recorders(tmp_path: Path) -> None:
    seen = []
    net = model()
    train(
        net,
        objective,
        len(X),
        RECIPE,
        checkpoint=tmp_path / "c.pt",
        snapshots={1, 4},
        recorders=[lambda each, epoch: seen.append((epoch, each.training))],
    )
    assert seen == [(1, False), (2, False), (3, False), (4, False)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c-epoch001.pt", "c-epoch004.pt", "c.pt"]
    last = torch.load(tmp_path / "c-epoch004.pt", weights_only=True)
    assert all(torch.equal(last[name], value) for name, value in net.state_dict().items())


def test_a_lost_loss_stops_and_keeps_the_last_good_epoch(tmp_path: Path) -> None:
    calls = iter(range(100))

    def breaks(net: nn.Module, indices: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return objective(net, indices, generator) * (float("nan") if next(calls) >= 5 else 1)

    with pytest.raises(BadValue, match=r"loss became nan in epoch 2.*keeps the weights after epoch 1.*learning rate"):
        train(model(), breaks, len(X), RECIPE, checkpoint=tmp_path / "c.pt")
    saved = torch.load(tmp_path / "c.pt", weights_only=True)
    assert all(bool(each.isfinite().all()) for each in saved["model"].values())


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    train(model(), objective, len(X), RECIPE, checkpoint=tmp_path / "c.pt")
    with pytest.raises(BadValue, match="another recipe"):
        train(model(), objective, len(X), Recipe(epochs=9), checkpoint=tmp_path / "c.pt")


def test_a_checkpoint_of_other_loss_weights_is_refused(tmp_path: Path) -> None:
    train(model(), objective, len(X), RECIPE, checkpoint=tmp_path / "c.pt", about="pixels 1")
    with pytest.raises(BadValue, match=r"another recipe: .*pixels 1; now: .*pixels 2"):
        train(model(), objective, len(X), RECIPE, checkpoint=tmp_path / "c.pt", about="pixels 2")
    assert train(model(), objective, len(X), RECIPE, checkpoint=tmp_path / "c.pt", about="pixels 1").epochs == 4


def test_a_kill_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "kept"
    file.write_text("old")

    def dies(path: Path) -> None:
        path.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(file, dies)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_the_rate_rises_and_falls() -> None:
    rates = [RECIPE.rate(done / 100) for done in range(100)]
    assert max(rates) == pytest.approx(RECIPE.learning_rate, rel=0.05)
    assert rates[0] < 0.1 * max(rates)
    assert rates[-1] < 0.01 * max(rates)
    assert loop.Recipe(epochs=1).rate(0.05) == pytest.approx(2e-3)
