"""The troubles: what is really raised stands among them, with its own words."""

import re
from collections.abc import Callable

import pytest

import convviz_widgets as cv
from convviz_widgets.core.errors import ConvvizError
from convviz_widgets.handbook.troubles import GAP, kinds, troubles

WRONG: dict[str, Callable[[], object]] = {
    "count": lambda: cv.MiniBroden(count="many"),
    "unit": lambda: cv.Unit.parse("conv1:one"),
    "module": lambda: cv.Lens("squeezenet"),
    "weights": lambda: cv.Lens.load("resnet18", weights="/nowhere.pth"),
    "image": lambda: cv.Lens.load("mini").prepare("no such picture.jpg"),
}


def fits(said: str, template: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, template.split(GAP))), said, re.DOTALL) is not None


@pytest.mark.parametrize("name", WRONG)
def test_an_error_that_is_raised_stands_in_the_list(name: str) -> None:
    with pytest.raises(ConvvizError) as caught:
        WRONG[name]()
    kind = type(caught.value).__name__
    assert any(each.kind == kind and fits(str(caught.value), each.text) for each in troubles()), caught.value


def test_each_has_a_kind_that_is_told_and_words_of_its_own() -> None:
    found = troubles()
    assert len({(each.kind, each.text) for each in found}) == len(found) > 100
    assert {each.kind for each in found} <= set(kinds())
    assert all(kinds().values())
