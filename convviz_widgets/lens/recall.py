"""What is in the cache, and one forward pass for what is missing."""

import hashlib
from collections import deque
from collections.abc import Callable, Sequence

import torch

from convviz_widgets.core.errors import UnsupportedModel
from convviz_widgets.lens.cache import ActivationCache, Key
from convviz_widgets.lens.sites import Site

BATCH = 32  # pictures per forward pass; larger ones leave the processor's caches (measured on SqueezeNet and ResNet18)
Compute = Callable[[list[torch.Tensor], list[Site]], dict[Site, torch.Tensor]]


_latest: deque[tuple[tuple[int, ...], bytes, str]] = deque(maxlen=4)
"""Shape, values and digest of the latest pictures: those looked at again are sooner compared than digested."""


def image_digest(prepared: torch.Tensor) -> str:
    """Digest of a prepared picture (C, H, W): its shape and values."""
    values = prepared.detach().cpu().contiguous()
    shape, raw = tuple(values.shape), values.numpy().tobytes()
    for known_shape, known, digest in tuple(_latest):
        if shape == known_shape and raw == known:
            return digest
    total = hashlib.blake2b(raw, digest_size=16)
    total.update(repr(values.shape).encode())
    _latest.append((shape, raw, total.hexdigest()))
    return total.hexdigest()


def recall(
    cache: ActivationCache, prepared: list[torch.Tensor], sites: Sequence[Site], *, version: int, compute: Compute
) -> dict[Site, torch.Tensor]:
    """The outputs of sites for pictures, (N, ...) each: from the cache, and the missing ones computed and kept.

    Args:
        cache: where to look first.
        prepared: pictures (C, H, W); one that occurs twice is computed once.
        sites: which outputs.
        version: of the weights; what was computed with others is dropped.
        compute: the outputs of sites for a few pictures, in one forward pass.
    """
    cache.keep_only(version)
    order = [image_digest(each) for each in prepared]
    images = dict(zip(order, prepared, strict=True))
    keys = [Key(image, site.name, version) for image in images for site in sites]
    found = {key: activation for key in keys if (activation := cache.get(key)) is not None}
    missing = [key for key in keys if key not in found]
    lacking = [site for site in dict.fromkeys(sites) if any(key.layer == site.name for key in missing)]
    todo = list(dict.fromkeys(key.image for key in missing))
    for start in range(0, len(todo), BATCH):
        part = todo[start : start + BATCH]
        outputs = compute([images[image] for image in part], lacking)
        for site in lacking:
            for image, output in zip(part, _per_picture(outputs[site], len(part), site), strict=True):
                key = Key(image, site.name, version)
                found[key] = output
                cache.put(key, output)
    return {site: torch.stack([found[Key(image, site.name, version)] for image in order]) for site in sites}


def _per_picture(outputs: torch.Tensor, count: int, site: Site) -> list[torch.Tensor]:
    """One output per picture, each of its own memory: a view would hold the whole batch."""
    if outputs.ndim == 0 and count == 1:  # a single score, squeezed
        outputs = outputs[None]
    if outputs.ndim == 0 or len(outputs) != count:
        raise UnsupportedModel(
            f"{site.name or 'The network'!r} gives a tensor of shape {tuple(outputs.shape)} for {count} pictures, so "
            "its values cannot be told apart by picture. Hand the pictures over one by one, or ask for another layer."
        )
    return [each if _owns_its_memory(each) else each.clone() for each in outputs]


def _owns_its_memory(tensor: torch.Tensor) -> bool:
    return tensor.numel() * tensor.element_size() == tensor.untyped_storage().nbytes()
