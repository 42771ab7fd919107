"""What a layer still knows of a picture: an image made anew from nothing but the layer's answer to it.

With ``A`` the layer's answers to an image and ``A0`` those to the picture, the image x goes downhill on
``|A(x) - A0|**2 / |A0|**2 + a * mean |x / B|**6 * B / 6 + v * mean (dx**2 + dy**2)``, from noise. What all such images
have in common the layer knows; what differs from seed to seed it has lost. The recipe "decoder" asks a trained network
instead (`upconvnet`), which tells at once the mean of all pictures with that answer.

Cost: one forward pass that stops at the layer and one way back per step and image; decoders: one forward pass.
Oracles: on an invertible network the picture comes back (PSNR > 40 dB); the error falls with the steps and grows with
depth; the same seed gives the same image.
Source: Mahendran & Vedaldi 2015, "Understanding Deep Image Representations by Inverting Them", section 2; Dosovitskiy &
Brox 2016, "Inverting Visual Representations with Convolutional Networks".
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from convviz_widgets.core.errors import BadValue
from convviz_widgets.core.knob import whole
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.core.step import Step, Steps
from convviz_widgets.core.technique import technique
from convviz_widgets.lens.canvas.parametrizations import Fourier, Parametrization, Pixels
from convviz_widgets.lens.canvas.space import Space, bytes_of, rgb
from convviz_widgets.lens.canvas.start import SPREAD, images, noise
from convviz_widgets.lens.layers import Layer
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.single import one_picture
from convviz_widgets.methods.inversion import settings as knob
from convviz_widgets.methods.inversion.codes import Code, codes_of
from convviz_widgets.methods.inversion.decoder import Decoder
from convviz_widgets.methods.inversion.descent import Descended, Descent
from convviz_widgets.methods.inversion.perturb import Perturbation
from convviz_widgets.methods.inversion.result import Inversion

MOST_SEEDS = 64


@technique
def invert(
    lens: Lens,
    image: Any,
    layer: str | Layer | Sequence[str | Layer],
    *,
    recipe: str = "mahendran",
    seed: int = 0,
    seeds: int = 1,
    start: Any = "noise",
    perturbation: str | Perturbation | None = None,
    importance: Any = None,
    decoders: Decoder | Mapping[str, Decoder] | None = None,
    descent: str | None = None,
    steps: knob.Count = None,
    step_size: knob.StepSize = None,
    total_variation: knob.TotalVariation = None,
    alpha_norm: knob.AlphaNorm = None,
    jitter: knob.Jitter = None,
) -> Steps[Inversion]:
    """Makes a picture anew from what one layer, or each of several, answered to it.

    Example:
        >>> told = invert(Lens.load("mini"), np.full((96, 96, 3), 0.5), ["relu1", "relu5"], steps=4)
        >>> told.images.shape, told.traces.shape
        ((2, 96, 96, 3), (4, 2))

    Args:
        lens: the network.
        image: one picture, in any form a lens takes.
        layer: a layer's name, or several.
        recipe: "mahendran" (pixels, momentum), "fourier" (frequencies, Adam) or "decoder" (trained, no steps).
        seed: of the starting noise, of the shifts and of what is random in a perturbation.
        seeds: how many images per layer, from the noise of seed, seed + 1, ...
        start: "noise", "mean" for the mean grey, or a picture to start from.
        perturbation: what is done to the answers first, such as "binarise" or "dropout:0.5"; see `Perturbation`.
        importance: (K,) of a layer's channels, for the perturbation "weakest"; by default the norm of each.
        decoders: for the recipe "decoder": one, or one by layer; those that ship for the network by default.
        descent: "momentum" or "adam", in place of the recipe's.
        steps: how often the image is changed.
        step_size: how far the first steps go, in standard deviations of the picture; they shrink to nothing.
        total_variation: penalty on differences of neighbours.
        alpha_norm: penalty on extreme values.
        jitter: random shift before each step, in pixels.

    Returns:
        An `Inversion`; the iterator's steps carry the images so far, (N, H, W, 3) uint8, as ``preview``.

    Raises:
        UnknownName: a wrong layer, recipe, descent or perturbation; or no decoder ships for a layer.
        BadValue, BadType: a knob out of range, several pictures, a layer that answers zeros, a decoder for another
            layer, size or network.
        UnsupportedModel: no gradient leads from the layer to the image.

    Source:
        Mahendran & Vedaldi 2015, section 2; Dosovitskiy & Brox 2016.
    """
    given = {name: value for name, value in locals().items() if name in knob.KNOBS and value is not None}
    way = knob.chosen(recipe, descent, given)
    layers = _names(lens, layer)
    count = whole("seeds", seeds, 1, MOST_SEEDS)
    seed = whole("seed", seed, 0, 2**32)
    perturbed = None if perturbation is None else Perturbation.parse(perturbation)
    prepared = one_picture(lens, image)
    space = Space.of(lens)
    codes = codes_of(lens, prepared, layers, perturbed, seed=seed, importance=importance)
    if way.parametrization == "decoder":
        ended = yield from _decoded(space, codes, _decoders(lens, layers, decoders))
        count = 1
    else:
        numbers = list(range(count)) * len(codes)
        written = _written(lens, space, way, start, seed, numbers, (prepared.shape[-2], prepared.shape[-1]))
        draws = torch.Generator().manual_seed(seed)
        ended = yield from Descent(lens, codes, written, way, draws).steps()
    z = ended.z
    objects = {"start": start if not isinstance(start, str) else None, "importance": importance, "decoders": decoders}
    extras = {
        "seeds": count if count > 1 else None,
        "start": start if isinstance(start, str) and start != "noise" else None,
        "perturbation": None if perturbed is None else str(perturbed),
        "descent": descent,
    }
    return Inversion(
        layers=tuple(code.layer for code in codes for _ in range(count)),
        seeds=tuple(seed + number for _ in codes for number in range(count)),
        images=rgb(space.pictures(z)),
        losses=_losses(lens, space, codes, z),
        traces=np.array(ended.trace, dtype=np.float32).reshape(-1, len(z)),
        original=rgb(space.pictures(space.of_prepared(prepared.float())))[0],
        stopped=ended.remark,
        provenance=Provenance.of(
            "invert",
            fingerprint=lens.fingerprint,
            seed=seed,
            inputs=("lens", "image", *(f"{name}={name}" for name, each in objects.items() if each is not None)),
            layer=layers if _is_several(layer) else layers[0],
            recipe=recipe,
            **{name: value for name, value in extras.items() if value is not None},
            **given,
        ),
    )


def _decoded(space: Space, codes: Sequence[Code], decoders: Mapping[str, Decoder]) -> Steps[Descended]:
    """The images that decoders tell, one layer per step."""
    made: list[torch.Tensor] = []
    for place, code in enumerate(codes):
        made.append(space.of_pictures(decoders[code.layer].decode(code.answer).to(space.mean)))
        yield Step(place + 1, len(codes), label=code.layer, preview=bytes_of(space, torch.cat(made)))
    return Descended(torch.cat(made), ())


def _decoders(
    lens: Lens, layers: Sequence[str], given: Decoder | Mapping[str, Decoder] | None
) -> Mapping[str, Decoder]:
    known = {given.layer: given} if isinstance(given, Decoder) else dict(given or {})
    found = {name: known[name] if name in known else Decoder.shipped(lens, name) for name in layers}
    for name, decoder in found.items():
        decoder.check(lens, name)
    return found


def _written(
    lens: Lens, space: Space, recipe: knob.Recipe, start: Any, seed: int, numbers: list[int], size: tuple[int, int]
) -> Parametrization:
    """The images as numbers, at their start."""
    white = noise((space.channels, *size), seed, numbers).to(space.mean)
    z: torch.Tensor | None = None
    if isinstance(start, str) and start == "mean":
        z = torch.zeros_like(white)
    elif not (isinstance(start, str) and start == "noise"):
        z = images(lens, space, start, len(numbers), size, name="start")
    if recipe.parametrization == "fourier":
        return Fourier(space, z, white)
    return Pixels(space, SPREAD * white if z is None else z)


def _losses(lens: Lens, space: Space, codes: Sequence[Code], z: torch.Tensor) -> np.ndarray[Any, Any]:
    """The misfit of each image as a person gets it: within black and white, without shift."""
    prepared = space.prepared(space.of_pictures(space.pictures(z)))
    parts = torch.split(prepared, len(z) // len(codes))
    found = [code.misfit(lens.record(part, [code.layer])[code.layer]) for code, part in zip(codes, parts, strict=True)]
    losses: np.ndarray[Any, Any] = torch.cat(found).float().cpu().numpy()
    return losses


def _names(lens: Lens, given: str | Layer | Sequence[str | Layer]) -> tuple[str, ...]:
    several: Any = given if _is_several(given) else (given,)
    names = tuple(lens.layers[each.name if isinstance(each, Layer) else each].name for each in several)
    if not names:
        raise BadValue("No layer was given: the list is empty. `lens.layers` lists them all.")
    if len(set(names)) < len(names):
        raise BadValue(f"A layer was given twice: {', '.join(names)}. For several images of one layer, set seeds=...")
    return names


def _is_several(given: Any) -> bool:
    return isinstance(given, Sequence) and not isinstance(given, str)
