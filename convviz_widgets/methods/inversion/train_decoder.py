"""A decoder for one layer of any network, trained on pictures: it learns to undo the layer.

With A the layer's answers, the decoder D is trained for the least mean of ``|D(A(x)) - x|**2`` over pictures x with
values in [0, 1]. At best ``D(a)`` is the mean of all pictures that the layer answers with a: sharp is what the layer
keeps, blurred what it has lost.

Cost: per epoch one forward pass to the layer for each picture, none for those whose answers are still in the cache, and
a forward and backward pass of the decoder.
Oracles: the decoder of an invertible layer brings pictures back; killed and resumed it ends with the same bits.
Source: Dosovitskiy & Brox 2016, "Inverting Visual Representations with Convolutional Networks".
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import nn

from convviz_widgets.core.errors import BadType, BadValue
from convviz_widgets.core.knob import Knob
from convviz_widgets.core.step import Steps
from convviz_widgets.core.technique import technique
from convviz_widgets.lens.backward import cached_answers
from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.inversion.decoder import Decoder
from convviz_widgets.nets.loop import Recipe, train_steps
from convviz_widgets.nets.upconvnet import WIDTHS, UpconvNet

FIRST = 64  # pictures whose answers set the scale
VECTORS = 512  # the same where they are vectors, whose faint directions few do not tell

Epochs = Annotated[int, Knob(1, 1000, "log", help="passes over the pictures")]
BatchSize = Annotated[int, Knob(1, 256, "log", help="pictures per step")]
LearningRate = Annotated[float, Knob(1e-5, 0.1, "log", help="the largest; it rises first and falls then")]
WeightDecay = Annotated[float, Knob(0, 0.1, help="pull of the weights to zero")]


@technique
def train_decoder(
    lens: Lens,
    layer: str | Layer,
    images: Sequence[Any],
    *,
    epochs: Epochs = 8,
    batch_size: BatchSize = 16,
    learning_rate: LearningRate = 2e-3,
    weight_decay: WeightDecay = 1e-3,
    widths: Sequence[int] = WIDTHS,
    seed: int = 0,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Steps[Decoder]:
    """Trains the decoder that tells pictures from a layer's answers.

    Example:
        >>> images = torch.rand(6, 3, 96, 96)
        >>> train_decoder(Lens.load("mini"), "relu5", images, epochs=1).layer
        'relu5'

    Args:
        lens: the network.
        layer: the layer, of maps or a vector.
        images: a sequence of pictures of one prepared size: a list, an array, a dataset such as `MiniBroden`.
        epochs: passes over the pictures.
        batch_size: pictures per step.
        learning_rate: the largest.
        weight_decay: pull of the weights to zero.
        widths: channels of the decoder where its maps have a half, a quarter, ... of the picture's side.
        seed: of the first weights and of the order.
        checkpoint: file to resume from after a kill, written after each epoch.

    Returns:
        A `Decoder`; the iterator gives one `Step` per batch with its mean squared error as the headline.

    Raises:
        UnknownName: a wrong layer.
        UnsupportedModel: the layer gives neither maps nor a vector.
        BadType: the pictures cannot be counted, as those of a stream.
        BadValue: no pictures, fewer than the sequence says, or of different sizes; the loss is lost; or the checkpoint
            belongs to other settings.

    Source:
        Dosovitskiy & Brox 2016.
    """
    name = lens.layers[layer.name if isinstance(layer, Layer) else layer].name
    pictures = _Pictures(lens, name, images, _count(images), kept=checkpoint is not None)
    first = pictures.batch(range(min(FIRST, pictures.count)))
    net = _new(first, pictures.sample(first), tuple(widths), seed)
    recipe = Recipe(epochs, batch_size, learning_rate, weight_decay, seed)

    def objective(model: nn.Module, indices: torch.Tensor, _: torch.Generator) -> torch.Tensor:
        batch = pictures.batch(indices.tolist(), like=first)
        error: torch.Tensor = (model(batch.answers) - batch.pictures).square().mean()
        return error

    about = json.dumps({"layer": name, "weights": lens.fingerprint, "pictures": pictures.count, "widths": list(widths)})
    progress = yield from train_steps(net, objective, pictures.count, recipe, checkpoint=checkpoint, about=about)
    net.requires_grad_(requires_grad=False)
    return Decoder(net, name, lens.fingerprint, tuple(progress.losses))


@dataclass(frozen=True)
class _Batch:
    """Pictures (N, C, H, W) in [0, 1], and the layer's answers to them, (N, ...)."""

    pictures: torch.Tensor
    answers: torch.Tensor


@dataclass(frozen=True)
class _Pictures:
    """The pictures by number, with the layer's answers."""

    lens: Lens
    layer: str
    images: Sequence[Any]
    count: int
    kept: bool  # whether there is a checkpoint

    def batch(self, indices: Sequence[int], like: _Batch | None = None) -> _Batch:
        """Some of the pictures, of the size of ``like``."""
        prepared = self.lens.prepare([self._picture(index) for index in indices])
        if like is not None and prepared.shape[1:] != like.pictures.shape[1:]:
            given, wanted = ("x".join(map(str, each.shape[2:])) for each in (prepared, like.pictures))
            raise BadValue(
                f"A picture of {given} pixels came after others of {wanted}. A decoder is trained for one size: open "
                "the network with a `preprocess` that resizes them."
            )
        with torch.inference_mode(mode=False), torch.no_grad():
            answers = cached_answers(self.lens, prepared, self.lens.layers[self.layer]).float()
            pictures = self.lens.preprocess.denormalize(prepared.float()).clamp(0, 1)
        return _Batch(pictures, answers)

    def sample(self, first: _Batch) -> torch.Tensor:
        """Answers that set the scale: the first ones, and more where they are vectors."""
        if first.answers.ndim > 2:
            return first.answers
        starts = range(len(first.answers), min(VECTORS, self.count), FIRST)
        more = (self.batch(range(start, min(start + FIRST, self.count)), like=first) for start in starts)
        return torch.cat([first.answers, *(each.answers for each in more)])

    def _picture(self, index: int) -> Any:
        try:
            return self.images[index]
        except IndexError as error:
            way_on = (
                "What whole epochs have taught is in the checkpoint: mend the data and call again with the same one."
                if self.kept
                else "Mend the data; with checkpoint=FILE a call that fails goes on after its last whole epoch."
            )
            raise BadValue(
                f"The pictures ran out: there is none with number {index}, although {self.count} were announced. "
                f"{way_on}"
            ) from error


def _count(images: Any) -> int:
    """How many pictures there are."""
    if not (hasattr(images, "__len__") and hasattr(images, "__getitem__")):
        raise BadType(
            f"images is {type(images).__name__}, which cannot be gone through again for each epoch. Accepted: a "
            "sequence of pictures, as list(images) makes one."
        )
    if not len(images):
        raise BadValue("No picture was given: the sequence is empty.")
    return len(images)


def _new(first: _Batch, sample: torch.Tensor, widths: tuple[int, ...], seed: int) -> UpconvNet:
    """An untrained decoder, its weights drawn without a trace in the outer world's randomness."""
    shape = tuple(first.answers.shape[1:])
    channels, height, width = first.pictures.shape[1:]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = UpconvNet(shape, (channels, height, width), widths)
    net = net.to(first.answers.device)
    net.set_scale(sample)
    return net
