"""A provenance keeps what is needed to run again, in plain data, and can be read back."""

import copy
import json
import math
import pickle
import sys
from collections import OrderedDict
from pathlib import PurePosixPath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import convviz_widgets
from convviz_widgets.core.errors import BadType, BadValue
from convviz_widgets.core.provenance import Provenance, plain
from convviz_widgets.core.region import Box
from convviz_widgets.core.unit import Unit

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_the_line_of_code_calls_with_the_very_values():
    made = Provenance.of(
        "occlusion", inputs=("lens", "image"), seed=3, unit=Unit("fire9", 17), size=[7, 9], fill="grey", limit=math.inf
    )
    calls = []

    class Package:
        @staticmethod
        def occlusion(*args, **kwargs):
            calls.append((args, kwargs))

    eval(made.code(), {"cv": Package, "lens": "L", "image": "I", "float": float})
    settings = {"unit": "fire9:17", "size": (7, 9), "fill": "grey", "limit": math.inf}
    assert calls == [(("L", "I"), {**settings, "seed": 3})]


@given(PLAIN)
def test_code_gives_back_every_plain_value(value):
    made = Provenance("t", settings={"value": value}, inputs=())
    namespace = {"cv": type("cv", (), {"t": staticmethod(lambda value: value)}), "float": float}
    assert repr(eval(made.code(), namespace)) == repr(made.settings["value"])


@given(PLAIN)
def test_json_is_strict_and_comes_back(value):
    made = Provenance.of("t", fingerprint="ab" * 20, seed=1, setting=value)

    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    json.loads(made.to_json(), parse_constant=refuse)
    read = Provenance.from_json(made.to_json())
    assert (read.technique, read.fingerprint, read.seed, read.inputs) == ("t", "ab" * 20, 1, ("lens",))
    assert (read.versions, read.created) == (made.versions, made.created)
    if not any(mark in repr(value) for mark in ("nan", "inf")):
        assert read == made


def test_versions_and_the_moment_are_filled_in():
    made = Provenance.of("t")
    assert made.versions["convviz_widgets"] == convviz_widgets.__version__
    assert made.versions["numpy"] == np.__version__
    assert made.versions["python"] == ".".join(map(str, sys.version_info[:3]))
    assert made.created.endswith("+00:00")


def test_equal_but_for_the_moment():
    one, other = Provenance("t", settings={"k": 9}, created="1"), Provenance("t", settings={"k": 9}, created="2")
    assert one == other
    assert hash(one) == hash(other)
    assert one != Provenance("t", settings={"k": 8})


def test_nobody_changes_it_later():
    given_settings = {"sizes": [3]}
    made = Provenance("t", settings=given_settings)
    given_settings["sizes"].append(5)
    assert made.settings["sizes"] == (3,)
    with pytest.raises(TypeError):
        made.settings["k"] = 1


def test_it_can_be_pickled_and_copied():
    made = Provenance.of("t", seed=0, layer="conv1")
    for twin in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made)):
        assert twin == made
        assert twin.versions == made.versions
        with pytest.raises(TypeError):
            twin.settings["k"] = 1


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.array(7), 7),
        (Box(1, 2, 3, 4), (1, 2, 3, 4)),
        (PurePosixPath("a/b"), "a/b"),
        ({2, 1}, (1, 2)),
        (OrderedDict(k=[Unit("a", 0)]), {"k": ("a:0",)}),
        (range(3), (0, 1, 2)),
    ],
)
def test_values_become_plain(value, kept):
    result = plain(value)
    assert result == kept
    assert type(result) is type(kept)


@pytest.mark.parametrize("value", [object(), np.zeros(3), b"bytes", [1, [object()]], lambda: 0])
def test_other_things_are_refused_by_name(value):
    with pytest.raises(BadType, match=r"settings_name.*Accepted"):
        Provenance("t", settings={"settings_name": value})


@pytest.mark.parametrize("text", ["", "[]", "{}", "3", '{"technique": "t", "settings": 3}'])
def test_text_that_is_no_provenance_is_refused(text):
    with pytest.raises(BadValue, match="not a provenance"):
        Provenance.from_json(text)


def test_a_summary_for_people():
    made = Provenance(
        "t", "0123456789abcdef", {"k": 9}, versions={"convviz_widgets": "1.2"}, created="2030-01-02T03:04"
    )
    assert made.summary() == "cv.t(lens, k=9) · weights 0123456789ab · convviz_widgets 1.2 · 2030-01-02"
    assert Provenance("t").summary() == "cv.t(lens)"
