"""Results: frozen, comparable, shown, and saved whole or not at all."""

import io
import json
import os
import pickle
from dataclasses import FrozenInstanceError, dataclass
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convviz_widgets.core.errors import BadType, BadValue, MissingFile
from convviz_widgets.core.provenance import Provenance
from convviz_widgets.core.unit import Unit
from convviz_widgets.render import charts, encode, store
from convviz_widgets.render.result import Result

MADE = Provenance.of("top_images", fingerprint="f" * 64, seed=4, layer="<conv1>", k=2)


@dataclass(frozen=True)
class Maps(Result):
    maps: np.ndarray
    layer: str = "conv1"
    more: Any = None

    def figure(self):
        return charts.heat_map(self.maps[0])

    def picture(self):
        return encode.pixels(np.clip(self.maps[0], 0, 1))


@dataclass(frozen=True)
class Bare(Result):
    scores: np.ndarray

    def figure(self):
        return charts.histogram(self.scores)


def made(**fields):
    maps = np.random.default_rng(0).random((2, 3, 4)).astype(np.float32)
    return Maps(**{"maps": maps, "provenance": MADE, **fields})


MORE = {
    "file": np.arange(3),
    "names": ("a", "ü"),
    "deep/er": {"x": np.array(np.nan), "unit": Unit("a", 1), "none": None},
    "list": [np.zeros((0, 2)), 1.5, float("inf"), [True]],
    "words": np.array(["cat", "dog"]),
}


