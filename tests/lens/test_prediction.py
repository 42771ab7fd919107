"""From outputs of every form to named classes."""

import pytest
import torch
from torch import nn

from convviz_widgets.core.errors import BadValue, UnsupportedModel
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.prediction import best_classes
from tests.networks import ALL, CLASSES, pictures

SCORES = torch.tensor([[0.5, -1.0, 3.0], [2.0, 0.0, -4.0]])


def test_scores_become_the_softmax_in_falling_order() -> None:
    best = best_classes(SCORES, ["a", "b", "c"], 5)
    assert [[each.name for each in row] for row in best] == [["c", "a", "b"], ["a", "b", "c"]]
    for row, scores in zip(best, SCORES, strict=True):
        for each in row:
            assert each.probability == pytest.approx(float(scores.softmax(0)[each.index]))
            assert each.score == pytest.approx(float(scores[each.index]))


def test_probabilities_are_kept_as_they_are() -> None:
    given = SCORES.softmax(1)
    assert best_classes(given, [], 1)[0][0].probability == pytest.approx(float(given[0, 2]))


def test_classes_without_names_are_numbered() -> None:
    assert [each.name for each in best_classes(SCORES, ["a"], 3)[0]] == ["class 2", "a", "class 1"]


@pytest.mark.parametrize("shape", [(2, 1), (2,), (2, 1, 1, 1)])
def test_one_score_answers_a_yes_no_question(shape: tuple[int, ...]) -> None:
    scores = torch.tensor([2.0, -1.0]).reshape(shape)
    single = best_classes(scores, [], 5)
    assert [[each.probability for each in row] for row in single] == [
        [pytest.approx(float(torch.tensor(score).sigmoid()))] for score in (2.0, -1.0)
    ]
    named = best_classes(scores, ["no", "yes"], 5)
    assert [row[0].name for row in named] == ["yes", "no"]
    assert named[0][0].probability == pytest.approx(single[0][0].probability)
    assert named[0][0].probability + named[0][1].probability == pytest.approx(1)


def test_scores_on_a_grid_of_one_position_are_scores() -> None:
    assert best_classes(SCORES[:, :, None, None], [], 1) == best_classes(SCORES, [], 1)


def test_maps_are_no_scores() -> None:
    lens = Lens(nn.Conv2d(3, 4, 3), input_size=8)
    with pytest.raises(UnsupportedModel, match=r"\(1, 4, 6, 6\), not one score per class.*activations"):
        lens.predict(torch.zeros(3, 8, 8))
    with pytest.raises(BadValue, match="k=0"):
        best_classes(SCORES, [], 0)


@pytest.mark.parametrize("name", ["tuple_output", "dict_output", "residual", "counter"])
def test_a_network_may_give_several_things(name: str) -> None:
    lens, x = Lens(ALL[name].make(), input_size=ALL[name].shape[1:]), pictures(2, ALL[name].shape)
    with torch.no_grad():
        output = ALL[name].make()(x)
    scores = output["logits"] if isinstance(output, dict) else output[0] if isinstance(output, tuple) else output
    for row, wanted in zip(lens.predict(x, k=CLASSES), scores, strict=True):
        assert [each.index for each in row] == wanted.argsort(descending=True).tolist()
        assert row[0].score == pytest.approx(float(wanted.max()), rel=1e-4)


def test_a_score_squeezed_to_nothing_is_still_read() -> None:
    class Squeezed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 1, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(x).squeeze()

    lens, x = Lens(Squeezed(), input_size=4), pictures(3, (3, 4, 4))
    alone, together = lens.predict(x[0]), Lens(lens.module, input_size=4).predict(x)
    assert alone[0][0].score == pytest.approx(together[0][0].score, rel=1e-4)
    assert len(together) == 3


def test_pictures_mixed_into_one_output_are_told() -> None:
    class Mixed(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean((2, 3)).flatten()[:2]

    with pytest.raises(UnsupportedModel, match="cannot be told apart by picture"):
        Lens(Mixed(), input_size=4).predict(pictures(3, (3, 4, 4)))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_scores_that_are_no_numbers_are_said(bad: float) -> None:
    broken = SCORES.clone()
    broken[1, 2] = bad
    with pytest.raises(BadValue, match="NaN or infinite"):
        best_classes(broken, [], 1)
    masked = SCORES.clone()
    masked[1, 2] = -float("inf")  # a class that is ruled out
    assert best_classes(masked, [], 3)[1][-1].probability == 0
