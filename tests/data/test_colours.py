"""Colour terms against what people call colours."""

import numpy as np
import pytest

from convviz_widgets.core.errors import BadValue
from convviz_widgets.data.colours import PROTOTYPES, colour_terms, lab
from convviz_widgets.data.concepts import COLOURS

KNOWN = {
    (255, 0, 0): "red",
    (0, 128, 0): "green",
    (0, 0, 200): "blue",
    (255, 255, 0): "yellow",
    (255, 165, 0): "orange",
    (128, 0, 128): "purple",
    (255, 192, 203): "pink",
    (139, 69, 19): "brown",
    (128, 128, 128): "grey",
    (5, 5, 5): "black",
    (250, 250, 250): "white",
    (135, 206, 235): "blue",
}


def test_well_known_colours_have_their_names() -> None:
    found = colour_terms(np.array([list(KNOWN)], dtype=np.uint8))[0]
    assert [COLOURS[term] for term in found] == list(KNOWN.values())


def test_prototypes_are_their_own_terms() -> None:
    for term, codes in PROTOTYPES.items():
        pixels = np.array([[list(bytes.fromhex(code)) for code in codes]], dtype=np.uint8)
        assert {COLOURS[each] for each in colour_terms(pixels)[0]} == {term}


def test_lab_of_white_black_and_red() -> None:
    np.testing.assert_allclose(lab(np.array([1.0, 1.0, 1.0])), [100, 0, 0], atol=0.05)
    np.testing.assert_allclose(lab(np.zeros(3)), [0, 0, 0], atol=0.01)
    np.testing.assert_allclose(lab(np.array([1.0, 0.0, 0.0])), [53.2, 80.1, 67.2], atol=0.2)


def test_other_arrays_are_refused() -> None:
    with pytest.raises(BadValue, match="uint8"):
        colour_terms(np.zeros((2, 2, 3)))  # type: ignore[arg-type]
