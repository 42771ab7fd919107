"""Classes by index and name, and the layer of their scores, the same for all who ask."""

import numpy as np
import pytest
import torch
from torch import nn

from convviz_widgets.core.errors import BadType, BadValue, UnknownName, UnsupportedModel
from convviz_widgets.lens.classes import chosen_class, class_index, named_score_layer, score_layer
from convviz_widgets.lens.lens import Lens
from tests.networks import ALL


class Twins(nn.Module):
    """Gives class scores, then an embedding, the last layer to run."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3)
        self.scores = nn.Linear(4, 4)
        self.embedding = nn.Linear(4, 7)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        vector = self.body(x).mean((2, 3))
        return self.scores(vector), self.embedding(vector)


def opened(*, names: tuple[str, ...] = ("cat", "dog", "7", "a:1", "owl")) -> Lens:
    return Lens(ALL["residual"].make(), input_size=21, class_names=names)


def test_an_index_a_name_and_a_number_of_numpy_are_the_same_class() -> None:
    lens = opened()
    assert [class_index(lens, each, 5) for each in (1, "dog", np.int64(1))] == [1, 1, 1]
    assert class_index(lens, "7", 5) == 2  # a name, not a number
    assert type(class_index(lens, np.int64(1), 5)) is int


def test_without_a_count_the_names_bound_the_index() -> None:
    with pytest.raises(BadValue, match=r"no class 5\. Accepted: 0 to 4, or a name"):
        class_index(opened(), 5)
    assert class_index(opened(names=()), 700) == 700


@pytest.mark.parametrize(
    ("target", "error", "said"),
    [
        (-1, BadValue, "no class -1. Accepted: 0 to 4, or a name, or a unit"),
        (5, BadValue, "no class 5"),
        ("dgo", UnknownName, "Nearest: 'dog'.*Or give its index, or a unit"),
        (True, BadType, "True .bool. is no class. Accepted: the index of a class or its name, or a unit"),
        (1.0, BadType, "1.0 .float. is no class"),
        (None, BadType, "None .NoneType. is no class"),
    ],
)
def test_what_is_no_class_is_told_with_what_would_be(target: object, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        class_index(opened(), target, 5, or_else=", or a unit")


def test_a_name_beyond_the_scores_is_refused_as_its_index_is() -> None:
    with pytest.raises(BadValue, match=r"no class 4\. Accepted: 0 to 1"):
        class_index(opened(), "owl", 2)


def test_none_is_the_most_probable_class() -> None:
    chances = torch.tensor([0.1, 0.2, 0.6, 0.1, 0.0])
    assert chosen_class(opened(), chances, None) == 2
    assert chosen_class(opened(), chances, "cat") == 0


def test_the_scores_are_the_last_layer_before_a_softmax() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 36, 3), nn.Softmax(1))
    assert score_layer(Lens(net, input_size=8)).name == "2"
    assert named_score_layer(Lens(net, input_size=8)) == ""
    assert named_score_layer(Lens(net, input_size=8, class_names=["a", "b", "c"])) == "2"
    assert named_score_layer(Lens(net, input_size=8, class_names=["a", "b"])) == ""


def test_of_a_network_that_gives_more_than_scores_the_names_tell() -> None:
    assert score_layer(Lens(Twins(), input_size=8)).name == "embedding"
    assert score_layer(Lens(Twins(), input_size=8, class_names=list("abcd"))).name == "scores"
    assert named_score_layer(Lens(Twins(), input_size=8, class_names=list("abcd"))) == "scores"


def test_one_score_of_two_classes_and_scores_that_are_maps() -> None:
    one = nn.Sequential(nn.Conv2d(3, 2, 8), nn.Flatten(), nn.Linear(2, 1))
    assert score_layer(Lens(one, input_size=8, class_names=["no", "yes"])).name == "2"
    maps = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 3, 1))
    assert named_score_layer(Lens(maps, input_size=8, class_names=["a", "b", "c"])) == "1"


def test_without_a_layer_there_is_no_score() -> None:
    lens = Lens(nn.Sequential(nn.Softmax(1)), input_size=8, class_names=["a"])
    with pytest.raises(UnsupportedModel, match="no class score"):
        score_layer(lens)
