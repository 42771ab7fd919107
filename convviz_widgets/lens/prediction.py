"""From class scores to the most probable classes, with names."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from convviz_widgets.core.errors import BadValue, UnsupportedModel


@dataclass(frozen=True)
class Prediction:
    """One class with its probability and its score before the softmax."""

    index: int
    name: str
    probability: float
    score: float


def class_name(names: Sequence[str], index: int) -> str:
    """The name of a class; "class 17" where names are not known."""
    return names[index] if index < len(names) else f"class {index}"


def best_classes(output: torch.Tensor, names: Sequence[str], k: int) -> list[list[Prediction]]:
    """The k most probable classes of each picture, the most probable first.

    Args:
        output: (N, classes), (N,), or with further dimensions of length 1; scores, or probabilities that are kept as
            they are. A single score is the logit of a yes-no question; with two names, of the second against the first.
        names: of the classes, as far as they are known.
        k: how many classes; all of them if there are fewer.

    Raises:
        BadValue: k is below 1, or a score is NaN or infinite.
        UnsupportedModel: the output is a map or the like, not one score per class.
    """
    if k < 1:
        raise BadValue(f"k={k} classes cannot be shown. Accepted: 1 or more.")
    scores, probabilities = _scores_and_probabilities(output, names)
    best = probabilities.topk(min(k, scores.shape[1]), dim=1)
    return [
        [
            Prediction(index, class_name(names, index), probability, given[index])
            for index, probability in zip(indices, values, strict=True)
        ]
        for indices, values, given in zip(best.indices.tolist(), best.values.tolist(), scores.tolist(), strict=True)
    ]


def class_probabilities(output: torch.Tensor, names: Sequence[str]) -> torch.Tensor:
    """The probability of every class, (N, classes), of what a network gives; read as in `best_classes`.

    Raises:
        BadValue: a score is NaN or infinite.
        UnsupportedModel: the output is a map or the like, not one score per class.
    """
    return _scores_and_probabilities(output, names)[1]


def _scores_and_probabilities(output: torch.Tensor, names: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
    scores = _scores(output)
    if scores.shape[1] == 1 and len(names) == 2:
        scores = torch.cat([torch.zeros_like(scores), scores], dim=1)
    probabilities = _probabilities(scores)
    if bool(probabilities.isnan().any()):
        raise BadValue(
            "The network answers NaN or infinite values, so no class has a probability. Check its weights: "
            "it begins at the first layer whose lens.activations(image, layer) are not finite."
        )
    return scores, probabilities


def _scores(output: torch.Tensor) -> torch.Tensor:
    length = max(output.shape[1:], default=1)
    if output[:1].numel() != length:
        raise UnsupportedModel(
            f"The network gives {tuple(output.shape)}, not one score per class, so there are no classes to name. "
            "Its layers can still be looked at: lens.activations(images, layers)."
        )
    return output.detach().reshape(len(output), length).float()


def _probabilities(scores: torch.Tensor) -> torch.Tensor:
    if scores.shape[1] == 1:
        return scores.sigmoid()
    sums = scores.sum(1)
    if bool((scores >= 0).all()) and torch.allclose(sums, torch.ones_like(sums), atol=1e-3):
        return scores
    return scores.softmax(1)
