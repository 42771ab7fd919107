"""Static HTML: what comes from outside is text, wherever it stands."""

from html.parser import HTMLParser

import numpy as np
import pytest

from convviz_widgets.core.errors import BadValue
from convviz_widgets.render import encode, html

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    '"><script>alert(1)</script>',
    "' onmouseover='alert(1)",
    "</caption></table><script>",
    "&lt;b&gt;",
    "</title><svg onload=alert(1)>",
]


class Reader(HTMLParser):
    """Tags, attributes and text as a browser reads them."""

    VOID = frozenset({"img", "meta"})

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.texts, self.open = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def everything(name):
    picture = html.picture(np.zeros((2, 2)), name, width=10, sharp=True)
    return html.page(
        name,
        html.table([name, "n"], [(name, 1)], caption=name),
        html.cards([(picture, name), (name, name)]),
        html.block(name, html.faint(name), label=name),
        name,
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_text(name):
    plain, attacked = Reader(everything("name")), Reader(everything(name))
    assert attacked.tags == plain.tags
    assert [key for key, _ in attacked.attributes] == [key for key, _ in plain.attributes]
    assert not any(key.startswith("on") for key, _ in attacked.attributes)
    assert attacked.open == []
    assert attacked.texts.count(name) == plain.texts.count("name") == 10
    assert [value for key, value in attacked.attributes if key in ("alt", "aria-label")] == [name, name]


def test_markup_is_kept_and_text_joined_to_it_is_no_markup():
    markup = html.Markup("<b>x</b>")
    assert html.escape(markup) is markup
    assert html.join([markup, "<i>"]) == "<b>x</b>&lt;i&gt;"
    assert not isinstance(markup + "<i>", html.Markup)
    assert html.escape(markup + "<i>") == "&lt;b&gt;x&lt;/b&gt;&lt;i&gt;"


def test_a_picture_is_in_the_page_and_has_words():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 4, 3)).astype(np.uint8)
    attributes = dict(Reader(html.picture(pixels, "a cat")).attributes)
    assert attributes["src"] == encode.data_uri(encode.png(pixels))
    assert attributes["alt"] == "a cat"
    assert html.picture(encode.jpeg(pixels), "").count("data:image/jpeg") == 1


def test_a_table_aligns_columns_of_numbers():
    text = html.table(["name", "mean", "n"], [("a", 0.123456, np.int64(3)), ("b", np.float32(2), 40)])
    reader = Reader(text)
    assert [each for each in reader.texts if each.strip()] == ["name", "mean", "n", "a", "0.1235", "3", "b", "2", "40"]
    assert text.count("text-align:right") == 6
    assert ("scope", "col") in reader.attributes
    assert text.count("overflow-wrap:break-word") == 3  # the first column is broken within words last


def test_a_row_of_another_length_is_refused():
    with pytest.raises(BadValue, match="Row 1 has 1 cells"):
        html.table(["a", "b"], [(1, 2), (1,)])


def test_colours_come_from_the_page():
    assert "var(--jp-ui-font-color1,inherit)" in html.block("x")
    assert "prefers-color-scheme:dark" in html.page("t", "x")
