"""The language of a widget: set for all, set for one, followed by those that are open."""

from collections.abc import Iterator

import pytest

from convviz_widgets.core import words
from convviz_widgets.core.errors import UnknownName
from convviz_widgets.widgets.design_bench import DesignBench


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(words, "_set", {})
    monkeypatch.delenv(words.VARIABLE, raising=False)
    yield
    words.language("auto")  # for widgets of other tests that are still open


def test_open_widgets_follow_and_one_with_a_language_of_its_own_does_not() -> None:
    follows, own = DesignBench(), DesignBench(language="en")
    assert (follows.language, own.language) == ("auto", "en")
    words.language("zh")
    assert (follows.language, own.language, DesignBench().language) == ("zh", "en", "zh")
    follows.language = "zh_CN"
    assert follows.language == "zh"


def test_a_wrong_language_is_refused_and_changes_nothing() -> None:
    bench = DesignBench()
    with pytest.raises(UnknownName, match="Accepted: 'auto'"):
        bench.language = "klingon"
    with pytest.raises(UnknownName, match="Accepted: 'auto'"):
        DesignBench(language="klingon")
    assert bench.language == words.language() == "auto"


def test_the_module_holds_its_words_once_and_before_they_are_asked_for() -> None:
    module = str(DesignBench._esm)
    assert module.startswith('const WORDS = {"en":')
    assert module.count("function word(") == 1
    assert "设计台" in module
    assert "遮挡画笔" not in module
