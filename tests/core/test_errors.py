"""Errors: readable text, the built-in kinds they stand for, near names."""

import inspect
import pickle

import pytest

from convviz_widgets.core import errors
from convviz_widgets.core.errors import BadLabel, BadValue, ConvvizError, UnknownName, unknown_name

KINDS = {
    "BadValue": ValueError,
    "Diverged": ValueError,
    "BadType": TypeError,
    "DownloadFailed": ConnectionError,
    "UnknownName": KeyError,
    "MissingFile": FileNotFoundError,
    "BrokenInstall": ImportError,
    "UnsupportedModel": RuntimeError,
    "OutOfMemory": MemoryError,
    "Cancelled": Exception,
}


def test_every_error_is_in_this_table():
    classes = {name for name, each in vars(errors).items() if inspect.isclass(each) and issubclass(each, ConvvizError)}
    assert classes - {"ConvvizError", "BadLabel"} == set(KINDS)


def test_a_label_that_cannot_be_used_keeps_its_kind_on_its_way_between_processes():
    error = pickle.loads(pickle.dumps(BadLabel("wrong size", "line one")))
    assert isinstance(error, BadValue)
    assert (error.kind, str(error)) == ("wrong size", "line one")


@pytest.mark.parametrize("name", KINDS)
def test_an_error_is_caught_as_its_built_in_kind_and_reads_as_written(name):
    kind = getattr(errors, name)
    with pytest.raises(KINDS[name]) as caught:
        raise kind("line one\nline 'two'")
    assert isinstance(caught.value, ConvvizError)
    assert str(caught.value) == "line one\nline 'two'"
    assert str(pickle.loads(pickle.dumps(caught.value))) == "line one\nline 'two'"
    assert str(kind()) == ""


def test_an_unknown_name_lists_the_nearest_three():
    error = unknown_name("layer", "convv2", ["conv1", "conv2", "conv3", "conv4", "pool"], "See `lens.layers`.")
    assert isinstance(error, UnknownName)
    assert str(error).startswith("There is no layer 'convv2'. Nearest: 'conv2', ")
    assert str(error).count("'conv") == 4
    assert "pool" not in str(error)
    assert str(error).endswith("See `lens.layers`.")


def test_an_unknown_name_like_none_lists_the_first_and_an_empty_list_says_so():
    assert "'a', 'b', 'c'" in str(unknown_name("layer", "xyz", "abcd"))
    assert "empty" in str(unknown_name("layer", "xyz", []))
