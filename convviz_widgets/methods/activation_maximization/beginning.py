"""What a climb starts from, as its recipe writes it down: noise, the mean grey, an image that is given, or a code."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from convviz_widgets.core.errors import BadValue, ConvvizError, UnsupportedModel
from convviz_widgets.lens.canvas.parametrizations import Fourier, Parametrization, Pixels
from convviz_widgets.lens.canvas.space import Space
from convviz_widgets.lens.canvas.start import SPREAD, Size, noise, resized
from convviz_widgets.lens.device import on_device
from convviz_widgets.lens.lens import Lens
from convviz_widgets.methods.activation_maximization.parametrizations import Code, Phase
from convviz_widgets.methods.activation_maximization.recipes import Recipe
from convviz_widgets.nets import generator as shipped

FAINT_CODE = 0.1  # noise on the mean code, as a share of a third of the range


def mask_of(given: Any, size: Size, like: torch.Tensor) -> torch.Tensor:
    """A mask (H, W), 1 where the image may change, as (1, 1, H, W).

    Raises:
        BadValue: another shape, or values outside [0, 1].
    """
    values = torch.as_tensor(np.asarray(given, dtype=np.float32))
    if values.ndim != 2 or not 0 <= float(values.min()) <= float(values.max()) <= 1:
        raise BadValue(
            f"mask has shape {tuple(values.shape)} and values from {float(values.min()):g} to {float(values.max()):g}. "
            "Accepted: (H, W), from 0 (stays) to 1 (may change)."
        )
    return resized(values[None, None].to(like), size)


def write(
    recipe: Recipe,
    space: Space,
    lens: Lens,
    *,
    z: torch.Tensor | None,
    size: Size,
    seed: int,
    numbers: Sequence[int],
    generator: nn.Module | None,
) -> Parametrization:
    """The image as numbers, in the recipe's parametrization, at its start.

    Args:
        recipe: how to write and what to start from.
        space: of the image.
        lens: the network, which may turn an image into a code.
        z: what to start from in place of the recipe's own.
        size: of the image.
        seed: of the noise.
        numbers: of the noise, per image.
        generator: for codes.
    """
    if recipe.parametrization == "code":
        generator = _generator(lens, generator)
        code = _code(lens, space, generator, z, seed, numbers)
        return Code(space, generator, code, size, share=float(recipe.settings.code_range or 1))
    white = noise((space.channels, *size), seed, numbers).to(space.mean)
    if recipe.parametrization == "fourier":
        return Fourier(space, z, white)
    if recipe.parametrization == "phase":
        return Phase(space, z, white)
    if z is None:
        z = SPREAD * white if recipe.start == "noise" else torch.zeros_like(white)
    return Pixels(space, z)


def _code(
    lens: Lens, space: Space, generator: nn.Module, z: torch.Tensor | None, seed: int, numbers: Sequence[int]
) -> torch.Tensor:
    """The code of an image, or the mean code with a little noise, so that facets of one unit can differ."""
    length = _code_length(generator)
    layer = str(getattr(generator, "code_layer", ""))
    if z is not None:
        try:
            found = lens.record(space.prepared(resized(z, lens.input_shape[1:])), [layer])[layer]
        except ConvvizError as error:
            raise BadValue(
                "A generator's code cannot start from an image unless the generator names the layer of this network "
                f"whose activations are its codes, as `code_layer`; it names {layer!r}."
            ) from error
        return found.flatten(1).float()
    mean = torch.as_tensor(getattr(generator, "code_mean", 0.0)).float().cpu()
    reach = torch.as_tensor(getattr(generator, "code_high", 3.0)).float().cpu() / 3
    return (mean + FAINT_CODE * reach * noise((length,), seed, numbers)).to(space.mean)


def _generator(lens: Lens, given: nn.Module | None) -> nn.Module:
    """The generator that was given, or the one that ships for the network, where the network is."""
    if given is None and lens.name in shipped.names():
        given = shipped.load(lens.name)
    if given is None:
        raise UnsupportedModel(
            f"There is no generator for {lens.name}. One ships for Lens.load('mini'); for others hand over any module "
            "from codes (N, K) to pictures (N, C, H, W) in [0, 1] as generator=..., or use another recipe."
        )
    return on_device(given, lens.device)


def _code_length(generator: nn.Module) -> int:
    """How many numbers a code has: as the generator says, else as its first layer takes."""
    length = getattr(generator, "code_length", None)
    if isinstance(length, int):
        return length
    for each in generator.modules():
        if isinstance(each, nn.Linear):
            return each.in_features
        if isinstance(each, nn.ConvTranspose2d | nn.Conv2d):
            return each.in_channels
    raise UnsupportedModel(
        f"How long a code of {type(generator).__name__} is cannot be seen. Give it an attribute `code_length`."
    )