def test_a_result_cannot_be_changed():
    result = made(more=MORE)
    with pytest.raises(FrozenInstanceError):
        result.maps = None
    with pytest.raises(ValueError, match="read-only"):
        result.maps[0, 0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        result.more["deep/er"]["x"][...] = 1


def test_making_a_result_leaves_the_givers_array_writable():
    maps = np.zeros((1, 2, 2))
    made(maps=maps)
    maps[0, 0, 0] = 1


def test_results_are_equal_when_every_bit_is():
    maps = np.array([[[0.5, np.nan]]])
    one = made(maps=maps, more={"x": (np.ones(2), "a")})
    assert one == made(maps=maps.copy(), more={"x": (np.ones(2), "a")})
    assert hash(one) == hash(made(maps=maps.copy()))
    assert one == pickle.loads(pickle.dumps(one))
    for other in (
        made(maps=maps + 1e-9, more=one.more),
        made(maps=maps.astype(np.float32), more=one.more),
        made(maps=maps, more={"x": (np.zeros(2), "a")}),
        made(maps=maps, more={"y": (np.ones(2), "a")}),
        made(maps=maps, more=one.more, provenance=Provenance("other")),
        "something else",
    ):
        assert one != other


def test_a_result_is_told_in_a_line():
    assert repr(made(more=np.zeros(3))) == (
        "Maps(maps=float32 (2, 3, 4), layer='conv1', more=float64 (3,), "
        "provenance=cv.top_images(lens, layer='<conv1>', k=2, seed=4))"
    )


def test_a_kind_that_cannot_be_drawn_cannot_be_made():
    @dataclass(frozen=True)
    class Undrawn(Result):
        pass

    with pytest.raises(TypeError, match="figure"):
        Undrawn(provenance=MADE)


def test_a_notebook_shows_the_picture_in_words_too():
    text = made()._repr_html_()
    assert encode.data_uri(encode.png(made().picture())) in text
    assert 'alt="top images: layer &lt;conv1&gt;, k 2"' in text
    assert "weights ffffffffffff" in text
    assert "<conv1>" not in text


def test_a_result_without_a_picture_shows_what_it_holds():
    text = Bare(np.zeros(5), provenance=MADE)._repr_html_()
    assert "<table" in text
    assert "float64 (5,)" in text
    assert "<conv1>" not in text


def test_saved_and_loaded_it_is_the_same(tmp_path):
    result = made(more=MORE)
    folder = result.save(tmp_path / "deep" / "er")
    assert folder == tmp_path / "deep" / "er"
    loaded = Maps.load(folder)
    expected = made(more={**MORE, "deep/er": {**MORE["deep/er"], "unit": "a:1"}})
    assert loaded == expected
    assert loaded.provenance.created == MADE.created
    assert Bare.load(Bare(np.zeros(5), provenance=MADE).save(tmp_path / "bare")).picture() is None


def test_the_folder_can_be_read_without_us(tmp_path):
    result = made()
    folder = result.save(tmp_path / "r")
    assert sorted(os.listdir(folder)) == ["arrays.npz", "manifest.json", "picture.png"]
    assert os.listdir(tmp_path) == ["r"]
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    assert manifest["fields"]["maps"] == {"array": "maps", "shape": [2, 3, 4], "dtype": "float32"}
    assert manifest["fields"]["layer"] == {"value": "conv1"}
    assert manifest["code"] == MADE.code()
    assert manifest["provenance"]["seed"] == 4
    with np.load(folder / "arrays.npz", allow_pickle=False) as arrays:
        assert np.array_equal(arrays["maps"], result.maps)
    with Image.open(folder / "picture.png") as picture:
        assert Provenance.from_json(picture.text["convviz_widgets"]) == MADE
        assert np.array_equal(np.array(picture), result.picture())


def test_an_earlier_result_is_replaced_only_when_asked(tmp_path):
    folder = made().save(tmp_path / "r")
    with pytest.raises(BadValue, match="overwrite=True"):
        made(layer="new").save(folder)
    assert Maps.load(folder).layer == "conv1"
    made(layer="new").save(folder, overwrite=True)
    assert Maps.load(folder).layer == "new"
    assert os.listdir(tmp_path) == ["r"]


def test_other_peoples_folders_are_never_touched(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(BadValue, match="left alone"):
        made().save(tmp_path, overwrite=True)
    folder = made().save(tmp_path / "r")
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(BadValue, match="left alone"):
        made().save(folder, overwrite=True)
    with pytest.raises(BadValue, match="left alone"):
        made().save(tmp_path / "mine.txt", overwrite=True)
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("fails", ["_write_arrays", "os.replace"])
@pytest.mark.parametrize("earlier", [False, True])
def test_a_failure_half_way_leaves_what_was_there(tmp_path, monkeypatch, fails, earlier):
    folder = tmp_path / "r"
    if earlier:
        made().save(folder)
    real = os.replace

    def fail(*args):
        if fails == "os.replace" and not str(args[0]).endswith("-new"):
            return real(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(store.os if fails == "os.replace" else store, fails.split(".")[-1], fail)
    with pytest.raises(KeyboardInterrupt):
        made(layer="new").save(folder, overwrite=True)
    monkeypatch.undo()
    assert os.listdir(tmp_path) == (["r"] if earlier else [])
    if earlier:
        assert Maps.load(folder).layer == "conv1"


@pytest.mark.parametrize("value", [object(), np.array([object()]), {1: 2}, b"x", {"deep": [lambda: 0]}])
def test_what_would_need_a_pickle_is_refused(tmp_path, value):
    with pytest.raises(BadType, match=r"more.*cannot be saved"):
        made(more=value).save(tmp_path / "r")
    assert os.listdir(tmp_path) == []


def test_a_pickle_in_a_folder_is_not_opened(tmp_path):
    folder = made().save(tmp_path / "r")
    np.savez(folder / "arrays.npz", maps=np.array([print], dtype=object))
    with pytest.raises(BadValue, match="damaged"):
        Maps.load(folder)


def test_folders_that_hold_no_such_result(tmp_path):
    with pytest.raises(MissingFile, match="no saved result"):
        Maps.load(tmp_path)
    folder = Bare(np.zeros(2), provenance=MADE).save(tmp_path / "bare")
    with pytest.raises(BadType, match=r"Bare.*Maps"):
        Maps.load(folder)
    (folder / "arrays.npz").write_bytes(b"PK broken")
    with pytest.raises(BadValue, match="damaged"):
        Bare.load(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "version": 99}))
    with pytest.raises(BadValue, match="version 99"):
        Bare.load(folder)


def test_saved_bytes_of_the_picture_open_as_png():
    assert Image.open(io.BytesIO(encode.png(made().picture()))).size == (4, 3)
