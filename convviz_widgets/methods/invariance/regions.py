"""Where parts are in pictures: boxes, painted masks, and parts read off label maps; and places for others like them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from convviz_widgets.core.errors import BadType, BadValue, unknown_name
from convviz_widgets.core.knob import whole
from convviz_widgets.core.region import Box
from convviz_widgets.lens.framing import Framings
from convviz_widgets.lens.images import decode
from convviz_widgets.lens.lens import Lens
from convviz_widgets.lens.masks import WHOLE, checked_mask, window_of

Mask = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class PartRegions:
    """Pictures on which some parts are known, and where.

    Args:
        images: (N,) pictures, as the dataset gives them.
        regions: of each part (N,) masks (H, W) uint8, of the size that the network sees.
        places: (N,) of the pictures in the dataset.
    """

    images: tuple[Any, ...]
    regions: Mapping[str, tuple[Mask, ...]]
    places: tuple[int, ...]


def part_regions(
    lens: Lens,
    dataset: Any,
    parts: Sequence[str] | str,
    *,
    within: str | None = None,
    count: int = 5,
    shape: Literal["mask", "box"] = "mask",
    least: int = 9,
) -> PartRegions:
    """The first pictures of a labelled dataset that show all of some parts, with a region for each part.

    Label maps are followed through the preparation of the pictures, so that a region lies on what the network sees.

    Example:
        >>> from convviz_widgets.data.mini_broden import MiniBroden
        >>> faces = part_regions(Lens.load("mini"), MiniBroden(count=200), ["eye", "mouth"], within="face", count=3)
        >>> len(faces.images), faces.regions["eye"][0].shape
        (3, (96, 96))

    Args:
        lens: the network.
        dataset: labelled pictures, such as ``MiniBroden`` or ``Broden``: samples with ``image`` and ``labels``, and
            ``concepts`` with id, name and category.
        parts: names of concepts of any category.
        within: a concept that the parts must lie on, most often the object they belong to.
        count: pictures wanted.
        shape: "mask" for the part's own shape, "box" for the smallest box around it.
        least: pixels of the prepared picture that each part must cover.

    Raises:
        UnknownName: there is no such concept; lists the nearest.
        BadType: the dataset is not a labelled one.
        BadValue: fewer than two pictures show all of the parts.

    Source:
        After Zeiler & Fergus 2013, section 4.3, who hid the parts of faces by hand.
    """
    whole("count", count, 2, 10_000)
    if shape not in ("mask", "box"):
        raise unknown_name("shape", shape, ("mask", "box"))
    names = [parts] if isinstance(parts, str) else list(parts)
    concepts = [_concept(dataset, each) for each in names]
    if not concepts:
        raise BadValue("No part was named. Accepted: at least one, such as 'eye'.")
    ground = None if within is None else _concept(dataset, within)
    framings = Framings(lens.preprocess)
    found: list[tuple[int, Any, list[Mask]]] = []
    for place in range(len(dataset)):
        sample = dataset[place]
        masks = _masks(lens, framings, sample, [*concepts, *([ground] if ground else [])])
        if ground:
            masks = [mask & masks[-1] for mask in masks[:-1]]
        if all(int((mask > 0).sum()) >= least for mask in masks):
            found.append((place, sample.image, [_boxed(mask) if shape == "box" else mask for mask in masks]))
        if len(found) == count:
            break
    if len(found) < 2:
        on = f" on {within!r}" if within else ""
        raise BadValue(
            f"{len(found)} of {len(dataset)} pictures show {', '.join(names)}{on} with {least} pixels or more. "
            "Accepted: two at least; take more pictures, fewer parts, or a smaller `least`."
        )
    regions = {name: tuple(masks[at] for _, _, masks in found) for at, name in enumerate(names)}
    return PartRegions(tuple(image for _, image, _ in found), regions, tuple(place for place, _, _ in found))


def by_part(regions: Any, count: int, size: tuple[int, int]) -> dict[str, list[Mask | None]]:
    """Regions as a user gives them, as masks by part and picture; None where a picture does not have the part.

    Example:
        >>> by_part([Box(0, 0, 2, 1), None], 2, (2, 2))["part"][0].tolist()
        [[255, 255], [0, 0]]

    Args:
        regions: name of the part to one region per picture; or those of a single part; or a box that stands on all.
        count: of the pictures.
        size: (H, W) of the pictures as the network sees them.

    Raises:
        BadType: none of these.
        BadValue: not one region per picture, one that misses its picture or covers nothing, or a part that fewer than
            two pictures have.
    """
    given = regions if isinstance(regions, Mapping) else {"part": regions}
    if not given:
        raise BadValue("No regions were given. Accepted: for one part or more, one region per picture.")
    found = {}
    for name, each in given.items():
        listed = [each] * count if isinstance(each, Box) else each
        if isinstance(listed, str | bytes | Mapping) or not hasattr(listed, "__len__"):
            raise BadType(
                f"The regions of {name!r} are a {type(each).__name__}. Accepted: one region per picture, each a Box, a "
                "mask (H, W), the bytes of OcclusionBrush.region, or None where the picture has no such part."
            )
        if len(listed) != count:
            raise BadValue(
                f"{name!r} has {len(listed)} regions for {count} pictures. Accepted: one per picture, or None."
            )
        masks = [None if one is None else _mask(one, size, f"{name!r}, picture {at}") for at, one in enumerate(listed)]
        if sum(mask is not None for mask in masks) < 2:
            raise BadValue(
                f"{name!r} is known on {sum(mask is not None for mask in masks)} of {count} pictures. Accepted: two "
                "pictures or more, as they are compared with each other."
            )
        found[str(name)] = masks
    return found


def elsewhere(mask: Mask, draws: int, generator: np.random.Generator) -> list[Mask]:
    """The same shape at random other places of the picture, whole; each place as likely as any other, and once.

    Example:
        >>> corner = np.array([[255, 0], [0, 0]], np.uint8)
        >>> [int(each[0, 0]) for each in elsewhere(corner, 3, np.random.default_rng(0))]
        [0, 0, 0]

    Args:
        mask: (H, W), the shape where it is.
        draws: how many places; one comes twice only where there are fewer.
        generator: of the places.

    Raises:
        BadValue: the shape reaches from edge to edge both ways, so that it has no other place.
    """
    box = window_of(mask)
    rows, columns = (0, 0) if box is None else (mask.shape[0] - box.height + 1, mask.shape[1] - box.width + 1)
    if box is None or rows * columns < 2:
        raise BadValue(
            "A region that reaches over the whole picture has no other place there, so there is nothing to compare it "
            "with. Accepted: a smaller region."
        )
    own = box.top * columns + box.left
    shape = mask[box.top : box.bottom, box.left : box.right]
    moved = []
    others = rows * columns - 1
    for at in generator.choice(others, size=draws, replace=draws > others):
        top, left = divmod(int(at) + (int(at) >= own), columns)
        other = np.zeros_like(mask)
        other[top : top + box.height, left : left + box.width] = shape
        moved.append(other)
    return moved


def _mask(region: Any, size: tuple[int, int], where: str) -> Mask:
    if isinstance(region, Box):
        inside = region.clipped(width=size[1], height=size[0])
        if not inside.width or not inside.height:
            raise BadValue(
                f"The region of {where} misses the picture: {region} and a picture of {size[0]} rows by {size[1]} "
                "columns. Accepted: a box that lies on it at least in part."
            )
        mask = np.zeros(size, np.uint8)
        mask[inside.top : inside.bottom, inside.left : inside.right] = WHOLE
        return mask
    try:
        mask = checked_mask(region, size)
    except BadValue as error:
        raise BadValue(f"The region of {where}: {error}") from error
    if not mask.any():
        raise BadValue(f"The region of {where} covers nothing. Accepted: one pixel at least, or None for no such part.")
    return mask


def _concept(dataset: Any, name: str) -> Any:
    concepts = list(getattr(dataset, "concepts", ()))
    if not concepts or not hasattr(dataset, "__len__"):
        raise BadType(
            f"{type(dataset).__name__} has no concepts. Accepted: a labelled dataset such as MiniBroden: samples with "
            "`image` and `labels`, and `concepts` with id, name and category."
        )
    named = next((each for each in concepts if each.name == name), None)
    if named is None:
        raise unknown_name("concept", name, [each.name for each in concepts], "`dataset.concepts` lists them all.")
    return named


def _masks(lens: Lens, framings: Framings, sample: Any, concepts: Sequence[Any]) -> list[Mask]:
    """Where each concept is on the prepared picture, (H, W) uint8."""
    decoded = decode(sample.image, strict=lens.preprocess.transform is not None, channels=lens.preprocess.channels)
    framing = framings.of(decoded)
    found = []
    for concept in concepts:
        labels = sample.labels.get(concept.category)
        mask = np.zeros(framing.prepared, np.uint8)
        if labels is not None:
            maps = np.asarray(labels) == concept.id
            mask[framing.labels(maps if maps.ndim == 3 else maps[None], framing.prepared).any(0)] = WHOLE
        found.append(mask)
    return found


def _boxed(mask: Mask) -> Mask:
    box = window_of(mask)
    return mask if box is None else _mask(box, (mask.shape[0], mask.shape[1]), "a part")
