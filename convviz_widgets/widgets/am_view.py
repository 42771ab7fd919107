"""What the activation maximization panel sends down and hands out: previews, pinned pictures, files."""

import json
import re
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from convviz_widgets.jobs.progress import Progress
from convviz_widgets.lens.lens import Lens
from convviz_widgets.render import film, grid
from convviz_widgets.render.encode import Bytes, jpeg, png, read
from convviz_widgets.widgets.am_session import Shown

POINTS = 400  # of the trace on their way to the browser; a chart has no more pixels
FILM_SIDE = 256  # pixels, about the least width of a film
STILL_SIDE = 192  # pixels, about the side of each picture in the still
PREVIEW_PIXELS = 512 * 512  # of all pictures of a preview together; the last ones come whole
QUALITY_RUNNING, QUALITY_STILL = 82, 93


def view_of(shown: Shown, number: int, progress: Progress | None, *, generator: bool) -> dict[str, Any]:
    """The pictures and their trace as the browser draws them.

    Args:
        shown: the pictures.
        number: of the run.
        progress: how far it is, or None at its end.
        generator: whether a generator of the notebook's own takes part.
    """
    trace, joints = shortened(shown.trace, shown.joints)
    running = progress is not None
    images = smaller(shown.images) if running else shown.images
    return {
        "number": number,
        "step": shown.legs[-1][1] if progress is None else progress.index,
        "total": None if progress is None else progress.total,
        "left": None if progress is None else progress.seconds_left,
        "images": [jpeg(each, QUALITY_RUNNING if running else QUALITY_STILL) for each in images],
        "size": list(shown.images.shape[1:3]),
        "objectives": list(shown.ask.objectives),
        "activations": _or_none(shown.activations),
        "trace": trace.tobytes(),
        "joints": joints,
        "value": float(shown.trace[-1]) if len(shown.trace) else None,
        "steps": int(sum(steps for _, steps in shown.legs)),
        "code": shown.code(generator=generator),
        "note": shown.note,
    }


def pin_of(number: int, shown: Shown, *, generator: bool) -> dict[str, Any]:
    """A pinned picture as the browser shows it."""
    return {
        "number": number,
        "objectives": list(shown.ask.objectives),
        "recipe": shown.ask.recipe,
        "knobs": dict(shown.ask.knobs),
        "seed": shown.ask.seed,
        "steps": int(sum(steps for _, steps in shown.legs)),
        "activations": _or_none(shown.activations),
        "images": [jpeg(each, QUALITY_STILL) for each in shown.images],
        "code": shown.code(generator=generator),
    }


def shortened(trace: npt.NDArray[np.float32], joints: tuple[int, ...]) -> tuple[npt.NDArray[np.float32], list[float]]:
    """At most `POINTS` points of a trace, the last among them, and its joints as shares of its length."""
    count = len(trace)
    shares = [joint / max(1, count - 1) for joint in joints]
    if count <= POINTS:
        return trace, shares
    places = np.linspace(0, count - 1, POINTS).round().astype(int)
    return trace[places], shares


def file_of(kind: str, shown: Shown, frames: list[Bytes], lens: Lens, *, generator: bool) -> tuple[str, str, bytes]:
    """A file to keep, with its provenance inside: (name, media type, bytes).

    Args:
        kind: "png" for the picture, "gif" or "apng" for the film of the run.
        shown: the pictures.
        frames: (N, H, W, 3) each, for a film.
        lens: the network.
        generator: whether a generator of the notebook's own takes part.
    """
    code = shown.code(generator=generator)
    made = shown.provenance(lens).to_json()
    stem = re.sub(r"[^\w.-]+", "-", f"{shown.ask.objectives[0]}_{shown.ask.recipe}").strip("-")[:80]
    stem += f"_and_{len(shown.images) - 1}_more" if len(shown.images) > 1 else ""
    text = {"convviz_widgets": made, "code": code}
    if kind == "png":
        return f"{stem}.png", "image/png", png(sheet_of(shown), text=text)
    pictures = [_enlarged(grid.montage(list(each)) if len(each) > 1 else each[0], FILM_SIDE) for each in frames]
    pictures = [_sized(each, pictures[-1]) for each in pictures]
    if kind == "gif":
        return f"{stem}.gif", "image/gif", film.gif(pictures, comment=json.dumps(text))
    return f"{stem}.apng", "image/apng", film.apng(pictures, text=text)


def sheet_of(shown: Shown) -> Bytes:
    """One picture as it is, several side by side with captions."""
    if len(shown.images) == 1:
        return np.asarray(shown.images[0])
    return grid.montage(list(shown.images), captions=captions_of(shown))


def still_of(shown: Shown, best: list[dict[str, Any]]) -> Bytes:
    """The pictures, enlarged, with what they are below; for a single one the best photo's patch beside it."""
    pictures = [_enlarged(each, STILL_SIDE) for each in shown.images]
    captions = captions_of(shown)
    if len(pictures) == 1 and best and "jpeg" in best[0]:
        pictures.append(_enlarged(read(best[0]["jpeg"]), STILL_SIDE))
        captions.append(f"best of {best[0]['of']}: {best[0]['activation']:.3g}")
    return grid.montage(pictures, captions=captions)


def captions_of(shown: Shown) -> list[str]:
    """The objective and what its unit answers."""
    pairs = zip(shown.ask.objectives, shown.activations, strict=True)
    return [text if np.isnan(value) else f"{text}  {value:.3g}" for text, value in pairs]


def smaller(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Pictures (N, H, W, 3) shrunk by whole pixels until they all have about `PREVIEW_PIXELS`."""
    count, height, width = images.shape[:3]
    step = min(height, width, round((count * height * width / PREVIEW_PIXELS) ** 0.5))
    if step < 2:
        return images
    height, width = height // step, width // step
    cut = images[:, : height * step, : width * step].reshape(count, height, step, width, step, 3)
    return np.asarray(cut.mean((2, 4)).round(), dtype=np.uint8)


def _or_none(activations: npt.NDArray[np.float32]) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in activations]


def _sized(picture: Bytes, like: Bytes) -> Bytes:
    """A picture in the size of another: the size is a knob too, and a film has one."""
    if picture.shape == like.shape:
        return picture
    height, width = like.shape[:2]
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR))


def _enlarged(picture: Bytes, side: int) -> Bytes:
    times = max(1, -(-side // max(picture.shape[:2])))
    enlarged: Bytes = picture.repeat(times, axis=0).repeat(times, axis=1)
    return enlarged
