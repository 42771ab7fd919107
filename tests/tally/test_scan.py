"""One pass over a dataset: counted once, resumed with the same bits, bounded, and patient with bad files."""

import gc
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from convviz_widgets.core.errors import BadValue, UnknownName
from convviz_widgets.lens.lens import Lens
from convviz_widgets.tally import scan as module
from convviz_widgets.tally.moments import Moments
from convviz_widgets.tally.scan import scan
from convviz_widgets.tally.top_k import TopK
from tests.known_networks import make

PIXELS = np.random.default_rng(0).integers(0, 256, (23, 24, 24, 3), dtype=np.uint8)
TALLIES = {"top": lambda: TopK(3), "moments": Moments}


@pytest.fixture
def lens() -> Lens:
    return Lens(make("classifier")[0], input_size=24)


class Photos:
    """A sequence that breaks off at a place, as when the process is killed."""

    digest = "photos"

    def __init__(self, stops_at: int | None = None) -> None:
        self.stops_at, self.read = stops_at, []

    def __len__(self) -> int:
        return len(PIXELS)

    def __getitem__(self, place: int) -> np.ndarray:
        if place == self.stops_at:
            raise KeyboardInterrupt
        self.read.append(place)
        return PIXELS[place]


def bits(found: Any) -> dict[Any, bytes]:
    return {
        (layer, name, key): array.tobytes()
        for layer, named in found.tallies.items()
        for name, tally in named.items()
        for key, array in tally.state().items()
    }


def test_it_counts_what_the_activations_are(lens: Lens) -> None:
    found = scan(lens, PIXELS, ["0", "2"], {"moments": Moments}, batch_size=5)
    for name in ("0", "2"):
        maps = lens.activations(PIXELS, name).double()
        np.testing.assert_allclose(found.tallies[name]["moments"].value().mean, maps.mean((0, 2, 3)), rtol=1e-6)
    assert (found.count, found.skipped) == (23, ())


def test_one_forward_pass_per_batch_serves_all_layers(lens: Lens) -> None:
    assert len(lens.layers)
    calls = []
    handle = lens.module.register_forward_pre_hook(lambda *_: calls.append(1))
    scan(lens, PIXELS, ["0", "2"], TALLIES, batch_size=5)
    handle.remove()
    assert len(calls) == 5


def test_killed_and_resumed_it_gives_the_same_bits(lens: Lens, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    whole = scan(lens, Photos(), "0", TALLIES, batch_size=4)
    with pytest.raises(KeyboardInterrupt):
        scan(lens, Photos(stops_at=14), "0", TALLIES, batch_size=4, checkpoint=tmp_path / "c.npz")
    rest = Photos()
    resumed = scan(lens, rest, "0", TALLIES, batch_size=4, checkpoint=tmp_path / "c.npz")
    assert bits(resumed) == bits(whole)
    assert min(rest.read) >= 8
    again = Photos()
    assert bits(scan(lens, again, "0", TALLIES, checkpoint=tmp_path / "c.npz")) == bits(whole)
    assert again.read == []


def test_a_checkpoint_of_another_scan_is_refused(lens: Lens, tmp_path: Path) -> None:
    scan(lens, Photos(), "0", TALLIES, checkpoint=tmp_path / "c.npz")
    with pytest.raises(BadValue, match=r"another scan: other \['tallies'\]"):
        scan(lens, Photos(), "2", TALLIES, checkpoint=tmp_path / "c.npz")
    with torch.no_grad():
        lens.module[0].weight.add_(1)
    with pytest.raises(BadValue, match=r"other \['weights'\]"):
        scan(lens, Photos(), "0", TALLIES, checkpoint=tmp_path / "c.npz")


def test_a_checkpoint_of_other_settings_is_refused(lens: Lens, tmp_path: Path) -> None:
    scan(lens, Photos(), "0", {"top": lambda: TopK(3)}, checkpoint=tmp_path / "c.npz")
    with pytest.raises(BadValue, match=r"other \['tallies'\]"):
        scan(lens, Photos(), "0", {"top": lambda: TopK(9)}, checkpoint=tmp_path / "c.npz")


def test_a_damaged_checkpoint_is_refused_wherever_it_breaks_off(lens: Lens, tmp_path: Path) -> None:
    scan(lens, Photos(), "0", TALLIES, checkpoint=tmp_path / "c.npz")
    whole = (tmp_path / "c.npz").read_bytes()
    broken = tmp_path / "broken.npz"
    changed = bytearray(whole)
    changed[len(whole) // 2] ^= 255
    for damaged in (b"nothing", b"", *(whole[: len(whole) * tenth // 10] for tenth in range(1, 10)), bytes(changed)):
        broken.write_bytes(damaged)
        with pytest.raises(BadValue, match="not the checkpoint"):
            scan(lens, Photos(), "0", TALLIES, checkpoint=broken)


def test_bad_files_are_skipped_and_named(lens: Lens, tmp_path: Path) -> None:
    paths = []
    for place in range(5):
        paths.append(tmp_path / f"{place}.png")
        Image.fromarray(PIXELS[place]).save(paths[-1])
    paths[1].write_bytes(b"torn")
    paths.append(tmp_path / "gone.png")
    found = scan(lens, paths, "0", TALLIES, batch_size=2)
    assert found.count == 4
    assert [(each.index, Path(each.name).name) for each in found.skipped] == [(1, "1.png"), (5, "gone.png")]
    assert "cannot be read" in found.skipped[0].reason
    assert "1.png" in repr(found)
    assert 1 not in found.tallies["0"]["top"].value().index
    with pytest.raises(BadValue, match="None of the 1 pictures"):
        scan(lens, paths[1:2], "0", TALLIES)


def test_pictures_of_several_sizes_are_counted_too(lens: Lens) -> None:
    mixed = [PIXELS[0], PIXELS[1][:12], PIXELS[2], PIXELS[3][:12]]
    found = scan(lens, mixed, "0", {"moments": Moments})
    assert found.tallies["0"]["moments"].value().count == 2 * 24 * 24 + 2 * 12 * 24


def test_any_iterable_will_do_and_memory_stays_bounded(lens: Lens) -> None:
    alive: weakref.WeakSet[np.ndarray] = weakref.WeakSet()
    most = 0

    class Picture(np.ndarray):
        __hash__ = object.__hash__  # type: ignore[assignment]

    def stream() -> Any:
        nonlocal most
        for place in range(60):
            picture = PIXELS[place % 23].view(Picture)
            alive.add(picture)
            most = max(most, len(alive))
            yield picture
            del picture

    found = scan(lens, stream(), "0", {"moments": Moments}, batch_size=4)
    gc.collect()
    assert found.count == 60
    assert most <= 12


def test_cancel_leaves_no_thread(lens: Lens) -> None:
    before = threading.active_count()
    steps = scan.steps(lens, PIXELS, "0", TALLIES, batch_size=4)
    first = next(steps)
    assert (first.index, first.total) == (4, 23)
    steps.close()
    assert threading.active_count() == before


def test_wrong_arguments(lens: Lens) -> None:
    with pytest.raises(UnknownName, match="layer"):
        scan(lens, PIXELS, "conv1", TALLIES)
    with pytest.raises(BadValue, match="empty"):
        scan(lens, [], "0", TALLIES)
    with pytest.raises(BadValue, match="batch_size=0"):
        scan(lens, PIXELS, "0", TALLIES, batch_size=0)
