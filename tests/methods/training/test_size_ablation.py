"""The table holds what nets trained by hand give; it is resumed with the same bits, and a lost net does not end it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from convviz_widgets.core.errors import BadType, BadValue, ConvvizError, UnknownName
from convviz_widgets.core.step import Step
from convviz_widgets.methods.training.ablation_result import SizeAblation
from convviz_widgets.methods.training.size_ablation import size_ablation
from convviz_widgets.methods.training.variants import variant
from convviz_widgets.nets.classifier import classification, probabilities
from convviz_widgets.nets.loop import Recipe, train

SIDE = 8


def base() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 6, 3), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2), nn.Linear(96, 3)
    )


def examples(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise, a little brighter in the channel of the class."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    images = torch.rand(count, 3, SIDE, SIDE, generator=generator) * 0.8
    images[torch.arange(count), labels] += 0.05
    return images, labels


TRAIN, TEST = examples(30, 0), examples(24, 1)
GIVEN: dict[str, Any] = {"base": base(), "epochs": 3, "batch_size": 8, "learning_rate": 0.01, "device": "cpu"}


def ablation(variants: Any, **more: Any) -> SizeAblation:
    return size_ablation(variants, *TRAIN, *TEST, **{**GIVEN, **more})


def by_hand(text: str, seed: int) -> tuple[torch.Tensor, torch.Tensor, list[float]]:
    net = variant(GIVEN["base"], text, (3, SIDE, SIDE), seed=seed)
    progress = train(net, classification(*TRAIN, shift=0), 30, Recipe(3, 8, 0.01, 0.02, seed))
    return probabilities(net, TRAIN[0]), probabilities(net, TEST[0]), progress.losses


def error(answers: torch.Tensor, labels: torch.Tensor) -> float:
    return float((answers.argmax(1) != labels).double().mean())


def test_it_gives_what_nets_trained_by_hand_give_alone_and_together() -> None:
    steps: list[Step] = []
    found = ablation({"whole": "", "small": "-2 0=4"}, nets={"small": 2}, seed=5, progress=steps.append)
    nets = [by_hand("-2 0=4", seed) for seed in (5, 6)]
    assert found.names == ("whole", "small")
    assert found.parameters.tolist() == [6 * 28 + 6 * 55 + 97 * 3, 4 * 28 + 145 * 3]
    assert found.nets.tolist() == [1, 2]
    for number, (seen, unseen, losses) in enumerate(nets):
        assert found.train_error[1, number] == error(seen, TRAIN[1])
        assert found.test_error[1, number] == error(unseen, TEST[1])
        assert found.losses[1, number].tolist() == losses
    together = [torch.stack([each[which].double() for each in nets]).mean(0) for which in (0, 1)]
    assert found.ensemble_train_error[1] == error(together[0], TRAIN[1])
    assert found.ensemble_test_error[1] == error(together[1], TEST[1])
    assert found.test_error[0, 0] == error(by_hand("", 5)[1], TEST[1])
    assert np.isnan(found.test_error[0, 1])
    assert [step.index for step in steps] == list(range(1, 3 * 12 + 1))
    assert steps[-1].total == len(steps)


def test_killed_and_resumed_the_table_has_the_same_bits(tmp_path: Path) -> None:
    variants = {"whole": "", "small": "0/2"}
    whole = ablation(variants)
    killed = size_ablation.steps(variants, *TRAIN, *TEST, **GIVEN, folder=tmp_path)
    for _ in range(18):  # in the second epoch of the second net
        next(killed)
    killed.close()
    assert {each.name for each in tmp_path.iterdir()} == {"whole-0.pt", "small-0.pt"}
    steps: list[Step] = []
    assert ablation(variants, folder=tmp_path, progress=steps.append) == whole
    assert [step.index for step in steps] == list(range(17, 25))
    assert list(size_ablation.steps(variants, *TRAIN, *TEST, **GIVEN, folder=tmp_path)) == []
    with pytest.raises(BadValue, match="another recipe"):
        ablation(variants, folder=tmp_path, shift=1)
    with pytest.raises(BadValue, match="another recipe"):
        size_ablation(variants, TRAIN[0].flip(0), TRAIN[1], *TEST, **GIVEN, folder=tmp_path)


class Wild(nn.Module):
    """Answers that are lost: at once, or in evaluation mode only."""

    def __init__(self, *, late: bool) -> None:
        super().__init__()
        self.late, self.out = late, nn.Linear(3 * SIDE * SIDE, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores = self.out(x.flatten(1))
        return scores if self.late and self.training else scores * float("inf")


def test_a_lost_net_is_told_and_the_others_are_trained(tmp_path: Path) -> None:
    variants = {
        "lost": lambda: Wild(late=False),
        "whole": "",
        "late": lambda: Wild(late=True),
        "own": lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 3)),
    }
    found = ablation(variants, folder=tmp_path)
    assert "loss became" in found.reasons[0]
    assert "not finite" in found.reasons[2]
    assert found.reasons[1] == found.reasons[3] == ""
    assert np.isfinite(found.test_error[:, 0]).tolist() == [False, True, False, True]
    assert found.test_error[1] == ablation({"whole": ""}).test_error[0]
    assert "lost" in found.caption()
    assert "loss became" in found._repr_html_()
    assert len(found.figure().data) == 2


def test_a_result_is_kept_and_told(tmp_path: Path) -> None:
    found = ablation({"whole": "", "<small>": "0/2"}, nets=2)
    assert SizeAblation.load(found.save(tmp_path / "table")) == found
    assert found.standard_error[0] == pytest.approx(
        np.sqrt(found.test_error[0].mean() * (1 - found.test_error[0].mean()) / 24)
    )
    assert "&lt;small&gt;" in found._repr_html_()
    assert [each.name for each in found.figure().data] == ["train", "test", "test, nets together"]
    assert found.rows()[1][:4] == ("<small>", "0/2", int(found.parameters[1]), 2)


def test_pictures_of_all_kinds() -> None:
    images = (TRAIN[0][:6] * 255).to(torch.uint8)
    variants, labels = {"whole": ""}, [0, 1, 2] * 2
    given = {**GIVEN, "epochs": 1}
    first = size_ablation(variants, images, labels, images, labels, **given)
    array = images.permute(0, 2, 3, 1).numpy()
    assert size_ablation(variants, array, labels, list(array), np.array(labels), **given) == first


@pytest.mark.parametrize(
    ("change", "kind", "told"),
    [
        ({"variants": {}}, BadValue, "No variant"),
        ({"variants": {"a": "", "b": "-7"}}, UnknownName, "no layer '7'"),
        ({"variants": {"a": base()}}, BadType, "a function that gives"),
        ({"variants": {"a b": "", "a-b": ""}}, BadValue, "differ in signs"),
        ({"base": "minni"}, UnknownName, "built-in network"),
        ({"nets": {"b": 2}}, UnknownName, "variant 'b'"),
        ({"nets": 0}, BadValue, "out of range"),
        ({"labels": [0, 1]}, BadValue, r"shape \(2,\) for 30 pictures"),
        ({"labels": [0.5] * 30}, BadType, "whole numbers"),
        ({"labels": [-1] * 30}, BadValue, "smallest is -1"),
        ({"labels": [0] * 30}, BadValue, r"classes \[1, 2\] that no picture"),
        ({"test_images": TEST[0][:, :, 1:]}, BadValue, "one size and type"),
        ({"images": []}, BadValue, "no picture in images"),
        ({"images": [TRAIN[0][0], TRAIN[0][0, :, 1:]]}, BadValue, "differ"),
    ],
)
def test_wrong_arguments(change: dict[str, Any], kind: type[ConvvizError], told: str) -> None:
    given = {
        "variants": {"a": ""},
        "images": TRAIN[0],
        "labels": TRAIN[1],
        "test_images": TEST[0],
        "test_labels": TEST[1],
    }
    with pytest.raises(kind, match=told):
        size_ablation(**{**given, **GIVEN, **change})


def test_the_table_that_ships_tells_its_command() -> None:
    shipped = SizeAblation.shipped()
    assert shipped.provenance.settings["command"].startswith(
        "python -m convviz_widgets.methods.training.train_ablation"
    )
    assert shipped.names[0] == "whole"
    assert len(shipped.names) > 2
    assert np.isfinite(shipped.test_error[:, 0]).all()
    assert shipped.test_error[0].mean() < 0.8  # chance is 13 of 14 wrong
